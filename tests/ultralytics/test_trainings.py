"""shims/eventwriter_ultralytics: what real trainings leave in their files, by TensorBoard's reader."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import readers
import ultralytics_trainings
from PIL import Image
from tensorboard.plugins.hparams import plugin_data_pb2
from ultralytics_sets import SHAPES

Trained = Callable[[str], Path]


def facts(folder: Path) -> Any:
    """What the case observed."""
    return json.loads((folder / "facts.json").read_text())


def rows(run: Path) -> list[readers.Row]:
    return readers.run_events(run)


def points(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag to the steps and values of its scalars."""
    found: dict[str, list[tuple[int, float]]] = {}
    for row in rows(run):
        if row.kind == "simple_value":
            found.setdefault(row.tag, []).append((row.step, row.value))
    return found


def tags(run: Path) -> set[str]:
    return {row.tag or row.kind for row in rows(run)}


def status(run: Path) -> list[int]:
    """How the session of hyperparameters ended: TensorBoard's numbers, 1 success, 2 failure."""
    ends = [row.content for row in rows(run) if row.tag == "_hparams_/session_end_info"]
    return [plugin_data_pb2.HParamsPluginData.FromString(end).session_end_info.status for end in ends]


@pytest.mark.parametrize("case", ["yolo", "rtdetr"])
def test_scalars_are_the_trainers(trained: Trained, case: str) -> None:
    """Every tag, step and value of losses, learning rates and metrics, those of the best weights at the end too."""
    folder = trained(case)
    seen = facts(folder)["seen"]
    want: dict[str, list[tuple[int, float]]] = {}
    for part in seen.values():
        for step, values in part.items():
            for tag, value in values.items():
                want.setdefault(tag, []).append((int(step), float(np.float32(value))))
    got = {tag: p for tag, p in points(folder / "run").items() if not tag.startswith(("best/", "class/"))}
    assert want == got
    losses = {"yolo": {"box_loss", "cls_loss", "dfl_loss"}, "rtdetr": {"giou_loss", "cls_loss", "l1_loss"}}[case]
    assert {f"train/{name}" for name in losses} == {tag for tag in got if tag.startswith("train/")}
    assert [1, 2] == [step for step, _ in got["lr/pg0"]]
    assert [1, 2, 3] == [step for step, _ in got["metrics/mAP50-95(B)"]]


@pytest.mark.parametrize("case", ["yolo", "rtdetr"])
def test_scalars_are_those_of_results_csv(trained: Trained, case: str) -> None:
    """To the six digits that Ultralytics writes there."""
    folder = trained(case)
    with (folder / "run" / "results.csv").open() as file:
        lines = list(csv.DictReader(file))
    got = points(folder / "run")
    assert 2 == len(lines)
    for line in lines:
        for name, value in line.items():
            if name not in ("epoch", "time"):
                assert float(value) == pytest.approx(dict(got[name])[int(line["epoch"])], rel=1e-5), name


@pytest.mark.parametrize("case", ["yolo", "rtdetr"])
def test_the_model_is_not_touched(trained: Trained, case: str) -> None:
    """Modes, random state, tensors (none of inference mode) and attributes are the same after the hooks as before."""
    assert [] == facts(trained(case))["changed"]


def test_a_training_is_the_same_with_and_without(trained: Trained) -> None:
    """Every number of results.csv but the seconds."""
    with_hooks, without = (
        [line.split(",")[:1] + line.split(",")[2:] for line in (trained(case) / "run/results.csv").read_text().split()]
        for case in ("yolo", "plain")
    )
    assert without == with_hooks


def test_arguments_model_and_best_weights_are_texts(trained: Trained) -> None:
    """As tables; and of the best weights the metrics as scalars of their own."""
    run = trained("yolo") / "run"
    texts = {
        row.tag: [[cell.decode() for cell in line] for line in row.value.tolist()]
        for row in rows(run)
        if row.plugin == "text"
    }
    assert ["imgsz", "64"] in texts["args"]
    model = dict(texts["model"])
    assert "yolo11n.yaml" == model["model"]
    assert 2_500_000 < int(model["parameters"].replace(",", "")) < 2_700_000
    assert float(model["GFLOPs"]) > 0
    best = dict(texts["best"])
    assert best["weights"].endswith("best.pt")
    got = points(run)
    assert {"metrics/precision(B)", "metrics/recall(B)", "metrics/mAP50(B)", "metrics/mAP50-95(B)"} <= best.keys()
    assert got["best/metrics/mAP50(B)"] == got["metrics/mAP50(B)"][-1:]


def test_plots_are_the_files_that_ultralytics_saved(trained: Trained) -> None:
    """Byte for byte, batches and plots; the last of each is the last file."""
    run = trained("yolo") / "run"
    images = {row.tag: row.value for row in rows(run) if row.kind == "image"}
    files = {path.stem: path for path in run.iterdir() if path.suffix in (".jpg", ".png")}
    assert files.keys() == {tag.split("/")[1] for tag in images}
    assert {"train_batch0", "val_batch0_pred"} <= {tag.split("/")[1] for tag in images if tag.startswith("batches/")}
    assert {"plots/results", "plots/confusion_matrix", "plots/labels", "plots/BoxPR_curve"} <= images.keys()
    for tag, image in images.items():
        content = files[tag.split("/")[1]].read_bytes()
        assert content == image.encoded_image_string
        assert Image.open(io.BytesIO(content)).size == (image.width, image.height)


def test_classes_have_metrics_of_their_own(trained: Trained) -> None:
    """And a chart for each metric with a line for each class."""
    run = trained("yolo") / "run"
    metrics = ("precision", "recall", "mAP50", "mAP50-95")
    got = points(run)
    assert {f"class/{metric}/{name}" for metric in metrics for name in SHAPES} == {t for t in got if t[:6] == "class/"}
    assert all([1, 2, 3] == [step for step, _ in got[f"class/mAP50/{name}"]] for name in SHAPES)
    assert "custom_scalars__config__" in tags(run)


def test_one_file_that_begins_as_ours(trained: Trained) -> None:
    """Beside Ultralytics' own callback too, which is not begun; and a folder of a run has one file."""
    for run in (trained("yolo") / "run", trained("switches") / "built-in"):
        (file,) = readers.event_files(run)
        assert b"eventwriter" in readers.file_records(file)[0]
    folder = trained("switches")
    assert "in place of the built-in TensorBoard callback" in (folder / "said.txt").read_text()
    assert [1, 2] == [step for step, _ in points(folder / "built-in")["metrics/mAP50(B)"]]


def test_two_trainers_do_not_mix(trained: Trained) -> None:
    """Made one after the other, trained in the other order; hooks that were pickled and added twice log once."""
    folder = trained("two")
    assert [1] == [step for step, _ in points(folder / "first")["train/box_loss"]]
    assert [1, 2] == [step for step, _ in points(folder / "second")["train/box_loss"]]
    assert [[1], [1]] == [status(folder / name) for name in ("first", "second")]
    assert not {"graph_def", "model"} & tags(folder / "first")  # of the first hooks that were added


def test_other_ranks_write_nothing(trained: Trained) -> None:
    """And say nothing: Ultralytics begins the run on the first alone."""
    folder = trained("other_rank")
    assert [] == facts(folder)["files"]
    assert "TensorBoard:" not in (folder / "said.txt").read_text()


def test_a_training_that_fails_is_said_to_have(trained: Trained) -> None:
    """What it logged is there, the file is closed, the session is a failure; one without data has an empty run."""
    folder = trained("failing")
    assert "in the middle" == facts(folder)["middle"]
    assert [] == facts(folder)["open"]
    assert [1] == [step for step, _ in points(folder / "middle")["train/box_loss"]]
    assert [2] == status(folder / "middle")
    assert {"file_version"} == tags(folder / "no data")


def test_a_failure_to_log_does_not_stop_the_training(trained: Trained) -> None:
    """It is said once for each hook, and later steps are logged."""
    folder = trained("failing")
    said = (folder / "said.txt").read_text()
    assert "on_train_epoch_end is not logged, the training goes on: RuntimeError: no scalars today" in said
    assert [2] == [step for step, _ in points(folder / "own")["train/box_loss"]]
    assert [1] == status(folder / "own")


def test_a_folder_that_takes_no_file(trained: Trained) -> None:
    """The training goes on without, after one warning; a disk that is full for a while costs nothing."""
    folder = trained("read_only")
    said = (folder / "said.txt").read_text()
    assert "not initialized correctly, not logging this run. [Errno 13]" in said
    assert [] == readers.event_files(folder / "never")
    assert (folder / "never" / "weights" / "last.pt").exists()
    assert 1 == said.count("No space left on device")
    assert [1] == [step for step, _ in points(folder / "full")["train/box_loss"]]
    assert [1] == status(folder / "full")


@pytest.mark.parametrize(
    ("off", "gone"),
    [
        ("graph", {"graph_def", "tagged_run_metadata"}),
        ("hparams", {"args", "_hparams_/session_start_info"}),
        ("images", {"batches/train_batch0"}),
        ("plots", {"plots/labels"}),
        ("per_class", {"class/mAP50/disc", "custom_scalars__config__"}),
        ("model_info", {"model"}),
        ("best", {"best", "best/metrics/mAP50(B)"}),
    ],
)
def test_each_can_be_switched_off(trained: Trained, off: str, gone: set[str]) -> None:
    """That and no more; with all off the scalars are left, under Ultralytics' own tags."""
    folder = trained("switches")
    there = tags(trained("yolo") / "run")
    assert gone <= there
    assert not gone & tags(folder / off)
    drawn = {tag for tag in there if tag.startswith(("batches/", "plots/"))}
    kept = there - gone - drawn if off not in ("images", "plots") else set()
    assert {tag for tag in kept if tag.split("/")[0] not in {g.split("/")[0] for g in gone}} <= tags(folder / off)
    seen = facts(trained("yolo"))["seen"]
    scalars = {tag for part in seen.values() for values in part.values() for tag in values}
    assert scalars | {"file_version"} == tags(folder / "all")


def test_the_example(tmp_path: Path) -> None:
    """Trains without a network, shows what it logged and the line to type."""
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib, ultralytics_sets; ultralytics_sets.prepare(pathlib.Path(__file__).parent)"
    )
    said = ultralytics_trainings.example(tmp_path, "--epochs", "1", "--size", "64")
    assert "metrics/mAP50(B)" in said
    assert f"To see it:  tensorboard --logdir {tmp_path / 'runs'}" in said
    assert {"graph_def", "plots/results", "model"} <= tags(tmp_path / "runs" / "train")
