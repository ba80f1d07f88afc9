"""Pixels as a PNG file (https://www.w3.org/TR/png-3/), fast rather than small.

Knows: PNG's chunks and filters. Must not know: tags, protobuf, what the pixels are.

The five filters run in numpy, on blocks of rows small enough to stay in the processor's cache. Which of them compresses
best is not guessed but tried, on a sixteenth of each block. The rest is left to igzip's level 1 (python-isal), where it
is installed: zlib's level 1 takes five times as long for a photo. Both let other threads run, as numpy does.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

isal_zlib: Any
try:
    # Here and not where it is used: a fork while the flush thread imports breaks the child.
    from isal import isal_zlib
except ImportError:
    isal_zlib = None

Bytes2D = npt.NDArray[np.uint8]

# Bytes of rows that are filtered at a time, and how many of them are tried.
_BLOCK = 1 << 17
_TRIED = 1 << 13
# By number of channels: grey, grey and alpha, RGB, RGBA.
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_LARGEST = 2**31 - 1  # pixels in a row or column


def encode(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """A PNG file of 8 or 16 bits that decodes to exactly `pixels`.

    Args:
        pixels: uint8 or uint16, [height, width] or [height, width, channels]; 1 channel is grey, 2 grey and alpha,
            3 RGB, 4 RGBA. In any order in memory.

    Raises:
        TypeError: another dtype. ValueError: another shape, or no pixels.
    """
    if pixels.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise TypeError(f"png: want uint8 or uint16, got {pixels.dtype}")
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim != 3 or pixels.shape[2] not in _COLOUR_TYPES or not min(pixels.shape[:2]) > 0:
        raise ValueError(f"png: want pixels [height, width, 1 to 4 channels], got shape {pixels.shape}")
    height, width, channels = pixels.shape
    if max(height, width) > _LARGEST:
        raise ValueError(f"png: want at most {_LARGEST} pixels a side, got shape {pixels.shape}")
    header = struct.pack(">2I5B", width, height, 8 * pixels.itemsize, _COLOUR_TYPES[channels], 0, 0, 0)
    parts = [
        b"\x89PNG\r\n\x1a\n",
        *_chunk(b"IHDR", [header]),
        *_chunk(b"IDAT", _deflated(pixels)),
        *_chunk(b"IEND", []),
    ]
    return b"".join(parts)  # once: other threads wait for copies of bytes


def _chunk(kind: bytes, content: list[bytes]) -> list[bytes]:
    crc = zlib.crc32(kind)
    for part in content:
        crc = zlib.crc32(part, crc)
    return [sum(map(len, content)).to_bytes(4, "big"), kind, *content, crc.to_bytes(4, "big")]


def _deflated(pixels: npt.NDArray[Any]) -> list[bytes]:
    height, width = pixels.shape[:2]
    step = pixels.shape[2] * pixels.itemsize  # bytes of a pixel
    rows = max(1, min(height, _BLOCK // (width * step)))
    # A block, with the row above it and a pixel of zeros left of each row, where PNG's filters look.
    block = np.zeros((rows + 1, width + 1, step), np.uint8)
    flat = block.reshape(rows + 1, -1)
    filtered = np.empty((rows, 1 + width * step), np.uint8)
    compress, flush = _compressor()
    parts = []
    for top in range(0, height, rows):
        count = min(rows, height - top)
        _fill(block[1 : count + 1, 1:], pixels[top : top + count])
        best = _best(flat[: count + 1], step)
        filtered[:count, 0] = best
        _FILTERS[best](flat[: count + 1], step, filtered[:count, 1:])
        parts.append(compress(filtered[:count].data))
        flat[0] = flat[count]
    parts.append(flush())
    return parts


def _compressor() -> tuple[Callable[[memoryview], bytes], Callable[[], bytes]]:
    # A small buffer (memLevel 2) makes for shorter blocks, whose Huffman codes fit better: 1 to 2 % of a photo.
    fast = isal_zlib and isal_zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 2)
    stream: Any = fast or zlib.compressobj(1)
    return stream.compress, stream.flush


def _fill(block: npt.NDArray[np.uint8], pixels: npt.NDArray[Any]) -> None:
    """[rows, width, channels] into [rows, width, bytes], the high byte first."""
    if pixels.itemsize == 2:
        block[..., 0::2] = pixels >> 8
        block[..., 1::2] = pixels & 255
    elif pixels.strides[2] == 1:
        block[:] = pixels
    else:  # channels first: numpy copies one at a time four times as fast as all
        for channel in range(pixels.shape[2]):
            block[..., channel] = pixels[..., channel]


def _best(flat: Bytes2D, step: int) -> int:
    """The filter that compresses some rows in the middle best."""
    count = min(len(flat) - 1, -(-_TRIED // (flat.shape[1] - step)))
    first = (len(flat) - 1 - count) // 2
    rows = flat[first : first + count + 1]
    tried = np.empty((count, flat.shape[1] - step), np.uint8)
    compress: Callable[[memoryview, int], bytes] = (isal_zlib or zlib).compress
    sizes = []
    for apply in _FILTERS:
        apply(rows, step, tried)
        sizes.append(len(compress(tried.data, 1)))
    return sizes.index(min(sizes))


# ---- the filters: `flat` is rows with the one above them, each with a pixel of zeros on the left


def _none(flat: Bytes2D, step: int, out: Bytes2D) -> None:
    out[:] = flat[1:, step:]


def _sub(flat: Bytes2D, step: int, out: Bytes2D) -> None:
    np.subtract(flat[1:, step:], flat[1:, :-step], out=out)


def _up(flat: Bytes2D, step: int, out: Bytes2D) -> None:
    np.subtract(flat[1:, step:], flat[:-1, step:], out=out)


def _average(flat: Bytes2D, step: int, out: Bytes2D) -> None:
    left, up = flat[1:, :-step], flat[:-1, step:]
    mean = (left ^ up) >> 1
    mean += left & up  # (left + up) // 2 in 8 bits
    np.subtract(flat[1:, step:], mean, out=out)


def _paeth(flat: Bytes2D, step: int, out: Bytes2D) -> None:
    """The nearest of left, up and upper left to left + up - upper left, in 8 bits and without a branch.

    Its distance to `left` is |up - corner|, to `up` |left - corner|. To `corner` it is the difference of both if the
    corner lies between the two, else their sum, which is never the least.
    """
    left, up, corner = flat[1:, :-step], flat[:-1, step:], flat[:-1, :-step]
    to_left = np.maximum(up, corner)
    to_left -= np.minimum(up, corner)
    to_up = np.maximum(left, corner)
    to_up -= np.minimum(left, corner)
    is_left = to_left <= to_up
    least = np.minimum(to_left, to_up)
    to_corner = np.maximum(to_left, to_up, out=to_left)
    to_corner -= least
    is_corner = to_corner < least
    is_corner &= (left < corner) ^ (up < corner)
    _choose(up, is_left, left, out=to_up)
    _choose(to_up, is_corner, corner, out=to_up)
    np.subtract(flat[1:, step:], to_up, out=out)


def _choose(no: Bytes2D, where: npt.NDArray[np.bool_], yes: Bytes2D, out: Bytes2D) -> None:
    """numpy.where, ten times as fast for bytes."""
    mask = where.view(np.uint8)
    np.negative(mask, out=mask)
    mask &= no ^ yes
    np.bitwise_xor(no, mask, out=out)


_FILTERS = (_none, _sub, _up, _average, _paeth)
