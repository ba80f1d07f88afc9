"""FileWriter and RecordWriter do what torch's do, read back with TensorBoard's own loaders."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import readers
import torch
from eventwriter_torch import FileWriter, RecordWriter, SummaryWriter, summary


def rows(logdir: str | Path) -> list[readers.Row]:
    """What a run holds besides the files' versions."""
    return [row for row in readers.run_events(logdir) if row.kind != "file_version"]


def points(logdir: str | Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of every scalar."""
    return [(row.tag, row.step, row.value) for row in rows(logdir) if row.kind == "simple_value"]


# ---- the FileWriter


def test_a_file_writer_takes_anybodys_messages(tmp_path: Path) -> None:
    """TensorBoard's, tensorboardX's and our classes, by their bytes; and bytes."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary as TheirSummary
    from tensorboardX.proto.summary_pb2 import Summary as XSummary

    from eventwriter.proto import Summary as OurSummary

    w = FileWriter(tmp_path)
    for step, cls in enumerate((TheirSummary, XSummary, OurSummary)):
        w.add_summary(cls(value=[cls.Value(tag="a", simple_value=step)]), np.int64(step))
    w.add_summary(TheirSummary(value=[TheirSummary.Value(tag="a", simple_value=3)]).SerializeToString(), 3.9)
    event = Event(step=1, wall_time=5, summary=TheirSummary(value=[TheirSummary.Value(tag="b", simple_value=4)]))
    w.add_event(event)
    w.add_event(event, 4, 6.5)
    w.add_event(event.SerializeToString(), torch.tensor(5), 7.5)
    w.event_writer.add_event(event)
    w.close()
    got = [(row.tag, row.step, row.value) for row in rows(tmp_path)]
    assert [("a", i, float(i)) for i in range(4)] + [("b", 1, 4.0), ("b", 4, 4.0), ("b", 5, 4.0), ("b", 1, 4.0)] == got
    walls = [row.wall_time for row in rows(tmp_path)[4:]]
    assert abs(walls[0] - time.time()) < 100  # torch's add_event stamps them
    assert [6.5, 7.5, 5.0] == walls[1:]


def test_a_file_writer_has_what_others_reach_for(tmp_path: Path) -> None:
    """The names of torch's, through a SummaryWriter: Lightning and others call them."""
    w = SummaryWriter(tmp_path)
    writer = w._get_file_writer()
    assert writer is w.file_writer is (w.all_writers or {})[str(tmp_path)]
    for part in summary.hparams({"lr": 0.1}, {"hp_metric": -1}):
        writer.add_summary(part)
    assert str(tmp_path) == writer.event_writer.get_logdir()
    writer.event_writer.flush()
    assert ["_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info"] == [
        row.tag for row in rows(tmp_path)
    ]
    w.close()


def test_a_closed_file_writer_raises_oserror(tmp_path: Path) -> None:
    """As torch's does."""
    w = FileWriter(tmp_path)
    w.close()
    w.close()
    with pytest.raises(OSError, match="closed"):
        w.add_summary(summary.scalar("a", 1.0))
    with pytest.raises(OSError, match="closed"):
        w.event_writer.add_event(b"")


def test_calls_from_several_threads_are_safe(tmp_path: Path) -> None:
    """No event is lost and no sub-run is opened twice."""
    w = SummaryWriter(tmp_path)

    def log(name: int) -> None:
        for step in range(200):
            w.add_scalar(f"t{name}", float(step), step)
            w.add_scalar(f"n{name}", step)
            w.add_scalars("m", {str(step % 5): 1.0}, step)

    threads = [threading.Thread(target=log, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    w.close()
    got = points(tmp_path)
    for name in range(8):
        assert [(f"t{name}", i, float(i)) for i in range(200)] == [p for p in got if p[0] == f"t{name}"]
        assert list(range(200)) == [step for tag, step, _ in got if tag == f"n{name}"]
    assert 6 == len(readers.event_files(tmp_path))
    assert 8 * 40 == len(points(tmp_path / "m_3"))


def test_messages_that_are_none_raise_in_the_call(tmp_path: Path) -> None:
    """TypeError or ValueError."""
    w = FileWriter(tmp_path)
    for wrong in (3, "x", b"\xff\xff", None):
        with pytest.raises((TypeError, ValueError)):
            w.add_event(wrong)  # type: ignore[arg-type] # that is the point
    w.close()


def test_a_record_writer_writes_records(tmp_path: Path) -> None:
    """That TensorBoard's loader and TensorFlow's own reader read."""
    with open(tmp_path / "x.tfevents", "wb") as file:
        w = RecordWriter(file)
        for data in (b"", b"a", b"b" * 10_000):
            w.write(data)
        w.flush()
        assert [b"", b"a", b"b" * 10_000] == readers.file_records(tmp_path / "x.tfevents")
        w.close()
        assert w.closed
    by_path = RecordWriter(tmp_path / "new" / "y.tfevents")
    by_path.write(b"z")
    by_path.close()
    assert [b"z"] == readers.file_records(tmp_path / "new" / "y.tfevents")
