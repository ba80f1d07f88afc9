"""The runs below `log_dir`: their writers, each opened when first needed.

Knows: folders, and which process of a distributed job writes. Must not know: what is logged.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

import keras

from eventwriter import EventWriter

# A large model's weights are copied at once and encoded one after the other.
_MOST_PENDING = 1 << 30


class Runs:
    """The writers of `train`, `validation` and whatever else a user asks for.

    Args:
        log_dir: the folder of the runs.
        writes: whether this process is the one that logs. Another gets writers too, so that its code is the same,
            but into a temporary folder.
    """

    def __init__(self, log_dir: str, *, writes: bool) -> None:
        self.log_dir = log_dir
        self.writes = writes
        self._writers: dict[str, EventWriter] = {}
        self._nowhere = "" if writes else temporary_folder(self)

    def move_to(self, log_dir: str) -> bool:
        """Go on in another folder. False if it is the same."""
        if log_dir == self.log_dir:
            return False
        self.close()
        self.log_dir = log_dir
        return True

    def folder(self, run: str) -> str:
        """The run's folder."""
        return str(Path(self._nowhere or self.log_dir, run))

    def writer(self, run: str) -> EventWriter:
        """The run's writer, which stays open until `close`."""
        writer = self._writers.get(run)
        if writer is None:
            writer = self._writers[run] = EventWriter(self.folder(run), max_pending_bytes=_MOST_PENDING)
        return writer

    def close(self) -> None:
        """Close the writers. One that is asked for later starts a file of its own."""
        while self._writers:
            self._writers.popitem()[1].close()


def temporary_folder(owner: object) -> str:
    """A folder that goes away with its owner, or with the process."""
    folder = tempfile.mkdtemp(prefix="eventwriter-")
    weakref.finalize(owner, shutil.rmtree, folder, ignore_errors=True)
    return folder


def is_chief(model: Any) -> bool:
    """Whether this process is the one of its job that logs; True outside of a distributed job."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        strategy = getattr(model, "distribute_strategy", None)
        return strategy is None or bool(strategy.extended.should_save_summary)
    if backend == "torch":
        distributed = sys.modules["torch"].distributed
        return not (distributed.is_available() and distributed.is_initialized()) or bool(distributed.get_rank() == 0)
    if backend == "jax":
        return bool(sys.modules["jax"].process_index() == 0)
    return True
