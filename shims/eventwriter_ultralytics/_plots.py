"""The images that Ultralytics draws while it trains, as it saves them.

Knows: where a trainer and its validator keep note of the files they drew, and that some are drawn in threads. Must
not know: how an image is logged.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_BATCHES = ("train_batch", "val_batch")
_SUFFIXES = (".jpg", ".png")
# How long the end of a training waits for plots that are still being drawn, in seconds.
_PATIENCE = 10.0


class Encoded(NamedTuple):
    """An image file's content."""

    width: int
    height: int
    content: bytes


def new(trainer: Any, known: dict[Any, float], images: bool, plots: bool) -> Iterator[tuple[str, Encoded]]:
    """Tags and contents of what was drawn since the last time.

    Args:
        known: file to when it was drawn; what is given here is added.
        images: the drawn batches, as `batches/NAME`.
        plots: all else, as `plots/NAME`.
    """
    from PIL import Image

    noted = {**trainer.plots, **getattr(trainer.validator, "plots", {})}
    for name, about in noted.items():
        path, drawn = Path(name), about["timestamp"]
        is_batch = path.stem.startswith(_BATCHES)
        if known.get(name) == drawn or not (images if is_batch else plots):
            continue
        if path.suffix not in _SUFFIXES or not path.is_file():
            continue
        content = path.read_bytes()
        with Image.open(path) as image:
            width, height = image.size
        known[name] = drawn
        yield f"{'batches' if is_batch else 'plots'}/{path.stem}", Encoded(width, height, content)


def wait() -> None:
    """Until the plots are drawn that Ultralytics draws in threads of their own: it keeps no hold of them."""
    deadline = time.monotonic() + _PATIENCE
    for thread in threading.enumerate():
        if getattr(getattr(thread, "_target", None), "__module__", None) == "ultralytics.utils.plotting":
            thread.join(max(0.0, deadline - time.monotonic()))
