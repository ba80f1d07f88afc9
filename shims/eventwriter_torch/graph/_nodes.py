"""A graph of operators, parameters, inputs and outputs, while it is being read and as a GraphDef.

Knows: names, scopes, edges, attributes and shapes, and what TensorBoard's graph plugin makes of them. Must
not know: where a graph comes from (`_jit`, `_export` and `_modules` do), nor what it costs to run (`_stats`).

What the plugin's page does with a GraphDef (TensorBoard 2.21) decides much here:

- `/` in a name nests; a node named like a scope is drawn inside that scope, so no node may be named so.
- `name:k` as an input is the k-th output of a node; its label is the k-th shape of `_output_shapes`.
- Five or more nodes of one operator whose names end in consecutive numbers are folded into one. That hides
  the flow of a model which calls `relu` nine times, so the second `relu` is named `relu[1]` and not `relu_1`.
- A node of op `Const` is drawn as a small circle beside its consumer.
- Text arrives in protobuf text format and is not unescaped, so quotes, backslashes and letters beyond ASCII
  in a string would be shown as escapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeGuard

import torch

from eventwriter import proto as messages

Scope: TypeAlias = tuple[str, ...]
Ref: TypeAlias = "tuple[Node, int]"

# The version of the GraphDef format: what torch.utils.tensorboard writes.
_PRODUCER = 22
_LONGEST_STRING = 400

# Enum values are ints to protobuf's stubs, and the generated messages want the enum.
_DTYPES: dict[torch.dtype, Any] = {
    getattr(torch, name): messages.DataType.Value(value)
    for name, value in {
        "float32": "DT_FLOAT",
        "float64": "DT_DOUBLE",
        "float16": "DT_HALF",
        "bfloat16": "DT_BFLOAT16",
        "int8": "DT_INT8",
        "int16": "DT_INT16",
        "int32": "DT_INT32",
        "int64": "DT_INT64",
        "uint8": "DT_UINT8",
        "uint16": "DT_UINT16",
        "uint32": "DT_UINT32",
        "uint64": "DT_UINT64",
        "bool": "DT_BOOL",
        "complex64": "DT_COMPLEX64",
        "complex128": "DT_COMPLEX128",
    }.items()
}


class TensorInfo(NamedTuple):
    """What is known of a tensor without its data. A size of -1 is not known."""

    shape: tuple[int, ...] | None = None
    dtype: torch.dtype | None = None
    device: torch.device | None = None

    @classmethod
    def of(cls, tensor: torch.Tensor) -> TensorInfo:
        """The info of a tensor, a fake one included (symbolic sizes are not known)."""
        shape = tuple(size if isinstance(size, int) else -1 for size in tensor.shape)
        return cls(shape, tensor.dtype, tensor.device)

    @property
    def nbytes(self) -> int:
        """The bytes of its elements; 0 if its shape or dtype is not known."""
        if self.shape is None or self.dtype is None or -1 in self.shape:
            return 0
        count = self.dtype.itemsize
        for size in self.shape:
            count *= size
        return count


class Node:
    """One node. `outputs` may still grow after it is added: see `Graph.slot`."""

    __slots__ = ("allocates", "attrs", "inputs", "label", "micros", "name", "op", "outputs", "scope")

    def __init__(self, scope: Scope, label: str, op: str, inputs: list[Ref], outputs: list[TensorInfo]) -> None:
        self.scope = scope
        self.label = label
        self.op = op
        self.inputs = inputs
        self.outputs = outputs
        self.attrs: dict[str, Any] = {}
        self.allocates = True  # its outputs are memory of their own, not views
        self.micros: tuple[int, int] | None = None  # start and duration, if measured
        self.name = ""  # given by `Graph.finish`

    @property
    def device(self) -> str:
        """As TensorBoard's page wants it, e.g. `/device:CUDA:0`; empty if not known."""
        infos = self.outputs or [ref[0].outputs[ref[1]] for ref in self.inputs if ref[0].outputs]
        for info in infos:
            if info.device is not None:
                return f"/device:{info.device.type.upper()}:{info.device.index or 0}"
        return ""


class Graph:
    """Collects nodes in the order they are added.

    Args:
        modules: every module by its path, e.g. `{("layer1", "0"): …}`, the whole model under `()`.
    """

    def __init__(self, modules: Mapping[Scope, torch.nn.Module]) -> None:
        self.nodes: list[Node] = []
        self._modules = modules
        self._scopes: set[Scope] = set(modules)
        self._described: dict[Scope, dict[str, Any]] = {}
        self._paths: dict[int, Scope] = {}
        for scope, module in modules.items():
            for name, tensor in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)):
                self._paths.setdefault(id(tensor), (*scope, name))
        # The tensor is kept: an id is unique only while its object lives.
        self._tensors: dict[int, tuple[torch.Tensor, Ref]] = {}

    def add(
        self,
        scope: Scope,
        label: str,
        op: str,
        inputs: Iterable[Ref] = (),
        outputs: Iterable[TensorInfo] = (),
        attrs: Mapping[str, Any] | None = None,
    ) -> Node:
        """Adds a node and returns it. `attrs` may hold None, which is left out."""
        node = Node(scope, label, op, list(inputs), list(outputs))
        if attrs:
            node.attrs.update(attrs)
        self.nodes.append(node)
        return node

    def operator(
        self,
        scope: Scope,
        label: str,
        op: str,
        inputs: Iterable[Ref],
        outputs: Iterable[TensorInfo],
        attrs: Mapping[str, Any],
    ) -> Node:
        """Adds an operator, with the module it runs in and the count of parameters it takes."""
        node = self.add(scope, label, op, inputs, outputs, attrs)
        used = [n for n, _ in node.inputs if n.op == "Parameter"]
        if used:
            node.attrs["parameters"] = sum(n.attrs["parameters"] for n in used)
        for key, value in self._description(scope).items():
            node.attrs.setdefault(key, value)
        return node

    def input(self, path: Scope, info: TensorInfo) -> Ref:
        """Adds an input of the model, named by its argument and the keys that lead to it."""
        path = self._outside(path)
        return self.add(path[:-1], path[-1], "Input", (), (info,), {"dtype": info.dtype}), 0

    def output(self, keys: Scope, edges: Iterable[Ref], info: TensorInfo) -> None:
        """Adds an output of the model, with what there is to say of the whole model."""
        path = self._outside(("output", *keys))
        attrs = {key.replace("module", "model"): value for key, value in self._description(()).items()}
        attrs["dtype"] = info.dtype
        # With a shape of its own: the page takes a node of which it knows no cost or size for unused.
        self.add(path[:-1], path[-1], "Output", edges, (info,), attrs).allocates = False

    def _outside(self, path: Scope) -> Scope:
        """A path that begins with the name of no module, so that it is not drawn within one."""
        while len(path) > 1 and path[:1] in self._modules:
            path = (path[0] + "_", *path[1:])
        return path

    def tensor(self, path: Scope, tensor: torch.Tensor, *, constant: bool = False) -> Ref:
        """The one node of a parameter, buffer or constant.

        Args:
            path: its name if no module holds it; else it has the name under which the first module does.
            constant: whether it is written in the graph, if it is no parameter.
        """
        known = self._tensors.get(id(tensor))
        if known is not None:
            return known[1]
        path = self._paths.get(id(tensor), path)
        attrs: dict[str, Any] = {"shape": tensor.shape, "dtype": tensor.dtype}
        op = "Const" if constant else "Buffer"
        if isinstance(tensor, torch.nn.Parameter) or tensor.requires_grad:
            op = "Parameter"
            attrs |= {"parameters": tensor.numel(), "trainable": tensor.requires_grad}
        node = self.add(path[:-1], path[-1], op, (), (TensorInfo.of(tensor),), attrs)
        self._tensors[id(tensor)] = (tensor, (node, 0))
        return node, 0

    def slot(self, node: Node, index: int, info: TensorInfo | None = None) -> Ref:
        """One output of a node that gives a list of as yet unknown length."""
        while len(node.outputs) <= index:
            node.outputs.append(TensorInfo())
        if info is not None and info.shape is not None:
            node.outputs[index] = info
        return node, index

    def new_scope(self, scope: Scope, label: str) -> Scope:
        """A scope that nothing else is in, e.g. for the branches of one `if`."""
        found, count = (*scope, label), 0
        while found in self._scopes:
            count += 1
            found = (*scope, f"{label}[{count}]")
        self._scopes.add(found)
        return found

    def drop_scope(self, scope: Scope) -> None:
        """Gives back a scope of `new_scope` that nothing was put in."""
        self._scopes.discard(scope)

    def finish(self) -> messages.GraphDef:
        """Names every node and gives the GraphDef."""
        self._name()
        graph = messages.GraphDef(versions=messages.VersionDef(producer=_PRODUCER))
        for node in self.nodes:
            proto = graph.node.add(name=node.name, op=node.op, device=node.device)
            proto.input.extend(f"{n.name}:{slot}" if slot else n.name for n, slot in node.inputs)
            for key, value in node.attrs.items():
                if value is not None:
                    _put(proto.attr[key], value)
            if node.outputs:
                shapes = proto.attr["_output_shapes"].list.shape
                shapes.extend(_shape(info.shape) for info in node.outputs)
        return graph

    def _name(self) -> None:
        taken: set[str] = set()
        for node in self.nodes:
            parts = [_clean(part) for part in node.scope]
            taken.update("/".join(parts[: i + 1]) for i in range(len(parts)))
        again: dict[str, int] = {}
        for node in self.nodes:
            wanted = "/".join(_clean(part) for part in (*node.scope, node.label))
            node.name, count = wanted, again.get(wanted, 0)
            while node.name in taken:
                count += 1
                node.name = f"{wanted}[{count}]"
            again[wanted] = count
            taken.add(node.name)

    def _description(self, scope: Scope) -> dict[str, Any]:
        if scope not in self._described:
            # The second call of a module is drawn in a scope `name[1]`.
            path = tuple(re.sub(r"\[\d+\]$", "", part) for part in scope)
            self._described[scope] = _describe(self._modules[path]) if path in self._modules else {}
        return self._described[scope]


def _describe(module: torch.nn.Module) -> dict[str, Any]:
    name = getattr(module, "original_name", None) or type(module).__name__  # the former on scripted ones
    try:
        extra = module.extra_repr()
    except Exception:  # it is user code, and this is decoration
        extra = ""
    return {
        "module": f"{name}({extra})" if extra else name,
        "module_parameters": sum(p.numel() for p in module.parameters()),
    }


def _clean(part: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.\-\[\]]", "_", part) or "_"


def _text(value: object) -> bytes:
    text = str(value).replace('"', "`").replace("'", "`").replace("\\", "/")
    text = " ".join(text.split())
    if len(text) > _LONGEST_STRING:
        text = text[: _LONGEST_STRING - 3] + "..."
    return text.encode("ascii", "replace")


def _shape(shape: Sequence[int] | None) -> messages.TensorShapeProto:
    if shape is None:
        return messages.TensorShapeProto(unknown_rank=True)
    proto = messages.TensorShapeProto()
    for size in shape:
        proto.dim.add(size=size)
    return proto


def _is_int64(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _put(proto: messages.AttrValue, value: Any) -> None:
    """Sets an attribute from a Python value; what has no type of its own becomes text."""
    if isinstance(value, torch.Size):
        proto.shape.CopyFrom(_shape(value))
    elif isinstance(value, torch.dtype) and value in _DTYPES:
        proto.type = _DTYPES[value]
    elif isinstance(value, bool):
        proto.b = value
    elif _is_int64(value):
        proto.i = value
    elif isinstance(value, float):
        proto.f = value
    elif isinstance(value, list | tuple) and value and all(isinstance(v, bool) for v in value):
        proto.list.b.extend(value)
    elif isinstance(value, list | tuple) and value and all(_is_int64(v) for v in value):
        proto.list.i.extend(value)
    elif isinstance(value, list | tuple) and value and all(isinstance(v, float) for v in value):
        proto.list.f.extend(value)
    else:
        proto.s = _text(value)


def data_type(dtype: torch.dtype | None) -> Any:
    """The DataType of a torch dtype; `DT_INVALID`, 0, if TensorBoard has none."""
    return 0 if dtype is None else _DTYPES.get(dtype, 0)
