"""Every record and every CRC of event files: how far each file can be read, and why no further.

Knows records, and whether a payload is an Event. Must not know how that is displayed; never changes a file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple

from eventwriter._record import FOOTER, HEADER, RecordReader, Stop
from eventwriter.reader import event_files, runs

_CHUNK = 1 << 20


class FileCheck(NamedTuple):
    """What `check` found in one file.

    Attributes:
        path: the file.
        size: its bytes.
        records: whole, good records from its beginning on. A reader sees these.
        good_bytes: the bytes of these; the record after them begins here.
        state: `"whole"`; `"torn"`, the file ends within a record, as it does while somebody writes it or after its
            writer was killed: no reader minds; `"broken"`, there is no good record at `good_bytes`, and no reader
            gets past it; `"unreadable"`, the system cannot read the file.
        reason: why the state is not `"whole"`, in words.
    """

    path: str
    size: int
    records: int
    good_bytes: int
    state: Literal["whole", "torn", "broken", "unreadable"]
    reason: str

    @property
    def ok(self) -> bool:
        """Whether readers will read it to its end. A torn tail is no fault."""
        return self.state in ("whole", "torn")


def check(path: str | os.PathLike[str]) -> list[FileCheck]:
    """Checks an event file, or all event files in a folder and in the folders below it.

    Memory: a chunk and the largest record. Raises OSError if `path` itself is missing or cannot be read.
    """
    root = Path(path)
    root.stat()
    if not root.is_dir():
        return [check_file(root)]
    return [check_file(file) for run in runs(root) for file in event_files(root / run)]


def check_file(path: Path) -> FileCheck:
    """Checks one file. An error of the system becomes the state `"unreadable"`."""
    from eventwriter._decode import parse

    count = good = size = 0
    try:
        with path.open("rb", buffering=0) as file:
            records = RecordReader(file)
            for payload in records:
                if parse(payload) is None:
                    # The frame is fine, but TensorBoard's readers stop here all the same.
                    good = records.offset - HEADER - len(payload) - FOOTER
                    size = file.seek(0, os.SEEK_END)
                    return FileCheck(str(path), size, count, good, "broken", "its content is not an Event")
                count += 1
            good = records.offset
            size = file.seek(0, os.SEEK_END)
            stop = records.stop
            if stop is None or stop is Stop.END:
                return FileCheck(str(path), size, count, good, "whole", "")
            if stop.call_again:
                reason = f"the file ends within this record, of which it has {size - good} bytes"
                return FileCheck(str(path), size, count, good, "torn", reason)
            reason = "zeros from here to the end" if _only_zeros(path, good) else stop.reason
            return FileCheck(str(path), size, count, good, "broken", reason)
    except OSError as error:
        return FileCheck(str(path), size, count, good, "unreadable", error.strerror or str(error))


def _only_zeros(path: Path, offset: int) -> bool:
    """Whether that is all there is: what a preallocated file or a power failure looks like."""
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        while chunk := file.read(_CHUNK):
            if chunk.count(0) < len(chunk):
                return False
    return True
