"""Hyperparameters: what TensorBoard's plugin parses from the three values."""

from __future__ import annotations

import enum
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf import json_format
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
from tensorboard.plugins.hparams import api_pb2, metadata, summary_v2
from tensorboard_values import array, read, shown

from eventwriter.summary._deferred import Deferred
from eventwriter.summary.hparams import Interval, Metric, experiment, plain, session_end, session_start


class Colour(enum.Enum):
    RED = 3


class Mode(enum.StrEnum):
    FAST = "fast"


class Level(enum.IntEnum):
    HIGH = 9


def content(deferred: Deferred, tag: str) -> bytes:
    """The plugin's data, of a value that is as the plugin wants it."""
    (value,) = read(deferred)
    assert tag == value.tag
    assert value.metadata.plugin_data.plugin_name == metadata.PLUGIN_NAME
    assert value.metadata.data_class == DATA_CLASS_TENSOR
    assert value.tensor == metadata.NULL_TENSOR
    assert array(value).shape == (0,)
    assert shown(value) == value
    return value.metadata.plugin_data.content


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (np.bool_(False), False),
        (torch.tensor(True), True),
        (3, 3.0),
        (2**53 + 1, "9007199254740993"),
        (10**400, "1" + "0" * 400),
        (0.1, 0.1),
        (np.float32(0.5), 0.5),
        (np.int64(-4), -4.0),
        (torch.tensor([2.5]), 2.5),
        (np.array([[7]]), 7.0),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (np.float32("inf"), "inf"),
        ("adam", "adam"),
        (np.str_("adam"), "adam"),
        ("\ud800", "\\ud800"),
        (b"raw\xff", "raw\\xff"),
        (Colour.RED, "RED"),
        (Mode.FAST, "fast"),
        (Level.HIGH, "HIGH"),
        (Path("a/b"), "a/b"),
        ([1, "x", None], "[1, 'x', None]"),
        ((0.9, 0.999), "(0.9, 0.999)"),
        ({"a": 1}, "{'a': 1}"),
        (np.array([1, 2]), "[1 2]"),
        (torch.float16, "torch.float16"),
        (torch.nn.Linear, "Linear"),
        (math.sqrt, "sqrt"),
        (Fraction(1, 3), "1/3"),
        (1 + 2j, "(1+2j)"),
        (None, None),
    ],
)
def test_any_value(value: Any, expected: Any) -> None:
    """Bools stay bools, numbers numbers; the rest is a str the dashboard can show, and None is nothing."""
    got = plain("h", value)
    assert (type(expected), expected) == (type(got), got)


def test_session_start() -> None:
    """Values, group, links and time are where the plugin finds them; its own JSON can hold them."""
    values = {"bool": True, "lr": 0.1, "opt": "adam", "none": None, "bad": math.nan}
    data = content(
        session_start(values, start_time_secs=12.5, group_name="g", monitor_url="http://m", model_uri="u"),
        metadata.SESSION_START_INFO_TAG,
    )
    info = metadata.parse_session_start_info_plugin_data(data)
    assert {"bool": True, "lr": 0.1, "opt": "adam", "bad": "nan"} == {
        name: getattr(value, value.WhichOneof("kind")) for name, value in info.hparams.items()
    }
    assert (info.group_name, info.monitor_url, info.model_uri) == ("g", "http://m", "u")
    assert info.start_time_secs == 12.5
    json_format.MessageToDict(info)


def test_session_start_is_tensorboards_own() -> None:
    """The same proto as from TensorBoard's own function."""
    values = {"b": False, "n": 3, "s": "x"}
    expected = summary_v2.hparams_pb(values, trial_id="t", start_time_secs=1.0).value[0]
    (got,) = read(session_start(values, start_time_secs=1.0, group_name="t"))
    got.metadata.data_class = 0
    assert parsed(expected) == parsed(got)


def parsed(value: Summary.Value) -> object:
    return metadata.parse_session_start_info_plugin_data(value.metadata.plugin_data.content), value.tag


def test_experiment() -> None:
    """A column for each hyperparameter, of its value's type, with its domain, and one for each metric."""
    data = content(
        experiment(
            {"bool": True, "lr": 0.1, "opt": "adam", "none": None, "layers": 3},
            ["loss", Metric("acc", "validation", "Accuracy", "of 10k")],
            domains={"lr": Interval(0, 1), "opt": ["sgd", Mode.FAST], "layers": np.array([1, 2, 3])},
            display_names={"lr": "learning rate"},
            description="why",
            time_created_secs=3.0,
        ),
        metadata.EXPERIMENT_TAG,
    )
    info = metadata.parse_experiment_plugin_data(data)
    columns = {each.name: each for each in info.hparam_infos}
    assert {
        "bool": api_pb2.DATA_TYPE_BOOL,
        "lr": api_pb2.DATA_TYPE_FLOAT64,
        "opt": api_pb2.DATA_TYPE_STRING,
        "layers": api_pb2.DATA_TYPE_FLOAT64,
    } == {name: each.type for name, each in columns.items()}
    assert columns["lr"].display_name == "learning rate"
    assert (columns["lr"].domain_interval.min_value, columns["lr"].domain_interval.max_value) == (0, 1)
    assert ["sgd", "fast"] == list(columns["opt"].domain_discrete)
    assert [1, 2, 3] == list(columns["layers"].domain_discrete)
    assert columns["bool"].WhichOneof("domain") is None
    loss, accuracy = info.metric_infos
    assert (loss.name.tag, loss.name.group, loss.display_name) == ("loss", "", "")
    assert (accuracy.name.tag, accuracy.name.group, accuracy.display_name) == ("acc", "validation", "Accuracy")
    assert accuracy.description == "of 10k"
    assert (info.description, info.time_created_secs) == ("why", 3.0)


def test_a_domain_of_several_types_has_none() -> None:
    """The dashboard then does not filter by type."""
    info = metadata.parse_experiment_plugin_data(
        content(experiment({"a": 1}, domains={"a": [1, "x", True]}), metadata.EXPERIMENT_TAG)
    )
    assert info.hparam_infos[0].type == api_pb2.DATA_TYPE_UNSET


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("success", api_pb2.STATUS_SUCCESS),
        ("failure", api_pb2.STATUS_FAILURE),
        ("running", api_pb2.STATUS_RUNNING),
        ("unknown", api_pb2.STATUS_UNKNOWN),
    ],
)
def test_session_end(status: Any, expected: int) -> None:
    """Status and time."""
    data = content(session_end(status, end_time_secs=2.5), metadata.SESSION_END_INFO_TAG)
    info = metadata.parse_session_end_info_plugin_data(data)
    assert (expected, 2.5) == (info.status, info.end_time_secs)


def test_snapshot() -> None:
    """Mutable values can change after the call."""
    values: dict[str, Any] = {"betas": [1, 2], "lr": np.array(3.0)}
    deferred = session_start(values, start_time_secs=0)
    expected = read(session_start({"betas": [1, 2], "lr": 3.0}, start_time_secs=0))
    values["betas"].append(3)
    values["lr"][...] = 4
    got = read(deferred)
    assert parsed(expected[0]) == parsed(got[0])


class Shy:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: session_start([1], start_time_secs=0), TypeError, ["mapping", "list"]),
        (lambda: session_start({1: 2}, start_time_secs=0), TypeError, ["1", "str", "int"]),
        (lambda: session_start({"a": Shy()}, start_time_secs=0), TypeError, ["'a'", "Shy"]),
        (lambda: session_end("done", end_time_secs=0), ValueError, ["status", "'done'"]),
        (lambda: experiment({"a": 1}, domains={"b": [1]}), ValueError, ["'b'", "domains"]),
        (lambda: experiment({"a": 1}, display_names={"b": "B"}), ValueError, ["'b'", "display_names"]),
        (lambda: experiment({"a": 1}, domains={"a": 3}), TypeError, ["'a'", "int"]),
        (lambda: experiment({"a": 1}, domains={"a": []}), ValueError, ["'a'", "none"]),
        (lambda: experiment({"a": 1}, domains={"a": Interval(2, 1)}), ValueError, ["'a'", "Interval"]),
        (lambda: experiment({"a": 1}, domains={"a": Interval(0, math.inf)}), ValueError, ["'a'", "inf"]),
        (lambda: experiment({"a": 1}, [3]), TypeError, ["metric", "3"]),
    ],
)
def test_bad_input_raises_in_the_call(call: Any, error: type[Exception], words: list[str]) -> None:
    """With the name, what was got and what was wanted."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
