"""Every kind but scalars, written by `EventWriter` and served by TensorBoard: what comes back is what went in."""

from __future__ import annotations

import functools
import io
import re
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import our_runs
import pytest
import readers
import sklearn.metrics
import tensorboard_server
import torch
from PIL import Image, ImageSequence
from tensorboard.compat.proto import types_pb2
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util import tensor_util
from tensorboard_client import Histogram
from tensorboard_server import Loader, Server


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kinds")
    our_runs.write(path)
    our_runs.write_odd(path)
    return path


@pytest.fixture(scope="module")
def board(logdir: Path, loader: Loader) -> Iterator[Server]:
    """One server on all runs: starting one costs seconds."""
    with tensorboard_server.serve(logdir, loader, tensorflow=False) as server:
        server.tags = functools.cache(server.tags)  # it loads once, and takes 50 ms for a list
        yield server


def as_array(data: Any) -> np.ndarray:
    """What a framework itself says that its data is, floats as float64."""
    if isinstance(data, torch.Tensor):
        data = data.detach()
        return (data.double() if data.is_floating_point() else data).numpy()
    return np.asarray(data)


def decode(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)))


def test_runs_and_dashboards(board: Server) -> None:
    """All runs are there, and every dashboard has something to show."""
    assert {"train", "odd", *our_runs.TRIALS} == set(board.runs())
    want = {"scalars", "histograms", "distributions", "images", "audio", "text", "pr_curves", "mesh"}
    want |= {"custom_scalars", "hparams", "graphs", "projector", "timeseries"}
    # The projector looks for its files on a thread of its own, when first asked.
    board.wait_until(lambda board: "projector" in board.active_plugins(), "the projector")
    assert want == board.active_plugins()


def test_steps_wall_times_and_descriptions(board: Server) -> None:
    """Every step of a tag, at its time; the description as HTML, and the display name."""
    points = board.histograms("train", "weights")
    assert [(our_runs.WALL + step, step) for step in range(our_runs.STEPS)] == [point[:2] for point in points]
    tags = board.tags("histograms")["train"]
    assert "<p>of <em>layer 1</em></p>" == tags["weights"]["description"]
    assert "the bias" == tags["bias"]["displayName"]
    assert "<p>a <em>gradient</em></p>" == board.tags("images")["train"]["photo"]["description"]
    assert [0, 5] == [image.step for image in board.images("train", "photo")]


# ---- distributions


def histogram(board: Server, tag: str) -> np.ndarray:
    """[k, 3]: left edge, right edge, count."""
    (point,) = board.histograms("odd", tag)
    assert Histogram(our_runs.WALL, 3, point.buckets) == point
    return np.array(point.buckets).reshape(-1, 3)


@pytest.mark.parametrize("tag", our_runs.HISTOGRAMS)
def test_histogram(board: Server, tag: str) -> None:
    """Edges and counts are numpy's of the finite elements; the number of the others is a scalar beside it."""
    data = as_array(our_runs.HISTOGRAMS[tag]).astype(np.float64)
    finite = data[np.isfinite(data)]
    buckets = histogram(board, f"histogram/{tag}")
    edges, counts = [*buckets[:, 0], buckets[-1, 1]], buckets[:, 2].tolist()
    assert (30, finite.size) == (len(counts), sum(counts))
    if finite.size:
        assert (finite.min(), finite.max()) == (edges[0], edges[-1])
        if finite.min() < finite.max():
            below = [np.count_nonzero(finite < edge) for edge in edges[1:-1]]
            assert np.diff([0, *below, finite.size]).tolist() == counts
            # Beyond these, numpy's own arithmetic overflows or underflows.
            if tag not in ("huge", "tiny"):
                assert [row.tolist() for row in np.histogram(finite, 30)] == [counts, edges]
    scalars = board.tags("scalars")["odd"]
    assert (finite.size < data.size) == (f"histogram/{tag}/nonfinite" in scalars)
    if finite.size < data.size:
        assert [data.size - finite.size] == [p.value for p in board.scalars("odd", f"histogram/{tag}/nonfinite")]


@pytest.mark.parametrize("tag", our_runs.HISTOGRAMS)
def test_legacy_histogram(board: Server, tag: str) -> None:
    """All finite elements are counted, each in the bucket where it belongs, and the last edge is the greatest."""
    data = as_array(our_runs.HISTOGRAMS[tag]).astype(np.float64)
    finite = data[np.isfinite(data)]
    buckets = histogram(board, f"legacy/{tag}")
    filled = buckets[buckets[:, 2] > 0]
    assert finite.size == filled[:, 2].sum()
    if board.loader == "slow" and tag in ("huge", "tiny"):
        return  # that loader makes float32 of a legacy histogram
    if finite.size:
        assert np.isclose(finite.max(), filled[-1, 1], rtol=1e-6, atol=0)
        below = [np.count_nonzero(finite < edge) for edge in filled[:-1, 1]]
        assert below == np.cumsum(filled[:-1, 2]).tolist()


def test_other_histograms(board: Server) -> None:
    """Ready counts are served as given, and one bucket has everything."""
    edges = our_runs.RAW_EDGES
    assert list(map(list, zip(edges, edges[1:], our_runs.RAW_COUNTS, strict=False))) == histogram(board, "raw").tolist()
    (point,) = board.histograms("odd", "one bucket")
    assert [5000] == [count for *_, count in point.buckets]


def test_distributions(board: Server) -> None:
    """The percentiles that the Distributions dashboard draws of a histogram are the data's, within a bucket."""
    for wall_time, step, curve in board.distributions("train", "weights"):
        assert our_runs.WALL + step == wall_time
        want = np.percentile(our_runs.HISTOGRAMS["numpy/big-endian"] * (1 + step / 5), [p / 100 for p, _ in curve])
        assert np.allclose(want, [value for _, value in curve], atol=0.25 * (1 + step / 5))


@pytest.mark.parametrize("tag", our_runs.PR_CURVES)
def test_pr_curve(board: Server, tag: str) -> None:
    """Counts at every threshold are those of comparing all predictions with it; precision and recall sklearn's."""
    labels, predictions, n, weights = our_runs.PR_CURVES[tag]
    labels, predictions = as_array(labels).ravel().astype(bool), as_array(predictions).ravel()
    weight = np.ones(labels.shape) if weights is None else as_array(weights)
    (curve,) = board.pr_curves("odd", f"pr/{tag}")
    assert (our_runs.WALL, 3) == curve[:2]
    shown = len(curve.thresholds)
    assert np.allclose(np.linspace(0, 1, n)[:shown], curve.thresholds)
    # What is left out has no positives.
    assert shown == n or not (predictions >= curve.thresholds[-1] + 1 / (n - 1)).any()
    for at, threshold in enumerate(np.linspace(0, 1, n)[:shown]):
        positive = predictions >= threshold
        outcomes = [(positive, labels), (positive, ~labels), (~positive, ~labels), (~positive, labels)]
        want = [weight[a & b].sum() for a, b in outcomes]
        assert want == [counts[at] for counts in curve[4:8]], threshold
        if at % 10:  # sklearn is slow
            continue
        scores = {"sample_weight": weight, "zero_division": 0.0}
        assert curve.precision[at] == pytest.approx(sklearn.metrics.precision_score(labels, positive, **scores))
        assert curve.recall[at] == pytest.approx(sklearn.metrics.recall_score(labels, positive, **scores))


def test_raw_pr_curve(board: Server) -> None:
    """Ready counts are served as given."""
    (curve,) = board.pr_curves("odd", "pr raw")
    assert ([9, 4, 1], [5, 2, 0], [0, 3, 5], [0, 5, 8], [0, 0.5, 1]) == curve[4:]
    assert np.allclose([[0.64, 0.67, 1], [1, 0.44, 0.11]], curve[2:4])


# ---- words and numbers


@pytest.mark.parametrize("tag", our_runs.TEXTS)
def test_text(board: Server, tag: str) -> None:
    """Markdown is HTML; lists and arrays are tables of it."""
    want = our_runs.TEXTS[tag].html
    (text,) = board.text("odd", f"text/{tag}")
    assert (our_runs.WALL, 3) == text[:2]
    if isinstance(want, str):
        assert want == text.html
    else:
        rows = text.html.replace("\n", "").split("</tr>")[:-1]
        assert want == [re.findall("<td>(.*?)</td>", row) for row in rows]
        assert ("dimensionality 3" in text.html) == (tag == "rank 3")


def test_tensors(board: Server, logdir: Path) -> None:
    """Bit for bit for who reads the file; single numbers are scalars too, and words are text."""
    (path,) = readers.event_files(logdir / "odd")
    values = [value for record in readers.file_records(path) for value in Event.FromString(record).summary.value]
    tensors = {value.tag: value.tensor for value in values if value.tag.startswith("tensor/")}
    for tag, data in our_runs.TENSORS.items():
        tensor = tensors[f"tensor/{tag}"]
        if tag == "words":
            assert data == [word.decode() for word in tensor.string_val]
        elif tag == "torch/bfloat16":  # numpy has none: the upper half of a float32
            bits = np.frombuffer(tensor.tensor_content, "<u2").astype("<u4") << 16
            assert (types_pb2.DT_BFLOAT16, data.flatten().tolist()) == (tensor.dtype, bits.view("<f4").tolist())
        else:
            got = tensor_util.make_ndarray(tensor)
            want = as_array(data)
            assert (want.dtype, want.shape, want.tolist()) == (got.dtype, got.shape, got.tolist()), tag
    single = {tag.removeprefix("tensor/") for tag in board.tags("scalars")["odd"] if tag.startswith("tensor/")}
    assert {"rank 0/value", "one element/value"} == single
    assert [42] == [point.value for point in board.scalars("odd", "tensor/one element/value")]
    assert [np.float32(0.1)] == [point.value for point in board.scalars("odd", "tensor/rank 0/value")]
    (words,) = board.text("odd", "tensor/words")
    assert "<em>text</em>" in words.html


@pytest.mark.parametrize("tag", our_runs.MESHES)
def test_mesh(board: Server, tag: str) -> None:
    """Every part as the browser gets it: float32 corners, int32 faces, uint8 colours, for each mesh of a batch."""
    mesh = our_runs.MESHES[tag]
    parts = {part.content: part for part in board.meshes("odd", f"mesh/{tag}")}
    given = {"VERTEX": mesh.vertices, "COLOR": mesh.colors, "FACE": mesh.faces}
    given = {content: as_array(data) for content, data in given.items() if data is not None}
    assert set(given) == set(parts)
    for content, data in given.items():
        part = parts[content]
        assert (our_runs.WALL, 3, mesh.config or {}) == (part.wall_time, part.step, part.config)
        assert np.array_equal(data.reshape(-1, *data.shape[-2:]).astype(part.data.dtype), part.data), content


# ---- seen and heard


@pytest.mark.parametrize("tag", our_runs.IMAGES)
def test_image(board: Server, tag: str) -> None:
    """Decodes to exactly the pixels, by the Images and by the Time Series dashboard."""
    (want,) = our_runs.IMAGES[tag].shown
    (image,) = board.images("odd", f"image/{tag}")
    assert (our_runs.WALL, 3, 0, "image/png") == image[:4]
    got = decode(image.data)
    assert np.array_equal(want, got), (want.shape, got.shape)
    (point,) = board.time_series("images", "odd", f"image/{tag}", sample=0)
    assert image.data == board.time_series_image(point["imageId"])


@pytest.mark.parametrize("tag", our_runs.BATCHES)
def test_images(board: Server, tag: str) -> None:
    """Each of several images in its own size, in their order."""
    shown = our_runs.BATCHES[tag].shown
    images = board.images("odd", f"images/{tag}")
    assert [(our_runs.WALL, 3, i, "image/png") for i in range(len(shown))] == [image[:4] for image in images]
    for want, image in zip(shown, images, strict=True):
        got = decode(image.data)
        assert np.array_equal(want, got), (want.shape, got.shape)


def test_image_with_boxes(board: Server) -> None:
    """Red on the boxes' edges, all else as it was."""
    (image,) = board.images("odd", "boxes")
    got = decode(image.data)
    assert (9, 12, 3) == got.shape
    for left, top, right, bottom in np.array(our_runs.BOXES).astype(int):
        for edge in (got[top, left : right + 1], got[bottom, left : right + 1], got[top : bottom + 1, left],
                     got[top : bottom + 1, right]):  # fmt: skip
            assert {(255, 0, 0)} == {tuple(pixel) for pixel in edge.tolist()}
    untouched = (got != (255, 0, 0)).any(axis=2)
    assert untouched.any()
    assert np.array_equal(our_runs.noise(9, 12)[untouched], got[untouched][:, 0])


def frames(gif: bytes) -> np.ndarray:
    """[T, H, W, 3]."""
    return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(Image.open(io.BytesIO(gif)))])


@pytest.mark.parametrize("tag", our_runs.FILMS)
def test_video(board: Server, tag: str) -> None:
    """An animated GIF, pixel-exact where 256 colours suffice, at its speed, for ever."""
    film = our_runs.FILMS[tag]
    (video,) = board.images("odd", f"video/{tag}")
    assert (our_runs.WALL, 3, 0, "image/gif") == video[:4]
    assert np.array_equal(film.frames, frames(video.data))
    info = Image.open(io.BytesIO(video.data)).info
    assert (100, 0) == (info["duration"], info["loop"])


def test_figures(board: Server) -> None:
    """The pixels that matplotlib itself saves; several are samples of one tag."""
    (image,) = board.images("odd", "figure")
    assert np.array_equal(our_runs.drawn(our_runs.figure()), decode(image.data))
    for seed, image in zip((1, 2), board.images("odd", "figures"), strict=True):
        assert np.array_equal(our_runs.drawn(our_runs.figure(seed)), decode(image.data))


def heard(wav: bytes, rate: int) -> np.ndarray:
    """int16 [frames, channels]."""
    with wave.open(io.BytesIO(wav)) as file:
        assert (2, rate) == (file.getsampwidth(), file.getframerate())
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())


@pytest.mark.parametrize("tag", our_runs.CLIPS)
def test_audio(board: Server, tag: str) -> None:
    """WAV files of exactly the samples, mono and stereo, one for each clip."""
    clip = our_runs.CLIPS[tag]
    clips = board.audio("odd", f"audio/{tag}")
    assert [(our_runs.WALL, 3, i, "audio/wav") for i in range(len(clip.heard))] == [each[:4] for each in clips]
    for want, each in zip(clip.heard, clips, strict=True):
        got = heard(each.data, clip.rate)
        assert np.array_equal(want, got), (want.shape, got.shape)


# ---- what describes a run


def test_custom_scalars(board: Server) -> None:
    """Both calls' charts are in the layout, in order, the later chart of one title; its regular expressions work."""
    losses, bands = board.custom_scalars_layout()["category"]
    assert ["losses", "bands"] == [losses["title"], bands["title"]]
    assert [("both", ["loss", "accuracy"]), ("old", ["lr/.*"])] == [
        (chart["title"], chart["multiline"]["tag"]) for chart in losses["chart"]
    ]
    (band,) = bands["chart"]
    assert ("band", [{"value": "loss", "lower": "low", "upper": "high"}]) == (band["title"], band["margin"]["series"])
    assert {"lr/group 0", "lr/group 1"} == set(board.custom_scalars("train", "lr/.*"))


def test_hparams_sessions(board: Server) -> None:
    """Every session's values, status and metrics: the last value, with the whole curve in the same run."""
    groups = {group["name"]: group for group in board.hparams_session_groups()}
    names = {trial.group or name for name, trial in our_runs.TRIALS.items()}
    assert names == set(groups)
    assert {"trials/d1", "trials/d2"} == {session["name"] for session in groups["repeated"]["sessions"]}
    for name, trial in our_runs.TRIALS.items():
        group = groups[trial.group or name]
        assert trial.shown == group["hparams"]
        (session,) = (each for each in group["sessions"] if each["name"] == name)
        assert trial.status == session["status"]
        curve = np.float32(our_runs.curve_of(name))
        last = {metric["name"]["tag"]: metric["value"] for metric in session["metricValues"]}
        assert {"accuracy": curve[-1], "loss": np.float32(1 - our_runs.curve_of(name)[-1])} == last
        assert curve.tolist() == [point.value for point in board.scalars(name, "accuracy")]


def test_hparams_experiment(board: Server) -> None:
    """The columns are one run's (TensorBoard takes any that declares some), with types and domains; metrics too."""
    experiment = board.hparams_experiment()
    columns = {info["name"]: info for info in experiment["hparamInfos"]}
    assert set(columns) in [set(trial.shown) for trial in our_runs.TRIALS.values()]
    types = {"lr": "FLOAT64", "optimizer": "STRING", "amp": "BOOL", "layers": "FLOAT64", "betas": "STRING"}
    for name, column in columns.items():
        assert f"DATA_TYPE_{types[name]}" == column["type"]
        domain = our_runs.DOMAINS.get(name)
        if name == "lr":
            assert {"minValue": 0, "maxValue": 1} == column["domainInterval"]
        else:
            assert domain == column.get("domainDiscrete")
    metrics = {info["name"]["tag"]: info for info in experiment["metricInfos"]}
    assert {"accuracy", "loss"} == set(metrics)
    assert ("Loss", "of *training*") == (metrics["loss"]["displayName"], metrics["loss"]["description"])


@pytest.mark.parametrize("tag", our_runs.EMBEDDINGS)
def test_embedding(board: Server, tag: str) -> None:
    """Points in float32, labels and sprite, of two embeddings of one writer and one of another, in one config."""
    points = our_runs.EMBEDDINGS[tag]
    assert ["train"] == board.projector_runs()
    assert 3 == len(board.projector_config("train")["embeddings"])
    (embedding,) = (e for e in board.projector_config("train")["embeddings"] if e["tensorName"].startswith(tag))
    name = embedding["tensorName"]
    assert np.array_equal(as_array(points.mat).astype(np.float32), board.projector_tensor("train", name))
    if points.lines:
        assert points.lines == board.projector_metadata("train", name)
    if points.label_img is not None:
        width, height = embedding["sprite"]["singleImageDim"]
        sprite = decode(board.projector_sprite("train", name))
        for i, image in enumerate(points.label_img.numpy().transpose(0, 2, 3, 1)):
            top, left = i // (sprite.shape[1] // width) * height, i % (sprite.shape[1] // width) * width
            assert np.abs(image * 255 - sprite[top : top + height, left : left + width]).max() <= 1


def test_graph(board: Server) -> None:
    """Nodes, inputs, devices and shapes, and what a step of it cost."""
    assert {"train"} == {run for run, info in board.graph_info().items() if info["run_graph"]}
    # TensorBoard sends it without the versions.
    want = [(node.name, node.op, list(node.input), node.device) for node in our_runs.graph().node]
    nodes = board.graph("train").node
    assert want == [(node.name, node.op, list(node.input), node.device) for node in nodes]
    assert [3] == [dim.size for dim in nodes[0].attr["_output_shapes"].list.shape[0].dim]
    assert our_runs.costs() == board.run_metadata("train", "step1")
