"""One event file: its name, how it is made, how bytes get into it.

Knows: event-file names, exclusive creation, what the disk says. Must not know: what the bytes are, threads, when
to try again.

The only part of a name that TensorBoard looks at is `tfevents`; it reads the files of a folder in the order of
their names, each to its end (design: `tensorboard/backend/event_processing/io_wrapper.py`). So names are made
such that their order is the order of creation, whatever the clock did, and every number in them is zero-padded.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
import time

from eventwriter import _os

_PREFIX = "events.out.tfevents."
_SECONDS = re.compile(re.escape(_PREFIX) + r"(\d{10})\.")
_uids = itertools.count()


def _next_name(logdir: str, suffix: str) -> str:
    """A name that sorts after every event file in `logdir`."""
    latest = max((n for n in _os.listdir(logdir) if _SECONDS.match(n)), default="")
    seconds = int(time.time())
    tail = f".{os.uname().nodename}.{os.getpid()}.{next(_uids):06d}{suffix}"
    if (name := f"{_PREFIX}{seconds:010d}{tail}") > latest:
        return name
    found = _SECONDS.match(latest)
    assert found is not None  # noqa: S101 -- `latest` was chosen by this expression
    return f"{_PREFIX}{int(found[1]) + 1:010d}{tail}"


class EventFile:
    """A new event file in `logdir`, which is made if need be. Raises OSError.

    Args:
        sync: make the name itself survive the machine, by syncing the folder.

    Attributes:
        path: where it is.
        size: how many bytes were written to it.
    """

    __slots__ = ("_fd", "_inode", "path", "size")

    def __init__(self, logdir: str, suffix: str = "", sync: bool = False) -> None:
        self._fd = -1
        self.size = 0
        _os.makedirs(logdir, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        while True:
            self.path = os.path.join(logdir, _next_name(logdir, suffix))  # noqa: PTH118 -- pathlib costs its import
            try:
                self._fd = _os.open(self.path, flags, 0o644)
                break
            except FileExistsError:  # another container with the same host name and process number
                continue
        try:
            status = _os.fstat(self._fd)
        except OSError:
            self.discard()
            raise
        self._inode = (status.st_dev, status.st_ino)
        if sync:
            self._sync_folder(logdir)

    def _sync_folder(self, logdir: str) -> None:
        try:
            folder = _os.open(logdir, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError:
            return  # some file systems cannot; the file itself is synced all the same
        try:
            _os.fsync(folder)
        except OSError:
            pass
        finally:
            _os.close(folder)

    def write(self, data: memoryview | bytes) -> int:
        """Append; how many bytes of `data` the disk took. Raises OSError if it took none."""
        count = _os.write(self._fd, data)
        self.size += count
        return count

    def is_whole(self) -> bool:
        """The file is as long as what was written to it: a failed write left nothing behind."""
        return _os.fstat(self._fd).st_size == self.size

    def is_in_place(self) -> bool:
        """The file can still be found by its name: neither it nor its folder was deleted, moved or replaced."""
        try:
            status = _os.stat(self.path)
        except OSError as error:  # any other trouble says nothing of the file
            return error.errno not in (errno.ENOENT, errno.ENOTDIR)
        return (status.st_dev, status.st_ino) == self._inode

    def sync(self) -> None:
        """Wait until the device has the data. Raises OSError; then nothing since the last `sync` is certain."""
        _os.fdatasync(self._fd)

    def discard(self) -> None:
        """Close it, and remove it if nothing was ever written to it."""
        if self._fd >= 0 and not self.size:
            try:
                _os.unlink(self.path)
            except OSError:
                pass
        self.close()

    def close(self) -> None:
        """Give the descriptor back. Never raises: on Linux it is free even if close(2) fails."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                _os.close(fd)
            except OSError:
                pass

    def __del__(self) -> None:
        self.close()
