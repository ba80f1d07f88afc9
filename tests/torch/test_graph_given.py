"""What is given traced: TorchScript, scripted, traced, loaded or frozen, and exported programs."""

from __future__ import annotations

import io

import pytest
import torch
from eventwriter_torch.graph import build
from graph_models import (
    MLP,
    DictNet,
    ResNet,
    Tagger,
    check,
    inputs,
    names,
    node,
    operators,
    quietly,
    scopes,
    script,
    shapes,
    trace,
)
from torch import nn

IMAGE = torch.zeros(1, 3, 32, 32)


def graph_of(*args, **kwargs):
    built = build(*args, **kwargs)
    assert built is not None
    check(built[0])
    return built[0]


def reloaded(module):
    file = io.BytesIO()
    quietly(torch.jit.save, module, file)
    file.seek(0)
    return quietly(torch.jit.load, file)


@pytest.mark.parametrize("given", [[], None, (), IMAGE, (IMAGE,)], ids=["[]", "None", "()", "tensor", "tuple"])
def test_traced(given) -> None:
    """A traced module is read as it is, with or without input (Ultralytics gives `[]`), like the model itself."""
    graph = graph_of(trace(ResNet().eval(), IMAGE), given)
    live = graph_of(ResNet(), IMAGE)
    assert names(live) == names(graph)
    for one in live.node:
        other = node(graph, one.name)
        assert (one.op, list(one.input), one.attr["_output_shapes"]) == (
            other.op,
            list(other.input),
            other.attr["_output_shapes"],
        )


def test_traced_function() -> None:
    """A traced function is read as it is."""
    graph = graph_of(trace(lambda x, y: {"sum": x + y}, torch.zeros(2), torch.zeros(2)), [])
    assert inputs(graph, "add") == ["x", "y"]
    assert inputs(graph, "output/sum") == ["add"]
    assert shapes(graph, "add") == [[2]]


def test_a_trace_is_not_changed() -> None:
    """Reading does not inline the user's trace, which torch's own add_graph does."""
    traced = trace(ResNet().eval(), IMAGE)
    before = str(traced.graph)
    graph_of(traced, [])
    assert before == str(traced.graph)
    torch._C._jit_pass_inline(traced.graph)
    graph = graph_of(traced, [])  # and one that was inlined is still nested
    assert "layer2/0/down/1/batch_norm" in names(graph)


def test_loaded() -> None:
    """A file keeps no shapes and no scopes: the nesting is there all the same, shapes as soon as input is given."""

    class Stacks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])
            self.second = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])

        def forward(self, x):
            for layer in [*self.first, *self.second]:
                x = layer(x)
            return x

    loaded = reloaded(trace(Stacks(), torch.zeros(2, 4)))
    graph = graph_of(loaded)
    assert [f"{name}/{i}/linear" for name in ("first", "second") for i in (0, 1)] == [
        n.name for n in graph.node if n.op == "aten::linear"
    ]
    assert shapes(graph, "second/1/linear") == [None]
    assert shapes(graph_of(loaded, torch.zeros(3, 4)), "second/1/linear") == [[3, 4]]
    assert shapes(graph, "second/1/weight") == [[4, 4]]


def test_frozen() -> None:
    """In a frozen module the parameters are constants."""
    graph = graph_of(quietly(torch.jit.freeze, trace(MLP().eval(), torch.zeros(2, 4))), [])
    assert operators(graph) == {"aten::linear": 2, "aten::relu": 1}, "a dropout that does nothing is gone"
    assert "net/0/linear" in names(graph)
    assert len([n for n in graph.node if n.op == "Const"]) == 4


def test_scripted_lstm() -> None:
    """Branches on what is known (whether there is a batch dimension) are decided; torch's functions are one node."""
    graph = graph_of(script(Tagger()), torch.zeros(2, 7, dtype=torch.long))
    assert not operators(graph)["prim::If"]
    assert operators(graph)["torch.nn.functional.embedding"] == 1
    assert shapes(graph, "rnn/lstm") == [[2, 7, 10], [4, 2, 5], [4, 2, 5]]
    assert {"rnn/weight_ih_l0", "rnn/bias_hh_l1_reverse"} <= set(inputs(graph, "rnn/lstm"))
    assert operators(graph_of(script(Tagger())))["prim::If"] > 0


def test_scripted_in_train_mode() -> None:
    """A script is read as in eval mode, and left in train mode; its statistics stay."""
    scripted = script(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))).train()
    graph = graph_of(scripted, torch.randn(3, 4))
    assert node(graph, "1/batch_norm").attr["training"].b is False
    assert scripted.training and scripted[1].training
    assert scripted[1].running_mean.tolist() == [0.0] * 4
    assert scripted[1].num_batches_tracked.item() == 0


def _loops(x: torch.Tensor, n: int = 2):
    parts = []
    for i in range(n):
        x = x * (i + 1)
        parts.append(x)
    if n > 1:
        x = x + 1
    return torch.stack(parts), {"x": x}


def test_script_function() -> None:
    """A loop is drawn once; its result has the shape that all its rounds give. Defaults count as given."""
    scripted = script(_loops)
    graph = graph_of(scripted, (torch.zeros(2),), kwargs={"n": 5})
    assert operators(graph) == {"aten::mul": 1, "aten::add": 1, "aten::stack": 1, "prim::Loop": 1}
    assert shapes(graph, "stack") == [[5, 2]]
    assert inputs(graph, "stack") == ["loop/body/mul"]
    assert inputs(graph, "add") == ["loop/merge"]
    assert inputs(graph, "output/1/x") == ["add"]
    assert names(graph) == names(graph_of(scripted)), "n is 2 without input"


@pytest.mark.parametrize("given", [(torch.zeros(2), torch.zeros(2)), {"y": torch.zeros(2)}, "x"])
def test_input_that_does_not_fit(given) -> None:
    """What is given traced has its graph, whatever is given beside it."""
    graph = graph_of(script(MLP()), given)
    assert names(graph) == names(graph_of(script(MLP())))


def test_scripted_child() -> None:
    """A scripted module within a plain one is nested where it is."""
    model = nn.Sequential(nn.Linear(4, 4), script(MLP()))
    graph = graph_of(model, torch.zeros(2, 4))
    assert "1/net/0" in scopes(names(graph))
    assert operators(graph)["aten::linear"] == 3


@pytest.mark.parametrize("strict", [True, False])
def test_exported(strict: bool) -> None:
    """An exported program is read as it is: the same operators, nesting and shapes as the model."""
    model = ResNet().eval()
    program = torch.export.export(model, (IMAGE,), strict=strict)
    graph, live = graph_of(program), graph_of(model, IMAGE)
    # The order of nodes is the program's.
    assert sorted(names(live)) == sorted(names(graph))
    assert all(shapes(live, name) == shapes(graph, name) for name in names(live))
    assert all(inputs(live, name) == inputs(graph, name) for name in names(live))


def test_exported_names() -> None:
    """Outputs of an exported program are named by their keys."""
    batch = {"x": torch.zeros(2, 4), "y": torch.zeros(1)}
    graph = graph_of(torch.export.export(DictNet(), (batch,)))
    assert [n.name for n in graph.node if n.op == "Output"] == ["output/logits", "output/extra/0", "output/extra/1"]
    assert [n.name for n in graph.node if n.op == "Input"] == ["batch_x", "batch_y"]


def test_exported_with_dynamic_shapes() -> None:
    """A size that is not known is -1, which the page shows as a question mark."""
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(MLP().eval(), (torch.zeros(3, 4),), dynamic_shapes=({0: batch},))
    assert shapes(graph_of(program), "net/3/linear") == [[-1, 2]]


def test_exported_branches() -> None:
    """`torch.cond` is a scope with both branches; what runs without gradients is not."""

    class Conditional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x):
            with torch.no_grad():
                scale = self.linear(x).sum()
            return torch.cond(scale > 0, lambda t: t + 1, lambda t: t.relu() * 2, (x,)) * scale

    graph = graph_of(torch.export.export(Conditional(), (torch.ones(2, 2),)))
    assert operators(graph) == {
        "aten::linear": 1,
        "aten::sum": 1,
        "aten::gt": 1,
        "aten::add": 1,
        "aten::relu": 1,
        "aten::mul": 2,
        "cond": 1,
    }
    assert inputs(graph, "cond/merge") == ["gt", "cond/true_graph_0/add", "cond/false_graph_0/mul"]
    assert inputs(graph, "mul") == ["cond/merge", "sum"]


def test_exported_constants() -> None:
    """A constant goes to its consumer without the copies that export makes of it."""

    class Scaled(nn.Module):
        def forward(self, x):
            return x * torch.tensor([1.0, 2.0])

    graph = graph_of(torch.export.export(Scaled(), (torch.zeros(2),)))
    assert operators(graph) == {"aten::mul": 1}
    assert node(graph, inputs(graph, "mul")[1]).op == "Const"
