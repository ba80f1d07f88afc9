"""torch's arguments for each kind of data, as the core's functions want them.

Knows: what torch's methods accept and what they do with it; the functions of `eventwriter.summary`. Must not know:
files, steps, runs, devices.

Each function checks its arguments in the call and returns what a writer logs. Pictures are in `_prepare_media`.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from eventwriter import proto
from eventwriter.summary import Deferred
from eventwriter.summary.custom_scalars import custom_scalars as _custom_scalars
from eventwriter.summary.histogram import histogram as _histogram
from eventwriter.summary.histogram import histogram_legacy, histogram_raw_legacy
from eventwriter.summary.hparams import experiment, session_end, session_start
from eventwriter.summary.mesh import mesh as _mesh
from eventwriter.summary.pr_curve import pr_curve as _pr_curve
from eventwriter.summary.pr_curve import pr_curve_raw as _pr_curve_raw
from eventwriter.summary.tensor import tensor as _tensor
from eventwriter.summary.text import text as _text

_log = logging.getLogger("eventwriter")

# More break the plugin's counts: torch's bound.
_MOST_THRESHOLDS = 127

_warned: set[str] = set()


def warn_once(what: str, message: str, *args: object) -> None:
    """A warning that a training loop would repeat for ever."""
    if what not in _warned:
        _warned.add(what)
        _log.warning(message, *args)


def one_number(tag: str, value: Any) -> Any:
    """A float where that is quickly had, else what the core takes for one number or refuses with the tag in its error.

    Numeric strings count as numbers. A tensor on a device stays one. Raises AssertionError for more elements than one,
    or none, as torch does.
    """
    if isinstance(value, torch.Tensor):
        if value.numel() == 1:
            try:
                return value.item() if value.is_cpu and not value.is_complex() else value
            except RuntimeError:  # a tensor that only stands for one, as in torch.compile
                return value
    elif isinstance(value, (int, float)):
        return value
    elif isinstance(value, (str, bytes)):
        return float(value)
    elif isinstance(value, (list, tuple)):
        value = np.asarray(value)
    shape = getattr(value, "shape", None)
    if shape is not None and math.prod(shape) != 1:
        raise AssertionError(f"scalar {tag!r}: want one number, got an array of shape {tuple(shape)}")
    return value


def scalar(
    tag: str,
    value: Any,
    *,
    new_style: bool = False,
    double: bool = False,
    display_name: str = "",
    description: str = "",
) -> Deferred:
    """A scalar in one of its less usual forms.

    Args:
        new_style: as a tensor, with the plugin named.
        double: as DT_DOUBLE, which TensorBoard's default loader does not show.
    """
    number = float(one_number(tag, value))

    def encode() -> list[Any]:
        written = proto.Summary.Value(tag=tag)
        if new_style or display_name or description:
            # TensorBoard's default loader takes names from who says which plugin is meant.
            written.metadata.plugin_data.plugin_name = "scalars"
            written.metadata.data_class = proto.DATA_CLASS_SCALAR
            written.metadata.display_name = display_name
            written.metadata.summary_description = description
        if not new_style:
            written.simple_value = number
            return [written]
        written.tensor.dtype = proto.DT_DOUBLE if double else proto.DT_FLOAT
        written.tensor.tensor_shape.SetInParent()
        (written.tensor.double_val if double else written.tensor.float_val).append(number)
        return [written]

    return Deferred(8, encode)


def tensor(tag: str, data: Any) -> Deferred:
    """An array bit for bit."""
    return _tensor(tag, data)


def text(tag: str, data: Any, *, in_table: bool = True) -> Deferred:
    """Text under torch's suffix.

    Args:
        in_table: in a table of one cell, as torch writes it.
    """
    if in_table and isinstance(data, str | bytes):
        data = [data]
    return _text(f"{tag}/text_summary", data)


# ---- distributions


def histogram(
    tag: str, values: Any, *, bins: Any = "tensorflow", max_bins: int | None = None, new_style: bool = False
) -> Deferred:
    if new_style:
        return _histogram(tag, values)
    return histogram_legacy(tag, values, bins=bins, max_bins=max_bins)


def histogram_raw(
    tag: str,
    least: float,
    greatest: float,
    num: float,
    total: float,
    squares: float,
    bucket_limits: Any,
    bucket_counts: Any,
) -> Deferred:
    if len(bucket_limits) != len(bucket_counts):
        raise ValueError(
            f"histogram {tag!r}: want as many bucket_limits as bucket_counts, got {len(bucket_limits)} and "
            f"{len(bucket_counts)}"
        )
    return histogram_raw_legacy(
        tag, min=least, max=greatest, num=num, sum=total, sum_squares=squares,
        bucket_limits=bucket_limits, bucket_counts=bucket_counts,
    )  # fmt: skip


def pr_curve(tag: str, labels: Any, predictions: Any, *, num_thresholds: int = 127, weights: Any = None) -> Deferred:
    scores = on_host(predictions)
    if scores.size and not (scores.min() >= 0 and scores.max() <= 1):
        warn_once(
            f"pr_curve {tag!r}",
            "pr_curve %r: want predictions from 0 to 1, got numbers from %g to %g: they are cut off there",
            tag, scores.min(), scores.max(),
        )  # fmt: skip
        scores = np.clip(np.nan_to_num(scores), 0, 1)
    return _pr_curve(tag, labels, scores, num_thresholds=min(num_thresholds, _MOST_THRESHOLDS), weights=weights)


def pr_curve_raw(
    tag: str,
    true_positive_counts: Any,
    false_positive_counts: Any,
    true_negative_counts: Any,
    false_negative_counts: Any,
    precision: Any,
    recall: Any,
) -> Deferred:
    return _pr_curve_raw(
        tag, true_positive_counts, false_positive_counts, true_negative_counts, false_negative_counts, precision, recall
    )


def mesh(
    tag: str,
    vertices: Any,
    *,
    colors: Any = None,
    faces: Any = None,
    config_dict: Mapping[str, Any] | None = None,
    display_name: str | None = None,
    description: str | None = None,
) -> Deferred:
    """Colours of a floating dtype that lie from 0 to 1, as torch's documentation wants them, are brought to 255."""
    if colors is not None:
        shades = on_host(colors)
        if shades.dtype.kind == "f" and shades.size and shades.max() <= 1:
            colors = shades * 255
    return _mesh(
        tag, vertices, colors=colors, faces=faces, config_dict=config_dict, display_name=display_name,
        description=description,
    )  # fmt: skip


def on_host(data: Any) -> np.ndarray[Any, Any]:
    """A view where there can be one: to look at."""
    if isinstance(data, torch.Tensor):
        data = data.detach().cpu()
        if data.dtype is torch.bfloat16:
            data = data.float()
        array: np.ndarray[Any, Any] = data.numpy()
        return array
    return np.asarray(data)


# ---- what describes a run


def custom_scalars(layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> Deferred:
    return _custom_scalars(as_charts(layout))


def as_charts(layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[str, dict[str, list[Any]]]:
    """A layout as the core wants it; what is no Margin is a Multiline, and charts may have more parts than two."""
    charts: dict[str, dict[str, list[Any]]] = {}
    for category, named in layout.items():
        charts[category] = {}
        for title, (kind, tags, *_) in named.items():
            if kind == "Margin" and len(tags) != 3:
                raise AssertionError(f"custom_scalars {title!r}: want 3 tags for a margin, got {len(tags)}")
            charts[category][title] = ["Margin" if kind == "Margin" else "Multiline", list(tags)]
    return charts


def hparams(
    hparam_dict: Mapping[str, Any] | None,
    metric_dict: Mapping[str, Any] | None,
    hparam_domain_discrete: Mapping[str, Sequence[Any]] | None,
    now: float,
    *,
    bool_as_number: bool = False,
) -> tuple[Deferred, Deferred, Deferred]:
    """Experiment, session start and session end.

    Args:
        now: seconds since the epoch.
        bool_as_number: as torch has it.

    Raises:
        TypeError, ValueError: as torch does.
    """
    for name, given in (("hparam_dict", hparam_dict), ("metric_dict", metric_dict)):
        if not isinstance(given, dict):
            raise TypeError(f"hparams: want a dictionary as {name}, got {type(given).__name__}")
    assert hparam_dict is not None and metric_dict is not None  # noqa: S101 -- both are dictionaries
    domains = hparam_domain_discrete or {}
    if not isinstance(domains, dict):
        raise TypeError(f"hparams: want a dictionary as hparam_domain_discrete, got {type(domains).__name__}")
    for name, domain in domains.items():
        if (
            name not in hparam_dict
            or not isinstance(domain, list)
            or not all(isinstance(item, type(hparam_dict[name])) for item in domain)
        ):
            raise TypeError(
                f"hparams {name!r}: want a list of the type of its value as hparam_domain_discrete, got {domain!r}"
            )
    values = {name: _hparam(name, value) for name, value in hparam_dict.items() if value is not None}
    # An empty list of values is no domain.
    domains = {name: domain for name, domain in domains.items() if name in values and domain}
    if bool_as_number:
        values = {name: float(value) if isinstance(value, bool) else value for name, value in values.items()}
        domains = {name: [float(v) if isinstance(v, bool) else v for v in domain] for name, domain in domains.items()}
    return (
        experiment(values, list(metric_dict), domains=domains, time_created_secs=now),
        session_start(values, start_time_secs=now),
        session_end("success", end_time_secs=now),
    )


def _hparam(name: str, value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.Tensor):
        return value.detach().reshape(-1)[0].item()
    raise ValueError(f"hparams {name!r}: want a bool, int, float, str or torch.Tensor, got {type(value).__name__}")
