"""add_scalar and add_scalars do what torch's do, read back with TensorBoard's own loaders."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import descriptors
import numpy as np
import pytest
import readers
import torch
from eventwriter_torch import FileWriter, SummaryWriter, summary

from eventwriter import EventWriter


def rows(logdir: str | Path) -> list[readers.Row]:
    """What a run holds besides the files' versions."""
    return [row for row in readers.run_events(logdir) if row.kind != "file_version"]


def points(logdir: str | Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of every scalar."""
    return [(row.tag, row.step, row.value) for row in rows(logdir) if row.kind == "simple_value"]


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


@pytest.mark.parametrize("value", [torch.zeros(2), np.zeros((1, 3)), np.zeros(0), [1, 2]], ids=str)
def test_more_than_one_number_is_an_assertion_error(tmp_path: Path, value: Any) -> None:
    """As in torch, and with the tag and the shape."""
    with SummaryWriter(tmp_path) as w, pytest.raises(AssertionError, match=r"scalar 'a': want one number"):
        w.add_scalar("a", value, 1)


@pytest.mark.parametrize("value", [None, "x", {}, object, 1j, torch.tensor(1j)], ids=str)
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


# ---- many runs


def test_many_sub_runs_need_few_files_and_no_threads(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """torch has a writer and a thread for each. Here 64 files are open at most, whatever there is to write."""
    from eventwriter_torch import _sub_runs

    w = SummaryWriter(tmp_path)
    w.add_scalar("a", 1.0, 0)
    w.flush()
    before, threads = descriptors.ours(tmp_path), threading.active_count()
    most = 0
    for step in range(2):
        for index in range(100):
            w.add_scalars("m", {str(index): 1.0}, step)
            most = max(most, (descriptors.ours(tmp_path) - before).total())
    assert most <= 2 * _sub_runs.MOST_OPEN
    assert threads == threading.active_count()
    assert ["runs=False" in record.message for record in caplog.records] == [True]
    w.close()
    assert [("m", 0, 1.0), ("m", 1, 1.0)] == points(tmp_path / "m_7")
    assert 101 == len(w.all_writers or range(101))


def test_add_hparams_gives_its_files_back(tmp_path: Path) -> None:
    """However many sets a search adds."""
    w = SummaryWriter(tmp_path)
    before = descriptors.ours(tmp_path)
    for index in range(30):
        w.add_hparams({"lr": index}, {"acc": index})
    assert not descriptors.ours(tmp_path) - before
    w.close()
    runs = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert 30 == len(runs)
    assert {float(i) for i in range(30)} == {points(run)[0][2] for run in runs}


def test_a_parked_run_goes_on_in_a_new_file(tmp_path: Path) -> None:
    """Whoever has its FileWriter need not know."""
    writer = FileWriter(tmp_path)
    writer.scalar("a", 1.0, 1)
    assert writer.park()
    assert writer.park()
    writer.flush()
    writer.scalar("a", 2.0, 2)
    writer.add_summary(summary.scalar("a", 3.0), 3)
    writer.close()
    assert 2 == len(readers.event_files(tmp_path))
    assert [("a", 1, 1.0), ("a", 2, 2.0), ("a", 3, 3.0)] == points(tmp_path)


def test_threads_that_park_each_others_runs_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for two open files and five lines in each of three threads."""
    from eventwriter_torch import _sub_runs

    monkeypatch.setattr(_sub_runs, "MOST_OPEN", 2)
    w = SummaryWriter(tmp_path)
    failed: list[BaseException] = []

    def log(name: int) -> None:
        try:
            for step in range(4):
                w.add_scalars(f"t{name}", {str(line): float(step) for line in range(5)}, step)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=log, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    w.close()
    assert [] == failed
    for name in range(3):
        for line in range(5):
            assert [(f"t{name}", step, float(step)) for step in range(4)] == points(tmp_path / f"t{name}_{line}")


def test_a_call_that_meets_a_parking_thread_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between looking the open file up and logging to it, another thread may give it back."""
    writer = FileWriter(tmp_path)
    look_up = writer._writer

    def look_up_too_early() -> EventWriter:
        core = look_up()
        monkeypatch.undo()
        writer.park()
        return core

    monkeypatch.setattr(writer, "_writer", look_up_too_early)
    FileWriter.scalar(writer, "a", 1.0, 1)
    writer.close()
    assert [("a", 1, 1.0)] == points(tmp_path)
    assert 2 == len(readers.event_files(tmp_path))
