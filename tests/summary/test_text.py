"""Text: what TensorBoard's text plugin makes of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR
from tensorboard.plugins.text import metadata, summary_v2
from tensorboard_values import array, read

from eventwriter.summary.text import text


@given(st.text(max_size=200))
def test_a_str(data: str) -> None:
    """Any text that can be UTF-8 arrives unchanged, as a scalar."""
    try:
        encoded = data.encode()
    except UnicodeEncodeError:
        return
    (value,) = read(text("t", data))
    assert array(value).shape == ()
    assert encoded == array(value).item()


@pytest.mark.parametrize(
    "data",
    [
        ["a", "b"],
        [["a", "b", "c"], ("d", "e", "ü")],
        [[["a"], ["b"]], [["c"], ["d"]]],
        [],
        [[], []],
        np.array([["a", "bb"], ["c", "d"]]),
        np.array(["a", "b"], dtype=object),
        np.array([b"a", b"b"]),
        np.array("zero rank"),
        np.array(["a"], dtype=np.dtypes.StringDType()),
    ],
)
def test_lists_and_arrays(data: object) -> None:
    """Rank, shape and order are kept."""
    (value,) = read(text("t", data))
    expected = np.array(data, dtype=object)
    got = array(value)
    assert expected.shape == got.shape
    assert [each.encode() if isinstance(each, str) else each for each in expected.flat] == list(got.flat)


def test_is_tensorboards_own() -> None:
    """The same proto as TensorBoard's own function's, but for the data class, which newer files say themselves."""
    for data in ("*hi*", [["a", "b"], ["c", "d"]]):
        expected = summary_v2.text_pb("t", data, description="d").value[0]
        (got,) = read(text("t", data, description="d"))
        assert got.metadata.data_class == DATA_CLASS_TENSOR
        assert metadata.parse_plugin_metadata(got.metadata.plugin_data.content).version == 0
        got.metadata.data_class = 0
        assert expected.metadata == got.metadata
        assert array(expected).tolist() == array(got).tolist()


@pytest.mark.filterwarnings("ignore:html5lib")  # TensorBoard's own copy of it warns as it is imported
def test_a_table_is_shown_as_one() -> None:
    """The plugin renders a matrix of strings as rows and cells, with the markdown in them."""
    from tensorboard.plugins.text import text_plugin

    (value,) = read(text("t", [["**a**", "b"], ["c", "d"]], display_name="n"))
    html = text_plugin.text_array_to_html(array(value), enable_markdown=True)
    assert html.count("<tr>") == 2
    assert "<strong>a</strong>" in html
    assert value.metadata.display_name == "n"


def test_snapshot() -> None:
    """Lists and arrays can change after the call."""
    rows = [["a"], ["b"]]
    letters = np.array(["a", "b"])
    deferred = [text("t", rows), text("t", letters)]
    rows[0][0] = "x"
    letters[:] = "x"
    assert [[[b"a"], [b"b"]], [b"a", b"b"]] == [array(read(each)[0]).tolist() for each in deferred]
    assert [2, 2] == [each.nbytes for each in deferred]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: text("t", 3), TypeError, ["'t'", "int"]),
        (lambda: text("t", None), TypeError, ["'t'", "NoneType"]),
        (lambda: text("t", ["a", 3]), TypeError, ["'t'", "int"]),
        (lambda: text("t", [["a"], ["b", "c"]]), ValueError, ["'t'", "1 and 2"]),
        (lambda: text("t", [["a"], "b"]), ValueError, ["'t'", "1 and str"]),
        (lambda: text("t", "\ud800"), ValueError, ["'t'", "UTF-8"]),
        (lambda: text("t", b"\xff"), ValueError, ["'t'", "UTF-8"]),
        (lambda: text("t", np.zeros(3)), TypeError, ["'t'", "float"]),
        (lambda: text("t", "a", description=1), TypeError, ["'t'", "description"]),
    ],
)
def test_bad_input_raises_in_the_call(call: Callable[[], object], error: type[Exception], words: list[str]) -> None:
    """With the tag, what was got and what was wanted."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
