"""Sounds: what TensorBoard's audio plugin and a reader of WAV files make of them."""

from __future__ import annotations

import io
import logging
import wave
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from tensorboard.plugins.audio import metadata
from tensorboard_values import array, read
from torch.utils.tensorboard import summary as torchs

from eventwriter.summary import _warned
from eventwriter.summary._deferred import Deferred
from eventwriter.summary.audio import audio, audio_legacy

RANDOM = np.random.default_rng(0)
INT16 = RANDOM.integers(-(2**15), 2**15, (500, 2), dtype=np.int16)


@pytest.fixture(autouse=True)
def _nothing_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_warned, "_warned", set())


def decoded(wav: bytes) -> tuple[int, npt.NDArray[np.int16]]:
    """Rate and samples [frames, channels]."""
    with wave.open(io.BytesIO(wav)) as file:
        assert 2 == file.getsampwidth()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return file.getframerate(), samples.reshape(-1, file.getnchannels())


def heard(deferred: Deferred) -> list[npt.NDArray[np.int16]]:
    """The clips, as the plugin gets to see them."""
    (value,) = read(deferred)
    if value.HasField("audio"):
        return [decoded(value.audio.encoded_audio_string)[1]]
    return [decoded(clip)[1] for clip in array(value)]


@pytest.mark.parametrize("function", [audio, audio_legacy])
@pytest.mark.parametrize("data", [INT16, INT16[:, :1], INT16[:, 0], INT16.astype(">i2"), np.asfortranarray(INT16)])
def test_int16_is_kept(function: Callable[..., Deferred], data: npt.NDArray[np.int16]) -> None:
    """Sample by sample, mono and stereo."""
    np.testing.assert_array_equal(data.reshape(500, -1), heard(function("a", data))[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_of_int16_come_back(dtype: type) -> None:
    """What a reader divided by 32768 is the same int16 again, as with TensorFlow's encoder."""
    tf = pytest.importorskip("tensorflow")
    every = np.arange(-(2**15), 2**15).astype(np.int16)[:, None]
    floats = every.astype(dtype) / 2**15
    np.testing.assert_array_equal(every, heard(audio("a", floats))[0])
    other = tf.audio.encode_wav(floats.astype(np.float32), 44100).numpy()
    np.testing.assert_array_equal(decoded(other)[1], heard(audio("a", floats))[0])


def test_full_scale(caplog: pytest.LogCaptureFixture) -> None:
    """1 is the largest sample there is, which is no reason for a warning; float16 and bfloat16 are floats as well."""
    for data in (np.float16([1, -1, 0, 0.5]), torch.tensor([1, -1, 0, 0.5], dtype=torch.bfloat16)):
        assert [32767, -32768, 0, 16384] == heard(audio("a", data))[0][:, 0].tolist()
    assert not caplog.records


@pytest.mark.parametrize(
    ("dtype", "samples", "expected"),
    [
        (np.int8, [-128, 0, 127], [-32768, 0, 32512]),
        (np.uint8, [0, 128, 255], [-32768, 0, 32512]),
        (np.uint16, [0, 2**15, 2**16 - 1], [-32768, 0, 32767]),
        (np.int32, [-(2**31), 0, 2**16, 2**31 - 1], [-32768, 0, 1, 32767]),
        (np.uint32, [0, 2**31, 2**32 - 1], [-32768, 0, 32767]),
        (np.int64, [-32768, 0, 32767], [-32768, 0, 32767]),
        (np.uint64, [0, 32767], [0, 32767]),
    ],
)
def test_other_ints(dtype: type, samples: list[int], expected: list[int]) -> None:
    """Are scaled by their range; 64 bits count as int16."""
    assert expected == heard(audio("a", np.array(samples, dtype)))[0][:, 0].tolist()


def test_clips() -> None:
    """Several in one value, as many as wanted."""
    data = RANDOM.integers(-(2**15), 2**15, (4, 100, 2), dtype=np.int16)
    for expected, deferred in (
        (data, audio("a", data)),
        (data[:2], audio("a", data, max_outputs=2)),
        (data[:2], audio("a", data.tolist(), max_outputs=2)),
        (data, audio("a", torch.tensor(data), max_outputs=9)),
        (data[:0], audio("a", data, max_outputs=0)),
    ):
        assert expected.tolist() == [clip.tolist() for clip in heard(deferred)]
    assert 2 * 100 * 2 * 2 == audio("a", data, max_outputs=2).nbytes


def test_is_tensorflows_own(tmp_path: Any) -> None:
    """The same proto as tf.summary.audio's."""
    tf = pytest.importorskip("tensorflow")
    data = RANDOM.uniform(-1, 1, (2, 50, 2)).astype(np.float32)
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        tf.summary.audio("a", data, 8000, step=1, description="d")
    (file,) = tmp_path.iterdir()
    records = [tf.compat.v1.Event.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))]
    (expected,) = [value for event in records for value in event.summary.value]
    (got,) = read(audio("a", data, sample_rate=8000, description="d"))
    assert expected.metadata.SerializeToString() == got.metadata.SerializeToString()
    assert [2, 2] == [dim.size for dim in got.tensor.tensor_shape.dim]
    assert metadata.Encoding.Value("WAV") == metadata.parse_plugin_metadata(got.metadata.plugin_data.content).encoding
    # The files may differ in their headers.
    for one, other in zip(expected.tensor.string_val[::2], got.tensor.string_val[::2], strict=True):
        assert decoded(one)[0] == decoded(other)[0] == 8000
        np.testing.assert_array_equal(decoded(one)[1], decoded(other)[1])


@pytest.mark.filterwarnings("ignore")  # torch's own
@pytest.mark.parametrize("shape", [(300,), (1, 300), (300, 1)])
def test_is_torchs_own(shape: tuple[int, ...]) -> None:
    """The legacy value is torch's, byte for byte."""
    data = RANDOM.uniform(-1, 1, shape).astype(np.float32)
    expected = torchs.audio("a", data, 16000).value[0]
    (got,) = read(audio_legacy("a", data, sample_rate=16000))
    assert expected.SerializeToString(deterministic=True) == got.SerializeToString(deterministic=True)


def test_legacy_in_stereo() -> None:
    """Says how long it is and how many channels it has."""
    (value,) = read(audio_legacy("a", INT16, sample_rate=22050.0))
    assert (2, 500, 22050, "audio/wav") == (
        value.audio.num_channels,
        value.audio.length_frames,
        value.audio.sample_rate,
        value.audio.content_type,
    )


def test_beyond_is_clipped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """And NaN is silence."""
    data = np.array([1.5, -7, np.inf, -np.inf, np.nan, 0.25], np.float32)
    with caplog.at_level(logging.WARNING, "eventwriter"):
        deferred = audio("loud", data)
        assert not caplog.records
        assert [32767, -32768, 32767, -32768, 0, 8192] == heard(deferred)[0][:, 0].tolist()
        heard(audio("loud", data))
        heard(audio_legacy("other", np.array([0, 40000, -(2**40)])))
    first, second = (record.getMessage() for record in caplog.records)
    assert "audio 'loud': want floats from -1 to 1, got 1 NaN (taken as 0) and 4 beyond (clipped)" in first
    assert "audio 'other': int64 counts as int16, got -1099511627776 to 40000, which is clipped" in second


def test_no_frames() -> None:
    """An empty clip is a legal file."""
    assert (0, 1) == heard(audio("a", np.zeros(0)))[0].shape
    assert (0, 2) == heard(audio("a", np.zeros((1, 0, 2))))[0].shape
    assert (0, 1) == heard(audio_legacy("a", np.zeros(0)))[0].shape


@pytest.mark.parametrize("function", [audio, audio_legacy])
def test_snapshot(function: Callable[..., Deferred]) -> None:
    """The array can change after the call; reading twice is the same."""
    data = INT16.copy()
    deferred = function("a", data)
    data[:] = 0
    np.testing.assert_array_equal(INT16, heard(deferred)[0])
    np.testing.assert_array_equal(INT16, heard(deferred)[0])
    assert data.nbytes == deferred.nbytes


FLOATS = np.zeros((2, 16000), np.float32)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: audio("a", FLOATS), ValueError, ["'a'", "1 or 2 channels, got 16000", "transpose"]),
        (lambda: audio_legacy("a", FLOATS), ValueError, ["'a'", "1 or 2 channels, got 16000", "transpose"]),
        (lambda: audio("a", np.zeros((9, 9))), ValueError, ["'a'", "got 9 in shape (9, 9)"]),
        (lambda: audio("a", np.zeros((9, 9, 0))), ValueError, ["'a'", "got 0"]),
        (lambda: audio("a", np.zeros((1, 1, 9, 1))), ValueError, ["'a'", "[clips, frames, channels]", "(1, 1, 9, 1)"]),
        (lambda: audio("a", 1.0), ValueError, ["'a'", "got shape ()"]),
        (lambda: audio_legacy("a", np.zeros((3, 9, 2))), ValueError, ["'a'", "(3, 9, 2)"]),
        (lambda: audio("a", np.zeros(9, bool)), TypeError, ["'a'", "bool"]),
        (lambda: audio("a", np.zeros(9, np.complex64)), TypeError, ["'a'", "complex64"]),
        (lambda: audio("a", "song.wav"), TypeError, ["'a'", "<U8"]),
        (lambda: audio("a", None), TypeError, ["'a'", "NoneType"]),
        (lambda: audio("a", [0.0], sample_rate=0), ValueError, ["'a'", "sample_rate", "0"]),
        (lambda: audio("a", [0.0], sample_rate=float("nan")), ValueError, ["'a'", "sample_rate", "nan"]),
        (lambda: audio("a", [0.0], sample_rate="fast"), TypeError, ["'a'", "sample_rate", "str"]),
        (lambda: audio("a", [0.0], max_outputs=-1), ValueError, ["'a'", "max_outputs", "-1"]),
        (lambda: audio("a", [0.0], max_outputs=1.5), TypeError, ["'a'", "max_outputs", "float"]),
        (lambda: audio("a", [0.0], description=1), TypeError, ["'a'", "description"]),
    ],
)
def test_bad_input_raises_in_the_call(call: Callable[[], object], error: type[Exception], words: list[str]) -> None:
    """With the tag, what was got and what was wanted."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
