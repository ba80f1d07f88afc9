"""One training's run: its writer, and what was logged so far.

Knows: tags and kinds of what is logged. Must not know: trainers, models, when anything happens.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

from eventwriter import ClosedError, EventWriter
from eventwriter.proto import Summary

if TYPE_CHECKING:
    from eventwriter.proto import GraphDef, RunMetadata
    from eventwriter_ultralytics._plots import Encoded


class Run:
    """A training's run.

    Attributes:
        owner: the hooks that began it.
        in_epoch: an epoch was trained whose metrics are not logged yet.
        ended: the training came to its end.
        plotted: the plots logged so far: file to when it was drawn.
        told: the warnings of this run so far.
    """

    def __init__(self, owner: object, folder: str) -> None:
        """Raises OSError: the folder or the file cannot be made."""
        self.owner = owner
        self.in_epoch = False
        self.ended = False
        self.plotted: dict[Any, float] = {}
        self.told: set[str] = set()
        self._classes: set[str] = set()
        self._writer = EventWriter(folder)

    def log_scalars(self, scalars: Mapping[str, Any], step: int) -> None:
        """Numbers of one step, as one event. What is no number is left out."""
        numbers = {tag: _number(value) for tag, value in scalars.items()}
        self._writer.scalars({tag: number for tag, number in numbers.items() if number is not None}, step)

    def log_classes(self, scalars: Mapping[str, float], step: int) -> None:
        """The same of each class, `class/METRIC/NAME`, and a chart for each metric with a line for each class."""
        self._writer.scalars(scalars, step)
        if scalars.keys() <= self._classes:
            return
        self._classes |= scalars.keys()
        charts: dict[str, list[str]] = {}
        for tag in sorted(self._classes):
            charts.setdefault(tag.split("/")[1], []).append(tag)
        layout = {metric: ["Multiline", [_exactly(tag) for tag in tags]] for metric, tags in charts.items()}
        self._writer.custom_scalars({"classes": layout})

    def log_best(self, weights: str, metrics: Mapping[str, Any], step: int) -> None:
        """The metrics of the best weights."""
        self.log_scalars({f"best/{tag}": value for tag, value in metrics.items()}, step)
        rows = [["weights", weights], *([tag, _shown(value)] for tag, value in metrics.items())]
        self.log_text("best", rows, step)

    def log_text(self, tag: str, rows: Sequence[Sequence[str]], step: int = 0) -> None:
        """A table."""
        self._writer.text(tag, rows, step)

    def log_arguments(self, rows: Sequence[Sequence[str]], hparams: Mapping[str, Any], metrics: Sequence[str]) -> None:
        """The arguments as a text and as hyperparameters, and the tags of the metrics to be shown with these."""
        self.log_text("args", rows)
        self._writer.hparams(hparams, metrics)

    def log_graph(self, graph: tuple[GraphDef, RunMetadata]) -> None:
        self._writer.graph(graph[0], run_metadata=graph[1])

    def log_image(self, tag: str, image: Encoded, step: int) -> None:
        """An image as it is in its file."""
        value = Summary.Value(tag=tag)
        value.image.width, value.image.height, value.image.colorspace = image.width, image.height, 3
        value.image.encoded_image_string = image.content
        self._writer.event(Summary(value=[value]), step)

    def close(self, status: Literal["success", "failure"]) -> None:
        """Say how it ended, where hyperparameters were logged, and close the file. Closing again does nothing."""
        with contextlib.suppress(ClosedError, ValueError):  # closed already; no hyperparameters
            self._writer.end_session(status)
        self._writer.close()


def _exactly(tag: str) -> str:
    import re

    return f"^{re.escape(tag)}$"


def _number(value: Any) -> float | None:
    """Of a number, or an array or a tensor of one element, as a trainer of one's own may have them; else None."""
    if isinstance(value, Real):
        return float(value)
    try:
        return float(value.item())
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return None


def _shown(value: Any) -> str:
    number = _number(value)
    return f"{number:.6g}" if number is not None and math.isfinite(number) else str(value)
