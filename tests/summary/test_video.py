"""Videos: what a reader of GIFs finds in what TensorBoard's image plugin gets to see."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE
from tensorboard.plugins.image import metadata
from tensorboard_values import array, read
from torch.utils.tensorboard._utils import _prepare_video

from eventwriter.summary import _warned
from eventwriter.summary._deferred import Deferred
from eventwriter.summary.video import video, video_legacy

RANDOM = np.random.default_rng(0)
# [clips, frames, channels, height, width] of few enough colours to be exact
RGB = RANDOM.choice([0, 30, 128, 255], (3, 4, 3, 5, 7)).astype(np.uint8)
GREY = RANDOM.integers(0, 256, (1, 3, 1, 8, 9), dtype=np.uint8)


@pytest.fixture(autouse=True)
def _nothing_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_warned, "_warned", set())


def decoded(gif: bytes) -> npt.NDArray[np.uint8]:
    """[frames, height, width, 3]"""
    with Image.open(io.BytesIO(gif)) as file:
        frames = []
        for n in range(file.n_frames):  # type: ignore[attr-defined] # of the GIF plugin
            file.seek(n)
            frames.append(np.asarray(file.convert("RGB")))
    return np.stack(frames)


def seen(deferred: Deferred) -> npt.NDArray[np.uint8]:
    """[frames, height, width, 3], as the plugin gets to see it."""
    (value,) = read(deferred)
    width, height, gif = array(value)
    frames = decoded(gif)
    assert (int(height), int(width)) == frames.shape[1:3]
    return frames


def clip(data: npt.NDArray[Any], n: int = 0) -> npt.NDArray[Any]:
    """The n-th clip of [clips, frames, channels, height, width], as `seen` has it."""
    return np.broadcast_to(np.moveaxis(data[n], 1, -1), (*data[n, :, 0].shape, 3))


@pytest.mark.parametrize("function", [video, video_legacy])
@pytest.mark.parametrize("data", [RGB[:1], GREY])
def test_uint8_is_kept(function: Callable[..., Deferred], data: npt.NDArray[np.uint8]) -> None:
    """Pixel by pixel, grey and RGB."""
    np.testing.assert_array_equal(clip(data), seen(function("v", data)))


@pytest.mark.parametrize("order", ["NTHWC", "tnchw", "WHCTN", "TCHW", "THWC", "HWT", "NTHW"])
def test_dataformats(order: str) -> None:
    """Any order of the dimensions, with N and C or without."""
    data = RGB[:1] if "C" in order.upper() else GREY
    axes = ["NTCHW".index(axis) for axis in order.upper()]
    left_out = [n for n in range(5) if n not in axes]
    shown = data.transpose(axes + left_out).reshape([data.shape[n] for n in axes])
    np.testing.assert_array_equal(clip(data), seen(video("v", shown, dataformats=order)))


@pytest.mark.parametrize(
    ("count", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (3, 2, 2), (5, 2, 3), (9, 3, 3), (10, 3, 4)]
)
def test_grid(count: int, rows: int, columns: int) -> None:
    """Clips are side by side, row by row, and what is left over is black."""
    data = RANDOM.choice([1, 99, 255], (count, 2, 1, 4, 6)).astype(np.uint8)
    frames = seen(video("v", data))
    assert (2, rows * 4, columns * 6, 3) == frames.shape
    cells = frames.reshape(2, rows, 4, columns, 6, 3).transpose(1, 3, 0, 2, 4, 5).reshape(-1, 2, 4, 6, 3)
    for n in range(count):
        np.testing.assert_array_equal(clip(data, n), cells[n])
    assert not cells[count:].any()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 16, 17])
def test_legacy_grid_is_torchs(count: int) -> None:
    """Padded to a power of two."""
    data = RANDOM.choice([0, 30, 255], (count, 2, 3, 4, 6)).astype(np.uint8)
    expected = np.rint(_prepare_video(data) * 255).astype(np.uint8)
    np.testing.assert_array_equal(expected, seen(video_legacy("v", data)))


def test_metadata() -> None:
    """The image plugin's, with its data class; the legacy value is an image with its size."""
    (value,) = read(video("v", GREY, description="d", display_name="n"))
    expected = metadata.create_summary_metadata("n", "d")
    expected.data_class = DATA_CLASS_BLOB_SEQUENCE
    assert expected == value.metadata
    (value,) = read(video_legacy("v", RGB))
    assert (5, 28, 3) == (value.image.height, value.image.width, value.image.colorspace)


@pytest.mark.parametrize(
    ("fps", "expected"), [(4, [250] * 4), (25.0, [40] * 4), (30, [30, 40, 30, 30]), (1e6, [20] * 4)]
)
def test_fps(fps: float, expected: list[int]) -> None:
    """Is right on average; what is too fast for browsers becomes 50."""
    (value,) = read(video("v", RGB, fps=fps))
    with Image.open(io.BytesIO(array(value)[2])) as file:
        durations = []
        for n in range(4):
            file.seek(n)
            durations.append(file.info["duration"])
        assert 0 == file.info["loop"]
    assert expected == durations


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ([False, True], [0, 255]),
        (np.uint16([0, 257, 65535]), [0, 1, 255]),
        (np.int64([0, 7, 255]), [0, 7, 255]),
        (np.float16([0, 0.5, 1]), [0, 128, 255]),
        (np.float32(np.arange(256) / 255), list(range(256))),
        (np.float64([[0, 0.5], [1, 255]]), [[0, 0], [1, 255]]),
    ],
)
def test_ranges(data: Any, expected: list[Any]) -> None:
    """Are those of images, the same for all frames."""
    frames = np.atleast_2d(data)[:, None]
    assert np.atleast_2d(expected).tolist() == seen(video("v", frames, dataformats="THW"))[:, 0, :, 0].tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_nan_is_seen(channels: int, caplog: pytest.LogCaptureFixture) -> None:
    """In magenta, also in a grey video."""
    data = np.zeros((1, 2, channels, 4, 4), np.float32)
    data[0, 1, 0, 2, 3] = np.nan
    with caplog.at_level(logging.WARNING, "eventwriter"):
        frames = seen(video("v", data))
    assert (255, 0, 255) == tuple(frames[1, 2, 3])
    assert 2 * 255 == frames.sum()
    (record,) = caplog.records
    assert "video 'v': NaN" in record.getMessage()
    assert (255, 0, 255) == tuple(seen(video("all", np.full((1, 2, 2), np.nan), dataformats="THW"))[0, 0, 0])


@pytest.mark.parametrize("function", [video, video_legacy])
def test_snapshot(function: Callable[..., Deferred]) -> None:
    """The tensor can change after the call; reading twice is the same."""
    data = torch.tensor(GREY)
    deferred = function("v", data)
    data[:] = 0
    np.testing.assert_array_equal(clip(GREY), seen(deferred))
    np.testing.assert_array_equal(clip(GREY), seen(deferred))
    assert GREY.nbytes == deferred.nbytes


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: video("v", np.zeros((1, 4, 5, 5, 3))), ValueError, ["'v'", "1 or 3", "got 5", "dataformats='NTHWC'?"]),
        (lambda: video("v", np.zeros((1, 4, 4, 5, 5))), ValueError, ["'v'", "1 or 3", "got 4", "as NTCHW"]),
        (lambda: video("v", np.zeros((4, 3, 5, 5))), ValueError, ["'v'", "NTCHW", "(4, 3, 5, 5)"]),
        (lambda: video("v", np.zeros((1, 0, 3, 5, 5))), ValueError, ["'v'", "one pixel", "(1, 0, 3, 5, 5)"]),
        (lambda: video("v", np.zeros((0, 1, 3, 5, 5))), ValueError, ["'v'", "one pixel"]),
        (lambda: video("v", np.zeros((2, 1, 1, 1, 40000), np.uint8)), ValueError, ["'v'", "65535", "80000 by 1"]),
        (lambda: video("v", GREY, dataformats="NTCHX"), ValueError, ["'v'", "letters", "NTCHX"]),
        (lambda: video("v", GREY, dataformats="NTTHW"), ValueError, ["'v'", "letters", "NTTHW"]),
        (lambda: video("v", GREY, dataformats="NCHW"), ValueError, ["'v'", "letters", "NCHW"]),
        (lambda: video("v", GREY, dataformats=5), TypeError, ["'v'", "dataformats", "int"]),
        (lambda: video("v", GREY, fps=0), ValueError, ["'v'", "fps", "got 0"]),
        (lambda: video("v", GREY, fps=float("nan")), ValueError, ["'v'", "fps", "nan"]),
        (lambda: video_legacy("v", GREY, fps="fast"), TypeError, ["'v'", "fps", "str"]),
        (lambda: video("v", GREY.astype(complex)), TypeError, ["'v'", "complex128"]),
        (lambda: video("v", "cat.mp4"), TypeError, ["'v'", "<U7"]),
        (lambda: video("v", None), TypeError, ["'v'", "NoneType"]),
        (lambda: video("v", GREY, display_name=1), TypeError, ["'v'", "display_name"]),
    ],
)
def test_bad_input_raises_in_the_call(call: Callable[[], object], error: type[Exception], words: list[str]) -> None:
    """With the tag, what was got, what was wanted and the likely fix."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
