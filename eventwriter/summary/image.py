"""Images, for TensorBoard's Images dashboard.

Knows: what the images plugin reads: a string tensor [width, height, PNG, PNG, …] (tensorboard/plugins/image/
summary_v2.py), and the message `Summary.Image` of older writers, which torch still writes. Must not know: other kinds.

TensorBoard shows all images of a value at one width and height, those of the first.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex

import numpy as np

from eventwriter import _png
from eventwriter._proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary
from eventwriter._proto.types_pb2 import DT_STRING
from eventwriter.summary import _boxes, _pixels
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import check_texts, metadata
from eventwriter.summary._pixels import Image, Image8

_GRID_COLUMNS = 8  # torch's


def image(
    tag: str,
    data: Any,
    *,
    dataformats: str | None = None,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """One image.

    Args:
        data: an array [height, width], [height, width, channels] or [channels, height, width], or a PIL image. 1
            channel is grey, 2 grey and alpha, 3 RGB, 4 RGBA. uint8 is shown as it is; bools are black and white;
            uint16 reaches to 65535; other ints are clipped to 0 to 255. Floats reach from 0 to 1; if some are above 4,
            they are taken as 0 to 255. What is outside is clipped, NaN is drawn in magenta, and of both a warning is
            logged, once for each tag.
        dataformats: the letters H, W and C in the order of the axes, such as "CHW". None: to be told by the shape;
            the last axis is the channels if its size is 1, 3 or 4, else the first.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"image {tag!r}"
    check_texts(what, description, display_name)
    pixels = _pixels.take(what, data, dataformats)
    return Deferred(
        pixels.nbytes,
        lambda: [_new_style(tag, list(_pixels.eight_bits(what, [pixels])), description, display_name)],
        what,
    )


def images(
    tag: str,
    data: Any,
    *,
    dataformats: str | None = None,
    max_outputs: SupportsIndex | None = None,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """Several images under one tag and step.

    Args:
        data: an array with one more axis than that of `image`, or a sequence of images, which may differ in size.
        dataformats: as of `image`, with N for the images; for a sequence N may be left out.
        max_outputs: only so many are shown, the first.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"images {tag!r}"
    check_texts(what, description, display_name)
    batch = _pixels.take_batch(what, data, dataformats, _most(what, max_outputs))
    return Deferred(
        sum(each.nbytes for each in batch),
        lambda: [_new_style(tag, list(_pixels.eight_bits(what, batch)), description, display_name)],
        what,
    )


def image_with_boxes(
    tag: str,
    data: Any,
    boxes: Any,
    *,
    labels: Sequence[Any] | str | None = None,
    dataformats: str | None = None,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """One image with boxes drawn on it in red.

    Args:
        data, dataformats: as of `image`.
        boxes: [n, 4] numbers: left, top, right and bottom in pixels, both edges included.
        labels: a word for each box. They need Pillow.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted. ImportError: labels without Pillow.
    """
    what = f"image_with_boxes {tag!r}"
    check_texts(what, description, display_name)
    corners, words = _boxes.check(what, boxes, labels)
    pixels = _pixels.take(what, data, dataformats)

    def encode() -> list[Summary.Value]:
        (plain,) = _pixels.eight_bits(what, [pixels])
        return [_new_style(tag, [_boxes.draw(plain, corners, words)], description, display_name)]

    return Deferred(pixels.nbytes + corners.nbytes, encode, what)


def image_legacy(tag: str, data: Any, *, dataformats: str = "CHW", rescale: float = 1) -> Deferred:
    """A legacy image, as torch's `SummaryWriter.add_image` and `add_images` write.

    Args:
        data: as of `image`, or with N among `dataformats` as of `images`: those are shown in a grid of up to 8
            columns, filled row by row.
        rescale: what width and height of the PNG are multiplied by, but not those of the message, as in torch. Other
            than 1 it needs Pillow.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted. ImportError: `rescale` without Pillow.
    """
    what = f"image {tag!r}"
    _check_rescale(what, rescale)
    several = isinstance(dataformats, str) and "N" in dataformats.upper()
    batch = _pixels.take_batch(what, data, dataformats) if several else [_pixels.take(what, data, dataformats)]
    shapes = list(dict.fromkeys(each.shape for each in batch))
    if len(shapes) > 1:
        raise ValueError(f"{what}: want images of one shape for a grid, got {shapes[0]} and {shapes[1]}")

    def encode() -> list[Summary.Value]:
        converted = list(_pixels.eight_bits(what, batch))
        return [_legacy(tag, _grid(converted) if several else converted[0], rescale)]

    return Deferred(sum(each.nbytes for each in batch), encode, what)


def boxes_legacy(
    tag: str,
    data: Any,
    boxes: Any,
    *,
    labels: Sequence[Any] | str | None = None,
    dataformats: str = "CHW",
    rescale: float = 1,
) -> Deferred:
    """A legacy image with boxes, as torch's `SummaryWriter.add_image_with_boxes` writes.

    Args:
        data, dataformats, rescale: as of `image_legacy`, without N.
        boxes, labels: as of `image_with_boxes`, in pixels before `rescale`.
    """
    what = f"image {tag!r}"
    _check_rescale(what, rescale)
    corners, words = _boxes.check(what, boxes, labels)
    pixels = _pixels.take(what, data, dataformats)

    def encode() -> list[Summary.Value]:
        (plain,) = _pixels.eight_bits(what, [pixels])
        return [_legacy(tag, _boxes.draw(plain, corners, words), rescale)]

    return Deferred(pixels.nbytes + corners.nbytes, encode, what)


# ---- what is checked in the call


def _most(what: str, max_outputs: SupportsIndex | None) -> int | None:
    if max_outputs is None:
        return None
    try:
        number = operator.index(max_outputs)
    except TypeError:
        raise TypeError(f"{what}: want an int or None as max_outputs, got {type(max_outputs).__name__}") from None
    if number < 1:
        raise ValueError(f"{what}: want max_outputs of at least 1, got {number}")
    return number


def _check_rescale(what: str, rescale: float) -> None:
    try:
        number = float(rescale)
    except (TypeError, ValueError):
        raise TypeError(f"{what}: want a number as rescale, got {type(rescale).__name__}") from None
    if not 0 < number < math.inf:
        raise ValueError(f"{what}: want a finite rescale above 0, got {rescale}")
    if number != 1:
        try:
            # Here and not where it is used: a fork while the flush thread imports breaks the child.
            import PIL.Image  # noqa: F401 -- `_rescaled` uses it
        except ImportError as error:
            raise ImportError(f"{what}: want Pillow to rescale (pip install eventwriter[media]): {error}") from error


# ---- what the flush thread does


def _new_style(tag: str, batch: list[Image8], description: str | None, display_name: str | None) -> Summary.Value:
    height, width = batch[0].shape[:2]
    # The plugin's content is an `ImagePluginData` of version 0: no bytes.
    about = metadata("images", b"", DATA_CLASS_BLOB_SEQUENCE, description, display_name)
    value = Summary.Value(tag=tag, metadata=about)
    value.tensor.dtype = DT_STRING
    value.tensor.tensor_shape.dim.add(size=2 + len(batch))
    value.tensor.string_val.extend([str(width).encode(), str(height).encode()])
    for each in batch:  # one by one, in place: protobuf keeps other threads waiting while it copies
        value.tensor.string_val.append(_png.encode(each))
    return value


def _legacy(tag: str, pixels: Image8, rescale: float) -> Summary.Value:
    height, width, channels = pixels.shape
    if rescale != 1:
        pixels = _rescaled(pixels, max(1, int(width * rescale)), max(1, int(height * rescale)))
    png = _png.encode(pixels)
    content = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=png)
    return Summary.Value(tag=tag, image=content)


def _rescaled(pixels: Image8, width: int, height: int) -> Image8:
    from PIL import Image as pil  # noqa: N813 -- `Image` is our own type

    channels = pixels.shape[2]
    plain = np.ascontiguousarray(pixels[..., 0] if channels == 1 else pixels)
    resized = np.asarray(pil.fromarray(plain).resize((width, height), pil.Resampling.LANCZOS))
    return resized.reshape(height, width, channels)


def _grid(batch: Sequence[Image]) -> Image8:
    """The images side by side, in as many rows as it takes; what is left of the last is black."""
    if any(each.shape != batch[0].shape for each in batch):  # where NaN made some grey ones colour
        batch = [_pixels.with_colour(each) for each in batch]
    height, width, channels = batch[0].shape
    columns = min(len(batch), _GRID_COLUMNS)
    rows = -(-len(batch) // columns)
    canvas = np.zeros((rows, height, columns, width, channels), np.uint8)
    for i, each in enumerate(batch):
        for channel in range(channels):
            canvas[i // columns, :, i % columns, :, channel] = each[..., channel]
    return canvas.reshape(rows * height, columns * width, channels)
