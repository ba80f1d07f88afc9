"""Scalars: what a call costs its caller, what a training step is delayed, and the CPU of all threads.

Three scenarios, each on every peer; the first two share a process:

- `tight`: nothing but log calls, each timed by a pair of `perf_counter_ns`.
- `work`: about 1 ms of real CPU work per step (half pure Python, half numpy), then 10 scalars, each timed; the steps
  as well, and the CPU that threads other than the caller's used.
- `cpu`: `process_time` (all threads) of many scalars, `close()` included, less an empty loop's; one tag and 100.

The timer's own cost, the median of a pair around nothing, is subtracted from every call's time, the floor's too.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peers import (
    FLOOR,
    NOTHING,
    OUR_TORCH,
    OURS,
    PEERS,
    PROCESS,
    TENSORBOARDX,
    TF_SUMMARY,
    TORCH,
    TORCH_ALONE,
    Peer,
    define,
)
from peers import open_writer as open_peer
from sample import Medians, Sample, rounds
from table import number, render, times

if TYPE_CHECKING:
    from collections.abc import Callable

CAVEATS = """\
Scalars: one process, one writer, one thread that logs, a local disk. Calls are timed in CPython with the clock's own
cost (40 to 80 ns a pair) taken off, so a difference of some ns means nothing; the maximum is whatever the machine did
once. Work of 1 ms is a fast step: the longer the step, the less any of this matters. With 10 scalars per ms a flush
thread gets large batches; at ten scalars a second each costs it more, and nobody would notice. The CPU of a filesystem
that flushes later is the kernel's and is not counted. With durability "process" the call itself writes the record. The
floor keeps its tuples in memory and writes nothing."""

_WARM = 200  # calls before timing, with a flush: late imports and the thread's start are not a scalar's cost
_VALUES = [0.5 + (index * 37 % 1024) / 1024 for index in range(1024)]

_TIGHT = """
def loop(tag, values, calls, seconds, clock):
    spent = [0] * calls
    deadline = clock() + seconds
    for step in range(calls):
        value = values[step & 1023]
        begin = clock()
        LOG
        end = clock()
        spent[step] = end - begin
        if end > deadline:
            return spent[:step + 1]
    return spent
"""

_STEPS = """
def loop(tags, values, steps, seconds, units, work, clock):
    spent = [0] * (steps * len(tags))
    whole = [0] * steps
    index = 0
    deadline = clock() + seconds
    for step in range(steps):
        start = clock()
        work(units)
        value = values[step & 1023]
        for tag in tags:
            begin = clock()
            LOG
            end = clock()
            spent[index] = end - begin
            index += 1
        end = clock()
        whole[step] = end - start
        if end > deadline:
            return spent[:index], whole[:step + 1]
    return spent, whole
"""

_MANY = """
def loop(tags, values, steps, first):
    for step in range(first, first + steps):
        value = values[step & 1023]
        for tag in tags:
            LOG
"""


# In the process of a sample.


def quantile(ordered: list[int], share: float) -> int:
    """The value below which `share` of a sorted list lies."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _open(peer: Peer, logdir: str) -> tuple[dict[str, Any], Callable[[], None], Callable[[], None]]:
    """A warm writer: the names for statements, flush, close."""
    writer = open_peer(peer, logdir)
    names = {**writer.names, "time": time}
    if peer is not NOTHING:
        define(_MANY, peer, "scalar", names)(["warm"], _VALUES, _WARM, 0)
        writer.flush()
    return names, writer.flush, writer.close


def _timer() -> int:
    """Median time in ns between two calls of the clock with nothing between them."""
    spent = sorted(define(_TIGHT, NOTHING, "scalar", {})("", _VALUES, 20_000, 10**10, time.perf_counter_ns))
    return quantile(spent, 0.5)


def _calls(spent: list[int], timer: int) -> dict[str, float]:
    spent.sort()
    return {
        "p50": quantile(spent, 0.5) - timer,
        "p99": quantile(spent, 0.99) - timer,
        "max": spent[-1] - timer,
        "mean": sum(spent) / len(spent) - timer,
        "calls": len(spent),
    }


def tight(peer: Peer, logdir: str, calls: int, seconds: float) -> dict[str, float]:
    """Caller's cost in ns per scalar with nothing else to do: up to `calls` or `seconds`."""
    names, _, close = _open(peer, logdir)
    loop = define(_TIGHT, peer, "scalar", names)
    timer = _timer()
    spent = loop("train/loss", _VALUES, calls, int(seconds * 1e9), time.perf_counter_ns)
    close()
    return _calls(spent, timer)


def work_function() -> Callable[[int], float]:
    """CPU work in units of some ten µs: half the time pure Python, half small numpy operations."""
    import numpy as np

    left = np.random.default_rng(0).normal(size=(48, 48)).astype(np.float32)
    bias = np.random.default_rng(1).normal(size=(48, 48)).astype(np.float32)

    def work(units: int) -> float:
        total = 0.0
        for unit in range(units):
            for index in range(220):
                total += (index ^ unit) * 0.5
            np.tanh(left @ left * 0.01 + bias)
        return total

    return work


def calibrate(milliseconds: float = 1.0) -> int:
    """Units of `work_function` that take about that long here now (the fastest of some tries)."""
    work = work_function()
    best = float("inf")
    for _ in range(30):
        begin = time.perf_counter()
        work(10)
        best = min(best, time.perf_counter() - begin)
    return max(1, round(milliseconds / 1000 / best * 10))


def _other_threads() -> int:
    """ns on a CPU so far of all living threads but this one (Linux's schedstat)."""
    mine = str(threading.get_native_id())
    total = 0
    for entry in Path("/proc/self/task").iterdir():
        try:
            if entry.name != mine:
                total += int((entry / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total


def work(peer: Peer, logdir: str, steps: int, seconds: float, units: int) -> dict[str, float]:
    """Caller's cost in ns per scalar, and step times in ns, in a loop with work and 10 scalars per step."""
    names, _, close = _open(peer, logdir)
    loop = define(_STEPS, peer, "scalar", names)
    timer = _timer()
    tags = [f"train/metric_{index}" for index in range(10)]
    compute = work_function()
    compute(units)
    before = _other_threads()
    spent, whole = loop(tags, _VALUES, steps, int(seconds * 1e9), units, compute, time.perf_counter_ns)
    background = _other_threads() - before
    close()
    whole.sort()
    figures = {f"step p{share * 100:g}": quantile(whole, share) for share in (0.5, 0.99, 0.999)}
    return {**_calls(spent, timer), **figures, "step max": whole[-1], "background": background / len(spent)}


def cpu(peer: Peer, logdir: str, divide: int) -> dict[str, float]:
    """CPU ns per scalar over all threads, close included, with one tag and with 100; bytes per event on disk."""
    figures: dict[str, float] = {}
    for count in (1, 100):
        folder = Path(logdir, str(count))
        tags = ["train/loss"] if count == 1 else [f"layer_{index:02d}/grad_norm" for index in range(count)]
        steps = peer.calls // divide // count
        names, _, close = _open(peer, str(folder))
        loop = define(_MANY, peer, "scalar", names)
        empty = define(_MANY, NOTHING, "scalar", names)
        begin = time.process_time_ns()
        empty(tags, _VALUES, steps, _WARM)
        middle = time.process_time_ns()
        loop(tags, _VALUES, steps, _WARM)
        close()
        end = time.process_time_ns()
        figures[f"cpu {count}"] = (end - middle - (middle - begin)) / (steps * count)
        size = sum(path.stat().st_size for path in folder.rglob("*tfevents*"))
        if size:
            figures[f"bytes {count}"] = size / (steps * count + _WARM)
    return figures


# In the process that measures.


def measure(*, quick: bool = False) -> tuple[list[Sample], dict[str, str]]:
    """All samples; about 3 minutes, with `quick` half of one."""
    scenarios: dict[str, dict[str, Any]] = {
        "tight": {"calls": 10_000 if quick else 50_000, "seconds": 0.2 if quick else 0.7},
        "work": {"steps": 250 if quick else 2500, "seconds": 1.0 if quick else 3.5, "units": calibrate()},
        "cpu": {"divide": 10 if quick else 1},
    }
    latency = {name: scenarios[name] for name in ("tight", "work")}
    groups = [scenarios] if quick else [latency, {"cpu": scenarios["cpu"]}]
    return rounds("scalars", (NOTHING, FLOOR, PROCESS, *PEERS), groups, 1 if quick else 3)


def tables(samples: list[Sample]) -> str:
    medians = Medians(samples)
    shown = [peer for peer in (FLOOR, OURS, PROCESS, OUR_TORCH, TORCH, TORCH_ALONE, TENSORBOARDX, TF_SUMMARY)
             if medians.get(peer, "tight", "p50") is not None]  # fmt: skip

    def cost(scenario: str, figure: str, peer: Peer) -> tuple[str, str]:
        """Ratios to the floor and to torch's faster configuration."""
        torch = medians.faster((TORCH, TORCH_ALONE), scenario, figure)
        to_torch = medians.ratio(peer, torch, scenario, figure) if torch else None
        return times(medians.ratio(peer, FLOOR, scenario, figure)), times(to_torch)

    def nanoseconds(peer: Peer, scenario: str, *figures: str) -> list[str]:
        return [number(medians.get(peer, scenario, figure)) for figure in figures]

    head = ["", "p50", "p99", "max", "mean", "p50 to floor", "p50 to torch"]
    parts = [
        render(
            "Caller's cost per scalar, tight loop (ns)",
            head,
            [
                [peer.name, *nanoseconds(peer, "tight", "p50", "p99", "max", "mean"), *cost("tight", "p50", peer)]
                for peer in shown
            ],
        ),
        render(
            "Caller's cost per scalar, loop with 1 ms of work and 10 scalars per step (ns)",
            [*head, "other threads' CPU per scalar"],
            [
                [
                    peer.name,
                    *nanoseconds(peer, "work", "p50", "p99", "max", "mean"),
                    *cost("work", "p50", peer),
                    *nanoseconds(peer, "work", "background"),
                ]
                for peer in shown
            ],
        ),
    ]

    def step(peer: Peer) -> list[str]:
        values = [medians.get(peer, "work", f"step {name}") for name in ("p50", "p99", "p99.9", "max")]
        delays = [medians.difference(peer, NOTHING, "work", f"step {name}") for name in ("p50", "p99.9")]
        return [number(None if value is None else value / 1e6) for value in (*values, *delays)]

    parts.append(
        render(
            "Time of a step of that loop (ms), and its delay beyond the same loop without logging",
            ["", "p50", "p99", "p99.9", "max", "delay p50", "delay p99.9"],
            [[peer.name, *step(peer)] for peer in (NOTHING, *shown)],
        )
    )

    def total(peer: Peer) -> list[str]:
        one, hundred = (medians.get(peer, "cpu", f"cpu {count}") for count in (1, 100))
        per_tag = hundred / one if one and hundred else None
        size = medians.get(peer, "cpu", "bytes 1")
        return [number(one), number(hundred), times(per_tag), *cost("cpu", "cpu 1", peer), number(size)]

    parts.append(
        render(
            "CPU per scalar over all threads, close included (ns), and bytes per event on disk",
            ["", "one tag", "100 tags", "100 tags to one", "to floor", "to torch", "bytes"],
            [[peer.name, *total(peer)] for peer in shown],
        )
    )
    return "\n".join(parts)


if __name__ == "__main__":
    import run

    run.main(["scalars"])
