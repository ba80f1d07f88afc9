"""Graphs on every backend: the model's layers, its ops, functions of the user's own."""

from __future__ import annotations

import json
from typing import Any

import pytest
from keras_logs import Scenario, rows
from readers import Row
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.plugins.graph import graph_util, keras_util

# A model's nodes are in scopes; TensorFlow numbers a model's scope when it is traced again, and torch's graph has none
# for the model itself.
SCOPE = {"tensorflow": "{}_1/", "torch": "", "jax": "{}/"}


def layers(series: list[Row]) -> GraphDef:
    """The conceptual graph as TensorBoard draws it."""
    (row,) = series
    assert (row.plugin, row.content, row.step) == ("graph_keras_model", b"1", 0)
    return keras_util.keras_model_to_graph_def(json.loads(row.value.item()))


def ops(series: list[Row]) -> GraphDef:
    (row,) = series
    return GraphDef.FromString(row.value)


def edges(graph: GraphDef) -> dict[str, set[str]]:
    return {node.name: set(node.input) for node in graph.node}


def reaches(graph: GraphDef, start: str, end: str) -> bool:
    """Whether what goes into `end`, at any distance, comes out of a node whose name begins with `start`."""
    inputs = edges(graph)
    waiting, seen = [name for name in inputs if name.startswith(end)], set()
    while waiting:
        name = waiting.pop().removeprefix("^").partition(":")[0]
        if name.startswith(start):
            return True
        if name not in seen:
            seen.add(name)
            waiting += inputs.get(name, ())
    return False


def check(graph: GraphDef) -> None:
    """Names are there once, and every input is a node's."""
    names = [node.name for node in graph.node]
    assert len(names) == len(set(names))
    for node in graph.node:
        for source in node.input:
            assert source.removeprefix("^").partition(":")[0] in names, (node.name, source)


def test_layers_of_a_functional_model(scenario: Scenario) -> None:
    """A shared layer, an op with a number among its arguments, a tensor as a keyword argument: all edges are there.

    TensorBoard gives up at the number and does not see the keyword argument in Keras's own JSON.
    """
    graph = layers(rows(scenario("graph_functional"))["train", "keras"])
    drawn = edges(graph)
    assert drawn["branches/shared"] == {"branches/pixels", "branches/multiply"}
    assert drawn["branches/sum"] == {"branches/shared"}
    assert drawn["branches/attention"] == {"branches/rows"}
    assert drawn["branches/outputs"] == {"branches/flat"}
    (attention,) = (node for node in graph.node if node.name == "branches/attention")
    assert list(attention.input) == ["branches/rows", "branches/rows"]


def test_layers_of_a_subclassed_model(scenario: Scenario) -> None:
    """A subclass of Model is drawn by what its `call` does, Keras's ops between its layers included."""
    drawn = edges(layers(rows(scenario("graph_subclassed"))["train", "keras"]))
    assert drawn["custom/norm"] == {"custom/block"}
    assert drawn["custom/tanh"] == {"custom/norm"}
    assert drawn["custom/last"] == {"custom/tanh"}


def test_layers_of_an_opaque_model(scenario: Scenario) -> None:
    """A subclass whose `call` does not take symbolic tensors is drawn as its layers, without edges made up."""
    drawn = edges(layers(rows(scenario("graph_opaque"))["train", "keras"]))
    assert {"opaque/first": set(), "opaque/second": set()} == drawn


def test_ops_of_a_functional_model(scenario: Scenario, backend: str) -> None:
    """Ops are in the scopes of their layers; the shared layer's weight is one node and used twice."""
    graph = ops(rows(scenario("graph_functional"))["train", "graph_def"])
    check(graph)
    scope = SCOPE[backend].format("branches")
    for layer in ("shared", "rows", "attention", "flat", "outputs"):
        assert any(node.name.startswith(f"{scope}{layer}") for node in graph.node), layer
    assert reaches(graph, f"{scope}shared", f"{scope}outputs")
    assert not reaches(graph, f"{scope}outputs", f"{scope}shared/")


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_weights_are_nodes(scenario: Scenario, backend: str) -> None:
    """Where the graph is the forward pass, a weight is a node of its own in its layer, used where it is used."""
    graph = ops(rows(scenario("graph_subclassed"))["train", "graph_def"])
    check(graph)
    scope = SCOPE[backend].format("custom")
    weights = {node.name for node in graph.node if node.op == "Parameter"}
    assert {f"{scope}block/inner/kernel", f"{scope}block/inner/bias", f"{scope}last/kernel"} <= weights
    drawn = edges(graph)
    users = [name for name, inputs in drawn.items() if f"{scope}block/inner/kernel" in inputs]
    assert all(name.startswith(f"{scope}block/inner") for name in users)
    assert reaches(graph, f"{scope}block/inner/kernel", "output")


@pytest.mark.parametrize("backend", ["tensorflow"])
def test_train_step(scenario: Scenario) -> None:
    """On TensorFlow the graph is the train step's: loss and update of the weights too."""
    graph = ops(rows(scenario("graph_subclassed"))["train", "graph_def"])
    names = [node.name for node in graph.node]
    assert any("compile_loss/mse" in name for name in names)
    assert any("gradient_tape" in name for name in names)
    assert "AssignSubVariableOp" in {node.op for node in graph.node} | {
        node.op for function in graph.library.function for node in function.node_def
    }


def test_function(scenario: Scenario, backend: str) -> None:
    """`write_function` gives a function's graph a tag of its own; the model's graph stays the run's."""
    logged = rows(scenario("graph_of_function"))
    assert len(logged["train", "graph_def"]) == 1
    for tag in ("scaled_sum", "plain") if backend == "tensorflow" else ("scaled_sum",):
        (row,) = logged["train", tag]
        assert row.plugin == "graph_run_metadata_graph"
        metadata = RunMetadata.FromString(row.value.item())
        graph = graph_util.merge_graph_defs([function.pre_optimization_graph for function in metadata.function_graphs])
        check(graph)
        kinds: Any = {node.op.lower().rpartition("::")[2] for node in graph.node}
        assert {"mul", "multiply"} & kinds, kinds
        assert {"sum", "reduce_sum"} & kinds, kinds
