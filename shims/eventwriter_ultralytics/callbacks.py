"""The hooks: which of Ultralytics' events logs what, at which step.

Knows: the order in which a trainer runs its hooks, what it holds when it does, that a hook must never stop it. Must
not know: how a graph, a plot or a table is made.

A run's state is an attribute of its trainer, so that trainings in one process do not mix and none outlives its
trainer. The hooks themselves hold options only: Ultralytics pickles them for the processes of a distributed training.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from eventwriter_ultralytics import _say
from eventwriter_ultralytics._run import Run

if TYPE_CHECKING:
    from eventwriter_ultralytics._model import Copy

_RUN = "_eventwriter_run"


class Options(NamedTuple):
    """What is logged beside the scalars."""

    graph: bool
    hparams: bool
    images: bool
    plots: bool
    per_class: bool
    model_info: bool
    best: bool


def callbacks(
    *,
    graph: bool = True,
    hparams: bool = True,
    images: bool = True,
    plots: bool = True,
    per_class: bool = True,
    model_info: bool = True,
    best: bool = True,
) -> dict[str, Callable[[Any], None]]:
    """Hooks for `model.add_callback(name, function)`, by the names of Ultralytics' events.

    They log into the trainer's `save_dir`: the losses and learning rates of a training epoch and the metrics of its
    validation at step `epoch + 1`, under Ultralytics' own tags, and after the last epoch those of `best.pt` once more.
    In a distributed training rank 0 logs. Where Ultralytics' own TensorBoard callback is switched on, these take its
    place for their trainer: two writers in one run would hide each other's points.

    Args:
        graph: the model's graph, of a copy: the trainer's model is not touched.
        hparams: the arguments of the training, in the HParams dashboard (with the metrics, and how the training
            ended) and as a text.
        images: the batches that Ultralytics draws (`train_batch0.jpg`, `val_batch0_pred.jpg`, …), as it saves them.
        plots: the other plots that it saves: labels, confusion matrix, curves, results. With `plots=False` as an
            argument of the training there are neither these nor the batches.
        per_class: precision, recall and AP of each class, as `class/METRIC/NAME`, with a chart of all classes for each
            metric in the Custom Scalars dashboard.
        model_info: layers, parameters, gradients and GFLOPs as a text.
        best: the metrics of `best.pt` as scalars `best/…` too, which tells them from an epoch's, and as a text.
    """
    hooks = _Hooks(Options(graph, hparams, images, plots, per_class, model_info, best))
    return {
        name: getattr(hooks, name)
        for name in (
            "on_pretrain_routine_start", "on_train_start", "on_train_epoch_end", "on_fit_epoch_end", "on_train_end",
            "teardown",
        )
    }  # fmt: skip


def add_to(
    model: Any,
    *,
    graph: bool = True,
    hparams: bool = True,
    images: bool = True,
    plots: bool = True,
    per_class: bool = True,
    model_info: bool = True,
    best: bool = True,
) -> None:
    """Log the trainings of a model from now on.

    Args:
        model: a `YOLO`, `RTDETR`, … object, or a trainer's class instance: anything with `add_callback`.
        graph, hparams, images, plots, per_class, model_info, best: as in `callbacks`.

    Raises:
        TypeError: `model` has no `add_callback`.
    """
    if not callable(getattr(model, "add_callback", None)):
        raise TypeError(f"add_to: want a model of Ultralytics (with add_callback), got {type(model).__name__}")
    for name, hook in callbacks(
        graph=graph, hparams=hparams, images=images, plots=plots, per_class=per_class, model_info=model_info, best=best
    ).items():
        model.add_callback(name, hook)


def _guarded(hook: Callable[..., None]) -> Callable[..., None]:
    """A hook, or a part of one, that fails says so, once for each reason in a run; the rest and the training go on."""

    @functools.wraps(hook)
    def guarded(self: _Hooks, trainer: Any, *more: Any) -> None:
        try:
            hook(self, trainer, *more)
        except Exception as error:
            what = hook.__name__.strip("_")
            text = f"{what} is not logged, the training goes on: {type(error).__name__}: {error}"
            run: Run | None = getattr(trainer, _RUN, None)
            told = set() if run is None else run.told
            if text not in told:
                told.add(text)
                _say.warning(text)

    return guarded


class _Hooks:
    """The hooks of one call of `callbacks`, for any number of trainers."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def _run(self, trainer: Any) -> Run | None:
        """The trainer's run, if it was these hooks that began it: added twice, they log once."""
        run: Run | None = getattr(trainer, _RUN, None)
        return run if run is not None and run.owner is self else None

    @_guarded
    def on_pretrain_routine_start(self, trainer: Any) -> None:
        """Begin the run. Ultralytics calls this on rank 0 only, before there is a model."""
        if getattr(trainer, _RUN, None) is not None:
            return
        _take_the_place_of_the_built_in(trainer)
        try:
            run = Run(self, str(trainer.save_dir))
        except Exception as error:
            _say.warning(f"not initialized correctly, not logging this run. {error}")
            return
        setattr(trainer, _RUN, run)
        # A training that never came to its `teardown`: its data set was not found, say.
        weakref.finalize(trainer, run.close, "failure")
        _say.info(f"Start with 'tensorboard --logdir {trainer.save_dir}', view at http://localhost:6006/")

    def on_train_start(self, trainer: Any) -> None:
        """What is known once the model, the data and the optimizer are there."""
        if run := self._run(trainer):
            if self._options.hparams:
                self._hparams(trainer, run)
            if self._options.graph or self._options.model_info:
                self._model(trainer, run)

    @_guarded
    def _hparams(self, trainer: Any, run: Run) -> None:
        from eventwriter_ultralytics import _arguments

        run.log_arguments(_arguments.table(trainer), _arguments.hparams(trainer), _arguments.metrics(trainer))

    @_guarded
    def _model(self, trainer: Any, run: Run) -> None:
        from eventwriter_ultralytics import _model

        with _model.copied(trainer) as copy:
            if self._options.model_info:
                self._model_info(trainer, run, copy)
            if self._options.graph:
                self._graph(trainer, run, copy)

    @_guarded
    def _model_info(self, _trainer: Any, run: Run, copy: Copy) -> None:
        from eventwriter_ultralytics import _model

        run.log_text("model", _model.info(copy))

    @_guarded
    def _graph(self, _trainer: Any, run: Run, copy: Copy) -> None:
        from eventwriter_ultralytics import _model

        run.log_graph(_model.graph(copy))
        _say.info("model graph visualization added ✅")

    @_guarded
    def on_train_epoch_end(self, trainer: Any) -> None:
        """The losses and learning rates of an epoch."""
        if run := self._run(trainer):
            run.in_epoch = True
            scalars = trainer.label_loss_items(trainer.tloss, prefix="train")
            run.log_scalars({**scalars, **trainer.lr}, trainer.epoch + 1)

    def on_fit_epoch_end(self, trainer: Any) -> None:
        """The metrics of an epoch, or, with no epoch trained since the last time, those of `best.pt`."""
        run = self._run(trainer)
        if run is None:
            return
        is_best, run.in_epoch = not run.in_epoch, False
        step = trainer.epoch + 1
        self._metrics(trainer, run, step)
        if self._options.per_class:
            self._per_class(trainer, run, step)
        if is_best and self._options.best:
            self._best(trainer, run, step)
        self._plots(trainer, run, step)

    @_guarded
    def _metrics(self, trainer: Any, run: Run, step: int) -> None:
        run.log_scalars(trainer.metrics or {}, step)

    @_guarded
    def _per_class(self, trainer: Any, run: Run, step: int) -> None:
        from eventwriter_ultralytics import _per_class

        run.log_classes(_per_class.scalars(trainer), step)

    @_guarded
    def _best(self, trainer: Any, run: Run, step: int) -> None:
        run.log_best(str(trainer.best), trainer.metrics or {}, step)

    def on_train_end(self, trainer: Any) -> None:
        """The training came to its end."""
        if run := self._run(trainer):
            run.ended = True
            self._plots(trainer, run, trainer.epoch + 1)

    @_guarded
    def _plots(self, trainer: Any, run: Run, step: int) -> None:
        if self._options.images or self._options.plots:
            from eventwriter_ultralytics import _plots

            for tag, encoded in _plots.new(trainer, run.plotted, self._options.images, self._options.plots):
                run.log_image(tag, encoded, step)

    @_guarded
    def teardown(self, trainer: Any) -> None:
        """Close the run's file. Ultralytics calls this also when a training fails."""
        run = self._run(trainer)
        if run is None:
            return
        if run.ended:
            self._last_plots(trainer, run)
        run.close("success" if run.ended else "failure")

    @_guarded
    def _last_plots(self, trainer: Any, run: Run) -> None:
        if self._options.images or self._options.plots:
            from eventwriter_ultralytics import _plots

            _plots.wait()
            self._plots(trainer, run, trainer.epoch + 1)


def _take_the_place_of_the_built_in(trainer: Any) -> None:
    """Ultralytics' own callbacks come after those a user added, so that none of them has run yet."""
    replaced = False
    for hooks in trainer.callbacks.values():
        for hook in [h for h in hooks if getattr(h, "__module__", "") == "ultralytics.utils.callbacks.tensorboard"]:
            hooks.remove(hook)
            replaced = True
    if replaced:
        _say.info("eventwriter logs this run in place of the built-in TensorBoard callback")
