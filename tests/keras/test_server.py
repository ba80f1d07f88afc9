"""What a TensorBoard shows of the callback's runs, of each backend and of the example, by its HTTP API."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import keras_trainings
import numpy as np
import pytest
from keras_logs import BACKENDS, Logged, facts, rows
from PIL import Image
from tensorboard_server import LOADERS, Server, serve

if TYPE_CHECKING:
    from tensorboard_server import Loader

pytestmark = pytest.mark.tensorboard

EXAMPLE = str(keras_trainings.ROOT / "examples" / "keras_digits.py")


@pytest.fixture(scope="module", params=LOADERS)
def board(request: pytest.FixtureRequest, logged: Logged) -> Iterator[Server]:
    """All logs of all backends; a run is `BACKEND/ours/CASE/train`."""
    loader: Loader = request.param
    for backend in BACKENDS:
        logged(backend, "ours")
    with serve(logged("torch", "ours").parents[1], loader, tensorflow=False) as server:
        yield server


def test_graphs(board: Server, backend: str) -> None:
    """The Graphs dashboard has ops and layers of functional and subclassed models, and a function of one's own."""
    for case, layer in (("graph_functional", "shared"), ("graph_subclassed", "inner"), ("graph_opaque", "second")):
        run = f"{backend}/ours/{case}/train"
        info = board.graph_info()[run]
        assert info["run_graph"] is True
        assert info["tags"]["keras"]["conceptual_graph"] is True
        assert any(layer in node.name for node in board.graph(run).node)
        assert len(board.graph(run, "keras", conceptual=True).node) >= 2
    run = f"{backend}/ours/graph_of_function/train"
    assert board.graph_info()[run]["tags"]["scaled_sum"]["op_graph"] is True
    assert len(board.graph(run, "scaled_sum").node) >= 3


def test_projector(board: Server, backend: str) -> None:
    """The projector reads every embedding layer's table, and its names."""
    folder = f"{backend}/ours/embeddings"
    run = f"{folder}/train"
    tables = facts(Path(board.environment()["data_location"]) / folder)["tables"]
    assert run in board.projector_runs()
    for layer, width in (("words", 3), ("letters", 2)):
        got = board.projector_tensor(run, f"{layer}:00001")
        np.testing.assert_array_equal(np.float32(tables[layer]).reshape(12, width), got)
    assert board.projector_metadata(run, "words:00001")[:2] == [["word", "length"], ["word 0", "0"]]


def test_second_fit_hides_nothing(board: Server, backend: str) -> None:
    """All points of two fits are there, of batches and of epochs."""
    run = f"{backend}/ours/two_fits/train"
    assert [*range(1, 21)] == [point.step for point in board.scalars(run, "batch_loss")]
    assert [0, 1, 2, 3] == [point.step for point in board.scalars(run, "epoch_loss")]
    assert [0, 1, 2, 3] == [point.step for point in board.histograms(run, "hidden/kernel/histogram")]


def test_example(tmp_path: Path) -> None:
    """`make demo-keras`: scalars, histograms, images, both graphs and the projector; and the line to type."""
    said = keras_trainings.run("tensorflow", [EXAMPLE, "--epochs", "1", "--logdir", str(tmp_path)])
    assert f"tensorboard --logdir {tmp_path}" in said
    (name,) = (path.name for path in tmp_path.iterdir())
    logged = rows(tmp_path / name)
    with serve(tmp_path, "fast", tensorflow=False) as server:
        train, validation = f"{name}/train", f"{name}/validation"
        assert {train, validation} <= set(server.runs())
        assert {"scalars", "histograms", "images", "graphs", "distributions"} <= server.active_plugins()
        want = [(row.step, row.value.item()) for row in logged["train", "batch_loss"]]
        assert want == [(point.step, pytest.approx(point.value)) for point in server.scalars(train, "batch_loss")]
        assert len(want) == 45
        (point,) = server.scalars(validation, "evaluation_accuracy_vs_iterations")
        assert point.step == 45
        (histogram,) = server.histograms(train, "digits/activation/histogram")
        assert sum(count for _, _, count in histogram.buckets) == 64 * 10
        (image,) = server.images(train, "digits/kernel/image")
        assert Image.open(io.BytesIO(image.data)).size == (128, 10)
        assert any("strokes" in node.name for node in server.graph(train).node)
        layers = {node.name: list(node.input) for node in server.graph(train, "keras", conceptual=True).node}
        assert layers["reader/shapes"] == ["reader/strokes"]
        assert server.projector_tensor(train, "ink:00000").shape == (17, 3)
        assert server.projector_metadata(train, "ink:00000")[:2] == [["ink", "amount"], ["0/16", "0"]]
