"""The whole records of a damaged event file, those after the damage too, as a clean copy.

Knows records, and how to find the next one where nothing says where it begins. Never changes the damaged file,
never overwrites another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from eventwriter._record import FOOTER, HEADER, MAX_PAYLOAD, RecordReader, Stop, frame, payload_length

if TYPE_CHECKING:
    from eventwriter._proto.event_pb2 import Event

_CHUNK = 1 << 20
_NONZERO = re.compile(rb"[^\0]")
# A length below 2^32 has four zeros as its upper half.
_UPPER_HALF = bytes(4)
_NO_HEADER = bytes(HEADER)


class Lost(NamedTuple):
    """A stretch of the damaged file that is not in the copy: first byte, number of bytes, and why."""

    offset: int
    size: int
    reason: str


class Salvaged(NamedTuple):
    """What became of one file: how many records are in `copy`, which is None if there was nothing to save."""

    path: str
    copy: str | None
    records: int
    lost: list[Lost]


def salvage(path: Path, copy: Path) -> Salvaged:
    """Copies every whole record that holds an Event from `path` to the new file `copy`, in order.

    If the record with the file's version is lost, the copy begins with a new one. The copy is on disk when this
    returns. Memory: a chunk, the largest record, and a few bytes for each damaged place.

    Raises FileExistsError if `copy` exists, and other OSErrors, which leave no copy behind.
    """
    lost: list[Lost] = []
    count = 0
    with path.open("rb", buffering=0) as file, copy.open("xb") as out:
        try:
            for payload, event in _whole_events(file, lost):
                if count == 0 and not event.file_version:
                    version = type(event)(wall_time=event.wall_time, file_version="brain.Event:2")
                    out.write(frame(version.SerializeToString()))
                out.write(frame(payload))
                count += 1
            out.flush()
            os.fsync(out.fileno())
        except BaseException:
            copy.unlink()
            raise
    if count == 0:
        copy.unlink()
        return Salvaged(str(path), None, 0, lost)
    return Salvaged(str(path), str(copy), count, lost)


def _whole_events(file: BinaryIO, lost: list[Lost]) -> Iterator[tuple[bytes, Event]]:
    from eventwriter._decode import parse

    begin: int | None = 0
    while begin is not None:
        records = RecordReader(file, begin)
        for payload in records:
            event = parse(payload)
            if event is None:
                size = HEADER + len(payload) + FOOTER
                lost.append(Lost(records.offset - size, size, "its content is not an Event"))
            else:
                yield payload, event
        if records.stop is None or records.stop is Stop.END:
            return
        begin = _next_record(file, records.offset)
        end = file.seek(0, os.SEEK_END) if begin is None else begin
        if end > records.offset:  # Not so if the file has just grown by the rest of this record.
            lost.append(Lost(records.offset, end - records.offset, records.stop.reason))


def _next_record(file: BinaryIO, at: int) -> int | None:
    """Where the first good record at or after `at` begins."""
    while True:
        found = next(_headers(file, at), None)
        if found is None:
            return None
        begin, length = found
        if next(iter(RecordReader(file, begin)), None) is not None:
            return begin
        # Only its payload is damaged, if its length leads to another record: then there is no need to look into
        # the payload, where records of some other file may lie.
        end = begin + HEADER + length + FOOTER
        at = end if _header_at(file, end) is not None or end == file.seek(0, os.SEEK_END) else begin + 1


def _headers(file: BinaryIO, at: int) -> Iterator[tuple[int, int]]:
    """The places from `at` on where a header with a right CRC stands, each with the length that it states."""
    length = _header_at(file, at)
    if length is not None:
        yield at, length
    while True:
        file.seek(at)
        chunk = file.read(_CHUNK)
        if len(chunk) < HEADER:
            return
        for begin in _candidates(chunk):
            length = payload_length(chunk[begin : begin + HEADER])
            if length is not None:
                yield at + begin, length
        at += len(chunk) - HEADER + 1


def _header_at(file: BinaryIO, at: int) -> int | None:
    file.seek(at)
    header = file.read(HEADER)
    length = payload_length(header) if len(header) == HEADER else None
    return None if length is None or length > MAX_PAYLOAD else length


def _candidates(chunk: bytes) -> Iterator[int]:
    """Where a header could stand. Long stretches of zeros have none, and are passed over at once."""
    middle = chunk.find(_UPPER_HALF, 4)
    while middle >= 0 and middle + 8 <= len(chunk):
        begin = middle - 4
        if chunk[begin : begin + HEADER] != _NO_HEADER:
            yield begin
            after = middle + 1
        else:
            nonzero = _NONZERO.search(chunk, middle)
            if nonzero is None:
                return
            after = max(middle + 1, nonzero.start() - HEADER + 5)
        middle = chunk.find(_UPPER_HALF, after)
