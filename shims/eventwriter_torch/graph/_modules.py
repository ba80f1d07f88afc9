"""The tree of modules that ran, read into nodes: what can be drawn of any model that runs.

Knows: forward hooks, and how to follow tensors through operators. Must not know: torch.jit, torch.export or
GraphDefs.

Each call of a module that calls no other is a node, with its parameters beside it. What runs between these
calls, in the `forward` of larger modules, makes no nodes; its edges are kept, since every operator's result
is known to come from where its arguments came from.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils.weak import WeakTensorKeyDictionary

from eventwriter_torch.graph._calls import OUTERMOST, Call, Calls
from eventwriter_torch.graph._inputs import outputs as output_tensors
from eventwriter_torch.graph._nodes import Graph, Ref, Scope, TensorInfo


class _Origins(TorchFunctionMode):
    """Follows where each tensor came from. Holds no tensor alive."""

    def __init__(self) -> None:
        super().__init__()
        self._of: Any = WeakTensorKeyDictionary()

    def set(self, tensor: torch.Tensor, refs: Iterable[Ref]) -> None:
        self._of[tensor] = dict.fromkeys(refs)

    def of(self, values: Any) -> list[Ref]:
        found: dict[Ref, None] = {}
        for leaf in pytree.tree_leaves(values):
            if isinstance(leaf, torch.Tensor):
                found |= self._of.get(leaf, {})
        return list(found)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        if tensors:
            refs = self.of((args, kwargs, tensors))
            for tensor in tensors:
                self.set(tensor, refs)
        return result


@dataclass(slots=True)
class _Running:
    """A call that is running: where its input came from, and when it began (µs since 1970, and ns)."""

    call: Call
    refs: list[Ref]
    wall: int
    start: int
    calls_others: bool = False


class Reader:
    """Runs a model once and adds its tree of modules to a `Graph`.

    Args:
        graph: gets the nodes.
        scopes: the scope of each module of the model.
        synchronize: waits for the device, before and after each module that is timed. None: no times.
    """

    def __init__(
        self,
        graph: Graph,
        scopes: dict[torch.nn.Module, Scope],
        timed: bool = False,
        synchronize: Callable[[], object] | None = None,
    ) -> None:
        self._graph = graph
        self._scopes = scopes
        self._timed = timed
        self._synchronize = synchronize or (lambda: None)
        self._origins = _Origins()
        self._calls = Calls()
        self._running: list[_Running] = []

    def read(
        self, run: Callable[[], Iterable[torch.Tensor]], inputs: Iterable[tuple[torch.Tensor, Ref]]
    ) -> list[tuple[list[Ref], TensorInfo]]:
        """Runs the model.

        Args:
            run: calls the model and gives its output tensors.
            inputs: the input tensors and their nodes.

        Returns:
            The edges and info of each output.

        Raises:
            Exception: whatever the model raises.
        """
        for tensor, ref in inputs:
            self._origins.set(tensor, [ref])
        handles = []
        try:
            for module, scope in self._scopes.items():
                if any(True for _ in module.children()):
                    for name, parameter in module.named_parameters(recurse=False):
                        self._origins.set(parameter, [self._graph.tensor((*scope, name), parameter)])
                handles.append(module.register_forward_pre_hook(self._before, with_kwargs=True))
                handles.append(module.register_forward_hook(self._after, with_kwargs=True))
            with self._origins:
                return [(self._origins.of(t), TensorInfo.of(t)) for t in run()]
        finally:
            for handle in handles:
                handle.remove()

    def _before(self, module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        outer = self._running[-1] if self._running else None
        if outer is not None:
            outer.calls_others = True
        call = self._calls.enter(self._scopes[module], outer.call if outer is not None else OUTERMOST)
        refs = self._origins.of((args, kwargs))
        self._synchronize()
        self._running.append(_Running(call, refs, time.time_ns() // 1000, time.perf_counter_ns()))

    def _after(self, module: torch.nn.Module, _: Any, __: Any, result: Any) -> None:
        self._synchronize()
        now, running = time.perf_counter_ns(), self._running.pop()
        if running.calls_others:
            return
        refs, (path, scope) = running.refs, running.call
        held = [*module.named_parameters(), *((name, b) for name, b in module.named_buffers() if b.dim())]
        refs += [self._graph.tensor((*path, *key.split(".")), tensor) for key, tensor in held]
        tensors = [tensor for _, tensor in output_tensors(result)]
        name = type(module).__name__
        node = self._graph.operator(scope, name, name, refs, [TensorInfo.of(tensor) for tensor in tensors], {})
        if self._timed:
            node.micros = (running.wall, max(1, (now - running.start) // 1000))
        for i, tensor in enumerate(tensors):
            self._origins.set(tensor, [(node, i)])
