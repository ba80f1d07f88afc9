"""F9, F16: code that comes in between: `__del__` in a storm of garbage collections, handlers; clocks that jump."""

from __future__ import annotations

import json
import math
import random
import time
from pathlib import Path

import pytest
import readers
from faults import scripted

from eventwriter import EventWriter, writer

DEL = """
import gc, json, logging, sys, threading, time
from eventwriter import EventWriter, ClosedError
level, what = sys.argv[2], sys.argv[3]
w = EventWriter(sys.argv[1] + "/run", flush_secs=0.001, durability=level)
counts = dict(main=0, thread=0, dead=0, other=0)
class Dies:
    def __init__(self): self.me = self  # a cycle: only the collector ends it, wherever that happens to run
    def __del__(self):
        n = counts["dead"]; counts["dead"] += 1
        w.scalar("dead", 0.5, n)
        if what == "flush" and n % 20 == 0: w.flush(1)
        if what == "close" and n % 50 == 0:
            other = EventWriter(sys.argv[1] + f"/other{n}", flush_secs=3600)
            counts["other"] += 1
            other.scalar("x", 0.5, 1)
            other.close()
gc.set_threshold(20)
stop = False
def thread():
    while not stop:
        w.scalars({"thread": 0.5, "too": 1.0}, counts["thread"]); counts["thread"] += 1
        w.text("t", "x", counts["thread"])
        time.sleep(0.0005)
t = threading.Thread(target=thread); t.start()
while counts["dead"] < 300:
    Dies()
    w.scalar("main", 0.5, counts["main"]); counts["main"] += 1
    if counts["main"] % 50 == 0: w.flush()
stop = True
t.join()
gc.collect()
gc.set_threshold(100_000)
w.flush()
done = w.close()
print(json.dumps(dict(counts=counts, done=done, stats=w.stats()[:5])))
"""


@pytest.mark.parametrize("level", ["async", "process"])
@pytest.mark.parametrize("what", ["log", "flush", "close"])
def test_del_in_a_storm_of_collections(tmp_path: Path, level: str, what: str) -> None:
    """`__del__` logs, flushes and closes on whichever thread collects, the flush thread too: no deadlock, none lost."""
    done = scripted.python(DEL, tmp_path, level, what)
    assert (0, "") == (done.returncode, done.stderr)
    got = json.loads(done.stdout)
    assert got["done"]
    counts = got["counts"]
    read: dict[str, list[int]] = {}
    for tag, step in scripted.points(tmp_path / "run"):
        read.setdefault(tag, []).append(step)
    for tag in ("main", "thread"):
        assert list(range(counts[tag])) == read[tag]
    # A __del__ may come in the middle of another one's, so these may change places.
    assert list(range(counts["dead"])) == sorted(read["dead"])
    assert counts["other"] == len([1 for p in tmp_path.glob("other*") if scripted.points(p) == [("x", 1)]])


HANDLER = """
import json, logging, signal, sys, time
from eventwriter import EventWriter, ClosedError
logging.getLogger("eventwriter").addFilter(lambda r: "loader hides" not in r.getMessage())  # steps change places
w = EventWriter(sys.argv[1], durability=sys.argv[2], flush_secs=0.002)
n = 0
what = sys.argv[3]
def handler(*_):
    global n
    n += 1
    w.scalar("handler", 0.5, n)
    w.stats()
    if n % 20 == 0: w.flush(1)
    if n >= 300:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if what == "close": w.close()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
i = 0
try:
    while n < 300:
        w.scalar("main", 0.5, i); i += 1
        if i % 7 == 0: w.text("t", "x", i)
        if i % 50 == 0: time.sleep(0.0005)
except ClosedError:
    pass
w.close()
print(json.dumps(dict(i=i, n=n, stats=w.stats()[:5])))
"""


@pytest.mark.parametrize("level", ["async", "process"])
@pytest.mark.parametrize("what", ["flush", "close"])
def test_a_handler_that_logs_flushes_and_closes(tmp_path: Path, level: str, what: str) -> None:
    """300 signals, a millisecond apart, in the middle of anything: no deadlock, nothing lost, nothing twice."""
    done = scripted.python(HANDLER, tmp_path, level, what)
    assert (0, "") == (done.returncode, done.stderr)
    got = json.loads(done.stdout)
    read = scripted.points(tmp_path)
    main = [s for t, s in read if t == "main"]
    assert list(range(len(main))) == main
    assert got["i"] - len(main) in ((0, -1) if what == "close" else (0,))  # interrupted between its row and its return
    assert list(range(1, got["n"] + 1)) == sorted(s for t, s in read if t == "handler")


@pytest.mark.parametrize("jump", [-3600.0, -86400.0, 3600.0, 86400.0 * 400, 0.0])
def test_a_jumping_clock_changes_only_time_stamps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    """Flushing goes on in time, files of later writers sort later; 0: the clock stands still."""
    real = time.time
    start = real()

    def clock() -> float:
        return real() + jump if jump else start

    monkeypatch.setattr(writer, "_now", lambda: clock())
    with EventWriter(tmp_path, flush_secs=0.02, max_file_bytes=2000) as w:
        for i in range(50):
            w.scalar("a", i, i)
        assert w.flush()
        monkeypatch.setattr(time, "time", clock)
        for i in range(50, 100):
            w.scalar("a", i, i)
        end = time.monotonic() + scripted.WATCHDOG
        while w.stats().pending:  # no flush: the timer alone
            assert time.monotonic() < end
            time.sleep(0.005)
        for i in range(100, 150):
            w.scalar("a", i, i)
    with EventWriter(tmp_path) as later:
        later.scalar("a", 150, 150)
    assert Path(later.path).name == max(p.name for p in tmp_path.iterdir())
    assert list(range(151)) == scripted.steps(tmp_path)
    assert all(math.isfinite(r.wall_time) for r in readers.run_events(tmp_path))


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_retries_do_not_wait_for_the_wall_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float, rng: random.Random
) -> None:
    """The clock jumps while the disk fails: writing goes on all the same, without anybody asking."""
    disk = scripted.ScriptedDisk(monkeypatch)
    with EventWriter(tmp_path, flush_secs=0.01) as w:
        disk.fail("write", 28)
        for i in range(rng.randrange(10, 200)):
            w.scalar("a", i, i)
        while w.stats().state == "ok":
            time.sleep(0.005)
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        disk.heal()
        end = time.monotonic() + scripted.WATCHDOG
        while w.stats().pending:
            assert time.monotonic() < end
            time.sleep(0.005)
    assert list(range(i + 1)) == scripted.steps(tmp_path)
