"""Durability "process" and "machine": on disk when the call returns, on the device when sync says so."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import readers

from eventwriter import EventWriter, _os


def scalars(logdir: Path) -> list[tuple[str, int]]:
    return [(r.tag, r.step) for r in readers.run_events(logdir) if r.tag]


@pytest.mark.parametrize("durability", ["process", "machine"])
def test_an_event_is_in_the_file_when_its_call_returns(tmp_path: Path, durability: str) -> None:
    """Scalars, groups, other kinds: no flush, no wait."""
    w = EventWriter(tmp_path, durability=durability, flush_secs=3600, sync_secs=3600)  # type: ignore[arg-type]
    for i in range(50):
        w.scalar("a", i, i)
        assert i + 1 == len(scalars(tmp_path))
    w.scalars({"b": 1, "c": 2}, 50)
    assert 52 == len(scalars(tmp_path))
    w.text("t", "x", 51)
    assert ("t", 51) == scalars(tmp_path)[-1]
    assert (52, 52, 0) == w.stats()[:3]
    w.close()
    assert 53 == len(scalars(tmp_path))


@pytest.mark.parametrize("rate", [20, 5000])
def test_kill_9_loses_nothing(tmp_path: Path, rate: int) -> None:
    """Every accepted event is in the file, or on a disk slower than 5 ms in shared memory; no record is torn."""
    code = f"""
import os, sys, time
from eventwriter import EventWriter
w = EventWriter(sys.argv[1], durability="process")
i = 0
while True:
    w.scalar("a", 0.5, i)
    os.write(1, b".")
    i += 1
    time.sleep(1 / {rate})
"""
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read(5)
        time.sleep(0.3)
        process.kill()
        accepted = 5 + len(process.stdout.read())
    before = len(scalars(tmp_path))
    EventWriter(tmp_path).close()
    got = [s for _, s in scalars(tmp_path)]
    assert list(range(len(got))) == got
    assert len(got) - accepted in (0, 1)  # killed between the call and the dot
    if len(got) != before:  # a write that took over 5 ms had left some to the thread, on a machine under load
        assert before > 0.5 * len(got)


def test_threads_keep_their_order(tmp_path: Path) -> None:
    """Four threads write through at once: nothing lost, each in order."""
    with EventWriter(tmp_path, durability="process") as w:

        def log(k: int) -> None:
            for i in range(2000):
                w.scalar(f"t{k}", i, i)

        threads = [threading.Thread(target=log, args=(k,)) for k in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert 8000 == w.stats().accepted
    got = scalars(tmp_path)
    for k in range(4):
        assert list(range(2000)) == [s for t, s in got if t == f"t{k}"]


@pytest.fixture
def alarm() -> Iterator[None]:
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_a_signal_handler_may_write_through(tmp_path: Path, alarm: None) -> None:
    """In the middle of a write: no deadlock, nothing lost."""
    with EventWriter(tmp_path, durability="process") as w:
        fired = 0

        def handler(*_: object) -> None:
            nonlocal fired
            fired += 1
            w.scalar("handler", 1.0, fired)

        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        i = 0
        while fired < 200:
            w.scalar("main", 1.0, i)
            i += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
    got = scalars(tmp_path)
    assert list(range(i)) == [s for t, s in got if t == "main"]
    assert list(range(1, fired + 1)) == sorted(s for t, s in got if t == "handler")


def test_a_slow_disk_is_left_to_the_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """20 ms a write: most calls do not wait for one, nothing is lost."""
    write = os.write
    calls = 0

    def slow(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        time.sleep(0.02)
        return write(fd, data)

    with EventWriter(tmp_path, durability="process") as w:
        monkeypatch.setattr(_os, "write", slow)
        for i in range(5000):
            w.scalar("a", i, i)
        w.flush()
    assert calls < 500
    assert [("a", i) for i in range(5000)] == scalars(tmp_path)


@pytest.mark.parametrize("how", ["file", "folder"])
def test_a_deleted_log_loses_nothing_after_the_last_look(tmp_path: Path, how: str) -> None:
    """What was written to a file that is gone is written again."""
    import shutil

    logdir = tmp_path / "log"
    with EventWriter(logdir, durability="process") as w:
        w.scalar("a", 0, 0)
        time.sleep(0.6)
        w.scalar("a", 1, 1)  # looks
        if how == "file":
            os.unlink(w.path)
        else:
            shutil.rmtree(logdir)
        for i in range(2, 50):
            w.scalar("a", i, i)
        time.sleep(0.6)
        w.scalar("a", 50, 50)
    assert [("a", i) for i in range(1, 51)] == scalars(logdir) or [("a", i) for i in range(2, 51)] == scalars(logdir)


@pytest.mark.parametrize("durability", ["process", "machine"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ESTALE, errno.EFBIG], ids=errno.errorcode.get)
@pytest.mark.parametrize("size", [0, 30])
def test_a_deleted_log_on_a_failing_disk_loses_nothing_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: str, number: int, size: int
) -> None:
    """A write that fails, or is short, before anybody looked: what the file that is gone had is written again."""
    import shutil

    logdir = tmp_path / "log"
    write = os.write
    calls = 0

    def fail(fd: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 1 and size:
            return write(fd, data[:size])
        raise OSError(number, os.strerror(number))

    with EventWriter(logdir, durability=durability, sync_secs=3600) as w:  # type: ignore[arg-type]
        w.scalar("a", 0, 0)
        assert w.sync()
        time.sleep(0.6)
        w.scalar("a", 1, 1)  # looks
        w.flush()
        shutil.rmtree(logdir)
        for i in range(2, 80):
            w.scalar("a", i, i)
        monkeypatch.setattr(_os, "write", fail)
        for i in range(80, 90):
            w.scalar("a", i, i)
        while calls < 6:
            time.sleep(0.01)
        monkeypatch.setattr(_os, "write", write)
    assert set(range(2, 90)) <= {step for _, step in scalars(logdir)}
    assert 90 == w.stats().written


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torn by a short write, finished byte-exact later: nothing raised, nothing lost."""
    write = os.write
    full = False

    def may_be_full(fd: int, data: bytes) -> int:
        if full:
            if len(data) > 7 and not torn:
                torn.append(1)
                return write(fd, data[:7])
            raise OSError(errno.ENOSPC, "full")
        return write(fd, data)

    torn: list[int] = []
    monkeypatch.setattr(_os, "write", may_be_full)
    with EventWriter(tmp_path, durability="process") as w:
        w.scalar("a", 0, 0)
        full = True
        for i in range(1, 100):
            w.scalar("a", i, i)
        assert not w.flush()
        assert (100, 1, 99) == w.stats()[:3]
        full = False
        while not w.flush():
            pass
        w.scalar("a", 100, 100)
    assert [("a", i) for i in range(101)] == scalars(tmp_path)
    assert 1 == len(os.listdir(tmp_path))


def test_machine_syncs_in_time_and_when_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """fdatasync every sync_secs while there is something to sync, and by sync(); the folder too."""
    calls: list[str] = []
    for name in ("fdatasync", "fsync"):
        real = getattr(os, name)
        monkeypatch.setattr(_os, name, lambda fd, name=name, real=real: (calls.append(name), real(fd))[1])
    with EventWriter(tmp_path, durability="machine", sync_secs=0.05) as w:
        assert ["fsync"] == calls
        w.scalar("a", 0, 0)
        assert w.sync()
        assert "fdatasync" in calls
        calls.clear()
        w.scalar("a", 1, 1)
        deadline = time.monotonic() + 60
        while "fdatasync" not in calls:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.2)
        assert 1 == len(calls)


def test_a_failed_sync_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is left, and what was written since the last good sync is written to a new one."""
    fail = False

    def fdatasync(fd: int) -> None:
        if fail:
            raise OSError(errno.EIO, "lost")

    monkeypatch.setattr(_os, "fdatasync", fdatasync)
    with EventWriter(tmp_path, durability="machine", sync_secs=3600) as w:
        w.scalar("a", 0, 0)
        assert w.sync()
        first = w.path
        w.scalar("a", 1, 1)
        w.scalar("a", 2, 2)
        fail = True
        assert not w.sync()
        fail = False
        while not w.sync():
            pass
        assert first != w.path
    assert [("a", 1), ("a", 2)] == [(r.tag, r.step) for r in readers.file_events(w.path) if r.tag]


def test_fork(tmp_path: Path) -> None:
    """A child writes through to a file of its own."""
    code = """
import os, sys
from eventwriter import EventWriter
with EventWriter(sys.argv[1], durability="process") as w:
    w.scalar("a", 0, 0)
    if os.fork() == 0:
        for i in range(10):
            w.scalar("child", i, i)
        w.flush()
        os._exit(0)
    os.wait()
    w.scalar("a", 1, 1)
    print(w.path)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert "" == done.stderr
    parent = Path(done.stdout.strip())
    assert [("a", 0), ("a", 1)] == [(r.tag, r.step) for r in readers.file_events(parent) if r.tag]
    (child,) = set(os.listdir(tmp_path)) - {parent.name}
    assert [("child", i) for i in range(10)] == [
        (r.tag, r.step) for r in readers.file_events(tmp_path / child) if r.tag
    ]


def test_sync_with_async_durability(tmp_path: Path) -> None:
    """sync() flushes and syncs, whatever the level."""
    with EventWriter(tmp_path) as w:
        w.scalar("a", 0, 0)
        assert w.sync()
        assert [("a", 0)] == scalars(tmp_path)
