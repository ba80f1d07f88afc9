"""Faults that a review of the core found once: each stays found."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import readers

from eventwriter import EventWriter, WriteError, _os

# A handler may raise in the middle of a weakref's callback, where Python can only print it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def scalars(logdir: Path) -> list[tuple[str, int]]:
    return [(r.tag, r.step) for r in readers.run_events(logdir) if r.tag]


@pytest.fixture
def alarm() -> Iterator[None]:
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


class Timeout(Exception):
    """An ordinary exception, as a user's handler raises."""


@pytest.mark.parametrize("durability", ["async", "process"])
def test_what_a_handler_raises_is_the_callers(tmp_path: Path, alarm: None, durability: str) -> None:
    """It comes out of the log call; no event is written twice, no lock stays held, the writer works on."""

    def handler(*_: object) -> None:
        raise Timeout

    with EventWriter(tmp_path, durability=durability) as w:  # type: ignore[arg-type]
        signal.signal(signal.SIGALRM, handler)
        sure, i, raised, fired = [], 0, 0, 0
        while raised < 300:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0004)
                fired += 1
                for _ in range(3000):
                    w.scalar("a", 1.0, i)
                    sure.append(i)
                    i += 1
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Timeout:
                raised += 1
                i += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
        w.scalar("a", 1.0, i)
        assert w.flush()
    got = [s for _, s in scalars(tmp_path)]
    assert len(got) == len(set(got))
    assert set(sure) <= set(got)


@pytest.mark.parametrize("durability", ["async", "process"])
def test_a_handler_that_flushes_does_not_wait_for_itself(tmp_path: Path, alarm: None, durability: str) -> None:
    """In the middle of a write it is told no, at once."""
    waits = []

    def handler(*_: object) -> None:
        start = time.monotonic()
        w.flush(timeout=60)
        waits.append(time.monotonic() - start)

    with EventWriter(tmp_path, durability=durability) as w:  # type: ignore[arg-type]
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
        i = 0
        while len(waits) < 50:
            w.scalar("a", 1.0, i)
            i += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
    assert max(waits) < 59


def failing_write(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    broken = [False]
    real = os.write

    def write(fd: int, data: bytes) -> int:
        if broken[0]:
            raise OSError(errno.ENOSPC, "full")
        return real(fd, data)

    monkeypatch.setattr(_os, "write", write)
    return broken


def test_a_callback_that_exits_does_not_take_the_thread_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sys.exit()` in on_error: this writer and the others go on."""
    broken = failing_write(monkeypatch)
    with EventWriter(tmp_path, on_error=lambda _: sys.exit(1)) as w:
        broken[0] = True
        w.scalar("a", 1, 0)
        w.flush(timeout=1)
        broken[0] = False
        while not w.flush(timeout=5):
            pass
        w.scalar("a", 1, 1)
    assert [("a", 0), ("a", 1)] == scalars(tmp_path)


def test_a_warning_that_cannot_be_printed_is_no_fault(tmp_path: Path) -> None:
    """stderr is closed and the folder disappears: the events after that are in a new one."""
    code = (
        "import shutil, sys; from eventwriter import EventWriter\n"
        "w = EventWriter(sys.argv[1]); w.scalar('a', 1, 0); w.flush()\n"
        "sys.stderr.close(); shutil.rmtree(sys.argv[1])\n"
        "w.scalar('a', 1, 1); assert w.flush(); w.scalar('a', 1, 2); assert w.close()"
    )
    assert 0 == subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")]).returncode
    assert [("a", 1), ("a", 2)] == scalars(tmp_path / "x")


def test_on_error_raise_raises_from_the_very_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the call takes the fast path."""
    broken = failing_write(monkeypatch)
    w = EventWriter(tmp_path, on_error="raise", flush_secs=0.01)
    w.scalar("a", 1.0, 0)
    w.flush()
    broken[0] = True
    w.scalar("a", 1.0, 1)
    time.sleep(0.5)
    with pytest.raises(WriteError):
        w.scalar("a", 1.0, 2)
    broken[0] = False
    w.scalar("a", 1.0, 3)
    w.close()
    assert [("a", 0), ("a", 1), ("a", 3)] == scalars(tmp_path)


def test_slow_encoding_is_no_standing_disk(tmp_path: Path) -> None:
    """Items that take long to encode fill the bound: callers wait, nothing is dropped."""
    from eventwriter.summary.text import text

    with EventWriter(tmp_path, max_pending_bytes=1 << 20) as w:
        for i in range(6):
            value = text("t", "x" * 400_000)
            values = value.values
            value.values = lambda values=values: (time.sleep(0.3), values())[1]  # type: ignore[misc]
            w.log(value, i)
        assert 0 == w.stats().dropped
    assert [("t", i) for i in range(6)] == scalars(tmp_path)


def test_write_through_notices_a_deleted_folder_at_flush_and_close(tmp_path: Path) -> None:
    """Not only at a later log call."""
    import shutil

    w = EventWriter(tmp_path / "x", durability="process")
    w.scalar("a", 1, 0)
    w.flush()
    shutil.rmtree(tmp_path / "x")
    w.scalar("a", 1, 1)
    assert w.flush()
    assert ("a", 1) in scalars(tmp_path / "x")
    shutil.rmtree(tmp_path / "x")
    w.scalar("a", 1, 2)
    assert w.close()
    assert ("a", 2) in scalars(tmp_path / "x")


def test_write_through_begins_new_files(tmp_path: Path) -> None:
    """max_file_bytes holds for it too."""
    with EventWriter(tmp_path, durability="process", max_file_bytes=20_000) as w:
        for i in range(3000):
            w.scalar("a", i, i)
            if i % 100 == 0:
                w.flush()
    assert [("a", i) for i in range(3000)] == scalars(tmp_path)
    assert max(os.path.getsize(tmp_path / n) for n in os.listdir(tmp_path)) < 40_000


@pytest.mark.parametrize("durability", ["async", "machine"])
def test_a_disk_that_cannot_sync_does_not_fill_with_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str
) -> None:
    """sync() says no; the events are written, a few files at most, none many times over."""

    def fdatasync(fd: int) -> None:
        raise OSError(errno.EIO, "never")

    monkeypatch.setattr(_os, "fdatasync", fdatasync)
    with EventWriter(tmp_path, durability=durability, sync_secs=0.02) as w:  # type: ignore[arg-type]
        for i in range(100):
            w.scalar("a", i, i)
            time.sleep(0.01)
        assert not w.sync()
    assert set(range(100)) == {s for _, s in scalars(tmp_path)}
    assert len(os.listdir(tmp_path)) <= 5
    assert len(scalars(tmp_path)) <= 300


@pytest.mark.parametrize("durability", ["async", "machine"])
def test_a_closed_writer_is_forgotten_whatever_the_disk_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str
) -> None:
    """The flush thread does not try for ever, and keeps nothing of what it tried: not this writer, not another."""

    def fdatasync(fd: int) -> None:
        raise OSError(errno.EIO, "never")

    monkeypatch.setattr(_os, "fdatasync", fdatasync)
    w = EventWriter(tmp_path / "a", durability=durability, sync_secs=0.02)  # type: ignore[arg-type]
    for i in range(10):
        w.scalar("a", i, i)
        assert not w.sync()
        error = w.stats().last_error
        assert error is None or error.__traceback__ is None
    other = EventWriter(tmp_path / "b")
    other.scalar("a", 1, 1)
    other.flush()
    streams = [weakref.ref(w._engine._stream), weakref.ref(other._engine._stream)]
    w.close(timeout=1)
    del w, other, error
    deadline = time.monotonic() + 60
    while any(stream() is not None for stream in streams):
        gc.collect()
        assert time.monotonic() < deadline, gc.get_referrers(*[s() for s in streams])
        time.sleep(0.05)


def test_machine_syncs_at_exit(tmp_path: Path) -> None:
    """Without close, too."""
    code = (
        "import os, sys; from eventwriter import EventWriter, _os\n"
        "_os.fdatasync = lambda fd: (os.write(1, b'sync '), os.fdatasync(fd))\n"
        "w = EventWriter(sys.argv[1], durability='machine', sync_secs=3600); w.scalar('a', 1, 0)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("sync ", "")


def test_interrupted_calls_do_not_eat_the_bound(tmp_path: Path, alarm: None) -> None:
    """Thousands of interrupted calls for items, then as many that must all be taken."""

    def handler(*_: object) -> None:
        raise Timeout

    with EventWriter(tmp_path, max_pending_bytes=1 << 20) as w:
        signal.signal(signal.SIGALRM, handler)
        for i in range(2000):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0001)
                for _ in range(20):
                    w.text("t", "x" * 2000, i)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Timeout:
                pass
        signal.setitimer(signal.ITIMER_REAL, 0)
        w.flush()
        for i in range(300):
            w.text("u", "x" * 2000, i)
        w.flush()
        assert 0 == w.stats().dropped
    assert 300 == len([t for t, _ in scalars(tmp_path) if t == "u"])


def test_a_tag_watch_that_fails_costs_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each event is counted once and written once."""
    with EventWriter(tmp_path) as w:

        def broken(*_: Any) -> Any:
            raise RuntimeError("of ours")

        monkeypatch.setattr(w._engine._stream._batches._watch, "see", broken)
        with caplog.at_level(logging.CRITICAL, "eventwriter"):
            for i in range(100):
                w.scalar("a", 1.0, i)
            w.flush()
        assert (100, 100, 0, 0, 0) == w.stats()[:5]
    assert 100 == len(scalars(tmp_path))
