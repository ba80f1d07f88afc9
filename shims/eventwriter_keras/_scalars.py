"""Keras's metrics as scalars: names, numbers, and the form that `tf.summary.scalar` gives them.

Knows: logs of `fit`, optimizers and their learning rates. Must not know: runs, files, when something is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from eventwriter import EventWriter, proto
from eventwriter.summary import Deferred
from eventwriter_keras import _tensors

_log = logging.getLogger("eventwriter")

# Memory of one number that waits, roughly.
_NBYTES = 100

_warned: set[str] = set()


class _Scalars(Deferred):
    """Numbers by their tags, which wait to become an event.

    A class of its own, for there is one for each batch: it costs the caller one object.
    """

    __slots__ = ("_numbers",)

    def __init__(self, numbers: Sequence[tuple[str, float]]) -> None:
        self._numbers = numbers
        self.nbytes = _NBYTES * len(numbers)
        self.what = "scalars"
        self.values = self._encode

    def _encode(self) -> list[proto.Summary.Value]:
        with np.errstate(over="ignore"):  # beyond float32 is infinity
            return [_value(tag, number) for tag, number in self._numbers]


def log(writer: EventWriter, prefix: str, logs: Mapping[str, Any], step: int, suffix: str = "") -> None:
    """Log the numbers of `logs` as one event of scalars named `{prefix}{name}{suffix}`.

    What is not one number is left out, with one warning for each name: a metric that cannot be drawn is no reason to
    end a training.
    """
    numbers = []
    for name, value in logs.items():
        number = value if value.__class__ is float else _number(name, value)
        if number is not None:
            numbers.append((prefix + name + suffix, number))
    if numbers:
        writer.log(_Scalars(numbers), step)


def learning_rates(optimizer: Any) -> dict[str, float]:
    """`learning_rate`, or `learning_rate_NAME` for each of an optimizer that is made of several."""
    # A LossScaleOptimizer is a wrapper.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if hasattr(optimizer, "optimizers"):
        return {f"learning_rate_{part.name}": _tensors.number(part.learning_rate) for part in optimizer.optimizers}
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return {"learning_rate": _tensors.number(optimizer.learning_rate)}
    return {}


def iterations(optimizer: Any) -> int | None:
    """How many updates an optimizer has made, if it counts them."""
    count = getattr(optimizer, "iterations", None)
    return None if count is None else int(_tensors.number(count))


def _number(name: str, value: Any) -> float | None:
    """The one number that `value` is; None, with a warning, for anything else."""
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        if name not in _warned:
            _warned.add(name)
            shape = getattr(value, "shape", None)
            got = type(value).__name__ if shape is None else f"an array of shape {tuple(shape)}"
            _log.warning("scalar %r: want one number, got %s; it is not logged", name, got)
        return None


def _value(tag: str, number: float) -> proto.Summary.Value:
    value = proto.Summary.Value(tag=tag)
    value.metadata.plugin_data.plugin_name = "scalars"
    value.metadata.data_class = proto.DATA_CLASS_SCALAR
    value.tensor.dtype = proto.DT_FLOAT
    value.tensor.tensor_shape.SetInParent()
    value.tensor.tensor_content = np.float32(number).astype("<f4").tobytes()
    return value
