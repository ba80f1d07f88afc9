"""Frames as an animated GIF (https://www.w3.org/Graphics/GIF/spec-gif89a.txt).

Knows: GIF's blocks, its LZW code, and how to choose 256 colours. Must not know: tags, protobuf, what the frames show.

A clip of up to 256 colours, and a frame of up to 256, keep their colours exactly. Of the rest each frame gets the 256
that suit the whole clip, found by cutting the clip's colours into boxes where they vary most (after Wu, Graphics Gems
II, 1991), without dithering.

LZW is a loop over pixels in Python, which gives way to other threads every 0.2 ms: 65,000 pixels take about 10 ms.
"""

from __future__ import annotations

import heapq
import itertools
import struct
import time
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]

_COLOURS = 256
_PIECE = 1 << 10  # pixels that one stretch of Python works on: 0.1 to 0.2 ms
# Then the interpreter is let go for so long, in seconds. After 0 this thread would take it again before another wakes.
_BREATH = 1e-4
_LARGEST = 2**16 - 1
_LAST_CODE = 2**12 - 1


# [n, 16]: of a code's 16 bits, those that are written when n was the last entry made.
_USED_BITS = np.arange(16) < np.array([[n.bit_length()] for n in range(_LAST_CODE + 1)])


def encode(frames: UInt8, fps: float) -> bytes:
    """A GIF that repeats for ever.

    Args:
        frames: uint8 [frames, height, width, channels]; 1 channel is grey, 3 are RGB.
        fps: frames per second, from 1/600 to 50: browsers slow down what is faster. A GIF counts hundredths of a
            second; the error does not add up over the frames.

    Raises:
        TypeError: another dtype. ValueError: another shape, no pixels, more than 65535 a side, or another fps.
    """
    if frames.dtype != np.uint8:
        raise TypeError(f"gif: want uint8, got {frames.dtype}")
    if frames.ndim != 4 or frames.shape[3] not in (1, 3) or not frames.size:
        raise ValueError(f"gif: want frames [frames, height, width, 1 or 3 channels], got shape {frames.shape}")
    if max(frames.shape[1:3]) > _LARGEST:
        raise ValueError(f"gif: want at most {_LARGEST} pixels a side, got shape {frames.shape}")
    if not 1 / 600 <= fps <= 50:
        raise ValueError(f"gif: want from 1/600 to 50 frames per second, got {fps}")
    height, width = frames.shape[1:3]
    palette, indices, own = _indexed(frames)
    bits = _bits(len(palette))
    parts = [
        struct.pack("<6s2H3B", b"GIF89a", width, height, 0xF0 | bits - 1, 0, 0),
        _table(palette, bits),
        b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00",  # repeat for ever
    ]
    before: UInt8 | None = None
    for number, frame in enumerate(indices):
        delay = round((number + 1) * 100 / fps) - round(number * 100 / fps)
        colours = own.get(number)
        same = before is not None and colours is None and number - 1 not in own
        top, bottom, left, right = _changed(before, frame) if same and before is not None else (0, height, 0, width)
        # Nothing is disposed of: what a frame does not cover stays.
        parts.append(struct.pack("<4BH2B", 0x21, 0xF9, 4, 1 << 2, delay, 0, 0))
        parts.append(struct.pack("<B4HB", 0x2C, left, top, right - left, bottom - top, 0 if colours is None else 0x87))
        if colours is not None:
            parts.append(_table(colours, 8))
        code_bits = max(2, bits if colours is None else 8)
        parts.append(bytes([code_bits]))
        parts.append(_blocks(_lzw(frame[top:bottom, left:right].tobytes(), code_bits)))
        before = frame
    return b"".join(parts) + b"\x3b"


def _bits(colours: int) -> int:
    return max(1, (colours - 1).bit_length())


def _table(palette: UInt8, bits: int) -> bytes:
    return palette.tobytes().ljust(3 << bits, b"\0")


def _blocks(data: bytes) -> bytes:
    """In blocks of up to 255 bytes, each after its length; one of length 0 is the end."""
    whole, rest = divmod(len(data), 255)
    blocks = np.full((whole, 256), 255, np.uint8)
    blocks[:, 1:] = np.frombuffer(data, np.uint8, whole * 255).reshape(whole, 255)
    return blocks.tobytes() + (bytes([rest]) + data[-rest:] if rest else b"") + b"\0"


def _changed(before: UInt8, frame: UInt8) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of what differs; one pixel if nothing does."""
    differs = before != frame
    rows, columns = np.flatnonzero(differs.any(1)), np.flatnonzero(differs.any(0))
    if not rows.size:
        return 0, 1, 0, 1
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def _lzw(pixels: bytes, bits: int) -> bytes:
    clear, end = 1 << bits, (1 << bits) + 1
    codes = array("H", [clear])
    starts = [1]  # of each run between two clear codes, where in `codes` it begins
    table: dict[int, int] = {}
    following = clear + 2
    prefix = pixels[0]
    for at in range(1, len(pixels), _PIECE):
        for pixel in pixels[at : at + _PIECE]:
            key = prefix << 8 | pixel
            code = table.get(key)
            if code is not None:
                prefix = code
                continue
            codes.append(prefix)
            table[key] = following
            prefix = pixel
            if following == _LAST_CODE:
                codes.append(clear)
                starts.append(len(codes))
                table.clear()
                following = end
            following += 1
        time.sleep(_BREATH)
    codes.append(prefix)
    codes.append(end)
    return _packed(np.frombuffer(codes, np.uint16), starts, bits)


def _packed(codes: npt.NDArray[np.uint16], starts: list[int], bits: int) -> bytes:
    """The codes, lowest bits first, each as wide as the last entry made before it, 2**bits + 1 + k for a run's k-th.

    The first clear code counts as one before the first run, the others as the last of the run that they end.
    """
    lengths = np.diff([0, *starts[1:], len(codes)])
    last = np.arange(len(codes)) - np.repeat(starts, lengths) + ((1 << bits) + 1)
    pieces = []
    for at in range(0, len(codes), _PIECE):
        piece = slice(at, at + _PIECE)
        every = np.unpackbits(codes[piece].astype("<u2").view(np.uint8), bitorder="little")
        pieces.append(every[_USED_BITS[last[piece]].reshape(-1)])
        time.sleep(_BREATH)
    return np.packbits(np.concatenate(pieces), bitorder="little").tobytes()


# ---- colours


def _indexed(frames: UInt8) -> tuple[UInt8, list[UInt8], dict[int, UInt8]]:
    """The clip's palette [n, 3], the frames as indices into it, and palettes of their own for some of them."""
    if frames.shape[3] == 1:
        # All levels, of which few are used, would make longer codes.
        levels = np.flatnonzero(sum(np.bincount(p.reshape(-1), minlength=256) for f in frames for p in _pieces(f)))
        lookup = np.zeros(256, np.uint8)
        lookup[levels] = np.arange(len(levels))
        palette = levels.astype(np.uint8).repeat(3).reshape(-1, 3)
        return palette, [_mapped(frame, lambda piece: lookup[piece[..., 0]]) for frame in frames], {}
    few: dict[int, npt.NDArray[np.uint32]] = {}
    union = np.empty(0, np.uint32)
    for number, frame in enumerate(frames):
        colours = np.empty(0, np.uint32)
        for piece in _pieces(frame):
            colours = np.union1d(colours, _number(piece))
            time.sleep(_BREATH)
            if len(colours) > _COLOURS:
                break
        else:
            few[number] = colours
        if len(union) <= _COLOURS:
            union = np.union1d(union, colours)
    if len(union) <= _COLOURS:
        return _rgb(union), [_among(union, frame) for frame in frames], {}
    many = [frame for number, frame in enumerate(frames) if number not in few]
    palette, suits = _adapted(many) if many else (np.zeros((2, 3), np.uint8), np.empty(0, np.uint8))
    indices = [
        _among(few[number], frame) if number in few else _mapped(frame, lambda piece: suits[_coarse(piece)])
        for number, frame in enumerate(frames)
    ]
    return palette, indices, {number: _rgb(colours) for number, colours in few.items()}


def _pieces(frame: UInt8) -> list[UInt8]:
    """Rows that take numpy at most 0.2 ms, where it does not let other threads run."""
    return np.array_split(frame, min(len(frame), -(-frame.size // (16 * _PIECE))))


def _mapped(frame: UInt8, lookup: Callable[[UInt8], npt.NDArray[Any]]) -> UInt8:
    result = np.empty(frame.shape[:2], np.uint8)
    top = 0
    for piece in _pieces(frame):
        result[top : top + len(piece)] = lookup(piece)
        top += len(piece)
        time.sleep(_BREATH)
    return result


def _among(colours: npt.NDArray[np.uint32], frame: UInt8) -> UInt8:
    return _mapped(frame, lambda piece: np.searchsorted(colours, _number(piece)))


def _number(frame: UInt8) -> npt.NDArray[np.uint32]:
    """Each pixel's colour as one number."""
    red, green, blue = (frame[..., channel].astype(np.uint32) for channel in range(3))
    red <<= 16
    green <<= 8
    red |= green
    red |= blue
    return red


def _rgb(numbers: npt.NDArray[np.uint32]) -> UInt8:
    return (numbers[:, None] >> np.array([16, 8, 0], np.uint32)).astype(np.uint8)


def _coarse(frame: UInt8) -> npt.NDArray[np.uint16]:
    """The same of the high 5 bits of each channel."""
    red, green, blue = ((frame[..., channel] >> 3).astype(np.uint16) for channel in range(3))
    red <<= 10
    green <<= 5
    red |= green
    red |= blue
    return red


def _adapted(frames: list[UInt8]) -> tuple[UInt8, UInt8]:
    """256 colours for all frames, and which of them stands for each coarse colour."""
    pieces = [piece for frame in frames for piece in _pieces(frame)]
    counts = np.zeros(1 << 15)
    for piece in pieces:
        counts += np.bincount(_coarse(piece).reshape(-1), minlength=1 << 15)
        time.sleep(_BREATH)
    coarse = np.flatnonzero(counts)
    colours = np.stack([coarse >> 10, coarse >> 5 & 31, coarse & 31], axis=-1) * 8 + 3.5
    palette = _cut(colours.astype(np.float64), counts[coarse])
    lookup = np.zeros(1 << 15, np.uint8)
    for at in range(0, len(coarse), 64):
        # The square of the distance, but for the colour's own square, which is the same for all.
        distances = (palette**2).sum(-1) - colours[at : at + 64] @ (2 * palette.T)
        lookup[coarse[at : at + 64]] = distances.argmin(-1)
        time.sleep(_BREATH)
    # The mean of the pixels themselves, not of their coarse colours.
    sums, sizes = np.zeros((3, len(palette))), np.zeros(len(palette))
    for piece in pieces:
        index = lookup[_coarse(piece)].reshape(-1)
        sizes += np.bincount(index, minlength=len(palette))
        for channel in range(3):
            sums[channel] += np.bincount(index, piece[..., channel].reshape(-1), len(palette))
        time.sleep(_BREATH)
    return np.rint(sums / np.maximum(sizes, 1)).T.astype(np.uint8), lookup


def _cut(colours: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The means of up to 256 boxes of colours. The box whose colours differ most is cut next, at their mean."""
    ties = itertools.count()
    means: dict[int, npt.NDArray[np.float64]] = {}

    def box(members: npt.NDArray[np.intp]) -> tuple[float, int, int, npt.NDArray[np.intp]]:
        some, weight = colours[members], weights[members]
        mean = weight @ some / weight.sum()
        spread = weight @ (some - mean) ** 2
        axis, name = int(spread.argmax()), next(ties)
        means[name] = mean
        return -float(spread[axis]), name, axis, members

    boxes = [box(np.arange(len(colours)))]
    while len(boxes) < _COLOURS and boxes[0][0] < -1:  # less is rounding: coarse colours are 8 apart
        _, name, axis, members = heapq.heappop(boxes)
        low = colours[members, axis] <= means.pop(name)[axis]
        heapq.heappush(boxes, box(members[low]))
        heapq.heappush(boxes, box(members[~low]))
        time.sleep(_BREATH)
    return np.array([means[name] for _, name, _, _ in boxes])
