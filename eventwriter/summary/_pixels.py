"""Arrays as pixels: which axis is which, and which values are black and white.

Knows: layouts, ranges, NaN. Must not know: files, protobuf, plugins.

An image is an array [height, width, channels] in any order in memory; 1 channel is grey, 2 grey and alpha, 3 RGB,
4 RGBA. `take` and `take_batch` run in the call. `eight_bits` runs on the flush thread, on bands of rows, so that
memory stays small and other threads can run between numpy's steps.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eventwriter import _array
from eventwriter.summary._warned import warn_once

Image = npt.NDArray[Any]
Image8 = npt.NDArray[np.uint8]

_BAND = 1 << 17  # elements converted at a time
_LIKELY = (1, 3, 4)  # numbers of channels
_USUAL = {"HWC": ("HW", "HWC", "CHW"), "NHWC": ("NHWC", "NCHW")}
# Floats up to here are taken for 0 to 1 with some excess: normalized, or resampled. What holds 0 to 255 has more.
_EXCESS = 4.0
_MAGENTA = (255, 0, 255)
# Pillow's modes whose arrays are what they show. Of all others Pillow makes RGB or RGBA.
_DIRECT = frozenset({"1", "L", "LA", "RGB", "RGBA", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"})


# ---- what is checked in the call


def take(what: str, data: Any, dataformats: str | None) -> Image:
    """A snapshot of one image.

    Args:
        what: the subject of error messages, such as "image 'x'".
        data: an array, or a PIL image, which knows its layout.
        dataformats: the letters H, W and, but for grey images, C, in the order of the axes. None: to be told by the
            shape.

    Raises:
        TypeError, ValueError: with what was got and what was wanted.
    """
    letters = _letters(what, dataformats, "HWC")
    data, known = _unpacked(data)
    array = _numbers(what, data)
    return _arranged(what, array, known or letters or _guessed(what, array.shape, "HWC"))


def take_batch(what: str, data: Any, dataformats: str | None, most: int | None = None) -> list[Image]:
    """A snapshot of the first `most` of several images: an array with an axis N, or a sequence of images of any sizes.

    For a sequence the N among `dataformats` may be left out.
    """
    letters = _letters(what, dataformats, "NHWC")
    if isinstance(data, (list, tuple)):
        if letters:
            letters = letters.replace("N", "")
        images = [take(f"{what}: number {i}", each, letters) for i, each in enumerate(data[:most])]
    else:
        if letters and "N" not in letters:
            raise ValueError(f"{what}: want N among dataformats for an array of images, got {dataformats!r}")
        if most is not None and hasattr(data, "shape") and (letters or "N")[0] == "N" and len(data.shape) > 2:
            data = data[:most]  # rather than to copy what is not kept
        array = _numbers(what, data)
        images = list(_arranged(what, array, letters or _guessed(what, array.shape, "NHWC")))[:most]
    if not images:
        raise ValueError(f"{what}: want at least one image, got none")
    return images


def _letters(what: str, dataformats: str | None, known: str) -> str | None:
    if dataformats is None:
        return None
    if not isinstance(dataformats, str):
        raise TypeError(f"{what}: want a str or None as dataformats, got {type(dataformats).__name__}")
    letters = dataformats.upper()
    if len(set(letters)) != len(letters) or not {"H", "W"} <= set(letters) <= set(known):
        hint = "; for several images see images()" if "N" in letters and "N" not in known else ""
        raise ValueError(
            f"{what}: want dataformats of the letters {', '.join(known)}, each once, got {dataformats!r}{hint}"
        )
    return letters


def _unpacked(data: Any) -> tuple[Any, str | None]:
    """A PIL image in a mode that is an array, with its layout; all else as it is."""
    pil = sys.modules.get("PIL.Image")
    if pil is None or not isinstance(data, pil.Image):
        return data, None
    if data.mode not in _DIRECT:
        data = data.convert("RGBA" if data.has_transparency_data else "RGB")
    return data, "HWC" if len(data.getbands()) > 1 else "HW"


def _numbers(what: str, data: Any) -> npt.NDArray[Any]:
    array = _array.snapshot(data, what)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{what}: want real numbers or bools, got dtype {array.dtype}")
    return array


def _guessed(what: str, shape: tuple[int, ...], known: str) -> str:
    """The layout of an array of this shape; of an image with few rows or columns it may be wrong."""
    found = _fitting(shape, known)
    if not found:
        axes = "[height, width] or [height, width, channels]" if known == "HWC" else "[images, height, width, channels]"
        hint = _hint(shape, known)
        raise ValueError(f"{what}: want {axes}, channels 1, 3 or 4, or dataformats, got shape {shape}{hint}")
    return found[0]


def _fitting(shape: tuple[int, ...], known: str) -> list[str]:
    """Usual layouts that an array of this shape may have, the likelier first."""
    usual = [each for each in _USUAL[known] if len(each) == len(shape)]
    return [each for each in usual if "C" not in each or shape[each.index("C")] in _LIKELY]


def _hint(shape: tuple[int, ...], known: str) -> str:
    """What the caller may have meant, to end an error message with."""
    if here := _fitting(shape, known):
        return f"; is it {here[0]!r}?"
    if known == "HWC" and (several := _fitting(shape, "NHWC")):
        return f"; is it {several[0]!r}, for images()?"
    if known == "NHWC" and len(shape) == 3:
        return "; is it 'NHW', or one image, for image()?"
    return ""


def _arranged(what: str, array: npt.NDArray[Any], letters: str) -> npt.NDArray[Any]:
    """A view with the axes [height, width, channels], after N if there is one."""
    shape = array.shape
    known = "NHWC" if "N" in letters else "HWC"
    if len(shape) != len(letters):
        hint = _hint(shape, known)
        raise ValueError(f"{what}: want {len(letters)} dimensions for {letters!r}, got shape {shape}{hint}")
    view = array.transpose([letters.index(letter) for letter in known if letter in letters])
    if "C" not in letters:
        view = view[..., None]
    if not 1 <= view.shape[-1] <= 4:
        hint = _hint(shape, known)
        raise ValueError(f"{what}: want 1 to 4 channels for {letters!r}, got shape {shape}{hint}")
    if not array.size:
        raise ValueError(f"{what}: want at least one pixel, got shape {shape}")
    return view


# ---- what the flush thread does


def eight_bits(what: str, images: Sequence[Image]) -> Iterator[Image8]:
    """The images in 8 bits. All floats, and all uint16, have one range.

    uint8 stays as it is; of other ints uint16 is scaled by 1/257, unless all is below 256, and the rest clipped;
    floats reach from 0 to 1, or to 255 if there are such. NaN is drawn in magenta. A warning is logged, once for each
    `what`, where values say what the dtype does not.
    """
    floats = _span(image for image in images if image.dtype.kind == "f")
    words = _span(image for image in images if image.dtype == np.uint16)
    white = 255.0 if floats.greatest > _EXCESS else 1.0
    if floats.least < 0 or floats.greatest > 1:
        got = f"got {floats.least:.6g} to {floats.greatest:.6g}"
        warn_once(f"{what}: floats outside 0 to 1", f"{got}, taken as 0 to {white:g} and clipped to that")
    if floats.nan:
        warn_once(f"{what}: NaN", "it is drawn in magenta")
    if 1 < words.greatest <= 255:
        warn_once(f"{what}: uint16 of at most 255", "it is taken as uint8")
    for image in images:
        if image.dtype == np.uint8:
            yield image
        elif image.dtype == np.bool_:
            # True may be any byte but 0: in Pillow's arrays it is 255.
            yield np.negative((image.view(np.uint8) != 0).view(np.uint8))
        else:
            yield _converted(image, white, nan=floats.nan, words_are_bytes=words.greatest <= 255)


class _Span(NamedTuple):
    """Of the finite elements, and whether some are NaN."""

    least: float
    greatest: float
    nan: bool


def _span(images: Iterator[Image]) -> _Span:
    least, greatest, nan = math.inf, -math.inf, False
    for image in images:
        for _, band in _bands(image):
            low, high = float(band.min()), float(band.max())
            if not (math.isfinite(low) and math.isfinite(high)):
                finite = np.isfinite(band)
                nan = nan or bool(np.isnan(band).any())
                low = float(band.min(where=finite, initial=np.inf))
                high = float(band.max(where=finite, initial=-np.inf))
            least, greatest = min(least, low), max(greatest, high)
    return _Span(least, greatest, nan)


def _bands(image: Image) -> Iterator[tuple[slice, Image]]:
    rows = max(1, _BAND // (image.shape[1] * image.shape[2]))
    for top in range(0, image.shape[0], rows):
        where = slice(top, top + rows)
        yield where, image[where]


def _converted(image: Image, white: float, *, nan: bool, words_are_bytes: bool) -> Image8:
    # Like `image`, in its order in memory: the encoder takes any, and the steps are fast along it.
    result = np.empty_like(image, np.uint8)
    missing: list[tuple[slice, npt.NDArray[np.bool_]]] = []
    for where, band in _bands(image):
        if image.dtype.kind == "f":
            # At least 32 bits: 16 hold 255 levels near 1, but not their rounding.
            real = np.clip(band, 0, white, dtype=np.result_type(image.dtype, np.float32))
            if nan and (without := np.isnan(real)).any():
                missing.append((where, without.any(axis=2)))
                np.copyto(real, 0, where=without)
            real *= 255 / white
            np.rint(real, out=real)
            np.copyto(result[where], real, casting="unsafe")
        elif image.dtype == np.uint16 and not words_are_bytes:
            # Rounded v / 257, for every v below 65536.
            scaled = np.multiply(band, 255, dtype=np.uint32)
            scaled += 32895
            np.copyto(result[where], scaled >> 16, casting="unsafe")
        else:
            clipped = band if image.dtype.kind == "u" else np.maximum(band, 0)
            clipped = clipped if image.itemsize == 1 else np.minimum(clipped, 255)
            np.copyto(result[where], clipped, casting="unsafe")
    return _painted(result, missing) if missing else result


def _painted(image: Image8, missing: list[tuple[slice, npt.NDArray[np.bool_]]]) -> Image8:
    image = with_colour(image)
    for where, pixels in missing:
        for channel, value in enumerate((*_MAGENTA, 255)[: image.shape[2]]):
            np.copyto(image[where, :, channel], value, where=pixels)
    return image


def with_colour(image: Image8) -> Image8:
    """Grey made RGB, or RGBA if it had alpha."""
    channels = image.shape[2]
    if channels > 2:
        return image
    colours = np.empty((*image.shape[:2], channels + 2), np.uint8)
    for channel in range(3):
        colours[..., channel] = image[..., 0]
    if channels == 2:
        colours[..., 3] = image[..., 1]
    return colours
