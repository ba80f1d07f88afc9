"""F4: the Nth call into the operating system fails, once or for good, for every call and every error."""

from __future__ import annotations

import errno
import logging
import random
import time
from pathlib import Path

import pytest
from faults import scripted
from faults.scripted import ScriptedDisk

from eventwriter import EventWriter

ERRORS = ("ENOSPC", "EDQUOT", "EFBIG", "EIO", "EINTR", "EAGAIN", "ESTALE", "EROFS", "EBADF", "EMFILE")
NUMBERS = [getattr(errno, name) for name in ERRORS]
# What a writer calls while it logs, rotates and syncs. `short`: a write that takes some bytes and then fails.
FAULTS = ("open", "write", "short", "fdatasync", "fstat", "stat", "close", "makedirs", "listdir")


def log(w: EventWriter, start: int, count: int, flush: bool) -> None:
    for i in range(start, start + count):
        w.scalar("a", i, i)
        if flush and i % 10 == 9:
            w.flush()


def session(logdir: Path, disk: ScriptedDisk, fault: str, number: int, first: int, times: int, level: str) -> None:
    """Open, log 60 events in several writes and files, with one fault in it; heal, log on, close, read it all."""
    disk.heal()
    w = EventWriter(
        logdir, flush_secs=0.001, max_file_bytes=700, sync_secs=0.002, durability=level, max_pending_bytes=1 << 20
    )  # type: ignore[call-overload]
    if fault == "short":
        disk.short = 1 + (first * 7 + number) % 60
    disk.fail("write" if fault == "short" else fault, number, first, times)
    log(w, 0, 60, flush=times >= 0)
    began = time.monotonic()
    if times < 0:
        w.flush(1)
        scripted.balance(w, 60)
        assert time.monotonic() - began < scripted.WATCHDOG
    disk.heal()
    scripted.settle(w)
    log(w, 60, 20, flush=False)
    assert w.close()
    scripted.balance(w, 80)
    assert (80, 80, 0, 0, 0) == w.stats()[:5]
    scripted.check_files(logdir)
    got = scripted.steps(logdir)
    if level == "machine" and fault == "fdatasync":
        got = sorted(set(got))  # what a failed sync leaves uncertain is written again, whatever readers saw of it
    assert list(range(80)) == got


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("level", ["async", "process", "machine"])
def test_the_nth_call_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: random.Random, fault: str, level: str
) -> None:
    """Once, three times or until it is healed, at the Nth call: all is read, in order, and the counts add up."""
    disk = ScriptedDisk(monkeypatch)
    logging.getLogger("eventwriter").setLevel(logging.CRITICAL)
    try:
        cases = [(number, first, times) for number in NUMBERS for first in (1, 2, 3, 5, 9) for times in (1, 3, -1)]
        for number, first, times in rng.sample(cases, 15) if not scripted.EVERYTHING else cases:
            logdir = tmp_path / f"{errno.errorcode[number]}-{first}-{times}"
            try:
                session(logdir, disk, fault, number, first, times, level)
            except BaseException as error:
                error.add_note(
                    f"{level}: {fault} fails with {errno.errorcode[number]} from call {first}, {times} times"
                )
                raise
    finally:
        logging.getLogger("eventwriter").setLevel(logging.NOTSET)


@pytest.mark.parametrize("fault", ["open", "write", "listdir", "makedirs"])
def test_a_fault_for_ever_is_bounded_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """Accepted = written + pending + dropped, close returns at its timeout, one warning."""
    disk = ScriptedDisk(monkeypatch)
    w = EventWriter(tmp_path, flush_secs=0.001, max_file_bytes=500, max_pending_bytes=1 << 19)
    log(w, 0, 10, flush=True)
    disk.fail(fault, errno.EIO)
    # Enough to fill what may wait. With makedirs, open and listdir failing, the first file is still written to.
    log(w, 10, 40_000, flush=False)
    assert not w.sync(0.5)
    scripted.balance(w, 40_010)
    began = time.monotonic()
    assert not w.close(0.5)
    assert time.monotonic() - began < 0.5 + scripted.WATCHDOG / 10  # the machine's slack
    scripted.balance(w, 40_010)
    stats = w.stats()
    assert 0 == stats.pending
    disk.heal()
    scripted.check_files(tmp_path)
    read = scripted.steps(tmp_path)
    assert stats.written == len(set(read)), stats
    # Where writes work and only syncs fail, each sync that fails after a write that went well is a change of state.
    assert 1 <= sum("cannot write" in r.getMessage() for r in caplog.records) <= (10 if fault == "fdatasync" else 1)


@pytest.mark.parametrize("rotate", [None, 2000])
def test_a_device_that_never_syncs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, rotate: int | None
) -> None:
    """F7: events are written and read all the same, sync() never says True, no heap of files, few warnings."""
    disk = ScriptedDisk(monkeypatch)
    w = EventWriter(tmp_path, durability="machine", sync_secs=0.005, flush_secs=0.001, max_file_bytes=rotate)
    disk.fail("fdatasync", errno.EIO)
    for i in range(100):
        log(w, 10 * i, 10, flush=False)
        if i % 30 == 9:
            assert not w.sync(0.5)
        time.sleep(0.006)
    assert not w.sync(0.5)
    scripted.balance(w, 1000)
    disk.heal()
    w.close(0.5)  # may say no: nobody knows what the device has
    scripted.check_files(tmp_path)
    assert list(range(1000)) == sorted(set(scripted.steps(tmp_path)))
    assert len(list(tmp_path.iterdir())) <= (5 if rotate is None else 40)
    assert sum("cannot write" in r.getMessage() for r in caplog.records) <= 3


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("number", NUMBERS, ids=ERRORS)
def test_a_passing_fault_at_close_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, times: int
) -> None:
    """close() tries again until its timeout."""
    disk = ScriptedDisk(monkeypatch)
    w = EventWriter(tmp_path, flush_secs=3600)
    log(w, 0, 100, flush=False)
    disk.short = 11
    disk.fail("write", number, 1, times)
    assert w.close()
    assert list(range(100)) == scripted.steps(tmp_path)


@pytest.mark.parametrize("times", [1, 2])
def test_a_failed_sync_at_close_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """F7: `machine`: what the device may not have is written to a new file, also by close()."""
    disk = ScriptedDisk(monkeypatch)
    w = EventWriter(tmp_path, durability="machine", sync_secs=3600)
    log(w, 0, 100, flush=False)
    first = Path(w.path)
    disk.fail("fdatasync", errno.EIO, 1, times)
    assert w.close()
    first.unlink()  # nothing of it is certain
    for path in sorted(tmp_path.iterdir())[: times - 1]:
        path.unlink()
    assert list(range(100)) == scripted.steps(tmp_path)


def test_what_was_not_synced_is_lost_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """F7 as LevelDB tests it: a device that drops what was not synced. What `sync()` called safe is there."""
    synced: dict[int, int] = {}
    disk = ScriptedDisk(monkeypatch)
    real = __import__("os").fdatasync

    def fdatasync(fd: int) -> None:
        real(fd)
        status = __import__("os").fstat(fd)
        synced[status.st_ino] = status.st_size

    from eventwriter import _os

    monkeypatch.setattr(_os, "fdatasync", fdatasync)
    w = EventWriter(tmp_path, durability="machine", sync_secs=3600, max_file_bytes=2000)
    safe = 0
    for i in range(300):
        w.scalar("a", i, i)
        if i % 37 == 36:
            assert w.sync()
            safe = i + 1
    kept = {p: p.read_bytes()[: synced.get(p.stat().st_ino, 0)] for p in tmp_path.iterdir() if p.is_file()}
    w.close()
    del disk
    for path in list(tmp_path.iterdir()):
        path.write_bytes(kept.get(path, b"") + bytes(100))  # zeros where the size reached the device and data did not
    got = []
    for path in sorted(tmp_path.iterdir()):
        import readers

        got += [r.step for r in readers.file_events(path) if r.tag]
    assert list(range(safe)) == got[:safe]
