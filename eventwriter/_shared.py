"""Whether and how a writer's ring lives in shared memory; and first, what an earlier process left there.

Knows: that shared memory may be missing or full, which costs nothing but recovery. Must not know: layouts, rows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from eventwriter import _log, _os

if TYPE_CHECKING:
    from eventwriter import _recover
    from eventwriter._shm import RingFile


_looked = False


def attach(logdir: str, header: Callable[[], bytes]) -> RingFile | None:
    """Recover what killed processes had pending for `logdir`, then memory for a new ring; None for ordinary memory."""
    if not sys.platform.startswith("linux"):
        return None
    from eventwriter import _recover, _shm

    try:
        _os.makedirs(logdir, exist_ok=True)
    except OSError:
        return None  # whoever opens the event file will say so
    for found in _recover.recover(logdir, header):
        report(found)
    global _looked
    if not _looked:  # once a process: it reads every ring there is
        _looked = True
        _recover.forget_abandoned()
    try:
        return _shm.RingFile(logdir)
    except OSError:
        return None


def report(found: _recover.Recovered) -> None:
    """Say what became of a killed process' events."""
    if found.refused:
        _log.warning("%s: events of a killed process are not recovered: %s", found.ring, found.refused)
    elif found.scalars or found.others:
        lost = f"; {found.others} events of other kinds died with it" if found.others else ""
        _log.warning(
            "%s: %d scalars that a killed process had pending are now in it%s", found.path, found.scalars, lost
        )
