"""Precision-recall curves, for TensorBoard's PR Curves dashboard.

Knows: what the plugin reads: a float32 tensor [6, n] of true and false positives, true and false negatives, precision
and recall at n thresholds from 0 to 1 (tensorboard/plugins/pr_curve/metadata.py). Must not know: other kinds.
"""

from __future__ import annotations

import operator
import sys
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from eventwriter import _array
from eventwriter._proto.plugin_data_pb2 import PrCurvePluginData
from eventwriter._proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
from eventwriter._proto.tensor_pb2 import TensorProto
from eventwriter._proto.types_pb2 import DT_FLOAT
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import check_texts, metadata

# Below this a count is none: keeps 0 / 0 at 0, as TensorBoard's own summary does.
_LEAST_COUNT = 1e-7

# How far rounding may push a probability out of [0, 1].
_SLACK = 1e-6

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)

_PIECE = 65536


def pr_curve(
    tag: str,
    labels: Any,
    predictions: Any,
    *,
    num_thresholds: SupportsIndex = 127,
    weights: Any = None,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """The curve of a binary classifier, counted at thresholds i / (num_thresholds - 1).

    Args:
        labels: bools or numbers from 0 to 1; what lies between counts in parts for both classes.
        predictions: the probabilities of the class, from 0 to 1, in the shape of `labels`. At a threshold, those at or
            above it are positive.
        num_thresholds: at least 2. Keep it the same for all steps of a tag.
        weights: what each example counts: numbers of at least 0 that broadcast to the shape of `labels`; 1 by default.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"pr_curve {tag!r}"
    check_texts(what, description, display_name)
    n = _thresholds(what, num_thresholds)
    truth = _numbers(what, "labels", labels)
    scores = _numbers(what, "predictions", predictions)
    if truth.shape != scores.shape:
        raise ValueError(f"{what}: want labels and predictions of one shape, got {truth.shape} and {scores.shape}")
    _check_range(what, "labels", truth, 0.0, 1.0)
    _check_range(what, "predictions", scores, -_SLACK, 1 + _SLACK)
    factors = None
    if weights is not None:
        factors = _numbers(what, "weights", weights)
        _check_range(what, "weights", factors, 0.0, sys.float_info.max)
        try:
            factors = np.broadcast_to(factors, truth.shape).reshape(-1)
        except ValueError:
            raise ValueError(
                f"{what}: want weights that broadcast to shape {truth.shape}, got shape {factors.shape}"
            ) from None
    flat = truth.reshape(-1), scores.reshape(-1)
    nbytes = truth.nbytes + scores.nbytes + (0 if factors is None else factors.nbytes)

    def encode() -> list[Summary.Value]:
        return [_value(tag, _curve(*flat, n, factors), description, display_name)]

    return Deferred(nbytes, encode, what)


def pr_curve_raw(
    tag: str,
    true_positive_counts: Any,
    false_positive_counts: Any,
    true_negative_counts: Any,
    false_negative_counts: Any,
    precision: Any,
    recall: Any,
    *,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """A curve that is counted already.

    Args:
        each: [n] finite numbers, at n >= 2 thresholds that rise evenly from 0 to 1; counts are at least 0.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"pr_curve {tag!r}"
    check_texts(what, description, display_name)
    given = {
        "true_positive_counts": true_positive_counts,
        "false_positive_counts": false_positive_counts,
        "true_negative_counts": true_negative_counts,
        "false_negative_counts": false_negative_counts,
        "precision": precision,
        "recall": recall,
    }
    rows: list[npt.NDArray[Any]] = []
    for name, data in given.items():
        row = _numbers(what, name, data)
        if row.ndim != 1 or row.size < 2 or row.size != (rows[0].size if rows else row.size):
            want = f"{rows[0].size} numbers" if rows else "at least 2 numbers in one dimension"
            raise ValueError(f"{what}: want {want} as {name}, got shape {row.shape}")
        _check_range(what, name, row, 0.0, _LARGEST_FLOAT32)
        rows.append(row)
    curve = np.stack(rows).astype(np.float32)
    return Deferred(curve.nbytes, lambda: [_value(tag, curve, description, display_name)], what)


# ---- what is checked in the call


def _thresholds(what: str, value: SupportsIndex) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what}: want an int as num_thresholds, got {type(value).__name__}") from None
    if number < 2:
        raise ValueError(f"{what}: want num_thresholds of at least 2, got {number}")
    return number


def _numbers(what: str, name: str, data: Any) -> npt.NDArray[Any]:
    values = _array.snapshot(data, f"{what}: {name}")
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{what}: want real numbers or bools as {name}, got dtype {values.dtype}")
    return np.ascontiguousarray(values).reshape(values.shape)


def _check_range(what: str, name: str, values: npt.NDArray[Any], low: float, high: float) -> None:
    if values.size:
        least, greatest = float(values.min()), float(values.max())
        if not (low <= least and greatest <= high):  # false for NaN too
            bound = f"from {max(low, 0):g} to {round(high):g}" if high <= 2 else f"of at least {low:g}"
            raise ValueError(f"{what}: want {name} {bound}, got numbers from {least:g} to {greatest:g}")


# ---- what the flush thread does


def _curve(
    truth: npt.NDArray[Any], scores: npt.NDArray[Any], n: int, weights: npt.NDArray[Any] | None
) -> npt.NDArray[np.float32]:
    """[6, n]. The threshold of a float32 is found in float32, as TensorBoard's own summary does."""
    positives, negatives = np.zeros(n), np.zeros(n)
    whole = truth.dtype.kind != "f" and weights is None
    for start in range(0, truth.size, _PIECE):
        piece = slice(start, start + _PIECE)
        score = scores[piece] if scores.dtype == np.float32 else scores[piece].astype(np.float64)
        last = np.clip(np.floor(score * (n - 1)), 0, n - 1).astype(np.intp)  # the last threshold it reaches
        if whole:
            counts = np.bincount(last * 2 + (truth[piece] != 0), minlength=2 * n)
            negatives += counts[0::2]
            positives += counts[1::2]
            continue
        part = truth[piece].astype(np.float64)
        weight = 1.0 if weights is None else weights[piece]
        positives += np.bincount(last, part * weight, minlength=n)
        negatives += np.bincount(last, (1.0 - part) * weight, minlength=n)
    tp = np.cumsum(positives[::-1])[::-1]
    fp = np.cumsum(negatives[::-1])[::-1]
    tn, fn = fp[0] - fp, tp[0] - tp
    precision = tp / np.maximum(_LEAST_COUNT, tp + fp)
    recall = tp / np.maximum(_LEAST_COUNT, tp + fn)
    curve: npt.NDArray[np.float32] = np.stack((tp, fp, tn, fn, precision, recall)).astype(np.float32)
    return curve


def _value(
    tag: str, curve: npt.NDArray[np.float32], description: str | None, display_name: str | None
) -> Summary.Value:
    message = TensorProto(dtype=DT_FLOAT, tensor_content=curve.astype("<f4").tobytes())
    for size in curve.shape:
        message.tensor_shape.dim.add(size=size)
    content = PrCurvePluginData(num_thresholds=curve.shape[1]).SerializeToString()
    about = metadata("pr_curves", content, DATA_CLASS_TENSOR, description, display_name)
    return Summary.Value(tag=tag, metadata=about, tensor=message)
