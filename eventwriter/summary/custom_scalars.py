"""The layout of TensorBoard's Custom Scalars dashboard: charts of several tags.

Knows: what the plugin reads: a serialized `Layout` under a tag of its own, of which each run's last one counts
(tensorboard/plugins/custom_scalar). Must not know: the scalars, other kinds, earlier layouts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from eventwriter._proto.custom_scalar_pb2 import (
    Category,
    Chart,
    Layout,
    MarginChartContent,
    MultilineChartContent,
)
from eventwriter._proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import metadata
from eventwriter.summary.text import string_tensor

# Category title -> chart title -> ["Multiline", [tag, …]] or ["Margin", [value, lower, upper]].
Charts = Mapping[str, Mapping[str, Sequence[Any]]]

TAG = "custom_scalars__config__"


def custom_scalars(layout: Charts) -> Deferred:
    """A layout, under the dashboard's own tag. It replaces an earlier one of its run: see `merge`.

    Args:
        layout: category title to chart title to kind of chart and tags: ["Multiline", [tag, …]], where a tag may
            be a regular expression, or ["Margin", [value, lower, upper]], three tags of one band.

    Raises:
        TypeError, ValueError: with the category and chart, what was got and what was wanted.
    """
    if not isinstance(layout, Mapping):
        raise TypeError(f"custom_scalars: want a mapping of categories, got {type(layout).__name__}")
    message = Layout(category=[_category(title, charts) for title, charts in layout.items()])
    content = message.SerializeToString()

    def encode() -> list[Summary.Value]:
        about = metadata("custom_scalars", b"", DATA_CLASS_TENSOR, None, None)
        return [Summary.Value(tag=TAG, metadata=about, tensor=string_tensor([], [content]))]

    return Deferred(len(content), encode, "custom_scalars")


def merge(layout: Charts, more: Charts) -> dict[str, dict[str, Sequence[Any]]]:
    """A copy of both's charts, in order; of two with one category and title the one in `more` stays.

    Raises:
        TypeError, ValueError: `more` is no layout, as in `custom_scalars`.
    """
    custom_scalars(more)
    merged: dict[str, dict[str, Sequence[Any]]] = {}
    for each in (layout, more):
        for category, charts in each.items():
            copies = {title: [kind, list(tags)] for title, (kind, tags) in charts.items()}
            merged.setdefault(category, {}).update(copies)
    return merged


def _category(title: object, charts: object) -> Category:
    what = f"custom_scalars {title!r}"
    if not isinstance(title, str):
        raise TypeError(f"{what}: want a str as category, got {type(title).__name__}")
    if not isinstance(charts, Mapping):
        raise TypeError(f"{what}: want a mapping of charts, got {type(charts).__name__}")
    return Category(title=title, chart=[_chart(what, name, chart) for name, chart in charts.items()])


def _chart(where: str, title: object, chart: Any) -> Chart:
    what = f"{where}, chart {title!r}"
    if not isinstance(title, str):
        raise TypeError(f"{what}: want a str as title, got {type(title).__name__}")
    if not isinstance(chart, Sequence) or isinstance(chart, str) or len(chart) != 2:
        raise TypeError(f"{what}: want ['Multiline', tags] or ['Margin', tags], got {chart!r}")
    kind, tags = chart
    if not isinstance(tags, Sequence) or isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
        raise TypeError(f"{what}: want a list of strs as tags, got {tags!r}")
    if kind == "Multiline":
        return Chart(title=title, multiline=MultilineChartContent(tag=tags))
    if kind == "Margin":
        if len(tags) != 3:
            raise ValueError(f"{what}: want three tags (value, lower, upper) for a margin, got {len(tags)}")
        value, lower, upper = tags
        band = MarginChartContent.Series(value=value, lower=lower, upper=upper)
        return Chart(title=title, margin=MarginChartContent(series=[band]))
    raise ValueError(f"{what}: want 'Multiline' or 'Margin', got {kind!r}")
