"""F3: a limit on the size of files tears a write at every byte; it is lifted later. Live readers look on."""

from __future__ import annotations

import errno
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import readers
from faults import scripted
from tensorboard_server import serve

from eventwriter import EventWriter, _os

_, HARD = resource.getrlimit(resource.RLIMIT_FSIZE)


def limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, HARD))


@pytest.fixture(autouse=True)
def _unlimited() -> Iterator[None]:
    yield
    limit(HARD)


def tear(logdir: Path, extra: int, durability: str, before: int = 5) -> tuple[EventWriter, int]:
    """A writer that has `before` records in its file, and then a limit `extra` bytes behind them."""
    w = EventWriter(logdir, flush_secs=0.001, durability=durability)  # type: ignore[arg-type]
    for i in range(before):
        w.scalar("a", i, i)
    assert w.flush()
    limit(Path(w.path).stat().st_size + extra)
    return w, before


RECORD = 39  # bytes of a scalar record of a one-letter tag and a step below 128


@pytest.mark.parametrize("durability", ["async", "process"])
def test_a_tear_at_every_byte_is_mended(tmp_path: Path, durability: str) -> None:
    """At each byte of three records: nothing raised, nothing lost, no torn record in front of another."""
    for extra in range(3 * RECORD + 1):
        logdir = tmp_path / str(extra)
        w, n = tear(logdir, extra, durability)
        try:
            for i in range(n, n + 6):
                w.scalar("a", i, i)
            assert not w.flush()
            scripted.balance(w, n + 6)
        finally:
            limit(HARD)
        for i in range(n + 6, n + 12):
            w.scalar("a", i, i)
        assert w.close()
        scripted.check_files(logdir)
        assert list(range(n + 12)) == scripted.steps(logdir)
        assert len(list(logdir.iterdir())) <= 2


@pytest.mark.parametrize("extra", [1, RECORD, RECORD + 7, 2 * RECORD + 38])
def test_live_python_readers_see_every_event(tmp_path: Path, extra: int) -> None:
    """They follow the file while it is torn, and after."""
    w, n = tear(tmp_path, extra, "async")
    follow_run, follow_file = readers.follow_run(tmp_path), readers.follow_file(w.path)
    run, file = follow_run(), follow_file()
    try:
        for i in range(n, n + 6):
            w.scalar("a", i, i)
        assert not w.flush()
        for _ in range(3):
            run += follow_run()
            file += follow_file()
    finally:
        limit(HARD)
    first = w.path
    scripted.settle(w)
    run += follow_run()
    for i in range(n + 6, n + 12):
        w.scalar("a", i, i)
    w.close()
    run += follow_run()
    file += follow_file()
    assert list(range(n + 12)) == [r.step for r in run if r.tag]
    if first == w.path:
        assert list(range(n + 12)) == [r.step for r in file if r.tag]


def test_a_live_rust_reader_sees_every_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard's default loader, on many torn files at once: it gives none of them up."""
    # From the longest down: a file that is torn at its limit stays so under a smaller one.
    tears = sorted({*range(0, 3 * RECORD + 1, 13), 1, RECORD - 1, RECORD + 1}, reverse=True)
    writers = []
    for extra in tears:
        w, n = tear(tmp_path / f"run{extra}", extra, "async")
        for i in range(n, n + 6):
            w.scalar("a", i, i)
        assert not w.flush()
        writers.append(w)
    assert len(tears) == sum(w.stats().state == "failing" for w in writers)

    def still_limited(fd: int, data: bytes) -> int:
        raise OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(_os, "write", still_limited)  # the server must not inherit the real limit
    limit(HARD)
    with serve(tmp_path, "fast", reload_seconds=1, tensorflow=False) as board:
        board.wait_until(lambda s: len(s.runs()) == len(tears), "the torn files")
        time.sleep(1.2)  # it looks at them once more
        assert len(tears) == sum(w.stats().state == "failing" for w in writers)
        monkeypatch.setattr(_os, "write", os.write)
        for w in writers:
            scripted.settle(w)
            for i in range(n + 6, n + 12):
                w.scalar("a", i, i)
            w.close()
        for w in writers:
            name = Path(w.logdir).name
            board.wait_until(lambda s, name=name: len(s.scalars(name, "a")) >= n + 12, f"all of {name}")
            assert list(range(n + 12)) == [step for _, step, _ in board.scalars(name, "a")]


@pytest.mark.parametrize("size", [10, 56, 200])
def test_a_limit_below_any_use_makes_no_heap_of_files(tmp_path: Path, size: int) -> None:
    """No file fits its first records: it is tried again, not in one more file for every try."""
    limit(size)
    try:
        w = EventWriter(tmp_path, flush_secs=0.001)
        for i in range(50):
            w.scalar("a", i, i)
        for _ in range(20):
            w.flush()
        assert len(list(tmp_path.iterdir())) <= 2
        scripted.balance(w, 50)
    finally:
        limit(HARD)
    assert w.close()
    scripted.check_files(tmp_path)
    assert list(range(50)) == scripted.steps(tmp_path)
