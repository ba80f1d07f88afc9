"""Images, for TensorBoard's Images dashboard and the image cards of Time Series.

Knows: one image, several, and one with boxes. Must not know: what number is white (`_pixels`), PNG, the form in a file
(`_image_value`), other kinds.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
import numpy.typing as npt

from eventwriter import _array, _png
from eventwriter._proto.summary_pb2 import Summary
from eventwriter.summary import _boxes, _pixels
from eventwriter.summary._arguments import at_least_one, positive
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._image_value import image_value
from eventwriter.summary._metadata import check_texts


def image(
    tag: str,
    data: Any,
    *,
    dataformats: str | None = None,
    legacy: bool = False,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """One image.

    uint8 and uint16 are drawn as they are, bools black and white, other ints from 0 to 255. Floats are from 0 to 1; or
    from 0 to 255, if one is greater than 2 and none far below 0. What is beyond is clipped, and pixels with a NaN are
    magenta. Each of these oddities is logged once for a tag.

    Args:
        data: real numbers or bools: grey of two dimensions, or with a third of 1, 3 (RGB) or 4 (RGBA) channels; or a
            PIL image.
        dataformats: the letters H, W and C in the order of data's dimensions, such as "CHW". None: "HW"; of three
            dimensions "HWC" if the last is 1, 3 or 4, else "CHW" if the first is.
        legacy: a `Summary.Image`, as torch writes.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted, and what may have been meant.
    """
    what = f"image {tag!r}"
    check_texts(what, description, display_name)
    picture = _pixels.snapshot(what, data, dataformats)

    def encode() -> list[Summary.Value]:
        return [_value(tag, list(_pixels.drawn(what, [picture])), legacy, description, display_name)]

    return Deferred(picture.nbytes, encode, what)


def images(
    tag: str,
    data: Any,
    *,
    dataformats: str | None = None,
    max_outputs: SupportsIndex | None = None,
    grid: bool = False,
    legacy: bool = False,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """Several images, which TensorBoard shows side by side.

    Args:
        data: an array of images, or a list of arrays and PIL images, which may differ in size. Numbers as in `image`,
            floats of all images on one scale.
        dataformats: the letters N, H, W and C in the order of data's dimensions, such as "NCHW"; of a list those of
            each image (an N is ignored). None: "NHW", or "NHWC" and "NCHW" (of a list: without the N) as in `image`.
        max_outputs: only the first so many. None: all.
        grid: draw them in one image, row by row, up to 8 in a row.
        legacy: a `Summary.Image`, as torch writes; one alone, so only with `grid`.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted, and what may have been meant.
    """
    what = f"images {tag!r}"
    check_texts(what, description, display_name)
    most = None if max_outputs is None else at_least_one(what, "max_outputs", max_outputs)
    if legacy and not grid:
        raise ValueError(f"{what}: want grid=True with legacy=True, got grid=False")
    pictures = _several(what, data, dataformats, most)

    def encode() -> list[Summary.Value]:
        drawn = list(_pixels.drawn(what, pictures))
        shown = [_pixels.tiled(drawn)] if grid else drawn
        return [_value(tag, shown, legacy, description, display_name)]

    return Deferred(sum(picture.nbytes for picture in pictures), encode, what)


def image_with_boxes(
    tag: str,
    data: Any,
    boxes: Any,
    *,
    labels: Sequence[str] | None = None,
    dataformats: str | None = None,
    rescale: SupportsFloat = 1,
    color: tuple[int, int, int] = (255, 0, 0),
    legacy: bool = False,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """One image with boxes drawn on it.

    Args:
        data, dataformats, legacy: as in `image`.
        boxes: [n, 4], finite: each box's left, top, right and bottom in pixels from the upper left. n may be 0.
        labels: n words, one at each box.
        rescale: draw the image so many times as large, for boxes on an image of few pixels.
        color: red, green and blue from 0 to 255.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted, and what may have been meant.
    """
    what = f"image {tag!r}"
    check_texts(what, description, display_name)
    edges = _edges(what, boxes)
    words = _words(what, labels, len(edges))
    factor = positive(what, "rescale", rescale)
    ink = _ink(what, color)
    picture = _pixels.snapshot(what, data, dataformats)

    def encode() -> list[Summary.Value]:
        (pixels,) = _pixels.drawn(what, [picture])
        canvas = _pixels.coloured(pixels if factor == 1 else _pixels.magnified(pixels, factor))
        _boxes.draw(canvas, edges * factor, words, ink)
        return [_value(tag, [canvas], legacy, description, display_name)]

    return Deferred(picture.nbytes + edges.nbytes, encode, what)


def _value(
    tag: str, shown: Sequence[_pixels.Pixels], legacy: bool, description: str | None, display_name: str | None
) -> Summary.Value:
    files = [_png.encode(pixels) for pixels in shown]
    return image_value(tag, files, shown[0].shape, legacy=legacy, description=description, display_name=display_name)


# ---- what is checked in the call


def _several(what: str, data: Any, dataformats: str | None, most: int | None) -> list[npt.NDArray[Any]]:
    if isinstance(data, list | tuple) and data and not isinstance(data[0], list | tuple | int | float):
        each = dataformats.upper().replace("N", "") if isinstance(dataformats, str) else dataformats
        return [_pixels.snapshot(f"{what}[{index}]", item, each) for index, item in enumerate(data[:most])]
    if most is not None and (dataformats is None or str(dataformats)[:1] in ("N", "n")) and hasattr(data, "shape"):
        data = data[:most]  # before it is copied
    return list(_pixels.snapshot(what, data, dataformats, "N")[:most])


def _edges(what: str, boxes: Any) -> npt.NDArray[np.float64]:
    edges = _array.snapshot(boxes, f"{what}: boxes")
    if edges.dtype.kind not in "iuf":
        raise TypeError(f"{what}: want real numbers as boxes, got dtype {edges.dtype}")
    if edges.size == 0:
        return np.empty((0, 4))
    if edges.ndim != 2 or edges.shape[1] != 4:
        raise ValueError(f"{what}: want boxes [n, 4] (left, top, right, bottom), got shape {edges.shape}")
    if not np.isfinite(edges).all():
        raise ValueError(f"{what}: want finite boxes, got {edges[~np.isfinite(edges).all(1)][0].tolist()}")
    return edges.astype(np.float64)


def _words(what: str, labels: Sequence[str] | None, count: int) -> list[str] | None:
    if labels is None:
        return None
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise TypeError(f"{what}: want a list of strs as labels, got {labels!r}")
    if len(labels) != count:
        raise ValueError(f"{what}: want a label for each of {count} boxes, got {len(labels)}")
    return list(labels)


def _ink(what: str, color: Sequence[SupportsIndex]) -> _boxes.Colour:
    try:
        red, green, blue = map(operator.index, color)
    except (TypeError, ValueError):
        raise TypeError(f"{what}: want three ints as color, got {color!r}") from None
    if not all(0 <= part <= 255 for part in (red, green, blue)):
        raise ValueError(f"{what}: want a color from 0 to 255, got {color!r}")
    return red, green, blue
