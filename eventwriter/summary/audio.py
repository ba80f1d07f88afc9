"""Audio clips, for TensorBoard's Audio dashboard.

Knows: what loudness a number is, and the two forms a clip has in a file. Must not know: WAV, other kinds.

New style: a string tensor [clips, 2] of a WAV file and a label each, plugin "audio"
(tensorboard/plugins/audio/summary_v2.py). Legacy: a `Summary.Audio`, one a value, which TensorBoard turns into the
other as it reads (tensorboard/data_compat.py).
"""

from __future__ import annotations

import operator
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from eventwriter import _array, _wav
from eventwriter._proto.plugin_data_pb2 import AudioPluginData
from eventwriter._proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary, SummaryMetadata
from eventwriter._proto.tensor_pb2 import TensorProto
from eventwriter._proto.types_pb2 import DT_STRING
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import check_texts, metadata
from eventwriter.summary._pixels import warn_once

_BLOCK = 1 << 16  # samples looked at at a time


def audio(
    tag: str,
    data: Any,
    *,
    sample_rate: SupportsIndex = 44100,
    max_outputs: SupportsIndex | None = None,
    legacy: bool = False,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """A clip, mono or stereo, or several.

    Floats are from -1 to 1; what is louder is clipped, and NaN is silence; each is logged once for a tag. Ints are as
    loud as their dtype allows, unsigned ones silent in the middle; int64 counts as int16.

    Args:
        data: real numbers [frames], [frames, channels] or [clips, frames, channels] of 1 or 2 channels. Channels may
            also come before frames where there are more than 2 frames.
        sample_rate: frames per second.
        max_outputs: only the first so many clips. None: all.
        legacy: a `Summary.Audio`, as torch writes; one clip alone.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"audio {tag!r}"
    check_texts(what, description, display_name)
    rate = _at_least_one(what, "sample_rate", sample_rate)
    most = None if max_outputs is None else _at_least_one(what, "max_outputs", max_outputs)
    clips = _clips(what, data)[:most]
    if legacy and len(clips) > 1:
        raise ValueError(f"{what}: want one clip with legacy=True, got {len(clips)}")
    if rate * clips.shape[2] * 2 >= 2**32:
        raise ValueError(f"{what}: want a sample_rate below {2**31 // clips.shape[2]}, got {rate}")

    def encode() -> list[Summary.Value]:
        files = [_wav.encode(_samples(what, clip), rate) for clip in clips]
        make = _legacy if legacy else _new_style
        return [make(tag, files, rate, clips.shape, description, display_name)]

    return Deferred(clips.nbytes, encode, what)
