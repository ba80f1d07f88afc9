"""`FileWriter`: one run's event file under the names that torch.utils.tensorboard has for it.

Knows: the core's `EventWriter`, and when to make one. Must not know: kinds of data, sub-runs, ranks, torch.

A `FileWriter` is open, parked or closed. A parked one has no file and starts the next at its first event: that is
how it comes out of pickle, and how a `SummaryWriter` keeps the number of open files bounded.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self, SupportsInt

from eventwriter import ClosedError, EventWriter, WriteError
from eventwriter.proto import Event, Summary, TaggedRunMetadata

if TYPE_CHECKING:
    from eventwriter.summary import Deferred
    from eventwriter.writer import SerializableMessage

    Message = bytes | SerializableMessage

OnError = Literal["warn", "raise"] | Callable[[WriteError], object]

# What the core promises to everybody; torch's default of 120 is for a queue that writes long before that.
_FLUSH_SECS = 0.25
_SHORTEST_FLUSH_SECS = 0.01
# So long, in seconds, a disk is waited for to give a file back that others need.
_PATIENCE = 1.0


def _new_lock() -> None:
    global lock
    # Re-entrant, since a signal handler may log; one for all writers, since opening is rare.
    lock = threading.RLock()


lock: threading.RLock
_new_lock()
if hasattr(os, "register_at_fork"):
    # Another thread of the parent may have held it.
    os.register_at_fork(after_in_child=_new_lock)


def as_step(step: SupportsInt | None) -> int:
    """A step as torch takes it: floats are cut off, None is 0."""
    return 0 if step is None else int(step)


class FileWriter:
    """Adds events and summaries to an event file in `log_dir`, which is made at once.

    Args:
        log_dir: the run's folder.
        max_queue: has no effect: what waits is bounded in bytes.
        flush_secs: seconds after which an event is visible to other processes at the latest, as ever; 0.25 s if that
            is sooner.
        filename_suffix: added to the file's name.
        purge_step: TensorBoard shall forget what earlier files of the run hold from this step on.
        on_error: what happens when the disk fails: see `eventwriter.EventWriter`.

    Attributes:
        event_writer: what takes events as they are.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str],
        max_queue: int = 10,  # noqa: ARG002 -- torch has it
        flush_secs: float = 120,
        filename_suffix: str = "",
        *,
        purge_step: int | None = None,
        on_error: OnError = "warn",
    ) -> None:
        self._logdir = str(log_dir)
        self._flush_secs = max(_SHORTEST_FLUSH_SECS, min(flush_secs, _FLUSH_SECS))
        self._suffix = filename_suffix
        self._purge_step = purge_step
        self._on_error: OnError = on_error
        self._closed = False
        self._core: EventWriter | None = None
        self._step: int | None = None
        self._wall_time: float | None = None
        self.event_writer = EventFileWriter(self)
        self._open()

    # ---- logging

    def scalar(self, tag: str, value: Any, step: int, *, wall_time: float | None = None) -> None:
        """Log one number: the core's `EventWriter.scalar`, which takes this method's place while the file is open.

        What other threads may park calls `FileWriter.scalar(writer, …)`.
        """
        wall = self.wall_time(wall_time)
        self._do(lambda core: core.scalar(tag, value, step, wall_time=wall))

    def scalars(self, values: dict[str, Any], step: int, *, wall_time: float | None = None) -> None:
        """Log several numbers of one step as one event."""
        wall = self.wall_time(wall_time)
        self._do(lambda core: core.scalars(values, step, wall_time=wall))

    def log(self, value: Deferred, step: int, *, wall_time: float | None = None) -> None:
        """Log what a function of `eventwriter.summary` prepared."""
        wall = self.wall_time(wall_time)
        self._do(lambda core: core.log(value, step, wall_time=wall))

    def embedding(self, tag: str, mat: Any, step: int, **options: Any) -> None:
        """Write points for the projector: the core's `EventWriter.embedding`."""
        self._do(lambda core: core.embedding(tag, mat, step, **options))

    def add_event(self, event: Message, step: SupportsInt | None = None, walltime: float | None = None) -> None:
        """Add an Event: a message of any package, or its bytes. Its wall time becomes `walltime`, or now.

        Raises:
            OSError: the writer is closed. TypeError, ValueError: it is no event.
        """
        wall = self.wall_time(walltime)
        step = self._step if step is None else step
        step_ = None if step is None else as_step(step)
        now = time.time() if wall is None else wall
        self._do(lambda core: core.event(event, step_, wall_time=now))

    def add_summary(
        self, summary: Message, global_step: SupportsInt | None = None, walltime: float | None = None
    ) -> None:
        """Add a Summary: a message of any package, or its bytes."""
        if isinstance(summary, bytes | bytearray | memoryview):
            summary = Summary.FromString(bytes(summary))
        self.add_event(summary, global_step, walltime)

    def add_graph(self, graph_profile: Sequence[SerializableMessage], walltime: float | None = None) -> None:
        """Add a GraphDef and a RunMetadata, which TensorBoard calls "step1"."""
        graph, run_metadata = graph_profile
        self.add_event(Event(graph_def=graph.SerializeToString()), None, walltime)
        tagged = TaggedRunMetadata(tag="step1", run_metadata=run_metadata.SerializeToString())
        self.add_event(Event(tagged_run_metadata=tagged), None, walltime)

    def add_onnx_graph(self, graph: SerializableMessage, walltime: float | None = None) -> None:
        """Add a GraphDef."""
        self.add_event(Event(graph_def=graph.SerializeToString()), None, walltime)

    @contextlib.contextmanager
    def use_metadata(self, *, global_step: SupportsInt | None = None, walltime: float | None = None) -> Iterator[Self]:
        """Step and wall time, within the `with` block, for calls that give none themselves."""
        before = self._step, self._wall_time
        self._step = before[0] if global_step is None else as_step(global_step)
        self._wall_time = before[1] if walltime is None else walltime
        self._shortcut()
        try:
            yield self
        finally:
            self._step, self._wall_time = before
            self._shortcut()

    @property
    def default_step(self) -> int | None:
        """The step that `use_metadata` gave."""
        return self._step

    def wall_time(self, walltime: float | None) -> float | None:
        """A wall time that was given, by the call or by `use_metadata`."""
        return self._wall_time if walltime is None else walltime

    # ---- open, parked, closed

    @property
    def writes(self) -> bool:
        """Whether what is logged goes anywhere."""
        return True

    def get_logdir(self) -> str:
        """The run's folder."""
        return self._logdir

    def flush(self) -> None:
        """Wait until everything added so far is visible to other processes, as long as the disk takes it."""
        core = self._core
        if core is not None:
            core.flush()

    def close(self) -> None:
        """Write what is pending and close the file. `add_event` then raises OSError until `reopen()`."""
        self._closed = True
        core, self._core = self._core, None
        self._shortcut()
        if core is not None:
            core.close()

    def reopen(self) -> None:
        """After `close()`: go on in a new file. Otherwise nothing."""
        self._closed = False
        self._writer()

    def park(self) -> bool:
        """Give the file back until the next event, which starts a new one. False if a failing disk holds it up."""
        core = self._core
        if core is None:
            return True
        if not core.flush(_PATIENCE):
            return False
        self._core = None
        self._shortcut()
        return core.close()

    def _open(self) -> EventWriter:
        core = EventWriter(
            self._logdir,
            filename_suffix=self._suffix,
            purge_step=self._purge_step,
            flush_secs=self._flush_secs,
            on_error=self._on_error,
        )
        self._purge_step = None
        self._core = core
        self._shortcut()
        return core

    def _writer(self) -> EventWriter:
        core = self._core
        if core is not None:
            return core
        with lock:
            if self._closed:
                raise OSError(f"{self._logdir}: FileWriter is closed")
            return self._core or self._open()

    def _do(self, call: Callable[[EventWriter], None]) -> None:
        while True:
            core = self._writer()
            try:
                call(core)
                return
            except ClosedError:
                if self._core is core:
                    raise  # somebody closed it behind our back
                # Another thread parked it in between: on to the next file.

    def _shortcut(self) -> None:
        """Let `self.scalar` be the core's own method whenever that does the same."""
        if self._core is not None and self._wall_time is None:
            vars(self)["scalar"] = self._core.scalar
        else:
            vars(self).pop("scalar", None)

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self) | {"_core": None, "_step": None, "_wall_time": None}
        state.pop("scalar", None)
        return state

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._logdir!r}{' closed' if self._closed else ''}>"


class NullFileWriter(FileWriter):
    """Takes everything and writes nothing: for `write_to_disk=False` and for the ranks that are not to write."""

    def __init__(self, log_dir: str | os.PathLike[str]) -> None:
        self._logdir = str(log_dir)
        self._closed = False
        self._core = None
        self._step = None
        self._wall_time = None
        self.event_writer = EventFileWriter(self)

    @property
    def writes(self) -> bool:
        return False

    def reopen(self) -> None:
        self._closed = False

    def _do(self, call: Callable[[EventWriter], None]) -> None:
        pass


class EventFileWriter:
    """What other libraries reach for as `file_writer.event_writer`: takes events as they are."""

    def __init__(self, file_writer: FileWriter) -> None:
        self._file_writer = file_writer

    def get_logdir(self) -> str:
        """The run's folder."""
        return self._file_writer.get_logdir()

    def add_event(self, event: Message) -> None:
        """Add an Event, with its own step and wall time. Raises OSError if closed."""
        self._file_writer._do(lambda core: core.event(event))

    def flush(self) -> None:
        """As `FileWriter.flush`."""
        self._file_writer.flush()

    def close(self) -> None:
        """As `FileWriter.close`."""
        self._file_writer.close()

    def reopen(self) -> None:
        """As `FileWriter.reopen`."""
        self._file_writer.reopen()
