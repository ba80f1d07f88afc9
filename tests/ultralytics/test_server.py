"""What a TensorBoard shows of trainings by Ultralytics, by its HTTP API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tensorboard_server import LOADERS, Server, serve

if TYPE_CHECKING:
    from tensorboard_server import Loader

pytestmark = pytest.mark.tensorboard


@pytest.fixture(scope="module", params=LOADERS)
def board(request: pytest.FixtureRequest, trained: Callable[[str], Path]) -> Iterator[Server]:
    """The runs `yolo/run` and `rtdetr/run`."""
    loader: Loader = request.param
    trained("rtdetr")
    with serve(trained("yolo").parent, loader, tensorflow=False) as server:
        yield server


@pytest.mark.parametrize(
    ("run", "modules"),
    [
        ("yolo/run", ("model/0/conv/", "model/23/")),
        ("rtdetr/run", ("model/0/", "model/28/decoder/layers/0/self_attn/")),
    ],
)
def test_the_graph(board: Server, run: str, modules: tuple[str, ...]) -> None:
    """Operators within their modules, from the images to the head."""
    assert board.graph_info()[run]["run_graph"] is True
    nodes = board.graph(run).node
    names = [node.name for node in nodes]
    for module in modules:
        assert any(module in name for name in names), (module, names[:40])
    assert len([node for node in nodes if node.op not in ("Const", "Placeholder", "Parameter")]) > 200


def test_hyperparameters(board: Server) -> None:
    """With the metrics of the best weights, and how the training ended."""
    groups = {group["hparams"]["model"]: group for group in board.hparams_session_groups()
              if group["hparams"].get("epochs") == 2}  # fmt: skip
    group = groups["yolo11n.yaml"]
    assert 64 == group["hparams"]["imgsz"]
    assert "AdamW" == group["hparams"]["optimizer"]
    assert 0 < group["hparams"]["lr0"] < 0.01
    assert "project" not in group["hparams"]
    assert "STATUS_SUCCESS" == group["sessions"][0]["status"]
    metrics = {metric["name"]["tag"]: metric for metric in group["metricValues"]}
    assert 3 == metrics["metrics/mAP50(B)"]["trainingStep"]


def test_images_and_charts(board: Server) -> None:
    """The plots as they are, and a chart of all classes for each metric."""
    (image,) = board.images("yolo/run", "plots/results")
    assert "image/png" == image.content_type
    (batch,) = board.images("yolo/run", "batches/train_batch0")
    assert "image/jpeg" == batch.content_type
    (category,) = board.custom_scalars_layout()["category"]
    assert "classes" == category["title"]
    assert 4 == len(category["chart"])
    lines = board.custom_scalars("yolo/run", category["chart"][0]["multiline"]["tag"][0])
    assert [1, 2, 3] == [point.step for points in lines.values() for point in points]
