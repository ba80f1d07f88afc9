"""Figures: what TensorBoard's image plugin gets to see of them, and what their owner finds after."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pytest
from matplotlib import pyplot
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE
from tensorboard.plugins.image import metadata
from tensorboard_values import array, read

from eventwriter.summary._deferred import Deferred
from eventwriter.summary.figure import figure, figure_pixels


@pytest.fixture(autouse=True)
def _no_figures_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


def plot(width: float = 2, height: float = 1, colour: str = "red") -> Figure:
    """A figure that pyplot does not know."""
    result = Figure((width, height), dpi=50)
    result.add_subplot().plot([1, 3, 2], color=colour)
    return result


def expected_of(drawn: Figure) -> npt.NDArray[np.uint8]:
    """The figure's pixels by matplotlib's own way to a file."""
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi="figure")
    return np.asarray(Image.open(file).convert("RGB"))


def seen(deferred: Deferred) -> list[npt.NDArray[np.uint8]]:
    """The pictures, as the plugin gets to see them."""
    (value,) = read(deferred)
    width, height, *files = array(value)
    pictures = [np.asarray(Image.open(io.BytesIO(file))) for file in files]
    assert {(int(height), int(width), 3)} == {picture.shape for picture in pictures}
    return pictures


def test_pixels() -> None:
    """Are matplotlib's own, in the figure's own size."""
    drawn = plot()
    expected = expected_of(drawn)
    assert (50, 100, 3) == expected.shape
    assert len(np.unique(expected)) > 9
    np.testing.assert_array_equal(expected, figure_pixels(drawn))
    np.testing.assert_array_equal(expected, seen(figure("f", drawn))[0])


def test_several_figures() -> None:
    """Are samples of one value; smaller ones get a white margin."""
    one, other = plot(2, 1, "red"), plot(1, 2, "blue")
    wanted = [expected_of(one), expected_of(other)]
    for figures in ([one, other], (one, other)):
        first, second = seen(figure("f", figures))
        assert (100, 100, 3) == first.shape == second.shape
        np.testing.assert_array_equal(wanted[0], first[:50])
        np.testing.assert_array_equal(wanted[1], second[:, :50])
        assert (first[50:] == 255).all()
        assert (second[:, 50:] == 255).all()


def test_metadata() -> None:
    """The image plugin's, with its data class."""
    (value,) = read(figure("f", plot(), description="d", display_name="n"))
    expected = metadata.create_summary_metadata("n", "d")
    expected.data_class = DATA_CLASS_BLOB_SEQUENCE
    assert expected == value.metadata
    assert "f" == value.tag


def test_closes_pyplots_figures() -> None:
    """Unless told not to, and no others."""
    logged, kept, other = pyplot.figure(), pyplot.figure(), pyplot.figure()
    figure("f", logged)
    figure("f", kept, close=False)
    assert [kept.number, other.number] == pyplot.get_fignums()
    figure_pixels(kept)
    assert [kept.number, other.number] == pyplot.get_fignums()


def test_the_canvas_stays() -> None:
    """A figure in a window, or meant for another format, keeps its canvas and can be drawn again."""
    drawn = plot()
    shown = FigureCanvasSVG(drawn)
    first = figure_pixels(drawn)
    assert shown is drawn.canvas
    np.testing.assert_array_equal(first, figure_pixels(drawn))
    managed = pyplot.figure()
    canvas = managed.canvas
    figure_pixels(managed)
    assert canvas is managed.canvas
    assert managed.canvas.manager is not None


def test_transparent_is_white() -> None:
    """Not black, whose letters would be unreadable; what is half transparent is half white."""
    drawn = Figure((1, 1), dpi=20, facecolor="none")
    assert (figure_pixels(drawn) == 255).all()
    half = Figure((1, 1), dpi=20, facecolor=(1, 0, 0, 0.5))
    np.testing.assert_allclose(figure_pixels(half)[10, 10], [255, 127, 127], atol=1)


def test_snapshot() -> None:
    """The figure can change after the call, on any canvas."""
    drawn = plot()
    FigureCanvasAgg(drawn)
    expected = expected_of(drawn)
    deferred = figure("f", drawn)
    drawn.clear()
    figure_pixels(drawn)
    np.testing.assert_array_equal(expected, seen(deferred)[0])
    np.testing.assert_array_equal(expected, seen(deferred)[0])
    assert 50 * 100 * 3 == deferred.nbytes


def test_what_cannot_be_drawn_raises_in_the_call() -> None:
    """And does not stay open."""
    drawn = pyplot.figure()
    drawn.text(0.5, 0.5, r"$\nonsense{$")
    with pytest.raises(ValueError, match=r"figure 'f': want a figure that matplotlib can draw, got .*nonsense"):
        figure("f", drawn)
    assert [] == pyplot.get_fignums()


def test_needs_no_matplotlib_to_say_no() -> None:
    """Neither the module nor its checks import matplotlib."""
    code = (
        "import sys\nfrom eventwriter.summary.figure import figure\n"
        "try: figure('f', 3)\nexcept TypeError as e: print(e)\nprint('matplotlib' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert ["figure 'f': want a matplotlib Figure, got builtins.int", "False"] == out.splitlines()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: figure("f", np.zeros((3, 3))), TypeError, ["'f'", "Figure", "numpy.ndarray"]),
        (lambda: figure("f", None), TypeError, ["'f'", "NoneType"]),
        (lambda: figure("f", []), ValueError, ["'f'", "empty list"]),
        (lambda: figure("f", [plot(), 3]), TypeError, ["'f'", "builtins.int"]),
        (lambda: figure("f", plot().axes[0]), TypeError, ["'f'", "Axes", "its .figure?"]),
        (lambda: figure_pixels(3), TypeError, ["figure: want", "builtins.int"]),
        (lambda: figure("f", plot(), description=1), TypeError, ["'f'", "description"]),
    ],
)
def test_bad_input_raises_in_the_call(call: Callable[[], object], error: type[Exception], words: list[str]) -> None:
    """With the tag, what was got and what was wanted."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
