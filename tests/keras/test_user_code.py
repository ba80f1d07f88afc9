"""Summaries of the user's own, odd metrics, and callbacks that are copied, moved or interrupted."""

from __future__ import annotations

import numpy as np
import pytest
from keras_logs import Scenario, facts, rows


@pytest.mark.parametrize("backend", ["torch"])
def test_writer(scenario: Scenario) -> None:
    """`callback.writer(run)` logs into a run beside what the callback logs, and into one of one's own."""
    logged = rows(scenario("writers"))
    assert [(0, 0.5), (1, 0.5)] == [(row.step, row.value) for row in logged["train", "mine"]]
    assert [0, 1] == [row.step for row in logged["other", "note"]]
    assert [0, 1] == [row.step for row in logged["train", "epoch_loss"]]


@pytest.mark.parametrize("backend", ["torch"])
def test_logs_that_are_no_numbers(scenario: Scenario) -> None:
    """What is no number is left out with one warning for each name; beyond float32 is infinity."""
    folder = scenario("odd_logs")
    assert facts(folder)["warnings"] == [
        "scalar 'vector': want one number, got an array of shape (3,); it is not logged",
        "scalar 'name': want one number, got str; it is not logged",
    ]
    logged = rows(folder)
    assert [np.inf, np.inf] == [row.value for row in logged["train", "epoch_huge"]]
    assert [0.25, 0.25] == [row.value for row in logged["train", "epoch_tensor"]]


@pytest.mark.parametrize("backend", ["torch"])
def test_copies(scenario: Scenario) -> None:
    """A callback can be copied and given another log_dir before it is used, and after, and another model."""
    logged = rows(scenario("copies"))
    assert [1, 2, 3, 4, 5] == [row.step for row in logged["copied/train", "batch_loss"]]
    assert [*range(6, 16)] == [row.step for row in logged["moved/train", "batch_loss"]]
    assert [1, 2] == [len(logged[f"{run}/train", "graph_def"]) for run in ("copied", "moved")]
    assert [1, 2] == [len(logged[f"{run}/train", "keras"]) for run in ("copied", "moved")]


@pytest.mark.parametrize("backend", ["torch"])
def test_interrupted_fit(scenario: Scenario) -> None:
    """What was logged before an exception is there, and the next fit goes on after it."""
    logged = rows(scenario("interrupted"))
    assert [1, 2, 3, 4, 5, 6, 7, 8] == [row.step for row in logged["train", "batch_loss"]]
    assert [0] == [row.step for row in logged["train", "epoch_loss"]]


@pytest.mark.parametrize("backend", ["tensorflow"])
@pytest.mark.parametrize("how", ["function", "eager"])
def test_tf_summaries_in_layers(scenario: Scenario, how: str) -> None:
    """`tf.summary` in a layer reaches the run at the batch's step, every update_freq batches, over two fits.

    Keras's own callback stays at the step that was traced, and records nothing if that is no multiple.
    """
    logged = rows(scenario("tf_summaries") / how)
    for run, steps in (("train", [5, 10]), ("validation", [5])):
        tags = {tag: [row.step for row in series] for (at, tag), series in logged.items() if at == run}
        (tag,) = (tag for tag in tags if tag.endswith(("told_1/mean", "told/mean")))
        assert steps == tags[tag]
        (values,) = (logged[run, name] for name in tags if name == tag.replace("mean", "values"))
        assert steps == [row.step for row in values]
        assert {"histograms"} == {row.plugin for row in values}


@pytest.mark.parametrize("backend", ["tensorflow"])
def test_no_tf_summaries_for_epochs(scenario: Scenario) -> None:
    """With update_freq="epoch" user code writes nowhere, as with Keras's own callback."""
    assert not [tag for _, tag in rows(scenario("tf_summaries") / "epochs") if "told" in tag and "mean" in tag]
