"""The Keras callback beside Keras's own, in one process, on the tensorflow backend: what each costs the training.

    python benchmarks/keras_callback.py [--quick]

- `batch`: a small model is fitted with `update_freq="batch"`; the time from entering to leaving the callback's
  `on_train_batch_begin` and `on_train_batch_end`, together.
- `epoch`: `on_epoch_end` with `histogram_freq=1` on a model of 5 million parameters: how long training stands still.
  Until everything is in the file is measured apart.

Both callbacks take turns, round by round; ratios are taken within a round.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from sample import FAILED, Sample, environment
from table import number, render, times, versions

KERAS, OURS = "keras.callbacks.TensorBoard", "eventwriter_keras"

CAVEATS = """\
Keras callback: the tensorflow backend on CPU, where Keras turns metrics into Python numbers before any callback sees
them; that wait is in neither figure. The times of other backends are not compared: Keras's own callback needs
TensorFlow there too. Blocking at the epoch's end is one copy of the weights; the counting, which Keras does before it
returns, happens on the flush thread meanwhile and takes CPU from a training that leaves none."""


def measure(*, quick: bool = False) -> tuple[list[Sample], dict[str, str]]:
    """Samples, and why a peer is missing."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", *(["--quick"] if quick else [])],
        capture_output=True, text=True, env=environment() | {"KERAS_BACKEND": "tensorflow"}, timeout=600,
    )  # fmt: skip
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["no word"]
        absent = "No module named" in reason[0]
        return [], dict.fromkeys((KERAS, OURS), reason[0] if absent else f"{FAILED}: {done.stderr[-3000:]}")
    return [Sample(*entry) for entry in json.loads(done.stdout.splitlines()[-1])], {}


def tables(samples: list[Sample]) -> str:
    """Medians over the rounds."""
    if not samples:
        return ""
    rows = []
    for scenario, figure, unit, scale in (
        ("batch", "median", "µs per batch, median", 1e6),
        ("batch", "mean", "µs per batch, mean", 1e6),
        ("epoch", "blocking", "ms that an epoch's end blocks", 1e3),
        ("epoch", "written", "ms until its histograms are written", 1e3),
    ):
        mine, theirs = (_values(samples, peer, scenario, figure) for peer in (OURS, KERAS))
        ratio = statistics.median(a / b for a, b in zip(mine, theirs, strict=True))
        rows.append(
            [unit, number(statistics.median(theirs) * scale), number(statistics.median(mine) * scale), times(ratio)]
        )
    return render("The Keras callback", ["", KERAS, OURS, "ours / Keras's"], rows)


def _values(samples: list[Sample], peer: str, scenario: str, figure: str) -> list[float]:
    return [sample.figures[figure] for sample in samples if (sample.peer, sample.scenario) == (peer, scenario)]


# ---- in the child


def timed(cls: Any, spent: list[float]) -> Any:
    """A subclass that notes the time of each batch's two hooks."""

    class Timed(cls):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            start = time.perf_counter()
            super().on_train_batch_begin(batch, logs)
            self._spent = time.perf_counter() - start

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            start = time.perf_counter()
            super().on_train_batch_end(batch, logs)
            spent.append(self._spent + time.perf_counter() - start)

    return Timed


def batch(cls: Any, logdir: str, batches: int) -> dict[str, float]:
    import keras
    import numpy as np

    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(16, "relu"), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"], jit_compile=False)
    x, y = np.random.rand(batches * 4, 16), np.random.rand(batches * 4, 1)
    spent: list[float] = []
    model.fit(x, y, batch_size=4, epochs=1, verbose=0, callbacks=[timed(cls, spent)(logdir, update_freq="batch")])
    spent = spent[20:]  # the first write what belongs to the model
    return {"median": statistics.median(spent), "mean": statistics.mean(spent)}


def epoch(cls: Any, logdir: str, epochs: int) -> dict[str, float]:
    import keras

    model = keras.Sequential(
        [keras.Input((1000,)), *(keras.layers.Dense(1250) for _ in range(3)), keras.layers.Dense(500)]
    )
    assert 4_900_000 < model.count_params() < 5_300_000
    model.compile("sgd", "mse")
    board = cls(logdir, histogram_freq=1, write_graph=False)
    board.set_model(model)
    board.on_train_begin()
    blocking, written = [], []
    for number_ in range(epochs + 1):
        start = time.perf_counter()
        board.on_epoch_begin(number_)
        board.on_epoch_end(number_, {"loss": 0.5})
        blocking.append(time.perf_counter() - start)
        if hasattr(board, "writer"):
            board.writer("train").flush(60)
        written.append(time.perf_counter() - start)
    board.on_train_end()
    # The first has imports and the like.
    return {"blocking": statistics.median(blocking[1:]), "written": statistics.median(written[1:])}


def child(*, quick: bool) -> list[Sample]:
    import keras
    from eventwriter_keras import TensorBoard

    peers = [(KERAS, keras.callbacks.TensorBoard), (OURS, TensorBoard)]
    samples = []
    for round_ in range(1 if quick else 5):
        for name, cls in peers if round_ % 2 == 0 else peers[::-1]:
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                samples.append(Sample(name, "batch", round_, batch(cls, f"{folder}/batch", 60 if quick else 500)))
                samples.append(Sample(name, "epoch", round_, epoch(cls, f"{folder}/epoch", 2 if quick else 4)))
    return samples


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    quick_ = "--quick" in sys.argv
    if "--child" in sys.argv:
        print(json.dumps(child(quick=quick_)))
    else:
        print("\n".join(f"{name:>15}  {version}" for name, version in versions().items()), end="\n\n")
        measured, missing = measure(quick=quick_)
        print(tables(measured))
        for peer_, reason_ in missing.items():
            print(f"Not measured: {peer_}: {reason_}")
        print(CAVEATS)
