"""The nodes of a torch.jit graph, drawn and run.

Knows: how an operator, or the end of a branch or loop, becomes a node, and what comes out of it when it runs.
Must not know: the order and meaning of statements (`_jit`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch

from eventwriter_torch.graph._jit_operators import Schema, carries_tensor, evaluate, typed_info
from eventwriter_torch.graph._nodes import Graph, Node, Scope, TensorInfo
from eventwriter_torch.graph._values import UNKNOWN, Value, from_python


class Pen:
    """Draws into a `Graph`, and runs what it draws.

    Attributes:
        draws: off while something runs again that is drawn already.
        runs: whether to run each operator whose arguments are known.

    Args:
        timed: keep the time of each operator that runs.
        synchronize: waits for the device; called before and after each operator that runs.
    """

    def __init__(self, graph: Graph, runs: bool, timed: bool, synchronize: Callable[[], object]) -> None:
        self.graph = graph
        self.draws = True
        self.runs = runs
        self._timed = timed
        self._synchronize = synchronize

    def new_scope(self, scope: Scope, label: str) -> Scope:
        """See `Graph.new_scope`."""
        return self.graph.new_scope(scope, label) if self.draws else scope

    def drop_scope(self, scope: Scope, before: int) -> None:
        """Gives a scope back if no node was drawn since there were `before`."""
        if self.draws and len(self.graph.nodes) == before:
            self.graph.drop_scope(scope)

    def operator(
        self,
        node: Any,
        arguments: list[Value],
        scope: Scope,
        label: str,
        op: str,
        attrs: dict[str, Any],
        runs: Any,
    ) -> Sequence[Value]:
        """Adds the node of an operator or of a function, and runs it if that is wanted and possible."""
        outputs = list(node.outputs())
        drawn: Node | None = None
        if self.draws and any(carries_tensor(output.type()) for output in outputs):
            edges = [edge for argument in arguments for edge in argument.edges]
            infos = [typed_info(o) for o in outputs] if outputs[0].type().kind() != "ListType" else []
            drawn = self.graph.operator(scope, label, op, edges, infos, attrs)
            drawn.allocates = not (isinstance(runs, Schema) and runs.views)
        if self.runs and runs is not None:
            known = [argument.known for argument in arguments]
            if not any(value is UNKNOWN for value in known):
                results = self._execute(node.kind(), runs, known, drawn, len(outputs))
                if results is not None:
                    return results
        if drawn is None:
            return [Value() for _ in outputs]
        if not drawn.outputs:
            return [Value(lambda: [self.graph.slot(drawn, 0)], producer=drawn)]
        return [Value([(drawn, i)], info=info) for i, info in enumerate(drawn.outputs)]

    def _execute(self, kind: str, runs: Any, known: list[Any], drawn: Node | None, count: int) -> list[Value] | None:
        self._synchronize()
        wall, start = time.time_ns(), time.perf_counter_ns()
        try:
            result = evaluate(kind, runs, known) if isinstance(runs, Schema) else runs(*known)
        except Exception:  # it only leaves the shapes of what follows unknown
            return None
        self._synchronize()
        if drawn is not None and self._timed:
            drawn.micros = (wall // 1000, max(1, (time.perf_counter_ns() - start) // 1000))
        if count == 1 and isinstance(result, list | tuple):
            if drawn is not None:
                drawn.outputs = [TensorInfo.of(t) for t in result if isinstance(t, torch.Tensor)]
            edges = [[(drawn, i)] if drawn is not None else [] for i in range(len(result))]
            return [Value(items=[from_python(v, e) for v, e in zip(result, edges, strict=True)])]
        values = [
            from_python(value, [(drawn, i)] if drawn is not None else [])
            for i, value in enumerate(result if count > 1 else [result])
        ]
        if drawn is not None:
            drawn.outputs = [value.info for value in values]
        return values

    def merge(
        self,
        node: Any,
        controls: list[Value],
        merged: list[list[Value]],
        scope: Scope,
        op: str,
        values: list[Value] | None,
    ) -> list[Value]:
        """The node where the ways of a branch or loop meet again, if any tensor comes out there."""
        tensors = [carries_tensor(output.type()) for output in node.outputs()]
        edges = [edge for control in controls for edge in control.edges]
        infos = [next((v.info for v in way if v.info.shape is not None), TensorInfo()) for way in merged]
        meeting: Node | None = None
        if any(tensors) and self.draws:
            edges += [
                e for way, is_tensor in zip(merged, tensors, strict=True) if is_tensor for v in way for e in v.edges
            ]
            outputs = [info for info, is_tensor in zip(infos, tensors, strict=True) if is_tensor]
            meeting = self.graph.operator(scope, "merge", op, dict.fromkeys(edges), outputs, {})
            meeting.allocates = False
        results, slot = [], 0
        for i, (way, is_tensor) in enumerate(zip(merged, tensors, strict=True)):
            known = values[i].known if values is not None else UNKNOWN
            if is_tensor:
                result = Value([(meeting, slot)] if meeting else (), known=known, info=infos[i])
                slot += 1
            else:
                result = Value([*edges, *(e for v in way for e in v.edges)], known=known, number=True)
            results.append(result)
        return results
