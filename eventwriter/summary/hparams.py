"""Hyperparameters, for TensorBoard's HParams dashboard.

Knows: what the plugin reads: three values under tags of their own whose data is in their metadata: the experiment
(which hyperparameters and metrics there are), a session's start (their values) and its end (its status)
(tensorboard/plugins/hparams/metadata.py). Must not know: the metrics' values, which are scalars of the same run; the
clock.

All three belong into the run that has the metrics: a run is a session, and its first record of each tag wins for
ever. The dashboard shows the last value of each metric's tag.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from google.protobuf.struct_pb2 import ListValue, Value

from eventwriter._proto import hparams_pb2
from eventwriter._proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
from eventwriter._proto.tensor_pb2 import TensorProto
from eventwriter._proto.types_pb2 import DT_FLOAT
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import metadata

Plain = bool | float | str
Status = Literal["running", "success", "failure", "unknown"]

_STATUS = {
    "running": hparams_pb2.STATUS_RUNNING,
    "success": hparams_pb2.STATUS_SUCCESS,
    "failure": hparams_pb2.STATUS_FAILURE,
    "unknown": hparams_pb2.STATUS_UNKNOWN,
}


class Interval(NamedTuple):
    """A domain of numbers: the dashboard filters it by bounds."""

    min: float
    max: float


class Metric(NamedTuple):
    """A scalar that the dashboard shows beside the hyperparameters.

    Attributes:
        tag: the scalar's.
        group: the sub-run that has the scalar, relative to the session's run, such as "validation".
        display_name, description: shown instead of the tag, and as its tooltip.
    """

    tag: str
    group: str = ""
    display_name: str = ""
    description: str = ""


Domain = Interval | Iterable[Any]


def plain(name: str, value: Any) -> Plain | None:
    """What the dashboard can show of any Python value: a bool, a number or a str; None for None.

    Numbers stay numbers if a float can hold them exactly, but NaN and infinities, which break the dashboard, become
    str. numpy's and other scalars, and arrays of one element, count as their element; of an enum the name is shown,
    unless its members are strs; of functions and classes, the name; of all else, lists and paths included, the str.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        value = str(value.value) if isinstance(value, str) else value.name
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, int | float):
        try:
            number = float(value)
        except OverflowError:
            return str(value)
        return number if math.isfinite(number) and number == value else str(value)
    item = getattr(value, "item", None)
    if callable(item):
        try:
            element = item()
        except (TypeError, ValueError, RuntimeError):  # more than one element, each library's way
            return plain(name, str(value))
        return plain(name, element if isinstance(element, bool | int | float | str | bytes) else str(element))
    if callable(value) and isinstance(getattr(value, "__qualname__", None), str):
        return plain(name, value.__qualname__)
    try:
        return plain(name, str(value))
    except Exception as error:
        raise TypeError(f"hparams {name!r}: want a value with a str, got {type(value).__name__}: {error}") from error


def experiment(
    hparams: Mapping[str, Any],
    metrics: Iterable[str | Metric] = (),
    *,
    domains: Mapping[str, Domain] | None = None,
    display_names: Mapping[str, str] | None = None,
    description: str | None = None,
    time_created_secs: float = 0.0,
) -> Deferred:
    """Which hyperparameters and metrics the dashboard has columns for.

    Args:
        hparams: name to value: the value says which type the column has. See `plain`; None is left out.
        metrics: the tags of the scalars to show, or `Metric`s.
        domains: name to the values it may have, or an `Interval`: what the dashboard offers to filter by. By default
            it offers what it has seen.
        display_names: name to what to show instead.
        description: of the experiment, markdown.

    Raises:
        TypeError, ValueError: with the name, what was got and what was wanted.
    """
    values = _values(hparams)
    domains = {} if domains is None else domains
    display_names = {} if display_names is None else display_names
    for option, names in (("domains", domains), ("display_names", display_names)):
        for name in names:
            if name not in hparams:
                raise ValueError(f"hparams {name!r}: want {option} of hparams that are given, got one of none")
    infos = []
    for name, value in values.items():
        info = hparams_pb2.HParamInfo(name=name, display_name=display_names.get(name), type=_type([value]))
        if name in domains:
            _set_domain(name, info, domains[name])
        infos.append(info)
    content = hparams_pb2.Experiment(
        hparam_infos=infos,
        metric_infos=[_metric(metric) for metric in metrics],
        description=description,
        time_created_secs=time_created_secs,
    )
    return _deferred("_hparams_/experiment", hparams_pb2.HParamsPluginData(experiment=content))


def session_start(
    hparams: Mapping[str, Any],
    *,
    start_time_secs: float,
    group_name: str | None = None,
    monitor_url: str | None = None,
    model_uri: str | None = None,
) -> Deferred:
    """The hyperparameters' values in this run.

    Args:
        hparams: name to value. See `plain`; None is left out.
        start_time_secs: since the epoch.
        group_name: runs of one group are repeated trials of the same values, shown as one row. Each run is a group
            of its own without it.
        monitor_url, model_uri: links shown with the session.

    Raises:
        TypeError, ValueError: with the name, what was got and what was wanted.
    """
    content = hparams_pb2.SessionStartInfo(
        group_name=group_name, monitor_url=monitor_url, model_uri=model_uri, start_time_secs=start_time_secs
    )
    for name, value in _values(hparams).items():
        content.hparams[name].CopyFrom(_value(value))
    return _deferred("_hparams_/session_start_info", hparams_pb2.HParamsPluginData(session_start_info=content))


def session_end(status: Status = "success", *, end_time_secs: float) -> Deferred:
    """How the run ended. Without it, the dashboard shows it as unknown.

    Raises:
        ValueError: a status that there is not.
    """
    if status not in _STATUS:
        raise ValueError(f"hparams: want one of {', '.join(_STATUS)} as status, got {status!r}")
    content = hparams_pb2.SessionEndInfo(status=_STATUS[status], end_time_secs=end_time_secs)
    return _deferred("_hparams_/session_end_info", hparams_pb2.HParamsPluginData(session_end_info=content))


def _values(hparams: Mapping[str, Any]) -> dict[str, Plain]:
    if not isinstance(hparams, Mapping):
        raise TypeError(f"hparams: want a mapping of name to value, got {type(hparams).__name__}")
    values = {}
    for name, value in hparams.items():
        if not isinstance(name, str):
            raise TypeError(f"hparams {name!r}: want a str as name, got {type(name).__name__}")
        shown = plain(name, value)
        if shown is not None:
            values[name] = shown
    return values


def _value(value: Plain) -> Value:
    if isinstance(value, bool):
        return Value(bool_value=value)
    return Value(string_value=value) if isinstance(value, str) else Value(number_value=value)


def _type(values: list[Plain]) -> hparams_pb2.HParamDataType:
    """The type that all have, or none."""
    if all(isinstance(value, bool) for value in values):
        return hparams_pb2.DATA_TYPE_BOOL
    if all(isinstance(value, str) for value in values):
        return hparams_pb2.DATA_TYPE_STRING
    if not any(isinstance(value, bool | str) for value in values):
        return hparams_pb2.DATA_TYPE_FLOAT64
    return hparams_pb2.DATA_TYPE_UNSET


def _set_domain(name: str, info: hparams_pb2.HParamInfo, domain: Domain) -> None:
    if isinstance(domain, Interval):
        low, high = (plain(name, bound) for bound in domain)
        if _type([low, high]) != hparams_pb2.DATA_TYPE_FLOAT64 or low > high:  # type: ignore[list-item, operator] # numbers or refused
            raise ValueError(f"hparams {name!r}: want an Interval of two rising finite numbers, got {domain}")
        info.type = hparams_pb2.DATA_TYPE_FLOAT64
        info.domain_interval.min_value, info.domain_interval.max_value = low, high  # type: ignore[assignment] # as above
        return
    if isinstance(domain, str) or not isinstance(domain, Iterable):
        raise TypeError(f"hparams {name!r}: want an Interval or values as domain, got {type(domain).__name__}")
    values = [shown for value in domain if (shown := plain(name, value)) is not None]
    if not values:
        raise ValueError(f"hparams {name!r}: want a domain with values, got none")
    info.type = _type(values)
    info.domain_discrete.CopyFrom(ListValue(values=[_value(value) for value in values]))


def _metric(metric: str | Metric) -> hparams_pb2.MetricInfo:
    if isinstance(metric, str):
        metric = Metric(metric)
    if not isinstance(metric, Metric) or not metric.tag:
        raise TypeError(f"hparams: want a tag or a Metric as metric, got {metric!r}")
    return hparams_pb2.MetricInfo(
        name=hparams_pb2.MetricName(tag=metric.tag, group=metric.group),
        display_name=metric.display_name,
        description=metric.description,
    )


def _deferred(tag: str, data: hparams_pb2.HParamsPluginData) -> Deferred:
    content = data.SerializeToString()

    def encode() -> list[Summary.Value]:
        # The plugin wants a tensor, and reads none of it.
        nothing = TensorProto(dtype=DT_FLOAT)
        nothing.tensor_shape.dim.add(size=0)
        about = metadata("hparams", content, DATA_CLASS_TENSOR, None, None)
        return [Summary.Value(tag=tag, metadata=about, tensor=nothing)]

    return Deferred(len(content), encode, f"hparams {tag!r}")
