"""Animated GIFs: other people's decoders find the frames, their colours and their times."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import cbook
from PIL import Image, ImageSequence

from eventwriter import _gif

RANDOM = np.random.default_rng(0)


def decode(gif: bytes) -> np.ndarray:
    """Pillow's frames, RGB."""
    with Image.open(io.BytesIO(gif)) as image:
        return np.stack([np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)])


def rgb(frames: np.ndarray) -> np.ndarray:
    return np.broadcast_to(frames, (*frames.shape[:3], 3))


def photos(count: int, size: int) -> np.ndarray:
    """The camera moves over the photo that comes with matplotlib."""
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        pixels = np.asarray(Image.open(file).convert("RGB"))
    return np.stack([pixels[9 * i : 9 * i + size, 5 * i : 5 * i + size] for i in range(count)])


def colours(count: int) -> np.ndarray:
    """So many different ones."""
    numbers = RANDOM.choice(1 << 24, count, replace=False)
    return np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], -1).astype(np.uint8)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 17, 129, 255, 256])
def test_up_to_256_colours_are_exact(count):
    """For Pillow and for TensorFlow, with codes of every width."""
    frames = colours(count)[RANDOM.integers(0, count, (5, 61, 67))]
    gif = _gif.encode(frames, 4)
    np.testing.assert_array_equal(frames, decode(gif))
    np.testing.assert_array_equal(frames, tf.io.decode_gif(gif))


@pytest.mark.parametrize("levels", [1, 2, 7, 256])
def test_grey_is_exact(levels):
    """Of one channel all 256 levels are kept."""
    frames = RANDOM.choice(256, levels, replace=False)[RANDOM.integers(0, levels, (3, 40, 50, 1))].astype(np.uint8)
    np.testing.assert_array_equal(rgb(frames), decode(_gif.encode(frames, 4)))


def test_frames_of_few_colours_are_exact_among_others():
    """Each frame of up to 256 colours is exact, though the clip has more."""
    few = [colours(200)[RANDOM.integers(0, 200, (48, 48))] for _ in range(3)]
    frames = np.stack([few[0], few[1], *photos(2, 48), few[2], few[2]])
    got = decode(_gif.encode(frames, 4))
    np.testing.assert_array_equal(frames[[0, 1, 4, 5]], got[[0, 1, 4, 5]])
    assert np.abs(frames[2:4].astype(float) - got[2:4]).mean() < 4
    frames = np.stack(few)
    np.testing.assert_array_equal(frames, decode(_gif.encode(frames, 4)))


def test_a_photo_is_as_near_as_pillows():
    """Of a clip with many colours the mean error is about that of a palette by Pillow for each frame alone."""
    frames = photos(4, 128)
    images = [Image.fromarray(frame).quantize(256).convert("RGB") for frame in frames]
    theirs = np.abs(frames.astype(float) - np.stack([np.asarray(image) for image in images])).mean()
    assert np.abs(frames.astype(float) - decode(_gif.encode(frames, 4))).mean() <= 1.1 * theirs


def test_noise():
    """Every coarse colour there is: the worst that can happen to a palette."""
    frames = RANDOM.integers(0, 256, (2, 200, 210, 3), dtype=np.uint8)
    assert np.abs(frames.astype(float) - decode(_gif.encode(frames, 4))).mean() < 15


def test_colours_next_to_each_other():
    """More than 256 colours that are one coarse colour or two."""
    frames = RANDOM.integers(0, 8, (2, 60, 60, 3), dtype=np.uint8)
    frames[1, 0, 0] = 255
    got = decode(_gif.encode(frames, 4))
    assert np.abs(frames.astype(float) - got).max() <= 8
    assert [255, 255, 255] == got[1, 0, 0].tolist()


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_clip(data):
    """Whatever the shape and the pixels, as long as there are few colours."""
    shape = data.draw(st.tuples(*[st.integers(1, n) for n in (4, 12, 12)]))
    values = data.draw(st.lists(st.integers(0, 3), min_size=math.prod(shape), max_size=math.prod(shape)))
    frames = np.array([[0, 0, 0], [255, 0, 9], [1, 2, 3], [255, 255, 255]], np.uint8)[np.reshape(values, shape)]
    np.testing.assert_array_equal(frames, decode_all(_gif.encode(frames, 4)))


def decode_all(gif: bytes) -> np.ndarray:
    """TensorFlow's frames, which keep those that change nothing."""
    return np.asarray(tf.io.decode_gif(gif))


def test_a_full_code_table():
    """Pixels that fill the table of 4096 codes several times, and codes that stop just before and behind that."""
    frames = RANDOM.integers(0, 256, (1, 1, 20_000, 1), dtype=np.uint8)
    for width in (1, 2, 3837, 3838, 3839, 3840, 3841, 3842, 7676, 7677, 7678, 7679, 7680, 20_000):
        np.testing.assert_array_equal(rgb(frames[:, :, :width]), decode(_gif.encode(frames[:, :, :width], 4)))


def test_only_what_changes_is_written():
    """A clip of one moving pixel is hardly larger than a still."""
    frames = np.repeat(photos(1, 64)[..., :1], 9, axis=0)
    still = len(_gif.encode(frames[:1], 4))
    for at in range(1, 9):
        frames[at, at, 3 * at] ^= 255
    gif = _gif.encode(frames, 4)
    np.testing.assert_array_equal(rgb(frames), decode(gif))
    assert len(gif) < 1.3 * still


def test_frames_that_do_not_change():
    """They are there all the same, and take their time."""
    frames = np.full((4, 5, 6, 3), 7, np.uint8)
    gif = _gif.encode(frames, 10)
    np.testing.assert_array_equal(frames, decode_all(gif))
    assert [100] * 4 == durations(gif)


def durations(gif: bytes) -> list[int]:
    """Milliseconds, by the frames' own blocks."""
    found = []
    at = gif.find(b"\x21\xf9\x04")
    while at >= 0:
        found.append(10 * int.from_bytes(gif[at + 4 : at + 6], "little"))
        at = gif.find(b"\x21\xf9\x04", at + 1)
    return found


@pytest.mark.parametrize("fps", [0.5, 1, 4, 7, 24, 29.97, 30, 50])
def test_times(fps):
    """Each frame begins within 5 ms of its time, and the clip repeats for ever."""
    frames = np.arange(24, dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(4, axis=1)
    gif = _gif.encode(frames, fps)
    begins = np.cumsum([0, *durations(gif)])
    np.testing.assert_allclose(begins, 1000 * np.arange(25) / fps, atol=5.001)
    with Image.open(io.BytesIO(gif)) as image:
        assert (24, 0) == (image.n_frames, image.info["loop"])
        assert durations(gif)[0] == image.info["duration"]


@pytest.mark.parametrize(
    ("frames", "fps", "error", "words"),
    [
        (np.zeros((1, 2, 2, 3), np.float32), 4, TypeError, "want uint8, got float32"),
        (np.zeros((2, 2, 3), np.uint8), 4, ValueError, r"got shape \(2, 2, 3\)"),
        (np.zeros((1, 2, 2, 4), np.uint8), 4, ValueError, r"got shape \(1, 2, 2, 4\)"),
        (np.zeros((0, 2, 2, 3), np.uint8), 4, ValueError, r"got shape \(0, 2, 2, 3\)"),
        (np.zeros((1, 1, 65536, 1), np.uint8), 4, ValueError, r"65535 pixels a side, got shape \(1, 1, 65536, 1\)"),
        (np.zeros((1, 2, 2, 3), np.uint8), 0, ValueError, "want from 1/600 to 50 frames per second, got 0"),
        (np.zeros((1, 2, 2, 3), np.uint8), 60, ValueError, "want from 1/600 to 50 frames per second, got 60"),
        (np.zeros((1, 2, 2, 3), np.uint8), float("nan"), ValueError, "frames per second, got nan"),
    ],
)
def test_bad_frames(frames, fps, error, words):
    """Another dtype, shape or rate is refused with what was got."""
    with pytest.raises(error, match=f"^gif: .*{words}"):
        _gif.encode(frames, fps)
