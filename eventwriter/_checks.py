"""The checks that a log call makes in the caller's line.

Knows: what a tag, a step, a wall time and one number are, in any framework's clothes. Must not know: what becomes
of them. Every error names the kind of call and the tag, what was got and what was wanted.
"""

from __future__ import annotations

import math
import operator
from typing import Any

_INT64 = 2**63


def _where(kind: str, tag: object) -> str:
    return kind if tag is None else f"{kind} {tag!r}"


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def tag(kind: str, value: object) -> str:
    """A non-empty str that can be UTF-8, as a plain str. Raises TypeError, ValueError."""
    if not isinstance(value, str):
        raise TypeError(f"{kind}: want a str as tag, got {_shown(value)}")
    if not value:
        raise ValueError(f"{kind}: want a non-empty str as tag, got ''")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{kind} {text!r}: want a tag that can be UTF-8, got a lone surrogate in it") from None
    return text


def step(kind: str, tag: object, value: Any) -> int:
    """An int64: an int, anything with `__index__`, or a float that is integral. Raises TypeError, ValueError."""
    try:
        number = operator.index(value)
    except TypeError:
        try:
            if isinstance(value, (str, bytes, complex)):
                raise TypeError
            as_float = float(value)
            number = int(as_float)
        except (TypeError, ValueError, OverflowError):
            raise _not_integral(kind, tag, value) from None
        if number != as_float:
            raise _not_integral(kind, tag, value) from None
    if not -_INT64 <= number < _INT64:
        raise ValueError(f"{_where(kind, tag)}: want a step that fits int64, got {number}")
    return number


def _not_integral(kind: str, tag: object, value: object) -> Exception:
    error = ValueError if isinstance(value, float) else TypeError
    return error(f"{_where(kind, tag)}: want an integral step, got {_shown(value)}")


def wall_time(kind: str, tag: object, value: Any) -> float:
    """Finite seconds since the epoch. Raises TypeError, ValueError."""
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{_where(kind, tag)}: want seconds since the epoch as wall_time, got {_shown(value)}")
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(
            f"{_where(kind, tag)}: want seconds since the epoch as wall_time, got {_shown(value)}"
        ) from None
    if not math.isfinite(seconds):  # the default loader gives the whole file up at a NaN
        raise ValueError(f"{_where(kind, tag)}: want a finite wall_time, got {seconds}")
    return seconds


def number(kind: str, tag: object, value: Any) -> float:
    """One real number as a float: see `EventWriter.scalar`. Raises TypeError, ValueError."""
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            raise ValueError(f"{_where(kind, tag)}: want a number that a float can hold, got a larger int") from None
    if value is None or isinstance(value, (str, bytes, complex)):
        raise TypeError(f"{_where(kind, tag)}: want one number, got {_shown(value)}")
    shape = getattr(value, "shape", None)
    if shape is not None:
        try:
            shape = tuple(map(int, shape))
        except (TypeError, ValueError):
            raise TypeError(f"{_where(kind, tag)}: want one number, got {_shown(value)}") from None
        if math.prod(shape) != 1:
            raise ValueError(f"{_where(kind, tag)}: want one number, got an array of shape {shape}")
        dtype = str(getattr(value, "dtype", ""))
        if "complex" in dtype:
            raise TypeError(f"{_where(kind, tag)}: want one real number, got {dtype}")
        try:
            # torch, numpy and jax have item(); a TensorFlow tensor has it behind numpy().
            value = value.item() if hasattr(value, "item") else value.numpy().item()
        except Exception as error:
            raise TypeError(f"{_where(kind, tag)}: want one number, got {type(value).__name__}: {error}") from error
        if isinstance(value, (str, bytes, complex)):
            raise TypeError(f"{_where(kind, tag)}: want one real number, got {_shown(value)}")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{_where(kind, tag)}: want one number, got {_shown(value)}") from None
