"""The callback: which of Keras's hooks logs what, at which step.

Knows: the order in which Keras calls a callback's hooks, and how batches and epochs are counted. Must not know: what
a metric, a weight or a graph looks like in an event file.
"""

# ruff: noqa: ARG002 -- Keras calls a hook with all its arguments, some by name

from __future__ import annotations

import logging
import os
import time
import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import keras

from eventwriter import EventWriter
from eventwriter_keras import _activations, _arguments, _graph, _model_json, _scalars, _weights
from eventwriter_keras._embeddings import Embeddings
from eventwriter_keras._profile import Profiler
from eventwriter_keras._runs import Runs, is_chief

if TYPE_CHECKING:
    from eventwriter_keras._tf_summary import UserSummaries

_log = logging.getLogger("eventwriter")

Logs = Mapping[str, Any] | None


class TensorBoard(keras.callbacks.Callback):
    """Logs a training for TensorBoard, as `keras.callbacks.TensorBoard` does, on every backend of Keras 3.

    What goes where: metrics, learning rate, weights, graphs and profiles of the training into the run `train`, those
    of evaluations into the run `validation`, both below `log_dir`.

    Args:
        log_dir: the folder of the runs.
        histogram_freq: every how many epochs the weights (and activations) are logged as histograms; 0 for never.
        write_graph: log the model's layers (the conceptual graph) and its ops.
        write_images: with the histograms, log the weights as images.
        write_steps_per_second: log how many batches are trained in a second.
        update_freq: when metrics are logged besides once an epoch: "epoch" for never, "batch" for each batch, or a
            number of batches.
        profile_batch: the batch to profile, counted from 1, or the first and the last: (10, 20) or "10,20". 0 for none.
        embeddings_freq: every how many epochs the Embedding layers are written for the projector; 0 for never.
        embeddings_metadata: a file with a name for each row of an embedding, relative to `log_dir`; or a dict of layer
            name to file, where they differ.
        activation_data: a batch of inputs, or a tuple of inputs and targets (and weights), on which the model is run
            for `write_activations` and `write_grads`. A part of the validation data, say.
        write_activations: with the histograms of the weights, log those of each layer's output on `activation_data`;
            by default if there is some.
        write_grads: likewise those of the gradients; needs targets in `activation_data`.
        arguments: what TensorFlow 2.0 took and ignored: a warning.

    Raises:
        TypeError, ValueError: an argument is not what is described above; with what was got and what was wanted.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: _arguments.UpdateFreq = "epoch",
        profile_batch: int | tuple[int, int] | str = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: str | os.PathLike[str] | Mapping[str, str] | None = None,
        *,
        activation_data: Any = None,
        write_activations: bool | None = None,
        write_grads: bool = False,
        **arguments: Any,
    ) -> None:
        super().__init__()
        self.log_dir = _arguments.folder(log_dir)
        self.histogram_freq = _arguments.frequency("histogram_freq", histogram_freq)
        self.write_graph = write_graph
        self.write_images = write_images
        self.write_steps_per_second = write_steps_per_second
        self.update_freq = _arguments.update_freq(update_freq)
        self.profile_batch = _arguments.profile_batch(profile_batch)
        self.embeddings_freq = _arguments.frequency("embeddings_freq", embeddings_freq)
        self.embeddings_metadata = _arguments.embeddings_metadata(embeddings_metadata)
        _arguments.old(arguments)
        self._batch = None if activation_data is None else _activations.Batch(activation_data)
        if write_activations and self._batch is None:
            raise ValueError("write_activations: want activation_data to run the model on, got None")
        self.write_activations = self._batch is not None if write_activations is None else write_activations
        self.write_grads = write_grads
        if write_grads and (self._batch is None or self._batch.y is None):
            warnings.warn(
                "TensorBoard: write_grads has no effect without activation_data=(inputs, targets)", UserWarning,
                stacklevel=2,
            )  # fmt: skip
            self.write_grads = False

        self._every = 0 if self.update_freq == "epoch" else self.update_freq
        self._runs: Runs | None = None
        self._profiler: Profiler | None = None
        self._user: UserSummaries | None = None
        self._embeddings: Embeddings | None = None
        # The model whose graphs are written already: a second fit need not do so again.
        self._drawn: Callable[[], Any] = lambda: None
        self._layers_drawn = self._ops_drawn = True
        self._training = False
        self._train_batches = self._first_batch = 0
        self._test_batches = 0
        self._next_epoch = 0
        self._later_epochs: int | None = None
        self._batch_start = 0.0
        self._epoch_start = 0.0
        self._epoch_iterations = 0

    @property
    def async_safe(self) -> bool:
        """Whether Keras may call `on_train_batch_end` on another thread, and so need not wait for each batch.

        True where it does nothing.
        """
        cls = type(self)
        own = cls.on_train_batch_end is TensorBoard.on_train_batch_end
        default = all(
            getattr(cls, name) is getattr(keras.callbacks.Callback, name)
            for name in ("on_batch_end", "on_test_batch_end", "on_predict_batch_end")
        )
        return not self._every and self.profile_batch == (0, 0) and own and default

    def writer(self, run: str = "train") -> EventWriter:
        """The writer of a run below `log_dir`, for summaries of your own. Open until the end of `fit`.

        In a distributed job's processes that do not log, it writes into nothing.

        Raises:
            ValueError: the callback has not been given to `fit` or `evaluate` yet.
        """
        if self._runs is None:
            raise ValueError("writer: want a callback that was given to fit or evaluate, got one that was not")
        return self._runs.writer(run)

    def write_function(self, function: Callable[..., Any], *specs: Any, name: str | None = None) -> None:
        """Log the graph of a function of your own, as a tag of the run `train`. It is traced, not called.

        Args:
            function: a `tf.function`, or a function that can be made one; on the torch and jax backends one that they
                can trace.
            specs: its arguments: tensors, or a `tf.TensorSpec` or `jax.ShapeDtypeStruct` in their place.
            name: the tag; the function's name by default.
        """
        if name is None:
            name = str(getattr(function, "__name__", None) or type(function).__name__)
        writer = self.writer("train")
        if self._writes:
            _graph.log_function(writer, name, function, specs)

    # ---- the model

    def set_model(self, model: Any) -> None:
        """Keras's first call, for each `fit`, and each `evaluate` on its own."""
        super().set_model(model)
        if self._runs is None:
            self._runs = Runs(self.log_dir, writes=is_chief(model))
        moved = self._runs.move_to(self.log_dir)
        if self._profiler is None and self.profile_batch != (0, 0):
            self._profiler = Profiler(*self.profile_batch, self._runs)
        if self.embeddings_freq:
            self._embeddings = Embeddings(model, self.embeddings_metadata, self.log_dir)
        if self.write_graph and (moved or self._drawn() is not model):
            self._drawn = weakref.ref(model)
            self._layers_drawn = self._ops_drawn = False
            if _model_json.is_ready(model):
                self._draw_layers()

    @property
    def _optimizer(self) -> Any:
        model: Any = self.model
        return model.optimizer

    @property
    def _writes(self) -> bool:
        return self._runs is not None and self._runs.writes

    # ---- training

    def on_train_begin(self, logs: Logs = None) -> None:
        self._training = True
        self._later_epochs = None
        self._first_batch = self._train_batches + 1
        self.writer("train")  # the run is there even if nothing is logged
        user = self._user_summaries()
        if user is not None:
            user.leave_all()
            user.enter("train", self._train_batches)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self.write_steps_per_second:
            self._epoch_iterations = _scalars.iterations(self._optimizer) or 0
            self._epoch_start = time.time()

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._train_batches += 1
        if not self._ops_drawn and self._train_batches > self._first_batch:
            self._draw_layers()
            self._draw_ops()
        if self._user is not None:
            self._user.at(self._train_batches)
        if self._profiler is not None:
            self._profiler.begin_batch(self._train_batches, batch)
        if self.write_steps_per_second:
            self._batch_start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        step = self._train_batches
        if self._every and step % self._every == 0:
            self._log_batch(step, logs)
        if self._user is not None:
            self._user.forward()
        if self._profiler is not None:
            self._profiler.end_batch(step)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self._later_epochs is None:
            # Keras counts from initial_epoch in each fit. Points of a tag at epochs that were there already would hide
            # those of the fit before.
            self._later_epochs = max(0, self._next_epoch - epoch)
        step = epoch + self._later_epochs
        self._next_epoch = step + 1
        self._draw_layers()
        self._draw_ops()
        if not self._writes:
            return
        self._log_epoch(step, logs)
        if self.histogram_freq and step % self.histogram_freq == 0:
            self._log_weights(step)
        if self._embeddings is not None and step % self.embeddings_freq == 0:
            self._embeddings.log(self.writer("train"), step)

    def on_train_end(self, logs: Logs = None) -> None:
        self._training = False
        if self._user is not None:
            self._user.leave()
        if self._profiler is not None:
            self._profiler.stop()
        self._close()

    # ---- evaluation

    def on_test_begin(self, logs: Logs = None) -> None:
        self.writer("validation")
        user = self._user_summaries()
        if user is not None:
            user.enter("validation", self._test_batches)

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._test_batches += 1
        if self._user is not None:
            self._user.at(self._test_batches)

    def on_test_end(self, logs: Logs = None) -> None:
        iterations = _scalars.iterations(self._optimizer)
        if iterations is not None and logs and self._writes:
            _scalars.log(self.writer("validation"), "evaluation_", logs, iterations, "_vs_iterations")
        if self._user is not None:
            self._user.leave()
        self._draw_layers()
        if not self._training:
            self._close()

    # ---- what they log

    def _log_batch(self, step: int, logs: Logs) -> None:
        if not self._writes:
            return
        if not isinstance(logs, dict):  # a `train_step` of the user's own may give anything
            logs = {}
        if self.write_steps_per_second:
            seconds = time.perf_counter() - self._batch_start
            logs = {"steps_per_second": 1 / max(seconds, 1e-9), **logs}
        _scalars.log(self.writer("train"), "batch_", logs, step)

    def _log_epoch(self, step: int, logs: Logs) -> None:
        if not logs:
            return
        of_train = {name: value for name, value in logs.items() if not name.startswith("val_")}
        of_validation = {name.removeprefix("val_"): value for name, value in logs.items() if name.startswith("val_")}
        of_train |= _scalars.learning_rates(self._optimizer)
        if self.write_steps_per_second:
            done = (_scalars.iterations(self._optimizer) or 0) - self._epoch_iterations
            of_train["steps_per_second"] = done / max(time.time() - self._epoch_start, 1e-9)
        if of_train:
            _scalars.log(self.writer("train"), "epoch_", of_train, step)
        if of_validation:
            _scalars.log(self.writer("validation"), "epoch_", of_validation, step)

    def _log_weights(self, step: int) -> None:
        writer, model = self.writer("train"), self.model
        _weights.log(writer, model, step, images=self.write_images)
        if self._batch is None:
            return
        try:
            if self.write_activations:
                _activations.log_activations(writer, model, self._batch, step)
            if self.write_grads:
                _activations.log_gradients(writer, model, self._batch, step)
        except Exception as error:  # data that does not fit the model is no reason to end a training
            self._batch = None
            _log.warning("activation_data: could not run the model on it, it is left out: %s", error)

    def _draw_layers(self) -> None:
        if not self._layers_drawn:
            self._layers_drawn = True
            summary = _model_json.summary(self._model) if self._writes else None
            if summary is not None:
                self.writer("train").event(summary, 0)

    def _draw_ops(self) -> None:
        if not self._ops_drawn:
            self._ops_drawn = True
            if self._writes:
                _graph.log(self.writer("train"), self._model)

    def _user_summaries(self) -> UserSummaries | None:
        """`tf.summary` on the tensorflow backend, where metrics are logged for batches."""
        if self._user is None and self._every and self._runs is not None and keras.backend.backend() == "tensorflow":
            from eventwriter_keras._tf_summary import UserSummaries

            self._user = UserSummaries(self._runs, self._every)
        return self._user

    def _close(self) -> None:
        if self._runs is not None:
            self._runs.close()
