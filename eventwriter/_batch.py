"""Rows of all kinds to records.

Knows: that some rows are scalars and some stand for larger items, and that one bad item must not take its neighbours.
Must not know: files, threads, what an item is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from eventwriter import _log
from eventwriter._ring import ITEM, ROW, ROW_BYTES, Ring

if TYPE_CHECKING:
    from collections.abc import Callable

    from eventwriter._scalars import ScalarEncoder
    from eventwriter._steps import Hidden, NotRising


class Item(Protocol):
    """Something larger than a row that waits in `Ring.items`."""

    nbytes: int

    def records(self) -> tuple[bytes, int]:
        """The framed records to write, and how many they are. May raise: then the item is reported and dropped."""
        ...


class Batches:
    """Encodes the rows of one ring.

    Args:
        on_hidden: told of each tag whose steps do not rise, once: TensorBoard will hide points of it.

    Attributes:
        failed: events that could not be encoded; each was reported.
    """

    def __init__(self, ring: Ring, encoder: ScalarEncoder, on_hidden: Callable[[NotRising], None]) -> None:
        self._ring = ring
        self._encoder = encoder
        self._on_hidden = on_hidden
        self.begin()

    def begin(self) -> None:
        """Know nothing of earlier events: for the start, and for the child after a fork."""
        from eventwriter._steps import StepWatch

        self._watch = StepWatch()
        self.failed = 0

    def hidden(self) -> list[Hidden]:
        """How many points of each tag TensorBoard will hide, where it will."""
        return self._watch.summary()

    def one(self, wall_time: float, step: int, value: float, tag_id: int) -> bytes:
        """The record of one scalar."""
        not_rising = self._watch.see_one(tag_id, step)
        if not_rising is not None:
            self._on_hidden(not_rising)
        return self._encoder.one(wall_time, step, value, tag_id)

    def encode(self, rows: bytes) -> list[tuple[bytes, int]]:
        if not self._ring.items:  # the usual case: scalars only
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
            for not_rising in self._watch.see(*self._encoder.ids_and_steps(rows)):
                self._on_hidden(not_rising)
        except Exception:  # a bug of ours, which must not cost the events
            _log.exception("steps could not be watched")
        try:
            return self._encoder.encode(rows)
        except Exception:  # a bug of ours: what is lost is counted, and the thread lives on
            lost = sum(row[3] > ITEM and not row[4] for row in ROW.iter_unpack(rows))
            self.failed += lost
            _log.exception("%d scalars could not be encoded and are left out", lost)
            return b"", 0

    def _item(self, key: int) -> tuple[bytes, int]:
        item: Item | None = self._ring.items.pop(key, None)
        if item is None:  # its log call was interrupted between the row and its return
            return b"", 0
        self._ring.item_bytes_out += item.nbytes
        try:
            return item.records()
        except (Exception, SystemExit):
            self.failed += 1
            _log.exception("%s could not be encoded and is left out; the rest is written", item)
            return b"", 0
