"""What the fault tests share: a disk that does as told, processes with a watchdog, and what readers find.

Must not know what a test is about.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import readers

from eventwriter import _os, reader

if TYPE_CHECKING:
    import pytest

    from eventwriter import EventWriter

CALLS = ("open", "write", "fdatasync", "fsync", "fstat", "stat", "close", "makedirs", "listdir", "unlink")
# `make faults`: everything, not a sample.
EVERYTHING = bool(os.environ.get("EVENTWRITER_FAULTS"))
# Nothing here takes so long, in seconds: what does hangs.
WATCHDOG = 60


class ScriptedDisk:
    """The calls of `_os`, failing as told: from the `first` call of a name on, `times` of them (-1: all).

    Attributes:
        count: calls of each name so far.
        short: write so many bytes and no more in the first write that is to fail, which then fails at the next.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = dict.fromkeys(CALLS, 0)
        self.short: int | None = None
        self._plan: dict[str, tuple[int, int, int]] = {}
        for name in CALLS:
            monkeypatch.setattr(_os, name, self._wrap(name, getattr(os, name)))

    def fail(self, name: str, number: int, first: int = 1, times: int = -1) -> None:
        """`first` counts from now."""
        start = self.count[name] + first
        self._plan[name] = (number, start, start + times if times >= 0 else sys.maxsize)

    def heal(self) -> None:
        self._plan.clear()
        self.short = None

    def _wrap(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count[name] = count = self.count[name] + 1
            number, first, end = self._plan.get(name, (0, 0, 0))
            if not first <= count < end:
                return real(*args, **kwargs)
            if name == "write" and self.short is not None:
                size, self.short = self.short, None
                if 0 < size < len(args[1]):
                    return real(args[0], args[1][:size])
            if name == "close":
                real(*args)  # on Linux the descriptor is free even then
            raise OSError(number, os.strerror(number))

        return call


def points(logdir: str | os.PathLike[str]) -> list[tuple[str, int]]:
    """(tag, step) of all that TensorBoard's `DirectoryWatcher` reads in a run."""
    return [(r.tag, r.step) for r in readers.run_events(logdir) if r.tag]


def steps(logdir: str | os.PathLike[str]) -> list[int]:
    return [step for _, step in points(logdir)]


def check_files(logdir: str | os.PathLike[str]) -> None:
    """Promise 2: whole records and at most one torn tail. Two readers must agree on where each file's good part ends.

    TensorBoard's reader stops at the first thing that is wrong. So if a file went on after a tear, or had a damaged
    record, more than one record's bytes would lie behind the point where it stops.
    """
    for path in readers.event_files(logdir):
        data = path.read_bytes()  # first: the file may grow meanwhile
        good = 0
        for record in readers.file_records(path):
            if good + len(record) + 16 > len(data):
                break
            good += len(record) + 16
        rest = data[good:]
        if len(rest) >= 12:
            length = int.from_bytes(rest[:8], "little")
            assert len(rest) < length + 16, f"{path}: {len(rest)} bytes behind a record that is whole but bad"


def settle(w: EventWriter) -> None:
    """Until everything is written, on a disk that is well again."""
    end = time.monotonic() + WATCHDOG
    while not w.flush():
        assert time.monotonic() < end, w.stats()
        time.sleep(0.01)


def balance(w: EventWriter, accepted: int) -> None:
    """accepted = written + pending + dropped + failed."""
    stats = w.stats()
    assert accepted == stats.accepted == sum(stats[1:5]), stats


def python(code: str, *args: object, prefix: Sequence[str] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """A script in a process of its own, killed (and the test failed) if it hangs. `sys.argv[1:]` are `args`."""
    command = [*prefix, sys.executable, "-X", "faulthandler", "-c", code, *map(str, args)]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=WATCHDOG, **options)
    except subprocess.TimeoutExpired as hung:
        raise AssertionError(f"hung: {hung.stdout!r} {hung.stderr!r}") from None


def environment(**more: str) -> dict[str, str]:
    """This process' environment; scripts can import what tests can."""
    here = Path(__file__).parents[1]
    return os.environ | {"PYTHONPATH": f"{here}:{here.parent}"} | more


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


def may_mount_tmpfs() -> str:
    """Why `unshare -Urm` cannot mount a tmpfs here; "" if it can."""
    try:
        done = subprocess.run([*UNSHARED, "true"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


# A mount namespace of its own, with a disk of 4 MiB at $DISK.
UNSHARED = ("unshare", "-Urm", "sh", "-c", 'mount -t tmpfs -o size=4m none "${DISK:-/mnt}" && exec "$@"', "sh")


def strict(path: Path) -> int:
    """How many events our own reader, which checks every CRC, finds; raises at anything but a torn tail."""
    return sum(1 for _ in reader.read_events(path))
