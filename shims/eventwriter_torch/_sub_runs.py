"""The sub-runs of one `SummaryWriter`: a `FileWriter` for each folder, few of them with an open file.

Knows: which were used last. Must not know: what is logged, who names the folders.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable

from eventwriter_torch import file_writer
from eventwriter_torch.file_writer import FileWriter

_log = logging.getLogger("eventwriter")

# Files that the sub-runs of one SummaryWriter have open at most; many systems allow a process 1024 of all kinds.
MOST_OPEN = 64


class SubRuns:
    """Makes writers and parks those that were not used for the longest time."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, FileWriter] = OrderedDict()
        self._warned = False

    def use(self, folder: str, writers: dict[str, FileWriter], make: Callable[[str], FileWriter]) -> FileWriter:
        """The writer of a folder, from `writers` or made and added there; others may be parked for it."""
        with file_writer.lock:
            writer = writers.get(folder)
            if folder in self._open:
                self._open.move_to_end(folder)
                assert writer is not None  # noqa: S101 -- both are filled below
                return writer
            if len(self._open) >= MOST_OPEN:
                self._park_one()
            if writer is None:
                writer = writers[folder] = make(folder)
            self._open[folder] = writer
            return writer

    def _park_one(self) -> None:
        """Give one file back. On a disk that fails none can be: then there are more."""
        for folder, writer in list(self._open.items()):
            if writer.park():
                del self._open[folder]
                break
        if not self._warned:
            self._warned = True
            _log.warning(
                "add_scalars writes to more than %d runs: each that comes back after a while begins a new file. "
                "add_scalars(..., runs=False) draws the same chart from one run",
                MOST_OPEN,
            )
