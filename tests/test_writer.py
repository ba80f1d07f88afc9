"""eventwriter/writer.py: what a user sees of a writer, read back with TensorBoard's own loader."""

from __future__ import annotations

import decimal
import enum
import gc
import logging
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import descriptors
import numpy as np
import pytest
import readers
import torch

import eventwriter
from eventwriter import ClosedError, EventWriter


def events(path: str | Path) -> list[readers.Row]:
    """A file or a run's folder by TensorBoard's loader."""
    return readers.run_events(path) if os.path.isdir(path) else readers.file_events(path)


def scalars(path: str | Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of every scalar in a file or folder, in order, by TensorBoard's loader."""
    return [(r.tag, r.step, r.value) for r in events(path) if r.kind == "simple_value"]


def test_events_are_in_the_file_in_the_order_of_the_calls(tmp_path: Path) -> None:
    """Scalars, groups and ready events keep their order, steps and wall times."""
    with EventWriter(tmp_path) as w:
        w.scalar("a", 1.0, 1, wall_time=10.5)
        w.scalars({"b": 2.0, "c": 3.0}, 2, wall_time=11.5)
        from eventwriter._proto.event_pb2 import Event

        event = Event(step=3, wall_time=12.5)
        event.summary.value.add(tag="d", simple_value=4.0)
        w.event(event)
        w.event(event.SerializeToString(), step=4, wall_time=13.5)
        w.scalar("e", 5.0, 5, wall_time=14.5)
    got = [(r.tag, r.step, r.wall_time, r.value) for r in events(w.path) if r.tag]
    assert [
        ("a", 1, 10.5, 1.0),
        ("b", 2, 11.5, 2.0),
        ("c", 2, 11.5, 3.0),
        ("d", 3, 12.5, 4.0),
        ("d", 4, 13.5, 4.0),
        ("e", 5, 14.5, 5.0),
    ] == got


def test_the_file_begins_with_its_version_before_the_constructor_returns(tmp_path: Path) -> None:
    """The first record names format and writer, and is on disk at once."""
    w = EventWriter(tmp_path / "new" / "folder", filename_suffix=".sfx")
    (first,) = events(w.path)
    assert ("file_version", "brain.Event:2") == (first.kind, first.value)
    name = Path(w.path).name
    assert name.startswith("events.out.tfevents.") and name.endswith(".sfx")
    seconds, host_pid_uid = name.removeprefix("events.out.tfevents.").split(".", 1)
    assert len(seconds) == 10 and seconds.isdigit()
    assert str(os.getpid()) in host_pid_uid
    w.close()


def test_purge_step_writes_two_starts(tmp_path: Path) -> None:
    """design: TensorBoard's Python loader ignores a run's first START."""
    with EventWriter(tmp_path, purge_step=7) as w:
        w.scalar("a", 1, 7)
    starts = [(r.step, r.value.status) for r in events(w.path) if r.kind == "session_log"]
    assert [(7, 1), (7, 1)] == starts


def test_writers_of_one_second_do_not_collide(tmp_path: Path) -> None:
    """50 writers in one folder in one moment: 50 files, sorting in the order of creation."""
    writers = [EventWriter(tmp_path) for _ in range(50)]
    for i, w in enumerate(writers):
        w.scalar("a", i, i)
        w.close()
    assert sorted(os.listdir(tmp_path)) == [Path(w.path).name for w in writers]
    assert [("a", i, float(i)) for i in range(50)] == scalars(tmp_path)


def test_a_file_sorts_after_those_already_there(tmp_path: Path) -> None:
    """Also after one that a clock of the future made."""
    (tmp_path / "events.out.tfevents.9000000000.zzz.1.0").touch()
    w = EventWriter(tmp_path)
    w.close()
    assert Path(w.path).name == max(os.listdir(tmp_path))


class Colour(enum.IntEnum):
    RED = 3


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (1, 1.0),
        (True, 1.0),
        (Colour.RED, 3.0),
        (np.float32(0.1), float(np.float32(0.1))),
        (np.float64(0.5), 0.5),
        (np.int8(-3), -3.0),
        (np.bool_(True), 1.0),
        (np.float16(0.5), 0.5),
        (np.array(2.5), 2.5),
        (np.array([[2.5]]), 2.5),
        (decimal.Decimal("0.5"), 0.5),
        (torch.tensor(1.5), 1.5),
        (torch.tensor([1.5], requires_grad=True), 1.5),
        (torch.tensor(1.5, dtype=torch.bfloat16), 1.5),
        (torch.tensor(7), 7.0),
        (math.inf, math.inf),
        (1e300, math.inf),
        (-1e300, -math.inf),
    ],
)
def test_a_value_is_any_one_number(tmp_path: Path, value: object, want: float) -> None:
    """Python and numpy numbers, bools, arrays and tensors of one element."""
    with EventWriter(tmp_path) as w:
        w.scalar("a", value, 0)
        w.scalars({"a": value}, 1)
    assert [want, want] == [v for _, _, v in scalars(w.path)]


def test_nan_is_kept(tmp_path: Path) -> None:
    """NaN reaches the file as it is."""
    with EventWriter(tmp_path) as w:
        w.scalar("a", math.nan, 0)
    assert math.isnan(scalars(w.path)[0][2])


@pytest.mark.parametrize(
    ("step", "want"),
    [
        (np.int64(5), 5),
        (True, 1),
        (3.0, 3),
        (torch.tensor(4), 4),
        (np.float32(2), 2),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_a_step_is_anything_integral(tmp_path: Path, step: object, want: int) -> None:
    """Integers of any framework, and floats that are integral."""
    with EventWriter(tmp_path) as w:
        w.scalar("a", 0.5, step)  # type: ignore[arg-type]
    assert [("a", want, 0.5)] == scalars(w.path)


BAD: list[tuple[tuple[object, object, object], type[Exception], str]] = [
    ((5, 0.5, 1), TypeError, "want a str as tag, got int 5"),
    ((None, 0.5, 1), TypeError, "want a str as tag, got NoneType None"),
    ((["x"], 0.5, 1), TypeError, "want a str as tag"),
    (("", 0.5, 1), ValueError, "want a non-empty str as tag"),
    (("\ud800", 0.5, 1), ValueError, "lone surrogate"),
    (("loss", 0.5, 1.5), ValueError, "scalar 'loss': want an integral step, got float 1.5"),
    (("loss", 0.5, math.nan), ValueError, "scalar 'loss': want an integral step, got float nan"),
    (("loss", 0.5, "1"), TypeError, "scalar 'loss': want an integral step, got str '1'"),
    (("loss", 0.5, None), TypeError, "scalar 'loss': want an integral step, got NoneType None"),
    (("loss", 0.5, 2**63), ValueError, "scalar 'loss': want a step that fits int64, got 9223372036854775808"),
    (("loss", 0.5, -(2**63) - 1), ValueError, "fits int64"),
    (("loss", "0.5", 1), TypeError, "scalar 'loss': want one number, got str '0.5'"),
    (("loss", b"0.5", 1), TypeError, "want one number, got bytes"),
    (("loss", None, 1), TypeError, "scalar 'loss': want one number, got NoneType None"),
    (("loss", 1j, 1), TypeError, "scalar 'loss': want one number, got complex 1j"),
    (("loss", np.complex64(1), 1), TypeError, "complex"),
    (("loss", torch.tensor(1j), 1), TypeError, "complex"),
    (("loss", np.zeros(3), 1), ValueError, "scalar 'loss': want one number, got an array of shape (3,)"),
    (("loss", np.zeros(0), 1), ValueError, "got an array of shape (0,)"),
    (("loss", torch.zeros(2, 2), 1), ValueError, "got an array of shape (2, 2)"),
    (("loss", torch.zeros((), device="meta"), 1), TypeError, "scalar 'loss': want one number"),
    (("loss", np.array("x"), 1), TypeError, "scalar 'loss'"),
    (("loss", [0.5], 1), TypeError, "want one number, got list [0.5]"),
    (("loss", 10**400, 1), ValueError, "want a number that a float can hold"),
]


@pytest.mark.parametrize(("args", "error", "text"), BAD)
def test_bad_input_raises_where_it_was_called(
    tmp_path: Path, args: tuple[object, object, object], error: type[Exception], text: str
) -> None:
    """With the tag, what was got and what was wanted; the writer works on afterwards."""
    with EventWriter(tmp_path) as w:
        w.scalar("before", 1.0, 0)
        with pytest.raises(error) as caught:
            w.scalar(*args)  # type: ignore[arg-type]
        assert text in str(caught.value)
        w.scalar("after", 2.0, 0)
    assert [("before", 0, 1.0), ("after", 0, 2.0)] == scalars(w.path)


@pytest.mark.parametrize("wall_time", [math.nan, math.inf, "now", None.__class__])
def test_a_bad_wall_time_raises(tmp_path: Path, wall_time: object) -> None:
    """A NaN wall time would make the default loader give the file up."""
    with EventWriter(tmp_path) as w, pytest.raises((TypeError, ValueError), match=r"scalar 'a': want .*wall_time"):
        w.scalar("a", 1.0, 0, wall_time=wall_time)  # type: ignore[arg-type]


@pytest.mark.parametrize("event", ["text", 5, b"\xff\xff", object()])
def test_a_bad_event_raises(tmp_path: Path, event: object) -> None:
    """Nothing that a reader cannot decode reaches a file."""
    with EventWriter(tmp_path) as w:
        with pytest.raises((TypeError, ValueError), match="event: want"):
            w.event(event)  # type: ignore[arg-type]
        w.scalar("a", 1.0, 0)
    assert [("a", 0, 1.0)] == scalars(w.path)


def test_an_event_of_tensorboards_own_classes(tmp_path: Path) -> None:
    """Messages of other packages are taken by their bytes; a Summary gets an Event around it."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    with EventWriter(tmp_path) as w:
        w.event(Summary(value=[Summary.Value(tag="s", simple_value=1.0)]), 3)
        w.event(Event(step=4, wall_time=math.nan, summary=Summary(value=[Summary.Value(tag="e", simple_value=2.0)])))
    rows = [r for r in events(w.path) if r.tag]
    assert [("s", 3, 1.0), ("e", 4, 2.0)] == [(r.tag, r.step, r.value) for r in rows]
    assert all(abs(r.wall_time - time.time()) < 3600 for r in rows)


def test_a_logdir_that_is_a_file_raises(tmp_path: Path) -> None:
    """Where it was asked for."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError):
        EventWriter(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "x"


@pytest.mark.parametrize("logdir", [5, b"x", "", None])
def test_a_logdir_that_is_no_path_raises(logdir: object) -> None:
    """With what was got."""
    with pytest.raises(TypeError):
        EventWriter(logdir)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"flush_secs": 0},
        {"flush_secs": math.nan},
        {"max_pending_bytes": 10},
        {"on_error": "ignore"},
        {"filename_suffix": "a/b"},
        {"purge_step": 1.5},
    ],
)
def test_bad_options_raise(tmp_path: Path, options: dict[str, object]) -> None:
    """In the constructor, before a file is made."""
    with pytest.raises(ValueError, match=next(iter(options))):
        EventWriter(tmp_path, **options)  # type: ignore[arg-type]
    assert [] == os.listdir(tmp_path)


def test_a_closed_writer_refuses(tmp_path: Path) -> None:
    """Every kind of log call raises ClosedError; flush and close again are nothing."""
    w = EventWriter(tmp_path)
    w.scalar("a", 1.0, 0)
    assert w.close()
    for call in (lambda: w.scalar("a", 1.0, 1), lambda: w.scalars({"a": 1}, 1), lambda: w.event(b"")):
        with pytest.raises(ClosedError):
            call()
    assert w.flush() and w.close()
    assert [("a", 0, 1.0)] == scalars(w.path)
    assert w.stats().state == "closed"


def test_flush_is_a_barrier(tmp_path: Path) -> None:
    """What any thread logged before it can be read when it returns."""
    with EventWriter(tmp_path, flush_secs=3600) as w:
        for i in range(5000):
            w.scalar("a", i, i)
        thread = threading.Thread(target=lambda: [w.scalar("b", i, i) for i in range(5000)])
        thread.start()
        thread.join()
        assert w.flush()
        assert 10_000 == len(scalars(w.path))
        assert w.stats().pending == 0


def test_events_are_visible_within_flush_secs(tmp_path: Path) -> None:
    """Without flush or close, also after an idle while."""
    with EventWriter(tmp_path, flush_secs=0.05) as w:
        for i in range(3):
            w.scalar("a", i, i)
            deadline = time.monotonic() + 60
            while len(scalars(w.path)) != i + 1:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            time.sleep(0.2)


def test_stats_balance(tmp_path: Path) -> None:
    """accepted = written + pending + dropped + failed, with groups, events and large numbers."""
    with EventWriter(tmp_path, flush_secs=3600) as w:
        for i in range(5000):
            w.scalar("a", 1.0, i)
        w.scalars({"b": 1, "c": 2}, 0)
        w.flush()
        for i in range(10):
            w.scalars({"b": 1, "c": 2}, i)
        stats = w.stats()
    assert (5011, 5001, 10, 0, 0, "ok") == (*stats[:5], stats.state)
    assert w.stats().written == 5011
    assert os.path.getsize(w.path) == w.stats().bytes_written


def test_eight_threads_lose_nothing(tmp_path: Path) -> None:
    """8 × 10,000 scalars: all in the file, each thread's in order."""
    with EventWriter(tmp_path) as w:

        def log(k: int) -> None:
            for i in range(10_000):
                w.scalar(f"thread{k}", i, i)

        threads = [threading.Thread(target=log, args=(k,)) for k in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    got: dict[str, list[int]] = {}
    for tag, step, value in scalars(w.path):
        assert value == step
        got.setdefault(tag, []).append(step)
    assert {f"thread{k}": list(range(10_000)) for k in range(8)} == got


def test_memory_is_bounded(tmp_path: Path) -> None:
    """A program faster than the disk waits for room instead of growing; nothing is lost."""
    bound = 1 << 20
    with EventWriter(tmp_path, max_pending_bytes=bound) as w:
        for i in range(100_000):
            w.scalar("a", i, i)
            if i % 4096 == 0:
                assert w._ring.nbytes <= bound + (256 << 10)
    assert 100_000 == len(scalars(w.path))


def test_an_event_beyond_the_bound_raises(tmp_path: Path) -> None:
    """It could never be taken."""
    with EventWriter(tmp_path, max_pending_bytes=1 << 20) as w:
        from eventwriter._proto.event_pb2 import Event

        with pytest.raises(ValueError, match="max_pending_bytes"):
            w.event(Event(file_version="x" * (2 << 20)))


def test_a_writer_that_is_dropped_writes_everything(tmp_path: Path) -> None:
    """No close, no reference left: the events are written all the same, and the descriptor comes back."""
    gc.collect()  # what earlier tests left
    before = descriptors.ours(tmp_path)
    w = EventWriter(tmp_path)
    for i in range(100):
        w.scalar("a", i, i)
    path = w.path
    del w
    gc.collect()
    deadline = time.monotonic() + 60
    while len(scalars(path)) != 100:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    while left := descriptors.ours(tmp_path) - before:
        gc.collect()
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_many_writers_share_one_thread(tmp_path: Path) -> None:
    """A hundred writers cost one thread, and none when closed beyond it; descriptors come back."""
    gc.collect()
    before = descriptors.ours(tmp_path)
    with EventWriter(tmp_path / "first") as w:
        w.scalar("a", 1, 1)
    tasks = len(os.listdir("/proc/self/task"))
    writers = [EventWriter(tmp_path / str(i)) for i in range(100)]
    for w in writers:
        w.scalar("a", 1, 1)
    assert len(os.listdir("/proc/self/task")) <= tasks
    for w in writers:
        w.close()
        assert [("a", 1, 1.0)] == scalars(w.path)
    assert not descriptors.ours(tmp_path) - before


@pytest.fixture
def alarm() -> Iterator[None]:
    """A timer signal every millisecond, stopped afterwards."""
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_a_signal_handler_may_log_and_flush(tmp_path: Path, alarm: None) -> None:
    """In the middle of log calls, of flush and of the change of a segment: no deadlock, nothing lost."""
    with EventWriter(tmp_path) as w:
        fired = 0

        def handler(*_: object) -> None:
            nonlocal fired
            fired += 1
            w.scalar("handler", 1.0, fired)
            if fired % 50 == 0:
                w.flush()

        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        i = 0
        while fired < 300:
            w.scalar("main", 1.0, i)
            i += 1
            if i % 20 == 0:  # or reading it all back takes the test's time
                time.sleep(0.0003)
            if i % 1000 == 0:
                w.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)
        total = fired
    got = scalars(w.path)
    assert list(range(i)) == [s for t, s, _ in got if t == "main"]
    # A handler may itself be interrupted, so its events may change places.
    assert list(range(1, total + 1)) == sorted(s for t, s, _ in got if t == "handler")


def test_an_exception_from_a_signal_handler_leaves_the_writer_usable(tmp_path: Path, alarm: None) -> None:
    """A KeyboardInterrupt in the middle of a call: that event is maybe written, every other one is, once."""

    class Interrupt(BaseException):
        pass

    def handler(*_: object) -> None:
        raise Interrupt

    with EventWriter(tmp_path) as w:
        signal.signal(signal.SIGALRM, handler)
        sure, i, raised = set(), 0, 0
        while raised < 200:
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0007)
                while True:
                    w.scalar("a", 1.0, i)
                    sure.add(i)
                    i += 1
                    if i % 20 == 0:
                        time.sleep(0.0002)
            except Interrupt:
                raised += 1
                i += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
    got = [s for _, s, _ in scalars(w.path)]
    assert sure <= set(got)
    assert len(got) == len(set(got))
    assert len(got) <= len(sure) + raised


def test_the_package_says_what_it_has() -> None:
    """`dir()` and unknown names behave as a module's do."""
    assert "EventWriter" in dir(eventwriter)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = eventwriter.nonsense


def test_logging_is_quiet_when_all_is_well(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not a word on the logger of a healthy run."""
    with caplog.at_level(logging.INFO, "eventwriter"), EventWriter(tmp_path) as w:
        for i in range(1000):
            w.scalar("a", i, i)
    assert [] == caplog.records
    assert sys.stderr is not None
