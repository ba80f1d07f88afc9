"""Ready graphs: bytes and everybody's messages, checked."""

from __future__ import annotations

from typing import Any

import pytest
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.graph import graph_util

from eventwriter._proto import graph_pb2, step_stats_pb2
from eventwriter.summary.graph import graph, run_metadata

THEIRS = GraphDef(node=[NodeDef(name="in", op="Placeholder"), NodeDef(name="a/out", op="Add", input=["in"])])
THEIRS.node[0].attr["dtype"].type = DT_FLOAT
THEIRS.versions.producer = 22
# Fields that our trimmed schema leaves out must come through all the same.
THEIRS.node[1].experimental_debug_info.original_node_names.append("kept")
STATS = RunMetadata()
STATS.step_stats.dev_stats.add(device="/cpu:0").node_stats.add(node_name="a/out", all_end_rel_micros=5)
STATS.cost_graph.node.add(name="kept")


class Graph:
    """As TensorFlow's graphs."""

    def as_graph_def(self) -> GraphDef:
        return THEIRS


def test_a_graph_in_any_form() -> None:
    """Bytes, other pools' messages and what has a graph give the same bytes, which TensorBoard reads."""
    content = THEIRS.SerializeToString()
    ours = graph_pb2.GraphDef.FromString(content)
    for data in (THEIRS, content, bytearray(content), memoryview(content), ours, Graph()):
        assert GraphDef.FromString(graph(data)) == THEIRS
    combined = GraphDef.FromString(graph(ours))
    graph_util.merge_graph_defs([combined])
    assert combined.node[1].input == ["in"]


def test_run_metadata_in_any_form() -> None:
    """The same for what a step cost."""
    content = STATS.SerializeToString()
    for data in (STATS, content, step_stats_pb2.RunMetadata.FromString(content)):
        assert RunMetadata.FromString(run_metadata(data)) == STATS


def test_our_messages_are_tensorboards() -> None:
    """A graph and its costs built with our classes read as TensorBoard's."""
    ours = graph_pb2.GraphDef()
    node = ours.node.add(name="x", op="Const", input=["^y"], device="/gpu:0")
    node.attr["_output_shapes"].list.shape.add().dim.add(size=3)
    got = GraphDef.FromString(graph(ours))
    assert got.node[0].attr["_output_shapes"].list.shape[0].dim[0].size == 3
    assert (got.node[0].name, got.node[0].device, list(got.node[0].input)) == ("x", "/gpu:0", ["^y"])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: graph("text"), TypeError, ["GraphDef", "str"]),
        (lambda: graph(STATS), TypeError, ["GraphDef", "RunMetadata"]),
        (lambda: graph(b"\xff\xff"), ValueError, ["GraphDef", "2 bytes"]),
        (lambda: graph(b""), ValueError, ["without"]),
        (lambda: graph(GraphDef(node=[NodeDef()])), ValueError, ["''"]),
        (lambda: graph(GraphDef(node=[NodeDef(name="a")] * 2)), ValueError, ["'a' twice"]),
        (lambda: run_metadata(THEIRS), TypeError, ["RunMetadata", "GraphDef"]),
        (lambda: run_metadata(b"\xff"), ValueError, ["RunMetadata", "1 bytes"]),
        (lambda: run_metadata(None), TypeError, ["RunMetadata", "NoneType"]),
    ],
)
def test_bad_input_raises_in_the_call(call: Any, error: type[Exception], words: list[str]) -> None:
    """With what was got and what was wanted."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
