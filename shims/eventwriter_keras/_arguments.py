"""What each argument of the callback may be, and the words for what it may not.

Knows: the names and rules of Keras's own arguments, today's and TensorFlow 2.0's. Must not know: models, writers.
"""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import Mapping
from typing import Any, Literal

UpdateFreq = int | Literal["batch", "epoch"]

# What TensorFlow 2.0 still took from TensorFlow 1's callback, without effect, and says so.
_OLD = ("batch_size", "embeddings_layer_names", "embeddings_data")


def folder(value: str | os.PathLike[str]) -> str:
    """`log_dir` as a str."""
    try:
        path = os.fspath(value)
    except TypeError:
        raise TypeError(f"log_dir: want a str or PathLike, got {type(value).__name__}") from None
    if not isinstance(path, str):
        raise TypeError(f"log_dir: want a str or PathLike, got {type(path).__name__}")
    if not path:
        raise ValueError("log_dir: want the path of a folder, got ''")
    return path


def frequency(name: str, value: Any) -> int:
    """A number of epochs; 0, as None, is never."""
    number = 0 if value is None else _integer(name, value, "an int of at least 0")
    if number < 0:
        raise ValueError(f"{name}: want an int of at least 0, got {number}")
    return number


def update_freq(value: Any) -> int | Literal["epoch"]:
    """A number of batches, or "epoch"."""
    if value == "epoch":
        return "epoch"
    if value == "batch":
        return 1
    want = "'batch', 'epoch' or an int of at least 1"
    if isinstance(value, str):
        raise ValueError(f"update_freq: want {want}, got {value!r}")
    number = _integer("update_freq", value, want)
    if number < 1:
        raise ValueError(f"update_freq: want {want}, got {number}")
    return number


def profile_batch(value: Any) -> tuple[int, int]:
    """The first and the last batch to profile, counted from 1; (0, 0) for none."""
    want = "an int of at least 0, or two ints (first, last), or these as a str"
    given = value
    if isinstance(value, str):
        try:
            numbers = [int(part) for part in value.split(",")]
        except ValueError:
            raise ValueError(f"profile_batch: want {want}, got {given!r}") from None
        value = numbers if len(numbers) > 1 else numbers[0]
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"profile_batch: want {want}, got {given!r}")
        first, last = (_integer("profile_batch", number, want) for number in value)
    else:
        first = last = 0 if value is None else _integer("profile_batch", value, want)
    if first < 0 or last < first or (first == 0 and last != 0):
        raise ValueError(f"profile_batch: want {want}, got {given!r}")
    return first, last


def embeddings_metadata(value: Any) -> str | dict[str, str] | None:
    """One file name for all embedding layers, or a file name for each layer's name."""
    want = "a file name, or a dict of layer name to file name"
    if value is None:
        return None
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if not isinstance(value, Mapping):
        raise TypeError(f"embeddings_metadata: want {want}, got {type(value).__name__}")
    for layer, file in value.items():
        if not isinstance(layer, str) or not isinstance(file, (str, os.PathLike)):
            raise TypeError(f"embeddings_metadata: want {want}, got {layer!r}: {file!r}")
    return {layer: os.fspath(file) for layer, file in value.items()}


def old(arguments: dict[str, Any]) -> None:
    """Warn of what has had no effect since TensorFlow 2.0. Raises ValueError for names that never were."""
    unknown = sorted(set(arguments) - set(_OLD))
    if unknown:
        raise ValueError(f"TensorBoard: want arguments of its signature, got {', '.join(unknown)}")
    for name, value in arguments.items():
        if value is not None:
            warnings.warn(f"TensorBoard: {name} has had no effect since TensorFlow 2.0", UserWarning, stacklevel=3)


def _integer(name: str, value: Any, want: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: want {want}, got {type(value).__name__} {value!r}") from None
