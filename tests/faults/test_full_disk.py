"""F5, F15: a real full disk (a tmpfs of 4 MiB), freed or not; a disk that is slow or stands still; memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from faults import scripted

WHY_NOT = scripted.may_mount_tmpfs()
needs_tmpfs = pytest.mark.skipif(bool(WHY_NOT), reason=f"unshare -Urm cannot mount a tmpfs here: {WHY_NOT}")

FULL = """
import json, logging, os, sys, time
import readers
from eventwriter import EventWriter
disk, level, freed = sys.argv[1], sys.argv[2], sys.argv[3] == "freed"
filler = open(disk + "/filler", "wb", buffering=0)
room = os.statvfs(disk)
filler.write(bytes(room.f_bavail * room.f_frsize - 64 * 1024))
w = EventWriter(disk + "/log", durability=level)
said = []
class Handler(logging.Handler):
    def emit(self, record): said.append(record.getMessage())
logging.getLogger("eventwriter").addHandler(Handler())
resumed = None
for epoch in range(15):
    for i in range(1000):
        w.scalar("loss", 0.5, epoch * 1000 + i)
    time.sleep(0.02)
    if epoch == 9:
        w.flush()
        was = w.stats()
        if freed:
            os.truncate(disk + "/filler", 0)
            began = time.monotonic()
            while w.stats().state != "ok": time.sleep(0.005)
            resumed = time.monotonic() - began
began = time.monotonic()
done = w.close(timeout=1.0)
took = time.monotonic() - began
os.truncate(disk + "/filler", 0)
stats = w.stats()
got = [r.step for r in readers.run_events(disk + "/log") if r.tag]
print(json.dumps(dict(was=was.state, resumed=resumed, done=done, took=took, stats=stats[:5], said=said,
                      read=len(got), ordered=got == list(range(len(got))))))
"""


def full(level: str, freed: str) -> dict[str, object]:
    done = scripted.python(FULL, "/mnt", level, freed, prefix=scripted.UNSHARED, env=scripted.environment())
    assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


@needs_tmpfs
@pytest.mark.parametrize("level", ["async", "process", "machine"])
def test_a_full_disk_that_is_freed_costs_nothing(level: str) -> None:
    """15,000 of 15,000, in order; writing goes on within a second (and the machine's slack) after the space is back."""
    got = full(level, "freed")
    assert "failing" == got["was"]
    assert (True, [15_000, 15_000, 0, 0, 0], 15_000, True) == tuple(
        got[k] for k in ("done", "stats", "read", "ordered")
    )
    assert got["resumed"] < 3  # type: ignore[operator]
    assert ["cannot write", "writing goes on"] == [
        next(t for t in ("cannot write", "writing goes on", "?") if t in s or t == "?")
        for s in got["said"]  # type: ignore[attr-defined]
    ]


@needs_tmpfs
@pytest.mark.parametrize("level", ["async", "process"])
def test_a_disk_full_for_ever_is_counted(level: str) -> None:
    """Nothing is raised, close gives up at its timeout and says exactly what is not in the file."""
    got = full(level, "for ever")
    accepted, written, pending, dropped, failed = got["stats"]  # type: ignore[misc]
    assert (15_000, 0, 0) == (accepted, pending, failed)
    assert not got["done"]
    assert got["ordered"]
    # What the disk took of a batch before it was full is in the file, but was not reported as written.
    assert written <= got["read"] < 15_000  # type: ignore[operator]
    assert accepted == written + dropped
    assert any(f"closed with {dropped} events not written" in s for s in got["said"])  # type: ignore[attr-defined]


MEMORY = """
import errno, json, os, resource, sys, time
import numpy as np
from eventwriter import EventWriter, _os
from eventwriter.summary import histogram
kind, bound = sys.argv[2], 4 << 20
def rss():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
w = EventWriter(sys.argv[1], max_pending_bytes=bound, flush_secs=0.01)
w.scalar("a", 0.5, 0); w.histogram("h", np.zeros(10), 0); w.tensor("t", np.zeros(10), 0); w.text("x", "y", 0)
w.flush()
write = os.write
def fail(fd, data):
    raise OSError(errno.ENOSPC, "full")
def slow(fd, data):
    time.sleep(len(data) / 20e6)
    return write(fd, data)
_os.write = slow if kind == "slow" else fail
big = np.random.default_rng(0).random(100_000)
base = rss()
slowest, peak, n = 0.0, 0, 0
for i in range(200_000 if kind != "slow" else 80_000):
    began = time.perf_counter()
    w.scalar("a", 0.5, i)
    slowest = max(slowest, time.perf_counter() - began)
    n += 1
    if i % 1000 == 0:
        w.tensor("t", big, i); w.text("x", "y" * 1000, i)
        n += 2
        peak = max(peak, rss())
_os.write = write
w.close()
s = w.stats()
print(json.dumps(dict(grown=peak - base, bound=bound, slowest=slowest, n=n + 4, stats=s[:5])))
"""


@pytest.mark.parametrize("kind", ["failing", "slow"])
def test_memory_stays_within_the_bound(tmp_path: Path, kind: str) -> None:
    """200,000 scalars, arrays of 0.8 MB among them, faster than the disk: RSS grows by the bound and 10 MiB at most."""
    done = scripted.python(MEMORY, tmp_path, kind, env=scripted.environment())
    assert 0 == done.returncode, done.stderr
    got = json.loads(done.stdout)
    accepted, written, pending, dropped, failed = got["stats"]
    assert (got["n"], 0, 0) == (accepted, pending, failed)
    assert accepted == written + dropped
    assert dropped == 0 if kind == "slow" else dropped > 0
    # Beyond the bound: what is being encoded and written is a copy of what waited, here of arrays of 0.8 MB.
    assert got["grown"] < got["bound"] + (10 << 20), got


HUNG = """
import json, os, sys, threading, time
from eventwriter import EventWriter, _os
w = EventWriter(sys.argv[1], max_pending_bytes=1 << 20, durability=sys.argv[2])
w.scalar("a", 0.5, 0)
assert w.flush()
hang = threading.Event()
write = os.write
def stands_still(fd, data):
    hang.wait()
    return write(fd, data)
if sys.argv[2] == "process":
    threading.Timer(1.5, hang.set).start()
_os.write = stands_still
took = []
for i in range(1, 60_000):
    began = time.monotonic()
    w.scalar("a", 0.5, i)
    took.append(time.monotonic() - began)
began = time.monotonic(); flushed = w.flush(0.5); flush = time.monotonic() - began
began = time.monotonic(); closed = w.close(1.0); close = time.monotonic() - began
s = w.stats()
print(json.dumps(dict(slow=sum(t > 0.2 for t in took), most=max(took), flushed=flushed, flush=flush, closed=closed,
                      close=close, stats=s[:5])), flush=True)
"""


def test_a_disk_that_stands_still_holds_nobody_up(tmp_path: Path) -> None:
    """A write(2) that never returns: one call waits for room, later ones drop; flush and close end at their timeout,
    and so does the interpreter."""
    done = scripted.python(HUNG, tmp_path, "async")
    assert 0 == done.returncode, done.stderr
    got = json.loads(done.stdout)
    assert got["slow"] <= 1, got
    assert (False, False) == (got["flushed"], got["closed"])
    assert got["flush"] < 3
    assert got["close"] < 4  # 1 s, and the machine's slack
    accepted, written, pending, dropped, failed = got["stats"]
    assert (60_000, 60_000) == (accepted, written + pending + dropped + failed)


def test_a_write_through_that_stands_still_and_goes_on(tmp_path: Path) -> None:
    """`process`: the one call whose write it is waits; nothing is lost."""
    done = scripted.python(HUNG, tmp_path, "process")
    assert 0 == done.returncode, done.stderr
    got = json.loads(done.stdout)
    assert (got["slow"], got["closed"]) == (1, True), got
    assert [60_000, 60_000, 0, 0, 0] == got["stats"]
    assert list(range(60_000)) == scripted.steps(tmp_path)
