"""F1: kill -9 at random moments, and what is left. A script for `make faults`:

    python tests/faults/kills.py [--kills 200] [--seed N]

Each victim is a process of its own that logs at a given rate and counts every call that returned in memory that
outlives it. What TensorBoard's reader finds is compared with that count: at once, and after the next writer opened the
folder. Must not know how anything is written.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import mmap
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from eventwriter import EventWriter

_AT_ONCE = 5  # victims that run at the same time
_LONGEST_LIFE = 1.0  # seconds


class Kill(NamedTuple):
    """One victim: how many calls returned, how many events were read at once and after recovery, what went wrong."""

    accepted: int
    at_once: int
    recovered: int
    duplicates: int
    out_of_order: bool
    torn: int  # files with more than one torn record: must be none


def _victim(logdir: str, level: str, rate: float, ledger: mmap.mmap) -> None:
    w = EventWriter(logdir, durability=level)  # type: ignore[arg-type]
    step = 0
    due = time.monotonic()
    while True:
        w.scalar("a", 0.5, step)
        step += 1
        ledger[:8] = step.to_bytes(8, "little")
        due += 1 / rate
        time.sleep(max(0.0, due - time.monotonic()))


def _steps(logdir: Path) -> tuple[list[int], int]:
    import readers

    steps, torn = [], 0
    for path in readers.event_files(logdir):
        records = readers.file_records(path)
        steps += [r.step for r in readers.file_events(path) if r.tag]
        rest = path.read_bytes()[sum(len(r) + 16 for r in records) :]
        torn += len(rest) >= 12 and len(rest) >= int.from_bytes(rest[:8], "little") + 16
    return steps, torn


def kill(count: int, level: str, rate: float, rng: random.Random) -> list[Kill]:
    """Start, kill and look at so many victims."""
    results = []
    folder = Path(tempfile.mkdtemp())
    try:
        for first in range(0, count, _AT_ONCE):
            victims = []
            for k in range(first, min(count, first + _AT_ONCE)):
                ledger = mmap.mmap(-1, 8)
                logdir = folder / str(k)
                pid = os.fork()
                if pid == 0:
                    with contextlib.suppress(BaseException):
                        _victim(str(logdir), level, rate, ledger)
                    os._exit(1)
                victims.append((time.monotonic() + rng.random() * _LONGEST_LIFE, pid, logdir, ledger))
            for when, pid, _, _ in sorted(victims, key=lambda v: v[0]):
                time.sleep(max(0.0, when - time.monotonic()))
                os.kill(pid, signal.SIGKILL)
                assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
            for _, _, logdir, ledger in victims:
                results.append(_look(logdir, int.from_bytes(ledger[:8], "little")))
                shutil.rmtree(logdir, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return results


def _look(logdir: Path, accepted: int) -> Kill:
    at_once, torn = _steps(logdir)
    EventWriter(logdir).close()
    steps, torn_after = _steps(logdir)
    return Kill(
        accepted, len(set(at_once)), len(set(steps)), len(steps) - len(set(steps)), steps != sorted(steps),
        max(torn, torn_after),
    )  # fmt: skip


def report(level: str, rate: float, kills: list[Kill]) -> str:
    """One line of the table. A call may be killed between its row and its return, so one more may be read."""
    lost = sorted(max(0, k.accepted - k.at_once) for k in kills)
    after = [max(0, k.accepted - k.recovered) for k in kills]
    extra = max(k.recovered - k.accepted for k in kills)
    p99 = lost[min(len(lost) - 1, len(lost) * 99 // 100)]
    return (
        f"{level:8} {rate:6.0f}/s {len(kills):4} kills {sum(k.accepted for k in kills):8} accepted | not yet on disk: "
        f"median {statistics.median(lost):.0f}, p99 {p99}, most {lost[-1]} ({1000 * lost[-1] / rate:.0f} ms) | after "
        f"recovery: lost {sum(after)}, twice {sum(k.duplicates for k in kills)}, out of order "
        f"{sum(k.out_of_order for k in kills)}, uncounted at most {extra}, torn inside {sum(k.torn for k in kills)}"
    )


def check(level: str, kills: list[Kill]) -> None:
    """What must hold for every one; and for `process`, but where a write(2) took over 5 ms, that nothing waited."""
    if level != "async":
        assert sum(k.at_once < k.accepted for k in kills) <= max(1, len(kills) // 100)
    for k in kills:
        assert k.accepted <= k.recovered <= k.accepted + 1, k
        assert (0, False, 0) == k[3:], k


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill writers and count what is left.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    options = parser.parse_args()
    print("seed", options.seed)
    logging.getLogger("eventwriter").setLevel(logging.ERROR)
    rng = random.Random(options.seed)
    for level in ("process", "async"):
        for rate in (5000, 20):
            found = kill(options.kills, level, rate, rng)
            print(report(level, rate, found), flush=True)
            check(level, found)


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1])]
    main()
