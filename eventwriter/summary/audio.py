"""Sounds, for TensorBoard's Audio dashboard.

Knows: the two forms a sound has in a file, and how numbers of any dtype are samples of 16 bits. Must not know: the
bytes of a WAV file (`_wav`), other kinds.

New style: a string tensor [clips, 2] of WAV file and label, plugin "audio" (tensorboard/plugins/audio/summary_v2.py).
It has no data class: TensorBoard drops the labels where it sets the class itself (tensorboard/dataclass_compat.py),
and takes a class that is set as a sign that they are gone. Legacy: a `Summary.Audio` of one WAV file.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, SupportsFloat, SupportsIndex

import numpy as np
import numpy.typing as npt

from eventwriter import _array, _wav
from eventwriter._proto.plugin_data_pb2 import AudioPluginData
from eventwriter._proto.summary_pb2 import DATA_CLASS_UNKNOWN, Summary
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import check_texts, metadata
from eventwriter.summary._warned import warn_once
from eventwriter.summary.text import string_tensor

Array = npt.NDArray[Any]

_CHANNELS = 2
_LARGEST = 2**32 - 256  # bytes of samples in a WAV file, whose header counts in 32 bits
_FASTEST = 2**32 // (2 * _CHANNELS) - 1  # frames per second: the header has the bytes of them


def audio(
    tag: str,
    data: Any,
    *,
    sample_rate: SupportsFloat = 44100,
    max_outputs: SupportsIndex | None = None,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """One or several sounds, mono or stereo, as WAV files of 16 bits.

    Args:
        data: [frames], [frames, channels] or [clips, frames, channels], with 1 or 2 channels. int16 is kept as it is.
            Floats are from -1 to 1: x becomes round(32768 x), as in TensorFlow, so int16 / 32768 comes back exactly.
            Other ints of 8 to 32 bits are scaled by their range, unsigned ones around its middle; of 64 bits, which
            no sound has, they count as int16. What is beyond is clipped and NaN becomes 0, with a warning once a tag.
        sample_rate: frames per second, rounded to a whole number.
        max_outputs: how many clips are kept, the first ones; None keeps all.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"audio {tag!r}"
    check_texts(what, description, display_name)
    rate = _rate(what, sample_rate)
    most = None if max_outputs is None else _count(what, max_outputs)
    if most is not None and len(getattr(data, "shape", ())) == 3:
        data = data[:most]  # what is dropped is not copied
    samples = _numbers(what, data)
    if samples.ndim == 3:
        clips = samples[:most]
    elif samples.ndim in (1, 2):
        clips = samples.reshape(1, len(samples), -1) if len(samples) else samples.reshape(1, 0, 1)
    else:
        raise ValueError(
            f"{what}: want [frames], [frames, channels] or [clips, frames, channels], got shape {samples.shape}"
        )
    _check_clip(what, clips.shape[1:], samples.shape)

    def encode() -> list[Summary.Value]:
        files = [_wav.encode(_pcm16(what, clip, _rounded), rate) for clip in clips]
        tensor = string_tensor([len(files), 2], [part for file in files for part in (file, b"")])
        content = AudioPluginData(encoding=AudioPluginData.WAV).SerializeToString()
        about = metadata("audio", content, DATA_CLASS_UNKNOWN, description, display_name)
        return [Summary.Value(tag=tag, metadata=about, tensor=tensor)]

    return Deferred(samples.nbytes, encode, what)


def audio_legacy(tag: str, data: Any, *, sample_rate: SupportsFloat = 44100) -> Deferred:
    """A sound as torch's `SummaryWriter.add_audio` writes it, and in stereo as tensorboardX's.

    Args:
        data: [frames] or [frames, channels], where dimensions of 1 do not count. Numbers as in `audio`, but a float x
            becomes 32767 x without what is behind the point, as in torch.
        sample_rate: as in `audio`.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"audio {tag!r}"
    rate = _rate(what, sample_rate)
    samples = _numbers(what, data)
    clip = np.atleast_1d(samples.squeeze())
    if clip.ndim > 2:
        raise ValueError(f"{what}: want [frames] or [frames, channels], got shape {samples.shape}")
    clip = clip.reshape(len(clip), -1) if len(clip) else clip.reshape(0, 1)
    _check_clip(what, clip.shape, samples.shape)

    def encode() -> list[Summary.Value]:
        sound = Summary.Audio(
            sample_rate=rate,
            num_channels=clip.shape[1],
            length_frames=clip.shape[0],
            encoded_audio_string=_wav.encode(_pcm16(what, clip, _truncated), rate),
            content_type="audio/wav",
        )
        return [Summary.Value(tag=tag, audio=sound)]

    return Deferred(samples.nbytes, encode, what)


# ---- what is checked in the call


def _numbers(what: str, data: Any) -> Array:
    samples = _array.snapshot(data, what)
    if samples.dtype.kind not in "iuf":
        raise TypeError(f"{what}: want floats or ints, got dtype {samples.dtype}")
    return samples


def _check_clip(what: str, clip: tuple[int, ...], got: tuple[int, ...]) -> None:
    frames, channels = clip
    if not 1 <= channels <= _CHANNELS:
        hint = ": channels come last, so transpose it?" if 1 <= frames <= _CHANNELS < channels else ""
        raise ValueError(f"{what}: want 1 or 2 channels, got {channels} in shape {got}{hint}")
    if frames * channels * 2 > _LARGEST:
        raise ValueError(f"{what}: want less than 4 GiB of samples in a clip, got shape {got}")


def _rate(what: str, sample_rate: SupportsFloat) -> int:
    try:
        rate = float(sample_rate)
    except (TypeError, ValueError):
        raise TypeError(f"{what}: want a number as sample_rate, got {type(sample_rate).__name__}") from None
    if not (math.isfinite(rate) and 1 <= round(rate) <= _FASTEST):
        raise ValueError(f"{what}: want a sample_rate from 1 to {_FASTEST}, got {rate:g}")
    return round(rate)


def _count(what: str, max_outputs: SupportsIndex) -> int:
    try:
        most = operator.index(max_outputs)
    except TypeError:
        raise TypeError(f"{what}: want an int or None as max_outputs, got {type(max_outputs).__name__}") from None
    if most < 0:
        raise ValueError(f"{what}: want max_outputs of at least 0, got {most}")
    return most


# ---- what the flush thread does


def _pcm16(what: str, samples: Array, quantized: Callable[[Array], Array]) -> npt.NDArray[np.int16]:
    """`quantized` makes whole numbers of floats."""
    dtype = samples.dtype
    if dtype == np.int16:
        return samples
    if dtype.kind == "f":
        if dtype.itemsize == 2:
            samples = samples.astype(np.float32)
        silent = int(np.count_nonzero(np.isnan(samples)))
        loud = int(np.count_nonzero(np.abs(samples) > 1))
        if silent or loud:
            problems = [f"{n} {words}" for n, words in ((silent, "NaN (taken as 0)"), (loud, "beyond (clipped)")) if n]
            warn_once(what, f"want floats from -1 to 1, got {' and '.join(problems)}")
            samples = np.clip(np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0), -1, 1)
        return np.clip(quantized(samples), -(2**15), 2**15 - 1).astype(np.int16)
    if dtype.itemsize == 8:
        clipped = np.clip(samples, None if dtype.kind == "u" else -(2**15), 2**15 - 1)
        if not np.array_equal(clipped, samples):
            warn_once(what, f"{dtype} counts as int16, got {samples.min()} to {samples.max()}, which is clipped")
        return clipped.astype(np.int16)
    bits = 8 * dtype.itemsize
    wide = samples.astype(np.int64)
    if dtype.kind == "u":
        wide -= 1 << bits - 1
    return (wide << 16 - bits if bits < 16 else wide >> bits - 16).astype(np.int16)


def _rounded(samples: Array) -> Array:
    return np.asarray(np.rint(samples * samples.dtype.type(2**15)))


def _truncated(samples: Array) -> Array:
    return np.asarray(np.trunc(samples * samples.dtype.type(2**15 - 1)))
