"""A model's layers, at any depth, and how to step into their calls.

Knows: how layers contain each other. Must not know: backends, runs, why anybody steps in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

# A layer, its path and its own `call`, to what is called in its place.
Replace = Callable[[Any, str, Callable[..., Any]], Callable[..., Any]]


def walk(model: Any) -> Iterator[tuple[str, Any]]:
    """Each layer within a model once, after what it is part of, with its path: names with a slash between.

    Names need not differ within what they are part of; then the second has `_1` at its end.
    """
    seen = {id(model)}

    def within(parent: Any, scope: str) -> Iterator[tuple[str, Any]]:
        counts: dict[str, int] = {}
        for layer in parent._flatten_layers(include_self=False, recursive=False):
            if id(layer) not in seen:
                seen.add(id(layer))
                count = counts[layer.name] = counts.get(layer.name, -1) + 1
                path = f"{scope}{layer.name}{f'_{count}' if count else ''}"
                yield path, layer
                yield from within(layer, f"{path}/")

    return within(model, "")


@contextmanager
def calls_replaced(model: Any, replace: Replace) -> Iterator[None]:
    """For as long as this lasts, each layer's `call` is what `replace` makes of it.

    Whatever kind of model it is, a layer's `__call__` ends in its `call`, which an attribute of the layer hides.
    """
    replaced: list[Any] = []
    try:
        for path, layer in walk(model):
            if not isinstance(layer, keras.layers.InputLayer) and "call" not in vars(layer):
                # Not through the layer's own __setattr__, which would track it.
                object.__setattr__(layer, "call", replace(layer, path, layer.call))
                replaced.append(layer)
        yield
    finally:
        for layer in replaced:
            object.__delattr__(layer, "call")
