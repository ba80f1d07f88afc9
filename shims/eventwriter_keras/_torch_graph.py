"""A Keras model on the torch backend, as the module tree that torch's tracer knows.

Knows: how torch names what it traces, and that a Keras layer's `__call__` ends in its `call`. Must not know: runs,
files. Imported on the torch backend only.

Keras's layers are torch modules, but are not called as such: a trace of the model as it is has neither layers nor
names of weights. So it is traced through a tree of plain modules, one for each layer, under the layers' names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from eventwriter_torch.graph import build

from eventwriter_keras import _inputs, _layers


def graph(model: Any) -> tuple[Any, Any] | None:
    """The GraphDef and the RunMetadata of the forward pass; None, with a warning, if it cannot be traced."""
    device = next((variable.value.device for variable in model.variables), torch.device("cpu"))

    def zeros(spec: Any) -> Any:
        return torch.zeros(_inputs.sized(spec), dtype=getattr(torch, spec.dtype), device=device)

    args, kwargs = _inputs.map(zeros, _inputs.specs(model))
    tree = _tree(model)
    modules = {id(module.layer): module for module in tree.modules() if isinstance(module, _Layer)}
    with _layers.calls_replaced(model, lambda layer, _path, call: modules[id(layer)].through(call)):
        built: tuple[Any, Any] | None = build(tree, args, kwargs=kwargs)
    return built


class _Layer(torch.nn.Module):
    """Stands for a layer in the tree; has its weights."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        # In a list, so that torch does not take the layer for a module of the tree.
        self._of = [layer]
        self._calls: list[Callable[..., Any]] = []

    @property
    def layer(self) -> Any:
        return self._of[0]

    def through(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The layer's `call` as a call of this module."""
        self._calls = [call]
        return self.__call__

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._calls[0](*args, **kwargs)


class _Model(_Layer):
    """Stands for the model."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.layer(*args, **kwargs, training=False)


class _OneInput(_Model):
    """Stands for a model of one argument, which has a name in the graph then."""

    def forward(self, inputs: Any) -> Any:  # the tracer looks at the names
        return self.layer(inputs, training=False)


def _tree(model: Any) -> _Model:
    args, kwargs = _inputs.specs(model)
    root: _Model = _OneInput(model) if len(args) == 1 and not kwargs else _Model(model)
    modules: dict[str, _Layer] = {"": root}
    for path, layer in _layers.walk(model):
        parent, _, name = path.rpartition("/")
        modules[path] = _Layer(layer)
        modules[parent].add_module(_name(name, dict(modules[parent].named_children())), modules[path])
    # A weight is the innermost layer's that has it.
    given: set[int] = set()
    for module in reversed(modules.values()):
        for weight in module.layer.weights:
            if id(weight) not in given and isinstance(weight.value, torch.nn.Parameter):
                given.add(id(weight))
                module.register_parameter(_name(weight.name, dict(module.named_parameters())), weight.value)
    return root


def _name(name: str, others: Mapping[str, Any]) -> str:
    """A name that torch takes."""
    name = name.replace(".", "_")
    return _name(f"{name}_", others) if name in others or hasattr(torch.nn.Module(), name) else name
