"""What killed processes left in shared memory, to event files.

Knows: the layout of a ring's shared memory (`_shm`), rows, records. Must not know: living writers, threads.

A ring is recovered once: who drains it holds its lock and takes it away when all is on disk. Rows that were written
but not yet marked so when their process died are found in its event file and not written again. The events go into
an event file of their own in the same folder, sorting after those that are there.
"""

from __future__ import annotations

import collections
import fcntl
import functools
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from eventwriter import _log, _record, _shm
from eventwriter._file import EventFile
from eventwriter._ring import FIRST_TAG, ITEM, PAD, ROW, ROW_BYTES

# A ring that nobody came for in so many seconds is given up: its memory is the host's.
_FORGOTTEN = 7 * 24 * 3600.0
_UNFINISHED = 60.0

T = TypeVar("T")


class Recovered(NamedTuple):
    """What became of one ring.

    Attributes:
        ring: its path.
        path: the event file that has its events now; "" if there were none, or if it was refused.
        scalars: events of scalars written to it.
        others: events of other kinds that were pending, whose data died with the process.
        refused: why nothing was done; "" if it was. The ring is left as it is.
    """

    ring: str
    path: str
    scalars: int
    others: int
    refused: str = ""


class _Refused(Exception):  # noqa: N818 -- what is done, not an error
    """What is wrong with a ring."""


def recover(logdir: str, header: Callable[[], bytes]) -> list[Recovered]:
    """Drain every ring of `logdir` whose process is dead. `header`: the records that an event file begins with.

    Never raises for what it finds: a ring that is damaged, or that belongs to a folder that is gone, is refused with
    a reason; if the disk fails, it stays for the next time.
    """
    prefix = _shm.prefix_of(logdir)
    found = []
    for path in _rings():
        if path.name.startswith(prefix):
            result = _locked(path, functools.partial(_drain, path=path, logdir=logdir, header=header))
            if result is not None:
                found.append(result)
    return found


def forget_abandoned() -> None:
    """Free the memory of this user's rings, of any folder, that have nothing to recover or were left for a week."""
    for path in _rings():
        _locked(path, functools.partial(_forget, path=path))


def _rings() -> list[Path]:
    try:
        return sorted(p for p in Path(_shm.FOLDER).iterdir() if p.name.startswith(_shm.PREFIX))
    except OSError:
        return []


def _locked(path: Path, action: Callable[[int], T]) -> T | None:
    """`action` on a ring of ours whose owner is dead; None if it is not, or if the ring cannot be opened."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(fd)
        if status.st_uid != os.getuid() or not status.st_nlink:  # somebody else's; or recovered meanwhile
            return None
        return action(fd)
    except OSError:
        return None
    finally:
        os.close(fd)


def _forget(fd: int, path: Path) -> None:
    status = os.fstat(fd)
    age = time.time() - status.st_mtime
    memory = os.pread(fd, _shm.HEADER, 0)
    if not memory.startswith(_shm.MAGIC):
        if age > _UNFINISHED:
            path.unlink()
        return
    if _is_empty(fd, memory):
        path.unlink()
    elif age > _FORGOTTEN:
        _log.warning("%s: events of a process killed a week ago were never recovered and are given up", path)
        path.unlink()


def _is_empty(fd: int, header: bytes) -> bool:
    """No live unit has a row that is not committed. Reads little: every writer that is made asks this of every ring."""
    if len(header) < _shm.HEADER:
        return False
    for unit in range(_shm.MOST_UNITS):
        order, kind, committed = _shm.ENTRY.unpack_from(header, _shm.TABLE + _shm.ENTRY.size * unit)
        if order and kind == _shm.ROWS and committed < _shm.UNIT:
            at = _shm.HEADER + unit * _shm.UNIT + committed
            first = os.pread(fd, ROW_BYTES, at)
            if len(first) < ROW_BYTES:
                return False
            row_id = ROW.unpack(first)[3]
            if not row_id:
                continue  # never written, and so is all behind it
            rest = os.pread(fd, _shm.UNIT - committed, at) if row_id == PAD else first
            if any(row[3] not in (0, PAD) for row in ROW.iter_unpack(rest[: len(rest) // ROW_BYTES * ROW_BYTES])):
                return False
    return True


def _drain(fd: int, path: Path, logdir: str, header: Callable[[], bytes]) -> Recovered | None:
    try:
        memory = _read(fd)
        _check_folder(memory, logdir)
        scalars, others = _records(memory)
    except _Refused as why:
        return Recovered(str(path), "", 0, 0, str(why))
    file = None
    if scalars:
        try:
            file = EventFile(logdir)
            data = memoryview(header() + b"".join(scalars))
            while data:
                data = data[file.write(data) :]
            file.sync()
        except OSError as error:
            if file is not None:
                file.discard()
                Path(file.path).unlink(missing_ok=True)  # or the next try would write them twice
            return Recovered(str(path), "", 0, 0, f"could not be written: {error}")
        finally:
            if file is not None:
                file.close()
    path.unlink()
    return Recovered(str(path), file.path if file is not None else "", len(scalars), others)


def _read(fd: int) -> bytes:
    size = os.fstat(fd).st_size
    memory = os.pread(fd, _shm.HEADER + _shm.MOST_UNITS * _shm.UNIT, 0)
    if not memory.startswith(_shm.MAGIC):
        raise _Refused("it has no header")
    if len(memory) != size or (size - _shm.HEADER) % _shm.UNIT:
        raise _Refused(f"it has {size} bytes, which is no number of units")
    return memory


def _string(memory: bytes, at: int) -> tuple[str, int]:
    (length,) = _shm.LENGTH.unpack_from(memory, at)
    start = at + _shm.LENGTH.size
    if length > _shm.TABLE - start:
        raise _Refused("a path in it is too long")
    return memory[start : start + length].decode(errors="surrogateescape"), start + length


def _check_folder(memory: bytes, logdir: str) -> None:
    folder, end = _string(memory, _shm._LOGDIR_AT)
    status = Path(logdir).stat()
    if os.path.realpath(logdir) != folder:
        raise _Refused(f"it belongs to {folder}")
    if _shm.PLACE.unpack_from(memory, end) != (status.st_dev, status.st_ino):
        raise _Refused(f"it belongs to an earlier folder of this name: {folder}")


def _units(memory: bytes, kind: int) -> Iterator[tuple[int, int, bytes]]:
    """(order, bytes committed, content) of each unit of a kind, in order."""
    found = []
    count = (len(memory) - _shm.HEADER) // _shm.UNIT
    for unit in range(_shm.MOST_UNITS):
        order, of, committed = _shm.ENTRY.unpack_from(memory, _shm.TABLE + _shm.ENTRY.size * unit)
        if of != kind:
            continue
        if unit >= count or committed > _shm.UNIT or committed % ROW_BYTES:
            raise _Refused(f"unit {unit} is not what it says")
        start = _shm.HEADER + unit * _shm.UNIT
        found.append((order, committed, memory[start : start + _shm.UNIT]))
    yield from sorted(found, key=lambda unit: unit[0])


def _tags(memory: bytes) -> dict[int, str]:
    tags: dict[int, str] = {}
    for _, _, content in _units(memory, _shm.TAGS):
        at = 0
        while at + _shm.TAG.size <= len(content):
            tag_id, length = _shm.TAG.unpack_from(content, at)
            if not tag_id:
                break
            at += _shm.TAG.size
            if at + length > len(content):
                raise _Refused("its tags are damaged")
            try:
                tags[tag_id] = content[at : at + length].decode()
            except UnicodeDecodeError:
                raise _Refused("its tags are damaged") from None
            at += length
    return tags


_Row = tuple[float, int, float, int, int]


def _rows(memory: bytes) -> Iterator[_Row]:
    """The rows that are not known to be written, in order, without padding."""
    for order, committed, content in _units(memory, _shm.ROWS):
        if not order:
            continue
        for row in ROW.iter_unpack(content[committed:]):
            if not row[3]:
                break  # the rest was never written
            if row[3] != PAD:
                yield row


def _records(memory: bytes) -> tuple[list[bytes], int]:
    """The records of the scalar events that the event file lacks, and how many events of other kinds there were."""
    from eventwriter._scalars import ScalarEncoder

    tags = _tags(memory)
    encoder = ScalarEncoder()
    ids = {tag_id: encoder.add_tag(tag) for tag_id, tag in tags.items()}
    there = _written(memory)
    records: list[bytes] = []
    others = 0
    values: list[tuple[int, float]] = []
    for wall_time, step, value, tag_id, more in _rows(memory):
        if tag_id == ITEM:
            others += 1
            continue
        if tag_id < FIRST_TAG or tag_id not in ids:
            raise _Refused(f"a row in it has tag number {tag_id}, which it does not know")
        if not math.isfinite(wall_time):  # no log call takes one, and readers give a file up at it
            raise _Refused("a row in it has no finite wall time")
        values.append((ids[tag_id], value))
        if more:
            continue
        record = encoder.many(wall_time, step, values)
        values = []
        if there[record]:
            there[record] -= 1
        else:
            records.append(record)
    return records, others  # values left over: the call that logged them had not returned


def _written(memory: bytes) -> collections.Counter[bytes]:
    """The records in the owner's event file behind the point up to which all is known."""
    path, _ = _string(memory, _shm._PATH_AT)
    folder, _ = _string(memory, _shm._LOGDIR_AT)
    if "tfevents" not in Path(path).name or "\0" in path or os.path.realpath(Path(path).parent) != folder:
        raise _Refused("the event file it names is none of its folder's")
    (size,) = _shm.SIZE.unpack_from(memory, len(_shm.MAGIC))
    there: collections.Counter[bytes] = collections.Counter()
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 -- no buffer wanted
            reader = _record.RecordReader(file, size)
            for payload in reader:
                there[_record.frame(payload)] += 1
    except OverflowError:
        raise _Refused("the size it notes is none") from None
    except OSError:
        pass  # gone: then nothing of it can be written twice
    return there
