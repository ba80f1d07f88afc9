"""PNG files: other people's decoders find exactly the pixels that went in, and the files are about Pillow's size."""

from __future__ import annotations

import io
import math
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import cbook
from PIL import Image

from eventwriter import _png

RANDOM = np.random.default_rng(0)
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@pytest.fixture(params=["igzip", "zlib"])
def deflate(request, monkeypatch):
    """With python-isal and without it."""
    if request.param == "zlib":
        monkeypatch.setattr(_png, "isal_zlib", None)
    else:
        assert _png.isal_zlib


def decode(png: bytes) -> np.ndarray:
    """Pillow's pixels, [height, width, channels]. It knows 8 bits, and 16 of grey."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def photo() -> np.ndarray:
    """512 × 512 of the photo that comes with matplotlib."""
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return np.asarray(Image.open(file).convert("RGB"))[:512]


def filters(png: bytes) -> list[int]:
    """Of each row, the filter."""
    height, row = rows(png)
    length = struct.unpack(">I", png[33:37])[0]
    return list(zlib.decompress(png[41 : 41 + length])[:: row + 1])[:height]


def rows(png: bytes) -> tuple[int, int]:
    width, height, depth, colour = struct.unpack(">2I2B", png[16:26])
    return height, width * depth // 8 * {0: 1, 4: 2, 2: 3, 6: 4}[colour]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (3, 5), (28, 28), (400, 333)])
def test_pillow_decodes_the_pixels(deflate, size, channels):
    """8 bits, every number of channels, from one pixel to several blocks."""
    pixels = RANDOM.integers(0, 256, (*size, channels), dtype=np.uint8)
    png = _png.encode(pixels)
    with Image.open(io.BytesIO(png)) as image:
        assert MODES[channels] == image.mode
        image.verify()
    np.testing.assert_array_equal(pixels, decode(png))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bits(deflate, channels):
    """TensorFlow decodes 16 bits of every number of channels, Pillow of one."""
    pixels = np.cumsum(RANDOM.integers(0, 99, (70, 400, channels), dtype=np.uint16), axis=1, dtype=np.uint16)
    for data in (pixels, pixels.astype(">u2")):
        png = _png.encode(data)
        np.testing.assert_array_equal(pixels, tf.io.decode_png(png, dtype=tf.uint16))
    if channels == 1:
        np.testing.assert_array_equal(pixels, decode(png))


def test_grey_without_a_channel_axis():
    """[height, width] is grey."""
    pixels = RANDOM.integers(0, 256, (5, 7), dtype=np.uint8)
    np.testing.assert_array_equal(pixels, decode(_png.encode(pixels))[..., 0])


@pytest.mark.parametrize(
    "view", [lambda p: np.ascontiguousarray(p.transpose(2, 0, 1)).transpose(1, 2, 0), lambda p: p[::-1, ::-1, ::-1],
             lambda p: np.repeat(p, 2, axis=1)[:, ::2], np.asfortranarray, lambda p: np.broadcast_to(p[:1], p.shape)]
)  # fmt: skip
def test_any_order_in_memory(view):
    """Channels first, reversed, strided and broadcast views give what they show."""
    pixels = view(photo()[:100, :90].copy())
    np.testing.assert_array_equal(pixels, decode(_png.encode(pixels)))


@pytest.mark.parametrize("name", [f.__name__ for f in _png._FILTERS])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_filter(monkeypatch, name, dtype):
    """Each filter alone, also across the borders of blocks, is undone by the decoder."""
    monkeypatch.setattr(_png, "_BLOCK", 2000)
    kind = [f.__name__ for f in _png._FILTERS].index(name)
    monkeypatch.setattr(_png, "_best", lambda flat, step: kind)
    for pixels in (
        RANDOM.integers(0, np.iinfo(dtype).max, (60, 50, 3), dtype=dtype, endpoint=True),
        # few values, and those at the ends: ties and overflows of every predictor
        RANDOM.choice([0, 1, 2, 127, 128, 254, 255], (60, 50, 3)).astype(dtype),
    ):
        png = _png.encode(pixels)
        assert [kind] * 60 == filters(png)
        np.testing.assert_array_equal(pixels, tf.io.decode_png(png, dtype=dtype))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_pixels(data):
    """Whatever the shape and the values."""
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 4)))
    values = data.draw(st.binary(min_size=math.prod(shape), max_size=math.prod(shape)))
    pixels = np.frombuffer(values, np.uint8).reshape(shape)
    np.testing.assert_array_equal(pixels, decode(_png.encode(pixels)))


def test_the_filter_suits_the_pixels():
    """Noise is not filtered, a photo is; where an image changes, so does the filter."""
    noise = RANDOM.integers(0, 256, (300, 512, 3), dtype=np.uint8)
    assert {0} == set(filters(_png.encode(noise)))
    assert 0 not in filters(_png.encode(photo()))
    both = filters(_png.encode(np.concatenate([noise, photo()])))
    assert 0 == both[0] != both[-1]


def test_size():
    """Of a photo about Pillow's , of noise no more than the pixels, of one colour next to nothing."""
    pixels = photo()
    theirs = io.BytesIO()
    Image.fromarray(pixels).save(theirs, "PNG")
    assert len(_png.encode(pixels)) <= 1.06 * len(theirs.getvalue())
    noise = RANDOM.integers(0, 256, (512, 512, 3), dtype=np.uint8)
    assert len(_png.encode(noise)) <= 1.001 * noise.nbytes
    assert len(_png.encode(np.full((512, 512, 3), 7, np.uint8))) <= 6000


def test_chunks():
    """Signature, then IHDR, IDAT and IEND with their CRCs, as the standard's section 5 has them."""
    png = _png.encode(np.zeros((3, 2, 4), np.uint16))
    assert b"\x89PNG\r\n\x1a\n" == png[:8]
    rest, kinds = png[8:], []
    while rest:
        length, kind = struct.unpack(">I4s", rest[:8])
        assert zlib.crc32(rest[4 : 8 + length]) == struct.unpack(">I", rest[8 + length : 12 + length])[0]
        kinds.append(kind)
        rest = rest[12 + length :]
    assert [b"IHDR", b"IDAT", b"IEND"] == kinds
    assert bytes.fromhex("00000002 00000003 10 06 00 00 00") == png[16:29]


def test_works_without_isal():
    """Where python-isal is not installed, zlib does it."""
    code = (
        "import sys; sys.modules['isal'] = None\n"
        "import numpy as np\nfrom eventwriter import _png\n"
        "assert _png.isal_zlib is None\nprint(len(_png.encode(np.zeros((9, 9), np.uint8))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (0, "") == (done.returncode, done.stderr)
    assert 50 < int(done.stdout) < 200


@pytest.mark.parametrize(
    ("pixels", "error", "words"),
    [
        (np.zeros((2, 2), np.float32), TypeError, "want uint8 or uint16, got float32"),
        (np.zeros((2, 2), np.int8), TypeError, "want uint8 or uint16, got int8"),
        (np.zeros(2, np.uint8), ValueError, r"got shape \(2,\)"),
        (np.zeros((2, 2, 5), np.uint8), ValueError, r"got shape \(2, 2, 5\)"),
        (np.zeros((1, 2, 2, 3), np.uint8), ValueError, r"got shape \(1, 2, 2, 3\)"),
        (np.zeros((0, 2, 3), np.uint8), ValueError, r"got shape \(0, 2, 3\)"),
        (np.zeros((2, 0), np.uint8), ValueError, r"got shape \(2, 0, 1\)"),
        (np.broadcast_to(np.uint8(0), (2**31, 1)), ValueError, "want at most 2147483647 pixels a side"),
    ],
)
def test_bad_pixels(pixels, error, words):
    """Another dtype or shape is refused with what was got."""
    with pytest.raises(error, match=f"^png: {words}" if words.startswith("want") else f"^png: .*{words}"):
        _png.encode(pixels)
