"""From pending rows to bytes for the disk: one run's way there.

Knows: the ring, the encoder, the disk; what became of each event. Must not know: threads and timers (whoever calls
`drain` brings both), kinds of data, callers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from eventwriter import _record, _wire
from eventwriter._batch import Batches
from eventwriter._disk import SHORTEST_RETRY, Disk
from eventwriter._disk import Shared as DisksShared
from eventwriter._ring import ROW, ROW_BYTES, Ring

if TYPE_CHECKING:
    from eventwriter._scalars import ScalarEncoder
    from eventwriter._steps import NotRising


# Rows encoded in one go. numpy gives the GIL back in each of its calls, and while this thread waits to have it again,
# every call of numpy's in the training wakes it: so rather few calls on many rows than the other way round.
_ROWS_A_CHUNK = 4096
# Among them may be places of larger items, all of which would be encoded before any is written.
_ROWS_WITH_ITEMS = 1024
# Then the GIL is let go for so long, in seconds. Not 0: a thread that sleeps 0 takes the GIL again before one that
# waits for it has woken, and that one then waits for the switch interval, 5 ms.
_BREATH = 0.0001
# Bytes gathered for one write(2).
_BYTES_A_WRITE = 1 << 19
# A write(2) that takes longer is left to the flush thread, in seconds.
_SLOW = 0.005
_LATER = -1.0
_WORTH_WAITING = 0.5
_unpack = ROW.unpack


class Shared(DisksShared, Protocol):
    """Where a killed process' pending rows are found (see `_shm`)."""

    def remove(self) -> None: ...
    def let_go(self) -> None: ...


class Progress(NamedTuple):
    """How a stream fares. `error` is what the disk said last, None when all is well."""

    written: int
    pending: int
    dropped: int
    failed: int
    nbytes: int
    error: OSError | None


class Stream:
    """Writes one ring's events to event files.

    Args:
        on_hidden: told of a tag whose steps do not rise.
        on_trouble: told of each change of state: an OSError when writing stops, None when it goes on.
        sync_secs: wait for the device so often; None for never.

    Attributes:
        rests: rows may wait for `flush_secs` where nobody is woken for them.
        drained: the last `drain` wrote everything that was pending (and synced, if that was asked for).
    """

    def __init__(
        self,
        ring: Ring,
        encoder: ScalarEncoder,
        disk: Disk,
        on_trouble: Callable[[OSError | None], None],
        on_hidden: Callable[[NotRising], None],
        flush_secs: float,
        sync_secs: float | None = None,
        shared: Shared | None = None,
        rests: bool = True,
    ) -> None:
        self.ring = ring
        self.flush_secs = flush_secs
        self.rests = rests
        self.sync_asked = False
        self.drained = True
        self._batches = Batches(ring, encoder, on_hidden)
        self.hidden = self._batches.hidden
        self._disk = disk
        self._on_trouble = on_trouble
        self._sync_secs = sync_secs
        self._shared = shared
        self._begin()

    def after_fork_in_child(self) -> None:
        """Forget everything pending and the file: the parent has them."""
        if self._shared is not None:
            self._shared.let_go()
            self._shared = None
        self.ring.leave_shared()
        self.ring.clear()
        self._disk.begin(None)
        self._batches.begin()
        self._begin()

    def _begin(self) -> None:
        # Held while bytes are made and written; callers never wait for it, but those who write through.
        self.busy = threading.RLock()
        self._through = False  # a thread is in the middle of `write_through`
        self._batch_events = 0
        self._written = self._dropped = 0
        self._in_trouble = False
        self._trouble_since = 0.0
        self._marker = b""
        self._marked = self._gaps = 0

    @property
    def path(self) -> str:
        return self._disk.path

    @property
    def nbytes(self) -> int:
        return self._disk.nbytes

    @property
    def failing(self) -> bool:
        """The disk does not take what there is."""
        return self._disk.error is not None

    def progress(self, wait: bool = False) -> Progress:
        """What became of the events.

        Args:
            wait: for the end of the batch that is being made or written, so that each event is counted just once;
                not longer than a healthy disk takes.
        """
        held = wait and self.busy.acquire(timeout=_WORTH_WAITING)
        try:
            pending = self.ring.events() + self._batch_events
            dropped = self._dropped + self.ring.dropped
            return Progress(self._written, pending, dropped, self._batches.failed, self._disk.nbytes, self._disk.error)
        finally:
            if held:
                self.busy.release()

    def open(self) -> None:
        """Make the file and write its first records. Raises OSError."""
        with self.busy:
            self._disk.open()

    def complain(self, error: OSError) -> None:
        """`open` failed, but may not for ever: the flush thread shall try again."""
        self._after(error)

    # ---- the flush thread's way

    def drain(self) -> float | None:
        """Write what is pending now. None when it is written, else in how many seconds to call again."""
        if not self.busy.acquire(blocking=False):
            self.drained = False
            # Somebody else is at it. Callers that write through would be for ever, one after the other.
            self.ring.wait_for_thread()
            return SHORTEST_RETRY
        try:
            return self._drain()
        finally:
            self.busy.release()

    def _drain(self) -> float | None:
        self.drained = False
        self._disk.look_if_kept()
        pending = self.ring.pending()
        while self._disk.busy or pending > 0:
            if not self._disk.busy:
                pending -= self._fill(pending)
                if not self._disk.busy:
                    continue
            try:
                self._disk.send()
            except OSError as error:
                return self._after(error)
            self._finish()
            self._see_recovery()
        self.drained = not self.sync_asked
        again = self._sync()
        self._see_recovery()
        self.drained = self.drained or not self.sync_asked
        return again

    def _see_recovery(self) -> None:
        if self._in_trouble and not self.failing:
            self._in_trouble = False
            self._mark_gap()
            self._on_trouble(None)

    def _after(self, error: OSError) -> float:
        again, news = self._disk.after(error)
        if news:
            self._in_trouble = True
            self._trouble_since = time.time()
            self._on_trouble(error)
        return again

    def _mark_gap(self) -> None:
        """Leave word in the file of events that had no room while the disk failed."""
        lost = self.ring.dropped - self._marked
        if lost:
            self._marked = self.ring.dropped
            now = time.time()
            words = (
                f"{lost} events were lost here: the disk did not take them from {time.ctime(self._trouble_since)} to "
                f"{time.ctime(now)}, and there was no memory for more."
            )
            event = _wire.event_head(now, self._gaps) + _wire.text("eventwriter/lost", words)
            self._marker = _record.frame(event)
            self._gaps += 1

    def _sync(self) -> float | None:
        due = None if self._sync_secs is None else self._disk.sync_due(self._sync_secs)
        if not self.sync_asked and due:
            return due
        if self.sync_asked or due is not None:
            try:
                self._disk.sync(force=self.sync_asked)
            except OSError as error:
                return self._after(error)
            self.sync_asked = False
        return None

    def _fill(self, pending: int) -> int:
        """Encode up to `pending` rows as the next batch; how many rows it took."""
        parts, self._marker = [self._marker] if self._marker else [], b""
        size = sum(map(len, parts))
        events = taken = 0
        while taken < pending and size < _BYTES_A_WRITE:
            if taken:
                time.sleep(_BREATH)
            rows = self.ring.peek(_ROWS_WITH_ITEMS if self.ring.items else _ROWS_A_CHUNK)
            if not rows:
                break
            for data, count in self._batches.encode(rows):
                parts.append(data)
                size += len(data)
                events += count
            self.ring.advance(len(rows))
            taken += len(rows) // ROW_BYTES
        self._disk.load(b"".join(parts))
        self._batch_events = events
        if not size:
            self._finish()
        return taken or pending

    def _finish(self) -> None:
        self._written += self._batch_events
        self._batch_events = 0
        self.ring.commit()
        self._disk.certain()

    # ---- the caller's way, for a writer that writes through

    def write_through(self, rows: bytes) -> None:
        """Write an event in the caller's own thread. Stands in for the ring's `append` while nothing is pending.

        Where that cannot be (the disk is slow or fails, another thread is at it for long, or this is a signal handler
        that came in the middle of it), the rows go into the ring, and the flush thread takes over until it is empty.
        """
        took = _LATER
        # `with`, and re-entrant: between a lock's acquisition and a try, a signal handler may raise.
        with self.busy:
            if not self._through:
                try:
                    self._through = True
                    took = self._write_through(rows)
                finally:
                    self._through = False
        if took is _LATER:
            self.ring.append_for_thread(rows)
        elif took > _SLOW or self._batch_events:
            self.ring.leave_to_thread()
        elif self._sync_secs is not None:
            self.ring.wake_once()

    def _write_through(self, rows: bytes) -> float:
        disk = self._disk
        if disk.direct is None or not self.ring.is_empty():
            return _LATER
        if len(rows) == ROW_BYTES and not self.ring.items:
            wall_time, step, value, tag_id, _ = _unpack(rows)
            record = self._batches.one(wall_time, step, value, tag_id)
            self._batch_events = 1
        else:
            parts = self._batches.encode(rows)
            record = b"".join([data for data, _ in parts])
            self._batch_events = sum([count for _, count in parts])
        took = disk.send_direct(record)
        if not disk.busy:
            self._written += self._batch_events
            self._batch_events = 0
        return took

    def is_in_my_way(self) -> bool:
        """The calling thread is itself in the middle of writing, so that waiting for it would be for ever."""
        owned: bool = self.busy._is_owned()  # type: ignore[attr-defined]  # as threading.Condition asks it
        return owned

    # ---- the end

    def at_exit(self) -> int:
        """The interpreter ends. How many events the disk did not take; scalars among them can be recovered."""
        self._disk.sync_or_keep()
        left = self.ring.events() + self._batch_events if self.ring.pending() or self._disk.busy else 0
        if self._shared is not None:
            shared, self._shared = self._shared, None
            self._disk.shared = None
            if left:
                shared.let_go()
            else:
                shared.remove()
        return left

    def __del__(self) -> None:
        self.at_exit()

    def close(self, timeout: float | None) -> int:
        """Give the descriptor back. How many events were still pending: those are lost, if they cannot be recovered."""
        if not self.busy.acquire(timeout=-1 if timeout is None else timeout):
            return self.ring.events() + self._batch_events  # a write that never returned holds it
        try:
            self.at_exit()
            lost = self.ring.events() + self._batch_events
            self._dropped += lost + self.ring.dropped
            self._batch_events = 0
            self.sync_asked = False  # nobody waits for it any more, and the flush thread need not come again
            self._disk.load(b"")
            self.ring.clear()
            self._disk.abandon()
        finally:
            self.busy.release()
        return lost
