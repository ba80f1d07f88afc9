"""The way into the ring when there is something to decide: is there room, and if not, who waits and what is dropped.

Knows: the bound on pending memory, the ring, how the stream fares. Must not know: tags, steps, what an item is.

A healthy disk that is slower than the program: callers wait for room. A disk that fails or stands still: nobody
waits, the newest events are dropped, and counted.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Protocol

from eventwriter._ring import ITEM, ROW, Ring, RingClosed

# A disk that has taken no byte for so many seconds stands still.
_PATIENCE = 5.0


class _Stream(Protocol):
    @property
    def failing(self) -> bool: ...
    @property
    def nbytes(self) -> int: ...


class _Item(Protocol):
    nbytes: int


class Intake:
    """Adds to a ring within a bound on the memory that waits."""

    def __init__(self, ring: Ring, stream: _Stream, wake: Callable[[bool], None], bound: int) -> None:
        self.bound = bound
        self._ring = ring
        self._stream = stream
        self._wake = wake
        self._keys = itertools.count().__next__
        self._stuck: tuple[int, int] | None = None  # the stream's bytes when somebody waited for more in vain

    def add(self, rows: bytes, nbytes: int = 0) -> bool:
        """Add one event's rows, and `nbytes` that they stand for. False if it was dropped. Raises RingClosed."""
        if not self._has_room(nbytes) and not self._wait_for_room(nbytes):
            with self._ring.lock:
                self._ring.dropped += 1
            return False
        while True:
            try:
                self._ring.append(rows)
                return True
            except RingClosed:
                raise
            except ValueError:
                self._ring.make_room(len(rows))

    def add_item(self, item: _Item) -> bool:
        """Add an event that is too large for a row. False if it was dropped. Raises RingClosed."""
        key = self._keys()
        with self._ring.lock:
            self._ring.item_bytes_in += item.nbytes
        self._ring.items[key] = item
        added = False
        try:
            added = self.add(ROW.pack(0.0, key, 0.0, ITEM, 0), item.nbytes)
        finally:
            if not added:
                self._forget(key)
        return added

    def _forget(self, key: int) -> None:
        item = self._ring.items.pop(key, None)
        if item is not None:
            with self._ring.lock:
                self._ring.item_bytes_in -= item.nbytes

    def _has_room(self, nbytes: int) -> bool:
        waiting = self._ring.item_bytes_in - self._ring.item_bytes_out
        if nbytes and waiting <= nbytes:
            return True  # an item that is alone may be as large as the bound
        return self._ring.nbytes + waiting <= self.bound

    def _progress(self) -> tuple[int, int]:
        """Changes while the flush thread gets on: bytes written, and items that it has begun to encode."""
        return self._stream.nbytes, self._ring.item_bytes_out

    def _recount(self) -> None:
        """Put the count of waiting bytes right: a call that was interrupted may have left it too high."""
        ring = self._ring
        with ring.lock:
            ring.item_bytes_in = ring.item_bytes_out + sum(item.nbytes for item in tuple(ring.items.values()))

    def _wait_for_room(self, nbytes: int) -> bool:
        """Wait while the disk makes progress. False if it fails or stands still: then nobody waits for it."""
        stream = self._stream
        self._recount()
        patience = time.monotonic() + _PATIENCE
        seen = self._progress()
        while not self._has_room(nbytes):
            if stream.failing or self._progress() == self._stuck:
                return False
            if self._progress() != seen:
                seen = self._progress()
                patience = time.monotonic() + _PATIENCE
            elif time.monotonic() > patience:
                self._stuck = seen
                return False
            self._wake(True)
            time.sleep(0.001)
        return True
