"""F12, F20, F22: many threads, what a writer leaves behind, and a process that is killed right after a flush."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import readers
from faults import scripted

from eventwriter import EventWriter, _shm

PER_THREAD = 10_000 if scripted.EVERYTHING else 3_000


@pytest.mark.parametrize("level", ["async", "process"])
def test_32_threads_that_flush_and_close_in_between(tmp_path: Path, level: str) -> None:
    """All of it, each thread's in order; a writer of its own is closed by each, and the shared one by all."""
    ready = threading.Barrier(32)
    with EventWriter(tmp_path / "shared", durability=level) as w:  # type: ignore[arg-type]

        def log(k: int) -> None:
            own = EventWriter(tmp_path / f"own{k}")
            for i in range(PER_THREAD):
                w.scalar(f"t{k}", i, i)
                if i % 1000 == k:
                    own.scalar("a", i, i)
                    w.flush(scripted.WATCHDOG)
                if i % 500 == k:
                    own.close()
                    time.sleep(0.001)
                    own = EventWriter(tmp_path / f"own{k}")
            own.close()
            ready.wait(scripted.WATCHDOG)
            w.close()

        threads = [threading.Thread(target=log, args=(k,)) for k in range(32)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        scripted.balance(w, 32 * PER_THREAD)
    got: dict[str, list[int]] = {}
    for tag, step in scripted.points(tmp_path / "shared"):
        got.setdefault(tag, []).append(step)
    assert {f"t{k}": list(range(PER_THREAD)) for k in range(32)} == got
    for k in range(32):
        assert list(range(k, PER_THREAD, 1000)) == scripted.steps(tmp_path / f"own{k}")


def _rings() -> set[str]:
    return {n for n in os.listdir(_shm.FOLDER) if n.startswith(f"{_shm.PREFIX}") and f"-{os.getpid()}-" in n}


def _memory() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_nothing_leaks(tmp_path: Path) -> None:
    """Writers opened, used and closed, dropped or forked over: descriptors, threads, shared memory, RSS as before."""

    def use(n: int) -> None:
        for i in range(n):
            w = EventWriter(tmp_path / str(i % 7), flush_secs=0.01)
            for j in range(10):
                w.scalar("a", 0.5, j)
            w.tensor("t", np.zeros(1000), 0)
            w.close()

    use(50)
    gc.collect()
    before = (scripted.descriptors(), scripted.threads(), _rings())
    memory = _memory()
    use(10_000 if scripted.EVERYTHING else 400)
    gc.collect()
    assert before == (scripted.descriptors(), scripted.threads(), _rings())
    assert _memory() - memory < (4 << 20)


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        gc.disable()
        files = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if _is_open(n)]
        bad = any("tfevents" in f or f"/{_shm.PREFIX}" in f for f in files)
        os._exit(bad or scripted.threads() != 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_forks_leak_nothing(tmp_path: Path) -> None:
    """In the parent; and the child has no ring of its parent's, no thread, and not one descriptor of its files."""
    with EventWriter(tmp_path) as w:
        w.scalar("a", 0.5, 0)
        w.flush()
        _fork()  # numpy's BLAS ends its threads at the first
        before = (scripted.descriptors(), scripted.threads(), _rings())
        for _ in range(1000 if scripted.EVERYTHING else 30):
            _fork()
        assert before == (scripted.descriptors(), scripted.threads(), _rings())


def _is_open(number: str) -> bool:
    return os.path.lexists(f"/proc/self/fd/{number}")


def test_a_dropped_writer_writes_all_and_leaves_nothing(tmp_path: Path) -> None:
    """Nobody closes it: the events are written, descriptors and shared memory come back."""
    before = (scripted.descriptors(), _rings())
    for k in range(20):
        w = EventWriter(tmp_path / str(k), flush_secs=0.05)
        for i in range(200):
            w.scalar("a", i, i)
        del w
    end = time.monotonic() + scripted.WATCHDOG
    while (scripted.descriptors(), _rings()) != before:
        gc.collect()
        assert time.monotonic() < end
        time.sleep(0.1)
    for k in range(20):
        assert list(range(200)) == scripted.steps(tmp_path / str(k))


FLUSH_AND_DIE = """
import os, signal, sys, threading, time
from eventwriter import EventWriter
w = EventWriter(sys.argv[1], flush_secs=3600)
counts = [0] * 8
def log(k):
    while True:
        w.scalar(f"t{k}", 0.5, counts[k]); counts[k] += 1
        if counts[k] % 100 == 0: time.sleep(0.002)
for k in range(8): threading.Thread(target=log, args=(k,), daemon=True).start()
time.sleep(float(sys.argv[2]))
accepted = list(counts)
ok = w.flush(60)
os.write(1, repr((ok, accepted)).encode())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_flush_then_sigkill(tmp_path: Path, rng) -> None:  # type: ignore[no-untyped-def]
    """What eight threads logged before flush() is in the file, without any recovery."""
    for k in range(1000 if scripted.EVERYTHING else 5):
        logdir = tmp_path / str(k)
        done = scripted.python(FLUSH_AND_DIE, logdir, rng.random() * 0.05, env=scripted.environment())
        assert -signal.SIGKILL == done.returncode, done.stderr
        ok, accepted = eval(done.stdout)
        assert ok
        got: dict[str, list[int]] = {}
        for path in readers.event_files(logdir):
            for row in readers.file_events(path):
                if row.tag:
                    got.setdefault(row.tag, []).append(row.step)
        for thread, count in enumerate(accepted):
            mine = got.get(f"t{thread}", [])
            assert list(range(len(mine))) == mine
            assert len(mine) >= count
