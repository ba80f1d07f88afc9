"""A torch.jit graph, traced or scripted, read into nodes.

Knows: the statements of torch.jit's graphs. Must not know: how the graph came about, or GraphDefs.

A module's graph calls the graphs of its sub-modules. The walk follows these calls, and so knows by the
attributes it went through which module an operator belongs to. Statements that only pass values on (lists,
tuples, attributes) become edges, and arithmetic on sizes becomes attributes, so that what is left is the
operators. Given the inputs' values, the walk also runs each operator, which gives shapes where the graph has
none (scripted and loaded modules) and the time each takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch.jit._state import _python_cu

from eventwriter_torch.graph._calls import OUTERMOST, Calls, module_path
from eventwriter_torch.graph._jit_operators import (
    attribute,
    carries_tensor,
    is_arithmetic,
    is_constant,
    number,
    readable,
    schema,
    typed_info,
)
from eventwriter_torch.graph._jit_pen import Pen
from eventwriter_torch.graph._nodes import Graph, Scope, TensorInfo
from eventwriter_torch.graph._values import UNKNOWN, Value, from_python

_MOST_ITERATIONS = 10_000
_FUNCTIONAL = "__torch__.torch.nn.functional."

_SAME = {"prim::unchecked_cast", "prim::Uninitialized", "prim::profile", "aten::wait", "prim::data"}
_COPIES = {"aten::to", "aten::detach", "aten::detach_", "aten::alias", "aten::lift_fresh", "aten::clone"}


class Reader:
    """Walks through the graphs of one model and adds what it finds to a `Graph`.

    Args:
        graph: gets the nodes.
        prefix: the attribute path of what counts as the model; its own name is left out of scopes.
        run, timed, synchronize: see `Pen`.
    """

    def __init__(
        self,
        graph: Graph,
        prefix: Scope = (),
        *,
        run: bool = False,
        timed: bool = False,
        synchronize: Callable[[], object] = lambda: None,
    ) -> None:
        self._pen = Pen(graph, run, timed, synchronize)
        self._prefix = prefix
        self._calls = Calls()
        self._call = OUTERMOST
        self._statements: dict[str, Callable[[Any, list[Value], Scope], Sequence[Value]]] = {
            "prim::Constant": self._constant,
            "prim::GetAttr": self._get_attribute,
            "prim::ListConstruct": self._sequence,
            "prim::TupleConstruct": self._sequence,
            "prim::DictConstruct": self._dictionary,
            "prim::ListUnpack": self._unpack,
            "prim::TupleUnpack": self._unpack,
            "prim::TupleIndex": self._index,
            "prim::CallMethod": self._call_method,
            "prim::CallFunction": self._call_function,
            "prim::fork": self._fork,
            "prim::PythonOp": self._python,
        }

    def root(self, called: Any, arguments: Sequence[Value]) -> list[Value]:
        """Reads the graph of a ScriptModule's `forward` or of a ScriptFunction, and gives what it returns."""
        if isinstance(called, torch.jit.ScriptFunction):
            return self._body(called.graph, list(arguments), ())
        this = called._c
        graph = this._get_method("forward").graph
        return self._body(graph, [Value(known=this), *arguments], ())

    def warm_up(self, called: Any, arguments: Sequence[Any]) -> None:
        """Runs everything once without drawing it: the first run of an operator takes longer than others."""
        self._pen.draws = False
        self.root(called, [from_python(argument, ()) for argument in arguments])
        self._pen.draws = True

    def _body(self, block: Any, arguments: list[Value], scope: Scope) -> list[Value]:
        env = {v.debugName(): value for v, value in zip(block.inputs(), arguments, strict=False)}
        return self._block(block, env, scope)

    def _block(self, block: Any, env: dict[str, Value], scope: Scope) -> list[Value]:
        for node in block.nodes():
            kind = node.kind()
            arguments = [env[v.debugName()] for v in node.inputs()]
            if kind == "prim::If":
                results: Sequence[Value] = self._if(node, arguments[0], env, scope)
            elif kind == "prim::Loop":
                results = self._loop(node, arguments, env, scope)
            elif kind in self._statements:
                results = self._statements[kind](node, arguments, scope)
            elif kind in _SAME:
                results = arguments[:1] or [Value()]
            else:
                results = self._operator(node, arguments, scope)
            for output, value in zip_longest(node.outputs(), results):
                if output is not None:
                    env[output.debugName()] = value or Value()
        return [env[v.debugName()] for v in block.outputs()]

    # --- statements that make no node of their own

    def _constant(self, node: Any, _: list[Value], scope: Scope) -> list[Value]:
        output = node.output()
        if output.type().kind() == "FunctionType":
            return [Value(known=output)]
        value = output.toIValue()
        if not isinstance(value, torch.Tensor):
            return [Value(known=value, number=True)]
        if value.dim() == 0:
            return [Value(known=value, number=True)]
        scope = self._scope_in(node, scope)
        return [
            Value(
                lambda: [self._pen.graph.tensor((*scope, "constant"), value, constant=True)],
                known=value,
                info=TensorInfo.of(value),
            )
        ]

    def _get_attribute(self, node: Any, arguments: list[Value], _: Scope) -> list[Value]:
        owner, name = arguments[0], node.s("name")
        path = (*owner.path, name)
        try:
            value = owner.known.getattr(name)
        except (AttributeError, RuntimeError):
            return [Value(path=path)]
        if isinstance(value, list) and value and all(isinstance(item, torch.Tensor) for item in value):
            return [Value(items=[self._held(item, (*path, str(i))) for i, item in enumerate(value)])]
        if not isinstance(value, torch.Tensor):
            return [Value(known=value, path=path, number=not hasattr(value, "getattr"))]
        return [self._held(value, path)]

    def _held(self, tensor: torch.Tensor, path: Scope) -> Value:
        where = module_path(path, self._prefix)
        return Value(lambda: [self._pen.graph.tensor(where, tensor)], known=tensor, info=TensorInfo.of(tensor))

    def _sequence(self, _: Any, arguments: list[Value], __: Scope) -> list[Value]:
        return [Value(items=list(arguments))]

    def _dictionary(self, _: Any, arguments: list[Value], __: Scope) -> list[Value]:
        return [Value(items=arguments[1::2], keys=[key.known for key in arguments[::2]])]

    def _unpack(self, node: Any, arguments: list[Value], _: Scope) -> list[Value]:
        packed, outputs = arguments[0], list(node.outputs())
        if packed.items is not None and len(packed.items) == len(outputs):
            return packed.items
        return [self._item(packed, i, typed_info(output)) for i, output in enumerate(outputs)]

    def _index(self, _: Any, arguments: list[Value], __: Scope) -> list[Value]:
        return [self._item(arguments[0], arguments[1].known)]

    def _item(self, packed: Value, index: Any, info: TensorInfo | None = None) -> Value:
        """One item of a list, tuple or dict; all that is in it, if it is not known which."""
        if packed.items is not None:
            if packed.keys is not None:
                index = packed.keys.index(index) if index in packed.keys else UNKNOWN
            if isinstance(index, int) and -len(packed.items) <= index < len(packed.items):
                return packed.items[index]
        elif packed.producer is not None and isinstance(index, int) and index >= 0:
            return Value([self._pen.graph.slot(packed.producer, index, info)], info=info)
        return Value(packed.edges, info=info)

    def _on_list(self, kind: str, arguments: list[Value]) -> Value:
        held, *rest = arguments
        operation = kind.removeprefix("aten::")
        if operation == "__getitem__":
            return self._item(held, rest[0].known)
        if operation in ("append", "insert", "extend", "_set_item") and rest:
            held.items = list(held.items if held.items is not None else [Value(held.edges)])
            held.items += rest[-1:]  # which place it takes is not followed: edges do not depend on it
            return held
        if operation in ("len", "__contains__"):
            return number(kind, None, arguments)
        if operation == "keys":
            return Value(known=held.keys if held.keys is not None else UNKNOWN, number=True)
        return Value([edge for argument in arguments for edge in argument.edges])

    # --- calls

    def _call_method(self, node: Any, arguments: list[Value], scope: Scope) -> Sequence[Value]:
        owner, name = arguments[0], node.s("name")
        try:
            graph = owner.known._get_method(name).graph
        except (AttributeError, RuntimeError):
            return self._opaque(node, arguments[1:], scope, name, name)
        outer = self._call
        if self._pen.draws:
            self._call = self._calls.enter(module_path(owner.path, self._prefix), outer)
        results = self._body(graph, arguments, scope if self._call is outer else self._call.scope)
        self._call = outer
        return results

    def _call_function(self, node: Any, arguments: list[Value], scope: Scope) -> Sequence[Value]:
        constant, *rest = arguments
        name = str(constant.known.type())
        function: Any = _python_cu.find_function(name)
        short = name.rpartition(".")[2]
        if name.startswith(_FUNCTIONAL) or function is None:
            # As one operator: inside, torch's functions mostly check their arguments.
            return self._opaque(node, rest, scope, short, name.removeprefix("__torch__."), function)
        return self._body(function.graph, rest, scope)

    def _fork(self, node: Any, arguments: list[Value], scope: Scope) -> Sequence[Value]:
        results = self._body(node.g("Subgraph"), arguments, scope)
        return results if len(results) == 1 else [Value(items=results)]

    def _python(self, node: Any, arguments: list[Value], scope: Scope) -> Sequence[Value]:
        name = node.pyname()
        return self._opaque(node, arguments, scope, name, name)

    def _opaque(
        self, node: Any, arguments: list[Value], scope: Scope, label: str, op: str, function: Any = None
    ) -> Sequence[Value]:
        names = [argument.name for argument in function.schema.arguments] if function is not None else []
        attrs = {
            name: attribute(value.known, None)
            for name, value in zip(names, arguments, strict=False)
            if value.number and value.known is not UNKNOWN
        }
        return self._pen.operator(
            node, arguments, self._scope_in(node, scope), label.strip("_") or label, op, attrs, function
        )

    # --- branches and loops

    def _if(self, node: Any, condition: Value, env: dict[str, Value], scope: Scope) -> list[Value]:
        branches = list(node.blocks())
        if condition.known is not UNKNOWN and not condition.edges:
            return self._block(branches[0 if condition.known else 1], env, scope)
        before, inner = len(self._pen.graph.nodes), self._pen.new_scope(scope, "if")
        runs, results = self._pen.runs, []
        for branch, label, taken in zip(branches, ("then", "else"), (True, False), strict=True):
            self._pen.runs = runs and condition.known is not UNKNOWN and bool(condition.known) is taken
            results.append((self._pen.runs, self._block(branch, dict(env), (*inner, label))))
        self._pen.runs = runs
        # The branch that ran first: its values are the ones to go on with.
        results.sort(key=lambda result: not result[0])
        ran, values = results[0]
        merged = [list(pair) for pair in zip(*(result for _, result in results), strict=True)]
        outcome = self._pen.merge(node, [condition], merged, inner, "prim::If", values if ran else None)
        self._pen.drop_scope(inner, before)
        return outcome

    def _loop(self, node: Any, arguments: list[Value], env: dict[str, Value], scope: Scope) -> list[Value]:
        (body,) = node.blocks()
        count, condition, *carried = arguments
        before, inner = len(self._pen.graph.nodes), self._pen.new_scope(scope, "loop")
        names = [v.debugName() for v in body.inputs()]
        draws, values, goes_on, iteration = self._pen.draws, carried, condition, 0
        drawn = carried
        while True:
            known = self._pen.runs and goes_on.known is not UNKNOWN and count.known is not UNKNOWN
            ends = known and (not goes_on.known or iteration >= count.known)
            if ends and iteration > 0:
                break
            index = Value(known=iteration if known else UNKNOWN, number=True)
            passed = env | dict(zip(names, [index, *values], strict=True))
            goes_on, *results = self._block(body, passed, (*inner, "body"))
            if iteration == 0:
                drawn, self._pen.draws = results, False
            if ends:  # a loop that is not entered is drawn all the same
                break
            values, iteration = results, iteration + 1
            if not known or iteration == _MOST_ITERATIONS:
                known = False
                break
        self._pen.draws = draws
        merged = [list(pair) for pair in zip(carried, drawn, strict=True)]
        outcome = self._pen.merge(node, [count, condition], merged, inner, "prim::Loop", values if known else None)
        self._pen.drop_scope(inner, before)
        return outcome

    # --- operators

    def _operator(self, node: Any, arguments: list[Value], scope: Scope) -> Sequence[Value]:
        kind, of = node.kind(), schema(node.schema())
        outputs = list(node.outputs())
        if not outputs:
            return ()
        if of is not None and of.on_list and not arguments[0].number:
            return [self._on_list(kind, arguments)]
        if not any(carries_tensor(o.type()) for o in outputs) or is_arithmetic(node, outputs, arguments):
            return [number(kind, of, arguments) for _ in outputs]
        if kind in _COPIES and is_constant(arguments[0]):
            return arguments[:1]
        attrs = {}
        for i, argument in enumerate(arguments):
            if argument.known is not UNKNOWN and (argument.number or argument.items is not None):
                spec = of.arguments[i] if of is not None and i < len(of.arguments) else None
                attrs[spec.name if spec else f"arg{i}"] = attribute(argument.known, spec)
        label, op = readable(kind, arguments)
        return self._pen.operator(node, arguments, self._scope_in(node, scope), label, op, attrs, of)

    def _scope_in(self, node: Any, scope: Scope) -> Scope:
        """Where a node is: in an inlined graph only its own record of the trace says so."""
        traced = node.scopeName() if not scope else ""
        last = traced.rpartition("/")[2].removeprefix("__module").removeprefix(".")
        return module_path(tuple(last.split(".")), self._prefix) if last else scope
