"""The Custom Scalars layout: torch's proto, and merging."""

from __future__ import annotations

from typing import Any

import pytest
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR
from tensorboard.plugins.custom_scalar import layout_pb2, metadata
from tensorboard_values import array, read
from torch.utils.tensorboard import summary as torch_summary

from eventwriter.summary.custom_scalars import custom_scalars, merge

LAYOUT: dict[str, dict[str, list[Any]]] = {
    "losses": {"both": ["Multiline", ["loss/train", "loss/.*"]], "band": ["Margin", ["v", "lo", "hi"]]},
    "empty": {},
}


def test_is_torchs() -> None:
    """Tag, plugin and layout of the proto torch writes for the same dict."""
    expected = torch_summary.custom_scalars(LAYOUT).value[0]
    (value,) = read(custom_scalars(LAYOUT))
    assert metadata.CONFIG_SUMMARY_TAG == value.tag
    assert metadata.PLUGIN_NAME == value.metadata.plugin_data.plugin_name
    assert value.metadata.data_class == DATA_CLASS_TENSOR
    assert expected.tensor == value.tensor
    layout = layout_pb2.Layout.FromString(array(value).item())
    assert ["losses", "empty"] == [category.title for category in layout.category]
    assert layout.category[0].chart[1].margin.series[0].lower == "lo"


def test_merge() -> None:
    """Categories and charts come together in order; a chart given again is the new one; nothing given is changed."""
    more = {"losses": {"both": ["Multiline", ["x"]], "third": ["Multiline", []]}, "new": {"a": ["Multiline", ["y"]]}}
    merged = merge(LAYOUT, more)
    assert ["losses", "empty", "new"] == list(merged)
    assert ["both", "band", "third"] == list(merged["losses"])
    assert merged["losses"]["both"] == ["Multiline", ["x"]]
    assert LAYOUT["losses"]["both"] == ["Multiline", ["loss/train", "loss/.*"]]
    assert merge({}, LAYOUT) == LAYOUT == merge(LAYOUT, {})


def test_snapshot() -> None:
    """The dict can change after the call."""
    layout = {"c": {"t": ["Multiline", ["a"]]}}
    deferred = custom_scalars(layout)
    expected = custom_scalars({"c": {"t": ["Multiline", ["a"]]}}).values()
    layout["c"]["t"][1].append("b")
    assert expected == deferred.values()


@pytest.mark.parametrize(
    ("layout", "error", "words"),
    [
        ([], TypeError, ["mapping", "list"]),
        ({1: {}}, TypeError, ["str", "int"]),
        ({"c": []}, TypeError, ["'c'", "list"]),
        ({"c": {2: ["Multiline", []]}}, TypeError, ["'c'", "2", "int"]),
        ({"c": {"t": "Multiline"}}, TypeError, ["'c'", "'t'", "'Multiline'"]),
        ({"c": {"t": ["Multiline", "tag"]}}, TypeError, ["'c'", "'t'", "'tag'"]),
        ({"c": {"t": ["Multiline", [3]]}}, TypeError, ["'c'", "'t'", "[3]"]),
        ({"c": {"t": ["Lines", ["a"]]}}, ValueError, ["'c'", "'t'", "'Lines'"]),
        ({"c": {"t": ["Margin", ["a", "b"]]}}, ValueError, ["'c'", "'t'", "three", "2"]),
    ],
)
def test_bad_input_raises_in_the_call(layout: Any, error: type[Exception], words: list[str]) -> None:
    """With the category and chart, what was got and what was wanted."""
    with pytest.raises(error) as caught:
        custom_scalars(layout)
    for word in words:
        assert word in str(caught.value)
