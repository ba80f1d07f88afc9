"""What is known of a value on the way through a graph that is being read.

Knows: values, their parts and the edges they stand for. Must not know: which kind of graph they are in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from eventwriter_torch.graph._nodes import Node, Ref, Scope, TensorInfo

UNKNOWN: Any = object()


class Value:
    """One value on the way through a graph.

    Attributes:
        known: the Python value, a tensor included, or UNKNOWN.
        info: what is known of a tensor without its data.
        items: the values in it, if it is a tuple, list or dict whose length is known; `keys` of a dict.
        path: the attribute path, if it is a module or another object.
        number: it is a number, a size or the like, which is written into a node and not drawn as an edge. Its
            edges, if any, are the tensors it was read from.
        producer: the node that gives this list, if its length is not known yet.
    """

    __slots__ = ("_edges", "info", "items", "keys", "known_alone", "number", "path", "producer")

    def __init__(
        self,
        edges: Sequence[Ref] | Callable[[], Sequence[Ref]] = (),
        *,
        known: Any = UNKNOWN,
        info: TensorInfo | None = None,
        items: list[Value] | None = None,
        keys: list[Any] | None = None,
        path: Scope = (),
        number: bool = False,
        producer: Node | None = None,
    ) -> None:
        self._edges = edges
        self.known_alone = known
        self.info = info or TensorInfo()
        self.items = items
        self.keys = keys
        self.path = path
        self.number = number
        self.producer = producer

    @property
    def edges(self) -> Sequence[Ref]:
        """Where its data come from. A parameter's node is made when this is first asked for."""
        if self.items is not None:
            return [edge for item in self.items for edge in item.edges]
        if callable(self._edges):
            self._edges = self._edges()
        return self._edges

    @property
    def known(self) -> Any:
        """The Python value, put together from its items if it has any."""
        if self.items is None:
            return self.known_alone
        values = [item.known for item in self.items]
        if any(value is UNKNOWN for value in values):
            return UNKNOWN
        return values if self.keys is None else dict(zip(self.keys, values, strict=True))


def from_python(value: Any, edges: Sequence[Ref]) -> Value:
    """A value that an operator has just given."""
    if isinstance(value, torch.Tensor):
        return Value(edges, known=value, info=TensorInfo.of(value))
    if isinstance(value, list | tuple):
        return Value(items=[from_python(item, edges) for item in value])
    return Value(edges, known=value, number=True)
