"""Copies of a writer, in this process and in others: each starts a file of its own and loses nothing."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import readers
from eventwriter_torch import FileWriter, SummaryWriter, summary

# A module that workers import: a dataset that logs each item, as people do to see what their workers load.
LOADER = """
import torch
from torch.utils.data import DataLoader, Dataset
from eventwriter_torch import SummaryWriter

class Logs(Dataset):
    def __init__(self, writer):
        self.writer = writer

    def __len__(self):
        return 12

    def __getitem__(self, index):
        self.writer.add_scalar(f"worker/{index}", float(index), 0)
        self.writer.add_scalars("m", {"x": 1.0})
        self.writer.add_histogram("h", torch.rand(3))
        return index

def main(folder, method):
    w = SummaryWriter(folder)
    w.add_scalar("before", 1.0, 0)
    loader = DataLoader(Logs(w), num_workers=2, multiprocessing_context=method)
    assert list(range(12)) == [int(i) for i in loader]
    w.add_scalar("after", 2.0, 0)
    w.close()
"""


def points(logdir: Path) -> list[tuple[str, int, float]]:
    return [(row.tag, row.step, row.value) for row in readers.run_events(logdir) if row.kind == "simple_value"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, copy.copy, lambda w: pickle.loads(pickle.dumps(w))])
def test_a_copy_has_the_settings_and_a_file_of_its_own(tmp_path: Path, duplicate: Any) -> None:
    """It opens none until it is used, does not purge again, and counts steps on from where the original was."""
    w = SummaryWriter(tmp_path, filename_suffix=".x", purge_step=3, flush_secs=7)
    w.add_scalar("a", 1.0)
    w.add_custom_scalars_multilinechart(["a"])
    other = duplicate(w)
    assert 1 == len(readers.event_files(tmp_path))
    assert (None, None, 7) == (other.file_writer, other.all_writers, other.flush_secs)
    other.add_scalar("a", 2.0)
    other.add_custom_scalars_multilinechart(["b"], title="second")
    w.add_scalar("b", 3.0, 9)
    other.close()
    w.close()
    assert 2 == len(list(tmp_path.glob("*.x")))
    assert [("a", 0, 1.0), ("a", 1, 2.0), ("b", 9, 3.0)] == sorted(points(tmp_path))
    starts = [row for row in readers.run_events(tmp_path) if row.kind == "session_log"]
    assert 2 == len(starts)  # both in the first file
    layout = [row for row in readers.run_events(tmp_path) if row.plugin == "custom_scalars"][-1]
    assert b"untitled" in layout.value.item() and b"second" in layout.value.item()


def test_a_file_writer_can_be_pickled(tmp_path: Path) -> None:
    """Open or closed, it is the same after."""
    w = FileWriter(tmp_path)
    w.add_summary(summary.scalar("a", 1.0), 1)
    other = pickle.loads(pickle.dumps(w))
    other.add_summary(summary.scalar("a", 2.0), 2)
    w.close()
    other.close()
    assert [("a", 1, 1.0), ("a", 2, 2.0)] == points(tmp_path)
    with pytest.raises(OSError, match="closed"):
        pickle.loads(pickle.dumps(w)).add_summary(summary.scalar("a", 1.0))


def test_a_null_writer_can_be_pickled(tmp_path: Path) -> None:
    """And stays one."""
    w = pickle.loads(pickle.dumps(SummaryWriter(tmp_path / "x", write_to_disk=False)))
    w.add_scalar("a", 1.0, 1)
    pickle.loads(pickle.dumps(w._get_file_writer())).add_summary(summary.scalar("a", 1.0))
    w.close()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_of_a_data_loader_log(tmp_path: Path, method: str) -> None:
    """Their events are complete, and so are the parent's; nobody writes another's file."""
    (tmp_path / "loader_of_logs.py").write_text(LOADER)
    run = tmp_path / "run"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import loader_of_logs as m; m.main({str(run)!r}, {method!r})"],
        check=True, timeout=200, env=dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path])),
    )  # fmt: skip
    got = points(run)
    assert sorted(
        [("before", 0, 1.0), ("after", 0, 2.0)] + [(f"worker/{i}", 0, float(i)) for i in range(12)]
    ) == sorted(got)
    assert 3 == len(list(run.glob("*tfevents*")))  # the parent's and two workers'
    assert 12 == len([row for row in readers.run_events(run) if row.kind == "histo"])
    assert 12 == len(points(run / "m_x"))
