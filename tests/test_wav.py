"""WAV files: other people's readers find exactly the samples that went in."""

from __future__ import annotations

import io
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventwriter import _wav

RANDOM = np.random.default_rng(0)


def read(wav: bytes) -> tuple[int, np.ndarray]:
    """Rate and samples [frames, channels], by the standard library."""
    with wave.open(io.BytesIO(wav)) as file:
        assert (2, "NONE") == (file.getsampwidth(), file.getcomptype())
        data = file.readframes(file.getnframes())
        return file.getframerate(), np.frombuffer(data, "<i2").reshape(-1, file.getnchannels())


@pytest.mark.parametrize("rate", [1, 8000, 44100, 192000])
@pytest.mark.parametrize("shape", [(0, 1), (1, 1), (1000, 1), (40000, 2), (7, 6)])
def test_int16(shape, rate):
    """16-bit samples are kept bit for bit, as many channels as there are."""
    samples = RANDOM.integers(-32768, 32768, shape, dtype=np.int16)
    for data in (samples, samples.astype(">i2"), np.asfortranarray(samples)):
        wav = _wav.encode(data, rate)
        assert rate == read(wav)[0]
        np.testing.assert_array_equal(samples, read(wav)[1])


@given(st.lists(st.floats(-1, 1)), st.sampled_from([np.float16, np.float32, np.float64]))
def test_floats(values, dtype):
    """-1 to 1 is -32767 to 32767, rounded."""
    samples = np.array(values, dtype)[:, None]
    want = np.rint(samples.astype(np.float64) * 32767)
    np.testing.assert_array_equal(want, read(_wav.encode(samples, 8000))[1])


def test_floats_in_blocks():
    """A long stereo clip is the same as its parts."""
    samples = RANDOM.uniform(-1, 1, (50_000, 2)).astype(np.float32)
    np.testing.assert_array_equal(np.rint(samples.astype(np.float64) * 32767), read(_wav.encode(samples, 8000))[1])


def test_beyond():
    """What is louder than 1 is clipped, and NaN is silence."""
    samples = np.array([[1.5], [-7], [np.inf], [-np.inf], [np.nan], [1]], np.float32)
    assert [32767, -32767, 32767, -32767, 0, 32767] == read(_wav.encode(samples, 8000))[1][:, 0].tolist()


def test_scipy_agrees():
    """scipy's reader, where it is installed, finds the same."""
    wavfile = pytest.importorskip("scipy.io.wavfile")
    samples = RANDOM.integers(-32768, 32768, (500, 2), dtype=np.int16)
    rate, got = wavfile.read(io.BytesIO(_wav.encode(samples, 22050)))
    assert 22050 == rate
    np.testing.assert_array_equal(samples, got)


def test_tensorflow_agrees():
    """So does TensorFlow's, which is another one than the browser's."""
    tf = pytest.importorskip("tensorflow")
    samples = RANDOM.integers(-32768, 32768, (500, 2), dtype=np.int16)
    got, rate = tf.audio.decode_wav(_wav.encode(samples, 22050))
    assert 22050 == rate
    np.testing.assert_array_equal(samples, np.rint(got.numpy() * 32768))


@pytest.mark.parametrize(
    ("samples", "rate", "error", "words"),
    [
        (np.zeros((3, 1), np.int32), 8000, TypeError, "want floats or int16, got int32"),
        (np.zeros((3, 1), np.complex64), 8000, TypeError, "want floats or int16, got complex64"),
        (np.zeros(3, np.int16), 8000, ValueError, r"want samples \[frames, channels\], got shape \(3,\)"),
        (np.zeros((3, 0), np.int16), 8000, ValueError, r"got shape \(3, 0\)"),
        (np.zeros((1, 65536), np.int16), 8000, ValueError, r"got shape \(1, 65536\)"),
        (np.zeros((3, 1), np.int16), 0, ValueError, "want a sample rate from 1 to 2147483647, got 0"),
        (np.zeros((3, 2), np.int16), 2**31, ValueError, "want a sample rate from 1 to 1073741823, got 2147483648"),
        (np.broadcast_to(np.int16(0), (2**31, 1)), 1, ValueError, "want less than 4 GiB of samples, got 4294967296"),
    ],
)
def test_bad_samples(samples, rate, error, words):
    """Another dtype, shape or rate is refused with what was got."""
    with pytest.raises(error, match=f"^wav: .*{words}"):
        _wav.encode(samples, rate)
