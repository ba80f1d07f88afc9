"""Counting numbers into buckets, exactly as numpy does for the same edges, but much faster and in pieces.

Knows: arrays of numbers, edges, counts. Must not know: tags, messages, threads.

The fast ways rest on one fact: a non-decreasing map from numbers to small integers puts every number on the right
side of an edge if it does so with the two numbers next to that edge. `uniform` checks those two for each edge;
`exponential` looks a number's bucket up by its upper bits and lets the lower ones carry into it at the edge.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]  # flat, of real numbers
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# Elements at a time. What holds the GIL (bincount, take) then does so for some 50 us; numpy's arithmetic in between
# gives it back. Smaller pieces do so more often than helps: against a thread of pure Python each return costs 5 ms.
PIECE = 65536

# No BLAS starts its threads for so few elements: they would compete with the training's.
_BLOCK = 8192


class Buckets(NamedTuple):
    """`counts[i]` elements lie in `edges[i] <= x < edges[i + 1]`; in the last bucket also `x == edges[-1]`."""

    edges: Floats  # [k + 1]
    counts: npt.NDArray[np.int64] | Floats  # [k]


class Moments(NamedTuple):
    """Of the finite elements; zeros if there are none."""

    num: int
    min: float
    max: float
    sum: float
    sum_squares: float


def _pieces(values: Numbers) -> Iterator[Numbers]:
    return (values[start : start + PIECE] for start in range(0, values.size, PIECE))


def finite(values: Numbers) -> Numbers:
    """The finite elements, in their order."""
    if values.dtype.kind != "f" or not values.size:
        return values
    return np.concatenate([piece[np.isfinite(piece)] for piece in _pieces(values)])


def uniform(values: Numbers, k: int) -> tuple[Buckets, int]:
    """k buckets of one width from the least to the greatest finite element, and how many elements are not finite.

    Where all are equal, every edge is that number and the last bucket has all; where there are none, all edges and
    counts are 0: as in TensorBoard's own histograms.
    """
    if values.dtype == np.float16:
        values = values.astype(np.float32)  # numpy compares float16 ten times slower
    size = values.size
    low, high = _range(values)
    if not (math.isfinite(low) and math.isfinite(high)):
        values = finite(values)
        low, high = _range(values)
    return _uniform(values, k, low, high), size - values.size


def _range(values: Numbers) -> tuple[float, float]:
    """The least and the greatest; NaN is both if there is one. 0 if there is none."""
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def _uniform(values: Numbers, k: int, low: float, high: float) -> Buckets:
    if low == high:
        return Buckets(np.full(k + 1, low), np.array([0] * (k - 1) + [values.size]))
    if not math.isfinite(2 * (high - low)):  # more than linspace can stand
        edges = np.linspace(low / 4, high / 4, k + 1) * 4
        return Buckets(edges, _searched(values, edges))
    edges = np.linspace(low, high, k + 1)
    scale = k / (high - low)
    # How far rounding may move a scaled number against an edge, in buckets.
    doubt = 8 * sys.float_info.epsilon * k * (1 + max(abs(low), abs(high)) / (high - low))
    if not (1e-300 < scale < math.inf and doubt < 0.1):
        return Buckets(edges, _searched(values, edges))
    # A number that equals an edge is scaled to just above it: few others are so near an edge.
    zero = low - doubt / scale
    exact = _is_exact(values.dtype, edges, zero, scale)
    return Buckets(edges, _scaled(values, edges, zero, scale, 0.0 if exact else 2 * doubt))


def _is_exact(dtype: np.dtype[Any], edges: Floats, zero: float, scale: float) -> bool:
    """Whether scaling puts the last number before and the first number from each inner edge into the right buckets."""
    inner = edges[1:-1]
    if dtype.kind == "f" and dtype.itemsize <= 4:
        nearest = inner.astype(np.float32)
        above = np.where(nearest < inner, np.nextafter(nearest, np.float32(np.inf)), nearest)
        first, last = above.astype(np.float64), np.nextafter(above, np.float32(-np.inf)).astype(np.float64)
    elif dtype.kind in "biu" and dtype.itemsize <= 4:
        first = np.ceil(inner)
        last = first - 1
    else:
        return False  # the last double before an edge is always too near to it
    number = np.arange(1, edges.size - 1)
    return bool(((last - zero) * scale < number).all() and ((first - zero) * scale >= number).all())


def _scaled(values: Numbers, edges: Floats, zero: float, scale: float, doubt: float) -> Counts:
    """Bucket numbers by scaling; those within `doubt` of an edge are looked up."""
    k = edges.size - 1
    # Two small bucket numbers count as one 16-bit number, which halves the work.
    paired = k <= 64 and values.size > PIECE // 2  # fewer are not worth the larger table
    most = min(PIECE, values.size)
    numbers = np.empty(most + 1, np.uint8 if paired else np.intp)
    scaled = np.empty(most)
    table = np.zeros((k + 2) * 256 if paired else k + 1, np.int64)
    for piece in _pieces(values):
        n = piece.size
        at = scaled[:n]
        np.copyto(at, piece, casting="unsafe")
        at -= zero
        at *= scale
        np.copyto(numbers[:n], at, casting="unsafe")
        if doubt:
            near = np.abs(at - np.rint(at)) < doubt
            if near.any():
                numbers[:n][near] = edges[1:-1].searchsorted(piece[near].astype(np.float64), side="right")
        if not paired:
            table += np.bincount(numbers[:n], minlength=table.size)
            continue
        numbers[n] = k + 1  # makes the last pair whole, where n is odd
        table += np.bincount(numbers[: n + n % 2].view(np.uint16), minlength=table.size)
    if paired:
        pairs = table.reshape(k + 2, 256)
        table = pairs.sum(axis=1) + pairs.sum(axis=0)[: k + 2]
    table[k - 1] += table[k]  # the greatest value scales to k
    return table[:k]


def _searched(values: Numbers, edges: Floats) -> Counts:
    """For a range too small or too large for scaling."""
    counts = np.zeros(edges.size - 1, np.int64)
    for piece in _pieces(values):
        numbers = edges[1:-1].searchsorted(piece.astype(np.float64), side="right")
        counts += np.bincount(numbers, minlength=counts.size)
    return counts


def between(values: Numbers, edges: Floats) -> Buckets:
    """Counts between any rising edges, of finite numbers; what lies outside is not counted."""
    counts = np.zeros(edges.size - 1, np.int64)
    for piece in _pieces(values):
        counts += np.histogram(piece.astype(np.float64), edges)[0]
    return Buckets(edges, counts)


@functools.cache
def exponential_edges() -> Floats:
    """TensorFlow's and torch's default edges: 0 and +-1e-12 * 1.1**n below 1e20, each from the one before."""
    positive = []
    edge = 1e-12
    while edge < 1e20:
        positive.append(edge)
        edge *= 1.1
    return np.array([-edge for edge in reversed(positive)] + [0.0] + positive)


class _Lookup(NamedTuple):
    """The bucket of a float by its upper 16 bits: sign, exponent, and 4 or 7 bits of the mantissa make a cell.

    No cell holds two edges: from cell to cell numbers grow by at most 1.0625, from edge to edge by 1.1. Added to all of
    a float's bits, its cell's step makes the upper 16 a code for the bucket: the lower ones carry when they reach the
    edge. Codes rise with the magnitude, so the negative numbers have codes of their own: 0 to n for x >= 0 (n: at or
    above the last edge), from n + 1 for -0.0 to 2n + 2 below the first edge, and 2n + 3 for what is not finite.
    """

    steps: npt.NDArray[Any]  # [65536], unsigned, as wide as the float
    n: int  # edges above 0


@functools.cache
def _lookup(dtype: Any) -> _Lookup:
    word: Any
    word, low_bits = (np.uint32, 16) if dtype is np.float32 else (np.uint64, 48)
    edges = exponential_edges()
    n = edges.size // 2
    cells = np.arange(1 << 15, dtype=word)  # of one sign
    with np.errstate(invalid="ignore"):  # some are signalling NaNs
        starts = (cells << word(low_bits)).view(dtype).astype(np.float64)
    low = word((1 << low_bits) - 1)
    steps = []
    for base, negative in ((0, False), (n + 1, True)):
        # The magnitudes from which on a number is in the next bucket. A positive number is so at the edge itself, a
        # negative one beyond it, and -0.0 is in the bucket above 0.
        reached = edges[n + 1 :].astype(dtype)
        reached = np.where(reached < edges[n + 1 :], np.nextafter(reached, dtype(np.inf)), reached)
        if negative:
            at = edges[n:].astype(dtype)
            reached = np.where(at <= edges[n:], np.nextafter(at, dtype(np.inf)), at)
        code = reached.searchsorted(starts.astype(dtype), side="right")
        edge = np.append(reached, dtype(np.inf))[code].view(word)
        here = edge >> word(low_bits) == cells
        to_edge = np.where(here, (~edge & low) + word(1), word(0))
        codes = (code + base).astype(word)
        codes[~np.isfinite(starts)] = 2 * n + 3
        cell = cells + word(negative << 15)
        steps.append(((codes - cell) << word(low_bits)) + np.where(np.isfinite(starts), to_edge, word(0)))
    return _Lookup(np.concatenate(steps), n)


def exponential(values: Numbers) -> tuple[Buckets, Moments, int]:
    """The buckets between `exponential_edges()`, and how many elements are not finite.

    Where elements lie below the first or above the last edge, one more bucket there reaches to the least or greatest.
    """
    dtype = np.float32 if values.dtype.itemsize <= 2 or values.dtype == np.float32 else np.float64
    steps, n = _lookup(dtype)
    codes = np.zeros(2 * n + 4, np.int64)
    moments = []
    most = min(PIECE, values.size)
    cells = np.empty(most, np.intp)
    words = np.empty(most, steps.dtype)
    for piece in _pieces(values):
        floats: Numbers = np.ascontiguousarray(piece, dtype)
        cell, word = cells[: piece.size], words[: piece.size]
        np.copyto(cell, _upper(floats))
        steps.take(cell, out=word, mode="wrap")  # all are inside; this mode is the quickest
        word += floats.view(steps.dtype)
        np.copyto(cell, _upper(word))
        counted = np.bincount(cell, minlength=codes.size)
        codes += counted
        moments.append(_moments(floats[np.isfinite(floats)] if counted[-1] else floats))
    total = _total(moments)
    return _in_order(codes, n, total), total, int(codes[-1])


def _upper(words: Numbers) -> npt.NDArray[np.uint16]:
    """The upper 16 bits of each element."""
    parts = words.itemsize // 2
    return words.view(np.uint16)[parts - 1 if np.little_endian else 0 :: parts]


def _in_order(codes: Counts, n: int, moments: Moments) -> Buckets:
    """Rising edges and their counts, from the counts of `_Lookup`'s codes."""
    edges = exponential_edges()
    positive, negative = codes[: n + 1].copy(), codes[n + 1 : 2 * n + 3]
    positive[0] += negative[0]  # -0.0
    counts = np.concatenate((negative[:0:-1], positive))
    if moments.min < edges[0]:
        edges = np.concatenate(([moments.min], edges))
    else:
        counts = counts[1:]
    if moments.max > edges[-1]:
        edges = np.concatenate((edges, [moments.max]))
    else:
        counts[-2] += counts[-1]  # the last bucket has its right edge too
        counts = counts[:-1]
    return Buckets(edges, counts)


def moments(values: Numbers) -> Moments:
    """Moments of finite numbers."""
    return _total([_moments(piece.astype(np.float64)) for piece in _pieces(values)])


def _moments(floats: Numbers) -> Moments:
    if not floats.size:
        return _total([])
    least, greatest = float(floats.min()), float(floats.max())
    with np.errstate(over="ignore"):
        # Sums in the floats' own precision, where they are float32 and many: nothing draws them, and exact ones
        # would take a fifth of all the time.
        total, squares = float(floats.sum()), _squares(floats)
        if floats.dtype != np.float64 and (floats.size <= _BLOCK or not np.isfinite(squares)):
            double = floats.astype(np.float64)
            total, squares = float(double.sum()), _squares(double)
    return Moments(floats.size, least, greatest, total, squares)


def _squares(floats: Numbers) -> float:
    total = 0.0
    for start in range(0, floats.size, _BLOCK):
        block = floats[start : start + _BLOCK]
        total += float(block.dot(block))
    return total


def _total(parts: list[Moments]) -> Moments:
    parts = [part for part in parts if part.num]
    if not parts:
        return Moments(0, 0.0, 0.0, 0.0, 0.0)
    num, least, greatest, total, squares = zip(*parts, strict=True)
    return Moments(sum(num), min(least), max(greatest), sum(total), sum(squares))
