"""A model as the JSON from which TensorBoard draws its conceptual graph.

Knows: a model's config, and what TensorBoard's graphs plugin reads of it (tensorboard/plugins/graph/keras_util.py).
Must not know: runs, files, the graph of ops.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras

from eventwriter import proto
from eventwriter_keras import _inputs

_log = logging.getLogger("eventwriter")

TAG = "keras"


def is_ready(model: Any) -> bool:
    """Whether all that is to be drawn is there: a subclass of Model has no inputs before it saw data."""
    return bool(model.built) or isinstance(model, keras.Sequential) or hasattr(model, "_inputs_struct")


def summary(model: Any) -> proto.Summary | None:
    """The model for the plugin "graph_keras_model"; None, with a warning, if there is no way to draw it."""
    try:
        with _without_tensorflow(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of parts that could not be loaded again, which nobody will do
            text = _json(model)
    except Exception as error:
        _log.warning("write_graph: the model has no JSON, its conceptual graph is not logged: %s", error)
        return None
    message = proto.Summary()
    value = message.value.add(tag=TAG)
    value.metadata.plugin_data.plugin_name = "graph_keras_model"
    value.metadata.plugin_data.content = b"1"
    value.tensor.dtype = proto.DT_STRING
    value.tensor.tensor_shape.SetInParent()
    value.tensor.string_val.append(text.encode())
    return message


@contextmanager
def _without_tensorflow() -> Iterator[None]:
    """Keep Keras from importing TensorFlow to see whether a part of a config is one of its types.

    That takes seconds where TensorFlow is installed, and what was not imported yet cannot be in a config.
    """
    lazy: Any = getattr(sys.modules.get("keras.src.utils.module_utils"), "tensorflow", None)
    if "tensorflow" in sys.modules or getattr(lazy, "_available", True) is not None:
        yield
        return
    lazy._available = False
    try:
        yield
    finally:
        lazy._available = None


def _json(model: Any) -> str:
    """The model's own JSON where TensorBoard can draw it, else JSON that it can draw."""
    text: str = model.to_json()
    config = json.loads(text)
    if "layers" in config["config"]:
        drawable = _drawable(config)
        return text if drawable == config else json.dumps(drawable)
    # A subclass of Model says nothing of its layers. What its `call` does with symbolic tensors does.
    try:
        twin: str = _twin(model).to_json()
        return json.dumps(_drawable(json.loads(twin)))
    except Exception as error:
        _log.debug("write_graph: `call` takes no symbolic tensors, only the layers are drawn: %s", error)
        return json.dumps(_layers(model))


def _drawable(config: Any) -> Any:
    """A layer's config in which each call has its tensors and nothing else as arguments.

    TensorBoard does not look for tensors in keyword arguments, nor deeper than in a list, and gives up at an argument
    that is no tensor, or at outputs that are no list.
    """
    inner = config.get("config")
    if not isinstance(inner, dict) or "layers" not in inner:
        return config
    layers = []
    for layer in inner["layers"]:
        layer = _drawable(layer)
        if "inbound_nodes" in layer:
            calls = [{"args": _tensors(call), "kwargs": {}} for call in layer["inbound_nodes"]]
            if calls != [{"args": _flat(call.get("args", ())), "kwargs": {}} for call in layer["inbound_nodes"]]:
                layer = {**layer, "inbound_nodes": calls}
        layers.append(layer)
    inner = {**inner, "layers": layers}
    for name in ("input_layers", "output_layers"):
        if isinstance(inner.get(name), dict):
            inner[name] = list(inner[name].values())
    return {**config, "config": inner}


def _flat(arguments: Any) -> list[Any]:
    """Arguments as TensorBoard sees them: lists within the list are taken apart, once."""
    return [part for argument in arguments for part in (argument if isinstance(argument, list) else [argument])]


def _tensors(data: Any) -> list[Any]:
    """All tensors anywhere in a call's arguments."""
    if isinstance(data, dict):
        if data.get("class_name") == "__keras_tensor__":
            return [data]
        return [tensor for part in data.values() for tensor in _tensors(part)]
    if isinstance(data, list):
        return [tensor for part in data for tensor in _tensors(part)]
    return []


def _twin(model: Any) -> Any:
    """A functional model of the same layers, connected as the model's `call` does it."""
    args, kwargs = _inputs.specs(model)
    symbols: Any = keras.tree.map_structure(lambda spec: keras.Input(spec.shape[1:], dtype=spec.dtype), (args, kwargs))
    return keras.Model(keras.tree.flatten(symbols), model.call(*symbols[0], **symbols[1]), name=model.name)


def _layers(model: Any) -> dict[str, Any]:
    """A config of a model's layers side by side."""
    layers = [
        {
            "class_name": type(layer).__name__,
            "config": {"name": layer.name, "dtype": str(layer.compute_dtype)},
            "inbound_nodes": [],
        }
        for layer in model.layers
    ]
    return {"class_name": type(model).__name__, "config": {"name": model.name, "layers": layers}}
