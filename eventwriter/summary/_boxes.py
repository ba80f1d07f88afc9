"""Boxes drawn on pixels.

Knows: what a box and its label look like. Must not know: files, protobuf, plugins. Only labels need Pillow, and only
for the letters.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eventwriter import _array
from eventwriter.summary._pixels import Image8, with_colour

_RED = (255, 0, 0, 255)
_BLACK = (0, 0, 0, 255)
_THICKNESS = 2
_MARGIN = 1  # pixels around a label

Boxes = npt.NDArray[np.int64]


def check(what: str, boxes: Any, labels: Sequence[Any] | str | None) -> tuple[Boxes, list[str] | None]:
    """A snapshot of the boxes, in whole pixels as [n, (left, top, right, bottom)], and of their labels.

    Raises:
        TypeError, ValueError: with what was got and what was wanted; ImportError: labels without Pillow.
    """
    numbers = _array.snapshot(boxes, f"{what}: boxes")
    if numbers.dtype.kind not in "iuf":
        raise TypeError(f"{what}: want real numbers as boxes, got dtype {numbers.dtype}")
    if numbers.size == 0:
        numbers = numbers.reshape(0, 4)
    elif numbers.shape == (4,):
        numbers = numbers[None]
    if numbers.ndim != 2 or numbers.shape[1] != 4:
        raise ValueError(f"{what}: want boxes [n, 4] of left, top, right, bottom, got shape {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{what}: want finite numbers as boxes, got NaN or infinity")
    # Far outside is as good as further outside, and fits.
    pixels = np.rint(np.clip(numbers.astype(np.float64), -1e9, 1e9)).astype(np.int64)
    first, second = pixels[:, :2], pixels[:, 2:]
    corners = np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)
    if labels is None:
        return corners, None
    words = [labels] if isinstance(labels, str) else [" ".join(str(label).split()) for label in labels]
    if len(words) != len(corners):
        raise ValueError(f"{what}: want a label for each box, got {len(corners)} boxes and {len(words)} labels")
    try:
        _font()  # here: a fork while the flush thread imports breaks the child
    except ImportError as error:
        raise ImportError(f"{what}: want Pillow to draw labels (pip install eventwriter[media]): {error}") from error
    return corners, words


def draw(image: Image8, boxes: Boxes, labels: Sequence[str] | None) -> Image8:
    """The image in colour, with red outlines inside the boxes' edges, and labels at their lower left."""
    drawn = with_colour(image)
    if drawn is image:
        drawn = image.copy(order="K")
    for left, top, right, bottom in boxes.tolist():
        inner_left, inner_top = min(left + _THICKNESS, right + 1), min(top + _THICKNESS, bottom + 1)
        _fill(drawn, left, top, right + 1, inner_top, _RED)
        _fill(drawn, left, bottom + 1 - _THICKNESS, right + 1, bottom + 1, _RED)
        _fill(drawn, left, top, inner_left, bottom + 1, _RED)
        _fill(drawn, right + 1 - _THICKNESS, top, right + 1, bottom + 1, _RED)
    for (left, _, _, bottom), label in zip(boxes.tolist(), labels or (), strict=False):
        if label:
            _write(drawn, left, bottom + 1, label)
    return drawn


def _fill(image: Image8, left: int, top: int, right: int, bottom: int, colour: tuple[int, ...]) -> None:
    """The part of a rectangle that lies in the image. Right and bottom are the first pixels outside."""
    part = image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    for channel in range(image.shape[2]):
        part[..., channel] = colour[channel]


def _write(image: Image8, left: int, bottom: int, label: str) -> None:
    """Black on red, moved into the image if it would stick out below it or on the left or top."""
    letters = _letters(label)
    height, width = letters.shape[0] + 2 * _MARGIN, letters.shape[1] + 2 * _MARGIN
    left = max(0, min(left, image.shape[1] - width))
    top = max(0, min(bottom, image.shape[0]) - height)
    _fill(image, left, top, left + width, top + height, _RED)
    part = image[top + _MARGIN : top + height, left + _MARGIN : left + width]
    rows, columns = min(part.shape[0], letters.shape[0]), min(part.shape[1], letters.shape[1])
    ink = letters[:rows, :columns].astype(np.uint16)
    for channel in range(image.shape[2]):
        mixed = (_RED[channel] * (255 - ink) + _BLACK[channel] * ink) // 255
        part[:rows, :columns, channel] = mixed


def _letters(label: str) -> npt.NDArray[np.uint8]:
    """How much ink is where, 0 to 255."""
    from PIL import Image, ImageDraw

    font = _font()
    try:
        left, top, right, bottom = font.getbbox(label)
    except UnicodeError:  # Pillow without FreeType has letters of Latin-1 only
        label = label.encode("latin-1", "replace").decode("latin-1")
        left, top, right, bottom = font.getbbox(label)
    size = max(1, int(np.ceil(right - left))), max(1, int(np.ceil(bottom - top)))
    canvas = Image.new("L", size)
    ImageDraw.Draw(canvas).text((-left, -top), label, fill=255, font=font)
    return np.asarray(canvas)


@functools.cache
def _font() -> Any:
    from PIL import Image, ImageDraw, ImageFont  # noqa: F401 -- all that `_letters` will need

    return ImageFont.load_default()
