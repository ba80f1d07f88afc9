"""Boxes with labels, drawn on pixels.

Knows: lines and letters. Must not know: tags, what pictures are of, PNG.

The letters are 5 pixels wide and 7 high, drawn for this file, so that a picture looks the same wherever it is drawn.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Colour = tuple[int, int, int]
UInt8 = npt.NDArray[np.uint8]

# From " " to "~", seven rows each, a row in two hexadecimal digits.
_GLYPHS = bytes.fromhex("""
    00000000000000 04040404000004 0a0a0a00000000 0a0a1f0a1f0a0a 040f140e051e04 18190204081303 0c12140815120d
    0c040800000000 02040808080402 08040202020408 0004150e150400 0004041f040400 000000000c0408 0000001f000000
    00000000000c0c 00010204081000 0e11131519110e 040c040404040e 0e11010204081f 1f02040201110e 02060a121f0202
    1f101e0101110e 0608101e11110e 1f010204080808 0e11110e11110e 0e11110f01020c 000c0c000c0c00 000c0c000c0408
    02040810080402 00001f001f0000 08040201020408 0e110102040004 0e11010d15150e 0e1111111f1111 1e11111e11111e
    0e11101010110e 1c12111111121c 1f10101e10101f 1f10101e101010 0e11101711110f 1111111f111111 0e04040404040e
    0702020202120c 11121418141211 1010101010101f 111b1515111111 11111915131111 0e11111111110e 1e11111e101010
    0e11111115120d 1e11111e141211 0f10100e01011e 1f040404040404 1111111111110e 11111111110a04 1111111515150a
    11110a040a1111 1111110a040404 1f01020408101f 0e08080808080e 00100804020100 0e02020202020e 040a1100000000
    0000000000001f 08040200000000 00000e010f110f 1010161911111e 00000e1010110e 01010d1311110f 00000e111f100e
    0609081c080808 000f11110f010e 10101619111111 04000c0404040e 0200060202120c 10101214181412 0c04040404040e
    00001a15151111 00001619111111 00000e1111110e 00001e111e1010 00000d130f0101 00001619101010 00000e100e011e
    08081c08080906 0000111111130d 00001111110a04 0000111115150a 0000110a040a11 000011110f010e 00001f0204081f
    02040408040402 04040404040404 08040402040408 00000815020000
""")
_UNKNOWN = bytes.fromhex("1f11111111111f")
_HEIGHT, _WIDTH = 7, 5
_PIXELS_A_UNIT = 300  # of a picture's shorter side, for lines and letters one unit thick


def draw(pixels: UInt8, boxes: npt.NDArray[np.float64], labels: Sequence[str] | None, colour: Colour) -> None:
    """Draw on `pixels`.

    Args:
        pixels: [height, width, 3 or 4], changed in place.
        boxes: [n, 4], the left, top, right and bottom pixel of each, inclusive. What is outside is left out.
        labels: n of them; each is white on the box's colour, above the box or, where there is no room, in it.
    """
    height, width, channels = pixels.shape
    ink = np.array([*colour, 255][:channels], np.uint8)
    unit = max(1, round(min(height, width) / _PIXELS_A_UNIT))
    # Far outside is far enough: slices must be ints.
    edges = np.rint(boxes.clip(-2 * unit, max(height, width) + 2 * unit)).astype(int)
    for left, top, right, bottom in edges.tolist():
        _fill(pixels, top, top + unit, left, right + 1, ink)
        _fill(pixels, bottom + 1 - unit, bottom + 1, left, right + 1, ink)
        _fill(pixels, top, bottom + 1, left, left + unit, ink)
        _fill(pixels, top, bottom + 1, right + 1 - unit, right + 1, ink)
    # Labels last: no line goes through one.
    for (left, top, _, _), label in zip(edges.tolist(), labels or (), strict=False):
        text = _text(label).repeat(unit, axis=0).repeat(unit, axis=1)
        above = top - text.shape[0]
        _stamp(pixels, text, above if above >= 0 else top, left, ink)


def _fill(pixels: UInt8, top: int, bottom: int, left: int, right: int, ink: UInt8) -> None:
    pixels[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = ink


def _text(label: str) -> npt.NDArray[np.bool_]:
    """[9, 6n + 1]: the letters, with a margin of one pixel around and between them."""
    # An accent is more than 7 rows can show: the letter without it. "ß" and the like have none and are unknown.
    plain = [c for c in unicodedata.normalize("NFKD", " ".join(label.split())) if not unicodedata.combining(c)]
    text = np.zeros((_HEIGHT + 2, (_WIDTH + 1) * len(plain) + 1), np.bool_)
    for index, letter in enumerate(plain):
        at = _HEIGHT * (ord(letter) - ord(" "))
        rows = np.frombuffer(_GLYPHS[at : at + _HEIGHT] if 0 <= at < len(_GLYPHS) else _UNKNOWN, np.uint8)
        left = 1 + (_WIDTH + 1) * index
        text[1:-1, left : left + _WIDTH] = np.unpackbits(rows[:, None], axis=1)[:, 8 - _WIDTH :]
    return text


def _stamp(pixels: UInt8, text: npt.NDArray[np.bool_], top: int, left: int, ink: UInt8) -> None:
    text = text[max(-top, 0) :, max(-left, 0) :]
    part = pixels[max(top, 0) :, max(left, 0) :][: text.shape[0], : text.shape[1]]
    text = text[: part.shape[0], : part.shape[1]]
    part[:] = ink
    part[text] = 255
