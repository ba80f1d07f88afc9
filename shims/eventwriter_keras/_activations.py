"""What a model computes on a batch of data: the outputs of its layers and the gradients of its weights.

Knows: how to see each layer's output and each weight's gradient on each backend. Must not know: runs, files, when
something is logged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from eventwriter import EventWriter
from eventwriter_keras import _layers, _weights


class Batch:
    """Data to run a model on.

    Args:
        data: what `fit` takes for `x`, or a tuple of x and y, or of x, y and sample weights.
    """

    def __init__(self, data: Any) -> None:
        self.x, self.y, self.sample_weight = keras.utils.unpack_x_y_sample_weight(data)

    def tensors(self) -> tuple[Any, Any, Any]:
        """x, y and sample weights with tensors for arrays."""
        return tuple(
            None if part is None else keras.tree.map_structure(_tensor, part)
            for part in (self.x, self.y, self.sample_weight)
        )  # type: ignore[return-value]  # three of three


def log_activations(writer: EventWriter, model: Any, batch: Batch, step: int) -> None:
    """Log what each layer gives as `LAYER/activation/histogram`, the model in inference mode.

    LAYER is the layer's path through the models and layers it is part of. A layer that is called more than once, or
    gives more than one tensor, has a number at the end of `activation` from its second.
    """
    x, _, _ = batch.tensors()
    outputs: list[tuple[str, Any]] = []

    def remembering(_layer: Any, path: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def remember(*args: Any, **kwargs: Any) -> Any:
            output = call(*args, **kwargs)
            outputs.append((path, output))
            return output

        return remember

    with _layers.calls_replaced(model, remembering):
        _predict(model, x)
    counts: dict[str, int] = {}
    for path, output in outputs:
        for tensor in keras.tree.flatten(output):
            if not keras.ops.is_tensor(tensor) or keras.backend.standardize_dtype(tensor.dtype) == "string":
                continue
            count = counts[path] = counts.get(path, -1) + 1
            writer.histogram(f"{path}/activation{f'_{count}' if count else ''}/histogram", tensor, step)


def log_gradients(writer: EventWriter, model: Any, batch: Batch, step: int) -> None:
    """Log the gradient of the loss on the batch as `WEIGHT/gradient/histogram`, the model in inference mode."""
    x, y, sample_weight = batch.tensors()
    trainable = {id(weight) for weight in model.trainable_weights}
    weights = [(tag, weight) for tag, weight in _weights.weights(model) if id(weight) in trainable]

    def loss() -> Any:
        return model.compute_loss(x, y, model(x, training=False), sample_weight, training=False)

    gradients = _GRADIENTS[keras.backend.backend()](loss, [weight for _, weight in weights])
    for (tag, _), gradient in zip(weights, gradients, strict=True):
        if gradient is not None:
            writer.histogram(f"{tag}/gradient/histogram", gradient, step)


# ---- the model


def _predict(model: Any, x: Any) -> None:
    if keras.backend.backend() == "torch":
        import torch

        with torch.no_grad():
            model(x, training=False)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.summary.record_if(False):  # what layers log themselves is of batches
            model(x, training=False)
    else:
        model(x, training=False)


def _tensor(data: Any) -> Any:
    return None if data is None else keras.ops.convert_to_tensor(data)


# ---- gradients


def _gradients_tensorflow(loss: Callable[[], Any], variables: list[Any]) -> list[Any]:
    import tensorflow as tf

    values = [variable.value for variable in variables]
    with tf.summary.record_if(False), tf.GradientTape() as tape:
        total = loss()
    gradients: list[Any] = tape.gradient(total, values)
    # An embedding's is sparse.
    return [None if gradient is None else tf.convert_to_tensor(gradient) for gradient in gradients]


def _gradients_torch(loss: Callable[[], Any], variables: list[Any]) -> list[Any]:
    import torch

    with torch.enable_grad():
        values = [variable.value for variable in variables]
        return list(torch.autograd.grad(loss(), values, allow_unused=True))


def _gradients_jax(loss: Callable[[], Any], variables: list[Any]) -> list[Any]:
    import jax

    def of(values: list[Any]) -> Any:
        with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
            return loss()

    gradients: list[Any] = jax.grad(of)([variable.value for variable in variables])
    return gradients


_GRADIENTS: dict[str, Callable[[Callable[[], Any], list[Any]], list[Any]]] = {
    "tensorflow": _gradients_tensorflow,
    "torch": _gradients_torch,
    "jax": _gradients_jax,
}
