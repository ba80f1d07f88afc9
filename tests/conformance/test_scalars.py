"""Scalars as TensorBoard's server and TensorFlow's readers see them."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
import readers
import tensorboard_server
from tensorboard_server import Loader, Server

from eventwriter import EventWriter

Point = tuple[float, int, float]
Want = dict[str, dict[str, list[Point]]]


def float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def write(logdir: Path) -> Want:
    """Two runs with many tags, long enough for batches and short enough for single events: run → tag → points."""
    rng = random.Random(7)
    want: Want = {}
    for run in ("train", "sub/validation"):
        tags = {
            tag: list[Point]()
            for tag in ("loss", "metrics/mAP50(B)", "lr/pg 0", "größe/✓", "x" * 200, *map(str, range(20)))
        }
        with EventWriter(logdir / run) as w:
            for step in range(300):
                for i, (tag, points) in enumerate(tags.items()):
                    if step % (1 + i % 3):
                        continue
                    value = rng.choice([rng.gauss(0, 1), 0.0, -0.0, 1e30, 1e-44, math.inf, -math.inf])
                    wall = 1.7e9 + step + rng.random()
                    w.scalar(tag, value, step * 70, wall_time=wall)
                    points.append((wall, step * 70, float32(value)))
                if step % 50 == 0:
                    w.flush()
            w.scalars({"loss": 1.5, "extra": 2.5}, 10**12, wall_time=1.7e9 + 1e5)
        tags["loss"].append((1.7e9 + 1e5, 10**12, 1.5))
        tags["extra"] = [(1.7e9 + 1e5, 10**12, 2.5)]
        want[run] = tags
    return want


def write_resumed(logdir: Path, purge: int | None) -> None:
    """A run of ten steps, and one that goes on from its step 5 up to 8."""
    for start, stop in ((0, 10), (5, 8)):
        with EventWriter(logdir, purge_step=purge if start else None) as w:
            for step in range(start, stop):
                w.scalar("a", start, step, wall_time=1.7e9 + start + step)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, loader: Loader) -> Iterator[tuple[Server, Want]]:
    """One server on a logdir with all of it: starting one costs seconds."""
    logdir = tmp_path_factory.mktemp("scalars")
    want = write(logdir)
    with EventWriter(logdir / "nan") as w:
        for step in range(3):
            w.scalar("a", math.nan if step == 1 else float(step), step)
    write_resumed(logdir / "resumed", None)
    write_resumed(logdir / "purged", 5)
    with tensorboard_server.serve(logdir, loader, tensorflow=False) as server:
        yield server, want


def test_every_point_of_each_scalar_is_served(served: tuple[Server, Want]) -> None:
    """Tags, wall times and steps exactly, values within float32; by the Rust and the Python loader."""
    server, want = served
    tags_of = server.tags("scalars")
    for run, tags in want.items():
        assert sorted(tags) == sorted(tags_of[run])
        for tag, points in tags.items():
            assert points == [tuple(p) for p in server.scalars(run, tag)], (run, tag)


def test_nan_is_served(served: tuple[Server, Want]) -> None:
    """NaN is a value like others."""
    values = [p[2] for p in served[0].scalars("nan", "a")]
    assert [0.0, 2.0] == [values[0], values[2]]
    assert math.isnan(values[1])


def test_a_purge_step_hides_what_comes_after_it(served: tuple[Server, Want]) -> None:
    """A run that goes on from a checkpoint: of its first file only the points before the step are left."""
    points = [(p[1], p[2]) for p in served[0].scalars("purged", "a")]
    assert [(s, 0.0) for s in range(5)] + [(s, 5.0) for s in range(5, 8)] == points


def test_without_a_purge_step_the_loaders_differ(served: tuple[Server, Want], loader: Loader) -> None:
    """What purge_step is for: the Python loader shows both files' points, the Rust one the later file's."""
    points = [(p[1], p[2]) for p in served[0].scalars("resumed", "a")]
    later = [(s, 5.0) for s in range(5, 8)]
    kept = 10 if loader == "slow" else 5
    assert [(s, 0.0) for s in range(kept)] + later == points


def test_tensorflow_reads_the_records(tmp_path: Path) -> None:
    """`tf.data.TFRecordDataset` and TensorFlow's Event agree with TensorBoard's loader; small batches and large."""
    with EventWriter(tmp_path) as w:
        for step in range(2000):
            w.scalar(f"tag{step % 7}", step / 3, step)
            if step % 10 == 0 and step < 100:
                w.flush()
    rows = readers.tf_events(w.path)
    assert rows == readers.file_events(w.path)
    assert [(f"tag{i % 7}", i, float32(i / 3)) for i in range(2000)] == [(r.tag, r.step, r.value) for r in rows[1:]]
