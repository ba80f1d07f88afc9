"""Real architectures written from torch alone, for the graph tests, and what must hold for every graph.

Knows: the models, and the rules of a GraphDef that TensorBoard's page can draw. Must not know: what the graph of
any one model looks like.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from tensorboard.backend import process_graph
from tensorboard.compat.proto import graph_pb2
from tensorboard.plugins.graph import graph_util
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventwriter.proto import GraphDef


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))

    def forward(self, x):
        return self.net(x)


class Block(nn.Module):
    def __init__(self, wide_in: int, wide: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(wide_in, wide, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wide, wide, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.down = None
        if stride != 1 or wide_in != wide:
            self.down = nn.Sequential(nn.Conv2d(wide_in, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.down is None else self.down(x)))


class ResNet(nn.Module):
    """ResNet-style, with its first BatchNorm frozen, as for fine-tuning."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Block(8, 8), Block(8, 8))
        self.layer2 = nn.Sequential(Block(8, 16, 2), Block(16, 16))
        self.fc = nn.Linear(16, 10)
        self.bn1.eval()
        self.bn1.requires_grad_(False)

    def forward(self, image):
        x = self.maxpool(self.relu(self.bn1(self.conv1(image))))
        x = self.layer2(self.layer1(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.rnn = nn.LSTM(6, 5, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, 3)

    def forward(self, tokens):
        states, (last, _) = self.rnn(self.embed(tokens))
        return self.head(states), last


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, src):
        return self.encoder(src)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(1, 4, 3, padding=1)
        self.down2 = nn.Conv2d(4, 8, 3, padding=1)
        self.middle = nn.Conv2d(8, 8, 3, padding=1)
        self.up2 = nn.ConvTranspose2d(8, 8, 2, 2)
        self.merge2 = nn.Conv2d(16, 4, 3, padding=1)
        self.up1 = nn.ConvTranspose2d(4, 4, 2, 2)
        self.merge1 = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, image):
        a = F.relu(self.down1(image))
        b = F.relu(self.down2(F.max_pool2d(a, 2)))
        m = F.relu(self.middle(F.max_pool2d(b, 2)))
        y = F.relu(self.merge2(torch.cat([self.up2(m), b], 1)))
        return self.merge1(torch.cat([self.up1(y), a], 1))


class DictNet(nn.Module):
    """Takes a dict, a flag and a number; gives a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, batch, scale=1.0, *, shift=None, softmax=False):
        y = self.linear(batch["x"]) * scale
        if shift is not None:
            y = y + shift
        if softmax:
            y = y.softmax(-1)
        return {"logits": y, "extra": [y.sum(), batch["y"] + 1], "name": "dict"}


class Branching(nn.Module):
    """Control flow that depends on data."""

    def __init__(self) -> None:
        super().__init__()
        self.positive = nn.Linear(4, 4)
        self.negative = nn.Linear(4, 4)

    def forward(self, x):
        if bool(x.sum() > 0):
            x = self.positive(x)
        else:
            x = self.negative(x)
            x = torch.relu(x)
        outputs = []
        for i in range(x.size(0)):
            outputs.append(x[i] * 2)  # noqa: PERF401 - a loop for the script to have
        return torch.stack(outputs)


def quietly(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Calls one of the functions of `torch.jit`, which newer torch has marked as deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def script(model: Any) -> Any:
    return quietly(torch.jit.script, model)


def trace(model: Any, *args: Any) -> Any:
    return quietly(torch.jit.trace, model, args, strict=False)


def names(graph: GraphDef) -> list[str]:
    return [node.name for node in graph.node]


def operators(graph: GraphDef) -> Counter[str]:
    """How often each operator is there."""
    return Counter(node.op for node in graph.node if node.op not in ("Input", "Output", "Parameter", "Buffer", "Const"))


def node(graph: GraphDef, name: str) -> Any:
    (found,) = (node for node in graph.node if node.name == name)
    return found


def shapes(graph: GraphDef, name: str) -> list[list[int] | None]:
    """The shapes of a node's outputs, None where it is not known."""
    listed = node(graph, name).attr["_output_shapes"].list.shape
    return [None if shape.unknown_rank else [dim.size for dim in shape.dim] for shape in listed]


def inputs(graph: GraphDef, name: str) -> list[str]:
    return list(node(graph, name).input)


def scopes(graph_names: Iterable[str]) -> set[str]:
    """Every namespace that the names are in."""
    return {name[: match.start()] for name in graph_names for match in re.finditer("/", name)}


def check(graph: GraphDef) -> None:
    """What must hold of every graph: TensorBoard's server reads it, and its page can draw it."""
    there = names(graph)
    assert len(there) == len(set(there)), "names are unique"
    assert not set(there) & scopes(there), "a node named like a scope would be drawn inside of it"
    outputs = {n.name: len(n.attr["_output_shapes"].list.shape) for n in graph.node}
    for n in graph.node:
        for edge in n.input:
            source, _, slot = edge.partition(":")
            assert source in outputs, f"{n.name} takes {edge}, which is not there"
            assert int(slot or 0) < outputs[source], f"{n.name} takes {edge}, which that node does not give"
        assert re.fullmatch(r"[A-Za-z0-9_.\-\[\]/]+", n.name), n.name
        assert n.op, n.name
    assert graph.versions.producer == 22
    theirs = graph_pb2.GraphDef.FromString(graph.SerializeToString())
    merged = graph_util.merge_graph_defs([theirs])
    process_graph.prepare_graph_for_ui(merged, limit_attr_size=1024, large_attrs_key="_too_large_attrs")
    text = str(merged)
    assert text.isascii() and "\\" not in text, "the page does not unescape text"
    assert not any(n.attr["_too_large_attrs"].list.s for n in merged.node if "_too_large_attrs" in n.attr)
