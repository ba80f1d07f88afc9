"""What every method of SummaryWriter logs, as TensorBoard serves it to the browser, by either of its loaders."""

from __future__ import annotations

import io
import math
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorboard_server
import torch
from eventwriter_torch import SummaryWriter
from matplotlib.figure import Figure
from tensorboard_server import Server

pytestmark = pytest.mark.tensorboard

# The same numbers in the forms that tensors come in.
FORMS = {
    "plain": lambda x: x,
    "gradient": lambda x: x.clone().requires_grad_(),
    "bfloat16": lambda x: x.to(torch.bfloat16),
    "transposed": lambda x: x.t().contiguous().t() if x.dim() == 2 else x.repeat_interleave(2, -1)[..., ::2],
    "numpy": lambda x: x.numpy(),
}
NUMBERS = torch.linspace(-2, 2, 64)
PICTURE = (torch.arange(3 * 5 * 7).reshape(3, 5, 7) / 128).clamp(0, 1)


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with everything."""
    root = tmp_path_factory.mktemp("shown")
    with SummaryWriter(root / "run") as w:
        for step in range(3):
            w.add_scalar("scalar/float", step / 2, step)
            w.add_scalar("scalar/zero_d", torch.tensor(step / 2, requires_grad=True), step)
            w.add_scalar("scalar/meta", torch.empty((), device="meta"), step)
            w.add_scalar("scalar/new", torch.tensor([step / 2]), step, new_style=True)
            w.add_scalar("scalar/double", step / 2, step, new_style=True, double_precision=True)
            w.add_scalar("scalar/counted", float(step))
        w.add_scalar("scalar/named", 1.0, 0, display_name="Name", summary_description="*words*")
        w.add_scalars("both", {"a": 1, "b": torch.tensor(2.0)}, 0)
        w.add_scalars("lines", {"a": 1, "b": torch.tensor(2.0)}, 0, runs=False)
        for name, form in FORMS.items():
            w.add_histogram(f"histogram/{name}", form(NUMBERS), 1)
            w.add_image(f"image/{name}", form(PICTURE), 1)
            w.add_tensor(f"tensor/{name}", form(torch.tensor([0.5])), 1)
        w.add_histogram("histogram/nonfinite", torch.tensor([1.0, math.nan, math.inf]), 1)
        w.add_histogram_raw("histogram/raw", 0, 3, 4, 5, 9, [1, 2, 3], [1, 2, 1], 1)
        w.add_images("images", torch.stack([PICTURE] * 3), 1)
        w.add_images("list", [PICTURE, PICTURE.numpy()], 1, dataformats="CHW")
        w.add_image_with_boxes("boxes", torch.zeros(3, 20, 30), torch.tensor([[2, 3, 10, 12]]), 1, labels=["it"])
        figure = Figure((1, 1))
        figure.add_subplot().plot([1, 2])
        w.add_figure("figure", figure, 1)
        w.add_video("video", torch.rand(1, 3, 3, 8, 8), 1)
        tone = torch.sin(torch.arange(800) / 8)
        w.add_audio("mono", tone[None], 1, 8000)
        w.add_audio("stereo", torch.stack([tone, -tone], -1), 1, 8000)
        w.add_text("text", "some *words*", 1)
        w.add_pr_curve("pr", torch.tensor([0, 1, 1, 0]), torch.tensor([0.1, 0.9, 0.6, 0.4]).to(torch.bfloat16), 1)
        triangle = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]])
        w.add_mesh("mesh", triangle, torch.eye(3)[None], torch.tensor([[[0, 1, 2]]]), global_step=1)
        w.add_custom_scalars_multilinechart(["scalar/float"], title="mine")
        w.add_embedding(NUMBERS.reshape(16, 4), [f"p{i}" for i in range(16)], torch.rand(16, 3, 4, 4), 1, "points")
        w.add_graph(torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.ReLU()), torch.rand(1, 4))
        w.add_hparams({"lr": 0.1, "deep": True}, {"accuracy": 0.5}, run_name="trial")
    return root


@pytest.fixture(scope="module", params=tensorboard_server.LOADERS)
def board(request: pytest.FixtureRequest, logdir: Path) -> Iterator[Server]:
    """TensorBoard with that run, once with each loader."""
    with tensorboard_server.serve(logdir, request.param, tensorflow=False) as server:
        yield server


def png(data: bytes) -> np.ndarray[Any, Any]:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def test_scalars(board: Server) -> None:
    """In all forms, and in runs of their own."""
    for name in ("float", "zero_d", "new", "double"):
        assert [(0, 0.0), (1, 0.5), (2, 1.0)] == [(p.step, p.value) for p in board.scalars("run", f"scalar/{name}")]
    assert [(0, 0.0), (1, 1.0), (2, 2.0)] == [(p.step, p.value) for p in board.scalars("run", "scalar/counted")]
    assert [1.0, 2.0] == [board.scalars(f"run/both_{name}", "both")[0].value for name in "ab"]
    assert [1.0, 2.0] == [board.scalars("run", f"lines/{name}")[0].value for name in "ab"]
    tags = board.tags("scalars")["run"]
    assert "scalar/meta" not in tags
    assert "Name" == tags["scalar/named"]["displayName"]
    assert "<em>words</em>" in tags["scalar/named"]["description"]


def test_tensors_of_one_number_are_seen(board: Server) -> None:
    """As a scalar beside them."""
    for name in FORMS:
        assert [0.5] == [point.value for point in board.scalars("run", f"tensor/{name}/value")]


@pytest.mark.parametrize("name", FORMS)
def test_histograms(board: Server, name: str) -> None:
    """All elements are counted, between the least and the greatest."""
    (histogram,) = board.histograms("run", f"histogram/{name}")
    assert 1 == histogram.step
    assert 64 == pytest.approx(sum(count for *_, count in histogram.buckets), abs=1e-6)
    assert (-2, 2) == pytest.approx((histogram.buckets[0][0], histogram.buckets[-1][1]))


def test_odd_histograms(board: Server) -> None:
    """What is not finite has its own scalar; a counted one is as given."""
    assert [2.0] == [point.value for point in board.scalars("run", "histogram/nonfinite/nonfinite")]
    assert 4 == sum(count for *_, count in board.histograms("run", "histogram/raw")[0].buckets)


@pytest.mark.parametrize("name", FORMS)
def test_images(board: Server, name: str) -> None:
    """Pixel by pixel; bfloat16 has three digits."""
    (image,) = board.images("run", f"image/{name}")
    want = (PICTURE * 255).permute(1, 2, 0).numpy()
    np.testing.assert_allclose(want, png(image.data), atol=1.01)


def test_many_images(board: Server) -> None:
    """A batch and a list are a grid."""
    assert (5, 21, 3) == png(board.images("run", "images")[0].data).shape
    assert (5, 14, 3) == png(board.images("run", "list")[0].data).shape
    boxes = png(board.images("run", "boxes")[0].data)
    assert (20, 30, 3) == boxes.shape
    assert (255, 0, 0) == tuple(boxes[3, 5])
    assert (0, 0, 0) == tuple(boxes[18, 28])
    assert png(board.images("run", "figure")[0].data).std() > 0


def test_a_video(board: Server) -> None:
    """A GIF of all frames."""
    from PIL import Image

    (video,) = board.images("run", "video")
    with Image.open(io.BytesIO(video.data)) as gif:
        assert ("GIF", 3) == (gif.format, gif.n_frames)


@pytest.mark.parametrize(("name", "channels"), [("mono", 1), ("stereo", 2)])
def test_audio(board: Server, name: str, channels: int) -> None:
    """A WAV with its rate, length and channels."""
    (clip,) = board.audio("run", name)
    with wave.open(io.BytesIO(clip.data)) as sound:
        assert (channels, 8000, 800) == (sound.getnchannels(), sound.getframerate(), sound.getnframes())


def test_text_and_curves_and_meshes(board: Server) -> None:
    """Markdown, a PR curve's 127 thresholds, a mesh's three parts."""
    assert "<em>words</em>" in board.text("run", "text/text_summary")[0].html
    (curve,) = board.pr_curves("run", "pr")
    assert 1 == curve.step
    assert curve.true_positives[0] == 2
    parts = {part.content: part.data for part in board.meshes("run", "mesh")}
    assert {"VERTEX", "FACE", "COLOR"} == set(parts)
    np.testing.assert_array_equal(np.eye(3)[None] * 255, parts["COLOR"])


def test_what_describes_the_run(board: Server) -> None:
    """Layouts, the projector, the graph, hyperparameters with their metric."""
    layout = board.custom_scalars_layout()
    assert {"mine", "lines"} == {chart["title"] for category in layout["category"] for chart in category["chart"]}
    points = board.projector_tensor("run", "points:00001")
    np.testing.assert_allclose(NUMBERS.reshape(16, 4), points)
    assert ["p0"] == board.projector_metadata("run", "points:00001")[0]
    assert (16, 16, 3) == png(board.projector_sprite("run", "points:00001")).shape
    assert any("Linear" in node.name or "0" in node.name for node in board.graph("run").node)
    assert "step1" in board.graph_info()["run"]["tags"]
    (group,) = board.hparams_session_groups()
    assert {"lr": 0.1, "deep": True} == group["hparams"]
    assert 0.5 == group["metricValues"][0]["value"]
