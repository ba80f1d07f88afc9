"""What cannot be logged, on a writer: heard of in the caller's line, or reported once, and nothing else is lost.

Which input of which kind is bad is tested with the kinds (`tests/summary`); here is one of each way to be bad.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import our_runs
import pytest
import readers
import torch

from eventwriter import ClosedError, EventWriter
from eventwriter.summary._deferred import Deferred

BELL = our_runs.uniform(100)
PIXELS = our_runs.noise(9, 12, 3)

# name: (call, error, words of its message beside the tag 'bad')
BAD: dict[str, tuple[Callable[[EventWriter], None], type[Exception], list[str]]] = {
    "histogram dtype": (lambda w: w.histogram("bad", BELL + 1j, 0), TypeError, ["complex64"]),
    "histogram object": (lambda w: w.histogram("bad", object(), 0), TypeError, ["object"]),
    "histogram None": (lambda w: w.histogram("bad", None, 0), TypeError, ["None"]),
    "histogram ragged": (lambda w: w.histogram("bad", [[1], [1, 2]], 0), ValueError, ["shape"]),
    "histogram buckets": (lambda w: w.histogram("bad", BELL, 0, buckets=0), ValueError, ["at least 1", "0"]),
    "histogram description": (lambda w: w.histogram("bad", BELL, 0, description=3), TypeError, ["str", "int"]),
    "histogram step": (lambda w: w.histogram("bad", BELL, 0.5), ValueError, ["step", "0.5"]),
    "histogram wall time": (lambda w: w.histogram("bad", BELL, 0, wall_time=np.nan), ValueError, ["wall_time", "nan"]),
    "histogram meta device": (
        lambda w: w.histogram("bad", torch.zeros(3, device="meta"), 0), TypeError, ["meta"],
    ),
    "histogram_raw lengths": (lambda w: w.histogram_raw("bad", [0, 1], [1, 2], 0), ValueError, ["2 edges", "2 counts"]),
    "histogram_raw NaN": (lambda w: w.histogram_raw("bad", [0, 1], [np.nan], 0), ValueError, ["counts", "nan"]),
    "histogram_raw falling": (lambda w: w.histogram_raw("bad", [1, 0], [1], 0), ValueError, ["edges", "fall"]),
    "image rank": (lambda w: w.image("bad", BELL, 0), ValueError, ["(100,)"]),
    "image channels": (lambda w: w.image("bad", np.zeros((9, 12, 7)), 0), ValueError, ["(9, 12, 7)"]),
    "image letters": (lambda w: w.image("bad", PIXELS, 0, dataformats="HWX"), ValueError, ["dataformats", "'HWX'"]),
    "image axes": (lambda w: w.image("bad", PIXELS, 0, dataformats="HW"), ValueError, ["'HW'", "(9, 12, 3)"]),
    "image dtype": (lambda w: w.image("bad", np.array([["a"]]), 0), TypeError, ["<U1"]),
    "image of no pixels": (lambda w: w.image("bad", PIXELS[:0], 0), ValueError, ["(0, 12, 3)"]),
    "images of none": (lambda w: w.images("bad", [], 0), ValueError, ["none"]),
    "boxes": (lambda w: w.image_with_boxes("bad", PIXELS, [[1, 2]], 0), ValueError, ["boxes", "(1, 2)"]),
    "labels": (
        lambda w: w.image_with_boxes("bad", PIXELS, [[1, 2, 3, 4]], 0, labels=["a", "b"]), ValueError, ["label", "2"],
    ),
    "video rank": (lambda w: w.video("bad", PIXELS, 0), ValueError, ["NTCHW", "(9, 12, 3)"]),
    "video letters": (lambda w: w.video("bad", PIXELS, 0, dataformats="TXW"), ValueError, ["dataformats", "'TXW'"]),
    "figure": (lambda w: w.figure("bad", BELL, 0), TypeError, ["Figure", "ndarray"]),
    "audio channels": (lambda w: w.audio("bad", np.zeros((100, 3)), 0), ValueError, ["channels", "(100, 3)"]),
    "audio rate": (lambda w: w.audio("bad", BELL, 0, sample_rate=0), ValueError, ["sample_rate", "0"]),
    "text": (lambda w: w.text("bad", ["a", 3], 0), TypeError, ["str", "int"]),
    "text ragged": (lambda w: w.text("bad", [["a"], ["b", "c"]], 0), ValueError, ["1", "2"]),
    "tensor": (lambda w: w.tensor("bad", np.array(["2020-01-01"], "M8[D]"), 0), TypeError, ["datetime64"]),
    "pr_curve lengths": (lambda w: w.pr_curve("bad", [0, 1], [0.5], 0), ValueError, ["(2,)", "(1,)"]),
    "pr_curve NaN": (lambda w: w.pr_curve("bad", [0, 1], [0.5, np.nan], 0), ValueError, ["predictions", "nan"]),
    "pr_curve_raw": (lambda w: w.pr_curve_raw("bad", *[[1, 2]] * 5, [1], 0), ValueError, ["recall", "(1,)"]),
    "mesh": (lambda w: w.mesh("bad", PIXELS[:, :, :2], 0), ValueError, ["vertices", "(9, 12, 2)"]),
    "mesh faces": (lambda w: w.mesh("bad", np.eye(3), 0, faces=[[0, 1, 3]]), ValueError, ["faces", "3"]),
    "hparams": (lambda w: w.hparams({"bad": 1}, domains={"bad": []}), ValueError, ["domain", "none"]),
    "end_session": (lambda w: w.end_session(), ValueError, ["session"]),
    "custom_scalars": (lambda w: w.custom_scalars({"bad": {"x": ["Line", ["y"]]}}), ValueError, ["'Line'", "'x'"]),
    "custom_scalars mapping": (lambda w: w.custom_scalars(["bad"]), TypeError, ["mapping", "list"]),
    "embedding rank": (lambda w: w.embedding("bad", BELL), ValueError, ["(100,)"]),
    "embedding metadata": (lambda w: w.embedding("bad", np.eye(3), metadata=["a"]), ValueError, ["3 points", "1"]),
    "graph": (lambda w: w.graph(b"bad"), ValueError, ["GraphDef", "3 bytes"]),
    "run metadata": (lambda w: w.graph(our_runs.graph(), run_metadata="bad"), TypeError, ["RunMetadata", "str"]),
}  # fmt: skip
NAMELESS = {"end_session", "custom_scalars mapping", "graph", "run metadata"}  # they have no tag to name
TOO_LARGE = {
    "histogram": lambda w, n: w.histogram("bad", np.zeros(n), 0),
    "image": lambda w, n: w.image("bad", np.zeros((n // 300, 100, 3), np.uint8), 0),
    "audio": lambda w, n: w.audio("bad", np.zeros(n, np.int16), 0),
    "text": lambda w, n: w.text("bad", "x" * n, 0),
    "tensor": lambda w, n: w.tensor("bad", torch.zeros(n), 0),
    "embedding": lambda w, n: w.embedding("bad", np.zeros((n, 1))),
}
# Arguments after the tag.
TAGGED = dict.fromkeys(
    ("histogram", "image", "images", "video", "figure", "audio", "text", "tensor", "mesh", "embedding"), (object(), 0)
) | {"histogram_raw": ([], [], 0), "image_with_boxes": ([], [], 0), "pr_curve": ([], [], 0)}


def tags(logdir: Path) -> list[str]:
    (path,) = readers.event_files(logdir)
    return [row.tag for row in readers.file_events(path)[1:]]


def test_bad_input_raises_in_the_callers_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With tag, got and want, as a TypeError or ValueError; nothing of it is counted or written, all else is."""
    with EventWriter(tmp_path) as w:
        w.custom_scalars({"good": {}})
        for name, (call, error, words) in BAD.items():
            with pytest.raises(error) as caught:
                call(w)
            message = str(caught.value)
            assert error is type(caught.value), name
            for word in words if name in NAMELESS else ["'bad'", *words]:
                assert word in message, (name, message)
            assert "want" in message, (name, message)
            w.text(f"after {name}", "x", 0)
    assert (1 + len(BAD), 0, 0) == (w.stats().written, w.stats().failed, w.stats().dropped)
    assert [f"after {name}" for name in BAD] == tags(tmp_path)[1:]
    assert [] == caplog.records


@pytest.mark.parametrize("kind", TAGGED)
def test_bad_tags_and_closed_writers(kind: str, tmp_path: Path) -> None:
    """They are refused before anything else is looked at."""
    with EventWriter(tmp_path) as w:
        for tag, error in (("", ValueError), (3, TypeError), ("\ud800", ValueError)):
            with pytest.raises(error, match=f"{kind}.*want a"):
                getattr(w, kind)(tag, *TAGGED[kind])
    with pytest.raises(ClosedError):
        getattr(w, kind)("tag", *TAGGED[kind])


@pytest.mark.parametrize("kind", TOO_LARGE)
def test_what_is_larger_than_the_bound_raises(kind: str, tmp_path: Path) -> None:
    """What could never be taken: the message has the tag, the size and the bound."""
    with EventWriter(tmp_path, max_pending_bytes=1 << 19) as w:
        with pytest.raises(ValueError, match=r"'bad'.*want at most 524288 bytes.*got [0-9]+"):
            TOO_LARGE[kind](w, 1 << 20)
        w.scalar("a", 1, 0)
    assert ["a"] == tags(tmp_path)


@pytest.mark.parametrize("kind", ["histogram", "tensor", "image", "video", "audio"])
def test_what_is_larger_than_the_bound_is_not_copied(kind: str, tmp_path: Path) -> None:
    """It is refused by its size alone: a copy of this one would be 4 TiB."""
    huge = np.broadcast_to(np.float32(0), (1 << 20, 1 << 18, 4))
    with EventWriter(tmp_path) as w:
        with pytest.raises(ValueError, match=rf"{kind} 'bad': want at most {64 << 20} bytes.*got {1 << 42}"):
            getattr(w, kind)("bad", huge, 0)
        w.scalar("a", 1, 0)
    assert ["a"] == tags(tmp_path)


class _Torn(RuntimeError):
    pass


def failing() -> list[Any]:
    raise _Torn("in the middle")


@pytest.mark.parametrize("values", [failing, lambda: [3]])
def test_what_fails_on_the_flush_thread_is_reported_once(
    values: Callable[[], Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its kind and tag and the traceback are logged, it is counted, and its neighbours are written."""
    with EventWriter(tmp_path, flush_secs=60) as w:
        w.scalar("before", 1, 0)
        w.text("before too", "x", 0)
        w.log(Deferred(10, values, "sculpture 'bad'"), 0)
        w.text("after", "x", 0)
        w.scalar("after too", 1, 0)
        assert w.flush()
        w.histogram("later", BELL, 0)
        assert w.flush()
        assert (6, 5, 0, 0, 1) == w.stats()[:5]
        assert "ok" == w.stats().state
    assert ["before", "before too", "after", "after too", "later"] == tags(tmp_path)
    (record,) = caplog.records
    assert (logging.ERROR, "eventwriter") == (record.levelno, record.name)
    assert "sculpture 'bad'" in record.getMessage()
    assert record.exc_info is not None
    assert values is not failing or "in the middle" in "".join(traceback.format_exception(record.exc_info[1]))


def test_an_embedding_whose_files_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broken config, or a file where a folder should be: reported, counted, and the run goes on."""
    (tmp_path / "projector_config.pbtxt").write_text("this is { no config")
    (tmp_path / "00007").write_text("no folder")
    with EventWriter(tmp_path) as w:
        w.embedding("no config", np.eye(3))
        w.embedding("no folder", np.eye(3), 7)
        w.scalar("a", 1, 0)
        assert w.flush()
        assert (3, 1, 0, 0, 2) == w.stats()[:5]
    assert ["a"] == tags(tmp_path)
    assert ["no config", "no folder"] == [record.getMessage().split("'")[1] for record in caplog.records]
    assert "this is { no config" == (tmp_path / "projector_config.pbtxt").read_text()
