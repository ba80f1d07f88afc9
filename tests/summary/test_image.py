"""Images: what TensorBoard's images plugin and Pillow make of them."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary
from tensorboard.plugins.image import metadata
from tensorboard_values import array, read, shown
from torch.utils.tensorboard import summary as torch_summary

from eventwriter.summary import _warned
from eventwriter.summary._deferred import Deferred
from eventwriter.summary.image import boxes_legacy, image, image_legacy, image_with_boxes, images

RANDOM = np.random.default_rng(0)
HWC = RANDOM.integers(0, 256, (12, 9, 3), dtype=np.uint8)
CHW = np.ascontiguousarray(HWC.transpose(2, 0, 1))
GREY = HWC[..., 0].copy()
NHWC = RANDOM.integers(0, 256, (5, 12, 9, 3), dtype=np.uint8)
RED, MAGENTA = [255, 0, 0], [255, 0, 255]


@pytest.fixture(autouse=True)
def _nothing_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_warned, "_warned", set())


def decode(png: bytes) -> npt.NDArray[Any]:
    with Image.open(io.BytesIO(png)) as file:
        assert file.format == "PNG"
        return np.asarray(file)


def pixels(deferred: Deferred) -> list[npt.NDArray[Any]]:
    """What Pillow decodes of each image that the plugin gets to see, whose first has the size that is said."""
    (value,) = read(deferred)
    width, height, *pngs = array(value).tolist()
    decoded = [decode(png) for png in pngs]
    assert (int(height), int(width)) == decoded[0].shape[:2]
    return decoded


def same(expected: object, deferred: Deferred) -> None:
    (got,) = pixels(deferred)
    np.testing.assert_array_equal(np.asarray(expected), got)


@pytest.mark.parametrize(
    ("data", "dataformats", "expected"),
    [
        (HWC, None, HWC),
        (CHW, None, HWC),
        (GREY, None, GREY),
        (GREY[..., None], None, GREY),
        (GREY[None], None, GREY),
        (HWC, "HWC", HWC),
        (CHW, "chw", HWC),
        (GREY.T, "WH", GREY),
        (CHW.transpose(0, 2, 1), "CWH", HWC),
        (NHWC[0].transpose(1, 2, 0), "WCH", NHWC[0]),
        (HWC[:4], None, HWC[:4]),
        (CHW[:, :, :4], "CHW", HWC[:, :4]),
        (np.dstack([HWC, GREY]), None, np.dstack([HWC, GREY])),
        (np.dstack([GREY, GREY]), "HWC", np.dstack([GREY, GREY])),
        (HWC.tolist(), None, HWC),
        (HWC[::-1, ::2], None, HWC[::-1, ::2]),
        (torch.tensor(CHW), "CHW", HWC),
        (tf.constant(HWC), None, HWC),
    ],
)
def test_layouts(data: object, dataformats: str | None, expected: object) -> None:
    """Axes in any order, given or told by the shape, arrays of any framework, 1 to 4 channels."""
    same(expected, image("i", data, dataformats=dataformats))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_from_0_to_1(dtype: type, caplog: pytest.LogCaptureFixture) -> None:
    """Are rounded to the nearest of 256 levels, so that what was divided by 255 is as before; silently."""
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    same(levels, image("i", (levels / 255).astype(dtype)))
    data = RANDOM.random((40, 30, 3)).astype(dtype)
    same(np.rint(data * 255), image("i", data))
    same(np.rint(data * 255), image("i", data.transpose(2, 0, 1), dataformats="CHW"))
    assert [] == caplog.records


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_floats_of_16_bits(dtype: torch.dtype) -> None:
    """Are converted in 32."""
    data = torch.rand(20, 30).to(dtype)
    same(np.rint(data.float().numpy() * np.float32(255)), image("i", data))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.name == "eventwriter"]
    caplog.clear()
    return found


@pytest.mark.parametrize(
    ("values", "expected", "words"),
    [
        ([0, 100, 254.6], [0, 100, 255], "got 0 to 254.6, taken as 0 to 255"),
        ([-3, 100, 260], [0, 100, 255], "got -3 to 260, taken as 0 to 255"),
        ([0, 0.5, 1.001], [0, 128, 255], "got 0 to 1.001, taken as 0 to 1"),
        ([-2.1, 0.2, 2.6], [0, 51, 255], "got -2.1 to 2.6, taken as 0 to 1"),
        ([-np.inf, 0.2, np.inf], [0, 51, 255], None),
    ],
)
def test_floats_out_of_range(
    values: list[float], expected: list[int], words: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Are taken as 0 to 255 if some are far above 1, and clipped; with one warning for a tag."""
    caplog.set_level(logging.WARNING)
    same([expected], image("i", np.array([values], float)))
    said = warnings(caplog)
    assert bool(words) == len(said)
    if words:
        assert said[0].startswith("image 'i': floats outside 0 to 1: ")
        assert words in said[0]
        same([expected], image("i", np.array([values], float)))
        assert [] == warnings(caplog)
        image("j", np.array([values], float)).values()
        assert len(warnings(caplog)) == 1


@pytest.mark.parametrize(
    ("shape", "axis"),
    [((500, 301), None), ((500, 301, 1), 2), ((500, 301, 3), 2), ((3, 500, 301), 0), ((500, 301, 4), 2)],
)
def test_nan_is_magenta(shape: tuple[int, ...], axis: int | None, caplog: pytest.LogCaptureFixture) -> None:
    """Also in a grey image, which becomes one of colours; all others stay. One warning for a tag."""
    data = RANDOM.random(shape).astype(np.float32)
    plain = image("i", data, dataformats=None)
    data[:, 3] = np.nan
    data.reshape(-1)[-1] = np.nan
    for _ in range(2):
        (got,) = pixels(image("i", data))
    assert ["image 'i': NaN: it is drawn in magenta; further ones of this tag are not reported"] == warnings(caplog)
    missing = np.isnan(data) if axis is None else np.isnan(data).any(axis=axis)
    assert 300 < missing.sum() < 1700
    assert np.all(got[missing] == [*MAGENTA, 255][: got.shape[2]])
    (expected,) = pixels(plain)
    expected = expected[..., None].repeat(3, axis=2) if expected.ndim == 2 else expected
    np.testing.assert_array_equal(expected[~missing], got[~missing])


def test_nan_only() -> None:
    """Is magenta all over; the range of no number is no error."""
    same([[MAGENTA, MAGENTA]], image("i", np.full((1, 2), np.nan)))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint32, np.uint64])
def test_ints_are_clipped(dtype: type) -> None:
    """To 0 to 255, never multiplied."""
    info = np.iinfo(dtype)
    data = np.array([[0, 1, 100, 127, info.min, info.max]], dtype)
    same(np.clip(data.astype(object), 0, 255).astype(np.uint8), image("i", data))


def test_uint16(caplog: pytest.LogCaptureFixture) -> None:
    """Is divided by 257 and rounded; of at most 255 it is taken as uint8, with a warning."""
    data = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    same(np.rint(data / 257), image("i", data))
    same(np.rint(data / 257), image("i", data.astype(">u2")))
    assert [] == warnings(caplog)
    same(GREY, image("i", GREY.astype(np.uint16)))
    assert len(warnings(caplog)) == 1


def test_bools() -> None:
    """Are black and white."""
    same((GREY > 99) * 255, image("i", GREY > 99))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "RGB", "RGBA", "P", "CMYK", "HSV", "I", "F", "I;16"])
def test_pil_images(mode: str) -> None:
    """Of every mode are shown as Pillow shows them; they know their layout."""
    if mode == "I;16":
        picture, expected = Image.fromarray(GREY.astype(np.uint16) * 257), GREY
    else:
        picture = Image.fromarray(HWC[:3]).convert(mode)
        direct = mode in ("L", "LA", "RGB", "RGBA", "I", "F")
        expected = np.asarray(picture if direct else picture.convert("L" if mode == "1" else "RGB")).round()
    same(expected, image("i", picture))


def test_pil_palette_with_transparency() -> None:
    """Keeps it."""
    picture = Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3), "L").convert("P")
    picture.info["transparency"] = 2
    (got,) = pixels(image("i", picture))
    assert [[255, 255, 0], [255, 255, 255]] == got[..., 3].tolist()


def test_batches() -> None:
    """[n, height, width, channels] and [n, channels, height, width], given or told by the shape."""
    nchw = NHWC.transpose(0, 3, 1, 2)
    for data, dataformats in ((NHWC, None), (nchw, None), (nchw, "NCHW"), (NHWC.transpose(1, 2, 0, 3), "HWNC")):
        np.testing.assert_array_equal(NHWC, pixels(images("i", data, dataformats=dataformats)))
        np.testing.assert_array_equal(NHWC[:2], pixels(images("i", data, dataformats=dataformats, max_outputs=2)))
    np.testing.assert_array_equal(NHWC[..., 0], pixels(images("i", NHWC[..., 0], dataformats="NHW")))
    np.testing.assert_array_equal(NHWC, pixels(images("i", torch.tensor(NHWC), max_outputs=9)))
    assert images("i", NHWC, max_outputs=2).nbytes == 2 * HWC.nbytes


def test_sequences() -> None:
    """Of images that differ in size, channels, dtype and framework."""
    data = [HWC, GREY[:5], torch.tensor(CHW), Image.fromarray(HWC), (GREY / 255).astype(np.float64)]
    got = pixels(images("i", data))
    for expected, each in zip([HWC, GREY[:5], HWC, HWC, GREY], got, strict=True):
        np.testing.assert_array_equal(expected, each)
    for dataformats in ("CHW", "NCHW"):
        np.testing.assert_array_equal([HWC, HWC], pixels(images("i", [CHW, CHW], dataformats=dataformats)))


def test_one_range_for_a_batch() -> None:
    """A dark image beside a bright one is dark."""
    data = np.array([[[1.0, 0.0]], [[255.0, 0.0]]])
    assert [[[1, 0]], [[255, 0]]] == [each.tolist() for each in pixels(images("i", data, dataformats="NHW"))]


def test_is_tensorflows_own() -> None:
    """The metadata and the shape of the tensor are those of tf.summary.image, but for the data class."""
    (value,) = read(images("i", NHWC, description="d", display_name="n"))
    assert value.metadata.data_class == DATA_CLASS_BLOB_SEQUENCE
    expected = metadata.create_summary_metadata("n", "d")
    expected.data_class = DATA_CLASS_BLOB_SEQUENCE
    assert expected == value.metadata
    assert (7,) == array(value).shape


def test_snapshot() -> None:
    """The array can change after the call; the bytes kept are its own."""
    data, batch, boxes = HWC.copy(), NHWC.copy(), np.array([[1, 1, 5, 5]])
    one, several, boxed = image("i", data), images("i", batch), image_with_boxes("i", data, boxes)
    expected = pixels(image_with_boxes("i", data, boxes))
    data[:], batch[:], boxes[:] = 0, 0, 0
    same(HWC, one)
    np.testing.assert_array_equal(NHWC, pixels(several))
    np.testing.assert_array_equal(expected, pixels(boxed))
    assert (HWC.nbytes, NHWC.nbytes) == (one.nbytes, several.nbytes)


def test_reading_twice() -> None:
    """Gives equal values: the snapshot stays as it is."""
    data = RANDOM.random((9, 9)) * 300
    data[0, 0] = np.nan
    for deferred in (image("i", data), image_with_boxes("i", HWC, [1, 1, 5, 5]), image_legacy("i", CHW)):
        assert list(deferred.values()) == list(deferred.values())


# ---- boxes


def test_boxes() -> None:
    """Red outlines of two pixels inside the edges, nothing else changes; parts outside the image are cut off."""
    data = np.zeros((20, 30), np.uint8)
    (got,) = pixels(image_with_boxes("i", data, [[3.2, 4, 12, 15], [25, 12, 99, 99], [-9, -9, -1, -1]]))
    expected = np.zeros((20, 30, 3), np.uint8)
    expected[4:16, 3:13, 0] = 255
    expected[6:14, 5:11] = 0
    expected[12:, 25:, 0] = 255
    expected[14:, 27:] = 0
    np.testing.assert_array_equal(expected, got)


@given(st.lists(st.tuples(*[st.floats(-50, 50, width=32) | st.sampled_from([1e30, -1e30])] * 4), max_size=4))
def test_any_boxes(boxes: list[tuple[float, ...]]) -> None:
    """Wherever they lie and whichever corner comes first: only red is added."""
    (got,) = pixels(image_with_boxes("i", HWC, np.array(boxes)))
    assert got.shape == HWC.shape
    changed = (got != HWC).any(axis=2)
    assert np.all(got[changed] == RED)


def test_boxes_are_where_torch_draws_them() -> None:
    """The outermost red pixels are, to one pixel, torch's."""
    boxes = np.array([[3, 4, 25, 15]])
    theirs = torch_summary.image_boxes("i", np.zeros((3, 20, 30), np.uint8), boxes).value[0].image
    (got,) = pixels(image_with_boxes("i", np.zeros((20, 30, 3), np.uint8), boxes))
    red = np.argwhere(got[..., 0] == 255)
    their_red = np.argwhere(decode(theirs.encoded_image_string)[..., 0] == 255)
    assert np.abs(red.min(axis=0) - their_red.min(axis=0)).max() <= 1
    assert np.abs(red.max(axis=0) - their_red.max(axis=0)).max() <= 1


@pytest.mark.parametrize("label", ["cat", "a b\nc", "Ünï 😀 猫", "", 7])
def test_labels(label: object) -> None:
    """Any text is drawn in black on red inside the image, even one that hardly fits."""
    data = np.full((40, 60, 3), 200, np.uint8)
    boxes = [[10, 10, 50, 35], [55, 0, 90, 3]]
    (plain,) = pixels(image_with_boxes("i", data, boxes))
    (got,) = pixels(image_with_boxes("i", data, boxes, labels=[label, label]))
    assert bool(label) == bool((plain != got).any())
    if label:
        assert (got[..., 0] < 100).any()
        assert (got[:, :, 1][got[..., 0] != 200] == 0).all()
    pixels(image_with_boxes("i", HWC[:3, :2], boxes[:1], labels=[label]))


def test_one_box_and_one_label() -> None:
    """Need no list around them; alpha is kept opaque where a box is."""
    rgba = np.zeros((30, 40, 4), np.uint8)
    (got,) = pixels(image_with_boxes("i", rgba, torch.tensor([2, 2, 30, 20]), labels="dog"))
    assert [*RED, 255] == got[2, 2].tolist()
    assert [0, 0, 0, 0] == got[0, 0].tolist()


def test_labels_without_pillow() -> None:
    """Raise an ImportError that says so, in the call; images and boxes do without."""
    code = (
        "import sys; sys.modules['PIL'] = None\n"
        "import numpy as np\nfrom eventwriter.summary.image import image, image_legacy, image_with_boxes\n"
        "data = np.zeros((9, 9), np.uint8)\n"
        "image('i', data).values(); image_with_boxes('i', data, [[1, 1, 5, 5]]).values()\n"
        "for call in (lambda: image_with_boxes('i', data, [[1, 1, 5, 5]], labels=['a']),\n"
        "             lambda: image_legacy('i', data, dataformats='HW', rescale=2)):\n"
        "    try: call()\n"
        "    except ImportError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    labels, rescale = done.stdout.splitlines()
    assert labels.startswith("image_with_boxes 'i': want Pillow")
    assert rescale.startswith("image 'i': want Pillow")


# ---- legacy


def legacy(deferred: Deferred) -> Summary.Image:
    (value,) = read(deferred)
    assert value.WhichOneof("value") == "image"
    assert len(array(value)) == 3  # TensorBoard's migration takes it for an image
    assert shown(value).metadata.plugin_data.plugin_name == "images"
    return value.image


def rgb(png: bytes) -> npt.NDArray[Any]:
    with Image.open(io.BytesIO(png)) as file:
        return np.asarray(file.convert("RGB"))


@pytest.mark.parametrize(
    ("data", "dataformats"),
    [
        (CHW, "CHW"),
        (HWC, "HWC"),
        (GREY, "HW"),
        (GREY[None], "CHW"),
        *[(RANDOM.integers(0, 256, (n, c, 6, 5), dtype=np.uint8), "NCHW") for n in (1, 3, 8, 9, 17) for c in (1, 3)],
        (NHWC, "NHWC"),
        (torch.tensor(CHW), "CHW"),
    ],
)
def test_legacy_is_torchs(data: Any, dataformats: str) -> None:
    """Pixels, width and height are torch's, also those of its grid of up to 8 columns; grey stays grey."""
    expected = torch_summary.image("i", data, dataformats=dataformats).value[0].image
    got = legacy(image_legacy("i", data, dataformats=dataformats))
    assert (expected.width, expected.height) == (got.width, got.height)
    np.testing.assert_array_equal(rgb(expected.encoded_image_string), rgb(got.encoded_image_string))
    assert {"L": 1, "RGB": 3}[Image.open(io.BytesIO(got.encoded_image_string)).mode] == got.colorspace


def test_legacy_floats_are_torchs_but_rounded() -> None:
    """torch rounds down."""
    data = RANDOM.random((3, 20, 20)).astype(np.float32)
    expected = decode(torch_summary.image("i", data, dataformats="CHW").value[0].image.encoded_image_string)
    got = decode(legacy(image_legacy("i", data)).encoded_image_string)
    assert {0, 1} == set(np.unique(got.astype(int) - expected))
    np.testing.assert_array_equal(np.rint(data * 255).transpose(1, 2, 0), got)


def test_legacy_lists_and_nan_in_a_grid() -> None:
    """A list is a batch; a grey image with NaN makes the grid one of colours."""
    data = [np.zeros((2, 2)), np.array([[np.nan, 1], [1, 1]])]
    got = decode(legacy(image_legacy("i", data, dataformats="NHW")).encoded_image_string)
    assert (2, 4, 3) == got.shape
    assert MAGENTA == got[0, 2].tolist()


@pytest.mark.parametrize("rescale", [0.5, 2, 1.3])
def test_legacy_rescale(rescale: float) -> None:
    """The PNG has torch's pixels at another size, the message the old size."""
    for data in (CHW, np.repeat(GREY[None], 3, axis=0)):
        expected = torch_summary.image("i", data, rescale=rescale, dataformats="CHW").value[0].image
        got = legacy(image_legacy("i", data, rescale=rescale))
        assert (9, 12) == (got.width, got.height)
        np.testing.assert_array_equal(decode(expected.encoded_image_string), decode(got.encoded_image_string))
    small = decode(legacy(image_legacy("i", GREY, dataformats="HW", rescale=0.01)).encoded_image_string)
    assert (1, 1) == small.shape


def test_boxes_legacy() -> None:
    """The same pixels as the new style's."""
    expected = pixels(image_with_boxes("i", CHW, [[1, 1, 8, 8]], labels=["a"]))[0]
    got = legacy(boxes_legacy("i", CHW, [[1, 1, 8, 8]], labels="a"))
    np.testing.assert_array_equal(expected, decode(got.encoded_image_string))


# ---- bad input

ZEROS = np.zeros


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: image("i", ZEROS((4, 3, 8, 8)), dataformats="CHW"), ValueError,
         "want 3 dimensions for 'CHW', got shape (4, 3, 8, 8); is it 'NCHW', for images()?"),
        (lambda: image("i", ZEROS((4, 3, 8, 8))), ValueError, "is it 'NCHW', for images()?"),
        (lambda: image("i", ZEROS((224, 224, 3)), dataformats="CHW"), ValueError,
         "want 1 to 4 channels for 'CHW', got shape (224, 224, 3); is it 'HWC'?"),
        (lambda: image("i", ZEROS((3, 8, 8)), dataformats="HWC"), ValueError, "is it 'CHW'?"),
        (lambda: image("i", ZEROS((8, 8)), dataformats="CHW"), ValueError, "is it 'HW'?"),
        (lambda: image("i", ZEROS((8, 8, 8))), ValueError, "got shape (8, 8, 8)"),
        (lambda: image("i", ZEROS(8)), ValueError, "got shape (8,)"),
        (lambda: image("i", 3.0), ValueError, "got shape ()"),
        (lambda: image("i", ZEROS((0, 8))), ValueError, "at least one pixel, got shape (0, 8)"),
        (lambda: image("i", ZEROS((8, 8, 3)), dataformats="HWX"), ValueError, "got 'HWX'"),
        (lambda: image("i", ZEROS((8, 8, 3)), dataformats="HWW"), ValueError, "each once, got 'HWW'"),
        (lambda: image("i", ZEROS((8, 8, 3)), dataformats="HC"), ValueError, "got 'HC'"),
        (lambda: image("i", ZEROS((1, 8, 8, 3)), dataformats="NHWC"), ValueError, "see images()"),
        (lambda: image("i", ZEROS((8, 8)), dataformats=3), TypeError, "dataformats, got int"),
        (lambda: image("i", ZEROS((8, 8), complex)), TypeError, "got dtype complex128"),
        (lambda: image("i", np.full((8, 8), "a")), TypeError, "got dtype <U1"),
        (lambda: image("i", None), TypeError, "NoneType"),
        (lambda: image("i", object()), TypeError, "object"),
        (lambda: image("i", ZEROS((8, 8)), description=1), TypeError, "description, got int"),
        (lambda: images("i", ZEROS((8, 8, 3))), ValueError, "is it 'NHW', or one image, for image()?"),
        (lambda: images("i", ZEROS((2, 8, 8, 3)), dataformats="NCHW"), ValueError, "is it 'NHWC'?"),
        (lambda: images("i", ZEROS((2, 8, 8, 8))), ValueError, "got shape (2, 8, 8, 8)"),
        (lambda: images("i", ZEROS((8, 8, 3)), dataformats="HWC"), ValueError, "want N among dataformats"),
        (lambda: images("i", ZEROS((0, 8, 8, 3))), ValueError, "got shape (0, 8, 8, 3)"),
        (lambda: images("i", []), ValueError, "want at least one image"),
        (lambda: images("i", [HWC, ZEROS((8, 8, 8))]), ValueError, "number 1: "),
        (lambda: images("i", NHWC, max_outputs=0), ValueError, "max_outputs of at least 1, got 0"),
        (lambda: images("i", NHWC, max_outputs=1.5), TypeError, "max_outputs, got float"),
        (lambda: image_with_boxes("i", HWC, [[1, 2, 3]]), ValueError, "got shape (1, 3)"),
        (lambda: image_with_boxes("i", HWC, [[1, 2, 3, np.nan]]), ValueError, "finite"),
        (lambda: image_with_boxes("i", HWC, [["a", "b", "c", "d"]]), TypeError, "boxes"),
        (lambda: image_with_boxes("i", HWC, [[1, 2, 3, 4]], labels=["a", "b"]), ValueError, "1 boxes and 2 labels"),
        (lambda: image_legacy("i", ZEROS((4, 3, 8, 8))), ValueError, "is it 'NCHW'"),
        (lambda: image_legacy("i", [HWC, HWC[:3]], dataformats="NHWC"), ValueError, "images of one shape"),
        (lambda: image_legacy("i", CHW, rescale=0), ValueError, "rescale above 0, got 0"),
        (lambda: image_legacy("i", CHW, rescale="a"), TypeError, "rescale, got str"),
    ],
)  # fmt: skip
def test_bad_input_raises_in_the_call(call: Callable[[], object], error: type[Exception], words: str) -> None:
    """With the tag, what was got, what was wanted, and the likely fix."""
    with pytest.raises(error) as caught:
        call()
    assert "'i'" in str(caught.value)
    assert words in str(caught.value)
