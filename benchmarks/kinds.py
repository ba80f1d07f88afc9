"""Histograms, images and text: the caller's cost beside a copy, the CPU of all threads, and the size on disk.

The caller's time is that of a call on an idle writer with cold caches, the floor's too: each is followed by a flush and
by work on 32 MB, as a training step would do. CPU is that of items logged one after the other, of all threads, closing
included. Inputs are made once, by the process that measures, and loaded by the samples.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from peers import FLOOR, PEERS, TORCH, TORCH_ALONE, Peer, define, open_writer, peers
from sample import Medians, Sample, rounds
from table import number, render, times

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

CAVEATS = """\
Kinds: numpy input; a tensor on a GPU costs everybody a transfer first. A timed call finds an idle writer; one that
is called faster than it can encode makes its caller wait. tf.summary's histogram has 30 buckets, torch's and
tensorboardX's hundreds; images are PNG for all, with the peers' own settings. The photo is one photo."""


class Kind(NamedTuple):
    """What is logged: `title`, the kind of the peers' statements, how many calls are timed, how many items' CPU."""

    title: str
    statement: str
    calls: int
    items: int


KINDS = {
    "histogram_1m": Kind("Histogram of 1,000,000 float32", "histogram", 20, 24),
    "histogram_10k": Kind("Histogram of 10,000 float32", "histogram", 60, 500),
    "image_noise": Kind("Image 512 × 512 × 3 uint8, noise", "image", 20, 20),
    "image_photo": Kind("Image 512 × 512 × 3 uint8, a photo", "image", 20, 20),
    "image_flat": Kind("Image 512 × 512 × 3 uint8, flat", "image", 20, 40),
    "text": Kind("Text, 600 characters of markdown", "text", 60, 5000),
}
_VARIANTS = 4  # different inputs in turn, so that no cache knows the next one
_TEXT = "**step {0}** the model said: `{0} of ten`\n\n" + "* a line of a sample, with *emphasis* and a number\n" * 11

_EACH = """
def loop(inputs, tag, first, items, seconds, between, clock):
    spent = []
    deadline = clock() + seconds * 1e9
    for step in range(first, first + items):
        data = inputs[step % len(inputs)]
        begin = clock()
        LOG
        end = clock()
        spent.append(end - begin)
        between()
        if end > deadline and len(spent) > 2:
            break
    return spent
"""


def inputs(folder: Path) -> None:
    """Write `NAME.npy` for every kind but text: an array whose first axis are the variants."""
    import numpy as np

    rng = np.random.default_rng(7)
    np.save(folder / "histogram_1m.npy", rng.normal(size=(_VARIANTS, 1_000_000)).astype(np.float32))
    np.save(folder / "histogram_10k.npy", rng.normal(size=(_VARIANTS, 10_000)).astype(np.float32))
    np.save(folder / "image_noise.npy", rng.integers(0, 256, (_VARIANTS, 512, 512, 3), np.uint8))
    photo = _photo()
    np.save(folder / "image_photo.npy", np.stack([np.roll(photo, 40 * i, axis=i % 2) for i in range(_VARIANTS)]))
    flat = np.empty((_VARIANTS, 512, 512, 3), np.uint8)
    flat[:] = (np.arange(_VARIANTS * 3) * 20).reshape(_VARIANTS, 1, 1, 3)
    np.save(folder / "image_flat.npy", flat)


def _photo() -> np.ndarray:
    """512 × 512 of the photo that comes with matplotlib."""
    import numpy as np
    from matplotlib import cbook
    from PIL import Image

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return np.asarray(Image.open(file).convert("RGB"))[:512, :512]


def _load(folder: str, name: str) -> list[Any]:
    if name == "text":
        return [_TEXT.format(index) for index in range(_VARIANTS)]
    import numpy as np

    return list(np.load(Path(folder, f"{name}.npy")))


def _nothing() -> None:
    pass


class _Step:
    """Flushes, and works on more memory than caches hold."""

    def __init__(self, flush: Callable[[], object]) -> None:
        import numpy as np

        self._flush = flush
        self._memory = np.zeros(32 << 20, np.uint8)

    def __call__(self) -> None:
        self._flush()
        self._memory += 1


def each(peer: Peer, logdir: str, folder: str, seconds: float) -> dict[str, float]:
    """Figures of every kind, `NAME call` (ns, median), `NAME cpu` (ns per item) and `NAME bytes` (per item).

    Up to the kind's numbers or `seconds`, but at least three.
    """
    figures: dict[str, float] = {}
    for name, kind in KINDS.items():
        data = _load(folder, name)
        target = Path(logdir, name)
        writer = open_writer(peer, str(target))
        loop = define(_EACH, peer, kind.statement, {**writer.names, "time": time})
        owner, _, method = peer.statements[kind.statement].partition("(")[0].partition(".")
        if not hasattr(writer.names[owner], method):  # a writer without this kind
            continue
        loop(data, "sample", 0, 2, 0, writer.flush, time.perf_counter_ns)
        spent = loop(data, "sample", 2, kind.calls, seconds, _Step(writer.flush), time.perf_counter_ns)
        begin = time.process_time_ns()
        count = len(loop(data, "sample", kind.calls + 2, kind.items, seconds, _nothing, time.perf_counter_ns))
        writer.close()
        used = time.process_time_ns() - begin
        figures[f"{name} call"] = sorted(spent)[len(spent) // 2]
        figures[f"{name} cpu"] = used / count
        size = sum(path.stat().st_size for path in target.rglob("*tfevents*"))
        if size:
            figures[f"{name} bytes"] = size / (2 + len(spent) + count)
    return figures


def measure(*, quick: bool = False) -> tuple[list[Sample], dict[str, str]]:
    """All samples; about 1.5 minutes, with `quick` a quarter of one."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        inputs(Path(folder))
        options = {"folder": folder, "seconds": 0.15 if quick else 0.6}
        samples, missing = rounds("kinds", (FLOOR, *peers(quick)), [{"each": options}], 1 if quick else 3)
    for sample in samples:
        if absent := [name for name in KINDS if f"{name} call" not in sample.figures]:
            missing[sample.peer] = f"has no {', '.join(absent)}"
    return samples, missing


def tables(samples: list[Sample]) -> str:
    medians = Medians(samples)
    return "\n".join(_table(medians, name, kind) for name, kind in KINDS.items())


def _table(medians: Medians, name: str, kind: Kind) -> str:
    torch = {
        figure: medians.faster((TORCH, TORCH_ALONE), "each", f"{name} {figure}") for figure in ("call", "cpu", "bytes")
    }

    def row(peer: Peer) -> list[str]:
        def to_torch(figure: str) -> str:
            other = torch[figure]
            return times(medians.ratio(peer, other, "each", f"{name} {figure}") if other else None)

        call, cpu, size = (medians.get(peer, "each", f"{name} {figure}") for figure in ("call", "cpu", "bytes"))
        return [
            "floor: keep a copy" if peer is FLOOR and kind.statement != "text" else peer.name,
            number(call / 1000 if call is not None else None),
            times(medians.ratio(peer, FLOOR, "each", f"{name} call")),
            number(cpu / 1000 if cpu is not None else None),
            to_torch("cpu"),
            number(size),
            to_torch("bytes"),
        ]

    return render(
        kind.title,
        ["", "call µs", "to floor", "CPU µs", "to torch", "bytes", "to torch"],
        [row(peer) for peer in (FLOOR, *PEERS) if medians.get(peer, "each", f"{name} call") is not None],
    )


if __name__ == "__main__":
    import run

    run.main(["kinds"])
