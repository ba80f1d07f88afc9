"""Videos, as animated GIFs in TensorBoard's Images dashboard.

Knows: how clips become one clip, and the two forms an image has in a file. Must not know: which number is which shade
(`_pixels`), the bytes of a GIF (`_gif`), other kinds.

New style: a string tensor of width, height and file, plugin "images" (tensorboard/plugins/image/summary_v2.py).
Legacy: a `Summary.Image`. Neither cares which format the file has; browsers do not either.
"""

from __future__ import annotations

import math
from typing import Any, Literal, SupportsFloat

import numpy as np
import numpy.typing as npt

from eventwriter import _array, _gif
from eventwriter._proto.plugin_data_pb2 import ImagePluginData
from eventwriter._proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import check_texts, metadata
from eventwriter.summary._pixels import eight_bits
from eventwriter.summary.text import string_tensor

Array = npt.NDArray[Any]
UInt8 = npt.NDArray[np.uint8]

_AXES = "NTHWC"
_FASTEST = 50  # frames per second that browsers show of a GIF
_SLOWEST = 1 / 600  # a GIF's frame lasts less than 11 minutes
_LARGEST = 2**16 - 1  # pixels a side of a GIF


def video(
    tag: str,
    data: Any,
    *,
    fps: SupportsFloat = 4,
    dataformats: str = "NTCHW",
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """One or several clips, side by side in a grid that is about square, as an animated GIF that repeats.

    Args:
        data: N clips of T frames of C channels, H high and W wide; 1 channel is grey, 3 are RGB. Numbers are black to
            white as in an image (`_pixels.eight_bits`), with one range for all frames. A GIF has 256 colours: if there
            are more, similar ones become one.
        fps: frames per second, from 1/600. More than 50, which browsers do not show, becomes 50.
        dataformats: the order of the dimensions. N and C may be missing: "THW" is one grey clip.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"video {tag!r}"
    check_texts(what, description, display_name)
    speed = _speed(what, fps)
    clips, nbytes = _clips(what, data, dataformats, "square")

    def encode() -> list[Summary.Value]:
        frames = _tiled(what, clips, "square")
        size = [str(frames.shape[axis]).encode() for axis in (2, 1)]
        tensor = string_tensor([3], [*size, _gif.encode(frames, speed)])
        # What is in the plugin's content is a version, 0: no bytes.
        content = ImagePluginData().SerializeToString()
        about = metadata("images", content, DATA_CLASS_BLOB_SEQUENCE, description, display_name)
        return [Summary.Value(tag=tag, metadata=about, tensor=tensor)]

    return Deferred(nbytes, encode, what)


def video_legacy(tag: str, data: Any, *, fps: SupportsFloat = 4, dataformats: str = "NTCHW") -> Deferred:
    """A video as torch's `SummaryWriter.add_video` means to write it, in torch's grid.

    Args:
        data, fps, dataformats: as in `video`. The grid has a power of 2 of places, one to four times as many columns
            as rows.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"video {tag!r}"
    speed = _speed(what, fps)
    clips, nbytes = _clips(what, data, dataformats, "torch")

    def encode() -> list[Summary.Value]:
        frames = _tiled(what, clips, "torch")
        _, height, width, channels = frames.shape
        image = Summary.Image(
            height=height, width=width, colorspace=channels, encoded_image_string=_gif.encode(frames, speed)
        )
        return [Summary.Value(tag=tag, image=image)]

    return Deferred(nbytes, encode, what)


Grid = Literal["square", "torch"]


def _grid(count: int, grid: Grid) -> tuple[int, int]:
    """Rows and columns for so many clips."""
    if grid == "torch":
        columns_and_rows = 1 << (count - 1).bit_length()
        rows = 1 << (count.bit_length() - 1) // 2
        return rows, columns_and_rows // rows
    columns = math.isqrt(count - 1) + 1
    return -(-count // columns), columns


# ---- what is checked in the call


def _speed(what: str, fps: SupportsFloat) -> float:
    try:
        speed = float(fps)
    except (TypeError, ValueError):
        raise TypeError(f"{what}: want a number as fps, got {type(fps).__name__}") from None
    if not _SLOWEST <= speed < math.inf:
        raise ValueError(f"{what}: want a finite fps of at least 1/600, got {speed:g}")
    return min(speed, _FASTEST)


def _clips(what: str, data: Any, dataformats: str, grid: Grid) -> tuple[Array, int]:
    """A copy as [clips, frames, height, width, channels], and its bytes."""
    order = _order(what, dataformats)
    array = _array.snapshot(data, what)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what}: want real numbers or bools, got dtype {array.dtype}")
    if array.ndim != len(order):
        raise ValueError(f"{what}: want the {len(order)} dimensions {order}, got shape {array.shape}")
    missing = [axis for axis in _AXES if axis not in order]
    clips = array[(...,) + (np.newaxis,) * len(missing)]
    clips = clips.transpose([(order + "".join(missing)).index(axis) for axis in _AXES])
    if not clips.size:
        raise ValueError(f"{what}: want at least one pixel, got shape {array.shape}")
    if clips.shape[4] not in (1, 3):
        others = [o for o in ("NTCHW", "NTHWC", "TCHW", "THWC") if len(o) == len(order) and o != order]
        fits = [o for o in others if array.shape[o.index("C")] in (1, 3)]
        hint = f": dataformats={fits[0]!r}?" if fits else ""
        raise ValueError(f"{what}: want 1 or 3 channels, got {clips.shape[4]} in shape {array.shape} as {order}{hint}")
    count, _, height, width, _ = clips.shape
    rows, columns = _grid(count, grid)
    if max(rows * height, columns * width) > _LARGEST:
        got = f"{columns * width} by {rows * height}, {columns} by {rows} clips of {width} by {height}"
        raise ValueError(f"{what}: want at most {_LARGEST} pixels a side, got {got}")
    return clips, array.nbytes


def _order(what: str, dataformats: str) -> str:
    if not isinstance(dataformats, str):
        raise TypeError(f"{what}: want a str as dataformats, got {type(dataformats).__name__}")
    order = dataformats.upper()
    if len(set(order)) < len(order) or not set("THW") <= set(order) <= set(_AXES):
        raise ValueError(f"{what}: want the letters T, H, W and maybe N and C as dataformats, got {dataformats!r}")
    return order


# ---- what the flush thread does


def _tiled(what: str, clips: Array, grid: Grid) -> UInt8:
    """[frames, height, width, channels] with all clips side by side, row by row; black where there is none."""
    count, length, height, width, _ = clips.shape
    pictures = list(eight_bits(what, [picture for clip in clips for picture in clip]))
    rows, columns = _grid(count, grid)
    channels = max(picture.shape[2] for picture in pictures)  # a grey picture with NaN has become RGB
    frames = np.zeros((length, rows * height, columns * width, channels), np.uint8)
    for number, picture in enumerate(pictures):
        clip, frame = divmod(number, length)
        row, column = divmod(clip, columns)
        top, left = row * height, column * width
        frames[frame, top : top + height, left : left + width] = picture
    return frames
