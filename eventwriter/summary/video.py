"""Video clips, as animated GIFs for TensorBoard's Images dashboard.

Knows: how a batch of clips becomes one. Must not know: what number is white (`_pixels`), GIF.
"""

from __future__ import annotations

from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt

from eventwriter import _gif
from eventwriter._proto.summary_pb2 import Summary
from eventwriter.summary import _pixels
from eventwriter.summary._arguments import positive
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._image_value import image_value
from eventwriter.summary._metadata import check_texts

_FASTEST = 50
_SLOWEST = 1 / 600


def video(
    tag: str,
    data: Any,
    *,
    fps: SupportsFloat = 4,
    dataformats: str | None = None,
    legacy: bool = False,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """A clip, or several side by side, as a GIF that repeats for ever.

    Args:
        data: real numbers or bools of a clip's frames, or of several clips of one size; or a list of frames. Numbers
            are drawn as in `image`, floats of all frames on one scale; RGBA on white. Up to 256 colours in a frame are
            exact.
        fps: frames per second, at least 1/600. A browser shows at most 50, and so many are written.
        dataformats: the letters T, H, W and, unless it is grey, C, of several clips also N, in the order of data's
            dimensions. None: "NTCHW" or "NTHWC", "TCHW" or "THWC", where 1, 3 or 4 channels are, else "THW".
        legacy: a `Summary.Image`, as torch writes.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted, and what may have been meant.
    """
    what = f"video {tag!r}"
    check_texts(what, description, display_name)
    rate = _rate(what, fps)
    clips = _clips(what, data, dataformats)

    def encode() -> list[Summary.Value]:
        frames = _frames(what, clips)
        gif = _gif.encode(frames, rate)
        return [
            image_value(tag, [gif], frames.shape[1:], legacy=legacy, description=description, display_name=display_name)
        ]

    return Deferred(clips.nbytes, encode, what)


def _rate(what: str, fps: SupportsFloat) -> float:
    rate = positive(what, "fps", fps)
    if rate < _SLOWEST:
        raise ValueError(f"{what}: want fps of at least 1/600, got {rate:g}")
    return min(rate, _FASTEST)


def _clips(what: str, data: Any, dataformats: str | None) -> npt.NDArray[Any]:
    """[clips, frames, height, width, channels]."""
    array = _pixels.copied(what, data)
    several = array.ndim == 5 if dataformats is None else "N" in str(dataformats).upper()
    clips = _pixels.arranged(what, array, dataformats, "NT" if several else "T")
    return clips if several else clips[None]


def _frames(what: str, clips: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """[frames, height, width, channels]: all clips in a grid on black, as torch's: its sides are powers of two."""
    count, length, height, width, _ = clips.shape
    drawn = [_opaque(picture) for picture in _pixels.drawn(what, [frame for clip in clips for frame in clip])]
    channels = max(picture.shape[2] for picture in drawn)  # a grey frame with a NaN has become RGB
    rows = 2 ** ((count.bit_length() - 1) // 2)
    columns = 2 ** (count - 1).bit_length() // rows
    frames = np.zeros((length, rows, height, columns, width, channels), np.uint8)
    for index, picture in enumerate(drawn):
        clip, time = divmod(index, length)
        frames[time, clip // columns, :, clip % columns] = picture
    return frames.reshape(length, rows * height, columns * width, channels)


def _opaque(pixels: _pixels.Pixels) -> npt.NDArray[np.uint8]:
    """Of 8 bits; RGBA on white."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    if pixels.shape[2] < 4:
        return pixels.astype(np.uint8, copy=False)
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
