"""What became of a writer's events, in numbers. Knows nothing else."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Stats(NamedTuple):
    """What became of the events of a writer; `accepted == written + pending + dropped + failed`.

    Attributes:
        accepted: events whose log call returned.
        written: events that are in the file, visible to other processes.
        pending: events that wait in memory.
        dropped: events given up because the disk failed until `max_pending_bytes` was reached, or until close.
        failed: events that could not be encoded; each was reported.
        bytes_written: bytes in this writer's files.
        state: "ok", "failing" while the disk does not take what there is, or "closed".
        last_error: what the disk said last while failing.
    """

    accepted: int
    written: int
    pending: int
    dropped: int
    failed: int
    bytes_written: int
    state: Literal["ok", "failing", "closed"]
    last_error: OSError | None
