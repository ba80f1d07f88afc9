"""Seeded trainings under Keras's own callback and this one, on the tensorflow backend: equal, but for a list."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_logs import Logged, rows
from keras_trainings import CASES
from PIL import Image
from readers import Row

Key = tuple[str, str]

# What differs on purpose: where (a case, or "" for all), the run and tag, and why.
IMPROVEMENTS = {
    ("", ("train", "graph_def")): "the op graph, which Keras does not find",
    ("batches", ("train", "keras")): "the layers of a subclassed model",
    ("words", ("train", "keras")): "the layers of a subclassed model",
    ("two_fits", ("train", "keras")): "a model's graphs are written once",
    ("evaluate", ("train", "keras")): "a model's graphs are written once",
    ("evaluate_after", ("train", "keras")): "a model's graphs are written once",
}

# Where a number of batches as update_freq makes Keras leave out what belongs to an epoch, unless the epoch's last batch
# is a multiple of it.
LEFT_OUT_BY_KERAS = ("every_third", "speed", "later_epochs", "executions")


def is_of_an_epoch(tag: str) -> bool:
    return tag.startswith(("epoch_", "evaluation_")) or tag.endswith(("/histogram", "/image"))


def pixels(value: Any) -> list[Any]:
    """Width, height and the images of an image summary."""
    width, height, *images = value.tolist()
    return [width, height, *(np.asarray(Image.open(io.BytesIO(image))).tolist() for image in images)]


def without_wall_time(series: list[Row]) -> list[Any]:
    """What must be equal: step, kind, plugin, its content, and the value where it is no measure of time."""
    found = []
    for row in series:
        value: Any = row.value
        if row.plugin == "images":
            value = pixels(value)
        elif isinstance(value, np.ndarray):
            value = (str(value.dtype), value.tolist())
        if "steps_per_second" in row.tag:
            value = None
        found.append((row.step, row.kind, row.plugin, row.content, value))
    return found


def subsequence(some: list[Any], everything: list[Any]) -> bool:
    rest = iter(everything)
    return all(item in rest for item in some)


@pytest.fixture(scope="module")
def both(logged: Logged) -> tuple[Path, Path]:
    return logged("tensorflow", "keras"), logged("tensorflow", "ours")


@pytest.mark.parametrize("case", [case for case in CASES if case != "two_fits"])
def test_equal_to_keras(both: tuple[Path, Path], case: str) -> None:
    """Runs, tags, plugins, steps and values are those of `keras.callbacks.TensorBoard`, bit for bit.

    Except for what `IMPROVEMENTS` lists, and for epochs that Keras leaves out: there ours has Keras's and more.
    """
    theirs, ours = (rows(folder / case) for folder in both)
    listed = {key for place, key in IMPROVEMENTS if place in ("", case)}
    for run, tag in sorted((theirs.keys() | ours.keys()) - listed):
        got = without_wall_time(ours.get((run, tag), []))
        want = without_wall_time(theirs.get((run, tag), []))
        if case in LEFT_OUT_BY_KERAS and is_of_an_epoch(tag):
            assert subsequence(want, got), (run, tag)
        else:
            assert want == got, (run, tag)


@pytest.mark.parametrize(("case", "steps"), [("every_third", [0, 1]), ("speed", [0, 1, 2]), ("later_epochs", [3, 4])])
def test_every_epoch_is_there(both: tuple[Path, Path], case: str, steps: list[int]) -> None:
    """Where Keras's update_freq leaves epochs out, all are there, evaluations and histograms too."""
    theirs, ours = (rows(folder / case) for folder in both)
    assert steps == [row.step for row in ours["train", "epoch_loss"]]
    assert steps == [row.step for row in ours["validation", "epoch_loss"]]
    assert len(steps) == len(ours["validation", "evaluation_loss_vs_iterations"])
    assert steps != [row.step for row in theirs.get(("train", "epoch_loss"), [])]


def test_second_fit(both: tuple[Path, Path]) -> None:
    """A second fit with one callback counts on, batches and epochs; all values are Keras's."""
    theirs, ours = (rows(folder / "two_fits") for folder in both)
    listed = {key for place, key in IMPROVEMENTS if place in ("", "two_fits")}
    assert theirs.keys() | listed == ours.keys()
    for key in theirs.keys() - listed:
        values = [[value for _, *value in without_wall_time(series[key])] for series in (theirs, ours)]
        assert values[0] == values[1], key
    assert [*range(1, 11), *range(1, 11)] == [row.step for row in theirs["train", "batch_loss"]]
    assert [*range(1, 21)] == [row.step for row in ours["train", "batch_loss"]]
    assert [0, 1, 0, 1] == [row.step for row in theirs["train", "epoch_loss"]]
    assert [0, 1, 2, 3] == [row.step for row in ours["train", "epoch_loss"]]
    assert [0, 1, 2, 3] == [row.step for row in ours["validation", "epoch_loss"]]
    assert [0, 1, 2, 3] == [row.step for row in ours["train", "hidden/kernel/histogram"]]


def test_improvements_are_ones(both: tuple[Path, Path]) -> None:
    """What is listed as different is: the list says nothing that is not so."""
    for place, key in IMPROVEMENTS:
        case = place or "defaults"
        theirs, ours = (rows(folder / case) for folder in both)
        assert len(ours[key]) == 1
        assert len(theirs.get(key, [])) != 1, (case, key)


def test_folders(both: tuple[Path, Path]) -> None:
    """The same folders, but for the embeddings: Keras's checkpoint is no file that the projector reads."""
    for case in CASES:
        found = []
        for folder in both:
            here = folder / case
            found.append({file.parent.relative_to(here).as_posix() for file in here.rglob("*tfevents*")})
        assert found[0] == found[1], case
    theirs, ours = (folder / "words" for folder in both)
    assert list(theirs.rglob("*.weights.h5"))
    assert not list(ours.rglob("*.weights.h5"))
    assert (theirs / "projector_config.pbtxt").exists()
    assert (ours / "train" / "projector_config.pbtxt").exists()
