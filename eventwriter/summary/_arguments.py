"""Arguments that several kinds take, checked in the call.

Knows: what they may be, in words. Must not know: any kind.
"""

from __future__ import annotations

import math
import operator
from typing import SupportsFloat, SupportsIndex


def at_least_one(what: str, name: str, value: SupportsIndex) -> int:
    """An int of at least 1. `what` is the kind and the tag, `name` the argument's. Raises TypeError, ValueError."""
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what}: want an int as {name}, got {type(value).__name__}") from None
    if number < 1:
        raise ValueError(f"{what}: want {name} of at least 1, got {number}")
    return number


def positive(what: str, name: str, value: SupportsFloat) -> float:
    """A finite number greater than 0. Raises TypeError, ValueError."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{what}: want a number as {name}, got {type(value).__name__}") from None
    if not 0 < number < math.inf:
        raise ValueError(f"{what}: want a finite {name} greater than 0, got {number:g}")
    return number
