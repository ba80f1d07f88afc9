"""SummaryWriter does what torch's does (peers.md, "Reproduce exactly"), read back with TensorBoard's own loaders."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import readers
import tensorboard_server
import torch
from matplotlib.figure import Figure

from eventwriter_torch import FileWriter, RecordWriter, SummaryWriter, summary

HOST = socket.gethostname()


def rows(logdir: str | Path) -> list[readers.Row]:
    """What a run holds besides the files' versions."""
    return [row for row in readers.run_events(logdir) if row.kind != "file_version"]


def points(logdir: str | Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of every scalar."""
    return [(row.tag, row.step, row.value) for row in rows(logdir) if row.kind == "simple_value"]


def values(message: Any) -> list[tuple[str, float]]:
    return [(value.tag, value.simple_value) for value in message.value]


# ---- the folder and the file


def test_the_default_folder_is_torchs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`runs/DATE_HOST` and the comment, with nothing in between; an empty log_dir counts as none."""
    monkeypatch.chdir(tmp_path)
    for log_dir in (None, ""):
        w = SummaryWriter(log_dir, comment="LR_0.1")
        assert isinstance(w.log_dir, str)
        assert re.fullmatch(rf"runs/\w{{3}}\d\d_\d\d-\d\d-\d\d_{re.escape(HOST)}LR_0\.1", w.log_dir)
        assert Path(w.log_dir).is_dir()
        w.close()


def test_a_path_object_comes_back_as_it_was_given(tmp_path: Path) -> None:
    """log_dir and get_logdir() return it; the FileWriter has it as a str; a comment does not matter then."""
    w = SummaryWriter(tmp_path / "run", comment="ignored")
    assert tmp_path / "run" == w.log_dir == w.get_logdir()
    assert str(tmp_path / "run") == w._get_file_writer().get_logdir()
    assert [str(tmp_path / "run")] == list(w.all_writers or {})
    w.close()


def test_the_constructor_makes_folder_and_file_at_once(tmp_path: Path) -> None:
    """With the file's version in it, before anything is logged."""
    w = SummaryWriter(tmp_path / "a" / "b", filename_suffix=".sfx")
    (path,) = readers.event_files(tmp_path)
    assert path.parent == tmp_path / "a" / "b"
    pattern = rf"events\.out\.tfevents\.\d{{10}}\.{re.escape(HOST)}\.{os.getpid()}\.\d+\.sfx"
    assert re.fullmatch(pattern, path.name)
    assert ["file_version"] == [row.kind for row in readers.file_events(path)]
    w.close()


def test_the_settings_are_attributes(tmp_path: Path) -> None:
    """Under torch's names; purge_step is None once it was written."""
    w = SummaryWriter(tmp_path, purge_step=7, max_queue=3, flush_secs=30, filename_suffix="x")
    assert (None, 3, 30, "x") == (w.purge_step, w.max_queue, w.flush_secs, w.filename_suffix)
    w.close()


def test_logdir_is_another_name_for_log_dir(tmp_path: Path) -> None:
    """As in tensorboardX."""
    w = SummaryWriter(logdir=str(tmp_path / "x"))
    assert str(tmp_path / "x") == w.log_dir
    w.close()


def test_write_to_disk_false_writes_nothing(tmp_path: Path) -> None:
    """Every method takes its arguments and does nothing; no folder is made."""
    w = SummaryWriter(tmp_path / "run", write_to_disk=False)
    w.add_scalar("a", 1.0, 1)
    w.add_scalar("a", torch.tensor(1), 1)
    w.add_scalars("m", {"x": 1}, 1)
    w.add_histogram("h", torch.rand(3))
    w.add_hparams({"a": 1}, {"b": 2})
    w.add_embedding(torch.rand(3, 3))
    w.add_graph(torch.nn.Linear(1, 1), torch.rand(1, 1))
    w.add_custom_scalars_multilinechart(["a"])
    w._get_file_writer().add_summary(summary.scalar("a", 1.0))
    w.flush()
    w.close()
    assert [] == list(tmp_path.iterdir())


def test_the_context_manager_closes_and_swallows_nothing(tmp_path: Path) -> None:
    """It is the writer itself; an exception comes out; what was logged is there."""
    with pytest.raises(KeyError), SummaryWriter(tmp_path) as w:
        assert isinstance(w, SummaryWriter)
        w.add_scalar("a", 1.0, 1)
        raise KeyError
    assert w.file_writer is None
    assert [("a", 1, 1.0)] == points(tmp_path)


def test_after_close_an_add_begins_a_new_file(tmp_path: Path) -> None:
    """close() is idempotent and leaves no writers; flush() then does nothing; add_* goes on in a new file."""
    w = SummaryWriter(tmp_path, purge_step=5)
    w.add_scalar("a", 1.0, 5)
    w.close()
    w.close()
    w.flush()
    assert (None, None) == (w.file_writer, w.all_writers)
    w.add_scalar("a", 2.0, 6)
    w.close()
    assert 2 == len(readers.event_files(tmp_path))
    assert [("a", 5, 1.0), ("a", 6, 2.0)] == points(tmp_path)
    starts = [row.step for row in rows(tmp_path) if row.kind == "session_log"]
    assert {5} == set(starts)  # and none in the second file, which would undo the first


def test_a_writer_that_nobody_closed_loses_nothing(tmp_path: Path) -> None:
    """The interpreter's exit writes what is pending."""
    code = (
        "import sys, torch; from eventwriter_torch import SummaryWriter; w = SummaryWriter(sys.argv[1]);"
        "[w.add_scalar('a', float(i), i) for i in range(1000)]; w.add_histogram('h', torch.rand(9), 0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert [("a", i, float(i)) for i in range(1000)] == points(tmp_path)
    assert "h" == rows(tmp_path)[-1].tag


def test_a_writer_that_nobody_needs_is_freed(tmp_path: Path) -> None:
    """pytorch#61186: no thread and no hook at exit keeps it alive, and its file is closed."""
    before = len(os.listdir("/proc/self/fd"))
    for index in range(20):
        w = SummaryWriter(tmp_path / str(index))
        w.add_scalar("a", 1.0, 1)
        w.add_scalars("m", {"x": 1.0}, 1)
        w.flush()
        del w
    gc.collect()
    deadline = time.monotonic() + 30
    while len(os.listdir("/proc/self/fd")) > before + 4 and time.monotonic() < deadline:
        time.sleep(0.1)  # the flush thread looks at a writer again some seconds after its last event
        gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 4


# ---- scalars


@pytest.mark.parametrize(
    "value",
    [
        3, 3.0, np.float32(3), np.int64(3), np.array(3.0), np.array([[3]]), "3", "3.0", torch.tensor(3),
        torch.tensor([3.0], requires_grad=True), torch.tensor(3.0, dtype=torch.bfloat16),
        torch.tensor([[3.0]], dtype=torch.float64), torch.nn.Parameter(torch.tensor(3.0)), torch.arange(8)[3:4],
        torch.tensor(3, dtype=torch.uint8), [3.0],
    ],
    ids=repr,
)  # fmt: skip
def test_add_scalar_takes_any_one_number(tmp_path: Path, value: Any) -> None:
    """Arrays and tensors of one element, numeric strings, with a gradient or not."""
    with SummaryWriter(tmp_path) as w:
        w.add_scalar("a", value, 1)
    assert [("a", 1, 3.0)] == points(tmp_path)


def test_add_scalar_takes_bools_and_odd_numbers(tmp_path: Path) -> None:
    """True is 1; NaN and infinities are kept; what float32 cannot hold is infinite."""
    with SummaryWriter(tmp_path) as w:
        for step, value in enumerate((True, torch.tensor(False), float("nan"), float("-inf"), 1e300)):
            w.add_scalar("a", value, step)
    got = [value for *_, value in points(tmp_path)]
    assert [1.0, 0.0] == got[:2]
    assert np.isnan(got[2])
    assert [-np.inf, np.inf] == got[3:]


@pytest.mark.parametrize("value", [torch.rand(2), np.zeros((1, 3)), np.zeros(0), [1, 2]], ids=str)
def test_more_than_one_number_is_an_assertion_error(tmp_path: Path, value: Any) -> None:
    """As in torch, and with the tag and the shape."""
    with SummaryWriter(tmp_path) as w, pytest.raises(AssertionError, match=r"scalar 'a': want one number"):
        w.add_scalar("a", value, 1)


@pytest.mark.parametrize("value", [None, "x", {}, object(), 1j, torch.tensor(1j)], ids=str)
def test_what_is_no_number_raises_in_the_call(tmp_path: Path, value: Any) -> None:
    """TypeError or ValueError, and the writer goes on."""
    with SummaryWriter(tmp_path) as w:
        with pytest.raises((TypeError, ValueError)):
            w.add_scalar("a", value, 1)
        w.add_scalar("a", 2.0, 1)
    assert [("a", 1, 2.0)] == points(tmp_path)


@pytest.mark.parametrize("tag", [None, 3, "", "\ud800"], ids=repr)
def test_what_is_no_tag_raises_in_the_call(tmp_path: Path, tag: Any) -> None:
    """Whatever the kind of data."""
    with SummaryWriter(tmp_path) as w:
        for call in (
            lambda: w.add_scalar(tag, 1.0, 1),
            lambda: w.add_scalar(tag, torch.tensor(1)),
            lambda: w.add_histogram(tag, torch.rand(3), 1),
            lambda: w.add_text(tag, "x"),
            lambda: w.add_scalars(tag, {"x": 1}),
        ):
            with pytest.raises((TypeError, ValueError)):
                call()


@pytest.mark.parametrize(
    ("step", "want"),
    [(7, 7), (-3, -3), (1.7, 1), (-1.7, -1), (torch.tensor(4), 4), (torch.tensor([4.9]), 4), (np.int32(5), 5), ("6", 6),
     (np.float64(2.5), 2), (True, 1), (2**40, 2**40)],
    ids=repr,
)  # fmt: skip
def test_a_step_becomes_an_int_as_in_torch(tmp_path: Path, step: Any, want: int) -> None:
    """int(step): floats are cut off, tensors and numpy's numbers taken; negative ones are stored."""
    with SummaryWriter(tmp_path) as w:
        w.add_scalar("a", 1.0, step)
        w.add_scalar("b", 1, step)
        w.add_text("t", "x", step)
    assert [want] * 3 == [row.step for row in rows(tmp_path)]


def test_steps_that_nobody_gave_count_up_for_each_tag(tmp_path: Path) -> None:
    """The first call of a tag is step 0, as in torch; later ones do not fall on it."""
    with SummaryWriter(tmp_path) as w:
        for value in (1.0, 2, torch.tensor(3.0)):
            w.add_scalar("a", value)
        w.add_scalar("b", 1.0)
        w.add_text("a", "x")
        w.add_scalar("a", 9.0, 50)
        w.add_scalar("a", 4.0)
        w.add_scalars("m", {"x": 1, "y": 2})
        w.add_scalars("m", {"x": 3})
        w.add_scalars("one", {"x": 3}, runs=False)
        w.add_scalars("one", {"x": 4}, runs=False)
    got = [(row.tag, row.step) for row in rows(tmp_path) if row.kind == "simple_value" or row.plugin == "text"]
    assert [
        ("a", 0), ("a", 1), ("a", 2), ("b", 0), ("a/text_summary", 0), ("a", 50), ("a", 3), ("one/x", 0), ("one/x", 1),
    ] == got  # fmt: skip
    assert [("m", 0, 1.0), ("m", 1, 3.0)] == points(tmp_path / "m_x")
    assert [("m", 0, 2.0)] == points(tmp_path / "m_y")


def test_walltime_replaces_the_clock(tmp_path: Path) -> None:
    """0 too; without it, it is now."""
    with SummaryWriter(tmp_path) as w:
        w.add_scalar("a", 1.0, 1, 12.5)
        w.add_scalar("a", 1.0, 2, walltime=0.0)
        w.add_histogram("h", np.zeros(1), 3, walltime=13.5)
        w.add_scalars("m", {"x": 1, "y": 2}, 4, 14.5)
        before = time.time()
        w.add_scalar("a", 1.0, 5)
        w.add_scalars("n", {"x": 1, "y": 2}, 4)
    walls = [row.wall_time for row in rows(tmp_path)]
    assert [12.5, 0.0, 13.5] == walls[:3]
    assert before <= walls[3] <= time.time()
    assert [14.5, 14.5] == [rows(tmp_path / f"m_{k}")[0].wall_time for k in "xy"]
    assert rows(tmp_path / "n_x")[0].wall_time == rows(tmp_path / "n_y")[0].wall_time  # one for all


def test_new_style_scalars_are_tensors_of_the_scalars_plugin(tmp_path: Path) -> None:
    """As in torch."""
    with SummaryWriter(tmp_path) as w:
        w.add_scalar("a", torch.tensor(1.5), 1, new_style=True)
    (row,) = rows(tmp_path)
    assert ("tensor", "scalars", np.float32, (), 1.5) == (
        row.kind, row.plugin, row.value.dtype, row.value.shape, float(row.value),
    )  # fmt: skip


def test_names_and_descriptions_of_scalars(tmp_path: Path) -> None:
    """tensorboardX's keywords."""
    with SummaryWriter(tmp_path) as w:
        w.add_scalar("a", 1.0, 1, display_name="Loss", summary_description="**low** is good")
    (row,) = rows(tmp_path)
    assert ("simple_value", 1.0, "Loss", "**low** is good") == (
        row.kind, row.value, row.display_name, row.description,
    )  # fmt: skip


def test_tags_are_not_cleaned(tmp_path: Path) -> None:
    """torch stores them as they are."""
    with SummaryWriter(tmp_path) as w:
        w.add_scalar("/my tag: x%$ (B) ü", 1.0, 1)
    assert [("/my tag: x%$ (B) ü", 1, 1.0)] == points(tmp_path)


def test_use_metadata_gives_step_and_time_to_those_without(tmp_path: Path) -> None:
    """tensorboardX's context manager: for all kinds, sub-runs too, and not longer than the block."""
    with SummaryWriter(tmp_path) as w:
        with w.use_metadata(global_step=10, walltime=5.5) as same:
            assert same is w
            w.add_scalar("a", 1.0)
            w.add_scalar("a", 1.0, 11)
            w.add_text("t", "x", walltime=6.5)
            w.add_scalars("m", {"x": 1})
            w.add_hparams({"lr": 1}, {"acc": 2}, run_name="h")
            w._get_file_writer().add_summary(summary.scalar("b", 1.0))
        w.add_scalar("c", 1.0)
        with w._get_file_writer().use_metadata(global_step=3):
            w._get_file_writer().add_summary(summary.scalar("d", 1.0))
    got = [(row.tag, row.step, row.wall_time) for row in rows(tmp_path)]
    assert [("a", 10, 5.5), ("a", 11, 5.5), ("t/text_summary", 10, 6.5), ("b", 10, 5.5)] == got[:4]
    assert [("c", 0), ("d", 3)] == [(tag, step) for tag, step, _ in got[4:]]
    assert [("m", 10, 1.0)] == points(tmp_path / "m_x")
    assert [("acc", 10, 2.0)] == points(tmp_path / "h")


# ---- several lines in a chart


def test_add_scalars_makes_torchs_runs(tmp_path: Path) -> None:
    """LOGDIR/MAIN_TAG_NAME with the main tag inside; all_writers has them under their folders."""
    w = SummaryWriter(tmp_path)
    w.add_scalars("loss/all", {"train": 1, "a/b": torch.tensor(2.0)}, 3)
    w.add_scalars("loss/all", {"train": 4}, 5)
    root = str(tmp_path)
    assert [root, f"{root}/loss_all_train", f"{root}/loss_all_a/b"] == list(w.all_writers or {})
    w.flush()
    assert [("loss/all", 3, 1.0), ("loss/all", 5, 4.0)] == points(tmp_path / "loss_all_train")
    w.close()
    assert [("loss/all", 3, 2.0)] == points(tmp_path / "loss_all_a" / "b")
    assert 3 == len(readers.event_files(tmp_path))


def test_add_scalars_in_one_run(tmp_path: Path) -> None:
    """runs=False: one event, tags MAIN_TAG/NAME, and a chart of them beside the charts that were laid out before."""
    with SummaryWriter(tmp_path) as w:
        w.add_custom_scalars_multilinechart(["x"], title="mine")
        w.add_scalars("loss", {"train": 1, "val.x": 2.0}, 3, runs=False)
        w.add_scalars("loss", {"train": 1, "val.x": 2.0}, 4, runs=False)
        w.add_scalars("loss", {"test": torch.tensor(5.0)}, 4, 9.5, runs=False)
    assert [
        ("loss/train", 3, 1.0), ("loss/val.x", 3, 2.0), ("loss/train", 4, 1.0), ("loss/val.x", 4, 2.0),
        ("loss/test", 4, 5.0),
    ] == points(tmp_path)  # fmt: skip
    assert 1 == len(readers.event_files(tmp_path))
    layouts = [row for row in rows(tmp_path) if row.plugin == "custom_scalars"]
    assert [0, 1, 2] == [row.step for row in layouts]
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    layout = Layout.FromString(layouts[-1].value.item())
    charts = {c.title: list(c.multiline.tag) for category in layout.category for c in category.chart}
    assert {"mine": ["x"], "loss": ["^loss/train$", r"^loss/val\.x$", "^loss/test$"]} == charts


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


# ---- many runs


def test_many_sub_runs_need_few_files_and_no_threads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """torch has a writer and a thread for each. Here 64 files are open at most, whatever there is to write."""
    from eventwriter_torch import _sub_runs

    w = SummaryWriter(tmp_path)
    w.add_scalar("a", 1.0, 0)
    w.flush()
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    most = 0
    for step in range(2):
        for index in range(100):
            w.add_scalars("m", {str(index): 1.0}, step)
            most = max(most, len(os.listdir("/proc/self/fd")))
    assert most <= files + 2 * _sub_runs.MOST_OPEN
    assert threads == threading.active_count()
    assert ["runs=False" in record.message for record in caplog.records] == [True]
    w.close()
    assert [("m", 0, 1.0), ("m", 1, 1.0)] == points(tmp_path / "m_7")
    assert 101 == len(w.all_writers or range(101))


def test_add_hparams_gives_its_files_back(tmp_path: Path) -> None:
    """However many sets a search adds."""
    w = SummaryWriter(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for index in range(30):
        w.add_hparams({"lr": index}, {"acc": index})
    assert before == len(os.listdir("/proc/self/fd"))
    w.close()
    runs = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert 30 == len(runs)
    assert {float(i) for i in range(30)} == {points(run)[0][2] for run in runs}


# ---- the other kinds


def test_the_default_bins_are_torchs(tmp_path: Path) -> None:
    """The same numbers, and histograms over them the same messages."""
    from torch.utils.tensorboard import summary as theirs
    from torch.utils.tensorboard.writer import SummaryWriter as Peer

    peer = Peer(str(tmp_path / "peer"))
    w = SummaryWriter(tmp_path / "ours")
    assert peer.default_bins == w.default_bins
    data = np.random.default_rng(0).normal(size=1000)
    for options in ({}, {"bins": "auto"}, {"bins": [-1.0, 0.0, 1.0]}, {"max_bins": 10}):
        w.add_histogram("h", data, 0, **options)
    w.close()
    ours = [row.value for row in rows(tmp_path / "ours")]
    for options, got in zip(({}, {"bins": "auto"}, {"bins": [-1.0, 0.0, 1.0]}, {"max_bins": 10}), ours, strict=True):
        options = {"bins": peer.default_bins} | options
        want = theirs.histogram("h", data, **options).value[0].histo
        assert list(want.bucket) == list(got.bucket)
        assert list(want.bucket_limit) == list(got.bucket_limit)
        np.testing.assert_allclose(
            [want.min, want.max, want.num, want.sum, want.sum_squares],
            [got.min, got.max, got.num, got.sum, got.sum_squares],
        )
    peer.close()


def test_default_bins_can_be_set(tmp_path: Path) -> None:
    """Then "tensorflow" stands for those."""
    with SummaryWriter(tmp_path) as w:
        w.default_bins = [0.0, 1.0, 2.0]
        w.add_histogram("h", np.array([0.5, 1.5, 1.6]), 0)
    assert [0.0, 1.0, 2.0] == list(rows(tmp_path)[0].value.bucket_limit)


def test_a_raw_histogram_is_written_as_given(tmp_path: Path) -> None:
    """And ValueError if there are not as many limits as counts."""
    with SummaryWriter(tmp_path) as w:
        w.add_histogram_raw("h", 0, 3, 4, 5.0, 9, np.array([1.0, 2, 3]), [1, 2, 1], 7)
        with pytest.raises(ValueError, match="as many bucket_limits"):
            w.add_histogram_raw("h", 0, 3, 4, 5.0, 9, [1.0, 2], [1, 2, 1], 7)
    histo = rows(tmp_path)[0].value
    assert (0, 3, 4, 5, 9) == (histo.min, histo.max, histo.num, histo.sum, histo.sum_squares)
    assert ([1, 2, 3], [1, 2, 1]) == (list(histo.bucket_limit), list(histo.bucket))


def test_text_has_torchs_suffix_and_shape(tmp_path: Path) -> None:
    """TAG/text_summary, one cell."""
    with SummaryWriter(tmp_path) as w:
        w.add_text("t", "*hi* ü", 1)
    (row,) = rows(tmp_path)
    assert ("t/text_summary", 1, "text", (1,)) == (row.tag, row.step, row.plugin, row.value.shape)
    assert "*hi* ü" == row.value[0].decode()


def test_pr_curves_have_127_thresholds_at_most(tmp_path: Path) -> None:
    """torch's cap; the numbers are torch's."""
    from torch.utils.tensorboard.summary import compute_curve

    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 2, 100), rng.random(100)
    with SummaryWriter(tmp_path) as w:
        w.add_pr_curve("pr", torch.tensor(labels), torch.tensor(predictions, requires_grad=True), 1, num_thresholds=500)
        w.add_pr_curve("pr", labels, predictions, 2, 10, weights=rng.random(100))
        curve = compute_curve(labels, predictions, 20)
        w.add_pr_curve_raw("raw", *curve, 3, 20)
    got = rows(tmp_path)
    assert [(6, 127), (6, 10), (6, 20)] == [row.value.shape for row in got]
    assert ["pr_curves"] * 3 == [row.plugin for row in got]
    np.testing.assert_allclose(compute_curve(labels, predictions, 127), got[0].value, rtol=1e-6)
    np.testing.assert_allclose(curve, got[2].value, rtol=1e-6)


def test_predictions_outside_0_to_1_are_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """torch takes logits and draws nonsense; they are cut off, and one warning says so."""
    with SummaryWriter(tmp_path) as w:
        for step in range(3):
            w.add_pr_curve("pr", torch.tensor([0, 1]), torch.tensor([-4.0, 7.0]), step)
    assert 3 == len(rows(tmp_path))
    assert ["cut off" in record.message for record in caplog.records] == [True]


def test_a_mesh_has_its_three_parts(tmp_path: Path) -> None:
    """Under torch's suffixes; floating colours from 0 to 1, as torch documents them, are colours and not black."""
    vertices = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]], requires_grad=True)
    with SummaryWriter(tmp_path) as w:
        w.add_mesh("m", vertices, torch.full((1, 3, 3), 0.5), torch.tensor([[[0, 1, 2]]]), {"camera": {}}, 4)
    got = {row.tag: row for row in rows(tmp_path)}
    assert {"m_VERTEX", "m_FACE", "m_COLOR"} == set(got)
    assert {4} == {row.step for row in got.values()}
    assert [[[0, 1, 2]]] == got["m_FACE"].value.tolist()
    assert 128 == got["m_COLOR"].value.max()


def test_custom_scalars_take_torchs_layouts(tmp_path: Path) -> None:
    """A margin has exactly three tags; what is no margin is lines."""
    with SummaryWriter(tmp_path) as w:
        w.add_custom_scalars(
            {"c": {"a": ["Multiline", ("x", "y")], "b": ["Margin", ["v", "l", "u"]], "d": ["?", ["z"]]}}
        )
        with pytest.raises(AssertionError):
            w.add_custom_scalars_marginchart(["a", "b"])
        with pytest.raises(AssertionError):
            w.add_custom_scalars({"c": {"b": ["Margin", ["v"]]}})
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    (row,) = rows(tmp_path)
    assert ("custom_scalars__config__", 0, "custom_scalars") == (row.tag, row.step, row.plugin)
    charts = Layout.FromString(row.value.item()).category[0].chart
    assert ["a", "b", "d"] == [chart.title for chart in charts]
    assert [["x", "y"], ["z"]] == [list(charts[i].multiline.tag) for i in (0, 2)]
    assert ("v", "l", "u") == tuple(getattr(charts[1].margin.series[0], name) for name in ("value", "lower", "upper"))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (([], {}), TypeError),
        (({}, []), TypeError),
        (({"a": [1]}, {}), ValueError),
        (({"a": 1}, {}, []), None),
        (({"a": 1}, {}, 3), TypeError),
        (({"a": 1}, {}, {"b": [1]}), TypeError),
        (({"a": 1}, {}, {"a": 1}), TypeError),
        (({"a": 1}, {}, {"a": ["x"]}), TypeError),
        (({"a": 1}, {}, {"a": [1, 2]}), None),
        (({"a": None, "b": torch.tensor([2.5, 3])}, {"m": torch.tensor(1)}), None),
    ],
    ids=str,
)
def test_add_hparams_refuses_what_torch_refuses(
    tmp_path: Path, given: tuple[Any, ...], error: type[Exception] | None
) -> None:
    """With the same type of error; both are asked."""
    from torch.utils.tensorboard.writer import SummaryWriter as Peer

    for cls, folder in ((Peer, "peer"), (SummaryWriter, "ours")):
        with cls(str(tmp_path / folder)) as w:
            if error is None:
                w.add_hparams(*given, run_name="run")
            else:
                with pytest.raises(error):
                    w.add_hparams(*given, run_name="run")


def test_add_hparams_writes_a_run_with_the_metrics(tmp_path: Path) -> None:
    """In the named sub-run: what the dashboard needs, then the metrics as scalars at the given step."""
    with SummaryWriter(tmp_path) as w:
        w.add_hparams({"lr": 0.1, "opt": "sgd", "none": None}, {"acc": 0.5}, {"lr": [0.1, 1.0]}, "trial", 9)
    got = rows(tmp_path / "trial")
    assert [
        "_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info", "acc",
    ] == [row.tag for row in got]  # fmt: skip
    assert [("acc", 9, 0.5)] == points(tmp_path / "trial")
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    parts = [HParamsPluginData.FromString(row.content) for row in got[:3]]
    assert {"lr", "opt"} == {info.name for info in parts[0].experiment.hparam_infos}
    start = parts[1].session_start_info.hparams
    assert (0.1, "sgd") == (start["lr"].number_value, start["opt"].string_value)
    assert 1 == parts[2].session_end_info.status  # STATUS_SUCCESS


def test_hparams_of_the_run_itself_share_its_file(tmp_path: Path) -> None:
    """run_name ".": no second file, whose step 0 would hide the points of the first from TensorBoard."""
    with SummaryWriter(tmp_path) as w:
        w.add_scalar("acc", 0.1, 0)
        w.add_hparams({"lr": 0.1}, {"acc": 0.5}, run_name=".", global_step=1)
        w.add_scalar("loss", 0.2, 5)
    assert 1 == len(readers.event_files(tmp_path))
    assert [("acc", 0, 0.1), ("acc", 1, 0.5), ("loss", 5, 0.2)] == [
        (tag, step, pytest.approx(value)) for tag, step, value in points(tmp_path)
    ]


def test_an_embedding_is_where_torch_puts_it(tmp_path: Path) -> None:
    """LOGDIR/STEP/TAG, encoded; no step is step 0; AssertionError if labels and points differ in number."""
    with SummaryWriter(tmp_path) as w:
        w.add_embedding(torch.rand(3, 4, requires_grad=True), ["a", "b", "c"], tag="x/y%", global_step=12)
        w.add_embedding(np.random.rand(3, 2), label_img=torch.rand(3, 3, 8, 8))
        for wrong in ({"metadata": ["a"]}, {"label_img": torch.rand(2, 3, 8, 8)}):
            with pytest.raises(AssertionError):
                w.add_embedding(torch.rand(3, 4), **wrong)
    assert (tmp_path / "00012" / "x%2fy%25" / "metadata.tsv").read_text() == "a\nb\nc\n"
    assert (tmp_path / "00000" / "default" / "sprite.png").is_file()
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_name: "x/y%:00012"' in config
    assert 'tensor_name: "default:00000"' in config


def test_add_graph_writes_a_graph_and_its_costs(tmp_path: Path) -> None:
    """A graph_def of producer 22 and run metadata of the tag step1."""
    with SummaryWriter(tmp_path) as w:
        w.add_graph(torch.nn.Linear(2, 3), torch.rand(1, 2))
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    graph, costs = rows(tmp_path)
    assert ("graph_def", "tagged_run_metadata") == (graph.kind, costs.kind)
    assert 22 == GraphDef.FromString(graph.value).versions.producer
    assert "step1" == costs.value.tag


def test_add_graph_of_what_has_none_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Never an exception: a graph is not worth a training run."""
    with SummaryWriter(tmp_path) as w:
        w.add_graph(3, torch.rand(1))
        w.add_scalar("a", 1.0, 1)
    assert [("a", 1, 1.0)] == points(tmp_path)
    assert any("add_graph" in record.message for record in caplog.records)


def test_a_traced_model_without_inputs_has_a_graph(tmp_path: Path) -> None:
    """As Ultralytics calls it: `add_graph(torch.jit.trace(…), [])`."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        traced = torch.jit.trace(torch.nn.Linear(2, 3), torch.rand(1, 2))
    with SummaryWriter(tmp_path) as w:
        w.add_graph(traced, [])
    assert "graph_def" == rows(tmp_path)[0].kind


def test_no_other_package_is_loaded(tmp_path: Path) -> None:
    """Nothing of this imports tensorboard, tensorflow or tensorboardX."""
    code = """if True:
        import json, sys, torch
        from eventwriter_torch import SummaryWriter, summary
        w = SummaryWriter(sys.argv[1])
        w.add_scalar("a", torch.tensor(1.0)); w.add_scalars("m", {"x": 1}); w.add_histogram("h", torch.rand(3))
        w.add_text("t", "x"); w.add_tensor("z", torch.rand(3)); w.add_hparams({"a": 1}, {"b": 2})
        w.add_pr_curve("pr", torch.tensor([0, 1]), torch.rand(2)); w.add_mesh("m3", torch.rand(1, 3, 3))
        w.add_image("i", torch.rand(3, 4, 4)); w.add_audio("au", torch.rand(1, 9)); w.add_embedding(torch.rand(3, 3))
        w.add_video("v", torch.rand(1, 2, 3, 4, 4)); w.add_graph(torch.nn.Linear(2, 2), torch.rand(1, 2))
        w.add_custom_scalars_multilinechart(["a"]); summary.hparams({}, {}); w.close()
        print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
    """
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], capture_output=True, check=True)
    assert not {"tensorboard", "tensorflow", "tensorboardX"} & set(json.loads(out.stdout.splitlines()[-1]))
