"""Samples as a WAV file of 16 bits (IBM and Microsoft, Multimedia Programming Interface 1.0, 1991).

Knows: the RIFF chunks of a WAV file, and how a float is a sample. Must not know: tags, protobuf, what is heard.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

_HEADER = struct.Struct("<4sI4s 4sIHHIIHH 4sI")
_PCM = 1
_BYTES = 2  # of a sample
_LARGEST = 2**32 - 1
_BLOCK = 1 << 14  # samples converted at a time


def encode(samples: npt.NDArray[Any], sample_rate: int) -> bytes:
    """A WAV file of the samples.

    Args:
        samples: [frames, channels], int16, or floats: 1 becomes 32767, -1 becomes -32767, what is beyond becomes the
            same, NaN becomes 0.
        sample_rate: frames per second.

    Raises:
        TypeError: another dtype. ValueError: another shape, or more than a WAV file holds (4 GiB, 65535 channels).
    """
    integers = samples.dtype.newbyteorder("=") == np.int16
    if not integers and samples.dtype.kind != "f":
        raise TypeError(f"wav: want floats or int16, got {samples.dtype}")
    if samples.ndim != 2 or not 0 < samples.shape[1] < 2**16:
        raise ValueError(f"wav: want samples [frames, channels], got shape {samples.shape}")
    frames, channels = samples.shape
    frame = channels * _BYTES
    rate = int(sample_rate)
    size = frames * frame
    if not 0 < rate * frame <= _LARGEST:
        raise ValueError(f"wav: want a sample rate from 1 to {_LARGEST // frame}, got {sample_rate}")
    if size > _LARGEST - _HEADER.size:
        raise ValueError(f"wav: want less than 4 GiB of samples, got {size} bytes")
    header = _HEADER.pack(
        b"RIFF", _HEADER.size - 8 + size, b"WAVE",
        b"fmt ", 16, _PCM, channels, rate, rate * frame, frame, 8 * _BYTES,
        b"data", size,
    )  # fmt: skip
    if integers:
        return header + samples.astype("<i2", order="C", copy=False).tobytes()
    return header + b"".join(_pcm(samples[at : at + _BLOCK]) for at in range(0, frames, _BLOCK))


def _pcm(samples: npt.NDArray[Any]) -> bytes:
    scaled = np.clip(samples, -1, 1).astype(np.float64, order="C", copy=False) * 32767
    np.rint(scaled, out=scaled)
    scaled[np.isnan(scaled)] = 0
    data: bytes = scaled.astype("<i2").tobytes()
    return data
