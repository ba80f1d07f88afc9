"""eventwriter/_flusher.py: what is due when. That nothing is lost or late is in test_writer.py and tests/faults."""

from __future__ import annotations

import pytest

from eventwriter._flusher import Flusher


class Script:
    """A stream with rows or without, and whether the next row would wake the thread."""

    def __init__(self, flush_secs: float = 0.25, rests: bool = True) -> None:
        self.flush_secs, self.rests = flush_secs, rests
        self.rows, self.armed, self.drains = 1, False, 0
        self.failing = self.closed = False
        self.drained = True
        self.path = ""

    @property
    def ring(self) -> Script:
        return self

    def is_empty(self) -> bool:
        return not self.rows

    def arm(self) -> bool:
        self.armed = True
        return not self.rows

    def drain(self) -> float | None:
        self.rows, self.drains = 0, self.drains + 1
        return None

    def is_in_my_way(self) -> bool:
        return False

    def after_fork_in_child(self) -> None:
        pass

    def at_exit(self) -> int:
        return 0


def test_a_steady_writer_need_not_wake_the_thread() -> None:
    """While there are rows each time it comes, it comes again unasked; then the next row wakes it."""
    flusher, stream = Flusher(), Script()
    due: dict[object, float] = {}
    flusher._inbox.append((stream, 0.0))
    for _ in range(3):
        stream.rows = 1
        flusher._round(due, {}, [])  # type: ignore[arg-type]
        assert not stream.armed
        assert due[stream] > 0
        due[stream] = 0.0
    flusher._round(due, {}, [])  # type: ignore[arg-type]
    assert stream.armed
    assert 4 == stream.drains


@pytest.mark.parametrize("stream", [Script(flush_secs=3600), Script(rests=False)], ids=["seldom", "written through"])
def test_others_wake_it_each_time(stream: Script) -> None:
    """Who flushes seldom would be kept alive for so long; who writes through must be armed to do so."""
    flusher = Flusher()
    flusher._inbox.append((stream, 0.0))
    flusher._round({}, {}, [])
    assert stream.armed
