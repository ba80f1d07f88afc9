"""`eventwriter show`: a table of what a log folder holds.

Knows how to sum up the values of a tag in a few cells. Must not know files or records.
Memory: a few hundred numbers for each tag, however many events there are.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

from eventwriter._terminal import Terminal, cells, fit, printable
from eventwriter.reader import Event, read_events, runs

_SPARKLINE_WIDTH = 20
_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = "_.,-~=^#"
_HEADINGS = ("TAG", "KIND", "POINTS", "FIRST", "LAST", "LAST VALUE", "")
_NUMBERS = {2, 3, 4}
_TAG, _LAST_VALUE, _SPARKLINE = 0, 5, 6
_GAP = 2
_INDENT = "  "
# A wide terminal is no reason for a long text, nor a narrow one for a tag of which nothing is left.
_MAX_LAST_VALUE = 32
_MIN_TAG = 12
_MIN_LAST_VALUE = 8


def show(logdir: str | os.PathLike[str], terminal: Terminal) -> int:
    """Prints runs, tags, kinds, number of points, first and last step, last value and a sparkline of scalars.

    `logdir` may also be one event file. Broken records are reported to the logger `eventwriter` and skipped.
    Returns 0, or 1 if there is no event file. Raises OSError.
    """
    root = Path(logdir)
    if root.is_dir():
        found = [(run, summarise(read_events(root / run, on_corrupt="skip"))) for run in runs(root)]
    else:
        found = [(root.name, summarise(read_events(root, on_corrupt="skip")))]
    if not found:
        terminal.line(f"{printable(str(root))}: no event files")
        return 1
    blocks = _BLOCKS if terminal.can_write(_BLOCKS) else _ASCII_BLOCKS
    tables = [(printable(run), [row.cells(blocks) for row in rows]) for run, rows in found]
    widths = _widths([row for _, rows in tables for row in rows], terminal.width)
    terminal.line(_INDENT + terminal.paint(_join(_HEADINGS, widths), "dim"))
    for run, rows in tables:
        terminal.line(terminal.paint(run, "bold"))
        for row in rows:
            texts = _texts(row, widths)
            texts[_TAG] = terminal.paint(texts[_TAG], "cyan")
            texts[_SPARKLINE] = terminal.paint(texts[_SPARKLINE].rstrip(), "green")
            terminal.line((_INDENT + (" " * _GAP).join(texts)).rstrip())
        if not rows:
            terminal.line(_INDENT + terminal.paint("no values yet", "dim"))
    return 0


class Row:
    """All values of one tag and kind in a run, in a bounded amount of memory."""

    def __init__(self, tag: str, kind: str) -> None:
        self.tag = tag
        self.kind = kind
        self.points = 0
        self.first_step = self.last_step = 0
        self.last: Any = None
        self.curve = Curve()

    def add(self, event: Event) -> None:
        if self.points == 0:
            self.first_step = event.step
        self.points += 1
        self.last_step = event.step
        self.last = event.value
        if self.kind == "scalar":
            self.curve.add(event.value)

    def cells(self, blocks: str) -> tuple[str, ...]:
        """The texts of its columns, uncut."""
        return (
            printable(self.tag) or "-",
            self.kind,
            str(self.points),
            str(self.first_step),
            str(self.last_step),
            fit(printable(brief(self.kind, self.last)), _MAX_LAST_VALUE).rstrip(),
            self.curve.sparkline(_SPARKLINE_WIDTH, blocks) if self.kind == "scalar" else "",
        )


class Curve:
    """Some of a sequence of numbers, evenly spread over it: all of them, then every 2nd, every 4th, …"""

    _MOST = 256

    def __init__(self) -> None:
        self._kept: list[float] = []
        self._count = 0
        self._every = 1

    def add(self, value: float) -> None:
        if self._count % self._every == 0:
            self._kept.append(value)
            if len(self._kept) == self._MOST:
                del self._kept[1::2]
                self._every *= 2
        self._count += 1

    def sparkline(self, width: int, blocks: str) -> str:
        """At most `width` blocks, each the mean of its part; `x` where that has no finite value."""
        n = min(width, len(self._kept))
        bounds = [len(self._kept) * i // n for i in range(n + 1)] if n else []
        means = [_mean(self._kept[begin:end]) for begin, end in pairwise(bounds)]
        finite = [mean for mean in means if mean is not None]
        low, high = min(finite, default=0.0), max(finite, default=0.0)
        scale = high / 2 - low / 2  # Halved first: the difference of two floats may overflow.
        top = len(blocks) - 1
        if scale == 0:  # A constant is neither high nor low.
            return "".join("x" if mean is None else blocks[top // 2] for mean in means)
        return "".join("x" if mean is None else blocks[round((mean / 2 - low / 2) / scale * top)] for mean in means)


def _mean(values: list[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    mean = sum(value / len(finite) for value in finite) if finite else math.nan
    return mean if math.isfinite(mean) else None


def summarise(events: Iterable[Event]) -> list[Row]:
    """A row for each tag and kind, in the order of the tags."""
    rows: dict[tuple[str, str], Row] = {}
    for event in events:
        row = rows.get((event.tag, event.kind))
        if row is None:
            row = rows[event.tag, event.kind] = Row(event.tag, event.kind)
        row.add(event)
    return [rows[key] for key in sorted(rows)]


def brief(kind: str, value: Any) -> str:
    """A value in a few words."""
    match kind:
        case "scalar":
            return f"{value:.5g}"
        case "histogram":
            return f"{value[0, 0]:.3g} … {value[-1, 1]:.3g}" if len(value) else "empty"
        case "image":
            return f"{len(value.encoded)} of {value.width}×{value.height}"
        case "audio":
            return f"{len(value.encoded)} clip{'s' * (len(value.encoded) != 1)}"
        case "text":
            return _first_text(value)
        case "hparams":
            hparams = value.get("session_start_info", {}).get("hparams", {})
            return " ".join(f"{name}={hparams[name]}" for name in sorted(hparams))
        case "custom_scalars":
            charts = sum(len(category.get("chart", ())) for category in value.get("category", ()))
            return f"{charts} chart{'s' * (charts != 1)}"
        case "session_log":
            return str(value)
    if hasattr(value, "dtype"):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    if isinstance(value, bytes | str):
        return f"{len(value)} bytes"
    return "" if value is None else f"{len(value)} × bytes"


def _first_text(value: Any) -> str:
    while isinstance(value, list):
        value = value[0] if value else ""
    return " ".join(str(value)[:200].split())


def _widths(rows: list[tuple[str, ...]], available: int | None) -> list[int]:
    """The width of each column. If that is too much, tags give way, then values; then the sparklines go."""
    columns = zip(_HEADINGS, *rows, strict=True)
    widths = [max(map(cells, column)) for column in columns]
    if available is None:
        return widths
    for column, least in ((_TAG, _MIN_TAG), (_LAST_VALUE, _MIN_LAST_VALUE), (_SPARKLINE, 0), (_TAG, 1)):
        excess = _total(widths) - available
        if excess > 0:
            # Half a sparkline would be a lie.
            widths[column] = 0 if column == _SPARKLINE else max(min(least, widths[column]), widths[column] - excess)
    return widths


def _total(widths: list[int]) -> int:
    return len(_INDENT) + sum(widths) + _GAP * (len(widths) - 1)


def _texts(row: tuple[str, ...], widths: list[int]) -> list[str]:
    texts = []
    for column, (text, width) in enumerate(zip(row, widths, strict=True)):
        if column in _NUMBERS:
            texts.append(text.rjust(width))
        else:
            texts.append(fit(text, width, keep="ends" if column == _TAG else "start") if width else "")
    return texts


def _join(row: tuple[str, ...], widths: list[int]) -> str:
    return (" " * _GAP).join(_texts(row, widths)).rstrip()
