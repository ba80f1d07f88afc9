"""Histograms counted on the device, so that a few kilobytes cross to the host instead of the tensor.

Knows: how elements are counted between edges with operations that never make the host wait. Must not know: tags'
rules, files, what an edge is good for.

The counts are numpy's for the same edges: `edges[i] <= x < edges[i + 1]`, the last bucket with both its edges. A
float32 is compared to the least float32 that is not below the edge, which is the same as comparing it to the edge.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from eventwriter.summary import Deferred
from eventwriter.summary.histogram import histogram_legacy, histogram_raw, histogram_raw_legacy
from eventwriter_torch import _device

Floats = npt.NDArray[np.float64]

# Elements at a time: bounds the memory that counting takes on the device to some 100 MB.
_PIECE = 1 << 22
# What follows the counts in a result.
_MOMENTS = 5


@functools.cache
def default_edges() -> Floats:
    """TensorFlow's and torch's edges: 0 and +-1e-12 * 1.1**n below 1e20, each from the one before."""
    positive = []
    edge = 1e-12
    while edge < 1e20:
        positive.append(edge)
        edge *= 1.1
    return np.array([-edge for edge in reversed(positive)] + [0.0] + positive)


def legacy(tag: str, tensor: Tensor, queue: _device.Queue, edges: Floats | None, what: str) -> Deferred:
    """As `eventwriter.summary.histogram.histogram_legacy` with these edges; None: the default ones."""
    open_ended = edges is None
    limits = default_edges() if edges is None else edges
    with torch.no_grad():
        copy = _device.host_copy(count(tensor, _on_device(limits, tensor, queue, keep=open_ended)), queue)
    return Deferred(copy.nbytes, lambda: _legacy(tag, copy.wait().numpy(), limits, open_ended), what)


def uniform(tag: str, tensor: Tensor, queue: _device.Queue, buckets: int, what: str, **texts: Any) -> Deferred:
    """As `eventwriter.summary.histogram.histogram`: `buckets` of one width from the least to the greatest element."""
    with torch.no_grad():
        edges = _spread(tensor, buckets)
        result = _device.host_copy(torch.cat((edges.double(), count(tensor, edges))), queue)
    return Deferred(result.nbytes, lambda: _uniform(tag, result.wait().numpy(), buckets, texts), what)


# ---- on the device


def count(tensor: Tensor, edges: Tensor) -> Tensor:
    """float64: elements below, in each bucket, above, not finite; then min, max, sum, sum of squares of the finite."""
    n = edges.numel()
    counts = torch.zeros(n + 2, dtype=torch.int64, device=tensor.device)
    parts = [_count_piece(piece, edges, counts) for piece in _pieces(tensor)]
    moments = torch.stack(parts)
    return torch.cat(
        (
            counts.double(),
            moments[:, 0].amin().reshape(1),
            moments[:, 1].amax().reshape(1),
            moments[:, 2:].sum(dim=0),
        )
    )


def _count_piece(piece: Tensor, edges: Tensor, counts: Tensor) -> Tensor:
    n = edges.numel()
    values = piece.to(edges.dtype)
    finite = values.isfinite()
    index = torch.bucketize(values, edges, right=True)  # how many edges are not above the element
    index = torch.where(values == edges[-1], n - 1, index)
    index = torch.where(finite, index, n + 1)
    counts.scatter_add_(0, index, torch.ones((), dtype=torch.int64, device=counts.device).expand_as(index))
    exact = values.double()
    kept = torch.where(finite, exact, 0.0)
    return torch.stack(
        (
            torch.where(finite, exact, torch.inf).amin(),
            torch.where(finite, exact, -torch.inf).amax(),
            kept.sum(),
            (kept * kept).sum(),
        )
    )


def _pieces(tensor: Tensor) -> Sequence[Tensor]:
    return torch.split(tensor.detach().reshape(-1), _PIECE)


def _kind(tensor: Tensor) -> torch.dtype:
    """The dtype to compare in: one that holds every element exactly."""
    narrow = tensor.dtype.is_floating_point and tensor.dtype is not torch.float64
    return torch.float32 if narrow else torch.float64


def _spread(tensor: Tensor, buckets: int) -> Tensor:
    """Edges of `buckets` equal buckets over the finite elements; zeros if there are none."""
    lows, highs = [], []
    for piece in _pieces(tensor):
        values = piece.double()
        finite = values.isfinite()
        lows.append(torch.where(finite, values, torch.inf).amin())
        highs.append(torch.where(finite, values, -torch.inf).amax())
    low, high = torch.stack(lows).amin(), torch.stack(highs).amax()
    empty = low > high
    low, high = torch.where(empty, 0.0, low), torch.where(empty, 0.0, high)
    number = torch.arange(buckets + 1, dtype=torch.float64, device=tensor.device)
    # numpy.linspace's steps, of halves, whose difference does not overflow.
    edges = (number * ((high / 2 - low / 2) / buckets) + low / 2) * 2
    return torch.where(number == buckets, high, edges)


_kept: dict[tuple[torch.device, torch.dtype], Tensor] = {}


def _on_device(edges: Floats, tensor: Tensor, queue: _device.Queue, *, keep: bool) -> Tensor:
    """Edges in the dtype to compare in; the default ones are sent once."""
    dtype = _kind(tensor)
    key = (tensor.device, dtype)
    if keep and key in _kept:
        return _kept[key]
    if dtype is torch.float32:
        with np.errstate(over="ignore"):
            nearest = edges.astype(np.float32)
        edges = np.where(nearest < edges, np.nextafter(nearest, np.float32(np.inf)), nearest)
    host = queue.pinned(edges.shape, dtype)
    host.copy_(torch.from_numpy(np.ascontiguousarray(edges)))
    there = host.to(tensor.device, non_blocking=True)
    if keep:
        _kept[key] = there
    return there


# ---- on the flush thread


def _legacy(tag: str, result: Floats, edges: Floats, open_ended: bool) -> list[Any]:
    n = edges.size
    below, counts, above, nonfinite = result[0], result[1:n], result[n], result[n + 1]
    num = float(result[: n + 1].sum())
    least, greatest, total, squares = result[n + 2 :] if num else np.zeros(4)
    if open_ended and below:
        edges, counts = np.concatenate(([least], edges)), np.concatenate(([below], counts))
    if open_ended and above:
        edges, counts = np.concatenate((edges, [greatest])), np.concatenate((counts, [above]))
    limits, counts = _trimmed(edges, counts)
    histogram = histogram_raw_legacy(
        tag, min=least, max=greatest, num=num, sum=total, sum_squares=squares,
        bucket_limits=limits, bucket_counts=counts,
    )  # fmt: skip
    return [*histogram.values(), *_nonfinite(tag, nonfinite)]


def _uniform(tag: str, result: Floats, buckets: int, texts: dict[str, Any]) -> list[Any]:
    edges, counts = result[: buckets + 1], result[buckets + 2 : 2 * buckets + 2]
    nonfinite = result[2 * buckets + 3]
    return [*histogram_raw(tag, edges, counts, **texts).values(), *_nonfinite(tag, nonfinite)]


def _trimmed(edges: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Right edges and counts without the empty buckets at both ends, but for one on the left, as in torch."""
    filled = np.flatnonzero(counts)
    if not filled.size:
        return edges[:1], np.zeros(1)
    first, last = filled[0], filled[-1]
    return edges[first : last + 2], np.concatenate(([0], counts[first : last + 1]))


def _nonfinite(tag: str, count: float) -> list[Any]:
    """As the core's histograms have it."""
    if not count:
        return []
    *_, value = histogram_legacy(tag, [np.nan]).values()
    value.simple_value = count
    return [value]
