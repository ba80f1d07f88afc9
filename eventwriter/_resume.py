"""Where an earlier process left a run off: the greatest step of each tag in the event files that are there.

Knows: of an Event of any kind, where its step and its tags are. Must not know: values, numpy, protobuf; what the
steps are for. Opens files for reading only.

Field numbers: tensorflow/core/util/event.proto and framework/summary.proto.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from eventwriter._record import RecordReader
from eventwriter.reader import _SHORTEST_SCALAR, _scalar_tag, event_files

# Keys: number of the field << 3 | how it is written (2: a length, and so many bytes).
_STEP, _SUMMARY, _TAGGED_RUN_METADATA = 0x10, 0x2A, 0x42
_VALUE = _TAG = 0x0A  # of a Summary; of a Value and of a TaggedRunMetadata

_LONGEST_SCALAR = 1024


def last_steps(logdir: str | os.PathLike[str]) -> dict[str, int]:
    """The greatest step of each tag, of whatever kind, in the event files directly in `logdir`.

    Of a file that is torn or damaged, the records in front of that count, which are those that TensorBoard reads. A
    record that is no Event is passed over. What was purged (see `purge_step` of `EventWriter`) counts as well.

    Returns:
        Tag to step (int64). Empty if there is no such folder, or no event in it.

    Raises:
        OSError: the folder or a file cannot be read.
    """
    try:
        files = event_files(Path(logdir))
    except FileNotFoundError:
        return {}
    scalars: dict[bytes, int] = {}  # by what stands between the step and the float
    others: dict[bytes, int] = {}  # by tag
    for file in files:
        try:
            _scan(file, scalars, others)
        except FileNotFoundError:  # somebody tidies up
            pass
    last = {tag.decode(): step for tag, step in others.items()}
    for same, step in scalars.items():
        tag = _scalar_tag(same)
        if tag and step >= last.get(tag, step):
            last[tag] = step
    return last


def _scan(path: Path, scalars: dict[bytes, int], others: dict[bytes, int]) -> None:
    with path.open("rb", buffering=0) as file:
        for payload in RecordReader(file):
            try:
                # A plain scalar, as nearly all are, by a short cut (see `reader`). After the wall time, the step.
                if _SHORTEST_SCALAR <= len(payload) < _LONGEST_SCALAR and payload[0] == 0x09 and payload[-5] == 0x15:
                    step, at = 0, 9
                    if payload[9] == _STEP:
                        step, at = payload[10], 11
                        if step >= 0x80:
                            step, at = _varint(payload, 10)
                            step = _signed(step)
                    same = payload[at:-4]
                    known = scalars.get(same)
                    if known is not None:
                        if step > known:
                            scalars[same] = step
                        continue
                    if _scalar_tag(same) is not None:
                        scalars[same] = step
                        continue
                step, tags = _step_and_tags(payload)
                for tag in tags:
                    if step >= others.get(tag, step):
                        others[tag] = step
            except (IndexError, ValueError):
                continue  # no Event


def _step_and_tags(event: bytes) -> tuple[int, list[bytes]]:
    """An Event's step, and the tags in it, which are UTF-8. Raises IndexError or ValueError if it is no Event."""
    step = 0
    tags: list[bytes] = []
    for key, start, end in _fields(event, 0, len(event)):
        if key == _STEP:
            step = _signed(_varint(event, start)[0])
        elif key == _SUMMARY:
            tags += [_tag(event, a, b) for field, a, b in _fields(event, start, end) if field == _VALUE]
        elif key == _TAGGED_RUN_METADATA:
            tags.append(_tag(event, start, end))
    return step, [tag for tag in tags if tag]


def _tag(message: bytes, start: int, end: int) -> bytes:
    """The first field 1 of the message there; of a Value that is its tag."""
    for key, a, b in _fields(message, start, end):
        if key == _TAG:
            tag = message[a:b]
            tag.decode()
            return tag
    return b""


def _fields(message: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """(key, start, end) of each field of the message that is there."""
    while at < end:
        key, start = _varint(message, at)
        form = key & 7
        if form == 2:
            length, start = _varint(message, start)
            at = start + length
        elif form == 0:
            at = _varint(message, start)[1]
        elif form == 1:
            at = start + 8
        elif form == 5:
            at = start + 4
        else:
            raise ValueError
        if at > end:
            raise ValueError
        yield key, start, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where it ends. Raises IndexError, ValueError."""
    value = data[at]
    if value < 0x80:
        return value, at + 1
    value &= 0x7F
    for shift in range(7, 70, 7):
        at += 1
        byte = data[at]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at + 1
    raise ValueError


def _signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number
