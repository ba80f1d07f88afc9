"""PR curves: TensorBoard's and torch's numbers, and the plugin's view of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR
from tensorboard.plugins.pr_curve import metadata
from tensorboard_values import array, read
from torch.utils.tensorboard import summary as torch_summary

from eventwriter.summary.pr_curve import pr_curve, pr_curve_raw


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 1000, 150_000])
def test_numbers_are_torchs(dtype: str, size: int) -> None:
    """Bool labels: counts, precision and recall of torch's (and so TensorBoard's) own computation."""
    rng = np.random.default_rng(size)
    labels, predictions = rng.random(size) < 0.3, rng.random(size).astype(dtype)
    (value,) = read(pr_curve("c", labels, predictions))
    expected = torch_summary.compute_curve(labels, predictions, 127).astype(np.float32)
    assert expected.tolist() == array(value).tolist()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0, 1),
            st.one_of(st.integers(0, 100).map(lambda i: i / 100), st.floats(0, 1)),
            st.floats(0, 10),
        ),
        min_size=1,
        max_size=50,
    ),
    st.integers(2, 300),
)
def test_weights_and_soft_labels_are_torchs(examples: list[tuple[float, ...]], n: int) -> None:
    """Weights, labels between 0 and 1 and any number of thresholds, more than torch allows too."""
    labels, predictions, weights = np.array(examples).T
    expected = torch_summary.compute_curve(labels, predictions, n, weights)
    (value,) = read(pr_curve("c", labels, predictions, num_thresholds=n, weights=weights))
    assert array(value) == pytest.approx(expected, rel=1e-5, abs=1e-5)
    content = metadata.parse_plugin_metadata(value.metadata.plugin_data.content)
    assert (content.version, content.num_thresholds) == (0, n)


def test_metadata_and_rows() -> None:
    """Plugin, class and the order of the rows are the plugin's."""
    (value,) = read(pr_curve("c", [1, 1, 0, 0], [0.9, 0.1, 0.8, 0.2], num_thresholds=3, description="d"))
    assert value.metadata.plugin_data.plugin_name == metadata.PLUGIN_NAME
    assert value.metadata.data_class == DATA_CLASS_TENSOR
    assert value.metadata.summary_description == "d"
    rows = array(value)
    assert rows[metadata.TRUE_POSITIVES_INDEX].tolist() == [2, 1, 0]
    assert rows[metadata.FALSE_POSITIVES_INDEX].tolist() == [2, 1, 0]
    assert rows[metadata.TRUE_NEGATIVES_INDEX].tolist() == [0, 1, 2]
    assert rows[metadata.FALSE_NEGATIVES_INDEX].tolist() == [0, 1, 2]
    assert rows[metadata.PRECISION_INDEX].tolist() == [0.5, 0.5, 0]
    assert rows[metadata.RECALL_INDEX].tolist() == [1, 0.5, 0]


def test_shapes_and_frameworks() -> None:
    """Any shape, torch tensors, bfloat16, labels as bools, ints or floats; a weight for all or for some axes."""
    labels = np.array([[1, 0, 1], [0, 0, 1]])
    predictions = torch.tensor([[0.75, 0.25, 0.5], [0.125, 1.0, 0.0]])
    expected = array(read(pr_curve("c", labels.ravel() == 1, predictions.ravel().numpy()))[0]).tolist()
    for truth in (labels, labels == 1, torch.tensor(labels), labels.astype(np.float16), labels.T.copy().T):
        assert expected == array(read(pr_curve("c", truth, predictions.bfloat16()))[0]).tolist()
    doubled = array(read(pr_curve("c", labels, predictions, weights=2))[0])
    assert (np.array(expected)[:4] * 2).tolist() == doubled[:4].tolist()
    by_row = array(read(pr_curve("c", labels, predictions, weights=[[1], [0]]))[0])
    assert by_row[:, 0].tolist() == pytest.approx([2, 1, 0, 0, 2 / 3, 1])


def test_rounding_out_of_range_is_forgiven() -> None:
    """A sum that came out as 1.0000001 counts as 1."""
    (value,) = read(pr_curve("c", [True, False], np.float32([1.0000001, -1e-8])))
    assert array(value)[:2, [0, -1]].tolist() == [[1, 1], [1, 0]]


def test_nothing_to_count() -> None:
    """No examples give a curve of zeros."""
    assert not array(read(pr_curve("c", [], []))[0]).any()


def test_raw_is_torchs() -> None:
    """Ready counts are stored as they are."""
    rows = np.random.default_rng(0).random((6, 20)).astype(np.float32)
    expected = torch_summary.pr_curve_raw("c", *rows, num_thresholds=20).value[0]
    (value,) = read(pr_curve_raw("c", *rows))
    assert array(value).tolist() == rows.tolist()
    assert expected.metadata.plugin_data == value.metadata.plugin_data


def test_snapshot() -> None:
    """All arrays can change after the call."""
    labels, predictions, weights = np.array([1.0, 0.0]), np.array([0.9, 0.2]), np.array([1.0, 3.0])
    deferred = pr_curve("c", labels, predictions, weights=weights)
    expected = array(read(deferred)[0]).tolist()
    labels[:], predictions[:], weights[:] = 0, 0, 0
    assert expected == array(read(deferred)[0]).tolist()
    assert deferred.nbytes == 48


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: pr_curve("c", [1, 0], [0.5]), ValueError, ["'c'", "(2,)", "(1,)"]),
        (lambda: pr_curve("c", [2, 0], [0.5, 0]), ValueError, ["'c'", "labels", "0 to 1", "2"]),
        (lambda: pr_curve("c", [1, 0], [0.5, 1.5]), ValueError, ["'c'", "predictions", "0 to 1", "1.5"]),
        (lambda: pr_curve("c", [1, 0], [0.5, np.nan]), ValueError, ["'c'", "predictions", "nan"]),
        (lambda: pr_curve("c", [1], [1], weights=[-1]), ValueError, ["'c'", "weights", "-1"]),
        (lambda: pr_curve("c", [1], [1], weights=[np.inf]), ValueError, ["'c'", "weights", "inf"]),
        (lambda: pr_curve("c", [1], [1], weights=[1, 1]), ValueError, ["'c'", "weights", "(2,)"]),
        (lambda: pr_curve("c", [1], ["a"]), TypeError, ["'c'", "predictions", "<U1"]),
        (lambda: pr_curve("c", [1], [1], num_thresholds=1), ValueError, ["'c'", "num_thresholds", "1"]),
        (lambda: pr_curve("c", [1], [1], num_thresholds=9.5), TypeError, ["'c'", "num_thresholds", "float"]),
        (lambda: pr_curve_raw("c", *[[1, 2]] * 5, [1]), ValueError, ["'c'", "recall", "(1,)"]),
        (lambda: pr_curve_raw("c", *[[1, 2]] * 5, [1, np.nan]), ValueError, ["'c'", "recall", "nan"]),
        (lambda: pr_curve_raw("c", [-1, 2], *[[1, 2]] * 5), ValueError, ["'c'", "true_positive", "-1"]),
        (lambda: pr_curve_raw("c", *[[1]] * 6), ValueError, ["'c'", "at least 2", "(1,)"]),
    ],
)
def test_bad_input_raises_in_the_call(call: Callable[[], object], error: type[Exception], words: list[str]) -> None:
    """With the tag, what was got and what was wanted."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
