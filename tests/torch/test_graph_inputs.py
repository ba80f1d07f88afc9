"""What users pass as input: every form of it, and every form of output."""

from __future__ import annotations

import dataclasses
import functools
from collections import OrderedDict, UserDict
from typing import Any, NamedTuple

import pytest
import torch
from eventwriter_torch.graph import build
from graph_models import MLP, check, inputs, names, operators, shapes
from torch import nn

X = torch.zeros(2, 4)


class Pair(NamedTuple):
    a: Any
    b: Any


@dataclasses.dataclass
class Result:
    value: torch.Tensor
    count: int
    parts: list[Any]


def graph_of(*args, **kwargs):
    built = build(*args, **kwargs)
    assert built is not None
    check(built[0])
    return built[0]


def ends(graph) -> tuple[list[str], list[str]]:
    """The names of inputs and outputs."""
    return tuple([n.name for n in graph.node if n.op == op] for op in ("Input", "Output"))


def add(a, b):
    return a + b


@pytest.mark.parametrize(
    ("given", "kwargs"),
    [
        ((X, X), None),
        ([X, X], None),
        ({"a": X, "b": X}, None),
        (UserDict(a=X, b=X), None),
        (X, {"b": X}),
        ((X,), {"b": X}),
        (None, {"a": X, "b": X}),
        ((), {"a": X, "b": X}),
        ({}, {"b": X, "a": X}),
        (Pair(X, X), None),
    ],
    ids=["tuple", "list", "dict", "UserDict", "tensor+kwargs", "tuple+kwargs", "None", "()", "{}", "namedtuple"],
)
def test_arguments(given: Any, kwargs: Any) -> None:
    """Tuple, list, mapping and keyword arguments all reach the arguments of the same names."""
    graph = graph_of(add, given, kwargs=kwargs)
    assert (sorted(ends(graph)[0]), ends(graph)[1]) == (["a", "b"], ["output"])
    assert inputs(graph, "add") == ["a", "b"]


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ({"u": X, "v": X}, ["batch/u", "batch/v"]),
        (UserDict(u=X, v=X), ["batch/u", "batch/v"]),
        (({"u": X, "v": {"w": X}},), ["batch/u", "batch/v/w"]),
        ([X, X], ["batch/0", "batch/1"]),
        (([X, (X, None)],), ["batch/0", "batch/1/0"]),
        (Pair(X, [X]), ["batch/a", "batch/b/0"]),
        (OrderedDict(u=X, n=3), ["batch/u"]),
    ],
    ids=["dict", "UserDict", "nested dict", "list", "nested list", "namedtuple", "with a number"],
)
def test_one_argument_that_is_a_tree(given: Any, want: list[str]) -> None:
    """What does not fit as arguments is one argument, and its tensors are named by the way to them."""

    def total(batch):
        return sum(torch.as_tensor(leaf).sum() for leaf in torch.utils._pytree.tree_leaves(batch) if leaf is not None)

    assert ends(graph_of(total, given))[0] == want


def test_variable_arguments() -> None:
    """`*args` are numbered and `**kwargs` keep their names."""

    def total(first, *rest, flag=False, **more):
        assert flag
        return first + sum(rest) + sum(more.values())

    graph = graph_of(total, (X, X, X), kwargs={"flag": True, "extra": X})
    assert ends(graph)[0] == ["first", "rest/0", "rest/1", "extra"]


@pytest.mark.parametrize(
    ("returned", "want"),
    [
        (lambda x: x + 1, ["output"]),
        (lambda x: (x + 1, x + 2), ["output/0", "output/1"]),
        (lambda x: [x + 1], ["output/0"]),
        (lambda x: {"p": x + 1, "q": {"r": x + 2}}, ["output/p", "output/q/r"]),
        (lambda x: Pair(x + 1, None), ["output/a"]),
        (lambda x: Result(x + 1, 3, [x + 2]), ["output/value", "output/parts/0"]),
        (lambda x: (x, x), ["output/0", "output/1"]),
    ],
    ids=["tensor", "tuple", "list", "dict", "namedtuple", "dataclass", "the input itself"],
)
def test_returned(returned: Any, want: list[str]) -> None:
    """Outputs are named by the keys that lead to them; what is no tensor is left out."""
    assert ends(graph_of(returned, X))[1] == want


def test_callables() -> None:
    """Functions, partials, methods and objects that can be called; modules that they use keep their names."""
    model = MLP()

    class Called:
        def __call__(self, x):
            return x * 2

    assert operators(graph_of(Called(), X)) == {"aten::mul": 1}
    assert operators(graph_of(functools.partial(add, b=1), X)) == {"aten::add": 1}
    assert operators(graph_of(torch.compile(add, backend="eager"), (X, X))) == {"aten::add": 1}
    assert "net/0/linear" in names(graph_of(model.forward, X))
    assert "model/net/0/linear" in names(graph_of(lambda x: model(x) + 1, X)), "a model that is a variable"


def test_lazy_modules() -> None:
    """A model whose shapes are still open is drawn as its first run would settle it, and stays open."""
    model = nn.Sequential(nn.LazyLinear(3), nn.ReLU())
    graph = graph_of(model, X)
    assert shapes(graph, "0/weight") == [[3, 4]]
    assert operators(graph) == {"aten::linear": 1, "aten::relu": 1}
    assert torch.nn.parameter.is_lazy(model[0].weight)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.complex64])
def test_dtypes(dtype: torch.dtype) -> None:
    """Other dtypes than float32 run as they are."""
    graph = graph_of(nn.Linear(4, 2, dtype=dtype), X.to(dtype))
    assert shapes(graph, "linear") == [[2, 2]]


def test_meta() -> None:
    """A model without data, on the meta device."""
    graph = graph_of(MLP().to("meta"), X.to("meta"))
    assert shapes(graph, "net/3/linear") == [[2, 2]]
    assert {n.device for n in graph.node} == {"/device:META:0"}


def test_a_tensor_that_needs_gradients_or_is_met_twice() -> None:
    """Inputs may be leaves of autograd, not contiguous, or the same tensor in two places."""
    x = torch.zeros(4, 2, requires_grad=True).t()
    assert inputs(graph_of(add, (x, x)), "add") == ["a", "b"]
