"""One run's event files, whatever the disk says.

Knows: the bytes still to be written, the file they go into, what to do when a write or a sync fails. Must not know:
what the bytes are beyond where a record ends, rings, threads, timers.

The format cannot resync: every reader stops for good at a tear. So what a write left over is kept and finished
byte-exact when the disk answers again; where that cannot be (the file is gone, or is not as long as it should be, or
stays broken), the tear stays as it is and a new file, sorting after it, begins with the torn record.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import Protocol

from eventwriter import _log, _record
from eventwriter._file import EventFile

SHORTEST_RETRY = 0.05
_LONGEST_RETRY = 1.0
# These cannot get better with the same descriptor.
_HOPELESS = frozenset({errno.EBADF, errno.ESTALE, errno.ENODEV, errno.ENXIO})
_TRIES_BEFORE_NEW_FILE = 3
_WORTH_A_FILE = 4096
# Bytes kept for the case that they must be written again; then the device is waited for.
_MOST_KEPT = 32 << 20
# How often a file that is written through is looked up by its name, in seconds.
_LOOK_AFTER = 0.5
_clock = time.monotonic


class Shared(Protocol):
    """Where it is noted which bytes of which file are certain (see `_shm`)."""

    def set_file(self, path: str) -> None: ...
    def set_size(self, size: int) -> None: ...


class Disk:
    """Writes bytes to event files in one folder, one batch at a time.

    Args:
        header: gives the records that every new file begins with.
        durable: keep what was written since the last `sync`, so that a sync that fails loses nothing.
        most_bytes: begin a new file when one is larger; None for no limit.

    Attributes:
        path: the file that is written to now.
        nbytes: bytes written to all files.
        error: what the disk said last; None when all is well.
        direct: the file, while `send_direct` may be called: it is open, all is well and nothing is waiting.
    """

    def __init__(
        self,
        logdir: str,
        suffix: str,
        header: Callable[[], bytes],
        durable: bool,
        most_bytes: int | None,
        shared: Shared | None,
    ) -> None:
        self._logdir = logdir
        self._suffix = suffix
        self._header = header
        self._durable = durable
        self._most_bytes = most_bytes
        self.path = ""
        self.begin(shared)

    def begin(self, shared: Shared | None) -> None:
        """Forget everything: nothing is written, no file is open."""
        self.shared = shared
        self._file: EventFile | None = None
        self.direct: EventFile | None = None
        self._batch = b""
        self._sent = 0
        self._retry = 0.0
        self._tries = 0
        self.error: OSError | None = None
        self.nbytes = 0
        self._head = 0  # bytes of the batch that are the file's first records; 0 once they are written
        self._kept_bytes = self._sync_failures = 0
        self._unsafe: OSError | None = None  # a failed sync after which nothing could be written again
        self._kept: list[bytes] = []  # written, but not yet looked after: see `look` and `sync`
        self._looked = self._synced = 0.0

    @property
    def busy(self) -> bool:
        """There are bytes that are not yet written."""
        return bool(self._batch)

    def load(self, batch: bytes) -> None:
        """Have these records written next. Nothing else may be waiting."""
        self._batch = batch
        self._sent = 0
        self.direct = None

    def send(self) -> None:
        """Write what was loaded. Raises OSError; then call `after`, and this again when it says."""
        while True:
            if self._file is None:
                self._open()
            self._write_rest()
            # Only now, not before the write: what went into a file that nobody can find is written again.
            if self._file is None or self._file.is_in_place():
                break
            self._report_gone()
            self._take_back()
        if self._durable:
            self._keep(self._batch)
        self._batch = b""
        self._sent = self._tries = self._head = 0
        if not (self._durable and self._sync_failures):  # else the next sync says whether all is well
            self.error = None
        self.direct = self._file

    def certain(self) -> None:
        """Everything that was taken from the ring is written: note it where a successor would look."""
        if self._file is not None:
            if self.shared is not None:
                self.shared.set_size(self._file.size)
            if self._most_bytes is not None and self._file.size >= self._most_bytes and not self._batch:
                self.look(_clock())  # for the last time
                if not self._batch:
                    self.sync_or_keep()
                    self.abandon()

    def send_direct(self, record: bytes) -> float:
        """Write one record in the caller's own thread; how long it took. What is left over waits to be sent."""
        file = self.direct
        assert file is not None  # noqa: S101 -- the caller asked
        began = _clock()
        sent = 0
        try:
            sent = file.write(record)
        except OSError:
            pass  # whoever sends the rest will hear of it
        self.nbytes += sent
        if sent != len(record):
            self.load(record)
            self._sent = sent
            return 0.0
        self._keep(record)
        if self._most_bytes is not None:
            self.certain()
        if began - self._looked > _LOOK_AFTER:
            self.look(began)
        return _clock() - began

    def _keep(self, records: bytes) -> None:
        self._kept.append(records)
        self._kept_bytes += len(records)
        if self._kept_bytes > _MOST_KEPT:
            if self._durable:
                self.sync_or_keep()
            else:
                self.look(_clock())

    def _forget_kept(self) -> None:
        self._kept = []
        self._kept_bytes = 0

    def look_if_kept(self) -> None:
        """`look`, if anything was written through since the last time."""
        if self._kept and not self._batch:
            self.look(_clock())

    def look(self, now: float) -> None:
        """See that the file is still there; if not, have everything since the last look written again."""
        self._looked = now
        if self._file is not None and not self._file.is_in_place():
            self._report_gone()
            self.load(b"".join(self._kept))
            self._forget_kept()
        elif not self._durable:
            self._forget_kept()

    def sync(self, force: bool = False) -> None:
        """Wait until the device has everything. Raises OSError if that is uncertain; what was kept is written again.

        Without `force`, only if something was written since the last time.
        """
        if self._file is None:
            if force and (error := self._unsafe or self.error) is not None:
                raise error
            return
        if not (self._kept or force):
            return
        try:
            self._file.sync()
        except OSError as failure:
            # On Linux a second fsync would say that all is well; it is not (PostgreSQL's fsync finding, 2018). So what
            # may be lost is written again, to a new file; but where no sync ever works, a new file would help nobody.
            self._sync_failures += 1
            if self._durable and self._sync_failures < _TRIES_BEFORE_NEW_FILE:
                again = b"".join(self._kept) + self._batch
                self.abandon()
                self.load(again)
            else:
                self._unsafe = failure
            self._forget_kept()
            raise
        self._forget_kept()
        self._sync_failures = 0
        self.error = None
        self._synced = time.monotonic()
        unsafe, self._unsafe = self._unsafe, None
        if force and unsafe is not None:
            raise unsafe  # this file is safe, but something before it may not be

    def sync_due(self, every: float) -> float | None:
        """In how many seconds the next sync is due; None if there is nothing to sync."""
        return max(0.0, self._synced + every - time.monotonic()) if self._kept else None

    def sync_or_keep(self) -> None:
        """Before a file is left for good."""
        if self._durable:
            try:
                self.sync()
            except OSError:
                pass  # written again, to the next file

    def open(self) -> None:
        """Make the file and write its first records. Raises OSError."""
        try:
            self._open()
            self._write_rest()
        except OSError:
            self.abandon()
            raise
        self._batch = b""
        self._sent = self._head = 0
        self.direct = self._file

    def _open(self) -> None:
        file = EventFile(self._logdir, self._suffix, sync=self._durable)
        rest = self._unfinished()
        self._file = file
        self.path = file.path
        if self.shared is not None:
            self.shared.set_file(file.path)
        header = self._header()
        self._head = len(header)
        self._batch = header + rest
        self._sent = 0
        self._looked = self._synced = time.monotonic()

    def _write_rest(self) -> None:
        assert self._file is not None  # noqa: S101 -- both callers opened it
        view = memoryview(self._batch)
        while self._sent < len(view):
            count = self._file.write(view[self._sent :])
            self._sent += count
            self.nbytes += count

    def _unfinished(self) -> bytes:
        """The records of the batch that are not whole in the file."""
        start = 0
        for end in _record.ends(self._batch):
            if end > self._sent:
                break
            start = end
        return self._batch[start:]

    def _has_event(self) -> bool:
        """The file has a whole record besides those that every file begins with."""
        return not self._head or any(self._head < end <= self._sent for end in _record.ends(self._batch))

    def _take_back(self) -> None:
        """The file is gone: what was kept of it is written again, before all that was waiting."""
        self._batch = b"".join(self._kept) + self._batch
        self._sent = 0
        self._forget_kept()

    def _report_gone(self) -> None:
        _log.warning("%s is gone (deleted, moved or replaced); a new file goes on from here", self.path)
        self.abandon()

    def abandon(self) -> None:
        """Never write to this file again; `_open` starts the next with the record that was torn."""
        self.direct = None
        if self._file is not None:
            self._file.discard()
            self._file = None

    def after(self, error: OSError) -> tuple[float, bool]:
        """The disk said no: when to try again (seconds), and whether that is news."""
        self._tries += 1
        if self._file is not None:
            try:
                whole = self._file.is_whole()
            except OSError:
                whole = False
            # A full disk is an episode: more of the same is all that is needed. Anything else that stays may be this
            # file's own trouble, if it ever took an event; else one more file is one more file at every try.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            tired = not full and self._tries >= _TRIES_BEFORE_NEW_FILE and self._has_event()
            outgrown = error.errno == errno.EFBIG and self._file.size > _WORTH_A_FILE
            if outgrown or not whole or error.errno in _HOPELESS or tired:
                if self._kept and not self._file.is_in_place():
                    self._take_back()
                self.abandon()
            if outgrown:
                return 0.0, False  # files may not grow beyond this; the next one has room
        news = self.error is None
        self._retry = SHORTEST_RETRY if news else min(_LONGEST_RETRY, self._retry * 2)
        # Kept, and perhaps raised again: a traceback would keep the frames, and what is in them, of every time.
        error.__traceback__ = error.__context__ = None
        self.error = error
        return self._retry, news
