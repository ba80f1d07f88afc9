"""Histograms, for TensorBoard's Histograms and Distributions dashboards.

Knows: the two forms a histogram has in a file. Must not know: how elements are counted (`_buckets`), other kinds.

New style: a float64 tensor [k, 3] of left edge, right edge and count, plugin "histograms"
(tensorboard/plugins/histogram/summary_v2.py). Legacy: a `HistogramProto` of right edges and counts, which
TensorBoard turns into the new style as it reads; it takes the first left edge from `min` and the last right edge
from `max` (tensorboard/data_compat.py).

NaN and infinities are never an error. They are in no bucket; where there are any, a second value, the scalar
`TAG/nonfinite`, says how many.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, Literal, SupportsFloat, SupportsIndex

import numpy as np
import numpy.typing as npt

from eventwriter import _array
from eventwriter._proto.summary_pb2 import DATA_CLASS_SCALAR, DATA_CLASS_TENSOR, HistogramProto, Summary
from eventwriter._proto.tensor_pb2 import TensorProto
from eventwriter._proto.types_pb2 import DT_DOUBLE
from eventwriter._wire import varint
from eventwriter.summary import _buckets
from eventwriter.summary._buckets import Buckets, Moments
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import check_texts, metadata

Rule = Literal["auto", "doane", "fd", "rice", "scott", "sqrt", "stone", "sturges"]
_RULES = ("auto", "doane", "fd", "rice", "scott", "sqrt", "stone", "sturges")


def histogram(
    tag: str,
    data: Any,
    *,
    buckets: SupportsIndex = 30,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """A histogram of `buckets` equal buckets from the least to the greatest finite element.

    Edges and counts are `numpy.histogram(data as float64, buckets)`'s. If all elements are equal, all edges are that
    number and the last bucket has all; without a finite element all is 0.

    Args:
        data: real numbers or bools of any shape, dtype and framework.
        buckets: at least 1.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"histogram {tag!r}"
    check_texts(what, description, display_name)
    k = _positive(what, "buckets", buckets)
    values = _numbers(what, data)

    def encode() -> list[Summary.Value]:
        counted, nonfinite = _buckets.uniform(values, k)
        return [_new_style(tag, counted, description, display_name), *_nonfinite(tag, nonfinite)]

    return Deferred(values.nbytes, encode, what)


def histogram_legacy(
    tag: str,
    data: Any,
    *,
    bins: Literal["tensorflow"] | Rule | SupportsIndex | Sequence[float] | npt.NDArray[Any] = "tensorflow",
    max_bins: SupportsIndex | None = None,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """A legacy histogram, as torch's `SummaryWriter.add_histogram` writes.

    Args:
        data: as in `histogram`.
        bins: "tensorflow" for edges at 0 and +-1e-12 * 1.1**n up to 1e20, with a bucket more on a side that has
            elements beyond; or what `numpy.histogram` takes: the name of a rule, a number of equal buckets, or rising
            edges, beyond which elements are not counted.
        max_bins: neighbours are merged until there are about so many.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"histogram {tag!r}"
    check_texts(what, description, display_name)
    bins_ = _bins(what, bins)
    most = None if max_bins is None else _positive(what, "max_bins", max_bins)
    values = _numbers(what, data)

    def encode() -> list[Summary.Value]:
        counted, moments, nonfinite = _count(values, bins_)
        edges, counts = _trimmed(*(counted if most is None else _merged(counted, most)))
        return [_legacy(tag, moments, edges, counts, description, display_name), *_nonfinite(tag, nonfinite)]

    return Deferred(values.nbytes, encode, what)


def histogram_raw(
    tag: str,
    edges: Any,
    counts: Any,
    *,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """A histogram that is counted already.

    Args:
        edges: [k + 1] finite numbers that do not fall.
        counts: [k] finite numbers, none below 0: counts[i] is for edges[i] to edges[i + 1].

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"histogram {tag!r}"
    check_texts(what, description, display_name)
    limits = _list(what, "edges", edges)
    numbers = _list(what, "counts", counts)
    if limits.size != numbers.size + 1:
        raise ValueError(f"{what}: want one more edge than counts, got {limits.size} edges, {numbers.size} counts")
    _check_rising(what, "edges", limits)
    _check_counts(what, "counts", numbers)
    buckets = Buckets(limits, numbers)
    return Deferred(limits.nbytes + numbers.nbytes, lambda: [_new_style(tag, buckets, description, display_name)], what)


def histogram_raw_legacy(
    tag: str,
    *,
    min: SupportsFloat,  # noqa: A002 -- the message's field names, which are torch's argument names too
    max: SupportsFloat,  # noqa: A002
    num: SupportsFloat,
    sum: SupportsFloat,  # noqa: A002
    sum_squares: SupportsFloat,
    bucket_limits: Any,
    bucket_counts: Any,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """A legacy histogram that is counted already.

    Args:
        min, max, num, sum, sum_squares: of the elements. TensorBoard draws min and max as the outermost edges.
        bucket_limits: [k] right edges. An infinity is allowed in the last.
        bucket_counts: [k] finite numbers, none below 0.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"histogram {tag!r}"
    check_texts(what, description, display_name)
    named = {"min": min, "max": max, "num": num, "sum": sum, "sum_squares": sum_squares}
    for name, number in named.items():
        try:
            named[name] = float(number)
        except (TypeError, ValueError):
            raise TypeError(f"{what}: want a number as {name}, got {type(number).__name__}") from None
    limits = _list(what, "bucket_limits", bucket_limits)
    numbers = _list(what, "bucket_counts", bucket_counts)
    if limits.size != numbers.size:
        raise ValueError(f"{what}: want as many bucket_limits as bucket_counts, got {limits.size} and {numbers.size}")
    _check_counts(what, "bucket_counts", numbers)
    moments = Moments(**named)  # type: ignore[arg-type] # all are floats now
    return Deferred(
        limits.nbytes + numbers.nbytes,
        lambda: [_legacy(tag, moments, limits, numbers, description, display_name)],
        what,
    )


# ---- what is checked in the call


def _numbers(what: str, data: Any) -> npt.NDArray[Any]:
    values = _array.snapshot(data, what)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{what}: want real numbers or bools, got dtype {values.dtype}")
    return values.ravel(order="K")  # as it lies in memory: the order does not matter


def _positive(what: str, name: str, value: SupportsIndex) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what}: want an int as {name}, got {type(value).__name__}") from None
    if number < 1:
        raise ValueError(f"{what}: want {name} of at least 1, got {number}")
    return number


def _bins(what: str, bins: Any) -> str | int | npt.NDArray[np.float64]:
    if isinstance(bins, str):
        if bins != "tensorflow" and bins not in _RULES:
            raise ValueError(f"{what}: want 'tensorflow' or one of {', '.join(_RULES)} as bins, got {bins!r}")
        return bins
    if isinstance(bins, SupportsIndex) and not isinstance(bins, np.ndarray):
        return _positive(what, "bins", bins)
    edges = _list(what, "bins", bins)
    if edges.size < 2:
        raise ValueError(f"{what}: want at least 2 edges as bins, got {edges.size}")
    _check_rising(what, "bins", edges)
    return edges


def _list(what: str, name: str, data: Any) -> npt.NDArray[np.float64]:
    values = _array.snapshot(data, f"{what}: {name}")
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{what}: want real numbers as {name}, got dtype {values.dtype}")
    if values.ndim != 1:
        raise ValueError(f"{what}: want {name} of one dimension, got shape {values.shape}")
    return values.astype(np.float64)


def _check_rising(what: str, name: str, edges: npt.NDArray[np.float64]) -> None:
    if not np.isfinite(edges).all() or (edges[1:] < edges[:-1]).any():
        raise ValueError(f"{what}: want finite numbers that do not fall as {name}, got {_shown(edges)}")


def _check_counts(what: str, name: str, counts: npt.NDArray[np.float64]) -> None:
    if not (np.isfinite(counts) & (counts >= 0)).all():
        raise ValueError(f"{what}: want finite numbers of at least 0 as {name}, got {_shown(counts)}")


def _shown(values: npt.NDArray[np.float64]) -> str:
    return np.array2string(values, threshold=8, edgeitems=4, separator=", ")


# ---- what the flush thread does


def _count(values: npt.NDArray[Any], bins: str | int | npt.NDArray[np.float64]) -> tuple[Buckets, Moments, int]:
    if isinstance(bins, str) and bins == "tensorflow":
        return _buckets.exponential(values)
    finite = _buckets.finite(values).astype(np.float64)
    nonfinite = values.size - finite.size
    if not isinstance(bins, np.ndarray):
        try:
            bins = np.histogram_bin_edges(finite, bins)
        except (ValueError, MemoryError):
            # A rule may ask for more buckets than there is memory, or than there are doubles in the range.
            return _buckets.exponential(values)
    return _buckets.between(finite, bins), _buckets.moments(finite), nonfinite


def _merged(buckets: Buckets, most: int) -> Buckets:
    """Neighbours merged in runs of one length, the last run filled up with empty ones, as torch does."""
    edges = buckets.edges
    counts: npt.NDArray[Any] = buckets.counts
    run = counts.size // most
    if counts.size <= most or run < 2:
        return buckets
    if counts.size % run:
        # torch fills up by a remainder's worth, which makes whole runs.
        counts = np.pad(counts, (0, run - counts.size % run))
    return Buckets(np.append(edges[:-1:run], edges[-1]), counts.reshape(-1, run).sum(axis=-1, dtype=np.int64))


def _trimmed(edges: npt.NDArray[np.float64], counts: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], Any]:
    """Right edges and counts without the empty buckets at both ends, but for one on the left.

    That one is torch's: its right edge is the first left edge.
    """
    filled = np.flatnonzero(counts)
    if not filled.size:
        return edges[:1], np.zeros(1)
    first, last = int(filled[0]), int(filled[-1])
    return edges[first : last + 2], np.concatenate(([0], counts[first : last + 1]))


def _new_style(tag: str, buckets: Buckets, description: str | None, display_name: str | None) -> Summary.Value:
    edges, counts = buckets
    table = np.empty((counts.size, 3), "<f8")
    table[:, 0] = edges[:-1]
    table[:, 1] = edges[1:]
    table[:, 2] = counts
    tensor = TensorProto(dtype=DT_DOUBLE, tensor_content=table.tobytes())
    tensor.tensor_shape.dim.add(size=counts.size)
    tensor.tensor_shape.dim.add(size=3)
    return Summary.Value(
        tag=tag,
        # The plugin's content is a `HistogramPluginData` of version 0: no bytes.
        metadata=metadata("histograms", b"", DATA_CLASS_TENSOR, description, display_name),
        tensor=tensor,
    )


def _legacy(
    tag: str,
    moments: Moments,
    limits: npt.NDArray[np.float64],
    counts: npt.NDArray[Any],
    description: str | None,
    display_name: str | None,
) -> Summary.Value:
    num, least, greatest, total, squares = moments
    histo = HistogramProto(min=least, max=greatest, num=num, sum=total, sum_squares=squares)
    # Both lists as one piece of wire format: a hundred times sooner than number by number.
    histo.MergeFromString(_packed(6, limits) + _packed(7, counts))
    if description is None and display_name is None:
        return Summary.Value(tag=tag, histo=histo)
    # The default loader shows these words only with plugin and class.
    about = metadata("histograms", b"", DATA_CLASS_TENSOR, description, display_name)
    return Summary.Value(tag=tag, histo=histo, metadata=about)


def _packed(field: int, numbers: npt.NDArray[Any]) -> bytes:
    """A packed repeated double."""
    content = numbers.astype("<f8").tobytes()
    return varint(field << 3 | 2) + varint(len(content)) + content


def _nonfinite(tag: str, count: int) -> list[Summary.Value]:
    if not count:
        return []
    why = f"NaN and infinite elements that histogram `{tag}` leaves out"
    about = metadata("scalars", b"", DATA_CLASS_SCALAR, why, None)
    return [Summary.Value(tag=f"{tag}/nonfinite", metadata=about, simple_value=count)]
