"""The package's errors: what they say, what they are, and that they survive a process boundary."""

from __future__ import annotations

import copy
import errno
import pickle

import pytest

from eventwriter.errors import ClosedError, CorruptRecord, EventWriterError, WriteError

ERRORS = [
    (ClosedError("a/events"), "a/events: writer is closed, make a new EventWriter to go on logging"),
    (CorruptRecord("a/events", 52, "CRC is wrong"), "a/events: record at byte 52: CRC is wrong"),
    (WriteError("a/events", errno.ENOSPC), "a/events: cannot write: No space left on device"),
]


@pytest.mark.parametrize(("error", "text"), ERRORS, ids=lambda value: type(value).__name__)
def test_text_and_family(error, text):
    """Each names its file first, and each is an EventWriterError."""
    assert text == str(error)
    assert isinstance(error, EventWriterError)


@pytest.mark.parametrize("error", [error for error, _ in ERRORS], ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy], ids=["pickle", "copy"])
def test_survives_pickling(error, again):
    """A worker process can raise it in its parent: type, text and parts arrive."""
    twin = again(error)
    assert (type(error), str(error), vars(error)) == (type(twin), str(twin), vars(twin))


def test_parts():
    """Nobody needs to parse a text to know what happened."""
    corrupt = CorruptRecord("a/events", 52, "CRC is wrong")
    assert ("a/events", 52, "CRC is wrong") == (corrupt.path, corrupt.offset, corrupt.reason)
    write = WriteError("a/events", errno.EDQUOT)
    assert isinstance(write, OSError)
    assert ("a/events", "a/events", errno.EDQUOT) == (write.path, write.filename, write.errno)
    assert isinstance(ClosedError("a/events"), RuntimeError)
