"""What waits in a ring's place for something larger than a row.

Knows: the bytes of an Event around a value, the record around an Event. Must not know: kinds of data, files, threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from eventwriter import _record

if TYPE_CHECKING:
    from eventwriter.summary._deferred import Deferred


class ReadyEvent:
    """A ready event that waits for the flush thread."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self.nbytes = len(payload)

    def records(self) -> tuple[bytes, int]:
        return _record.frame(self._payload), 1


class DeferredEvent:
    """A value of some kind that waits to be encoded on the flush thread."""

    def __init__(
        self, what: str, head: bytes, deferred: Deferred, summary_of: Callable[[Sequence[Any]], bytes]
    ) -> None:
        self._what = what
        self._head = head
        self._deferred = deferred
        self._summary_of = summary_of
        self.nbytes = deferred.nbytes

    def __str__(self) -> str:
        return self._what

    def records(self) -> tuple[bytes, int]:
        return _record.frame(self._head + self._summary_of(self._deferred.values())), 1
