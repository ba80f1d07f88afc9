"""F1, F6: killed at random moments; a disk that strace makes fail."""

from __future__ import annotations

import json
import logging
import random
import shutil
from pathlib import Path

import pytest
from faults import kills, scripted


@pytest.mark.parametrize("rate", [5000, 20])
@pytest.mark.parametrize("level", ["async", "process"])
def test_kill_9(level: str, rate: float, rng: random.Random) -> None:
    """`process`: all that was accepted is in the file. `async`: after recovery it is. Nothing twice, nothing torn."""
    logging.getLogger("eventwriter").setLevel(logging.ERROR)
    try:
        found = kills.kill(200 if scripted.EVERYTHING else 10, level, rate, rng)
    finally:
        logging.getLogger("eventwriter").setLevel(logging.NOTSET)
    print(kills.report(level, rate, found))
    kills.check(level, found)


STRACED = """
import json, logging, sys, time
from eventwriter import EventWriter
logging.getLogger("eventwriter").setLevel(logging.CRITICAL)
w = EventWriter(sys.argv[1], durability=sys.argv[2], flush_secs=0.001, sync_secs=0.02)
for i in range(2000):
    w.scalar("a", 0.5, i)
    if i % 20 == 0: w.flush()
done = w.close(30)
sys.stdout.write(json.dumps([done, w.stats()[:5]]))
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace here")
@pytest.mark.parametrize("every", [2, 3, 5, 10, 50])
@pytest.mark.parametrize("what", ["write:EIO", "write:ENOSPC", "write:EINTR", "fdatasync:EIO"])
def test_the_kernel_says_no(tmp_path: Path, what: str, every: int) -> None:
    """One in so many write(2)s to the event file fails, or fdatasync(2): every file is valid and nothing is lost."""
    call, error = what.split(":")
    level = "machine" if call == "fdatasync" else "async"
    # -P: only calls on files below the log folder. It must be there.
    logdir = tmp_path / "log"
    logdir.mkdir()
    inject = f"inject={call}:error={error}:when=3+{every}"
    prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    done = scripted.python(STRACED, logdir, level, prefix=prefix)
    if done.returncode or not done.stdout:
        # The one write to stdout was what failed.
        pytest.skip(f"nothing was said: {done.returncode} {done.stderr[-300:]}")
    closed, stats = json.loads(done.stdout)
    assert closed
    assert [2000, 2000, 0, 0, 0] == stats
    scripted.check_files(logdir)
    assert list(range(2000)) == sorted(set(scripted.steps(logdir)))
