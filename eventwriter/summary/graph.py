"""Ready graphs, for TensorBoard's Graphs dashboard.

Knows: what is a GraphDef and what is a RunMetadata, in anybody's classes. Must not know: models, frameworks.

A graph is not a value with a tag: it is an Event's `graph_def`, and run metadata are its `tagged_run_metadata`. So
these functions return bytes for the writer to put there.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from eventwriter._proto.graph_pb2 import GraphDef
from eventwriter._proto.step_stats_pb2 import RunMetadata


def graph(data: Any) -> bytes:
    """A serialized GraphDef.

    Args:
        data: a GraphDef as bytes or as a message of any package, or what has one (`as_graph_def`, TensorFlow's graphs).

    Raises:
        TypeError: it is none of these. ValueError: the bytes are no GraphDef, it has no nodes, or nodes without a
            name or with the same name, which the dashboard cannot draw.
    """
    if hasattr(data, "as_graph_def"):
        data = data.as_graph_def()
    content = _bytes("graph", "GraphDef", data)
    try:
        names = [node.name for node in GraphDef.FromString(content).node]
    except DecodeError as error:
        raise ValueError(f"graph: want a serialized GraphDef, got {len(content)} bytes: {error}") from None
    if not names:
        raise ValueError("graph: want a GraphDef with nodes, got one without")
    seen: set[str] = set()
    for name in names:
        if not name or name in seen:
            raise ValueError(f"graph: want nodes with names of their own, got {name!r}{' twice' if name else ''}")
        seen.add(name)
    return content


def run_metadata(data: Any) -> bytes:
    """A serialized RunMetadata: what a graph's nodes cost in one step.

    Args:
        data: a RunMetadata as bytes or as a message of any package.

    Raises:
        TypeError: it is neither. ValueError: the bytes are no RunMetadata.
    """
    content = _bytes("run_metadata", "RunMetadata", data)
    try:
        RunMetadata.FromString(content)
    except DecodeError as error:
        raise ValueError(f"run_metadata: want a serialized RunMetadata, got {len(content)} bytes: {error}") from None
    return content


def _bytes(what: str, want: str, data: Any) -> bytes:
    """The content of bytes or of a message; classes of other descriptor pools are known by their name."""
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    got = getattr(getattr(data, "DESCRIPTOR", None), "name", type(data).__name__)
    if got != want or not hasattr(data, "SerializeToString"):
        raise TypeError(f"{what}: want a {want}, as bytes or as a message, got {got}")
    content: bytes = data.SerializeToString()
    return content
