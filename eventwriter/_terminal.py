"""What a terminal can show: colours, the width of a text in cells, text that cannot hurt it.

Knows nothing of events.
"""

from __future__ import annotations

import os
import shutil
import unicodedata
from typing import TextIO

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Terminal:
    """Lines to a stream: coloured if that is a terminal, plain in a pipe. Obeys NO_COLOR (no-color.org).

    `width`: the terminal's cells in a row, or None in a pipe, where nothing needs to be cut.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        is_terminal = stream.isatty()
        self.width = shutil.get_terminal_size().columns if is_terminal else None
        dumb = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
        self._coloured = is_terminal and not dumb

    def line(self, text: str = "") -> None:
        self._stream.write(text + "\n")

    def paint(self, text: str, colour: str) -> str:
        """`text` in bold, dim, red, green, yellow or cyan."""
        return f"\x1b[{_CODES[colour]}m{text}\x1b[0m" if self._coloured and text else text

    def can_write(self, text: str) -> bool:
        """Whether the stream's encoding has these characters."""
        try:
            text.encode(self._stream.encoding or "utf-8")
        except UnicodeEncodeError:
            return False
        return True


def printable(text: str) -> str:
    """`text` with every control character, line break and lone surrogate spelled out: a tag may hold anything."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cells(text: str) -> int:
    """How many cells of a terminal printable text takes: East Asian wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def fit(text: str, width: int, *, keep: str = "start") -> str:
    """`text` in exactly `width` cells: filled up with spaces, or cut with an ellipsis at its end or in the middle.

    `keep="ends"` cuts in the middle: tags often differ only in how they end.
    """
    missing = width - cells(text)
    if missing >= 0:
        return text + " " * missing
    right = (width - 1) // 2 if keep == "ends" else 0
    head = _take(text, width - 1 - right)
    tail = _take(text[::-1], right)[::-1]
    cut = f"{head}…{tail}"
    return cut + " " * (width - cells(cut))


def _take(text: str, width: int) -> str:
    """The longest beginning of `text` that fits."""
    used = 0
    for at, char in enumerate(text):
        used += _cells(char)
        if used > width:
            return text[:at]
    return text
