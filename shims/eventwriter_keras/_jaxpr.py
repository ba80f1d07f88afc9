"""A jax function as a graph for TensorBoard.

Knows: jaxprs, GraphDef. Must not know: Keras, models, runs. Imported on the jax backend only.

Each equation is a node named after its primitive, in the scope of the layer it comes from. What an equation calls
(a jitted function, a branch, a loop's body) is a scope of its own, in the equation's place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from eventwriter import proto

# TensorBoard keeps the attributes of every node in the browser.
_LONGEST_ATTRIBUTE = 200

# A transformation's scope is like `vmap(abc,cd->abd)`.
_ODD = re.compile(r"[^\w.-]+")

_DTYPES = {
    "bool": proto.DT_BOOL,
    "int8": proto.DT_INT8,
    "int16": proto.DT_INT16,
    "int32": proto.DT_INT32,
    "int64": proto.DT_INT64,
    "uint8": proto.DT_UINT8,
    "uint16": proto.DT_UINT16,
    "uint32": proto.DT_UINT32,
    "uint64": proto.DT_UINT64,
    "float16": proto.DT_HALF,
    "bfloat16": proto.DT_BFLOAT16,
    "float32": proto.DT_FLOAT,
    "float64": proto.DT_DOUBLE,
    "complex64": proto.DT_COMPLEX64,
    "complex128": proto.DT_COMPLEX128,
}


def graph(function: Callable[..., Any], parameters: Mapping[str, Any], arguments: Sequence[Any]) -> proto.GraphDef:
    """The graph of `function(list of parameters, *arguments)`. The function is traced, not run.

    Args:
        parameters: name to array or ShapeDtypeStruct.
        arguments: arrays, ShapeDtypeStructs, or pytrees of them.
    """
    closed = jax.make_jaxpr(function)(list(parameters.values()), *arguments)
    pen = _Pen()
    names = list(parameters)
    inputs: list[str | None] = []
    for var in closed.jaxpr.invars:
        place = len(inputs)
        name, op = (names[place], "Parameter") if place < len(names) else ("input", "Input")
        inputs.append(pen.node(name, op, [], [var]))
    for output in _draw(closed, inputs, "", pen):
        if output is not None:
            pen.node("output", "Output", [output], [])
    pen.drop_unused("Parameter")
    return pen.graph


class _Pen:
    """Adds nodes with names of their own."""

    def __init__(self) -> None:
        self.graph = proto.GraphDef()
        self.graph.versions.producer = 22
        self._counts: dict[str, int] = {}

    def node(
        self,
        name: str,
        op: str,
        inputs: Sequence[str | None],
        outputs: Sequence[Any],
        params: Mapping[str, Any] | None = None,
    ) -> str:
        node = self.graph.node.add(name=self.name(name), op=op)
        # A value used twice by a node is one line; a literal is none.
        node.input.extend(dict.fromkeys(name for name in inputs if name is not None))
        for name_, value in (params or {}).items():
            text = str(value)
            if value is not None and len(text) <= _LONGEST_ATTRIBUTE:
                node.attr[name_].s = text.encode(errors="replace")
        shapes = [out.aval for out in outputs if hasattr(out.aval, "shape")]
        for aval in shapes:
            shape = node.attr["_output_shapes"].list.shape.add()
            for size in aval.shape:
                shape.dim.add(size=size if isinstance(size, int) else -1)
        if shapes and str(shapes[0].dtype) in _DTYPES:
            node.attr["T"].type = _DTYPES[str(shapes[0].dtype)]
        return str(node.name)

    def drop_unused(self, op: str) -> None:
        """Remove the nodes of an op that no other node has as an input."""
        used = {name for node in self.graph.node for name in node.input}
        kept = [node for node in self.graph.node if node.op != op or node.name in used]
        del self.graph.node[:]
        self.graph.node.extend(kept)

    def name(self, name: str) -> str:
        """The name, with a number at its end if there is one like it."""
        count = self._counts[name] = self._counts.get(name, -1) + 1
        return self.name(f"{name}_{count}") if count else name


def _draw(closed: ClosedJaxpr | Jaxpr, inputs: Sequence[str | None], scope: str, pen: _Pen) -> list[str | None]:
    """Add a jaxpr's equations; the nodes that give its results (None for a literal)."""
    jaxpr = closed.jaxpr if isinstance(closed, ClosedJaxpr) else closed
    known: dict[Any, str | None] = dict(zip(jaxpr.invars, inputs, strict=True))
    known |= {var: pen.node(f"{scope}const", "Const", [], [var]) for var in jaxpr.constvars}

    def of(var: Any) -> str | None:
        return None if isinstance(var, Literal) else known.get(var)

    for equation in jaxpr.eqns:
        within = scope + "".join(f"{part}/" for part in _scopes(equation))
        results = _equation(equation, [of(var) for var in equation.invars], within, pen)
        known |= dict(zip(equation.outvars, results, strict=True))
    return [of(var) for var in jaxpr.outvars]


def _equation(equation: Any, inputs: list[str | None], scope: str, pen: _Pen) -> Sequence[str | None]:
    """Add one equation; the nodes that give its results."""
    primitive = equation.primitive.name
    inner = {name: part for name, part in equation.params.items() if isinstance(part, (ClosedJaxpr, Jaxpr))}
    branches = equation.params.get("branches", ())
    if not inner and not branches:
        node = pen.node(f"{scope}{primitive}", primitive, inputs, equation.outvars, equation.params)
        return [node] * len(equation.outvars)
    name = pen.name(scope + (_ODD.sub("_", str(equation.params.get("name") or "")).strip("_") or primitive))
    if len(inner) == 1 and primitive not in ("scan", "while"):
        (called,) = inner.values()
        return _draw(called, inputs[-len(_invars(called)) :] if _invars(called) else [], f"{name}/", pen)
    results: list[str | None] = []
    if branches:
        results.append(inputs[0])
        for branch in branches:
            results += _draw(branch, inputs[1:], f"{name}/", pen)
    elif primitive == "while":
        cond, body = equation.params["cond_nconsts"], equation.params["body_nconsts"]
        carry = inputs[cond + body :]
        results += _draw(inner["cond_jaxpr"], inputs[:cond] + carry, f"{name}/cond/", pen)
        results += _draw(inner["body_jaxpr"], inputs[cond : cond + body] + carry, f"{name}/body/", pen)
    else:
        for called in inner.values():
            results += _draw(called, inputs[-len(_invars(called)) :] if _invars(called) else [], f"{name}/", pen)
    node = pen.node(f"{name}/{primitive}", primitive, results, equation.outvars)
    return [node] * len(equation.outvars)


def _invars(called: ClosedJaxpr | Jaxpr) -> list[Any]:
    return list(called.jaxpr.invars if isinstance(called, ClosedJaxpr) else called.invars)


def _scopes(equation: Any) -> list[str]:
    """The names of the scopes that an equation is in, as far as a node's name takes them."""
    names = (_ODD.sub("_", part).strip("_") for part in str(equation.source_info.name_stack).split("/"))
    return [name for name in names if name]
