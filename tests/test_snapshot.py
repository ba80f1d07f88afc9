"""What is logged is what it was when it was logged, however long the flush thread takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import our_runs
import pytest
import readers
import torch
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from eventwriter import EventWriter


def pixels() -> np.ndarray:
    return our_runs.noise(9, 12, 3)


def chances() -> np.ndarray:
    return our_runs.uniform(50)


def corners() -> np.ndarray:
    return our_runs.uniform(4, 3)


def messages() -> list[Any]:
    return [our_runs.graph(), our_runs.costs()]


Log = Callable[..., None]

# What logs, and the mutable arguments of it, made anew by each call.
KINDS: dict[str, tuple[Log, Callable[[], list[Any]]]] = {
    "scalar": (lambda w, a: w.scalar("t", a, 1), lambda: [np.array([0.5])]),
    "scalars": (lambda w, a, d: w.scalars(d | {"t": a}, 1), lambda: [torch.tensor(0.5), {"x": np.array(0.25)}]),
    "histogram": (lambda w, a: w.histogram("t", a, 1), lambda: [our_runs.uniform(1000)]),
    "histogram of torch": (lambda w, a: w.histogram("t", a, 1), lambda: [torch.tensor(our_runs.uniform(1000))]),
    "histogram strided": (lambda w, a: w.histogram("t", a[::2, 1:], 1), lambda: [our_runs.uniform(100, 10)]),
    "histogram_raw": (lambda w, e, c: w.histogram_raw("t", e, c, 1), lambda: [np.array([0.0, 1, 2]), np.array([3, 4])]),
    "histogram_raw of lists": (lambda w, e, c: w.histogram_raw("t", e, c, 1), lambda: [[0, 1, 2], [3, 4]]),
    "image": (lambda w, a: w.image("t", a, 1), lambda: [pixels()]),
    "image of floats": (lambda w, a: w.image("t", a, 1), lambda: [our_runs.uniform(9, 12)]),
    "image of bools": (lambda w, a: w.image("t", a, 1), lambda: [pixels() > 99]),
    "image of torch": (lambda w, a: w.image("t", a, 1), lambda: [torch.tensor(pixels()).permute(2, 0, 1)]),
    "image of PIL": (lambda w, a: w.image("t", a, 1), lambda: [Image.fromarray(pixels())]),
    "image of lists": (lambda w, a: w.image("t", a, 1), lambda: [[[0, 255], [7, 9]]]),
    "images": (lambda w, a: w.images("t", a, 1), lambda: [our_runs.noise(3, 9, 12, 3)]),
    "images of a list": (lambda w, *a: w.images("t", list(a), 1), lambda: [pixels(), Image.fromarray(pixels()[:4])]),
    "image_with_boxes": (
        lambda w, a, b, n: w.image_with_boxes("t", a, b, 1, labels=n),
        lambda: [our_runs.noise(40, 40, 3), np.array([[1, 2, 30, 35]]), ["one"]],
    ),
    "video": (lambda w, a: w.video("t", a, 1), lambda: [our_runs.noise(1, 3, 3, 6, 8)]),
    "figure": (lambda w, f: w.figure("t", f, 1, close=False), lambda: [our_runs.figure()]),
    "audio": (lambda w, a: w.audio("t", a, 1), lambda: [our_runs.uniform(200)]),
    "audio of int16": (lambda w, a: w.audio("t", a, 1), lambda: [our_runs.noise(200, 2).astype(np.int16)]),
    "text": (lambda w, a: w.text("t", a, 1), lambda: [[["a", "b"], ["c", "d"]]]),
    "text of an array": (lambda w, a: w.text("t", a, 1), lambda: [np.array(["a", "b"], object)]),
    "tensor": (lambda w, a: w.tensor("t", a, 1), lambda: [our_runs.uniform(3, 4)]),
    "tensor of one element": (lambda w, a: w.tensor("t", a, 1), lambda: [np.array([1.5])]),
    "tensor of torch": (lambda w, a: w.tensor("t", a, 1), lambda: [torch.tensor(our_runs.uniform(3, 4)).T]),
    "pr_curve": (
        lambda w, y, p, f: w.pr_curve("t", y, p, 1, weights=f),
        lambda: [chances() > 0.4, chances(), our_runs.uniform(50)],
    ),
    "pr_curve_raw": (lambda w, *a: w.pr_curve_raw("t", *a, 1), lambda: [np.array([0.75, 0.25]) for _ in range(6)]),
    "mesh": (
        lambda w, v, c, f, d: w.mesh("t", v, 1, colors=c, faces=f, config_dict=d),
        lambda: [corners(), our_runs.noise(4, 3), np.array([[0, 1, 2]]), {"camera": {"cls": "PerspectiveCamera"}}],
    ),
    "custom_scalars": (lambda w, d: w.custom_scalars(d), lambda: [{"a": {"b": ["Multiline", ["c"]]}}]),
    "hparams": (
        lambda w, d, m, o: w.hparams(d, m, domains=o),
        lambda: [{"lr": 0.5, "betas": [1, 2], "x": np.array(3.0)}, ["loss"], {"lr": [0.25, 0.5]}],
    ),
    "graph": (lambda w, g, m: w.graph(g, run_metadata=m), messages),
    "graph of bytes": (lambda w, g: w.graph(g), lambda: [bytearray(our_runs.graph().SerializeToString())]),
    "embedding": (
        lambda w, a, n, i: w.embedding("t", a, metadata=n, label_img=i),
        lambda: [our_runs.uniform(4, 3), list("abcd"), our_runs.noise(4, 3, 8, 8)],
    ),
    "embedding with columns": (
        lambda w, a, n, h: w.embedding("t", a, metadata=n, metadata_header=h),
        lambda: [torch.tensor(our_runs.uniform(2, 3)), [["a", 1], ["b", 2]], ["x", "y"]],
    ),
    "event": (lambda w, e: w.event(e), lambda: [bytearray(Event(wall_time=1, step=2).SerializeToString())]),
}


def spoil(thing: Any) -> None:
    """Change it in place, and everything in it."""
    if isinstance(thing, np.ndarray):
        thing[...] = False if thing.dtype == bool else "spoilt" if thing.dtype.kind in "OU" else 0
    elif isinstance(thing, torch.Tensor):
        thing.zero_()
    elif isinstance(thing, Image.Image):
        thing.paste(0, (0, 0, *thing.size))
    elif isinstance(thing, bytearray):
        thing[:] = bytes(len(thing))
    elif isinstance(thing, dict):
        for value in thing.values():
            spoil(value)
        thing.clear()
    elif isinstance(thing, list):
        for value in thing:
            spoil(value)
        thing[:] = ["spoilt"] * len(thing)
    elif hasattr(thing, "Clear"):
        thing.Clear()
    elif hasattr(thing, "axes"):
        thing.clear()


def written(logdir: Path, log: Log, arguments: list[Any], *, spoiling: bool) -> list[Any]:
    """What one call leaves: values of events without their times, and other files."""
    with EventWriter(logdir, flush_secs=60) as w:
        log(w, *arguments)
        if spoiling:
            for argument in arguments:
                spoil(argument)
        assert 0 == w.stats().written, "nothing is written yet"
    (path,) = readers.event_files(logdir)
    values: list[Any] = []
    for record in readers.file_records(path):
        event = Event.FromString(record)
        event.wall_time = 0
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "hparams":
                content = HParamsPluginData.FromString(value.metadata.plugin_data.content)
                part = getattr(content, content.WhichOneof("data"))
                for field in part.DESCRIPTOR.fields_by_name:
                    if field.endswith("_time_secs") or field == "time_created_secs":
                        part.ClearField(field)
                value.metadata.plugin_data.content = content.SerializeToString(deterministic=True)
        values.append(event)
    files = sorted(file for file in logdir.rglob("*") if file.is_file() and file != path)
    return values + [(file.relative_to(logdir), file.read_bytes()) for file in files]


@pytest.mark.parametrize("kind", KINDS)
def test_arguments_may_change_after_the_call(kind: str, tmp_path: Path) -> None:
    """The files are those of a run whose arguments nobody touches."""
    log, arguments = KINDS[kind]
    want = written(tmp_path / "want", log, arguments(), spoiling=False)
    got = written(tmp_path / "got", log, arguments(), spoiling=True)
    assert len(want) > 1
    assert want == got
    spoilt = arguments()
    for argument in spoilt:
        spoil(argument)
    # `spoil` can make a difference to every kind: what is left then is refused, or is something else.
    try:
        other = written(tmp_path / "other", log, spoilt, spoiling=False)
    except (TypeError, ValueError):
        return
    assert want != other


def test_a_layout_may_change_between_two_calls(tmp_path: Path) -> None:
    """A second layout is added to what the first one was."""
    with EventWriter(tmp_path) as w:
        layout: dict[str, Any] = {"a": {"b": ["Multiline", ["c"]]}}
        w.custom_scalars(layout)
        spoil(layout)
        w.custom_scalars({"d": {"e": ["Multiline", ["f"]]}})
    (path,) = readers.event_files(tmp_path)
    content = readers.file_events(path)[-1].value.item()
    titles = [(category.title, category.chart[0].title) for category in Layout.FromString(content).category]
    assert [("a", "b"), ("d", "e")] == titles
