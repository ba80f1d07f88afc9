"""From pending rows to bytes in a file: one run's way to the disk, whatever the disk says.

Knows: the ring, the encoder, the file; what is still to be written; what to do when a write fails. Must not
know: threads and timers (whoever calls `drain` brings both), kinds of data, callers.

The format cannot resync: every reader stops for good at a tear. So what a write left over is kept and finished
byte-exact when the disk answers again; where that cannot be (the file is gone, or is not as long as it should
be, or stays broken), the tear stays as it is and a new file, sorting after it, begins with the torn record.
"""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from eventwriter import _record
from eventwriter._file import EventFile
from eventwriter._ring import ITEM, ROW, ROW_BYTES, Ring

if TYPE_CHECKING:
    from eventwriter._scalars import ScalarEncoder

_log = logging.getLogger("eventwriter")

# Rows encoded in one go, without giving the GIL back: about 0.1 ms.
_ROWS_A_CHUNK = 1024
# Bytes gathered for one write(2).
_BYTES_A_WRITE = 1 << 20
_SHORTEST_RETRY = 0.05
_LONGEST_RETRY = 1.0
# These cannot get better with the same descriptor.
_HOPELESS = frozenset({errno.EBADF, errno.ESTALE, errno.ENODEV, errno.ENXIO})
_TRIES_BEFORE_NEW_FILE = 3
_WORTH_A_FILE = 4096


class Item(Protocol):
    """Something larger than a row that waits in `Ring.items`."""

    nbytes: int

    def records(self) -> tuple[bytes, int]:
        """The framed records to write, and how many they are. May raise: then the item is reported and dropped."""
        ...


class Progress(NamedTuple):
    """How a stream fares. `error` is what the disk said last, None when all is well."""

    written: int
    dropped: int
    failed: int
    nbytes: int
    error: OSError | None


class Stream:
    """Writes one ring's events to event files in one folder.

    Args:
        header: gives the records that every new file begins with.
        on_trouble: told of each change of state: an OSError when writing stops, None when it goes on.
    """

    def __init__(
        self,
        logdir: str,
        suffix: str,
        ring: Ring,
        encoder: ScalarEncoder,
        header: Callable[[], bytes],
        on_trouble: Callable[[OSError | None], None],
        flush_secs: float,
    ) -> None:
        self.logdir = logdir
        self.ring = ring
        self.path = ""
        self._suffix = suffix
        self._encoder = encoder
        self._header = header
        self._on_trouble = on_trouble
        self.flush_secs = flush_secs
        self.reset()

    def reset(self) -> None:
        """Forget everything pending and the file: for the child after a fork, whose parent has them."""
        self.ring.clear()
        # Held while bytes are made and written; callers never wait for it.
        self.busy = threading.Lock()
        self._file: EventFile | None = None
        self._batch = b""  # being written now …
        self._sent = 0  # … this much of it
        self._batch_events = 0
        self._retry = 0.0
        self._tries = 0
        self._error: OSError | None = None
        self._written = self._failed = 0
        self.nbytes = 0
        self.dropped = 0

    @property
    def failing(self) -> bool:
        """The disk does not take what there is."""
        return self._error is not None

    def progress(self) -> Progress:
        return Progress(self._written, self.dropped + self.ring.dropped, self._failed, self.nbytes, self._error)

    def in_flight(self) -> int:
        """Events that are encoded and not yet written."""
        return self._batch_events

    def open(self) -> None:
        """Make the file and write its first records. Raises OSError."""
        with self.busy:
            try:
                self._open()
                while self._sent < len(self._batch):
                    self._sent += self._write(memoryview(self._batch)[self._sent :])
            except OSError:
                self._abandon()
                raise
            self._finish()

    def drain(self) -> float | None:
        """Write what is pending now. None when it is written, else in how many seconds to call again."""
        if not self.busy.acquire(blocking=False):
            return _SHORTEST_RETRY  # somebody else is at it
        try:
            return self._drain()
        finally:
            self.busy.release()

    def _drain(self) -> float | None:
        pending = self.ring.pending()
        while True:
            if not self._batch:
                if pending <= 0:
                    return None
                pending -= self._fill(pending)
                if not self._batch:
                    continue
            try:
                self._send()
            except OSError as error:
                return self._after(error)
            if self._error is not None:
                self._error = None
                self._retry = 0.0
                self._on_trouble(None)
            self._tries = 0

    # ---- making bytes

    def _fill(self, pending: int) -> int:
        """Encode up to `pending` rows as the next batch; how many rows it took."""
        parts: list[bytes] = []
        size = events = taken = 0
        while taken < pending and size < _BYTES_A_WRITE:
            if taken:
                time.sleep(0)  # give the GIL back between chunks
            rows = self.ring.peek(_ROWS_A_CHUNK)
            if not rows:
                break
            for data, count in self._encode(rows):
                parts.append(data)
                size += len(data)
                events += count
            self.ring.advance(len(rows))
            taken += len(rows) // ROW_BYTES
        self._batch = b"".join(parts)
        self._batch_events = events
        self._sent = 0
        if not self._batch:
            self._finish()
        return taken or pending

    def _encode(self, rows: bytes) -> list[tuple[bytes, int]]:
        if not self.ring.items:  # the usual case: scalars only
            return [self._scalars(rows)]
        out: list[tuple[bytes, int]] = []
        start = 0
        for at, row in enumerate(ROW.iter_unpack(rows)):
            if row[3] == ITEM:
                if at > start:
                    out.append(self._scalars(rows[start * ROW_BYTES : at * ROW_BYTES]))
                out.append(self._item(row[1]))
                start = at + 1
        if start * ROW_BYTES < len(rows):
            out.append(self._scalars(rows[start * ROW_BYTES :]))
        return out

    def _scalars(self, rows: bytes) -> tuple[bytes, int]:
        try:
            return self._encoder.encode(rows)
        except Exception:  # a bug of ours: what is lost is counted, and the thread lives on
            lost = sum(row[3] > ITEM and not row[4] for row in ROW.iter_unpack(rows))
            self._failed += lost
            _log.exception("%s: %d scalars could not be encoded and are left out", self.path, lost)
            return b"", 0

    def _item(self, key: int) -> tuple[bytes, int]:
        item: Item | None = self.ring.items.pop(key, None)
        if item is None:  # its log call was interrupted between the row and its return
            return b"", 0
        self.ring.item_bytes_out += item.nbytes
        try:
            return item.records()
        except Exception:
            self._failed += 1
            _log.exception("%s could not be encoded and is left out; the rest is written", item)
            return b"", 0

    # ---- writing bytes

    def _open(self) -> None:
        file = EventFile(self.logdir, self._suffix)
        rest = self._unfinished()
        self._file = file
        self.path = file.path
        self._batch = self._header() + rest
        self._sent = 0

    def _unfinished(self) -> bytes:
        """The records of the batch that are not whole in the file."""
        start = 0
        for end in _record.ends(self._batch):
            if end > self._sent:
                break
            start = end
        return self._batch[start:]

    def _send(self) -> None:
        while True:
            if self._file is None:
                self._open()
            view = memoryview(self._batch)
            while self._sent < len(view):
                self._sent += self._write(view[self._sent :])
            # Only now, not before the write: what went into a file that nobody can find is written again.
            if self._file is None or self._file.is_in_place():
                break
            _log.warning("%s is gone (deleted, moved or replaced); a new file goes on from here", self.path)
            self._abandon()
            self._sent = 0
        self._finish()

    def _write(self, view: memoryview) -> int:
        assert self._file is not None  # noqa: S101 -- both callers opened it
        count = self._file.write(view)
        self.nbytes += count
        return count

    def _finish(self) -> None:
        self._written += self._batch_events
        self._batch = b""
        self._batch_events = self._sent = 0
        self.ring.commit()

    def _abandon(self) -> None:
        """Never write to this file again; `_open` starts the next with the record that was torn."""
        if self._file is not None:
            self._file.discard()
            self._file = None

    def _after(self, error: OSError) -> float:
        """The disk said no. Decide where the rest goes, and when to try again (seconds)."""
        self._tries += 1
        if self._file is not None:
            try:
                whole = self._file.is_whole()
            except OSError:
                whole = False
            # A full disk is an episode: more of the same is all that is needed. Anything else that stays
            # may be this file's own trouble.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            if error.errno == errno.EFBIG and self._file.size > _WORTH_A_FILE:
                self._abandon()  # files may not grow beyond this; the next one has room
                return 0.0
            if not whole or error.errno in _HOPELESS or (not full and self._tries >= _TRIES_BEFORE_NEW_FILE):
                self._abandon()
        if self._error is None:
            self._retry = _SHORTEST_RETRY
            self._error = error
            self._on_trouble(error)
        else:
            self._error = error
            self._retry = min(_LONGEST_RETRY, self._retry * 2)
        return self._retry

    def close(self, timeout: float | None) -> int:
        """Give the descriptor back. How many events were still pending: those are lost."""
        if not self.busy.acquire(timeout=-1 if timeout is None else timeout):
            return self.ring.events() + self._batch_events  # a write that never returned holds it
        try:
            lost = self.ring.events() + self._batch_events
            self.dropped += lost + self.ring.dropped
            self._batch, self._batch_events = b"", 0
            self.ring.clear()
            self._abandon()
        finally:
            self.busy.release()
        return lost
