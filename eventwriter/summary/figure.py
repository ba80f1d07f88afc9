"""Figures of matplotlib, for TensorBoard's Images dashboard.

Knows: how a figure is drawn into pixels without a window, and whoever shows it being disturbed. Must not know: the
bytes of a PNG (`_png`), other kinds. matplotlib is needed only by those who have a figure, so it is loaded already.

A figure is drawn in the call, since its owner may change it after, and matplotlib is not made for threads.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eventwriter import _png
from eventwriter._proto.plugin_data_pb2 import ImagePluginData
from eventwriter._proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import check_texts, metadata
from eventwriter.summary.text import string_tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UInt8 = npt.NDArray[np.uint8]

_WHITE = 255


def figure(
    tag: str,
    figure: Figure | Sequence[Figure],
    *,
    close: bool = True,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """A figure, or several as samples of one value, as PNG in the figure's own size and resolution.

    Args:
        figure: of matplotlib, with or without pyplot. Where it is transparent it becomes white. In a list, smaller
            ones get a white margin on the right and below.
        close: whether pyplot forgets the figures, which otherwise stay in memory for good.

    Raises:
        TypeError: another object. ValueError: an empty list, or matplotlib could not draw it.
    """
    what = f"figure {tag!r}"
    check_texts(what, description, display_name)
    figures: list[Any] = list(figure) if isinstance(figure, list | tuple) else [figure]
    if not figures:
        raise ValueError(f"{what}: want a figure or several, got an empty {type(figure).__name__}")
    for each in figures:
        _check(what, each)
    pictures = [figure_pixels(each, close=close, what=what) for each in figures]

    def encode() -> list[Summary.Value]:
        height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
        files = [_png.encode(_padded(picture, height, width)) for picture in pictures]
        tensor = string_tensor([2 + len(files)], [str(width).encode(), str(height).encode(), *files])
        content = ImagePluginData().SerializeToString()
        about = metadata("images", content, DATA_CLASS_BLOB_SEQUENCE, description, display_name)
        return [Summary.Value(tag=tag, metadata=about, tensor=tensor)]

    return Deferred(sum(picture.nbytes for picture in pictures), encode, what)


def figure_pixels(figure: Figure, *, close: bool = False, what: str = "figure") -> UInt8:
    """Draws a figure: uint8 [height, width, 3], on white. It keeps the canvas, and the window, that it has.

    Args:
        close: whether pyplot forgets it then, also if it cannot be drawn.
        what: the subject of error messages.

    Raises:
        TypeError: no figure. ValueError: matplotlib could not draw it.
    """
    _check(what, figure)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    shown = figure.canvas
    try:
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        rgba = np.asarray(canvas.buffer_rgba())
    except Exception as error:  # a label's faulty TeX, a size beyond Agg's, what artists of users raise
        raise ValueError(f"{what}: want a figure that matplotlib can draw, got {error!r}") from error
    finally:
        figure.set_canvas(shown)
        pyplot = sys.modules.get("matplotlib.pyplot")
        if close and pyplot is not None:
            pyplot.close(figure)
    pixels = rgba[..., :3].copy()
    alpha = rgba[..., 3:]
    if alpha.min() < 255:
        blended = pixels * alpha.astype(np.uint16) + _WHITE * (255 - alpha.astype(np.uint16))
        pixels[:] = (blended + 127) // 255
    return pixels


def _check(what: str, figure: Any) -> None:
    module = sys.modules.get("matplotlib.figure")
    if module is None or not isinstance(figure, module.Figure):
        # As axes and seaborn's grids have one.
        hint = ": its .figure?" if module and isinstance(getattr(figure, "figure", None), module.Figure) else ""
        raise TypeError(
            f"{what}: want a matplotlib Figure, got {type(figure).__module__}.{type(figure).__qualname__}{hint}"
        )


def _padded(picture: UInt8, height: int, width: int) -> UInt8:
    if picture.shape[:2] == (height, width):
        return picture
    result = np.full((height, width, 3), _WHITE, np.uint8)
    result[: picture.shape[0], : picture.shape[1]] = picture
    return result
