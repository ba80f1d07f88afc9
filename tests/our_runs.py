"""Runs by eventwriter: every kind that TensorBoard shows, with the inputs that they were made of.

`write` makes runs as a training would, for the pages; `write_odd` one run of awkward inputs. What is read back is held
against the inputs, which are constants here. Must not know how anything is encoded or served.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.step_stats_pb2 import DeviceStepStats, NodeExecStats, StepStats

from eventwriter import EventWriter
from eventwriter.summary.histogram import histogram_legacy
from eventwriter.summary.hparams import Interval, Metric, experiment, session_start

WALL = 1_700_000_000.5
STEPS = 10


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def noise(*shape: int) -> np.ndarray:
    """uint8 of every value."""
    return rng(len(shape)).integers(0, 256, shape, np.uint8)


def uniform(*shape: int) -> np.ndarray:
    return rng(7).random(shape, np.float32)


# ---- distributions

_BELL = rng(0).standard_normal(5000)

HISTOGRAMS: dict[str, Any] = {
    **{f"numpy/{dtype}": (_BELL * 30).astype(dtype) for dtype in ("float16", "float32", "float64", "int8", "int64")},
    "numpy/uint64": rng(1).integers(0, 2**63, 1000, np.uint64),
    "numpy/bool": _BELL > 1,
    "numpy/big-endian": _BELL.astype(">f4"),
    "numpy/strided": _BELL.reshape(50, 100)[::-2, ::3],
    "numpy/scalar": np.float32(2.5),
    **{
        f"torch/{dtype}".replace("torch.", ""): torch.tensor(_BELL).to(dtype)
        for dtype in (torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.int32, torch.bool)
    },
    "torch/parameter": torch.nn.Parameter(torch.tensor(_BELL).reshape(50, 100).T),
    "list": [[1, 2, 3], [4, 5, 60]],
    "empty": np.zeros((0, 3)),
    "constant": np.full(77, -3.25),
    "nan": np.array([np.nan, np.nan]),
    "nan and numbers": np.array([1.0, np.nan, 2.0, np.inf, -np.inf, 4.0], np.float32),
    "huge": np.array([-1e308, 0.0, 1e308]),
    "tiny": np.array([0, 5e-324, 1e-323]),
    "three dimensions": _BELL.reshape(10, 10, 50),
}
RAW_EDGES, RAW_COUNTS = [-1.0, 0.5, 0.5, 4.0], [3, 0.5, 10]


class Curve(NamedTuple):
    labels: Any
    predictions: Any
    thresholds: int = 127
    weights: Any = None


_LABELS = rng(2).random(400) < 0.3
_PREDICTIONS = np.clip(_LABELS * 0.3 + rng(3).random(400) * 0.7, 0, 1)

PR_CURVES = {
    "float64": Curve(_LABELS, _PREDICTIONS),
    "float32": Curve(_LABELS.astype(int), _PREDICTIONS.astype(np.float32), 11),
    "torch": Curve(torch.tensor(_LABELS.reshape(20, 20)), torch.tensor(_PREDICTIONS.reshape(20, 20)), 50),
    "list": Curve([0, 1, 1], [0.25, 0.75, 0.1], 2),
    "weights": Curve(_LABELS, _PREDICTIONS, 31, rng(4).integers(0, 9, 400)),
    "only positives": Curve(np.ones(10), uniform(10), 5),
    "certain": Curve([True, False, True], [1.0, 0.0, 1.0], 5),
}

# ---- words and numbers


class Words(NamedTuple):
    """Text as given, and the HTML of it, or of each cell of a table, row by row."""

    data: Any
    html: str | list[list[str]]


TEXTS = {
    "markdown": Words(
        "# Title\n\n* *one*\n* **two** & `three`",
        "<h1>Title</h1>\n<ul>\n<li><em>one</em></li>\n<li><strong>two</strong> &amp; <code>three</code></li>\n</ul>",
    ),
    "unicode": Words("größe ✓ 模型", "<p>größe ✓ 模型</p>"),
    "bytes": Words(b"plain", "<p>plain</p>"),
    "empty": Words("", ""),
    "script": Words("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
    "list": Words(["first", "*second*"], [["<p>first</p>"], ["<p><em>second</em></p>"]]),
    "table": Words(
        [["name", "value"], ["lr", "**0.1**"]],
        [["<p>name</p>", "<p>value</p>"], ["<p>lr</p>", "<p><strong>0.1</strong></p>"]],
    ),
    "array": Words(np.array([["a", "bb"], ["ccc", "d"]]), [["<p>a</p>", "<p>bb</p>"], ["<p>ccc</p>", "<p>d</p>"]]),
    "rank 3": Words([[["x", "y"], ["z", "w"]]], [["<p>x</p>", "<p>y</p>"], ["<p>z</p>", "<p>w</p>"]]),
}

TENSORS: dict[str, Any] = {
    **{f"numpy/{dtype}": (_BELL[:6] * 9).astype(dtype).reshape(2, 3) for dtype in ("float16", "int16", "complex64")},
    "torch/bfloat16": torch.tensor([[1.5, -0.25], [3.0, 2**100]], dtype=torch.bfloat16),
    "torch/strided": torch.arange(12).reshape(3, 4).T,
    "rank 0": np.float64(0.1),
    "one element": torch.tensor([[42]]),
    "nothing": np.zeros((3, 0), np.int8),
    "words": ["see", "*text*"],
}


class Mesh(NamedTuple):
    vertices: Any
    colors: Any = None
    faces: Any = None
    config: dict[str, Any] | None = None


_CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
_TRIANGLES = np.array([[0, 1, 2], [0, 2, 3], [0, 1, 3], [1, 2, 3]])

MESHES = {
    "tetrahedra": Mesh(
        np.stack([_CORNERS, _CORNERS * 2]),
        np.stack([noise(4, 3), 255 - noise(4, 3)]),
        np.stack([_TRIANGLES, _TRIANGLES[::-1]]),
        {"camera": {"cls": "PerspectiveCamera", "fov": 75}},
    ),
    "cloud": Mesh(torch.tensor(_BELL[:300]).reshape(1, 100, 3), torch.tensor(noise(1, 100, 3))),
    "cloud of one color": Mesh(_BELL[:30].reshape(10, 3)),
    "faces": Mesh(_CORNERS.tolist(), None, _TRIANGLES.tolist()),
}


# ---- seen and heard


class Picture(NamedTuple):
    """An image or several as given, and as uint8 [height, width, channels] or [height, width], each."""

    data: Any
    shown: list[np.ndarray]
    dataformats: str | None = None
    max_outputs: int | None = None


_RGB, _GREY, _RGBA = noise(9, 12, 3), noise(9, 12), noise(9, 12, 4)
_WORDS = rng(5).integers(0, 65536, (9, 12, 3), np.uint16)
_FLOATS = uniform(9, 12, 3)
_HOLE = np.where(np.arange(12) == 5, np.nan, uniform(9, 12))
_CMYK = Image.fromarray(noise(9, 12, 3)).convert("CMYK")
_PALETTE = Image.fromarray(noise(9, 12, 3)).quantize(16)


def _level(floats: Any) -> np.ndarray:
    return np.rint(np.asarray(floats, np.float64) * 255).astype(np.uint8)


_HOLE_SHOWN = np.repeat(_level(np.nan_to_num(_HOLE))[..., None], 3, 2)
_HOLE_SHOWN[:, 5] = (255, 0, 255)

IMAGES: dict[str, Picture] = {
    "HWC": Picture(_RGB, [_RGB]),
    "HW": Picture(_GREY, [_GREY]),
    "RGBA": Picture(_RGBA, [_RGBA]),
    "grey and alpha": Picture(noise(9, 12, 2), [noise(9, 12, 2)], "HWC"),
    "one channel": Picture(_GREY[..., None], [_GREY]),
    "CHW": Picture(_RGB.transpose(2, 0, 1), [_RGB]),
    "WHC": Picture(_RGB.transpose(1, 0, 2), [_RGB], "WHC"),
    "chw by letters": Picture(noise(3, 9, 3), [noise(3, 9, 3).transpose(1, 2, 0)], "chw"),
    "strided": Picture(noise(18, 24, 4)[::-2, ::2, :3], [noise(18, 24, 4)[::-2, ::2, :3]]),
    "torch CHW": Picture(torch.tensor(_RGB).permute(2, 0, 1), [_RGB]),
    "bool": Picture(_GREY > 99, [(_GREY > 99) * np.uint8(255)]),
    "uint16": Picture(_WORDS, [np.rint(_WORDS / 257).astype(np.uint8)]),
    "int64": Picture(_RGB.astype(int) * 2 - 100, [np.clip(_RGB.astype(int) * 2 - 100, 0, 255).astype(np.uint8)]),
    "float32": Picture(_FLOATS, [_level(_FLOATS)]),
    "float16": Picture(_FLOATS.astype(np.float16), [_level(_FLOATS.astype(np.float16))]),
    "float64": Picture(_FLOATS.astype(float), [_level(_FLOATS)]),
    "bfloat16": Picture(torch.tensor(_FLOATS).bfloat16(), [_level(torch.tensor(_FLOATS).bfloat16().float())]),
    "floats to 255": Picture(_RGB.astype(np.float32), [_RGB]),
    "floats beyond": Picture(_FLOATS * 3 - 1, [_level(np.clip(_FLOATS * np.float32(3) - 1, 0, 1))]),
    "nan": Picture(_HOLE, [_HOLE_SHOWN]),
    "list": Picture([[0, 255, 7]], [np.array([[0, 255, 7]], np.uint8)]),
    "PIL RGB": Picture(Image.fromarray(_RGB), [_RGB]),
    "PIL L": Picture(Image.fromarray(_GREY), [_GREY]),
    "PIL RGBA": Picture(Image.fromarray(_RGBA), [_RGBA]),
    "PIL P": Picture(_PALETTE, [np.asarray(_PALETTE.convert("RGB"))]),
    "PIL CMYK": Picture(_CMYK, [np.asarray(_CMYK.convert("RGB"))]),
    "one pixel": Picture(_RGB[:1, :1], [_RGB[:1, :1]]),
    "photo size": Picture(noise(200, 300, 3), [noise(200, 300, 3)]),
}

BATCHES: dict[str, Picture] = {
    "NHWC": Picture(noise(4, 9, 12, 3), list(noise(4, 9, 12, 3))),
    "NCHW torch": Picture(torch.tensor(noise(4, 3, 9, 12)), list(noise(4, 3, 9, 12).transpose(0, 2, 3, 1))),
    "NHW": Picture(noise(2, 9, 12), list(noise(2, 9, 12)), "NHW"),
    "HWCN": Picture(noise(9, 12, 3, 2), list(noise(9, 12, 3, 2).transpose(3, 0, 1, 2)), "HWCN"),
    "of many sizes": Picture(
        [_RGB, _GREY[:5], noise(30, 20, 4), _FLOATS], [_RGB, _GREY[:5], noise(30, 20, 4), _level(_FLOATS)]
    ),
    "of torch": Picture([torch.tensor(_RGB), torch.tensor(_RGB[:4])], [_RGB, _RGB[:4]], "HWC"),
    "of PIL": Picture([Image.fromarray(_GREY), Image.fromarray(_RGB)], [_GREY, _RGB]),
    "the first two": Picture(noise(4, 9, 12, 3), list(noise(4, 9, 12, 3)[:2]), None, 2),
}

BOXES = [[1, 2, 6, 7], [0.0, 0.0, 11.0, 8.0]]


class Clip(NamedTuple):
    """Sounds as given, and as int16 [frames, channels], each."""

    data: Any
    heard: list[np.ndarray]
    rate: int = 8000


_SHORTS = rng(6).integers(-(2**15), 2**15, (500, 2), np.int16)
_WAVE = np.sin(np.arange(400) / 9).astype(np.float32)

CLIPS = {
    "mono": Clip(_SHORTS[:, 0], [_SHORTS[:, :1]], 44100),
    "mono with an axis": Clip(_SHORTS[:, :1], [_SHORTS[:, :1]]),
    "stereo": Clip(_SHORTS, [_SHORTS], 48000),
    "several": Clip(np.stack([_SHORTS, _SHORTS[::-1]]), [_SHORTS, _SHORTS[::-1]]),
    "float32": Clip(_WAVE, [np.clip(np.rint(_WAVE * 32768), -32768, 32767).astype(np.int16)[:, None]], 16000),
    "float of int16": Clip(_SHORTS / 32768, [_SHORTS]),
    "torch": Clip(torch.tensor(_SHORTS).float() / 32768, [_SHORTS], 22050),
    "int8": Clip((_SHORTS >> 8).astype(np.int8), [_SHORTS >> 8 << 8]),
    "uint8": Clip((128 + (_SHORTS >> 8)).astype(np.uint8), [_SHORTS >> 8 << 8]),
    "int32": Clip(_SHORTS.astype(np.int32) << 16, [_SHORTS]),
}


class Film(NamedTuple):
    """A video as given, and its frames as shown, uint8 [frames, height, width, channels]."""

    data: Any
    frames: np.ndarray
    dataformats: str = "NTCHW"


_COLORS = noise(200, 3)[rng(8).integers(0, 200, (5, 6, 8))]  # [T, H, W, C] of 200 colours: a GIF has them all

FILMS = {
    "NTCHW": Film(_COLORS[None].transpose(0, 1, 4, 2, 3), _COLORS),
    "THWC": Film(torch.tensor(_COLORS), _COLORS, "THWC"),
    "grey": Film(_COLORS[..., 0] / np.float32(255), _COLORS[..., :1].repeat(3, 3), "THW"),
    "two clips": Film(np.stack([_COLORS, _COLORS[::-1]]), np.concatenate([_COLORS, _COLORS[::-1]], 2), "NTHWC"),
}


def figure(seed: int = 0, **options: Any) -> Any:
    """A matplotlib figure with a line."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(2.4, 1.6), dpi=80, **options)
    made.subplots().plot(rng(seed).random(20))
    return made


def drawn(figure: Any) -> np.ndarray:
    """What matplotlib makes of a figure: uint8 [height, width, 3]."""
    file = io.BytesIO()
    figure.savefig(file, dpi=figure.dpi)
    return np.asarray(Image.open(file).convert("RGB"))


# ---- what describes a run

LAYOUTS = [
    {"losses": {"both": ["Multiline", ["loss", "accuracy"]], "old": ["Multiline", ["nothing"]]}},
    {"losses": {"old": ["Multiline", [r"lr/.*"]]}, "bands": {"band": ["Margin", ["loss", "low", "high"]]}},
]


class Trial(NamedTuple):
    """A session: its hyperparameters, as shown; its group; how it ended."""

    hparams: dict[str, Any]
    shown: dict[str, Any]
    group: str | None
    status: str


METRICS = ("accuracy", Metric("loss", display_name="Loss", description="of *training*"))
DOMAINS = {"lr": Interval(0, 1), "optimizer": ["adam", "sgd"], "amp": [True, False]}
TRIALS = {
    "trials/a": Trial(
        {"lr": 0.125, "optimizer": "adam", "amp": True, "layers": 4, "schedule": None, "betas": (0.9, 0.99)},
        {"lr": 0.125, "optimizer": "adam", "amp": True, "layers": 4.0, "betas": "(0.9, 0.99)"},
        None,
        "STATUS_SUCCESS",
    ),
    "trials/b": Trial(
        {"lr": np.float32(0.5), "optimizer": "sgd", "amp": False, "layers": torch.tensor(8), "betas": None},
        {"lr": 0.5, "optimizer": "sgd", "amp": False, "layers": 8.0},
        None,
        "STATUS_FAILURE",
    ),
    "trials/c": Trial({"lr": float("nan"), "layers": 1}, {"lr": "nan", "layers": 1.0}, None, "STATUS_UNKNOWN"),
    "trials/d1": Trial({"lr": 0.25}, {"lr": 0.25}, "repeated", "STATUS_SUCCESS"),
    "trials/d2": Trial({"lr": 0.25}, {"lr": 0.25}, "repeated", "STATUS_SUCCESS"),
}


def curve_of(trial: str) -> list[float]:
    """Accuracy, step by step, of a session."""
    return [(step + 1) / (STEPS + 1 + ord(trial[-1])) for step in range(STEPS)]


class Points(NamedTuple):
    """An embedding as given, with the lines of its metadata as served, and a sprite of images of so many pixels."""

    mat: Any
    metadata: list[Any] | None = None
    header: list[str] | None = None
    lines: list[list[str]] | None = None
    label_img: Any = None


EMBEDDINGS = {
    "points": Points(
        _BELL[:80].reshape(20, 4), [f"point {i}" for i in range(20)], None, [[f"point {i}"] for i in range(20)]
    ),
    "with/images": Points(
        torch.tensor(_BELL[:150].reshape(50, 3)).float(),
        [(i, i % 3) for i in range(50)],
        ["name", "class"],
        [["name", "class"], *([str(i), str(i % 3)] for i in range(50))],
        torch.tensor(uniform(50, 3, 8, 8)),
    ),
    "ints": Points(np.arange(12).reshape(6, 2)),
}


def graph() -> GraphDef:
    """A small one, with scopes, shapes and a device."""
    definition = GraphDef()
    definition.versions.producer = 22
    x = definition.node.add(name="input", op="Placeholder")
    x.attr["_output_shapes"].list.shape.add().dim.add(size=3)
    definition.node.add(name="net/dense/weight", op="Variable", device="/device:CPU:0")
    definition.node.add(name="net/dense/matmul", op="MatMul", input=["input", "net/dense/weight"])
    definition.node.add(name="net/relu", op="Relu", input=["net/dense/matmul"])
    definition.node.add(name="loss", op="Mean", input=["net/relu"])
    return definition


def costs() -> RunMetadata:
    """What a step of it cost."""
    node = NodeExecStats(node_name="net/dense/matmul", all_start_micros=10, all_end_rel_micros=250)
    return RunMetadata(step_stats=StepStats(dev_stats=[DeviceStepStats(device="/device:CPU:0", node_stats=[node])]))


# ---- the runs


def write(logdir: Path) -> None:
    """The runs `train`, which has every kind, and those of `TRIALS`."""
    with EventWriter(logdir / "train") as w:
        w.graph(graph(), run_metadata=costs())
        for layout in LAYOUTS:
            w.custom_scalars(layout)
        for step in range(STEPS):
            loss = 1 / (1 + step)
            w.scalars({"loss": loss, "low": loss * 0.9, "high": loss * 1.2}, step)
            w.scalars({"accuracy": 1 - loss / 2, "lr/group 0": 0.1 * 0.9**step, "lr/group 1": 0.01}, step)
            w.histogram("weights", _BELL * (1 + step / 5), step, description="of *layer 1*", wall_time=WALL + step)
            w.histogram("bias", torch.tensor(_BELL[:64] + step / 10), step, display_name="the bias")
        for step in (0, 5):
            w.image("photo", _gradient(step), step, description="a *gradient*")
            w.pr_curve("pr", _LABELS, np.clip(_PREDICTIONS + step / 20, 0, 1), step)
            w.text("notes", f"**step {step}**\n\n* learning", step)
        w.images("batch", np.stack([_gradient(i) for i in range(3)]), 5)
        w.figure("figure", figure(), 5)
        w.video("video", np.stack([_gradient(i) for i in range(8)])[None], 5, dataformats="NTHWC")
        w.image_with_boxes("boxes", _gradient(0), [[4, 4, 30, 20]], 5, labels=["cat"])
        w.audio("tone", np.sin(np.arange(8000) / 5) / 2, 5, sample_rate=8000)
        w.audio("stereo", np.stack([_WAVE, -_WAVE], 1) / 2, 5, sample_rate=8000)
        w.text("table", TEXTS["table"].data, 0)
        w.mesh("tetrahedra", *MESHES["tetrahedra"][:1], 0, **_parts(MESHES["tetrahedra"]))
        w.tensor("matrix", np.eye(3), 0)
        points = EMBEDDINGS["with/images"]
        w.embedding(
            "with/images",
            points.mat,
            metadata=points.metadata,
            metadata_header=points.header,
            label_img=points.label_img,
        )
        w.embedding("points", EMBEDDINGS["points"].mat, 3, metadata=EMBEDDINGS["points"].metadata)
    with EventWriter(logdir / "train") as w:
        w.embedding("ints", EMBEDDINGS["ints"].mat)
    write_trials(logdir)


def _gradient(step: int) -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    return np.stack([x * 4, y * 5, (x + y + 8 * step) % 64 * 4], 2).astype(np.uint8)


def _parts(mesh: Mesh) -> dict[str, Any]:
    return {"colors": mesh.colors, "faces": mesh.faces, "config_dict": mesh.config}


def _embed(w: EventWriter, tag: str, step: int) -> None:
    points = EMBEDDINGS[tag]
    w.embedding(
        tag, points.mat, step, metadata=points.metadata, metadata_header=points.header, label_img=points.label_img
    )


def write_trials(logdir: Path) -> None:
    for name, trial in TRIALS.items():
        try:
            with EventWriter(logdir / name) as w:
                domains = {key: domain for key, domain in DOMAINS.items() if key in trial.hparams}
                if trial.status == "STATUS_UNKNOWN":  # as while it runs; closing a writer would end its session
                    w.log(experiment(trial.hparams, METRICS, domains=domains, time_created_secs=WALL), 0)
                    w.log(session_start(trial.hparams, start_time_secs=WALL), 0)
                else:
                    w.hparams(trial.hparams, METRICS, domains=domains, group_name=trial.group, description="*ours*")
                for step, accuracy in enumerate(curve_of(name)):
                    w.scalars({"accuracy": accuracy, "loss": 1 - accuracy}, step)
                if trial.status == "STATUS_FAILURE":
                    raise InterruptedError
        except InterruptedError:
            pass


def write_odd(logdir: Path) -> None:
    """The run `odd`, of all inputs above."""
    with EventWriter(logdir / "odd") as w:
        for tag, data in HISTOGRAMS.items():
            w.histogram(f"histogram/{tag}", data, 3, wall_time=WALL)
            w.log(histogram_legacy(f"legacy/{tag}", data), 3, wall_time=WALL)
        w.histogram("one bucket", _BELL, 3, buckets=1)
        w.histogram_raw("raw", RAW_EDGES, RAW_COUNTS, 3, wall_time=WALL)
        for tag, curve in PR_CURVES.items():
            w.pr_curve(
                f"pr/{tag}", curve.labels, curve.predictions, 3, num_thresholds=curve.thresholds, weights=curve.weights,
                wall_time=WALL,
            )  # fmt: skip
        w.pr_curve_raw("pr raw", [9, 4, 1], [5, 2, 0], [0, 3, 5], [0, 5, 8], [0.64, 0.67, 1], [1, 0.44, 0.11], 3)
        for tag, words in TEXTS.items():
            w.text(f"text/{tag}", words.data, 3, wall_time=WALL)
        for tag, data in TENSORS.items():
            w.tensor(f"tensor/{tag}", data, 3, wall_time=WALL)
        for tag, mesh in MESHES.items():
            w.mesh(f"mesh/{tag}", mesh.vertices, 3, wall_time=WALL, **_parts(mesh))
        for tag, picture in IMAGES.items():
            w.image(f"image/{tag}", picture.data, 3, dataformats=picture.dataformats, wall_time=WALL)
        w.image_with_boxes("boxes", _GREY, BOXES, 3)
        for tag, picture in BATCHES.items():
            w.images(
                f"images/{tag}", picture.data, 3, dataformats=picture.dataformats, max_outputs=picture.max_outputs,
                wall_time=WALL,
            )  # fmt: skip
        for tag, clip in CLIPS.items():
            w.audio(f"audio/{tag}", clip.data, 3, sample_rate=clip.rate, wall_time=WALL)
        for tag, film in FILMS.items():
            w.video(f"video/{tag}", film.data, 3, fps=10, dataformats=film.dataformats, wall_time=WALL)
        w.figure("figure", figure(), 3)
        w.figure("figures", [figure(1), figure(2)], 3)
