"""Audio clips, for TensorBoard's Audio dashboard.

Knows: what loudness a number is, and the two forms a clip has in a file. Must not know: WAV, other kinds.

New style: a string tensor [clips, 2] of a WAV file and a label each, plugin "audio"
(tensorboard/plugins/audio/summary_v2.py). Legacy: a `Summary.Audio`, one a value, which TensorBoard turns into the
other as it reads (tensorboard/data_compat.py).
"""

from __future__ import annotations

from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt

from eventwriter import _array, _wav
from eventwriter._proto.plugin_data_pb2 import AudioPluginData
from eventwriter._proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary, SummaryMetadata
from eventwriter._proto.tensor_pb2 import TensorProto
from eventwriter._proto.types_pb2 import DT_STRING
from eventwriter.summary._arguments import at_least_one
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
    rate = at_least_one(what, "sample_rate", sample_rate)
    most = None if max_outputs is None else at_least_one(what, "max_outputs", max_outputs)
    clips = _clips(what, data)[:most]
    if legacy and len(clips) > 1:
        raise ValueError(f"{what}: want one clip with legacy=True, got {len(clips)}")
    if rate * clips.shape[2] * 2 >= 2**32:
        raise ValueError(f"{what}: want a sample_rate below {2**31 // clips.shape[2]}, got {rate}")

    def encode() -> list[Summary.Value]:
        files = [_wav.encode(_samples(what, clip), rate) for clip in clips]
        if not legacy:
            return [_new_style(files, tag, description, display_name)]
        clip = Summary.Audio(
            sample_rate=rate,
            num_channels=clips.shape[2],
            length_frames=clips.shape[1],
            encoded_audio_string=files[0],
            content_type="audio/wav",
        )
        return [_legacy(clip, tag, description, display_name)]

    return Deferred(clips.nbytes, encode, what)


def _clips(what: str, data: Any) -> npt.NDArray[Any]:
    """[clips, frames, channels]."""
    array = _array.snapshot(data, what)
    shape = array.shape
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{what}: want real numbers, got dtype {array.dtype}")
    if not array.size:
        raise ValueError(f"{what}: want at least one frame, got shape {shape}")
    if array.ndim == 1:
        return array[None, :, None]
    if array.ndim in (2, 3):
        clips = array if array.ndim == 3 else array[None]
        if clips.shape[2] <= 2:
            return clips
        if clips.shape[1] <= 2:
            return clips.swapaxes(1, 2)
    want = "[frames], [frames, channels] or [clips, frames, channels] with 1 or 2 channels"
    raise ValueError(f"{what}: want {want}, got shape {shape}")


def _samples(what: str, clip: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Floats, or int16."""
    dtype = clip.dtype
    if dtype.kind == "f":
        _warn_of_odd(what, clip)
        return clip
    bits = 8 * dtype.itemsize
    if bits == 64:
        if clip.min() < -(2**15) or clip.max() >= 2**15:
            got = f"{clip.min()} to {clip.max()}"
            warn_once(what, "clipped", f"what is beyond is clipped: want -32768 to 32767 in {dtype}, got {got}")
        return np.clip(clip, -(2**15), 2**15 - 1).astype(np.int16)
    if dtype.kind == "u":  # the middle becomes 0
        clip = (clip ^ dtype.type(1 << (bits - 1))).view(f"i{dtype.itemsize}")
    if bits == 32:
        return (clip >> 16).astype(np.int16)
    return clip.astype(np.int16) << (16 - bits)


def _warn_of_odd(what: str, clip: npt.NDArray[Any]) -> None:
    for top in range(0, len(clip), _BLOCK):
        block = clip[top : top + _BLOCK]
        # Neither comparison holds for NaN.
        loud = np.abs(block) > 1
        if loud.any():
            loudest = np.abs(block)[loud].max()
            warn_once(what, "clipped", f"what is louder is clipped: want -1 to 1, got an amplitude of {loudest:g}")
        if not (loud | (np.abs(block) <= 1)).all():
            warn_once(what, "nan", "NaN is written as silence")


def _new_style(files: list[bytes], tag: str, description: str | None, display_name: str | None) -> Summary.Value:
    tensor = TensorProto(dtype=DT_STRING)
    for file in files:
        tensor.string_val.extend((file, b""))  # a label, which TensorBoard no longer shows
    tensor.tensor_shape.dim.add(size=len(files))
    tensor.tensor_shape.dim.add(size=2)
    content = AudioPluginData(encoding=AudioPluginData.WAV).SerializeToString()
    about = metadata("audio", content, DATA_CLASS_BLOB_SEQUENCE, description, display_name)
    return Summary.Value(tag=tag, tensor=tensor, metadata=about)


def _legacy(clip: Summary.Audio, tag: str, description: str | None, display_name: str | None) -> Summary.Value:
    if description is None and display_name is None:
        return Summary.Value(tag=tag, audio=clip)
    about = SummaryMetadata(summary_description=description, display_name=display_name)
    return Summary.Value(tag=tag, audio=clip, metadata=about)
