"""The TFRecord frame, both ways: payload to bytes, and a read that tolerates a file still being written.

Knows nothing of what a payload means, of file names, or of threads.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from struct import Struct
from typing import BinaryIO

from eventwriter import _crc32c
from eventwriter._crc32c import _MASK_DELTA, _U32

# One record (little-endian), tensorflow/core/lib/io/record_writer.h:
#
#   u64 length of the payload
#   u32 masked CRC-32C of those 8 bytes
#       payload
#   u32 masked CRC-32C of the payload
HEADER = 8 + 4
FOOTER = 4

# A payload is a protobuf message, and no protobuf parser takes one of 2 GiB.
MAX_PAYLOAD = 2**31 - 1

_HEADER = Struct("<QI")
_LENGTH = Struct("<Q")
_CRC = Struct("<I")

# One read(2). Small records: far more of them than calls. Large: at most one chunk is read twice.
_CHUNK = 1 << 18
# Equal lengths have equal headers, so a header is checked once and then looked up; this bounds the table.
_MAX_KNOWN_HEADERS = 4096


def frame(*payload: bytes) -> bytes:
    """The record that holds `payload`, which may come in pieces."""
    crc = size = 0
    for piece in payload:
        crc = _crc32c.crc32c(piece, crc)
        size += len(piece)
    return b"".join((header(size), *payload, _CRC.pack(_crc32c.mask(crc))))


def header(length: int) -> bytes:
    """The first 12 bytes of a record whose payload has `length` bytes."""
    stated = _LENGTH.pack(length)
    return stated + _CRC.pack(_crc32c.masked(stated))


def ends(records: bytes) -> Iterator[int]:
    """The offset behind each of `records`, which are whole and ours (nothing is checked)."""
    offset = 0
    while offset < len(records):
        offset += HEADER + _LENGTH.unpack_from(records, offset)[0] + FOOTER
        yield offset


def payload_length(first: bytes) -> int | None:
    """The length that a record's first 12 bytes state, or None if their CRC is wrong."""
    length, crc = _HEADER.unpack(first)
    return int(length) if _crc32c.masked(first[:8]) == crc else None


class Stop(enum.Enum):
    """Why a read stopped. `call_again`: all is well so far, the file may grow. Else give up: it stays so."""

    END = ("end of the file", True)
    TORN = ("torn: the file ends within this record", True)
    LENGTH_CRC = ("CRC of the length is wrong", False)
    TOO_LONG = ("length is 2 GiB or more", False)
    PAYLOAD_CRC = ("CRC of the payload is wrong", False)

    def __init__(self, reason: str, call_again: bool) -> None:
        self.reason = reason
        self.call_again = call_again


class RecordReader:
    """Iterates over the payloads of a file of records, each checked against both of its CRCs.

    The iteration ends at the first byte that is no whole, good record, and `stop` says why. If
    `stop.call_again`, iterate again when the file has grown: it goes on at `offset`.

    Memory: one chunk of 256 KiB and the largest record. A length is believed only as far as the file reaches,
    so a lying one allocates nothing.

    Args:
        file: a seekable binary file. An unbuffered one saves a copy.
        offset: where to begin; must be the first byte of a record.
    """

    def __init__(self, file: BinaryIO, offset: int = 0) -> None:
        #: Where the next record begins. All bytes from the first offset to here are whole, good records.
        self.offset = offset
        #: None until the iteration has ended.
        self.stop: Stop | None = None
        self._file = file
        self._lengths: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[bytes]:
        _crc32c.implementation()
        crc32c, unpack_crc, lengths = _crc32c.crc32c, _CRC.unpack_from, self._lengths
        self.stop = None
        while True:
            base = self.offset
            self._file.seek(base)
            chunk = self._file.read(_CHUNK)
            have = len(chunk)
            begin = 0
            while begin + HEADER <= have:
                first = chunk[begin : begin + HEADER]
                length = lengths.get(first)
                if length is None:
                    length = self._checked_length(first)
                    if length is None:
                        return
                end = begin + HEADER + length
                if end + FOOTER > have:
                    break
                payload = chunk[begin + HEADER : end]
                crc = crc32c(payload)  # `_crc32c.mask` by hand: a call for each record is a tenth of the time.
                if ((crc >> 15 | crc << 17) + _MASK_DELTA) & _U32 != unpack_crc(chunk, end)[0]:
                    self.stop = Stop.PAYLOAD_CRC
                    return
                begin = end + FOOTER
                self.offset = base + begin
                yield payload
            if begin == 0:
                # Not one whole record in the chunk: it is larger than that, or unfinished.
                large = self._read_large(chunk[:HEADER])
                if large is None:
                    return
                yield large

    def _checked_length(self, first: bytes) -> int | None:
        length = payload_length(first)
        if length is None:
            self.stop = Stop.LENGTH_CRC
            return None
        if length > MAX_PAYLOAD:
            self.stop = Stop.TOO_LONG
            return None
        if len(self._lengths) >= _MAX_KNOWN_HEADERS:
            self._lengths.clear()
        self._lengths[first] = length
        return length

    def _read_large(self, first: bytes) -> bytes | None:
        if len(first) < HEADER:
            self.stop = Stop.TORN if first else Stop.END
            return None
        length = self._lengths[first]
        end = self.offset + HEADER + length + FOOTER
        if end > self._file.seek(0, 2):
            self.stop = Stop.TORN
            return None
        self._file.seek(self.offset + HEADER)
        payload = self._read_exactly(length)
        footer = self._read_exactly(FOOTER)
        if len(payload) < length or len(footer) < FOOTER:
            self.stop = Stop.TORN  # The file has shrunk in the meantime.
            return None
        if _crc32c.masked(payload) != _CRC.unpack(footer)[0]:
            self.stop = Stop.PAYLOAD_CRC
            return None
        self.offset = end
        return payload

    def _read_exactly(self, n: int) -> bytes:
        """`n` bytes, fewer only at the end of the file. (One read of an unbuffered file may return fewer.)"""
        data = self._file.read(n)
        while 0 < len(data) < n:
            more = self._file.read(n - len(data))
            if not more:
                break
            data += more
        return data
