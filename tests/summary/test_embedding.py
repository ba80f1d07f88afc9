"""Embeddings: the files, as TensorBoard's projector plugin reads them, and sharing one config."""

from __future__ import annotations

import io
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.projector import metadata
from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig
from torch.utils.tensorboard import SummaryWriter

from eventwriter.summary import embedding as module
from eventwriter.summary.embedding import embedding

POINTS = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)


def config(logdir: Path) -> dict[str, EmbeddingInfo]:
    """Embeddings by name, parsed by TensorBoard's classes."""
    text = (logdir / metadata.PROJECTOR_FILENAME).read_text()
    return {each.tensor_name: each for each in text_format.Parse(text, ProjectorConfig()).embeddings}


def projected(logdir: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Each embedding's points, as the plugin itself finds and reads them."""
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin

    plugin = ProjectorPlugin(TBContext(logdir=str(logdir), data_provider=None))
    tensors = {}
    plugin.tensor_cache.set = lambda key, tensor: tensors.__setitem__(key[1], tensor)
    plugin._update_configs()
    return tensors


@pytest.mark.filterwarnings("ignore:html5lib")  # TensorBoard's own copy of it warns as it is imported
@pytest.mark.parametrize(
    "points",
    [
        POINTS,
        POINTS.astype(np.float64),
        torch.tensor(POINTS).requires_grad_(),
        # These bytes are text too, which the projector would take them for.
        np.zeros((3, 2)),
        np.full((2, 2), 2.0),
        np.frombuffer(b"\n\n\n\nabcd\xff\xff\xff\x00", np.float32).reshape(1, 3),
        np.frombuffer(b"\r\xff\xffABCDE", np.float32).reshape(2, 1),
        [[1, 2], [3, 4]],
        np.array([[np.nan, np.inf], [0.1, -1e-45]], np.float32),
    ],
)
def test_points_come_back(tmp_path: Path, points: Any) -> None:
    """Whatever the numbers, the plugin reads the same float32 again."""
    embedding(tmp_path, "e", points, step=3).write()
    expected = np.asarray(points.detach() if hasattr(points, "detach") else points, np.float32)
    got = projected(tmp_path)
    assert ["e:00003"] == list(got)
    assert expected.tobytes() == got["e:00003"].astype(np.float32).tobytes()
    assert list(expected.shape) == list(config(tmp_path)["e:00003"].tensor_shape)


def test_layout_is_torchs(tmp_path: Path) -> None:
    """Folder, names, config, labels and sprite are as torch makes them; only the points are binary."""
    images = torch.rand(6, 3, 5, 5)
    labels = ["a", "b", "c", "d", "e", "f"]
    with SummaryWriter(str(tmp_path / "torch")) as writer:
        writer.add_embedding(torch.tensor(POINTS), labels, images, 42, r"my/tag\%")
    embedding(tmp_path / "ours", r"my/tag\%", POINTS, metadata=labels, label_img=images, step=42).write()
    (theirs,), (ours,) = config(tmp_path / "torch").values(), config(tmp_path / "ours").values()
    assert theirs.tensor_name == ours.tensor_name
    assert theirs.tensor_path.replace(".tsv", ".bytes") == ours.tensor_path
    assert theirs.metadata_path == ours.metadata_path
    assert theirs.sprite == ours.sprite
    for name in (theirs.metadata_path, theirs.sprite.image_path):
        assert (tmp_path / "ours" / name).exists()
    labels_file = theirs.metadata_path
    assert (tmp_path / "torch" / labels_file).read_text() == (tmp_path / "ours" / labels_file).read_text()
    pixels = [np.asarray(Image.open(tmp_path / run / theirs.sprite.image_path)) for run in ("torch", "ours")]
    assert pixels[0].tolist() == pixels[1].tolist()


def lines(logdir: Path) -> list[list[str]]:
    """Cells of the lines that the projector does not skip."""
    (info,) = config(logdir).values()
    text = (logdir / info.metadata_path).read_text()
    return [line.split("\t") for line in text.split("\n") if line.strip()]


def test_labels(tmp_path: Path) -> None:
    """One line a point, whatever a label holds: no line may look empty or like a header."""
    odd = ["a\tb", "", " ", "c\nd", 3.5, None]
    embedding(tmp_path, "e", POINTS, metadata=odd).write()
    assert [["a b"], ["-"], ["-"], ["c d"], ["3.5"], ["None"]] == lines(tmp_path)


def test_columns(tmp_path: Path) -> None:
    """A header makes columns; a header of one column would be taken for a point."""
    rows = [(i, "x\ty") if i else ("", "") for i in range(6)]
    embedding(tmp_path / "two", "e", POINTS, metadata=rows, metadata_header=["n", "tab\tbed"]).write()
    assert [["n", "tab bed"], ["-", ""]] == lines(tmp_path / "two")[:2]
    assert [["5", "x y"]] == lines(tmp_path / "two")[6:]
    embedding(tmp_path / "one", "e", POINTS, metadata=[[i] for i in range(6)], metadata_header=["n"]).write()
    assert [[str(i)] for i in range(6)] == lines(tmp_path / "one")


@pytest.mark.parametrize("shape", [(6, 1, 2, 3), (6, 3, 2, 3), (6, 4, 2, 2), (6, 2, 5, 3), (6, 5, 2, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "bool"])
def test_sprite(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    """A square grid, row by row: both layouts, 1, 3 and 4 channels, ints as they are, floats from 0 to 1."""
    images = np.random.default_rng(0).integers(0, 256, shape)
    given = {"float32": images / np.float32(255), "bool": images > 99}.get(dtype, images).astype(dtype)
    embedding(tmp_path, "e", POINTS, label_img=given).write()
    (info,) = config(tmp_path).values()
    shown = (given * 255 if dtype in ("bool", "float32") else given).astype(np.uint8)
    if shape[1] in (1, 3, 4):
        shown = shown.transpose(0, 2, 3, 1)
    if shown.shape[3] == 1:
        shown = shown.repeat(3, axis=3)
    width, height = info.sprite.single_image_dim
    assert (height, width) == shown.shape[1:3]
    sprite = np.asarray(Image.open(tmp_path / info.sprite.image_path))
    assert sprite.shape == (3 * height, 3 * width, shown.shape[3])
    for index, image in enumerate(shown):
        top, left = index // 3 * height, index % 3 * width
        assert image.tolist() == sprite[top : top + height, left : left + width].tolist()
    assert not sprite[2 * height :].any()


def test_a_large_sprite_is_scaled_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To what the projector loads, with the images' means and sides kept."""
    monkeypatch.setattr(module, "_LARGEST_SPRITE", 64)
    images = np.zeros((10, 3, 40, 30), np.uint8)
    images[3] = 200
    images[4, :, :, :15] = 100
    embedding(tmp_path, "e", np.ones((10, 2)), label_img=images).write()
    (info,) = config(tmp_path).values()
    sprite = np.asarray(Image.open(tmp_path / info.sprite.image_path))
    assert [12, 16] == list(info.sprite.single_image_dim)
    assert sprite.shape == (64, 48, 3)
    assert (sprite[:16, 36:] == 200).all()
    assert sprite[16:32, :12].mean() == pytest.approx(50, abs=1)


def test_embeddings_share_a_config(tmp_path: Path) -> None:
    """Other tags and steps stay, the same one is replaced, and what others wrote is kept."""
    (tmp_path / metadata.PROJECTOR_FILENAME).write_text(
        'model_checkpoint_path: "ckpt"\nembeddings { tensor_name: "layer" metadata_path: "m" }\n'
    )
    for tag, step in (("a", 0), ("b", 0), ("a", 1), ("a", 0)):
        embedding(tmp_path, tag, POINTS, step=step, metadata=range(6)).write()
    assert ["layer", "b:00000", "a:00001", "a:00000"] == list(config(tmp_path))
    text = (tmp_path / metadata.PROJECTOR_FILENAME).read_text()
    assert text_format.Parse(text, ProjectorConfig()).model_checkpoint_path == "ckpt"
    leftovers = [path.name for path in tmp_path.rglob(".*") if path.is_file()]
    assert [f".{metadata.PROJECTOR_FILENAME}.lock"] == leftovers


def test_writers_do_not_lose_each_others_entries(tmp_path: Path) -> None:
    """Threads and processes that add at the same time all end up in the config."""
    program = (
        "import sys; from eventwriter.summary.embedding import embedding\n"
        "for i in range(15): embedding(sys.argv[1], f'{sys.argv[2]}-{i}', [[1.5, 2]]).write()"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, tmp_path, f"p{n}"]) for n in range(2)]

    def work(name: str) -> None:
        for i in range(15):
            embedding(tmp_path, f"{name}-{i}", [[1.5, 2]]).write()

    threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [0, 0] == [process.wait() for process in processes]
    expected = {f"{name}-{i}:00000" for name in ("p0", "p1", "t0", "t1") for i in range(15)}
    assert expected == set(config(tmp_path))


def test_a_broken_config_is_not_overwritten(tmp_path: Path) -> None:
    """What cannot be parsed may be somebody's work: it stays, and the error says so."""
    (tmp_path / metadata.PROJECTOR_FILENAME).write_text("not { a config")
    with pytest.raises(ValueError, match="want a projector config"):
        embedding(tmp_path, "e", POINTS).write()
    assert (tmp_path / metadata.PROJECTOR_FILENAME).read_text() == "not { a config"


def test_snapshot(tmp_path: Path) -> None:
    """Points, labels and images can change after the call; nothing is written before `write`."""
    points, labels, images = POINTS.copy(), ["a"] * 6, np.full((6, 3, 2, 2), 7, np.uint8)
    files = embedding(tmp_path, "e", points, metadata=labels, label_img=images)
    assert not list(tmp_path.iterdir())
    points[:], labels[0], images[:] = 0, "b", 0
    files.write()
    folder = tmp_path / "00000" / "e"
    assert POINTS.tobytes() == (folder / "tensors.bytes").read_bytes()
    assert (folder / "metadata.tsv").read_text() == "a\n" * 6
    assert np.asarray(Image.open(io.BytesIO((folder / "sprite.png").read_bytes()))).max() == 7
    assert POINTS.nbytes + 6 + images.nbytes == files.nbytes


@pytest.mark.parametrize("tag", ["..", ".", "../../up", "a\0b", "/abs"])
def test_no_tag_leaves_the_folder(tmp_path: Path, tag: str) -> None:
    """Whatever a tag is, its files are in a folder of their own below the step's."""
    embedding(tmp_path, tag, POINTS, step=1).write()
    (path,) = tmp_path.rglob("tensors.bytes")
    assert path.parent.parent == tmp_path / "00001"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: embedding("x", "e", [1, 2]), ValueError, ["'e'", "[n, d]", "(2,)"]),
        (lambda: embedding("x", "e", [[]]), ValueError, ["'e'", "[n, d]", "(1, 0)"]),
        (lambda: embedding("x", "e", [["a"]]), TypeError, ["'e'", "<U1"]),
        (lambda: embedding("x", "e" * 256, POINTS), ValueError, ["e", "255 bytes"]),
        (lambda: embedding("x", "e", POINTS, metadata=["a"]), ValueError, ["'e'", "6", "1"]),
        (
            lambda: embedding("x", "e", POINTS, metadata=[["a"]] * 6, metadata_header=["a", "b"]),
            ValueError,
            ["'e'", "2 columns", "got 1"],
        ),
        (
            lambda: embedding("x", "e", POINTS, metadata=["ab"] * 6, metadata_header=["a", "b"]),
            ValueError,
            ["'e'", "2 columns", "got str"],
        ),
        (lambda: embedding("x", "e", POINTS, label_img=np.zeros((5, 3, 2, 2))), ValueError, ["'e'", "[6", "(5"]),
        (lambda: embedding("x", "e", POINTS, label_img=np.zeros((6, 2, 2))), ValueError, ["'e'", "(6, 2, 2)"]),
        (lambda: embedding("x", "e", POINTS, label_img=np.zeros((6, 5, 5, 5))), ValueError, ["'e'", "1, 3 or 4"]),
    ],
)
def test_bad_input_raises_in_the_call(call: Callable[[], object], error: type[Exception], words: list[str]) -> None:
    """With the tag, what was got and what was wanted."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
