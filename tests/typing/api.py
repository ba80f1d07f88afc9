"""What mypy --strict and pyright must accept of a user's code. It is checked, not run."""

from __future__ import annotations

import enum
from pathlib import Path

import numpy as np

import eventwriter
from eventwriter import ClosedError, CorruptRecord, EventWriter, Stats, WriteError, check, read_events, runs
from eventwriter.proto import GraphDef, Summary


class Mode(enum.Enum):
    FAST = "fast"


def told(error: WriteError) -> None:
    print(error.path, error.errno)


def train() -> None:
    with EventWriter(Path("runs/x"), flush_secs=0.5, on_error=told, durability="process", resume=True) as w:
        step: int = w.last_step or 0
        w.scalar("loss", 0.5, step)
        w.scalar("loss", np.float32(0.5), np.int64(step), wall_time=12.5)
        w.scalars({"a": 1, "b": np.array(2.0)}, step)
        w.histogram("h", np.zeros((2, 3)), step, buckets=10, description="of *weights*")
        w.text("t", [["a", "b"]], step)
        w.pr_curve("pr", [0, 1], [0.2, 0.8], step)
        w.hparams({"lr": 0.1, "mode": Mode.FAST, "none": None}, ["loss"])
        w.custom_scalars({"category": {"chart": ["Multiline", ["loss"]]}})
        w.event(Summary(value=[Summary.Value(tag="x", simple_value=1.0)]), step)
        w.event(b"")
        w.graph(GraphDef())
        done: bool = w.flush(timeout=1)
        stats: Stats = w.stats()
        print(done, stats.accepted, stats.state, w.path, w.logdir)


def read() -> None:
    try:
        for tag, step, wall_time, kind, value in read_events("runs/x", on_corrupt="skip"):
            print(tag, step, wall_time, kind, value)
    except (CorruptRecord, ClosedError) as error:
        print(error)
    print(runs("runs"), [file.reason for file in check("runs")], eventwriter.__version__)
