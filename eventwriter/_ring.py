"""Pending rows: what was logged and is not yet written, in the order of the calls.

Knows: rows of fixed size, the segments of memory they wait in, how a row is added in one atomic step.
Must not know: Event, CRC, files, clocks, threads (it is told whom to wake).

A row is 32 bytes, little-endian::

    f64 wall time | i64 step | f64 value | u32 id | u32 more

`id` 0 marks memory that was never written, `PAD` a row to be stepped over, `ITEM` a place kept for
something larger (`step` is its key in `Ring.items`), everything else a tag. `more` is the number of rows
that follow and belong to the same event, 0 for most.

Adding a row is one call into C: `mmap.write` copies the bytes and moves the position while it holds the
GIL. So there is no claim without a commit: an exception, a signal handler or another thread comes before a
row or after it, never between, and needs no lock. A segment that is full makes `write` raise ValueError;
then `make_room` moves `append` to the next one. A segment is writable only while it is in `_live`:
others have their position at the end, so that a thread that went to sleep holding an old `write` cannot put
a row where nobody looks.
"""

from __future__ import annotations

import mmap
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

ROW = struct.Struct("<dqdII")
# The same for a row that is an event of its own: `more` is the upper half of an id that is below 2**32.
WHOLE_ROW = struct.Struct("<dqdQ")
ROW_BYTES = ROW.size
PAD = 1
ITEM = 2
FIRST_TAG = 3

ROWS_PER_SEGMENT = 4096
SEGMENT_BYTES = ROWS_PER_SEGMENT * ROW_BYTES
_PAD_ROW = ROW.pack(0.0, 0, 0.0, PAD, 0)
_ZEROS = bytes(SEGMENT_BYTES)
_LAST_ID = SEGMENT_BYTES - 8
_SPARES = 4

_gil = getattr(sys, "_is_gil_enabled", lambda: True)()


class Shared(Protocol):
    """Memory that outlives the process, in units of `SEGMENT_BYTES` (see `_shm`)."""

    def map(self, kind: int) -> tuple[mmap.mmap, int]: ...
    def set_live(self, unit: int) -> None: ...
    def set_committed(self, unit: int, size: int) -> None: ...
    def set_dead(self, unit: int) -> None: ...
    def give_back(self, unit: int) -> None: ...


_ROWS_UNIT = 1


class _Segment:
    __slots__ = ("_shared", "_unit", "memory", "taken", "tell", "write")

    def __init__(self, shared: Shared | None) -> None:
        self._shared = shared
        self._unit = -1
        if shared is not None:
            try:
                self.memory, self._unit = shared.map(_ROWS_UNIT)
            except OSError:  # no room: these rows do without
                self._shared = shared = None
        if shared is None:
            # Private: a forked child gets a copy that it throws away, never a share in its parent's rows.
            self.memory = mmap.mmap(-1, SEGMENT_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.memory.seek(SEGMENT_BYTES)
        self.taken = 0
        self.tell = self.memory.tell
        self.write: Callable[[bytes], object] = self.memory.write
        if not _gil:  # free-threaded Python: mmap.write alone is not atomic there
            lock, write = threading.RLock(), self.memory.write

            def locked(rows: bytes) -> object:
                with lock:
                    return write(rows)

            self.write = locked

    def go_live(self) -> None:
        if self._shared is not None:
            self._shared.set_live(self._unit)

    def commit(self) -> None:
        if self._shared is not None:
            self._shared.set_committed(self._unit, self.taken)

    def retire(self) -> None:
        """All rows are written: nobody needs to recover them."""
        if self._shared is not None:
            self._shared.set_dead(self._unit)

    def give_back(self) -> None:
        if self._shared is not None:
            self._shared.give_back(self._unit)

    def open(self) -> None:
        self.memory.seek(0)

    def seal(self) -> None:
        """Fill the rest, so that no row can be added any more. Another thread may be adding meanwhile."""
        try:
            while True:
                self.write(_PAD_ROW)
        except ValueError:
            pass

    def end(self) -> int:
        """Bytes written; 0 for a segment that is live and not yet open."""
        end = self.tell()
        if end == SEGMENT_BYTES and self.memory[_LAST_ID : _LAST_ID + 4] == b"\0\0\0\0":
            return 0
        return end

    def clear(self) -> None:
        self.memory[:] = _ZEROS  # the position stays at the end: not writable until opened
        self.taken = 0


class RingClosed(ValueError):  # noqa: N818 -- not an error but a state
    """The ring takes no more rows."""


def _refuse(_rows: bytes) -> object:
    raise RingClosed


class Ring:
    """The pending rows of one writer.

    Attributes:
        append: adds packed rows in one atomic step; raises ValueError when there is no room for them
            (then call `make_room` and try again). Read it afresh for every call.
        first: what `append` is while nothing is pending; adds a row and wakes, unless the writer has a better idea.
        items: what the `ITEM` rows stand for, by key.
        item_bytes_in, item_bytes_out: memory of the items ever added, and of those taken out; the first is changed
            under `lock`, the second by the flush thread alone.
        dropped: events that there was no room for; changed under `lock`.
        lock: re-entrant, since a signal handler may log while its own thread holds it. The flush thread never does.
    """

    __slots__ = (
        "_asked",
        "_closed",
        "_live",
        "_shared",
        "_spare",
        "_taken",
        "_wake",
        "append",
        "dropped",
        "first",
        "item_bytes_in",
        "item_bytes_out",
        "items",
        "lock",
    )

    def __init__(self, wake: Callable[[bool], None], shared: Shared | None = None) -> None:
        """`wake(False)` is called after the first row that follows `arm`, `wake(True)` when a segment is full."""
        self._wake = wake
        self._closed = False
        self._shared = shared
        self.first = self._append_first
        self.clear()

    def clear(self) -> None:
        """Forget everything. Nothing else may be going on in another thread, unless the ring is closed."""
        self.lock = threading.RLock()
        self._spare: deque[_Segment] = deque()
        self._taken: deque[_Segment] = deque()
        self.items: dict[int, Any] = {}
        self.item_bytes_in = self.item_bytes_out = self.dropped = 0
        first = _Segment(self._shared)
        self._live: deque[_Segment] = deque([first])
        if not self._closed:
            first.go_live()
            first.open()
            self.append: Callable[[bytes], object] = self.first
            self._asked = False

    # ---- the callers' side

    def _append_first(self, rows: bytes) -> None:
        write = self._live[-1].write
        write(rows)
        self.append = write
        self._wake(False)

    def append_for_thread(self, rows: bytes) -> None:
        """Add rows and have the flush thread come at once. Raises ValueError as `append` does."""
        write = self._live[-1].write
        write(rows)
        self.append = write
        self._wake(True)

    def leave_to_thread(self) -> None:
        """Have the flush thread come at once, and everything from now on wait for it."""
        self.wait_for_thread()
        self._wake(True)

    def wait_for_thread(self) -> None:
        """Everything from now on waits for the flush thread."""
        self.append = self.append_for_thread

    def wake_once(self) -> None:
        """Have the flush thread come in its own time, unless it was asked to since it last came."""
        if not self._asked:
            self._asked = True
            self._wake(False)

    def make_room(self, size: int) -> None:
        """Let `append` take at least one write of `size` bytes (at most a segment's)."""
        with self.lock:
            if self._closed:
                raise RingClosed
            last = self._live[-1]
            if size > ROW_BYTES and SEGMENT_BYTES - last.tell() < size:
                last.seal()
            # Looked up anew at every step: a signal handler may have been here in between.
            if self._live[-1].tell() == SEGMENT_BYTES:
                try:
                    segment = self._spare.pop()
                except IndexError:
                    segment = _Segment(self._shared)
                self._live.append(segment)
                segment.go_live()
                segment.open()
            self.append = self._live[-1].write
        self._wake(True)

    def close(self) -> None:
        """Take no more rows: from now on `append` raises RingClosed (ValueError if it was looked up before)."""
        with self.lock:
            self._closed = True
            self.append = _refuse
            self._live[-1].seal()

    @property
    def closed(self) -> bool:
        """No row comes any more, not from a thread that looked `append` up before either."""
        return self._closed

    @property
    def nbytes(self) -> int:
        """Memory in use by rows, rounded up to segments."""
        return (len(self._live) + len(self._taken)) * SEGMENT_BYTES

    def pending(self) -> int:
        """Number of rows to step over before all that are there now are: those that will be padding count."""
        *full, last = tuple(self._live)
        return (sum(SEGMENT_BYTES - s.taken for s in full) + max(0, last.end() - last.taken)) // ROW_BYTES

    def is_empty(self) -> bool:
        """Nothing is pending: the quick way to ask."""
        live = self._live
        return len(live) == 1 and live[0].taken == live[0].tell()

    def events(self) -> int:
        """Number of events not yet stepped over."""
        import numpy as np

        count = 0
        for segment in tuple(self._live):
            rows = np.frombuffer(segment.memory, "<u4")[segment.taken // 4 : segment.end() // 4]
            count += int(((rows[6::8] >= ITEM) & (rows[7::8] == 0)).sum())
        return count

    # ---- the flush thread's side

    def arm(self) -> bool:
        """Ask for `wake` at the next row. False, and nothing asked, if there are rows already."""
        if self._closed:
            return not self.pending()
        self._asked = False
        self.append = self.first
        if self.pending():
            self.append = self._live[-1].write
            return False
        return True

    def peek(self, limit: int) -> bytes:
        """A copy of the oldest rows not yet `advance`d over: at most `limit`, rounded up to whole events."""
        segment = self._live[0]
        while len(self._live) > 1:
            segment.seal()
            if segment.taken < segment.end():  # 0 if whoever should have opened it was interrupted
                break
            self._taken.append(self._live.popleft())
            segment = self._live[0]
        start = segment.taken
        end = segment.end()
        if end - start > limit * ROW_BYTES:
            end = start + limit * ROW_BYTES
            end += ROW_BYTES * int.from_bytes(segment.memory[end - 4 : end], "little")
        return segment.memory[start:end] if end > start else b""

    def advance(self, size: int) -> None:
        """Step over `size` bytes of rows, as `peek` gave them; their memory stays as it is until `commit`."""
        self._live[0].taken += size

    def commit(self) -> None:
        """What was stepped over is safe: its memory can be used again."""
        while self._taken:
            segment = self._taken.popleft()
            segment.retire()
            segment.clear()
            if len(self._spare) < _SPARES:
                self._spare.append(segment)
            else:
                segment.give_back()
        self._live[0].commit()

    def leave_shared(self) -> None:
        """Use ordinary memory from the next segment on: after a fork the shared one is the parent's."""
        self._shared = None
