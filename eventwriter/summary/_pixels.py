"""Pictures as users have them, as pixels of 8 or 16 bits.

Knows: the order of dimensions, what number is white, what to do with NaN. Must not know: tags (callers pass words for
messages), PNG and GIF, metadata.

`snapshot` is for the caller's thread and raises what can be wrong with a picture. `drawn` is for the flush thread.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from eventwriter import _array

Pixels = npt.NDArray[np.uint8 | np.uint16]

CHANNELS = (1, 3, 4)
_COLUMNS = 8  # of a grid, as torch's
_MAGENTA = (255, 0, 255, 255)
# Floats up to here are from 0 to 1, and what upsampling or sharpening adds; no picture from 0 to 255 is so dark.
_ALMOST_ONE = 2.0
_BLOCK = 1 << 16  # elements worked on at a time
_log = logging.getLogger("eventwriter")
_said: set[tuple[str, str]] = set()

# PIL's modes that are numbers from black to white. The others are converted.
_PIL_MODES = ("1", "L", "I", "I;16", "F", "RGB", "RGBA")


def warn_once(what: str, topic: str, message: str) -> None:
    """Log a warning, the first time for this kind and tag (`what`)."""
    if (what, topic) not in _said:
        _said.add((what, topic))
        _log.warning("%s: %s", what, message)


# ---- what is checked in the call


def snapshot(what: str, data: Any, dataformats: str | None, leading: str = "") -> npt.NDArray[Any]:
    """A copy, [`leading`…, height, width, channels].

    Args:
        data: real numbers or bools, of any framework; or a PIL image, which needs no `dataformats`.
        dataformats: the letters of `leading`, H, W and, unless it is grey, C, in the order of data's dimensions.
            None: see `guess`.
        leading: letters of dimensions before those of a picture, such as "N".

    Raises:
        TypeError, ValueError: with `what`, what was got and what was wanted, and what may have been meant.
    """
    if _is_pil(data):
        dataformats = None
    return arranged(what, copied(what, data), dataformats, leading)


def copied(what: str, data: Any) -> npt.NDArray[Any]:
    """A copy in data's own order: of an array, a PIL image, or a list of either. See `snapshot`."""
    if isinstance(data, list | tuple) and any(map(_is_pil, data)):
        data = [_of_pil(item) if _is_pil(item) else item for item in data]
    array = _of_pil(data) if _is_pil(data) else _array.snapshot(data, what)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what}: want real numbers or bools, got dtype {array.dtype}")
    return array


def arranged(what: str, array: npt.NDArray[Any], dataformats: str | None, leading: str) -> npt.NDArray[Any]:
    """A view, [`leading`…, height, width, channels]. See `snapshot`."""
    letters = _letters(what, dataformats, array.shape, leading)
    if not array.size:
        raise ValueError(f"{what}: want at least one pixel, got shape {array.shape}")
    array = array.transpose([letters.index(letter) for letter in leading + "HWC" if letter in letters])
    return array if "C" in letters else array[..., None]


def guess(shape: tuple[int, ...], leading: str = "") -> str | None:
    """The likely dataformats of a shape: HW, HWC if the last dimension can be channels, else CHW if the first can.

    None if nothing fits, or if what may be several grey pictures may as well be a single one in colours.
    """
    rest = shape[len(leading) :]
    if len(rest) == 2:
        return None if leading and rest[1] in CHANNELS else leading + "HW"
    if len(rest) == 3 and rest[2] in CHANNELS:
        return leading + "HWC"
    if len(rest) == 3 and rest[0] in CHANNELS:
        return leading + "CHW"
    return None


def _letters(what: str, dataformats: str | None, shape: tuple[int, ...], leading: str) -> str:
    likely = guess(shape, leading)
    advice = f"; try dataformats={likely!r}" if likely else _advice(shape, leading)
    if dataformats is None:
        if likely is None:
            forms = f"{leading}HW, {leading}HWC or {leading}CHW"
            raise ValueError(f"{what}: want {forms} with 1, 3 or 4 channels, got shape {shape}{advice}")
        return likely
    if not isinstance(dataformats, str):
        raise TypeError(f"{what}: want a str or None as dataformats, got {type(dataformats).__name__}")
    letters = dataformats.upper()
    given = set(letters)
    if len(given) != len(letters) or not set(leading + "HW") <= given <= set(leading + "HWC"):
        want = f"{leading}HW or {leading}HWC, in any order,"
        raise ValueError(f"{what}: want the letters {want} as dataformats, got {dataformats!r}{advice}")
    if len(letters) != len(shape):
        raise ValueError(f"{what}: want the {len(letters)} dimensions of {letters!r}, got shape {shape}{advice}")
    if "C" in letters and (channels := shape[letters.index("C")]) not in CHANNELS:
        raise ValueError(
            f"{what}: want 1, 3 or 4 channels, got {channels} in shape {shape} with dataformats={letters!r}{advice}"
        )
    return letters


def _advice(shape: tuple[int, ...], leading: str) -> str:
    if not leading and len(shape) == 4:
        return "; try images() for several"
    if leading == "N" and len(shape) == 3:
        return "; try image() if it is one, or dataformats='NHW'"
    return ""


def _is_pil(data: Any) -> bool:
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(data, pil.Image)


def _of_pil(image: Any) -> npt.NDArray[Any]:
    """[height, width] or [height, width, channels], in memory that nobody else has."""
    if image.mode not in _PIL_MODES:
        transparent = image.mode.upper() in ("LA", "PA", "RGBA") or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
    return np.asarray(image)


# ---- what the flush thread does


def drawn(what: str, pictures: Sequence[npt.NDArray[Any]]) -> Iterator[Pixels]:
    """Each picture [height, width, channels] as pixels, all on one scale.

    uint8 and uint16 as they are; bools black and white; other ints from 0 to 255. Floats are from 0 to 1; or from 0 to
    255, if one is greater than 2 and none far below 0 (numbers normalised around 0 are neither). What is beyond is
    clipped. A pixel with a NaN is magenta, and grey becomes RGB. Where something is odd, there is one warning.
    """
    scale = _scale(what, [_extent(picture) for picture in pictures if picture.dtype.kind == "f"])
    for picture in pictures:
        if picture.dtype.kind == "f":
            yield _from_floats(picture, scale)
        elif picture.dtype in (np.uint8, np.uint16):
            yield picture
        elif picture.dtype.kind == "b":
            yield picture * np.uint8(255)
        else:
            yield _from_ints(what, picture)


def _scale(what: str, extents: Sequence[tuple[float, float, bool]]) -> float:
    """What floats are multiplied by: 255, or 1 where they can only be meant to be from 0 to 255."""
    low, high = min((low for low, _, _ in extents), default=0.0), max((high for _, high, _ in extents), default=0.0)
    is_255 = high > _ALMOST_ONE and -low < high / 10
    if is_255:
        warn_once(what, "range", f"floats up to {high:g} are taken as 0 to 255 (divide by 255, or use uint8)")
    white = 255 if is_255 else 1
    if low < -0.01 * white or high > 1.01 * white:
        warn_once(what, "clipped", f"what is beyond is clipped: want floats from 0 to {white}, got {low:g} to {high:g}")
    if any(nan for _, _, nan in extents):
        warn_once(what, "nan", "pixels with a NaN are drawn magenta")
    return 255 / white


def _blocks(picture: npt.NDArray[Any]) -> Iterator[slice]:
    """Rows small enough for the processor's cache, and for other threads not to wait."""
    rows = max(1, _BLOCK // (picture.shape[1] * picture.shape[2]))
    for top in range(0, len(picture), rows):
        yield slice(top, top + rows)


def _extent(picture: npt.NDArray[Any]) -> tuple[float, float, bool]:
    """The least and the greatest finite number, and whether there is a NaN. 0 and 0 without a finite one."""
    low, high, nan = np.inf, -np.inf, False
    for rows in _blocks(picture):
        block = picture[rows]
        least, greatest = block.min(), block.max()
        if not (np.isfinite(least) and np.isfinite(greatest)):
            nan = nan or bool(np.isnan(least))
            block = block[np.isfinite(block)]
            if not block.size:
                continue
            least, greatest = block.min(), block.max()
        low, high = min(low, float(least)), max(high, float(greatest))
    return (low, high, nan) if low <= high else (0.0, 0.0, nan)


def _from_floats(picture: npt.NDArray[Any], scale: float) -> npt.NDArray[np.uint8]:
    pixels = np.empty(picture.shape, np.uint8)
    lost = None
    for rows in _blocks(picture):
        block = picture[rows].astype(np.float32)
        nan = np.isnan(block)
        if nan.any():
            block[nan] = 0
            if lost is None:
                lost = np.zeros(picture.shape[:2], np.bool_)
            lost[rows] = nan.any(-1)
        block *= scale
        np.rint(block, out=block)
        np.clip(block, 0, 255, out=block)
        pixels[rows] = block
    if lost is not None:
        pixels = coloured(pixels)
        pixels[lost] = _MAGENTA[: pixels.shape[2]]
    return pixels


def _from_ints(what: str, picture: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    pixels = np.empty(picture.shape, np.uint8)
    for rows in _blocks(picture):
        block = picture[rows]
        clipped = np.clip(block, 0, 255)
        if (clipped != block).any():
            got = f"{picture.min()} to {picture.max()}"
            warn_once(what, "clipped", f"what is beyond is clipped: want 0 to 255 in {picture.dtype}, got {got}")
        pixels[rows] = clipped
    return pixels


def coloured(pixels: Pixels, channels: int = 3) -> npt.NDArray[np.uint8]:
    """A copy of 8 bits and at least `channels` channels, in row-major order: grey becomes RGB, RGB opaque."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    channels = max(channels, pixels.shape[2])
    result = np.full((*pixels.shape[:2], channels), 255, np.uint8)
    opaque = min(3, channels)
    result[..., :opaque] = pixels[..., :opaque]
    if pixels.shape[2] == 4:
        result[..., 3] = pixels[..., 3]
    return result


def tiled(pictures: Sequence[Pixels]) -> Pixels:
    """All pictures in one, row by row on black, each in a cell of the size of the largest."""
    height, width, channels = (max(picture.shape[axis] for picture in pictures) for axis in range(3))
    if any(picture.dtype != pictures[0].dtype or picture.shape[2] != channels for picture in pictures):
        pictures = [coloured(picture, channels) for picture in pictures]
    columns = min(_COLUMNS, len(pictures))
    rows = -(-len(pictures) // columns)
    canvas = np.zeros((rows * height, columns * width, channels), pictures[0].dtype)
    for index, picture in enumerate(pictures):
        top, left = index // columns * height, index % columns * width
        canvas[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return canvas


def magnified(pixels: Pixels, factor: float) -> Pixels:
    """So many times as high and wide; a new pixel is the old one it lies in."""
    rows, columns = (
        (np.arange(max(1, int(size * factor))) / factor).astype(np.intp).clip(0, size - 1) for size in pixels.shape[:2]
    )
    return pixels[rows[:, None], columns]
