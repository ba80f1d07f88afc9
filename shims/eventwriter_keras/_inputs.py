"""What a model takes, as shapes and dtypes.

Knows: where each kind of model keeps it. Must not know: graphs, backends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

Arguments = tuple[tuple[Any, ...], dict[str, Any]]

# For a dimension that may have any size.
_ANY = 32


def specs(model: Any) -> Arguments:
    """Positional and keyword arguments of the model's `call`, with a KerasTensor in each tensor's place.

    Raises ValueError if the model was not built.
    """
    struct = getattr(model, "_inputs_struct", None)
    if struct is not None:  # functional
        return (struct,), {}
    if getattr(model, "inputs", None):  # sequential
        return (model.inputs[0],), {}
    config = model.get_build_config()
    if config and "shapes_dict" in config:
        shapes = config["shapes_dict"]
        return (), {name.removesuffix("_shape"): _tensors(shape) for name, shape in shapes.items()}
    if config and config.get("input_shape") is not None:
        return (_tensors(config["input_shape"]),), {}
    raise ValueError(f"model {model.name}: want one that is built, got one that has not seen data")


def map(function: Callable[[Any], Any], arguments: Arguments) -> Arguments:  # noqa: A001 -- what it is
    """The arguments with `function`'s result in each tensor's place."""
    mapped: Any = keras.tree.map_structure(function, arguments)
    return mapped  # type: ignore[no-any-return]  # Keras has no types


def sized(spec: Any) -> tuple[int, ...]:
    """A shape with a batch of one, and a size for each dimension that has none."""
    return (1, *(_ANY if size is None else size for size in spec.shape[1:]))


def _tensors(shape: Any) -> Any:
    """A structure of shapes as a structure of tensors."""
    if isinstance(shape, dict):
        return {name: _tensors(part) for name, part in shape.items()}
    if all(size is None or isinstance(size, int) for size in shape):
        return keras.KerasTensor((None, *shape[1:]), dtype=keras.config.floatx())
    return type(shape)(_tensors(part) for part in shape)
