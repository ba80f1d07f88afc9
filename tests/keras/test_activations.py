"""Histograms of what a model computes: outputs of layers, gradients of weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras_logs import Scenario, facts, rows


def histogram(series: list[Any]) -> tuple[float, float, float]:
    """Left edge, right edge and number of elements of the one histogram of a tag."""
    (row,) = series
    assert row.plugin == "histograms"
    return float(row.value[0, 0]), float(row.value[-1, 1]), float(row.value[:, 2].sum())


def test_outputs_of_layers(scenario: Scenario) -> None:
    """Each layer of a subclassed model, at any depth, by its path; one that is called twice, twice.

    The model runs in inference mode: its dropout lets everything through.
    """
    folder = scenario("activations")
    logged, want = rows(folder), facts(folder)
    tags = {tag for run, tag in logged if run == "train" and "/activation" in tag}
    assert tags == {
        "block/activation/histogram",
        "block/inner/activation/histogram",
        "block/inner/activation_1/histogram",
        "block/drop/activation/histogram",
        "norm/activation/histogram",
        "last/activation/histogram",
    }
    for tag, values in (("block", want["block"]), ("block/drop", want["block"]), ("last", want["last"])):
        got = histogram(logged["train", f"{tag}/activation/histogram"])
        assert got == pytest.approx((min(values), max(values), len(values)), rel=1e-5, abs=1e-6), tag
    assert histogram(logged["train", "block/inner/activation_1/histogram"]) == histogram(
        logged["train", "block/activation/histogram"]
    )


def test_gradients(scenario: Scenario) -> None:
    """The gradient of the loss on the data, of each trainable weight: for a linear model it is known."""
    folder = scenario("gradients")
    logged, want = rows(folder), facts(folder)
    for weight, values in want.items():
        left, right, count = histogram(logged["train", f"line/linear/{weight}/gradient/histogram"])
        if len(values) == 1:
            assert right == pytest.approx(values[0], rel=1e-4)
        else:
            assert (left, right) == pytest.approx((min(values), max(values)), rel=1e-4)
        assert count == len(values)


@pytest.mark.parametrize("backend", ["torch"])
def test_data_that_does_not_fit(scenario: Scenario) -> None:
    """One warning, and the training and everything else goes on."""
    folder = scenario("activations_of_wrong_data")
    (warning,) = facts(folder)["warnings"]
    assert "activation_data: could not run the model on it" in warning
    logged = rows(folder)
    assert [0, 1] == [row.step for row in logged["train", "epoch_loss"]]
    assert [0, 1] == [row.step for row in logged["train", "line/linear/kernel/histogram"]]
    assert all(np.isfinite(row.value) for row in logged["train", "epoch_loss"])
