"""What happens when a way fails, what a graph costs to run, and which way is taken."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from eventwriter_torch.graph import _live, build
from graph_models import (
    MLP,
    Branching,
    DictNet,
    Encoder,
    ResNet,
    Tagger,
    UNet,
    check,
    inputs,
    names,
    operators,
    script,
    shapes,
    trace,
)
from tensorboard.compat.proto import config_pb2
from torch import nn

MODELS = {
    "mlp": (MLP, (torch.zeros(2, 4),)),
    "resnet": (ResNet, (torch.zeros(1, 3, 32, 32),)),
    "lstm": (Tagger, (torch.zeros(2, 7, dtype=torch.long),)),
    "transformer": (Encoder, (torch.zeros(2, 3, 8),)),
    "unet": (UNet, (torch.zeros(2, 1, 16, 16),)),
    "dict": (DictNet, ({"x": torch.zeros(2, 4), "y": torch.zeros(1)},)),
}


def only(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    every = _live.ways
    monkeypatch.setattr(_live, "ways", lambda *args: (way for way in every(*args) if way[0] == name))


def some(built: Any) -> Any:
    assert built is not None
    check(built[0])
    return built


@pytest.mark.parametrize("name", MODELS)
def test_export_gives_the_same_graph(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever falls through to torch.export gets what the trace would have given, nearly operator by operator."""
    model, args = MODELS[name]
    traced = some(build(model(), args))[0]
    only(monkeypatch, "torch.export")
    exported = some(build(model(), args))[0]
    ends = ("Input", "Output", "Parameter", "Buffer")
    assert {n.name for n in traced.node if n.op in ends} == {n.name for n in exported.node if n.op in ends}
    if name != "lstm":  # where export leaves out a slice of everything
        assert operators(traced) == operators(exported)
        assert sorted(names(traced)) == sorted(names(exported))
        assert all(shapes(traced, each) == shapes(exported, each) for each in names(traced))


@pytest.mark.parametrize("name", MODELS)
def test_the_tree_of_modules(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only runs has a node for each innermost module, with shapes and with edges through what is between."""
    model, args = MODELS[name]
    only(monkeypatch, "running it")
    graph = some(build(model(), args))[0]
    want = {
        "mlp": {"Linear": 2, "ReLU": 1, "Dropout": 1},
        "resnet": {"Conv2d": 10, "BatchNorm2d": 10, "ReLU": 9, "MaxPool2d": 1, "Linear": 1},
        "lstm": {"Embedding": 1, "LSTM": 1, "Linear": 1},
        "transformer": {"MultiheadAttention": 2, "LayerNorm": 4, "Linear": 4, "Dropout": 6},
        "unet": {"Conv2d": 5, "ConvTranspose2d": 2},
        "dict": {"Linear": 1},
    }
    assert operators(graph) == want[name]
    if name == "unet":
        assert inputs(graph, "merge2/Conv2d")[:2] == ["up2/ConvTranspose2d", "down2/Conv2d"]
        assert shapes(graph, "merge2/Conv2d") == [[2, 4, 8, 8]]
    if name == "resnet":
        assert inputs(graph, "layer1/0/relu[1]/ReLU") == ["layer1/0/bn2/BatchNorm2d", "maxpool/MaxPool2d"]
        assert shapes(graph, "layer2/0/down/0/Conv2d") == [[1, 16, 4, 4]]


def test_what_a_trace_refuses() -> None:
    """A model that takes gradients itself cannot be traced; its tree of modules is drawn."""

    class Forces(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.energy = nn.Linear(2, 1)

        def forward(self, positions):
            positions = positions.requires_grad_(True)
            energy = self.energy(positions).tanh().sum()
            return energy, -torch.autograd.grad(energy, positions, create_graph=True)[0]

    graph = some(build(Forces(), torch.zeros(3, 2)))[0]
    assert operators(graph) == {"Linear": 1}
    assert inputs(graph, "output/1") == ["energy/Linear", "positions"]


def test_compiled_code_inside_goes_to_export() -> None:
    """torch.jit.trace refuses a compiled function deep in a model; torch.export does not."""

    @torch.compile(backend="eager")
    def double(x):
        return x * 2

    class Inside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(2, 2)

        def forward(self, x):
            return double(self.linear(x))

    assert operators(some(build(Inside(), torch.zeros(1, 2)))[0]) == {"aten::linear": 1, "aten::mul": 1}


def test_one_warning_names_every_reason(caplog: pytest.LogCaptureFixture) -> None:
    """A model that no way can draw: None, one warning, every way named with its reason, and no exception."""

    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x):
            raise RuntimeError("no such luck")

    assert build(Failing(), torch.zeros(1)) is None
    (record,) = (r for r in caplog.records if r.name == "eventwriter" and r.levelno >= logging.WARNING)
    message = record.getMessage()
    for text in ("torch.jit.trace", "torch.export", "running it", "RuntimeError: no such luck"):
        assert text in message


@pytest.mark.parametrize(
    ("model", "given", "reason"),
    [
        (MLP(), None, "input_to_model is None, but the model takes (x)"),
        (MLP(), (torch.zeros(1, 4), torch.zeros(1, 4)), "TypeError"),
        (MLP(), torch.zeros(1, 5), "shapes cannot be multiplied"),
        (lambda x: 3, torch.zeros(1), "the model returned no tensor"),
        (3, torch.zeros(1), "TypeError"),
    ],
    ids=["no input", "too many", "wrong shape", "no tensor", "no model"],
)
def test_mistakes(model: Any, given: Any, reason: str, caplog: pytest.LogCaptureFixture) -> None:
    """A mistake is one warning that says what is wrong, never an exception in training."""
    assert build(model, given) is None
    (record,) = (r for r in caplog.records if r.name == "eventwriter" and r.levelno >= logging.WARNING)
    assert reason in record.getMessage()


def stats_of(built: Any) -> tuple[list[str], dict[str, Any]]:
    """The devices, and the statistics by node, as TensorBoard reads them."""
    metadata = config_pb2.RunMetadata.FromString(built[1].SerializeToString())
    devices = metadata.step_stats.dev_stats
    return [d.device for d in devices], {s.node_name: s for d in devices for s in d.node_stats}


def test_memory() -> None:
    """Every output's bytes and shape by device; what is a view or works in place has no memory of its own."""
    batch = {"x": torch.zeros(2, 4), "y": torch.zeros(1)}
    _, stats = stats_of(build(DictNet(), (batch,)))
    # The page reads the shape of each output without looking whether there is one: a scalar's must be there.
    assert stats["sum"].output[0].tensor_description.HasField("shape")
    built = some(build(ResNet(), torch.zeros(1, 3, 32, 32)))
    devices, stats = stats_of(built)
    assert devices == ["/device:CPU:0"]
    assert set(stats) == set(names(built[0]))
    assert sum(m.total_bytes for m in stats["conv1/conv2d"].memory) == 4 * 8 * 16 * 16
    assert sum(m.total_bytes for m in stats["fc/weight"].memory) == 4 * 10 * 16
    assert not stats["relu/relu"].memory
    assert not stats["flatten"].memory
    (output,) = stats["conv1/conv2d"].output
    assert [dim.size for dim in output.tensor_description.shape.dim] == [1, 8, 16, 16]
    assert not any(s.all_end_rel_micros for s in stats.values())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("way", ["torch.jit.trace", "torch.export", "running it"])
def test_times(way: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured, every operator has a time, in any way, and the graph is the same as without."""
    only(monkeypatch, way)
    model, args = MODELS[name]
    built = some(build(model(), args, measure=True))
    _, stats = stats_of(built)
    for node in built[0].node:
        is_operator = node.op not in ("Input", "Output", "Parameter", "Buffer", "Const")
        assert bool(stats[node.name].all_end_rel_micros) == is_operator, node.name
        assert bool(stats[node.name].all_start_micros) == is_operator
    assert names(some(build(model(), args))[0]) == names(built[0])


def test_times_of_what_is_given_traced() -> None:
    """TorchScript and exported programs can be measured too, with input or an export's own example."""
    x = torch.zeros(2, 4)
    program = torch.export.export(MLP().eval(), (x,))
    for built in (
        build(trace(MLP().eval(), x), x, measure=True),
        build(script(MLP()), x, measure=True),
        build(program, measure=True),
        build(program, x, measure=True),
    ):
        _, stats = stats_of(some(built))
        assert stats["net/3/linear"].all_end_rel_micros > 0


def test_times_of_a_branch_that_is_not_taken() -> None:
    """In a script only what runs has a time."""
    _, stats = stats_of(some(build(script(Branching()), torch.ones(2, 4), measure=True)))
    assert stats["positive/linear"].all_end_rel_micros > 0
    assert not stats["negative/linear"].all_end_rel_micros


def test_no_times_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """A program that cannot run on what is given still has a graph."""
    program = torch.export.export(MLP().eval(), (torch.zeros(2, 4),))
    some(build(program, torch.zeros(2, 5), measure=True))
    assert "no times could be measured" in caplog.text
