"""F14: input that no kind can take: TypeError or ValueError in the caller's line, and every good event is safe."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import readers
from faults import scripted
from tensorboard_server import serve

from eventwriter import EventWriter


class Str(str):
    """A subclass whose own methods lie."""

    def encode(self, *args: Any) -> bytes:
        raise RuntimeError("of the user's")

    def __hash__(self) -> int:
        raise RuntimeError("of the user's")


class Raises:
    """Something that fails whatever is asked of it."""

    def __float__(self) -> float:
        raise RuntimeError("of the user's")

    __index__ = __float__  # type: ignore[assignment]


Call = Callable[[EventWriter], object]
X = np.zeros(3)
BAD: dict[str, Call] = {
    # the tag
    "tag None": lambda w: w.scalar(None, 1.0, 0),  # type: ignore[arg-type]
    "tag int": lambda w: w.scalar(3, 1.0, 0),  # type: ignore[arg-type]
    "tag bytes": lambda w: w.scalar(b"a", 1.0, 0),  # type: ignore[arg-type]
    "tag empty": lambda w: w.scalar("", 1.0, 0),
    "tag list": lambda w: w.scalar(["a"], 1.0, 0),  # type: ignore[arg-type]
    "tag surrogate": lambda w: w.scalar("\udc80", 1.0, 0),
    "tag surrogate, histogram": lambda w: w.histogram("\udc80", X, 0),
    "tag None, text": lambda w: w.text(None, "x", 0),  # type: ignore[arg-type]
    "tag empty, tensor": lambda w: w.tensor("", X, 0),
    "tag int, scalars": lambda w: w.scalars({3: 1.0}, 0),  # type: ignore[dict-item]
    # the step
    "step None": lambda w: w.scalar("a", 1.0, None),  # type: ignore[arg-type]
    "step float": lambda w: w.scalar("a", 1.0, 1.5),  # type: ignore[arg-type]
    "step NaN": lambda w: w.scalar("a", 1.0, math.nan),  # type: ignore[arg-type]
    "step infinite": lambda w: w.scalar("a", 1.0, math.inf),  # type: ignore[arg-type]
    "step str": lambda w: w.scalar("a", 1.0, "3"),  # type: ignore[arg-type]
    "step 2**63": lambda w: w.scalar("a", 1.0, 2**63),
    "step -2**63-1": lambda w: w.scalar("a", 1.0, -(2**63) - 1),
    "step array": lambda w: w.scalar("a", 1.0, X),  # type: ignore[arg-type]
    "step None, histogram": lambda w: w.histogram("a", X, None),  # type: ignore[arg-type]
    "step 2**64, text": lambda w: w.text("a", "x", 2**64),
    "step complex, tensor": lambda w: w.tensor("a", X, 1j),  # type: ignore[arg-type]
    # the wall time
    "wall NaN": lambda w: w.scalar("a", 1.0, 0, wall_time=math.nan),
    "wall infinite": lambda w: w.scalars({"a": 1.0}, 0, wall_time=-math.inf),
    "wall str": lambda w: w.text("a", "x", 0, wall_time="now"),  # type: ignore[arg-type]
    "wall NaN, histogram": lambda w: w.histogram("a", X, 0, wall_time=math.nan),
    # the value
    "value None": lambda w: w.scalar("a", None, 0),
    "value str": lambda w: w.scalar("a", "0.5", 0),
    "value complex": lambda w: w.scalar("a", 1j, 0),
    "value array": lambda w: w.scalar("a", X, 0),
    "value empty": lambda w: w.scalar("a", np.zeros(0), 0),
    "value huge": lambda w: w.scalar("a", 10**400, 0),
    "value list": lambda w: w.scalar("a", [1.0], 0),
    "value dict": lambda w: w.scalar("a", {}, 0),
    "value object": lambda w: w.scalar("a", object(), 0),
    "scalars, one bad": lambda w: w.scalars({"good": 1.0, "bad": None}, 0),
    "scalars, a list": lambda w: w.scalars([("a", 1.0)], 0),  # type: ignore[arg-type]
    "scalars, a generator": lambda w: w.scalars((x for x in ()), 0),  # type: ignore[arg-type]
    "histogram complex": lambda w: w.histogram("a", np.zeros(3, complex), 0),
    "histogram str": lambda w: w.histogram("a", "abc", 0),
    "histogram objects": lambda w: w.histogram("a", [object()], 0),
    "histogram ragged": lambda w: w.histogram("a", [[1.0], [1.0, 2.0]], 0),
    "histogram None": lambda w: w.histogram("a", None, 0),
    "histogram_raw lengths": lambda w: w.histogram_raw("a", [0.0, 1.0], [1.0, 2.0, 3.0], 0),
    "text bytes that are no UTF-8": lambda w: w.text("a", b"\xff", 0),
    "text int": lambda w: w.text("a", 3, 0),
    "text surrogate": lambda w: w.text("a", "\ud800", 0),
    "tensor objects": lambda w: w.tensor("a", [object()], 0),
    "tensor None": lambda w: w.tensor("a", None, 0),
    "pr_curve shapes": lambda w: w.pr_curve("a", [0, 1], [0.5], 0),
    "pr_curve NaN thresholds": lambda w: w.pr_curve("a", [0, 1], [0.5, 0.5], 0, num_thresholds=1),
    "mesh shape": lambda w: w.mesh("a", np.zeros((3, 4)), 0),
    "mesh colors": lambda w: w.mesh("a", np.zeros((1, 3, 3)), 0, colors=np.zeros((1, 2, 3))),
    "image shape": lambda w: w.image("a", np.zeros(7), 0),
    "image complex": lambda w: w.image("a", np.zeros((4, 4, 3), complex), 0),
    "image empty": lambda w: w.image("a", np.zeros((0, 4, 3)), 0),
    "audio shape": lambda w: w.audio("a", np.zeros((2, 2, 2, 2)), 0, sample_rate=8000),
    "audio rate": lambda w: w.audio("a", np.zeros(8), 0, sample_rate=0),
    "video shape": lambda w: w.video("a", np.zeros((4, 4)), 0),
    "event garbage": lambda w: w.event(b"\xff\xff"),
    "event str": lambda w: w.event("x"),  # type: ignore[arg-type]
    "event huge": lambda w: w.event(bytes(2 << 20)),
    "hparams key": lambda w: w.hparams({3: 1.0}),
    "custom_scalars": lambda w: w.custom_scalars({"a": 3}),  # type: ignore[dict-item]
    "graph garbage": lambda w: w.graph(b"\xff\xff"),
    "embedding shape": lambda w: w.embedding("a", np.zeros(3)),
}


@pytest.mark.parametrize("level", ["async", "process"])
def test_bad_input_is_refused_in_the_caller(tmp_path: Path, level: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each between two good events: TypeError or ValueError and nothing else, and nothing of it in the file."""
    wrong = []
    with EventWriter(tmp_path / "run", durability=level, max_pending_bytes=1 << 20) as w:  # type: ignore[arg-type]
        for i, (name, call) in enumerate(BAD.items()):
            w.scalar("good", 0.5, i)
            try:
                call(w)
                wrong.append(f"{name}: taken")
            except (TypeError, ValueError) as error:
                if not str(error):
                    wrong.append(f"{name}: says nothing")
            except Exception as error:
                wrong.append(f"{name}: {type(error).__name__}: {error}")
        w.text("good text", "x", 0)
        assert w.flush()
        stats = w.stats()
    assert [] == wrong
    assert [len(BAD) + 1] * 2 + [0] * 3 == list(stats[:5])
    assert [("good", i) for i in range(len(BAD))] + [("good text", 0)] == scripted.points(tmp_path / "run")
    assert [] == caplog.records
    if level == "async":
        with serve(tmp_path, "fast", tensorflow=False) as board:
            assert list(range(len(BAD))) == [step for _, step, _ in board.scalars("run", "good")]


def test_odd_input_that_is_taken(tmp_path: Path) -> None:
    """NaN and infinities, empty histograms, subclasses of str: written such that every reader gets to the end."""
    with EventWriter(tmp_path) as w:
        w.scalar("nan", math.nan, 0)
        w.scalar("inf", 1e308, 0)
        w.histogram("nothing", [], 0)
        w.histogram("only NaN", [math.nan, math.inf], 0)
        w.histogram("huge", [1e308, -1e308], 0)
        w.scalar("nul\0tag", 1.0, -1)
        w.text("t", "", 0)
        w.scalar("last", 1.0, 0)
    rows = [r.tag for r in readers.run_events(tmp_path) if r.tag]
    assert ["nan", "inf", "nothing", "only NaN", "only NaN/nonfinite", "huge", "nul\0tag", "t", "last"] == rows


@pytest.mark.parametrize("value", [Raises(), Str("x")], ids=["number", "tag"])
def test_what_the_users_own_code_raises(tmp_path: Path, value: object) -> None:
    """It comes out as it is, or as a TypeError; the writer stays usable."""
    with EventWriter(tmp_path) as w:
        w.scalar("a", 1.0, 0)
        try:
            if isinstance(value, Str):
                w.scalar(value, 1.0, 0)
            else:
                w.scalar("b", value, 0)
        except (TypeError, ValueError, RuntimeError):
            pass
        w.scalar("a", 1.0, 1)
    assert [("a", 0), ("a", 1)] == [p for p in scripted.points(tmp_path) if p[0] == "a"]


def test_arrays_changed_after_the_call(tmp_path: Path) -> None:
    """What is written is what was passed."""
    data = np.arange(1000.0)
    with EventWriter(tmp_path, flush_secs=3600) as w:
        w.tensor("t", data, 0)
        w.histogram("h", data, 0)
        data[:] = -1
    rows = {r.tag: r.value for r in readers.run_events(tmp_path) if r.tag}
    assert np.array_equal(np.arange(1000.0), rows["t"])
    assert 0.0 == rows["h"][0, 0] and 999.0 == rows["h"][-1, 1]
