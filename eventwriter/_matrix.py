"""Many scalar events to records at once, byte for byte what each would be alone.

Knows: the bytes of a scalar event (`_wire`) and of a record, and how to make many together. Must not know: clocks,
files, threads, which rows are fit for it (`_scalars` does).

A batch is a matrix with a row for each record and a column for each possible byte. What does not vary between the
records of one tag whose steps are varints of equal width, their *shape*, is copied from a template; wall time, step,
value and CRC are put into their columns; a mask of the same shape says which bytes exist, and `matrix[mask]` is the
file. CRC32C is affine over GF(2): the CRC of an event is that of its template, xor one table entry for each varying
byte, chosen by the byte and by how many bytes of the event follow it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from eventwriter import _crc32c, _record
from eventwriter._ring import FIRST_TAG, ROW
from eventwriter._wire import varint

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROW_DTYPE = np.dtype([("wall", "<u8"), ("step", "<u8"), ("value", "<f8"), ("id", "<u4"), ("more", "<u4")])

# A summary that is longer goes one at a time: the matrix is as wide as its widest row.
_WIDEST_SUMMARY = 300
_WIDEST_STEP = 10
# Layouts that a run of chunks uses in turn; more than these begin afresh.
_MOST_LAYOUTS = 32

# Columns of a record: `<header> 09 <wall time> 10 <step> <summary> <value> <crc>`.
_WALL = _record.HEADER + 1
_STEP = _WALL + 8

_T = TypeVar("_T", bound=np.generic)

least = np.minimum.reduce
most = np.maximum.reduce
_SHIFTS = np.arange(0, 7 * _WIDEST_STEP, 7, dtype=np.uint64)[:, None]
_SEVEN_BITS = np.uint64(0x7F)


def _crc_table(distances: int) -> NDArray[np.uint32]:
    """`table[d * 256 + b]`: what a byte `b` that `d` bytes follow adds to a CRC32C."""
    table = np.empty((distances, 256), np.uint32)
    zero = _crc32c.crc32c(b"\0")
    table[0] = [_crc32c.crc32c(bytes((b,))) ^ zero for b in range(256)]
    for d in range(1, distances):
        before = table[d - 1]
        table[d] = (before >> np.uint32(8)) ^ table[0][before & np.uint32(0xFF)]
    return table.ravel()


def _larger(array: NDArray[_T], shape: tuple[int, ...]) -> NDArray[_T]:
    """A copy, with zeros where there was nothing."""
    made = np.zeros(shape, array.dtype)
    made[tuple(slice(size) for size in array.shape)] = array
    return made


class _Layout:
    """The shapes met so far whose steps have at most `step_room` bytes, and their summaries `summary_room`.

    Attributes:
        templates: a row for each shape: its records' bytes with those that vary zero.
        exists: which bytes of a row there are.
        crcs: the CRC of a template's event.
        offsets: a row for each varying byte (wall time's lower half, value, step) and a column for each shape: where
            in the CRC table the byte's place begins.
    """

    def __init__(self, step_room: int, summary_room: int, wall_high: int) -> None:
        self._summary = _STEP + (1 + step_room if step_room else 0)
        self._width = self._summary + summary_room + 8
        self._wall = (wall_high << 32).to_bytes(8, "little")
        self._shapes = np.zeros((step_room + 1, 0), np.intp)  # by width and tag; 0: not met
        self._used = 1
        self.templates = np.zeros((16, self._width), np.uint8)
        self.exists = np.zeros((16, self._width), np.bool_)
        self.crcs = np.zeros(16, np.uint32)
        self.offsets = np.zeros((8 + step_room, 16), np.intp)

    def _make_room(self, shapes: int) -> None:
        self.templates = _larger(self.templates, (shapes, self._width))
        self.exists = _larger(self.exists, (shapes, self._width))
        self.crcs = _larger(self.crcs, (shapes,))
        self.offsets = _larger(self.offsets, (len(self.offsets), shapes))

    def shapes(
        self, ids: NDArray[np.uint32], widths: NDArray[np.intp] | int, summaries: list[bytes]
    ) -> NDArray[np.intp]:
        """The number of each row's shape."""
        if len(summaries) > self._shapes.shape[1]:
            self._shapes = _larger(self._shapes, (len(self._shapes), 2 * len(summaries)))
        known = self._shapes[widths].take(ids) if isinstance(widths, int) else self._shapes[widths, ids]
        if not least(known):
            new = known == 0
            all_widths = np.broadcast_to(np.asarray(widths, np.intp), ids.shape)
            for tag_id, width in set(zip(ids[new].tolist(), all_widths[new].tolist(), strict=True)):
                self._shapes[width, tag_id] = self._add(summaries[tag_id], width)
            known = self._shapes[widths, ids]
        return known

    def _add(self, summary: bytes, width: int) -> int:
        if self._used == len(self.templates):
            self._make_room(2 * self._used)
        shape, self._used = self._used, self._used + 1
        step = b"\x10" + b"\x80" * (width - 1) + b"\0" if width else b""
        event = b"\x09" + self._wall + step + summary + bytes(4)
        for at, data in ((0, _record.header(len(event)) + event[:9] + step), (self._summary, summary)):
            self.templates[shape, at : at + len(data)] = np.frombuffer(data, np.uint8)
            self.exists[shape, at : at + len(data)] = True
        self.exists[shape, -8:] = True
        self.crcs[shape] = _crc32c.crc32c(event)
        places = [1, 2, 3, 4, *range(len(event) - 4, len(event)), *range(10, 10 + width)]
        self.offsets[: len(places), shape] = [256 * (len(event) - 1 - place) for place in places]
        return shape


class Matrix:
    """Encodes batches. Holds what it knows of each tag; one for each writer, used by one thread at a time."""

    def __init__(self) -> None:
        self.lengths = np.zeros(0, np.intp)  # of a tag's `2a <length> Summary` up to the float32; 0: too long for here
        self._known = -1
        self._summaries: list[bytes] = []
        self._layouts: dict[tuple[int, int], _Layout] = {}
        self._wall_high = -1
        self._table = np.zeros(0, np.uint32)

    def learn(self, prefixes: dict[int, bytes]) -> None:
        """Be ready for these tags, by id. Another thread may be adding one."""
        if self._known == len(prefixes):
            return
        prefixes = prefixes.copy()
        summaries = [b""] * (max(prefixes, default=FIRST_TAG) + 1)
        for tag_id, prefix in prefixes.items():
            summary = b"\x2a" + varint(len(prefix) + 4) + prefix
            if len(summary) <= _WIDEST_SUMMARY:
                summaries[tag_id] = summary
        self._summaries = summaries
        self.lengths = np.array([len(s) for s in summaries], np.intp)
        longest = _STEP + 1 + _WIDEST_STEP + int(self.lengths.max()) + 4
        if len(self._table) < 256 * longest:
            self._table = _crc_table(longest)
        # Last: a child forked in the middle of this begins it again.
        self._known = len(prefixes)

    def encode(self, rows: NDArray[np.void]) -> bytes:
        """The records of rows that are an event each, of known tags, whose wall times have an equal upper half."""
        try:
            scratch = _scratches.pop()
        except IndexError:
            scratch = _Scratch()
        try:
            return self._encode(rows, scratch)
        finally:
            if len(_scratches) < _MOST_SCRATCHES:
                _scratches.append(scratch)

    def _encode(self, rows: NDArray[np.void], scratch: _Scratch) -> bytes:
        n, ids = len(rows), rows["id"]
        one_tag = int(least(ids)) == most(ids)
        step = rows["step"]
        # A step is a varint: its width in bytes is 0 for a step of 0, which is left out.
        shortest, widest = _width(int(least(step))), _width(int(most(step)))
        lengths = self.lengths[ids[:1]] if one_tag else self.lengths.take(ids)
        longest, all_alike = int(most(lengths)), shortest == widest and least(lengths) == most(lengths)
        layout = self._layout(widest, longest if all_alike else (longest + 7) & ~7, int(rows["wall"][0]) >> 32)
        width = layout.templates.shape[1]
        index, found, steps, records, exists = scratch.arrays(
            ((8 + widest, n), np.intp), ((8 + widest, n), np.uint32), ((widest, n), np.uint64), ((n, width), np.uint8),
            ((n, width), np.bool_),
        )  # fmt: skip
        # The bytes that vary, a row for each place and a column for each event: wall time's lower half, value, step.
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float32 is an infinity
            values = rows["value"].astype("<f4")
        varying = np.empty((8 + widest, n), np.uint8)
        as_bytes = rows.view(np.uint8).reshape(n, ROW.size)
        varying[:4] = as_bytes[:, :4].T
        varying[4:8] = values.view(np.uint8).reshape(n, 4).T
        if widest:
            np.right_shift(step, _SHIFTS[:widest], out=steps)
            steps &= _SEVEN_BITS
            varying[8:] = steps
        # By the row; of one shape, once for all rows. (`wrap`: all are inside, and this mode writes straight to `out`.)
        all_ids = ids[:1] if one_tag and all_alike else ids
        shapes = layout.shapes(
            all_ids, widest if shortest == widest else _widths(step, shortest, widest), self._summaries
        )
        if len(shapes) == n:
            layout.offsets.take(shapes, axis=1, out=index, mode="wrap")
            layout.templates.take(shapes, axis=0, out=records, mode="wrap")
        else:
            index[:] = layout.offsets[:, shapes]
            records[:] = layout.templates[shapes]
        index += varying
        self._table.take(index, out=found, mode="wrap")
        crcs = _masked(np.bitwise_xor.reduce(found, axis=0) ^ layout.crcs.take(shapes))
        for at, column in ((_WALL, rows.view("<u4")[::8]), (width - 8, values.view("<u4")), (width - 4, crcs)):
            np.ndarray((n,), "<u4", records, at, (width,))[:] = column
        if widest:
            records[:, _STEP + 1 : _STEP + 1 + widest] |= varying[8:].T
        if not all_alike:
            layout.exists.take(shapes, axis=0, out=exists, mode="wrap")
            records = records[exists]
        content: bytes = records.tobytes()
        return content

    def _layout(self, step_room: int, summary_room: int, wall_high: int) -> _Layout:
        if wall_high != self._wall_high or len(self._layouts) > _MOST_LAYOUTS:
            self._layouts = {}
            self._wall_high = wall_high
        layout = self._layouts.get((step_room, summary_room))
        if layout is None:
            layout = self._layouts[step_room, summary_room] = _Layout(step_room, summary_room, wall_high)
        return layout


class _Scratch:
    """Memory for a batch, used again: else every batch would have the system take it back and page it in anew."""

    def __init__(self) -> None:
        self._memory = np.empty(0, np.uint8)

    def arrays(self, *wanted: tuple[tuple[int, int], Any]) -> list[NDArray[Any]]:
        """Arrays of these shapes and types, of any content, until the next call."""
        sizes = [(shape[0] * shape[1] * np.dtype(kind).itemsize + 63) & ~63 for shape, kind in wanted]
        if sum(sizes) > len(self._memory):
            self._memory = np.empty(sum(sizes), np.uint8)
        made, at = [], 0
        for (shape, kind), size in zip(wanted, sizes, strict=True):
            made.append(np.ndarray(shape, kind, self._memory, at))
            at += size
        return made


# Not in use now. Mostly there is one, the flush thread's; those who write through have their own for groups.
_scratches: list[_Scratch] = []
_MOST_SCRATCHES = 2


def _masked(crcs: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """See `_crc32c.mask`."""
    masked: NDArray[np.uint32] = (crcs >> np.uint32(15)) | (crcs << np.uint32(17))
    masked += np.uint32(_crc32c._MASK_DELTA)
    return masked


def _width(step: int) -> int:
    """Bytes of a step (as u64) in a varint; 0 for 0, which is not written."""
    return (step.bit_length() + 6) // 7


def _widths(steps: NDArray[np.uint64], shortest: int, widest: int) -> NDArray[np.intp]:
    """The same of many."""
    widths = np.full(len(steps), shortest, np.intp)
    for k in range(shortest, widest):
        widths += steps >= np.uint64(1 << (7 * k))
    return widths
