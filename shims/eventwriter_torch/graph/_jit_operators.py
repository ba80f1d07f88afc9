"""The operators of a torch.jit graph: their schemas, their types, and how to run one.

Knows: torch.jit's schemas and types. Must not know: the walk through a graph (`_jit`).

torch types its graphs only in part (`torch._C.Value` and its types have no stubs), hence the `Any`s.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch

from eventwriter_torch.graph._nodes import TensorInfo
from eventwriter_torch.graph._values import UNKNOWN, Value


class Argument(NamedTuple):
    """One argument of an operator."""

    name: str
    keyword_only: bool
    is_dtype: bool


class Schema(NamedTuple):
    """The part of an operator's schema that matters here."""

    name: str
    overload: str
    arguments: tuple[Argument, ...]
    on_list: bool  # its first argument is a list of anything, or a dict
    views: bool  # what it returns is memory of one of its arguments


@lru_cache(maxsize=1024)
def schema(text: str) -> Schema | None:
    """The schema of a node by its text, `Node.schema()`; None if there is none."""
    try:
        parsed: Any = torch._C.parse_schema(text)
    except RuntimeError:
        return None
    given = parsed.arguments
    arguments = tuple(Argument(a.name, a.kwarg_only, "ScalarType" in str(a.real_type)) for a in given)
    first = str(given[0].type) if given else ""
    returned = parsed.returns
    views = bool(returned) and returned[0].alias_info is not None
    return Schema(parsed.name, parsed.overload_name or "default", arguments, _is_container(first), views)


def _is_container(type_text: str) -> bool:
    return type_text.startswith(("List[t]", "Dict["))


# Operators that torch.ops does not offer, since their schemas are generic.
_PYTHON: dict[str, Callable[..., Any]] = {
    "aten::len": len,
    "aten::__getitem__": operator.getitem,
    "aten::__contains__": operator.contains,
    "aten::__is__": operator.is_,
    "aten::__isnot__": operator.is_not,
    "aten::__not__": operator.not_,
    "aten::Bool": bool,
    "aten::Int": int,
    "aten::Float": float,
    "prim::unchecked_cast": lambda value: value,
    "prim::NumToTensor": torch.tensor,
}


def evaluate(kind: str, of: Schema | None, args: Sequence[Any]) -> Any:
    """Runs one operator.

    Raises:
        Exception: whatever the operator raises, or LookupError if it cannot be run from Python.
    """
    if kind in _PYTHON:
        return _PYTHON[kind](*args)
    if of is None or len(of.arguments) < len(args):
        raise LookupError(kind)
    namespace, _, name = of.name.partition("::")
    packet = getattr(getattr(torch.ops, namespace), name)
    positional = [arg for arg, spec in zip(args, of.arguments, strict=False) if not spec.keyword_only]
    named = {spec.name: arg for arg, spec in zip(args, of.arguments, strict=False) if spec.keyword_only}
    return getattr(packet, of.overload)(*positional, **named)


# By number, as a dtype is an int in a torch.jit graph (c10/core/ScalarType.h).
_DTYPES = [
    *("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"),
    *("complex32", "complex64", "complex128", "bool", "qint8", "quint8", "qint32", "bfloat16"),
]


def attribute(value: Any, argument: Argument | None) -> Any:
    """A known argument as the attribute of a node; None for what is not worth showing."""
    if isinstance(value, torch.Tensor):
        return value.item() if value.dim() == 0 and value.device.type != "meta" else None
    if argument is not None and argument.is_dtype and isinstance(value, int) and value < len(_DTYPES):
        return getattr(torch, _DTYPES[value])
    if isinstance(value, dict):
        return None
    if isinstance(value, list) and any(item is None or isinstance(item, torch.Tensor) for item in value):
        return None
    return value


def carries_tensor(kind: Any) -> bool:
    """Whether a value of this torch.jit type is a tensor or may hold some."""
    name = kind.kind()
    if name in ("ListType", "OptionalType", "FutureType", "AwaitType"):
        return carries_tensor(kind.getElementType())
    if name == "DictType":
        return carries_tensor(kind.getValueType())
    if name == "TupleType":
        return any(carries_tensor(element) for element in kind.elements())
    return name in ("TensorType", "AnyType", "UnionType")


def typed_info(value: Any) -> TensorInfo:
    """What the type of a torch.jit value says of a tensor."""
    kind = value.type()
    if kind.kind() != "TensorType":
        return TensorInfo()
    sizes = kind.sizes()
    return TensorInfo(None if sizes is None else tuple(sizes), kind.dtype(), kind.device())


# What these say of a tensor does not depend on its data.
_ABOUT = {
    *("aten::size", "aten::dim", "aten::numel", "aten::len", "aten::is_floating_point", "aten::is_complex"),
    *("aten::__is__", "aten::__isnot__", "prim::shape", "prim::dtype", "prim::device", "prim::layout"),
    *("prim::is_cuda", "aten::is_contiguous", "aten::stride", "aten::requires_grad"),
}


def number(kind: str, of: Schema | None, arguments: list[Value]) -> Value:
    """A size, flag or number. Worked out if possible; what tensor it was read from is kept."""
    known = [argument.known for argument in arguments]
    result = UNKNOWN
    shape = arguments[0].info.shape if arguments else None
    if kind == "aten::size" and shape is not None:
        result = list(shape)
        if len(known) > 1:
            result = UNKNOWN if known[1] is UNKNOWN else shape[known[1]]
    elif kind == "aten::dim" and shape is not None:
        result = len(shape)
    elif not any(value is UNKNOWN for value in known):
        try:
            result = evaluate(kind, of, known)
        except Exception:  # then it stays unknown
            result = UNKNOWN
    if kind in _ABOUT or kind.partition("::")[2].startswith("is_"):
        return Value(known=result, number=True)
    return Value(lambda: [edge for argument in arguments for edge in argument.edges], known=result, number=True)


def is_arithmetic(node: Any, outputs: list[Any], arguments: list[Value]) -> bool:
    """Whether tensors here are only sizes in disguise: in a trace, `x.size(0) * 2` is done on tensors."""
    if node.kind() == "prim::NumToTensor":
        return True
    return (
        all(argument.number for argument in arguments)
        and any(value.type().kind() == "TensorType" for value in node.inputs())
        and all(typed_info(output).shape == () for output in outputs)
    )


def is_constant(argument: Value) -> bool:
    edges = argument.edges
    return len(edges) == 1 and edges[0][0].op == "Const"


def readable(kind: str, arguments: list[Value]) -> tuple[str, str]:
    """The label and op of an operator; torch's one convolution by what users call it."""
    if kind == "aten::_convolution":
        shape = arguments[1].info.shape
        transposed = len(arguments) > 6 and arguments[6].known is True
        dims = f"{len(shape) - 2}d" if shape is not None else ""
        kind = f"aten::conv_transpose{dims}" if transposed else f"aten::conv{dims}"
    name = kind.rpartition("::")[2]
    return name.strip("_") or name, kind
