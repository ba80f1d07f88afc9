"""Named shared memory for a ring, so that what a killed process had pending is still there.

Knows: the file in the host's shared memory that backs a ring, its layout, who may read it, whether its owner lives.
Must not know: what a row means, Event, event files (it stores where the owner wrote and how far, as bytes).

The file is one header and units of `UNIT` bytes::

    0       magic, 8 bytes
    8       u64 how many bytes of the owner's event file are known to hold committed rows only
    16      u32 length, path of that event file (UTF-8)
    2048    u32 length, the owner's folder; u64 device, u64 inode of it
    4096    a table of units: u64 order (0: not live), u32 kind, u32 bytes committed

It is made with mode 0600, and its owner holds flock(2) on it for life: who gets the lock knows that the owner is
dead, whatever killed it and in whichever pid namespace. Space is allocated before it is mapped, since a full
/dev/shm would otherwise kill the process with SIGBUS at the first touch.
"""

from __future__ import annotations

import hashlib
import itertools
import mmap
import os
import struct
from pathlib import Path

FOLDER = "/dev/shm"  # noqa: S108 -- the host's shared memory, not a temporary folder
PREFIX = "eventwriter-"
MAGIC = b"EVWRING1"
UNIT = 4096 * 32
ROWS, TAGS = 1, 2
MOST_UNITS = 512
TABLE = 4096
HEADER = TABLE + 16 * MOST_UNITS

SIZE = struct.Struct("<Q")
LENGTH = struct.Struct("<I")
PLACE = struct.Struct("<QQ")
ENTRY = struct.Struct("<QII")
TAG = struct.Struct("<II")
_PATH_AT = 16
_LOGDIR_AT = 2048
_LONGEST = 2000

_numbers = itertools.count()


def prefix_of(logdir: str) -> str:
    """What the names of all rings of a folder begin with."""
    return f"{PREFIX}{hashlib.sha256(os.path.realpath(logdir).encode(errors='surrogateescape')).hexdigest()[:20]}-"


def _mapped(fd: int, offset: int, size: int) -> mmap.mmap:
    """Part of a file as an mmap that holds no descriptor of its own (Python's dups one for each, before 3.13)."""
    import ctypes

    memory = mmap.mmap(-1, size, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    int_ = ctypes.c_int
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, int_, int_, int_, ctypes.c_long]
    view = (ctypes.c_char * size).from_buffer(memory)
    address = ctypes.addressof(view)
    del view
    fixed = 0x10  # MAP_FIXED: in the place of the anonymous pages, which the mmap object goes on owning
    got = libc.mmap(address, size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED | fixed, fd, offset)
    if got != address:
        raise OSError(ctypes.get_errno(), "mmap of shared memory failed")
    return memory


class RingFile:
    """The shared memory of one living ring. Raises OSError where there is none; then ordinary memory serves."""

    def __init__(self, logdir: str) -> None:
        import fcntl

        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        prefix = f"{prefix_of(logdir)}{os.getpid()}-"
        while True:
            self.path = os.path.join(FOLDER, f"{prefix}{next(_numbers)}")  # noqa: PTH118
            try:
                self._lock = os.open(self.path, flags, 0o600)
                break
            except FileExistsError:  # another container's with the same process number, or a killed one's
                continue
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._header = self._map_at(0, HEADER)
            self._free = list(range(MOST_UNITS - 1, -1, -1))
            self._orders = itertools.count(1)
            status = Path(logdir).stat()
            folder = os.path.realpath(logdir).encode(errors="surrogateescape")
            if len(folder) > _LONGEST:
                raise OSError("the path is too long")
            LENGTH.pack_into(self._header, _LOGDIR_AT, len(folder))
            at = _LOGDIR_AT + LENGTH.size
            self._header[at : at + len(folder)] = folder
            PLACE.pack_into(self._header, at + len(folder), status.st_dev, status.st_ino)
            self._tags = self.map(TAGS)
            self._header[: len(MAGIC)] = MAGIC  # last: a file without it was never used
        except OSError:
            self.remove()
            raise

    def _map_at(self, offset: int, size: int) -> mmap.mmap:
        # Not by the descriptor that holds the lock: a mapping keeps what it was made by, and with it the lock, and a
        # forked child that outlives its parent has all its mappings.
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.posix_fallocate(fd, offset, size)
            return _mapped(fd, offset, size)
        finally:
            os.close(fd)

    def map(self, kind: int) -> tuple[mmap.mmap, int]:
        """A unit of zeros and its number. Raises OSError if there is no room."""
        if not self._free:
            raise OSError("all units are in use")
        unit = self._free.pop()
        try:
            memory = self._map_at(HEADER + unit * UNIT, UNIT)
        except OSError:
            self._free.append(unit)
            raise
        ENTRY.pack_into(self._header, TABLE + ENTRY.size * unit, 0, kind, 0)
        return memory, unit

    def add_tag(self, tag_id: int, tag: bytes) -> None:
        """Remember a tag, before the first row that has its id."""
        if self._lock < 0:  # let go of: it is the parent's, or nobody's any more
            return
        entry = TAG.pack(tag_id, len(tag)) + tag
        try:
            self._tags[0].write(entry)
        except ValueError:
            if len(entry) <= UNIT:  # a longer tag's rows cannot be recovered
                try:
                    self._tags = self.map(TAGS)
                except OSError:
                    return
                self._tags[0].write(entry)

    def set_live(self, unit: int) -> None:
        """From now on the unit's rows are pending, after those of the units before it."""
        ENTRY.pack_into(self._header, TABLE + ENTRY.size * unit, next(self._orders), ROWS, 0)

    def set_committed(self, unit: int, size: int) -> None:
        """The first `size` bytes of rows of a live unit are in the event file."""
        LENGTH.pack_into(self._header, TABLE + ENTRY.size * unit + 12, size)

    def set_dead(self, unit: int) -> None:
        """All rows of the unit are in the event file."""
        ENTRY.pack_into(self._header, TABLE + ENTRY.size * unit, 0, ROWS, 0)

    def give_back(self, unit: int) -> None:
        """The unit is not needed any more."""
        self._free.append(unit)

    def set_file(self, path: str) -> None:
        """Rows go to this event file from now on."""
        text = path.encode(errors="surrogateescape")[:_LONGEST]
        SIZE.pack_into(self._header, len(MAGIC), 0)  # first: with 0 the whole file is compared, whichever it is
        LENGTH.pack_into(self._header, _PATH_AT, len(text))
        at = _PATH_AT + LENGTH.size
        self._header[at : at + len(text)] = text

    def set_size(self, size: int) -> None:
        """The event file's first `size` bytes hold nothing of rows that are not committed. Call it after commits."""
        SIZE.pack_into(self._header, len(MAGIC), size)

    def remove(self) -> None:
        """Nothing is pending any more: take the name away and let go."""
        try:
            os.unlink(self.path)  # noqa: PTH108 -- as it was made
        except OSError:
            pass
        self.let_go()

    def let_go(self) -> None:
        """Release the lock and leave the file, for who recovers it; or in a forked child, whose parent has it."""
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)
