"""What waits in a ring's place for something larger than a row.

Knows: the bytes of an Event around a value, the record around an Event. Must not know: kinds of data, files, threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

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

    def __init__(self, head: bytes, deferred: Deferred, summary_of: Callable[[Sequence[Any]], list[bytes]]) -> None:
        self._head = head
        self._deferred = deferred
        self._summary_of = summary_of
        self.nbytes = deferred.nbytes

    def __str__(self) -> str:
        return self._deferred.what

    def records(self) -> tuple[bytes, int]:
        return _record.frame(self._head, *self._summary_of(self._deferred.values())), 1


class FilesOfAnEvent(Protocol):
    """Files that belong to a run beside its event file, such as an embedding's. `write` runs on the flush thread."""

    nbytes: int

    def write(self) -> None: ...


class DeferredFiles:
    """Files that wait to be written; in the event file they leave nothing."""

    def __init__(self, files: FilesOfAnEvent, what: str) -> None:
        self._files = files
        self._what = what
        self.nbytes = files.nbytes

    def __str__(self) -> str:
        return self._what

    def records(self) -> tuple[bytes, int]:
        self._files.write()
        return b"", 1
