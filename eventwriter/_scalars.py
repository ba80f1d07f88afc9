"""Rows of scalars to records, one at a time or a batch at once.

Knows: the columns of a row, the bytes of a scalar event (`_wire`) and of a record, which rows go together into
`_matrix`. Must not know: clocks, files, threads, where rows come from.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING

import numpy as np

from eventwriter import _crc32c, _record
from eventwriter._matrix import ROW_DTYPE, Matrix, least, most
from eventwriter._ring import FIRST_TAG, ROW
from eventwriter._wire import event_head, float32, summary_field, value_prefix, varint

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Fewer rows than this are quicker one at a time (measured: they cross at about 18).
_SMALLEST_BATCH = 20

_HEAD_1 = struct.Struct("<BdBB").pack
_HEAD_2 = struct.Struct("<BdBBB").pack
_F32 = struct.Struct("<f").pack
_U32 = struct.Struct("<I").pack


class ScalarEncoder:
    """Turns rows into records. Holds what it knows of each tag; one for each writer, used by one thread at a time."""

    def __init__(self) -> None:
        self._ids = itertools.count(FIRST_TAG)
        self._prefix: dict[int, bytes] = {}  # by id, as all that follows
        self._summary: dict[int, bytes] = {}
        self._known_headers: dict[int, bytes] = {}
        self._matrix = Matrix()

    def add_tag(self, tag: str) -> int:
        """A new id for `tag`, known from now on. Any thread may call this while another encodes."""
        tag_id = next(self._ids)
        self._prefix[tag_id] = value_prefix(tag.encode())
        return tag_id

    # ---- one at a time

    def one(self, wall_time: float, step: int, value: float, tag_id: int) -> bytes:
        """The record of one event that holds one scalar."""
        summary = self._summary.get(tag_id)
        if summary is None:
            prefix = self._prefix[tag_id]
            summary = self._summary[tag_id] = b"\x2a" + varint(len(prefix) + 4) + prefix
        if 0 < step < 0x4000 and wall_time:  # the usual case, spelled out: this is the write-through's path
            if step < 0x80:
                event = _HEAD_1(0x09, wall_time, 0x10, step) + summary
            else:
                event = _HEAD_2(0x09, wall_time, 0x10, step & 0x7F | 0x80, step >> 7) + summary
        else:
            event = event_head(wall_time, step) + summary
        try:
            event += _F32(value)
        except OverflowError:
            event += float32(value)
        header = self._known_headers.get(len(event))
        if header is None:
            header = self._known_headers[len(event)] = _record.header(len(event))
        crc = _crc32c.crc32c(event)
        return b"".join((header, event, _U32(((crc >> 15 | crc << 17) + _crc32c._MASK_DELTA) & 0xFFFFFFFF)))

    def many(self, wall_time: float, step: int, values: list[tuple[int, float]]) -> bytes:
        """The record of one event that holds these (tag id, value) pairs."""
        summary = b"".join([self._prefix[i] + float32(v) for i, v in values])
        return _record.frame(event_head(wall_time, step) + summary_field(summary))

    def _each(self, rows: bytes) -> list[bytes]:
        out: list[bytes] = []
        values: list[tuple[int, float]] = []
        for wall_time, step, value, tag_id, more in ROW.iter_unpack(rows):
            if tag_id < FIRST_TAG:
                continue
            if more or values:
                values.append((tag_id, value))
                if not more:
                    out.append(self.many(wall_time, step, values))
                    values = []
            else:
                out.append(self.one(wall_time, step, value, tag_id))
        return out

    # ---- a batch

    @staticmethod
    def ids_and_steps(rows: bytes) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Two columns of the rows."""
        table = np.frombuffer(rows, ROW_DTYPE)
        return table["id"], table["step"].view(np.int64)

    def encode(self, rows: bytes) -> tuple[bytes, int]:
        """The records of `rows` (whole events; no ITEM among them), in their order, and how many they are."""
        n = len(rows) // ROW.size
        if n < _SMALLEST_BATCH:
            records = self._each(rows)
            return b"".join(records), len(records)
        table = np.frombuffer(rows, ROW_DTYPE)
        self._matrix.learn(self._prefix)
        ids, more, wall, lengths = table["id"], table["more"], table["wall"], self._matrix.lengths
        high = int(least(wall)) >> 32
        # Rows that the matrix does not take: part of a larger event, long tags, padding, a wall time far from the
        # others' (its upper half, which changes every 17 minutes, is part of what the rows of a batch share) or 0.
        if high and high == int(most(wall)) >> 32 and not most(more) and least(lengths.take(ids)):
            return self._matrix.encode(table), n
        odd = (lengths[ids] == 0) | (more != 0) | (wall >> np.uint64(32) != wall[0] >> np.uint64(32))
        odd[1:] |= more[:-1] != 0
        if not int(wall[0]) >> 32:
            odd[:] = True
        # Runs of equal kind, in order.
        edges = [0, *(np.flatnonzero(odd[1:] != odd[:-1]) + 1).tolist(), n]
        out: list[bytes] = []
        count = 0
        for a, b in itertools.pairwise(edges):
            if odd[a] or b - a < _SMALLEST_BATCH:
                records = self._each(rows[a * ROW.size : b * ROW.size])
                out += records
                count += len(records)
            else:
                out.append(self._matrix.encode(table[a:b]))
                count += b - a
        return b"".join(out), count
