"""torch's arguments for pictures, videos and sounds, as the core's functions want them.

Knows: what torch's and tensorboardX's methods accept; the functions of `eventwriter.summary`. Must not know: files,
steps, runs, devices, how pixels become bytes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from eventwriter.summary import Deferred
from eventwriter.summary.audio import audio_legacy
from eventwriter.summary.figure import figure_pixels
from eventwriter.summary.image import boxes_legacy, image_legacy
from eventwriter.summary.video import video_legacy
from eventwriter_torch._prepare import on_host


def image(
    tag: str, data: Any, *, dataformats: str = "CHW", rescale: float = 1, ints_times_255: bool = False
) -> Deferred:
    """An image; with N among `dataformats` several in a grid.

    Args:
        rescale: what width and height of one are multiplied by.
        ints_times_255: as torch does with all ints but uint8.
    """
    if ints_times_255:
        data = _times_255(data)
    return image_legacy(tag, data, dataformats=dataformats, rescale=rescale)


def images(tag: str, data: Any, *, dataformats: str = "NCHW", ints_times_255: bool = False) -> Deferred:
    """Several images in a grid: an array, or as in tensorboardX a list of CHW or HWC."""
    if isinstance(data, (list, tuple)) and "N" not in dataformats.upper():
        dataformats = f"N{dataformats}"
    return image(tag, data, dataformats=dataformats, ints_times_255=ints_times_255)


def image_with_boxes(
    tag: str,
    data: Any,
    boxes: Any,
    *,
    rescale: float = 1,
    dataformats: str = "CHW",
    labels: Sequence[Any] | str | None = None,
    ints_times_255: bool = False,
) -> Deferred:
    """An image with red boxes. Labels are left out if there are not as many as boxes, as in torch."""
    words = [labels] if isinstance(labels, str) else None if labels is None else [str(label) for label in labels]
    if words is not None and len(words) != len(boxes):
        words = None
    if ints_times_255:
        data = _times_255(data)
    return boxes_legacy(tag, data, boxes, labels=words, dataformats=dataformats, rescale=rescale)


def figure(tag: str, figures: Any, *, close: bool = True) -> Deferred:
    """A matplotlib figure, or a list of equally large ones in a grid."""
    what = f"figure {tag!r}"
    if not isinstance(figures, list):
        return image_legacy(tag, figure_pixels(figures, close=close, what=what), dataformats="HWC")
    return image_legacy(tag, [figure_pixels(each, close=close, what=what) for each in figures], dataformats="NHWC")


def video(tag: str, data: Any, *, fps: float = 4, dataformats: str = "NTCHW") -> Deferred:
    return video_legacy(tag, data, fps=fps, dataformats=dataformats)


def audio(tag: str, data: Any, *, sample_rate: float = 44100) -> Deferred:
    """A sound of one or two channels, which may come first, as torch's audio has them, or last, as tensorboardX's."""
    shape: Sequence[int] = getattr(data, "shape", ())
    if len(shape) == 2 and shape[0] == 2 < shape[1]:
        data = data.swapaxes(0, 1)
    return audio_legacy(tag, data, sample_rate=sample_rate)


def draw_boxes(picture: Any, boxes: Any, labels: Sequence[str] | None) -> Any:
    """A new PIL image with the boxes on it."""
    from PIL import Image

    (value,) = image_with_boxes("boxes", picture, boxes, labels=labels, dataformats="HWC").values()
    return Image.open(io.BytesIO(value.image.encoded_image_string))


def _times_255(data: Any) -> Any:
    if isinstance(data, (list, tuple)):
        return [_times_255(part) for part in data]
    array = on_host(data)
    if array.dtype.kind not in "iu" or array.dtype == np.uint8:
        return data
    return np.clip(array.astype(np.float64) * 255, 0, 255).astype(np.uint8)
