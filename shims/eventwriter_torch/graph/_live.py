"""The ways of a model that is given as it is: traced, exported, or only run.

Knows: the ways and their order. Must not know: how a graph is read, or what a GraphDef looks like.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch

from eventwriter_torch.graph import _export, _jit, _modules
from eventwriter_torch.graph._devices import devices_of, devices_of_module, waiter
from eventwriter_torch.graph._given import measured
from eventwriter_torch.graph._inputs import Flat, arguments, by_path, copied, named_tensors, signature
from eventwriter_torch.graph._nodes import Graph, Ref, TensorInfo
from eventwriter_torch.graph._result import Built, Way, built, show
from eventwriter_torch.graph._untouched import random_state_kept, untouched
from eventwriter_torch.graph._values import Value


def ways(
    model: Callable[..., Any],
    given: Any,
    kwargs: Mapping[str, Any] | None,
    verbose: bool,
    strict: bool,
    measure: bool,
) -> Iterator[Way]:
    """The ways to the graph of a module or function, the best first; `_trace.build` says what they are.

    Raises:
        TypeError: the model needs input, and there is none.
    """
    args, named = arguments(model, given, kwargs)
    args, named = copied((args, named))
    if isinstance(model, torch.nn.Module) and any(torch.nn.parameter.is_lazy(p) for p in model.parameters()):
        model = _settled(model, args, named)
    live = _Live(model, args, named, verbose, measure)
    yield "torch.jit.trace", partial(_without_gradients, partial(live.trace, strict))
    if strict:
        yield "torch.jit.trace(strict=False)", partial(_without_gradients, partial(live.trace, False))
    yield "torch.export", partial(_without_gradients, live.export)
    yield "running it", partial(_without_gradients, live.run)


def _settled(model: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> torch.nn.Module:
    """A copy of a model with lazy modules, after its first run, which settles their shapes for good."""
    model = copy.deepcopy(model)
    with torch.no_grad(), random_state_kept(devices_of((args, kwargs))):
        model.eval()(*copied(args), **copied(kwargs))
    return model


def _without_gradients(way: Callable[[], Built]) -> Built:
    """Runs a way without gradients, unless the model takes gradients itself (forces from energies do)."""
    try:
        with torch.no_grad():
            return way()
    except RuntimeError as error:
        if "require grad" not in str(error):
            raise
    with torch.enable_grad():
        return way()


class _Live:
    """A model with its inputs, and each way to a graph of it."""

    def __init__(
        self, model: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], verbose: bool, measure: bool
    ) -> None:
        self._inputs = named_tensors(signature(model), args, kwargs)
        self._tensors = [tensor for _, tensor in self._inputs]
        self._flat = Flat(model, args, kwargs)
        self._prefix = self._flat.prefix
        self._devices = devices_of_module(self._flat) | devices_of(self._tensors)
        self._verbose = verbose
        self._measure = measure

    def trace(self, strict: bool) -> Built:
        """By `torch.jit.trace`."""
        with untouched(self._flat, self._devices):
            trace: Any = torch.jit.trace
            traced = trace(self._flat, tuple(copied(self._tensors)), check_trace=False, strict=strict)
            if self._verbose:
                show(traced.inlined_graph)
            graph, refs = self._graph()
            values = [
                Value([ref], known=tensor, info=TensorInfo.of(tensor))
                for ref, tensor in zip(refs, self._tensors, strict=True)
            ]
            reader = _jit.Reader(
                graph, self._prefix, run=self._measure, timed=self._measure, synchronize=waiter(self._devices)
            )
            if self._measure:
                reader.warm_up(traced, copied(self._tensors))
            (result,) = reader.root(traced, values)
            return self._built(graph, [(v.edges, v.info) for v in result.items or [result]])

    def export(self) -> Built:
        """By `torch.export`."""
        with untouched(self._flat, self._devices):
            program = torch.export.export(self._flat, tuple(copied(self._tensors)), strict=False)
            if self._verbose:
                show(program.graph)
            times = measured(program, self._tensors) if self._measure else None
            graph, refs = self._graph()
            found = _export.Reader(graph, program, self._prefix, times).read(lambda i, _, __: refs[i])
            return self._built(graph, [(edges, info) for _, edges, info in found])

    def run(self) -> Built:
        """By running it: the tree of modules.

        Raises:
            TypeError: it has no modules.
        """
        graph, refs = self._graph()
        scopes = {module: path[len(self._prefix) :] for path, module in by_path(self._flat).items() if path}
        if not scopes:
            raise TypeError("a function, without modules to show")
        with untouched(self._flat, self._devices):
            reader = _modules.Reader(graph, scopes, self._measure, waiter(self._devices))
            if self._measure:
                self._flat(*copied(self._tensors))  # the first run takes longer than others
            inputs = zip(self._tensors, refs, strict=True)
            return self._built(graph, reader.read(lambda: self._flat(*self._tensors), inputs))

    def _graph(self) -> tuple[Graph, list[Ref]]:
        start = len(self._prefix)
        paths = {path: m for path, m in by_path(self._flat).items() if path and path[:start] == self._prefix}
        graph = Graph({path[start:]: module for path, module in paths.items()})
        return graph, [graph.input(name, TensorInfo.of(tensor)) for name, tensor in self._inputs]

    def _built(self, graph: Graph, found: list[Any]) -> Built:
        return built(
            graph,
            [(name, edges, info) for name, (edges, info) in zip(self._flat.output_names, found, strict=True)],
        )
