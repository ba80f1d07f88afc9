"""Small seeded trainings under a TensorBoard callback, Keras's own or ours, each backend in a process of its own.

    python tests/keras_trainings.py BACKEND keras|ours LOGDIR CASE…

Knows: models, data, and the cases that the tests of `eventwriter_keras` train. Each case logs into LOGDIR/CASE. As a
module it is the list of cases and how to start such a process; Keras is not imported then.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]


_NONE: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """A training: which model, the callback's arguments, and how `fit` is called."""

    model: str
    arguments: Mapping[str, Any] = _NONE
    fit: Mapping[str, Any] = _NONE
    compile: Mapping[str, Any] = _NONE
    fits: int = 1
    evaluations: int = 0
    policy: str = "float32"


CASES = {
    "defaults": Case("functional"),
    "no_graph": Case("sequential", {"write_graph": False}, {"validation_data": None}),
    "batches": Case("subclassed", {"update_freq": "batch", "histogram_freq": 1}),
    "every_third": Case("sequential", {"update_freq": 3}),
    "speed": Case("functional", {"update_freq": 2, "write_steps_per_second": True, "histogram_freq": 2}, {"epochs": 3}),
    "images": Case("convolutional", {"histogram_freq": 1, "write_images": True}),
    "nested": Case("nested", {"histogram_freq": 1, "write_steps_per_second": True}),
    "later_epochs": Case("functional", {"update_freq": 4, "histogram_freq": 2}, {"initial_epoch": 3, "epochs": 5}),
    "two_fits": Case("functional", {"update_freq": "batch", "histogram_freq": 1}, fits=2),
    "evaluate": Case("sequential", {"update_freq": "batch"}, fits=0, evaluations=2),
    "words": Case("subclassed", {"embeddings_freq": 1}),
    "mixed": Case("functional", {"update_freq": "batch", "histogram_freq": 1}, policy="mixed_float16"),
    "evaluate_after": Case("schedule", {"update_freq": "batch"}, evaluations=1),
    "executions": Case("sequential", {"update_freq": 2}, compile={"steps_per_execution": 2}),
}

# torch trains one batch at a time; jax takes a second to compile anything.
CASES_OF = {
    "tensorflow": list(CASES),
    "torch": [name for name in CASES if name != "executions"],
    "jax": ["defaults", "batches", "speed", "two_fits", "evaluate_after", "words", "mixed", "executions"],
}


def train(backend: str, who: str, logdir: str | os.PathLike[str], *, scenarios: bool = False) -> None:
    """Train all cases of a backend in a process of its own. Raises with what it said if it fails.

    Args:
        scenarios: also what is in `keras_scenarios`.
    """
    more = ["scenarios"] if scenarios else []
    run(backend, [__file__, backend, who, os.fspath(logdir), *CASES_OF[backend], *more])


def run(backend: str, command: list[str]) -> str:
    """Run a Python program on a backend; what it printed."""
    environment = dict(
        os.environ,
        KERAS_BACKEND=backend,
        TF_CPP_MIN_LOG_LEVEL="3",
        # Small models and two processes at a time: threads of their own would only wait for each other.
        **dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"),
        CUDA_VISIBLE_DEVICES="",
        PYTHONPATH=os.pathsep.join([str(ROOT), str(ROOT / "shims"), str(ROOT / "tests")]),
    )
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}")
    return done.stdout


# ---- in that process


def data(kind: str) -> tuple[Any, Any, Any, Any]:
    """Inputs and targets of training and of validation: 36 and 8 of them."""
    import numpy as np

    random = np.random.default_rng(0)
    if kind == "convolutional":
        x = random.random((44, 6, 6, 1), np.float32)
    elif kind in ("subclassed", "nested"):
        x = random.integers(0, 12, (44, 5)).astype(np.int32)
    else:
        x = random.random((44, 4), np.float32)
    y = random.random((44, 1), np.float32)
    return x[:36], y[:36], x[36:], y[36:]


def seeded(seed: int) -> Any:
    import keras

    return keras.initializers.GlorotUniform(seed=seed)


def build(kind: str) -> Any:
    """A model of a kind, seeded."""
    import keras
    from keras import layers

    keras.utils.clear_session()
    if kind in ("functional", "schedule"):
        inputs = keras.Input((4,), name="inputs")
        hidden = layers.Dense(6, activation="relu", name="hidden", kernel_initializer=seeded(1))(inputs)
        hidden = layers.BatchNormalization(name="norm")(hidden)
        outputs = layers.Dense(1, name="outputs", dtype="float32", kernel_initializer=seeded(2))(hidden)
        return keras.Model(inputs, outputs, name="small")
    if kind == "sequential":
        return keras.Sequential(
            [
                layers.Dense(5, activation="tanh", name="hidden", kernel_initializer=seeded(1)),
                layers.Dense(1, name="outputs", kernel_initializer=seeded(2)),
            ],
            name="stack",
        )
    if kind == "convolutional":
        return keras.Sequential(
            [
                keras.Input((6, 6, 1)),
                layers.Conv2D(3, 3, name="narrow", kernel_initializer=seeded(1)),
                layers.Conv2D(4, 2, name="wide", kernel_initializer=seeded(2)),
                layers.Flatten(name="flat"),
                layers.Dense(7, name="dense", kernel_initializer=seeded(3)),
                layers.Dense(1, name="outputs", kernel_initializer=seeded(4)),
            ],
            name="pictures",
        )
    if kind == "nested":
        words = keras.Sequential(
            [layers.Embedding(12, 3, name="words", embeddings_initializer=seeded(1)), layers.Flatten(name="flat")],
            name="reader",
        )
        inputs = keras.Input((5,), dtype="int32", name="inputs")
        outputs = layers.Dense(1, name="outputs", kernel_initializer=seeded(2))(words(inputs))
        return keras.Model(inputs, outputs, name="outer")

    class Subclassed(keras.Model):
        def __init__(self) -> None:
            super().__init__(name="custom")
            self.words = layers.Embedding(12, 3, name="words", embeddings_initializer=seeded(1))
            self.letters = layers.Embedding(12, 2, name="letters", embeddings_initializer=seeded(2))
            self.outputs_ = layers.Dense(1, name="outputs", kernel_initializer=seeded(3))

        def call(self, x: Any) -> Any:
            both = keras.ops.concatenate([self.words(x), self.letters(x)], axis=-1)
            return self.outputs_(keras.ops.mean(both, axis=1))

    return Subclassed()


def callback(who: str, logdir: str, arguments: Mapping[str, Any]) -> Any:
    if who == "keras":
        from keras.callbacks import TensorBoard
    else:
        from eventwriter_keras import TensorBoard
    return TensorBoard(logdir, **arguments)


def optimizer(kind: str) -> Any:
    import keras

    rate: Any = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5) if kind == "schedule" else 0.05
    return keras.optimizers.SGD(rate)


def compilation(backend: str) -> dict[str, Any]:
    """How a small model is soonest trained: XLA takes TensorFlow longer than it saves, jax cannot do without."""
    return {"jit_compile": False} if backend == "tensorflow" else {}


def run_case(who: str, logdir: Path, case: Case) -> None:
    import keras

    keras.config.set_dtype_policy(case.policy)
    model = build(case.model)
    model.compile(optimizer(case.model), "mse", metrics=["mae"], **compilation(keras.backend.backend()), **case.compile)
    board = callback(who, str(logdir), case.arguments)
    x, y, validation_x, validation_y = data(case.model)
    fit = {"epochs": 2, "batch_size": 8, "validation_data": (validation_x, validation_y), "shuffle": False} | dict(
        case.fit
    )
    for _ in range(case.fits):
        model.fit(x, y, verbose=0, callbacks=[board], **fit)
    for _ in range(case.evaluations):
        model.evaluate(validation_x, validation_y, batch_size=4, verbose=0, callbacks=[board])
    keras.config.set_dtype_policy("float32")


def main() -> None:
    backend, who, logdir, *cases = sys.argv[1:]
    os.environ["KERAS_BACKEND"] = backend
    for name in cases:
        if name in CASES:
            run_case(who, Path(logdir, name), CASES[name])
            continue
        import keras_scenarios

        for scenario in keras_scenarios.SCENARIOS if name == "scenarios" else [name]:
            keras_scenarios.run(scenario, Path(logdir))
    if who == "ours" and backend != "tensorflow":
        assert "tensorflow" not in sys.modules, "TensorFlow was imported"


if __name__ == "__main__":
    main()
