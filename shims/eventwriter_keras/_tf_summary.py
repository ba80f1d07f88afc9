"""User code's `tf.summary` calls, inside layers or not, on their way into a run.

Knows: TensorFlow's summary writers, its default writer, step and condition. Must not know: Keras, the callback's own
summaries. Imported on the tensorflow backend only.

The ops of `tf.summary` can write to nothing but a file of TensorFlow's own. A second event file in the run would do
harm: TensorBoard's Python loader reads a run's files one after the other, and never goes back to the first. So
TensorFlow writes into a temporary file, and `forward` carries its events over.

A `tf.function` keeps what it saw when it was traced. So step and condition are variables, set before each batch, and
only once a summary was asked for: `tf.summary` evaluates the condition each time it runs or traces one.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import tensorflow as tf

from eventwriter import EventWriter, proto
from eventwriter_keras._runs import Runs, temporary_folder

# Seconds between two looks for new events while batches go by.
_PATIENCE = 1.0

# A record is a length, its CRC, the event, and its CRC (tensorflow/core/lib/io/record_writer.h).
_LENGTH = struct.Struct("<Q4x")
_CRC_BYTES = 4


class UserSummaries:
    """Which run user code writes to at the moment, and at which step.

    Args:
        runs: where the events go.
        every: summaries of steps that are multiples of it are recorded; 0 for never.
    """

    def __init__(self, runs: Runs, every: int) -> None:
        self._runs = runs
        self._every = every
        self._files: dict[str, _File] = {}
        self._entered: list[tuple[_File, ExitStack]] = []
        self._forwarded = 0.0

    def enter(self, run: str, step: int) -> None:
        """Make `run` the one that user code writes to."""
        if not self._every:
            return
        file = self.file(run)
        contexts = ExitStack()
        contexts.enter_context(file.writer.as_default(file.step))
        contexts.enter_context(tf.summary.record_if(file.should_record))
        self._entered.append((file, contexts))
        file.at(step)

    def leave(self) -> None:
        """Go back to what it was before `enter`."""
        if self._entered:
            file, contexts = self._entered.pop()
            contexts.close()
            file.forward()

    def leave_all(self) -> None:
        """Go back to what it was before all of this: a `fit` that failed left no word."""
        while self._entered:
            self.leave()

    def at(self, step: int) -> None:
        """The next batch begins."""
        if self._entered:
            self._entered[-1][0].at(step)

    def forward(self) -> None:
        """Carry over what was written, if there is any and the last time was long enough ago."""
        if self._entered and self._entered[-1][0].used:
            now = time.monotonic()
            if now - self._forwarded > _PATIENCE:
                self._forwarded = now
                self._entered[-1][0].forward()

    def file(self, run: str) -> _File:
        """The file behind a run, which stays the same as long as functions that were traced may write to it."""
        file = self._files.get(run)
        if file is None:
            file = self._files[run] = _File(self._runs, run, self._every)
        return file


class _File:
    """A temporary event file of TensorFlow's and its way into a run."""

    def __init__(self, runs: Runs, run: str, every: int) -> None:
        self.used = False
        self._runs = runs
        self._run = run
        self._every = every
        self._now = 0
        self._read = 0
        self._folder = temporary_folder(self)
        with tf.device("cpu:0"):
            self.writer = tf.summary.create_file_writer(self._folder)
            self.step = tf.Variable(tf.zeros([], tf.int64), trainable=False)
            self._record = tf.Variable(tf.zeros([], tf.bool), trainable=False)

    def at(self, step: int) -> None:
        self._now = step
        if self.used:
            self._set()

    def should_record(self) -> Any:
        """What `tf.summary` asks for each summary, when it runs or when it is traced."""
        if not self.used:
            self.used = True
            with tf.init_scope():
                self._set()
        return self._record.read_value()

    def _set(self) -> None:
        self.step.assign(self._now)
        self._record.assign(self._every > 0 and self._now % self._every == 0)

    def forward(self) -> None:
        """Carry over what is new."""
        self.writer.flush()
        into: EventWriter | None = None
        for path in Path(self._folder).iterdir():
            for event in self._events(path):
                message = proto.Event.FromString(event)
                if message.WhichOneof("what") != "file_version":
                    into = into or self._runs.writer(self._run)
                    into.event(event)

    def _events(self, path: Path) -> Iterator[bytes]:
        """The events that were written since the last time, in memory's order."""
        with path.open("rb+") as file:
            file.seek(self._read)
            content = memoryview(file.read())
            at = 0
            while at < len(content):
                (length,) = _LENGTH.unpack_from(content, at)
                at += _LENGTH.size
                yield bytes(content[at : at + length])
                at += length + _CRC_BYTES
            self._read += at
            # TensorFlow goes on where it was; what lies before takes no room any more.
            os.ftruncate(file.fileno(), 0)
