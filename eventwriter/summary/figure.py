"""Matplotlib figures, as images.

Knows: how a figure is rendered, whatever backend it was made for. Must not know: PNG, other kinds.

Matplotlib is not safe to use from two threads, so a figure is rendered in the call; only the PNG is made later.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from eventwriter import _png
from eventwriter._proto.summary_pb2 import Summary
from eventwriter.summary import _pixels
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._image_value import image_value
from eventwriter.summary._metadata import check_texts


def figure(
    tag: str,
    figure: Any,
    *,
    close: bool = True,
    legacy: bool = False,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """A figure, or several.

    Args:
        figure: a matplotlib Figure; or something that has one as `.figure`, such as Axes or a seaborn grid; or a list
            of these, each an image of its own (with `legacy` all in one).
        close: forget the figure as `pyplot.close` does. A figure that pyplot does not know is left as it is.
        legacy: a `Summary.Image`, as torch writes.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"figure {tag!r}"
    check_texts(what, description, display_name)
    figures = [_figure(what, one) for one in (figure if isinstance(figure, list | tuple) else [figure])]
    if not figures:
        raise ValueError(f"{what}: want at least one figure, got none")
    pictures = [_rendered(one) for one in figures]
    if close and (pyplot := sys.modules.get("matplotlib.pyplot")):
        for one in figures:
            pyplot.close(one)

    def encode() -> list[Summary.Value]:
        drawn: list[_pixels.Pixels] = [_opaque(picture) for picture in pictures]
        if legacy:
            drawn = [_pixels.tiled(drawn)]
        files = [_png.encode(pixels) for pixels in drawn]
        return [
            image_value(tag, files, drawn[0].shape, legacy=legacy, description=description, display_name=display_name)
        ]

    return Deferred(sum(picture.nbytes for picture in pictures), encode, what)


def _figure(what: str, data: Any) -> Any:
    from matplotlib.figure import Figure

    found = data if isinstance(data, Figure) else getattr(data, "figure", None)
    if not isinstance(found, Figure):
        raise TypeError(f"{what}: want a matplotlib Figure, got {type(data).__name__}")
    return found


def _rendered(figure: Any) -> npt.NDArray[np.uint8]:
    """[height, width, 4], in memory that only the result has. The figure keeps its own canvas, such as a window's."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    own = figure.canvas
    try:
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())
    finally:
        figure.set_canvas(own)


def _opaque(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Without an alpha channel, if it says nothing."""
    return picture[..., :3] if (picture[..., 3] == 255).all() else picture
