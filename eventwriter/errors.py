"""What can go wrong, in words. Knows nothing else.

Each error is built from data: it can be pickled, and its parts read without parsing its text. Bad arguments
are plain `TypeError` and `ValueError`, not these.
"""

from __future__ import annotations

import os
from typing import Any


class EventWriterError(Exception):
    """Every error of this package that is not a bad argument."""


class ClosedError(EventWriterError, RuntimeError):
    """A log call came after `close()`. `path`: the file that the writer wrote last."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: writer is closed, make a new EventWriter to go on logging"


class CorruptRecord(EventWriterError):  # noqa: N818 -- the name says what was found, and is what users catch
    """A record that cannot be what its writer wrote.

    `path`: its file. `offset`: the byte at which the record begins, all before it is good. `reason`: why.
    """

    def __init__(self, path: str, offset: int, reason: str) -> None:
        super().__init__(path, offset, reason)
        self.path = path
        self.offset = offset
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: record at byte {self.offset}: {self.reason}"


class WriteError(EventWriterError, OSError):
    """Events could not be written; an `OSError`, so `errno` says why. `path`: the event file."""

    def __init__(self, path: str, errno: int) -> None:
        super().__init__(errno, os.strerror(errno), path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: cannot write: {self.strerror}"

    def __reduce__(self) -> tuple[Any, ...]:
        # OSError keeps its parts outside `args`, so the default would call us with the wrong ones.
        return type(self), (self.path, self.errno)
