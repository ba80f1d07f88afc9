"""The parts of one writer, put together: ring, encoder, disk, stream, flush thread, shared memory.

Knows: how the parts go together, what is said when the disk changes its mind, the records a file begins with. Must
not know: what users may pass (tags, steps and numbers come checked), kinds of data.
"""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Literal

from eventwriter import _flusher, _log, _record, _shared, _wire
from eventwriter._batch import Item
from eventwriter._disk import Disk
from eventwriter._intake import Intake
from eventwriter._options import PASSING, WriterOptions
from eventwriter._ring import Ring, RingClosed
from eventwriter._stats import Stats
from eventwriter._stream import Stream
from eventwriter.errors import ClosedError, WriteError

if TYPE_CHECKING:
    from eventwriter._shm import RingFile
    from eventwriter._steps import NotRising

_MOST_REPORTED = 10
# How soon the flush thread comes back to what a writer that writes through had to leave to it, in seconds.
_AT_ONCE = 0.002


def header(purge_step: int | None = None) -> bytes:
    """The records that an event file begins with."""
    now = time.time()
    records = _record.frame(_wire.event_head(now, 0) + _wire.file_version("eventwriter"))
    if purge_step is not None:
        # Twice: the Python loader takes a run's first START for its beginning and ignores it.
        records += 2 * _record.frame(_wire.event_head(now, purge_step) + _wire.SESSION_START)
    return records


def _look_first(_rows: bytes) -> object:
    """Stands in for the ring's `append`: makes the next call take the careful way, which raises what is stored."""
    raise ValueError


class Engine:
    """Takes checked events and gets them to the disk.

    Attributes:
        ring: for the fast path of a scalar, which adds its row itself.
        tags: a tag's number in rows, of every tag seen so far; read it before `add_tag`.
    """

    def __init__(self, options: WriterOptions) -> None:
        """Make the parts. None of them touches the event file before `open`, or before the first event."""
        # numpy is imported here, on the caller's thread: a fork while another thread imports it would leave the
        # child a half-made module for good.
        from eventwriter._scalars import ScalarEncoder

        self._options = options
        self._closed = False
        self._error: WriteError | None = None
        self._told = 0  # dropped events that were reported
        self._purge = options.purge_step
        self.tags: dict[str, int] = {}
        self._encoder = ScalarEncoder()
        # Absolute: the file is looked for by its name, and a program may change its working directory.
        logdir = os.path.abspath(options.logdir)  # noqa: PTH100 -- pathlib costs its import
        self._shared: RingFile | None = _shared.attach(logdir, header)
        self.ring = Ring(self._wake, self._shared)
        durable = options.durability == "machine"
        disk = Disk(logdir, options.filename_suffix, self._first_header, durable, options.max_file_bytes, self._shared)
        through = options.durability != "async"
        self._stream = Stream(
            self.ring, self._encoder, disk, self._trouble, self._hidden, _AT_ONCE if through else options.flush_secs,
            options.sync_secs if durable else None, self._shared, not through,
        )  # fmt: skip
        if through:
            self.ring.first = self.ring.append = self._stream.write_through
        self._intake = Intake(self.ring, self._stream, self._wake, options.max_pending_bytes)
        _flusher.flusher.add(self._stream)

    def open(self) -> None:
        """Make the event file now. Raises OSError if it cannot be made, but not for a disk that may get better."""
        try:
            self._stream.open()
        except OSError as error:
            # A folder that cannot be is a mistake to hear of now; a full disk is an episode, now as later.
            if self._options.on_error == "raise" or error.errno not in PASSING:
                self._closed = True
                self.ring.close()
                self._stream.close(0)
                raise
            self._stream.complain(error)
            self._wake(False)

    # ---- events

    def add_tag(self, tag: str) -> int:
        """The number of a tag that has none yet."""
        tag_id = self._encoder.add_tag(tag)
        if self._shared is not None:
            self._shared.add_tag(tag_id, tag.encode())
        # Two threads may both come here with a new tag: one number is then never used.
        return self.tags.setdefault(tag, tag_id)

    def add(self, rows: bytes) -> None:
        """Add the rows of an event. Raises ClosedError, or a WriteError that was to be raised."""
        self.raise_if_unusable()
        try:
            self._intake.add(rows)
        except RingClosed:
            raise ClosedError(self.path) from None

    def put(self, item: Item, what: str) -> None:
        """Add an event that is larger than a row. Raises ValueError if it is too large, else as `add`."""
        self.raise_if_unusable()
        self.check_size(item.nbytes, what)
        try:
            self._intake.add_item(item)
        except RingClosed:
            raise ClosedError(self.path) from None

    def check_size(self, nbytes: int, what: str) -> None:
        """Raise ValueError for something that could never wait here."""
        if nbytes > self._intake.bound:
            raise ValueError(f"{what}: want at most {self._intake.bound} bytes (max_pending_bytes), got {nbytes}")

    def raise_if_unusable(self) -> None:
        if self._closed:
            raise ClosedError(self.path)
        self._raise_stored()

    def _raise_stored(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    # ---- what the stream and the ring ask for

    def _wake(self, urgent: bool) -> None:
        _flusher.flusher.wake(self._stream, 0.0 if urgent else self._stream.flush_secs)

    def _first_header(self) -> bytes:
        # Once: what a second file of this writer holds must not make TensorBoard forget the first.
        purge, self._purge = self._purge, None
        return header(purge)

    def _trouble(self, error: OSError | None) -> None:
        """The disk changed its mind. Runs on the flush thread."""
        if error is None:
            before, self._told = self._told, self._stream.progress().dropped
            dropped = self._told - before
            lost = f"{dropped} events had no room and are lost" if dropped else "nothing was lost"
            _log.warning("%s: writing goes on, %s", self.path, lost)
            return
        trouble = WriteError(self.path or self._options.logdir, error.errno or errno.EIO)
        told = self._options.on_error
        if told == "raise":
            self._error = trouble
            self.ring.append = _look_first
        elif callable(told):
            try:
                told(trouble)
            except Exception:
                _log.exception("on_error raised")
        else:
            _log.warning("%s; events wait in memory and writing is tried again", trouble)

    def _hidden(self, found: NotRising) -> None:
        """A tag's steps do not rise. Runs on the flush thread, once for each tag."""
        _log.warning(
            "scalar %r: step %d comes after step %d. TensorBoard's default loader hides a tag's points from a step on "
            "that comes again (this is said once for each tag; close() says how many points)",
            self._name(found.tag_id),
            found.step,
            found.last,
        )

    def _name(self, tag_id: int) -> str:
        return next((tag for tag, known in tuple(self.tags.items()) if known == tag_id), "?")

    def _report_hidden(self) -> None:
        hidden = sorted(self._stream.hidden(), key=lambda tag: -tag.points)
        for tag in hidden[:_MOST_REPORTED]:
            most = "" if tag.exact else "at most "
            name = self._name(tag.tag_id)
            _log.warning("scalar %r: TensorBoard's default loader hides %s%d points of it", name, most, tag.points)
        if len(hidden) > _MOST_REPORTED:
            _log.warning("and points of %d other tags", len(hidden) - _MOST_REPORTED)

    # ---- the state of things

    @property
    def path(self) -> str:
        return self._stream.path

    @property
    def closed(self) -> bool:
        return self._closed

    def stats(self) -> Stats:
        done = self._stream.progress(wait=not _flusher.flusher.is_this_thread())
        state: Literal["ok", "failing", "closed"] = "closed" if self._closed else "failing" if done.error else "ok"
        accepted = done.written + done.pending + done.dropped + done.failed
        return Stats(accepted, *done[:5], state, done.error)

    def flush(self, timeout: float | None, sync: bool = False) -> bool:
        if self._closed:
            return True
        if sync:
            self._stream.sync_asked = True
        done = _flusher.flusher.flush(self._stream, timeout)
        self._raise_stored()
        return done

    def close(self, timeout: float | None) -> bool:
        if self._closed:
            return True
        self._closed = True
        self.ring.close()
        if self._stream.is_in_my_way() or _flusher.flusher.is_this_thread():
            # Called by a signal handler in the middle of a write, or by something that the garbage collector ran on the
            # flush thread, perhaps in the middle of this very stream: that goes on, and the file is given back later.
            written = not self._stream.is_in_my_way() and self._stream.drain() is None and self._stream.drained
            if not written:
                self._wake(True)
                return False
        end = None if timeout is None else time.monotonic() + timeout
        self._stream.sync_asked |= self._options.durability == "machine"
        done = _flusher.flusher.flush_within(self._stream, timeout)
        lost = self._stream.close(None if end is None else max(0.0, end - time.monotonic()))
        self._report_hidden()
        if lost:
            _log.error("%s: closed with %d events not written: %s", self.path, lost, self._stream.progress().error)
        return done and not lost
