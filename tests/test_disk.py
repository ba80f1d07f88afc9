"""A disk that fails: every call into the operating system fails once, or for good, at every place."""

from __future__ import annotations

import errno
import gc
import logging
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import descriptors
import pytest
import readers

from eventwriter import EventWriter, WriteError, _os


def scalars(logdir: Path) -> list[tuple[str, int]]:
    return [(r.tag, r.step) for r in readers.run_events(logdir) if r.tag]


class Disk:
    """Replaces the calls in `_os`: `fail(name, errno, n)` makes the next `n` calls of that name fail (-1: all)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plan: dict[str, tuple[int, int]] = {}
        self.short: int | None = None  # write at most so many bytes, once
        for name in ("open", "write", "close", "fstat", "stat", "makedirs", "listdir", "fdatasync"):
            monkeypatch.setattr(_os, name, self._wrap(name, getattr(os, name)))

    def fail(self, name: str, number: int, times: int) -> None:
        self.plan[name] = (number, times)

    def heal(self) -> None:
        self.plan.clear()

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            number, times = self.plan.get(name, (0, 0))
            if name == "write" and self.short is not None and times:
                size, self.short = self.short, None
                return real(args[0], args[1][:size])
            if times:
                self.plan[name] = (number, times - 1)
                raise OSError(number, os.strerror(number))
            return real(*args, **kwargs)

        return call


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    yield Disk(monkeypatch)


NUMBERS = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EINTR, errno.EAGAIN, errno.ESTALE, errno.EROFS,
           errno.EBADF, errno.EMFILE]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS, ids=errno.errorcode.get)
@pytest.mark.parametrize("name", ["write", "fstat", "stat", "close", "open", "listdir", "makedirs"])
@pytest.mark.parametrize("short", [None, 1, 20])
def test_a_passing_fault_costs_nothing(tmp_path: Path, disk: Disk, name: str, number: int, short: int | None) -> None:
    """A call that fails twice, perhaps after a short write: nothing is raised, all events are read, in order."""
    with EventWriter(tmp_path, flush_secs=0.01) as w:
        for i in range(100):
            w.scalar("a", i, i)
        w.flush()
        disk.short = short if name == "write" else None
        disk.fail(name, number, 2)
        for i in range(100, 200):
            w.scalar("a", i, i)
        w.flush()
        while not w.flush():
            pass
        stats = w.stats()
    assert [("a", i) for i in range(200)] == scalars(tmp_path)
    assert (200, 200, 0, 0, 0) == stats[:5]


def test_a_full_disk_is_an_episode(tmp_path: Path, disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    """Training goes on, events wait; one warning when it begins and one when it ends; nothing is lost."""
    with EventWriter(tmp_path, flush_secs=0.01) as w:
        w.scalar("a", 0, 0)
        w.flush()
        disk.short = 7
        disk.fail("write", errno.ENOSPC, -1)
        for i in range(1, 20_000):
            w.scalar("a", i, i)
        assert not w.flush()
        assert not w.flush()
        stats = w.stats()
        assert ("failing", 20_000, 1, 19_999) == (stats.state, stats.accepted, stats.written, stats.pending)
        assert stats.last_error is not None and stats.last_error.errno == errno.ENOSPC
        disk.heal()
        while not w.flush():
            pass
        assert w.stats().state == "ok"
    assert [("a", i) for i in range(20_000)] == scalars(tmp_path)
    assert 1 == len(os.listdir(tmp_path))
    assert ["No space left on device", "writing goes on"] == [
        next(t for t in ("No space left on device", "writing goes on") if t in r.getMessage()) for r in caplog.records
    ]


def test_a_disk_full_for_ever_drops_the_newest_and_counts_them(tmp_path: Path, disk: Disk) -> None:
    """Memory stays within the bound, no call waits, close says what was lost."""
    w = EventWriter(tmp_path, flush_secs=0.01, max_pending_bytes=1 << 20)
    w.scalar("a", 0, 0)
    w.flush()
    disk.fail("write", errno.ENOSPC, -1)
    for i in range(1, 100_000):
        w.scalar("a", i, i)
    assert w._ring.nbytes <= (1 << 20) + (1 << 18)
    stats = w.stats()
    assert 100_000 == stats.accepted == stats.written + stats.pending + stats.dropped
    assert stats.dropped > 50_000
    assert not w.close()
    disk.heal()
    stats = w.stats()
    assert (1, 0, 99_999) == (stats.written, stats.pending, stats.dropped)
    assert [("a", 0)] == scalars(tmp_path)


def test_a_gap_is_marked_in_the_file(tmp_path: Path, disk: Disk) -> None:
    """When the disk takes bytes again after events had no room, a text says how many are missing."""
    with EventWriter(tmp_path, flush_secs=0.01, max_pending_bytes=1 << 20) as w:
        w.scalar("a", 0, 0)
        w.flush()
        disk.fail("write", errno.ENOSPC, -1)
        for i in range(1, 50_000):
            w.scalar("a", i, i)
        disk.heal()
        while not w.flush():
            pass
        dropped = w.stats().dropped
    assert dropped > 0
    rows = readers.run_events(tmp_path)
    (marker,) = [r for r in rows if r.tag == "eventwriter/lost"]
    assert "text" == marker.plugin
    assert marker.value.item().decode().startswith(f"{dropped} events were lost here")
    assert 50_000 - dropped == len([r for r in rows if r.tag == "a"])


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_file_that_stays_broken_is_left_alone(tmp_path: Path, disk: Disk, number: int) -> None:
    """The tear stays as it is and a new file, sorting after it, begins with the torn record."""
    with EventWriter(tmp_path, flush_secs=0.01) as w:
        w.scalar("a", 0, 0)
        w.flush()
        first = Path(w.path)
        size = first.stat().st_size
        disk.short = 30
        disk.fail("write", number, 5)
        w.scalar("a", 1, 1)
        while not w.flush():
            pass
        w.scalar("a", 2, 2)
        assert Path(w.path) != first
    assert size + 30 == first.stat().st_size
    assert [("a", 0)] == [(r.tag, r.step) for r in readers.file_events(first) if r.tag]
    assert [("a", 0), ("a", 1), ("a", 2)] == scalars(tmp_path)
    assert sorted(os.listdir(tmp_path)) == [first.name, Path(w.path).name]


def test_a_write_that_left_something_behind_ends_the_file(tmp_path: Path, disk: Disk) -> None:
    """The disk said no but the file grew: appending would be a tear in the middle."""
    with EventWriter(tmp_path, flush_secs=0.01) as w:
        w.scalar("a", 0, 0)
        w.flush()
        first = Path(w.path)
        with open(first, "ab") as f:
            f.write(b"half a rec")
        disk.fail("write", errno.EIO, 1)
        w.scalar("a", 1, 1)
        while not w.flush():
            pass
    assert [("a", 0), ("a", 1)] == scalars(tmp_path)
    assert Path(w.path) != first


@pytest.mark.parametrize("how", ["file", "folder", "renamed", "replaced"])
def test_a_deleted_log_goes_on_in_a_new_file(tmp_path: Path, how: str) -> None:
    """Every event accepted after the deletion is in it."""
    logdir = tmp_path / "log"
    with EventWriter(logdir, flush_secs=0.01) as w:
        w.scalar("a", 0, 0)
        w.flush()
        if how == "file":
            os.unlink(w.path)
        elif how == "renamed":
            logdir.rename(tmp_path / "elsewhere")
        else:
            shutil.rmtree(logdir)
        if how == "replaced":
            logdir.write_text("in the way")
        for i in range(1, 50):
            w.scalar("a", i, i)
        w.flush()
        if how == "replaced":
            assert w.stats().state == "failing"
            logdir.unlink()
        while not w.flush():
            pass
    assert [("a", i) for i in range(1, 50)] == scalars(logdir)


def test_on_error_raise(tmp_path: Path, disk: Disk) -> None:
    """The next log call raises, once for each change of state; the events are kept all the same."""
    with EventWriter(tmp_path, on_error="raise") as w:
        disk.fail("write", errno.ENOSPC, -1)
        w.scalar("a", 0, 0)
        with pytest.raises(WriteError) as caught:
            w.flush()
        assert caught.value.errno == errno.ENOSPC
        disk.heal()
        w.scalar("a", 1, 1)
    assert [("a", 0), ("a", 1)] == scalars(tmp_path)


def test_on_error_callable(tmp_path: Path, disk: Disk) -> None:
    """It is told, on the flush thread; what it raises goes no further."""
    told: list[WriteError] = []

    def on_error(error: WriteError) -> None:
        told.append(error)
        raise RuntimeError("of the user's")

    with EventWriter(tmp_path, on_error=on_error) as w:
        disk.fail("write", errno.ENOSPC, -1)
        w.scalar("a", 0, 0)
        assert not w.flush()
        disk.heal()
        while not w.flush():
            pass
    assert [errno.ENOSPC] == [e.errno for e in told]


def test_a_limit_on_the_size_of_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """RLIMIT_FSIZE: another file takes what does not fit, silently, nothing is lost."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with EventWriter(tmp_path, flush_secs=0.01) as w:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            for i in range(3000):
                w.scalar("a", i, i)
                if i % 100 == 0:
                    w.flush()
            while not w.flush():
                pass
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [("a", i) for i in range(3000)] == scalars(tmp_path)
    assert len(os.listdir(tmp_path)) > 3
    assert [] == [r for r in caplog.records if r.levelno >= logging.ERROR]


@pytest.mark.parametrize("name", ["open", "listdir", "fstat", "write"])
def test_a_disk_that_is_full_at_the_start(tmp_path: Path, disk: Disk, name: str) -> None:
    """By default training begins all the same, and the file is there once the disk takes it: nothing is lost."""
    disk.fail(name, errno.ENOSPC, -1)
    with EventWriter(tmp_path / "x") as w:
        w.scalar("a", 0, 0)
        assert not w.flush()
        assert w.stats().state == "failing"
        disk.heal()
        while not w.flush():
            pass
        w.scalar("a", 1, 1)
    assert [("a", 0), ("a", 1)] == scalars(tmp_path / "x")


def test_open_failures_raise_if_asked_to(tmp_path: Path, disk: Disk) -> None:
    """on_error="raise": the constructor raises what the disk says, and leaves no descriptor and no file."""
    gc.collect()
    before = descriptors.ours(tmp_path)
    for name in ("open", "listdir", "fstat", "write"):
        disk.fail(name, errno.ENOSPC, -1)
        with pytest.raises(OSError, match="No space"):
            EventWriter(tmp_path / "x", on_error="raise")
        disk.heal()
    gc.collect()
    assert not descriptors.ours(tmp_path) - before
    assert [] == os.listdir(tmp_path / "x")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOTDIR])
def test_a_folder_that_cannot_be_raises_always(tmp_path: Path, disk: Disk, number: int) -> None:
    """A mistake in the path is heard of at once, not after three days of training."""
    disk.fail("open", number, -1)
    with pytest.raises(OSError):
        EventWriter(tmp_path / "x")


def test_a_file_of_its_own_after_max_file_bytes(tmp_path: Path) -> None:
    """Rotation: files of about the size, each beginning with its version, all read in order."""
    with EventWriter(tmp_path, flush_secs=0.01, max_file_bytes=10_000) as w:
        for i in range(2000):
            w.scalar("a", i, i)
            if i % 50 == 0:
                w.flush()
    assert [("a", i) for i in range(2000)] == scalars(tmp_path)
    sizes = [os.path.getsize(tmp_path / name) for name in os.listdir(tmp_path)]
    assert len(sizes) > 5
    assert max(sizes) < 20_000
