"""An exported program (torch.export) read into nodes.

Knows: the fx graphs in an ExportedProgram, their signature and metadata. Must not know: how the program came
about, or GraphDefs.
"""

from __future__ import annotations

import operator
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx
from torch.utils import _pytree as pytree

from eventwriter_torch.graph._calls import OUTERMOST, Call, Calls, module_path
from eventwriter_torch.graph._inputs import copied, path_names
from eventwriter_torch.graph._nodes import Graph, Node, Ref, Scope, TensorInfo
from eventwriter_torch.graph._values import Value

Times = dict[fx.Node, tuple[int, int]]

# A constant is copied before it is used; nobody wrote that.
_COPIES = {"aten::lift_fresh_copy", "aten::lift_fresh", "aten::detach", "aten::detach_", "aten::alias", "aten::to"}


class Reader:
    """Walks through one exported program and adds what it finds to a `Graph`.

    Args:
        graph: gets the nodes.
        program: a `torch.export.ExportedProgram`.
        prefix: the attribute path of what counts as the model; its own name is left out of scopes.
        times: start and duration in µs by fx node, see `measure`.
    """

    def __init__(self, graph: Graph, program: Any, prefix: Scope = (), times: Times | None = None) -> None:
        self._graph = graph
        self._program = program
        self._prefix = prefix
        self._times = times or {}
        self._calls = Calls()
        self._entered: dict[tuple[str, ...], Call] = {}

    def read(self, inputs: Callable[[int, str, TensorInfo], Ref]) -> list[tuple[Scope, Sequence[Ref], TensorInfo]]:
        """Reads the program.

        Args:
            inputs: makes the node of a user's input from its index, name and info.

        Returns:
            The keys, edges and info of each output.
        """
        signature = self._program.graph_signature
        arguments: list[Value] = []
        count = 0
        placeholders = [node for node in self._program.graph.nodes if node.op == "placeholder"]
        for spec, node in zip(signature.input_specs, placeholders, strict=True):
            value = Value()
            if spec.kind.name == "USER_INPUT":
                if isinstance(node.meta.get("val"), torch.Tensor):
                    info = TensorInfo.of(node.meta["val"])
                    value = Value([inputs(count, node.name, info)], info=info)
                    count += 1
            elif spec.kind.name in ("PARAMETER", "BUFFER", "CONSTANT_TENSOR"):
                value = self._held(spec)
            arguments.append(value)
        results = self._walk(self._program.graph_module, arguments, ())
        names = iter(self._output_names())
        outputs = []
        for spec, value in zip(signature.output_specs, results, strict=True):
            if spec.kind.name == "USER_OUTPUT":
                name = next(names)
                if value.edges:
                    outputs.append((name, value.edges, value.info))
        return outputs

    def _output_names(self) -> list[Scope]:
        spec = self._program.call_spec.out_spec
        return path_names(pytree.tree_unflatten(list(range(spec.num_leaves)), spec))

    def _held(self, spec: Any) -> Value:
        tensor = _tensor_of(self._program, spec)
        path = self._path(spec.target)
        constant = spec.kind.name == "CONSTANT_TENSOR"
        return Value(lambda: [self._graph.tensor(path, tensor, constant=constant)], info=TensorInfo.of(tensor))

    def _walk(self, module: fx.GraphModule, arguments: Sequence[Value], scope: Scope) -> list[Value]:
        env: dict[fx.Node, Value] = {}
        given = iter(arguments)
        for node in module.graph.nodes:
            if node.op == "placeholder":
                env[node] = next(given, Value())
            elif node.op == "get_attr":
                env[node] = self._attribute(module, node, scope)
            elif node.op == "output":
                return [
                    env[leaf] if isinstance(leaf, fx.Node) else Value() for leaf in pytree.tree_leaves(node.args[0])
                ]
            elif node.target is operator.getitem:
                env[node] = _item(env[node.args[0]], node.args[1], node)
            elif any(isinstance(env[n].known, fx.GraphModule) for n in node.all_input_nodes):
                env[node] = self._higher_order(node, env, scope)
            else:
                env[node] = self._operator(node, env, scope)
        return []

    def _attribute(self, module: fx.GraphModule, node: fx.Node, scope: Scope) -> Value:
        value: Any = module
        for part in str(node.target).split("."):
            value = getattr(value, part)
        if isinstance(value, torch.Tensor):
            path = (*scope, node.name)
            return Value(lambda: [self._graph.tensor(path, value, constant=True)], info=TensorInfo.of(value))
        return Value(known=value)

    def _operator(self, node: fx.Node, env: dict[fx.Node, Value], scope: Scope) -> Value:
        target: Any = node.target
        schema = getattr(target, "_schema", None)
        kind = schema.name if schema is not None else getattr(target, "__name__", str(target))
        arguments = [env[n] for n in node.all_input_nodes]
        infos, is_list = _infos(node.meta.get("val"))
        if not infos:  # a number, or nothing
            about = kind.startswith(("aten::sym_", "prim::"))
            return Value([] if about else _edges(arguments), number=True)
        if kind in _COPIES and _is_constant(arguments):
            return arguments[0]
        name = kind.rpartition("::")[2]
        drawn = self._graph.operator(
            self._scope_in(node, scope),
            name.strip("_") or name,
            kind,
            _edges(arguments),
            infos,
            _attributes(node, schema),
        )
        if schema is not None and schema.returns:
            drawn.allocates = schema.returns[0].alias_info is None
        drawn.micros = self._times.get(node)
        return _outcome(drawn, is_list)

    def _higher_order(self, node: fx.Node, env: dict[fx.Node, Value], scope: Scope) -> Value:
        """An operator on whole graphs: a branch, a loop, or only a mode that they run in."""
        branches: list[tuple[str, fx.GraphModule]] = []
        operands: list[Value] = []
        for leaf in pytree.tree_leaves((node.args, node.kwargs)):
            if isinstance(leaf, fx.Node) and isinstance(env[leaf].known, fx.GraphModule):
                branches.append((str(leaf.target), env[leaf].known))
            elif isinstance(leaf, fx.Node):
                operands.append(env[leaf])
        name = getattr(node.target, "_name", None) or str(node.target)
        where = self._scope_in(node, scope)
        if name.startswith("wrap"):
            return Value(items=self._walk(branches[0][1], operands, where))
        inner = self._graph.new_scope(where, name)
        meeting: list[Value] = []
        passed = 0
        for label, branch in branches:
            taken = sum(n.op == "placeholder" for n in branch.graph.nodes)
            passed = max(passed, taken)
            meeting += self._walk(branch, operands[len(operands) - taken :], (*inner, label))
        meeting = [*operands[: len(operands) - passed], *meeting]
        infos, is_list = _infos(node.meta.get("val"))
        drawn = self._graph.operator(inner, "merge", name, dict.fromkeys(_edges(meeting)), infos, {})
        drawn.allocates = False
        drawn.micros = self._times.get(node)
        return _outcome(drawn, is_list)

    def _path(self, name: str) -> Scope:
        name = re.sub(r"^(L\['self'\]|L__self__)\.?", "", name)
        name = re.sub(r"_modules\['([^']*)'\]", r"\1", name)
        # x@1: the second call of x
        return module_path(tuple(part.partition("@")[0] for part in name.split(".") if part), self._prefix)

    def _scope_in(self, node: fx.Node, scope: Scope) -> Scope:
        call = OUTERMOST
        keys: tuple[str, ...] = ()
        for key, (name, _) in (node.meta.get("nn_module_stack") or {}).items():
            keys = (*keys, key)  # the keys of a stack are unique to each call
            if keys not in self._entered:
                self._entered[keys] = self._calls.enter(self._path(name), call)
            call = self._entered[keys]
        return call.scope or scope


def _tensor_of(program: Any, spec: Any) -> torch.Tensor:
    held = program.state_dict if spec.target in program.state_dict else program.constants
    tensor: torch.Tensor = held[spec.target]
    return tensor


def _infos(value: Any) -> tuple[list[TensorInfo], bool]:
    """The infos of what a node gives, and whether it is a list. No infos: it gives no tensor."""
    if isinstance(value, torch.Tensor):
        return [TensorInfo.of(value)], False
    if isinstance(value, list | tuple):
        infos = [TensorInfo.of(v) if isinstance(v, torch.Tensor) else TensorInfo() for v in value]
        return (infos if any(isinstance(v, torch.Tensor) for v in value) else []), True
    return [], False


def _outcome(drawn: Node, is_list: bool) -> Value:
    if not is_list:
        return Value([(drawn, 0)], info=drawn.outputs[0] if drawn.outputs else None)
    return Value(items=[Value([(drawn, i)], info=info) for i, info in enumerate(drawn.outputs)])


def _item(packed: Value, index: Any, node: fx.Node) -> Value:
    if packed.items is not None and isinstance(index, int) and index < len(packed.items):
        return packed.items[index]
    infos, _ = _infos(node.meta.get("val"))
    return Value(packed.edges, info=infos[0] if infos else None)


def _edges(values: Sequence[Value]) -> list[Ref]:
    return [edge for value in values for edge in value.edges]


def _is_constant(arguments: Sequence[Value]) -> bool:
    edges = _edges(arguments)
    return len(edges) == 1 and edges[0][0].op == "Const"


def _attributes(node: fx.Node, schema: Any) -> dict[str, Any]:
    names = [argument.name for argument in schema.arguments] if schema is not None else []
    names += [f"arg{i}" for i in range(len(names), len(node.args))]
    given = dict(zip(names, node.args, strict=False)) | dict(node.kwargs)
    return {name: value for name, value in given.items() if not _has_node(value)}


def _has_node(value: Any) -> bool:
    return any(isinstance(leaf, fx.Node) for leaf in pytree.tree_leaves(value))


class _Timer(fx.Interpreter):
    """Runs a graph and keeps the time of each operator."""

    def __init__(self, module: fx.GraphModule, synchronize: Callable[[], object]) -> None:
        super().__init__(module)
        self.times: Times = {}
        self._synchronize = synchronize

    def run_node(self, n: fx.Node) -> Any:
        self._synchronize()
        wall, start = time.time_ns(), time.perf_counter_ns()
        result = super().run_node(n)
        self._synchronize()
        self.times[n] = (wall // 1000, max(1, (time.perf_counter_ns() - start) // 1000))
        return result


def measure(program: Any, leaves: Sequence[Any], synchronize: Callable[[], object]) -> Times:
    """Runs an exported program operator by operator.

    Args:
        leaves: the user's inputs, flat.
        synchronize: waits for the device.

    Raises:
        Exception: whatever an operator raises on these inputs.
    """
    given = iter(leaves)
    values: list[Any] = []
    for spec in program.graph_signature.input_specs:
        kind = spec.kind.name
        if kind == "USER_INPUT":
            values.append(next(given))
        elif kind in ("PARAMETER", "BUFFER", "CONSTANT_TENSOR"):
            tensor = _tensor_of(program, spec)
            values.append(copied(tensor) if kind == "BUFFER" else tensor)  # in train mode it would be written to
        else:
            values.append(program.constants.get(spec.target))
    timer = _Timer(program.graph_module, synchronize)
    for _ in range(2):  # the first run takes longer than others; its times are written over
        timer.run(*values)
    return timer.times
