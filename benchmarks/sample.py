"""One sample: a scenario measured on one peer in a process of its own; and rounds of such samples, interleaved.

Knows how a sample's process is started and how its figures come back. Must not know any scenario.

A scenario is a function of a module here: `function(peer, logdir, **options)` returns a dict of figures. The child
is `python benchmarks/sample.py`, fed with JSON on stdin; it writes JSON to the file it was told.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from peers import BY_NAME, Peer, prepare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FAILED = "FAILED"  # starts the reason of a peer that is there but does not work
ROOT = Path(__file__).resolve().parent.parent


class Unavailable(Exception):
    """The peer cannot be imported here."""


class Sample(NamedTuple):
    peer: str
    scenario: str
    round: int
    figures: dict[str, Any]


def environment() -> dict[str, str]:
    """What every sample's process sees: this checkout, one BLAS thread, no GPU, no chatter."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "shims")])
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, "PYTHONPATH": path, **quiet, **threads}


def take(peer: Peer, module: str, scenarios: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Figures of `scenarios` (name → options) in one new process. `Unavailable`, or RuntimeError with its stderr."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        answer = Path(folder, "answer.json")
        order = {"peer": peer.name, "module": module, "scenarios": scenarios, "folder": folder, "answer": str(answer)}
        done = subprocess.run(
            [sys.executable, str(Path(__file__))],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            env=environment(),
            timeout=300,
        )
        if done.returncode != 0:
            raise RuntimeError(f"exit status {done.returncode}\n{done.stderr[-3000:].strip()}")
        result = json.loads(answer.read_text())
    if "unavailable" in result:
        raise Unavailable(result["unavailable"])
    return result


def _child() -> None:
    order = json.load(sys.stdin)
    peer = BY_NAME[order["peer"]]
    prepare(peer)
    module = importlib.import_module(order["module"])
    try:
        result = {}
        for name, options in order["scenarios"].items():
            logdir = Path(order["folder"], name)
            logdir.mkdir()
            result[name] = getattr(module, name)(peer, str(logdir), **options)
    except ImportError as error:
        result = {"unavailable": f"{type(error).__name__}: {error}"}
    Path(order["answer"]).write_text(json.dumps(result))
    sys.stdout.flush()
    os._exit(0)  # the interpreter's way out is not measured, and TensorFlow's takes long


def rounds(
    module: str, peers: Sequence[Peer], groups: Sequence[dict[str, dict[str, Any]]], count: int
) -> tuple[list[Sample], dict[str, str]]:
    """`count` rounds of all peers in rotating order: samples, and why a peer is missing.

    Each peer has a process of its own for every group of scenarios (name → options); scenarios that can bear one
    another share a group, because the peers' imports take longer than most scenarios.
    """
    samples: list[Sample] = []
    missing: dict[str, str] = {}
    begin = time.monotonic()
    for index in range(count):
        for group in groups:
            for peer in (*peers[index % len(peers) :], *peers[: index % len(peers)]):
                if peer.name in missing:
                    continue
                _progress(
                    f"{time.monotonic() - begin:4.0f} s  round {index + 1}/{count}  {', '.join(group)}: {peer.name}"
                )
                try:
                    figures = take(peer, module, group)
                except Unavailable as error:
                    missing[peer.name] = str(error)
                    continue
                except RuntimeError as error:
                    missing[peer.name] = f"{FAILED}: {error}"
                    continue
                samples += [Sample(peer.name, name, index, values) for name, values in figures.items()]
    _progress("")
    return samples, missing


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


class Medians:
    """Medians over rounds, and ratios taken within a round before their median is."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._values: dict[tuple[str, str, str], dict[int, float]] = {}
        for sample in samples:
            for figure, value in sample.figures.items():
                self._values.setdefault((sample.peer, sample.scenario, figure), {})[sample.round] = value

    def get(self, peer: Peer, scenario: str, figure: str) -> float | None:
        """Median over the rounds; None where there is no such sample."""
        values = self._values.get((peer.name, scenario, figure))
        return statistics.median(values.values()) if values else None

    def _both(self, peer: Peer, other: Peer, scenario: str, figure: str) -> list[tuple[float, float]]:
        mine = self._values.get((peer.name, scenario, figure), {})
        theirs = self._values.get((other.name, scenario, figure), {})
        return [(mine[index], theirs[index]) for index in mine.keys() & theirs.keys()]

    def ratio(self, peer: Peer, other: Peer, scenario: str, figure: str) -> float | None:
        """Median over the rounds of `peer` / `other`."""
        pairs = [(mine, theirs) for mine, theirs in self._both(peer, other, scenario, figure) if theirs > 0]
        return statistics.median(mine / theirs for mine, theirs in pairs) if pairs else None

    def difference(self, peer: Peer, other: Peer, scenario: str, figure: str) -> float | None:
        """Median over the rounds of `peer` - `other`."""
        pairs = self._both(peer, other, scenario, figure)
        return statistics.median(mine - theirs for mine, theirs in pairs) if pairs else None

    def faster(self, peers: Sequence[Peer], scenario: str, figure: str) -> Peer | None:
        """The one of `peers` with the smaller median."""
        known = [(value, peer) for peer in peers if (value := self.get(peer, scenario, figure)) is not None]
        return min(known, key=lambda pair: pair[0])[1] if known else None


if __name__ == "__main__":
    _child()
