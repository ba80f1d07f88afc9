"""What a user pays before the second event: the import's time, and the memory with one writer open.

Knows how to time a new interpreter up to the end of one import. Must not know any kind of data but a scalar.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peers import BY_NAME, FLOOR, HIDE_TENSORFLOW, PEERS, TORCH, TORCH_ALONE, Peer, define, open_writer, peers
from sample import FAILED, Medians, Sample, environment
from table import number, render, times

CAVEATS = """\
Imports: warm page cache and compiled bytecode, so the first import after a boot or an install is slower. Memory is
the resident set beyond a bare interpreter's, shared libraries included, after one scalar and a flush; it is no measure
of what a long run comes to."""

_JUST_TORCH = Peer("import torch, alone", {"scalar": "pass"}, "import torch")
_JUST_US = Peer("import eventwriter, alone", {"scalar": "pass"}, "import eventwriter")  # loads what is asked of it

_PROGRAM = """
{hide}
{imports}
import sys
print(flush=True)
sys.path.insert(0, {folder!r})
import imports
imports.report({name!r}, {logdir!r})
"""


class Failed(Exception):
    """The new interpreter ended badly; its last words."""


def report(name: str, logdir: str) -> None:
    """In the new interpreter, after the import: log one scalar, print the resident set in kB and leave."""
    import os

    if peer := BY_NAME.get(name):
        writer = open_writer(peer, logdir)
        define("def loop(tag, value, step):\n    LOG", peer, "scalar", {**writer.names, "time": time})("a", 1.0, 1)
        if peer is not FLOOR:
            writer.flush()
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(line.split()[1] for line in status if line.startswith("VmRSS:")), flush=True)
    os._exit(0)


def _try(peer: Peer) -> dict[str, float]:
    """ms until the import is done, and MB of memory at the end."""
    folder = str(Path(__file__).parent)
    hide = HIDE_TENSORFLOW if peer.hide_tensorflow else ""
    with tempfile.TemporaryDirectory(prefix="bench-") as logdir, tempfile.TemporaryFile("w+") as complaints:
        program = _PROGRAM.format(hide=hide, imports=peer.imports, folder=folder, name=peer.name, logdir=logdir)
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=complaints, text=True, env=environment()
        )
        assert process.stdout is not None
        process.stdout.readline()
        seconds = time.perf_counter() - begin
        rest, _ = process.communicate()
        if process.returncode != 0:
            complaints.seek(0)
            raise Failed(complaints.read().strip().rpartition("\n")[2])
    return {"ms": seconds * 1000, "memory": int(rest) / 1000}


def measure(*, quick: bool = False) -> tuple[list[Sample], dict[str, str]]:
    """All samples, each beyond a bare interpreter's; three quarters of a minute, with `quick` a third of it."""
    samples: list[Sample] = []
    missing: dict[str, str] = {}
    timed = (_JUST_US, *peers(quick), _JUST_TORCH)
    for index in range(1 if quick else 3):
        bare = min((_try(FLOOR) for _ in range(3)), key=lambda figures: figures["ms"])
        samples.append(Sample(FLOOR.name, "import", index, bare))
        for peer in (*timed[index:], *timed[:index]):
            if peer.name in missing:
                continue
            try:
                figures = _try(peer)
            except Failed as error:
                there = not str(error).startswith(("ImportError", "ModuleNotFoundError"))
                missing[peer.name] = f"{FAILED}: {error}" if there else str(error)
                continue
            beyond = {name: value - bare[name] for name, value in figures.items()}
            samples.append(Sample(peer.name, "import", index, beyond))
    return samples, missing


def tables(samples: list[Sample]) -> str:
    """One table."""
    medians = Medians(samples)
    torch = medians.faster((TORCH, TORCH_ALONE), "import", "ms")

    def row(peer: Peer) -> list[str]:
        tries = [sample.figures["ms"] for sample in samples if sample.peer == peer.name]
        ratio = medians.ratio(peer, torch, "import", "ms") if torch else None
        memory = number(medians.get(peer, "import", "memory"))
        return [peer.name, number(min(tries)), number(statistics.median(tries)), times(ratio), memory]

    bare = {name: number(medians.get(FLOOR, "import", name)) for name in ("ms", "memory")}
    return render(
        f"Import, and memory after the first scalar: beyond a bare interpreter's {bare['ms']} ms, {bare['memory']} MB",
        ["", "best ms", "median ms", "median to torch", "MB"],
        [row(peer) for peer in (_JUST_US, *PEERS, _JUST_TORCH) if medians.get(peer, "import", "ms") is not None],
    )


if __name__ == "__main__":
    import run

    run.main(["imports"])
