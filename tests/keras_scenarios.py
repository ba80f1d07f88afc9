"""What the callback does beyond Keras's own, tried on the backend of this process: see `keras_trainings`.

Each function gets a folder to log into and returns facts (JSON) for the tests to look at, beside what it logged. What
only the process itself can see is asserted here.
"""

from __future__ import annotations

import copy
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
from eventwriter_keras import TensorBoard
from keras import layers
from keras_trainings import compilation, data, seeded

BACKEND = os.environ["KERAS_BACKEND"]


def fit(model: Any, board: Any, x: Any, y: Any, **options: Any) -> None:
    options = {"epochs": 2, "batch_size": 8, "shuffle": False, "verbose": 0} | options
    model.fit(x, y, callbacks=[board] if not isinstance(board, list) else board, **options)


def compiled(model: Any, optimizer: Any = None, **options: Any) -> Any:
    model.compile(optimizer or keras.optimizers.SGD(0.05), "mse", **compilation(BACKEND), **options)
    return model


def floats(array: Any) -> list[float]:
    return [float(number) for number in np.asarray(keras.ops.convert_to_numpy(array)).ravel()]


class Block(layers.Layer):
    """A layer of layers, one of which it calls twice."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.inner = layers.Dense(4, activation="relu", name="inner", kernel_initializer=seeded(5))
        self.drop = layers.Dropout(0.5, name="drop")

    def call(self, x: Any) -> Any:
        return self.drop(self.inner(self.inner(x)))


class Custom(keras.Model):
    """A subclass of Model, whose `call` uses nothing but Keras."""

    def __init__(self) -> None:
        super().__init__(name="custom")
        self.block = Block(name="block")
        self.norm = layers.BatchNormalization(name="norm")
        self.last = layers.Dense(1, name="last", kernel_initializer=seeded(6))

    def call(self, x: Any) -> Any:
        return self.last(keras.ops.tanh(self.norm(self.block(x))))


# ---- activations and gradients


def activations(logdir: str) -> dict[str, Any]:
    """A subclassed model with a block in it: outputs of its layers, and what they are."""
    x, y, _, _ = data("functional")
    model = compiled(Custom())
    board = TensorBoard(logdir, histogram_freq=1, activation_data=x[:6])
    fit(model, board, x, y, epochs=1)
    assert not any("call" in vars(layer) for layer in (model.block, model.block.inner, model.norm, model.last))
    inner = model.block.inner(model.block.inner(keras.ops.convert_to_tensor(x[:6])))
    return {"block": floats(inner), "last": floats(model(x[:6], training=False))}


def gradients(logdir: str) -> dict[str, Any]:
    """A linear model: its gradients by hand."""
    x, y, _, _ = data("functional")
    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1, name="linear")], name="line"))
    board = TensorBoard(logdir, histogram_freq=1, activation_data=(x[:8], y[:8]), write_grads=True)
    fit(model, board, x, y, epochs=1)
    kernel, bias = (np.asarray(keras.ops.convert_to_numpy(weight)) for weight in model.weights)
    error = x[:8] @ kernel + bias - y[:8]
    return {"kernel": floats(2 * x[:8].T @ error / 8), "bias": floats(2 * error.mean(axis=0))}


def activations_of_wrong_data(logdir: str) -> dict[str, Any]:
    """Data that does not fit the model."""
    x, y, _, _ = data("functional")
    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1, name="linear")], name="line"))
    with Warnings() as warnings:
        fit(model, TensorBoard(logdir, histogram_freq=1, activation_data=x[:6, :3]), x, y)
    return {"warnings": warnings.texts}


# ---- graphs


def graph_functional(logdir: str) -> None:
    """Convolutions, a layer shared by two branches, an op with a number among its arguments, a keyword argument."""
    inputs = keras.Input((6, 6, 1), name="pixels")
    shared = layers.Conv2D(2, 3, name="shared", activation="relu", padding="same")
    left = shared(inputs)
    right = shared(left[..., :1] * 2.0)
    both = layers.Add(name="sum")([left, right])
    rows = layers.Reshape((6, 12), name="rows")(both)
    attended = layers.MultiHeadAttention(1, 2, name="attention")(rows, value=rows)
    outputs = layers.Dense(1, name="outputs")(layers.Flatten(name="flat")(attended))
    x, y, _, _ = data("convolutional")
    # jax would compile for seconds.
    model = compiled(keras.Model(inputs, outputs, name="branches"), run_eagerly=BACKEND == "jax")
    fit(model, TensorBoard(logdir), x, y, epochs=1, steps_per_epoch=2)


def graph_subclassed(logdir: str) -> None:
    x, y, _, _ = data("functional")
    fit(compiled(Custom()), TensorBoard(logdir), x, y, epochs=1)


class Opaque(keras.Model):
    """A subclass of Model whose `call` takes tensors of the backend only."""

    def __init__(self) -> None:
        super().__init__(name="opaque")
        self.first = layers.Dense(3, name="first")
        self.second = layers.Dense(1, name="second")

    def call(self, x: Any) -> Any:
        if isinstance(x, keras.KerasTensor):
            raise TypeError("want a tensor of the backend's")
        return self.second(self.first(x))


def graph_opaque(logdir: str) -> None:
    x, y, _, _ = data("functional")
    fit(compiled(Opaque()), TensorBoard(logdir), x, y, epochs=1)


def graph_of_function(logdir: str) -> None:
    """Functions of one's own, beside the model."""
    x, y, _, _ = data("functional")

    class Functions(keras.callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            if BACKEND == "tensorflow":
                import tensorflow as tf

                board.write_function(
                    tf.function(scaled_sum), tf.TensorSpec([3], "float32"), tf.TensorSpec([3], "float32")
                )
                board.write_function(scaled_sum, tf.zeros([2]), tf.zeros([2]), name="plain")
            else:
                board.write_function(scaled_sum, keras.ops.zeros(3), keras.ops.zeros(3))

    board = TensorBoard(logdir)
    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1)]))
    fit(model, [board, Functions()], x, y, epochs=1)


def scaled_sum(a: Any, b: Any) -> Any:
    return keras.ops.sum(a * 2.0 + b)


# ---- embeddings


def embeddings(logdir: str) -> dict[str, Any]:
    """Two layers, each with a file of names, one with a header and one with too few names."""
    x, y, _, _ = data("subclassed")
    Path(logdir).mkdir(parents=True)
    Path(logdir, "words.tsv").write_text("word\tlength\n" + "".join(f"word {i}\t{i}\n" for i in range(12)))
    Path(logdir, "letters.tsv").write_text("".join(f"{letter}\n" for letter in "abcdefghij"))
    inputs = keras.Input((5,), dtype="int32")
    words = layers.Embedding(12, 3, name="words", embeddings_initializer=seeded(1))(inputs)
    letters = layers.Embedding(12, 2, name="letters", embeddings_initializer=seeded(2))(inputs)
    outputs = layers.Dense(1)(layers.Flatten()(layers.Concatenate()([words, letters])))
    model = compiled(keras.Model(inputs, outputs))
    names = {"words": "words.tsv", "letters": "letters.tsv"}
    with Warnings() as warnings:
        fit(model, TensorBoard(logdir, embeddings_freq=1, embeddings_metadata=names), x, y)
    assert names == {"words": "words.tsv", "letters": "letters.tsv"}
    tables = {name: floats(model.get_layer(name).embeddings) for name in names}
    return {"tables": tables, "warnings": warnings.texts}


def embeddings_of_unknown_layers(logdir: str) -> dict[str, Any]:
    x, y, _, _ = data("subclassed")
    model = compiled(keras.Sequential([layers.Embedding(12, 3, name="words"), layers.Flatten(), layers.Dense(1)]))
    board = TensorBoard(logdir, embeddings_freq=1, embeddings_metadata={"wrods": "a.tsv"})
    try:
        fit(model, board, x, y, epochs=1)
    except ValueError as error:
        return {"error": str(error)}
    return {}


# ---- profiles


def profile(logdir: str) -> None:
    x, y, _, _ = data("functional")
    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1)]))
    fit(model, TensorBoard(logdir, profile_batch="2,3"), x, y, epochs=1)


def profile_that_fails(logdir: str) -> dict[str, Any]:
    """Its folder cannot be made; or on tensorflow and jax, a profiler runs already."""
    x, y, _, _ = data("functional")
    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1)]))
    if BACKEND == "torch":
        Path(logdir, "train").mkdir(parents=True)
        Path(logdir, "train", "plugins").write_text("in the way")
    elif BACKEND == "tensorflow":
        import tensorflow as tf

        tf.profiler.experimental.start(f"{logdir}-other")
    else:
        import jax

        jax.profiler.start_trace(f"{logdir}-other")
    with Warnings() as warnings:
        fit(model, TensorBoard(logdir, profile_batch=2), x, y, epochs=1)
    if BACKEND == "tensorflow":
        tf.profiler.experimental.stop(save=False)
    elif BACKEND == "jax":
        jax.profiler.stop_trace()
    return {"warnings": warnings.texts}


# ---- user code


def writers(logdir: str) -> None:
    """Summaries by `callback.writer`."""
    x, y, _, _ = data("functional")

    class Mine(TensorBoard):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            super().on_epoch_end(epoch, logs)
            self.writer("train").scalar("mine", 0.5, epoch)
            self.writer("other").text("note", "read me", epoch)

    fit(compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1)])), Mine(logdir), x, y)


def odd_logs(logdir: str) -> dict[str, Any]:
    """A train step that gives something that is no number, and a metric beyond float32."""
    x, y, _, _ = data("functional")

    class Odd(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs.update(vector=np.ones(3), name="abc", huge=1e300, tensor=keras.ops.convert_to_tensor(0.25))

    with Warnings() as warnings:
        fit(compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1)])), [Odd(), TensorBoard(logdir)], x, y)
    return {"warnings": warnings.texts}


def copies(logdir: str) -> None:
    """A callback is copied and given another folder, as KerasTuner does; then it is used, and used again."""
    x, y, _, _ = data("functional")
    original = TensorBoard(f"{logdir}/original", update_freq="batch")
    copied = copy.deepcopy(original)
    copied.log_dir = f"{logdir}/copied"
    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1)]))
    fit(model, copied, x, y, epochs=1)
    copied.log_dir = f"{logdir}/moved"
    fit(model, copied, x, y, epochs=1)
    other = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(2), layers.Dense(1)]))
    fit(other, copied, x, y, epochs=1)
    assert not os.path.exists(f"{logdir}/original")


def interrupted(logdir: str) -> None:
    """A fit that an exception ends, and another after it."""
    x, y, _, _ = data("functional")
    board = TensorBoard(logdir, update_freq="batch")

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 2:
                raise KeyboardInterrupt

    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1)]))
    try:
        fit(model, [board, Stop()], x, y)
    except KeyboardInterrupt:
        pass
    fit(model, board, x, y, epochs=1)


def threads(logdir: str) -> dict[str, Any]:
    """Whether Keras waits for each batch because of the callback, for each update_freq."""
    from keras.callbacks import CallbackList

    x, y, _, _ = data("functional")
    model = compiled(keras.Sequential([keras.Input((4,)), layers.Dense(1)]))

    class Overridden(TensorBoard):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            super().on_train_batch_end(batch, logs)

    facts = {
        name: CallbackList([board], model=model)._async_train
        for name, board in (
            ("nothing", keras.callbacks.History()),
            ("epoch", TensorBoard(logdir)),
            ("batch", TensorBoard(logdir, update_freq="batch")),
            ("profile", TensorBoard(logdir, profile_batch=2)),
            ("overridden", Overridden(logdir)),
        )
    }
    fit(model, TensorBoard(logdir), x, y)
    return facts


def tf_summaries(logdir: str) -> None:
    """`tf.summary` in a layer, in a tf.function and eagerly."""
    import tensorflow as tf

    class Told(layers.Layer):
        def call(self, x: Any) -> Any:
            tf.summary.scalar("mean", tf.reduce_mean(x))
            tf.summary.histogram("values", x)
            return x

    x, y, validation_x, validation_y = data("functional")
    for eager in (False, True):
        model = keras.Sequential([keras.Input((4,)), Told(name="told"), layers.Dense(1)], name="told_by")
        compiled(model, run_eagerly=eager)
        board = TensorBoard(
            f"{logdir}/{'eager' if eager else 'function'}", update_freq=5, histogram_freq=1, activation_data=x
        )
        for _ in range(2):
            fit(model, board, x, y, epochs=1, validation_data=(validation_x, validation_y), validation_batch_size=2)
        assert tf.summary.experimental.get_step() is None
        assert not tf.summary.should_record_summaries()
        # Keras's other option: nothing of the user's where metrics are logged once an epoch.
    fit(model, TensorBoard(f"{logdir}/epochs"), x, y, epochs=1)


# ---- what the processes have in common


class Warnings(logging.Handler):
    """What the logger `eventwriter` warned of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())

    def __enter__(self) -> Self:
        logging.getLogger("eventwriter").addHandler(self)
        return self

    def __exit__(self, *error: object) -> None:
        logging.getLogger("eventwriter").removeHandler(self)


_EVERYWHERE = (
    activations, gradients, graph_functional, graph_subclassed, graph_opaque, graph_of_function, embeddings, profile,
    profile_that_fails, threads,
)  # fmt: skip
# What no backend does in a way of its own is done where it is soonest done.
_ALIKE = (activations_of_wrong_data, embeddings_of_unknown_layers, writers, odd_logs, copies, interrupted)

_HERE = (*_EVERYWHERE, *{"tensorflow": (tf_summaries,), "torch": _ALIKE, "jax": ()}[BACKEND])

SCENARIOS: dict[str, Callable[[str], dict[str, Any] | None]] = {function.__name__: function for function in _HERE}


def run(name: str, logdir: Path) -> None:
    keras.utils.clear_session()
    facts = SCENARIOS[name](str(logdir / name))
    (logdir / f"{name}.json").write_text(json.dumps(facts))
