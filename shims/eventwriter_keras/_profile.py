"""Profiles of a range of batches, by the profiler that each backend has.

Knows: the profilers of TensorFlow, torch and jax, and where TensorBoard looks for what they write. Must not know: what
else is logged.

All write to `train/plugins/profile/TIME/`. TensorBoard's profile plugin (pip install tensorboard-plugin-profile) shows
TensorFlow's and jax's. A torch trace is a Chrome trace: chrome://tracing, ui.perfetto.dev and torch's own TensorBoard
plugin open it.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from eventwriter_keras._runs import Runs

_log = logging.getLogger("eventwriter")


class Profiler:
    """Profiles the batches `first` to `last`, counted from 1, once. What fails is a warning, and then there is none.

    Args:
        runs: the profile goes to its run `train`.
    """

    def __init__(self, first: int, last: int, runs: Runs) -> None:
        self._first = first
        self._last = last
        self._runs = runs
        self._trace: _Trace | None = None
        self._batch: AbstractContextManager[Any] | None = None
        self._done = False

    def begin_batch(self, count: int, batch: int) -> None:
        """The `count`-th batch begins, which is number `batch` of its epoch."""
        if self._trace is None and not self._done and self._first <= count <= self._last:
            self._try("start", self._start)
        if self._trace is not None:
            self._try("mark a batch", lambda: self._begin(batch))

    def end_batch(self, count: int) -> None:
        """The `count`-th batch has ended."""
        if self._trace is None:
            return
        if self._batch is not None:
            batch, self._batch = self._batch, None
            self._try("mark a batch", lambda: batch.__exit__(None, None, None))
        if count >= self._last:
            self.stop()

    def stop(self) -> None:
        """End the profile that runs, if one does, and write it."""
        trace, self._trace, self._batch = self._trace, None, None
        if trace is not None:
            self._try("stop", trace.stop)

    def _start(self) -> None:
        self._done = True
        backend = keras.backend.backend()
        if backend not in _TRACES:
            raise RuntimeError(f"the {backend} backend has no profiler")
        trace = _TRACES[backend](self._runs, self._last)
        trace.start()
        self._trace = trace

    def _begin(self, batch: int) -> None:
        if self._trace is not None:
            self._batch = self._trace.batch(batch)
            self._batch.__enter__()

    def _try(self, what: str, call: Any) -> None:
        try:
            call()
        except Exception as error:
            self._trace = self._batch = None
            _log.warning("profile_batch: could not %s a profile, training goes on: %s", what, error)


class _Trace(ABC):
    """A profile of one backend."""

    def __init__(self, runs: Runs, last: int) -> None:
        self._runs = runs
        self._last = last
        self._folder = runs.folder("train")

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def batch(self, number: int) -> AbstractContextManager[Any]:
        """What marks a batch in the profile."""

    @abstractmethod
    def stop(self) -> None: ...


class _TensorFlow(_Trace):
    """Besides the profile, the graphs that ran meanwhile, under the tag `batch_LAST`."""

    def start(self) -> None:
        import tensorflow as tf

        tf.summary.trace_on(graph=True, profiler=False)
        try:
            tf.profiler.experimental.start(self._folder)
        except Exception:
            tf.summary.trace_off()
            raise

    def batch(self, number: int) -> AbstractContextManager[Any]:
        import tensorflow as tf

        trace: AbstractContextManager[Any] = tf.profiler.experimental.Trace("Profiled batch", step_num=number)
        return trace

    def stop(self) -> None:
        import tensorflow as tf

        from eventwriter_keras._tf_summary import UserSummaries

        file = UserSummaries(self._runs, 0).file("train")
        try:
            with file.writer.as_default(), tf.summary.record_if(True):
                tf.summary.trace_export(name=f"batch_{self._last}", step=self._last)
        finally:
            tf.profiler.experimental.stop()
        file.forward()


class _Jax(_Trace):
    def start(self) -> None:
        import jax

        jax.profiler.start_trace(self._folder)

    def batch(self, number: int) -> AbstractContextManager[Any]:
        import jax

        trace: AbstractContextManager[Any] = jax.profiler.StepTraceAnnotation("Profiled batch", step_num=number)
        return trace

    def stop(self) -> None:
        import jax

        jax.profiler.stop_trace()


class _Torch(_Trace):
    def start(self) -> None:
        import torch

        self._profile = torch.profiler.profile(record_shapes=True)
        self._profile.start()

    def batch(self, number: int) -> AbstractContextManager[Any]:
        import torch

        return torch.profiler.record_function(f"Profiled batch {number}")

    def stop(self) -> None:
        self._profile.stop()
        folder = Path(self._folder, "plugins", "profile", time.strftime("%Y_%m_%d_%H_%M_%S"))
        folder.mkdir(parents=True, exist_ok=True)
        # The end is what torch's own plugin looks for.
        path = folder / f"{socket.gethostname()}.{os.getpid()}.pt.trace.json.gz"
        self._profile.export_chrome_trace(str(path))


_TRACES: dict[str, type[_Trace]] = {"tensorflow": _TensorFlow, "jax": _Jax, "torch": _Torch}
