"""Rows of scalars to records, one at a time or a batch at once.

Knows: the columns of a row, the bytes of a scalar event (`_wire`) and of a record, and how to make many together.
Must not know: clocks, files, threads, where rows come from.

The batch is a matrix with a row for each event and a column for each possible byte, all columns at fixed
places; a mask of the same shape says which bytes exist, and `matrix[mask]` is the file. CRC32C is affine
over GF(2): the CRC of an event is that of the same event with its varying bytes zero, xor one table entry
for each varying byte, chosen by the byte and its distance from the end.
"""

from __future__ import annotations

import itertools
import struct
from typing import TYPE_CHECKING

import numpy as np

from eventwriter import _crc32c, _record
from eventwriter._ring import FIRST_TAG, ROW
from eventwriter._wire import event_head, float32, summary_field, value_prefix, varint

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROW_DTYPE = np.dtype([("wall", "<u8"), ("step", "<u8"), ("value", "<f8"), ("id", "<u4"), ("more", "<u4")])

# A longer summary goes one at a time: the matrix is as wide as its widest row.
_WIDEST_PREFIX = 300
# Fewer rows than this are quicker one at a time (measured: they cross at about 18).
_SMALLEST_BATCH = 20
_MIXED_BATCH = 512

_WIDEST_STEP = 10
_HEAD_1 = struct.Struct("<BdBB").pack
_HEAD_2 = struct.Struct("<BdBBB").pack
_F32 = struct.Struct("<f").pack
_U32 = struct.Struct("<I").pack


def _crc_table(distances: int) -> NDArray[np.uint32]:
    """`table[d * 256 + b]`: what a byte `b` that `d` bytes follow adds to a CRC32C."""
    table = np.empty((distances, 256), np.uint32)
    zero = _crc32c.crc32c(b"\0")
    table[0] = [_crc32c.crc32c(bytes((b,))) ^ zero for b in range(256)]
    for d in range(1, distances):
        before = table[d - 1]
        table[d] = (before >> np.uint32(8)) ^ table[0][before & np.uint32(0xFF)]
    return table.ravel()


class ScalarEncoder:
    """Turns rows into records. Holds what it knows of each tag; one for each writer, used by one thread at a time."""

    def __init__(self) -> None:
        self._ids = itertools.count(FIRST_TAG)
        self._prefix: dict[int, bytes] = {}  # by id, as all that follows
        self._summary: dict[int, bytes] = {}
        self._known_headers: dict[int, bytes] = {}
        self._known = -1
        self._length = np.zeros(0, np.intp)  # of `2a <len> Summary` up to the float32; 0: not for batches
        self._bytes = np.zeros((0, 0), np.uint8)
        self._mask = np.zeros((0, 0), np.bool_)
        self._base = np.zeros((0, 0), np.uint32)
        self._has_base = np.zeros((0, 0), np.bool_)
        self._base_wall = -1
        self._table = np.zeros(0, np.uint32)
        self._headers = np.zeros((0, 12), np.uint8)

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
        if self._known != len(self._prefix):
            self._learn()
        ids, more, wall = table["id"], table["more"], table["wall"]
        high = int(_least(wall)) >> 32
        # Rows that the matrix does not take: part of a larger event, long tags, padding, a wall time far from the
        # others' (its upper half, which changes every 17 minutes, is part of what the rows of a batch share) or 0.
        one_tag = (lowest := int(_least(ids))) == _most(ids)
        if (
            high
            and high == int(_most(wall)) >> 32
            and not _most(more)
            and (self._length[lowest] if one_tag else _least(self._length[ids]))
        ):
            return self._batch(table, one_tag), n
        odd = (self._length[ids] == 0) | (more != 0) | (wall >> np.uint64(32) != wall[0] >> np.uint64(32))
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
                out.append(self._batch(table[a:b], False))
                count += b - a
        return b"".join(out), count

    def _learn(self) -> None:
        """Bring the tables up to the tags known by now."""
        prefixes = self._prefix.copy()
        summaries = [b""] * (max(prefixes, default=FIRST_TAG) + 1)
        for tag_id, prefix in prefixes.items():
            summary = b"\x2a" + varint(len(prefix) + 4) + prefix
            if len(summary) <= _WIDEST_PREFIX:
                summaries[tag_id] = summary
        self._length = np.array([len(s) for s in summaries], np.intp)
        width = max(1, int(self._length.max()))
        joined = b"".join([s.ljust(width, b"\0") for s in summaries])
        self._bytes = np.frombuffer(joined, np.uint8).reshape(-1, width)
        self._mask = np.arange(width) < self._length[:, None]
        self._base = np.zeros((len(summaries), _WIDEST_STEP + 1), np.uint32)
        self._has_base = np.zeros((len(summaries), _WIDEST_STEP + 1), np.bool_)
        longest = 9 + 1 + _WIDEST_STEP + width + 4
        if len(self._headers) <= longest:
            self._table = _crc_table(longest)
            headers = [_record.header(length) for length in range(longest + 1)]
            self._headers = np.frombuffer(b"".join(headers), np.uint8).reshape(-1, 12)
        # Last: a child forked in the middle of this begins it again.
        self._known = len(prefixes)

    def _base_crc(self, tag_id: int, width: int, wall_high: int) -> int:
        """The CRC of a tag's event whose step, value and lower half of the wall time are zeros, `width` the step's."""
        summary = self._bytes[tag_id, : self._length[tag_id]].tobytes()
        step = b"\x10" + bytes(width) if width else b""
        return _crc32c.crc32c(b"\x09" + (wall_high << 32).to_bytes(8, "little") + step + summary + bytes(4))

    def _base_crcs(self, ids: NDArray[np.intp], widths: NDArray[np.intp], wall_high: int) -> NDArray[np.uint32]:
        """`_base_crc` for each row, from a table that is filled as needed."""
        if wall_high != self._base_wall:
            self._has_base[:] = False
            self._base_wall = wall_high
        has = self._has_base[ids, widths]
        if not has.all():
            for tag_id, width in set(zip(ids[~has].tolist(), widths[~has].tolist(), strict=True)):
                self._base[tag_id, width] = self._base_crc(tag_id, width, wall_high)
                self._has_base[tag_id, width] = True
        return self._base[ids, widths]

    def _batch(self, rows: NDArray[np.void], one_tag: bool) -> bytes:
        n = len(rows)
        if n > _MIXED_BATCH and not one_tag:  # more would not stay in the nearest cache
            return b"".join([self._batch(rows[i : i + _MIXED_BATCH], False) for i in range(0, n, _MIXED_BATCH)])
        wall, step = rows["wall"], rows["step"]
        # A step is a varint: its width in bytes is 0 for a step of 0, which is left out.
        shortest, widest = _width(int(_least(step))), _width(int(_most(step)))
        # The bytes that vary, a row for each place and a column for each event: wall time's lower half, value, step.
        varying = np.empty((8 + widest, n), np.uint8)
        as_bytes = rows.view(np.uint8).reshape(n, ROW.size)
        varying[:4] = as_bytes[:, :4].T
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is an infinity
            value = rows["value"].astype("<f4")
        varying[4:8] = value.view(np.uint8).reshape(n, 4).T
        if widest:
            varying[8:] = (step >> _SHIFTS[:widest]) & _SEVEN_BITS
        if one_tag and shortest == widest:
            return self._same_shape(varying, widest, int(rows["id"][0]), int(wall[0]) >> 32)
        widths = np.full(n, shortest, np.intp)
        for k in range(shortest, widest):
            widths += step >= np.uint64(1 << (7 * k))
        return self._any_shape(varying, widest, widths, rows["id"].astype(np.intp), int(wall[0]) >> 32)

    def _same_shape(self, varying: NDArray[np.uint8], width: int, tag_id: int, wall_high: int) -> bytes:
        """A batch of one tag whose steps are equally wide: all bytes at the same places."""
        n = varying.shape[1]
        summary = self._bytes[tag_id, : self._length[tag_id]].tobytes()
        event = b"\x09" + (wall_high << 32).to_bytes(8, "little")
        event += (b"\x10" + bytes(width) if width else b"") + summary + bytes(4)
        size = len(event)
        template = np.frombuffer(_record.header(size) + event + bytes(4), np.uint8)
        varying[8 : 8 + width - 1] |= np.uint8(0x80)
        # Where each varying byte is within the event.
        places = np.array([1, 2, 3, 4, *range(size - 4, size), *range(10, 10 + width)])
        index = varying + 256 * (size - 1 - places)[:, None]
        crc = np.bitwise_xor.reduce(self._table.take(index), axis=0)
        crc ^= np.uint32(_crc32c.crc32c(event))
        records = np.empty((n, len(template)), np.uint8)
        records[:] = template
        records[:, 13:17] = varying[:4].T
        if width:
            records[:, 22 : 22 + width] = varying[8:].T
        records[:, -8:-4] = varying[4:8].T
        records[:, -4:] = _masked(crc)
        return records.tobytes()

    def _any_shape(
        self,
        varying: NDArray[np.uint8],
        widest: int,
        widths: NDArray[np.intp],
        ids: NDArray[np.intp],
        wall_high: int,
    ) -> bytes:
        n = len(ids)
        lengths = self._length[ids]
        prefix_width = int(_most(lengths))
        step_at = 12 + 9
        prefix_at = step_at + (1 + widest if widest else 0)
        value_at = prefix_at + prefix_width
        for k in range(widest - 1):
            varying[8 + k] |= (widths > k + 1).view(np.uint8) << np.uint8(7)

        # How many bytes of its event follow each varying byte.
        distance = np.empty((8 + widest, n), np.intp)
        step_end = lengths + 4
        after_wall = step_end + widths
        after_wall += widths > 0
        np.add(after_wall, [[7], [6], [5], [4]], out=distance[:4])
        distance[4:8] = [[3], [2], [1], [0]]
        if widest:
            np.subtract(step_end + widths, np.arange(1, widest + 1)[:, None], out=distance[8:])
        distance <<= 8
        distance += varying
        crc = np.bitwise_xor.reduce(self._table.take(distance), axis=0)
        crc ^= self._base_crcs(ids, widths, wall_high)

        records = np.empty((n, value_at + 8), np.uint8)
        records[:, :12] = self._headers.take(after_wall + 9, axis=0)
        records[:, 12] = 0x09
        records[:, 13:17] = varying[:4].T
        records[:, 17:21] = np.frombuffer(wall_high.to_bytes(4, "little"), np.uint8)
        if widest:
            records[:, step_at] = 0x10
            records[:, step_at + 1 : prefix_at] = varying[8:].T
        records[:, prefix_at:value_at] = self._bytes.take(ids, axis=0)[:, :prefix_width]
        records[:, -8:-4] = varying[4:8].T
        records[:, -4:] = _masked(crc)
        exists = np.ones(records.shape, np.bool_)
        if widest:
            exists[:, step_at:prefix_at] = _STEP_EXISTS.take(widths, axis=0)[:, : 1 + widest]
        exists[:, prefix_at:value_at] = self._mask.take(ids, axis=0)[:, :prefix_width]
        return records[exists].tobytes()


_least = np.minimum.reduce
_most = np.maximum.reduce
_SHIFTS = np.arange(0, 7 * _WIDEST_STEP, 7, dtype=np.uint64)[:, None]
_SEVEN_BITS = np.uint64(0x7F)
# By the width of a step: which of its key and its bytes exist.
_STEP_EXISTS = np.array([[w > 0] + [k < w for k in range(_WIDEST_STEP)] for w in range(_WIDEST_STEP + 1)], np.bool_)


def _width(step: int) -> int:
    """Bytes of a step (as u64) in a varint; 0 for 0, which is not written."""
    return (step.bit_length() + 6) // 7


def _masked(crc: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """The masked CRCs, as rows of four bytes (see `_crc32c.mask`)."""
    masked = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    masked += np.uint32(_crc32c._MASK_DELTA)
    return masked.view(np.uint8).reshape(-1, 4)
