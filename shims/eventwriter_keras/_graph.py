"""The graph of a model's or a function's ops, as each backend has it.

Knows: how to get at a graph on each backend without running anything the user would notice. Must not know: runs,
files, the conceptual graph.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras

from eventwriter import EventWriter, proto
from eventwriter_keras import _inputs

_log = logging.getLogger("eventwriter")


def log(writer: EventWriter, model: Any) -> None:
    """Log the graph of a model that has trained a batch as the run's graph.

    tensorflow: the whole train step; nothing if the model runs eagerly. torch and jax: the forward pass.
    """
    backend = keras.backend.backend()
    try:
        if backend == "tensorflow":
            step = train_step(model)
            if step is not None:
                writer.graph(step)
        elif backend == "torch":
            from eventwriter_keras import _torch_graph

            built = _torch_graph.graph(model)
            if built is not None:
                writer.graph(built[0], run_metadata=built[1])
        elif backend == "jax":
            writer.graph(_jax_model(model))
    except Exception as error:  # a graph that cannot be drawn is no reason to end a training
        _log.warning("write_graph: the graph of %s is not logged: %s", model.name, error)


def log_function(writer: EventWriter, tag: str, function: Callable[..., Any], specs: Sequence[Any]) -> None:
    """Log the graph of a function as the tag's graph."""
    message = proto.Summary()
    value = message.value.add(tag=tag)
    value.metadata.plugin_data.plugin_name = "graph_run_metadata_graph"
    value.metadata.plugin_data.content = b"1"
    run_metadata = proto.RunMetadata()
    run_metadata.function_graphs.add().pre_optimization_graph.MergeFromString(_function(function, specs))
    value.tensor.dtype = proto.DT_STRING
    value.tensor.tensor_shape.SetInParent()
    value.tensor.string_val.append(run_metadata.SerializeToString())
    writer.event(message, 0)


def _function(function: Callable[..., Any], specs: Sequence[Any]) -> bytes:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        traced: Any = function if hasattr(function, "get_concrete_function") else tf.function(function)
        content: bytes = traced.get_concrete_function(*specs).graph.as_graph_def().SerializeToString()
        return content
    if backend == "torch":
        from eventwriter_torch.graph import build

        built = build(function, tuple(specs))
        if built is None:
            raise ValueError("write_function: want a function that torch can trace, got one that it cannot")
        return built[0].SerializeToString()
    if backend == "jax":
        from eventwriter_keras import _jaxpr

        return _jaxpr.graph(lambda _, *arguments: function(*arguments), {}, specs).SerializeToString()
    raise ValueError(f"write_function: want the backend tensorflow, torch or jax, got {backend}")


# ---- tensorflow


def train_step(model: Any) -> Any:
    """The graph of the train step as TensorFlow traced it last; None before the first batch, and without tf.function.

    Keras's `train_function` is a plain function around a `tf.function` that fetches the data, around one that trains
    on them: of these the innermost.
    """
    found = None
    for function in _functions(getattr(model, "train_function", None), set()):
        concrete = function._list_all_concrete_functions()
        if concrete:
            found = concrete[-1].graph
    return found


def _functions(function: Any, seen: set[int]) -> Iterator[Any]:
    """The tf.functions within a function's closure, at any depth, the outer before the inner."""
    if function is None or id(function) in seen or isinstance(function, (type, keras.Model)):
        return
    seen.add(id(function))
    if hasattr(function, "_list_all_concrete_functions"):
        yield function
        function = function.python_function
    # __wrapped__ comes back to a method's own function, whose closure is what counts.
    for cell in getattr(function, "__closure__", None) or ():
        try:
            inner = cell.cell_contents
        except ValueError:  # not filled
            continue
        if callable(inner):
            yield from _functions(inner, seen)


# ---- jax


def _jax_model(model: Any) -> proto.GraphDef:
    import jax

    from eventwriter_keras import _jaxpr

    def struct(spec: Any) -> Any:
        return jax.ShapeDtypeStruct(_inputs.sized(spec), spec.dtype)

    def forward(values: list[Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return model(*args, **kwargs, training=False)

    variables = [*model.trainable_variables, *model.non_trainable_variables]
    # While batches are trained Keras's variables have no values, but shapes.
    parameters: dict[str, Any] = {}
    for variable in variables:
        # As the scopes are called in which it is used: all ops are in the model's.
        name = variable.path if variable.path.startswith(f"{model.name}/") else f"{model.name}/{variable.path}"
        while name in parameters:
            name += "_"
        parameters[name] = jax.ShapeDtypeStruct(variable.shape, variable.dtype)
    return _jaxpr.graph(forward, parameters, _inputs.map(struct, _inputs.specs(model)))
