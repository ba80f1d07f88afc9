"""SummaryWriter's folder, file and life are those of torch's, read back with TensorBoard's own loaders."""

from __future__ import annotations

import gc
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import descriptors
import pytest
import readers
import torch
from eventwriter_torch import SummaryWriter, summary

HOST = socket.gethostname()


def rows(logdir: str | Path) -> list[readers.Row]:
    """What a run holds besides the files' versions."""
    return [row for row in readers.run_events(logdir) if row.kind != "file_version"]


def points(logdir: str | Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of every scalar."""
    return [(row.tag, row.step, row.value) for row in rows(logdir) if row.kind == "simple_value"]


# ---- the folder and the file


def test_the_default_folder_is_torchs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`runs/DATE_HOST` and the comment, with nothing in between; an empty log_dir counts as none."""
    monkeypatch.chdir(tmp_path)
    for log_dir in (None, ""):
        w = SummaryWriter(log_dir, comment="LR_0.1")
        assert isinstance(w.log_dir, str)
        assert re.fullmatch(rf"runs/\w{{3}}\d\d_\d\d-\d\d-\d\d_{re.escape(HOST)}LR_0\.1", w.log_dir)
        assert Path(w.log_dir).is_dir()
        w.close()


def test_a_path_object_comes_back_as_it_was_given(tmp_path: Path) -> None:
    """log_dir and get_logdir() return it; the FileWriter has it as a str; a comment does not matter then."""
    w = SummaryWriter(tmp_path / "run", comment="ignored")
    assert tmp_path / "run" == w.log_dir == w.get_logdir()
    assert str(tmp_path / "run") == w._get_file_writer().get_logdir()
    assert [str(tmp_path / "run")] == list(w.all_writers or {})
    w.close()


def test_the_constructor_makes_folder_and_file_at_once(tmp_path: Path) -> None:
    """With the file's version in it, before anything is logged."""
    w = SummaryWriter(tmp_path / "a" / "b", filename_suffix=".sfx")
    (path,) = readers.event_files(tmp_path)
    assert path.parent == tmp_path / "a" / "b"
    pattern = rf"events\.out\.tfevents\.\d{{10}}\.{re.escape(HOST)}\.{os.getpid()}\.\d+\.sfx"
    assert re.fullmatch(pattern, path.name)
    assert ["file_version"] == [row.kind for row in readers.file_events(path)]
    w.close()


def test_the_settings_are_attributes(tmp_path: Path) -> None:
    """Under torch's names; purge_step is None once it was written."""
    w = SummaryWriter(tmp_path, purge_step=7, max_queue=3, flush_secs=30, filename_suffix="x")
    assert (None, 3, 30, "x") == (w.purge_step, w.max_queue, w.flush_secs, w.filename_suffix)
    w.close()


def test_logdir_is_another_name_for_log_dir(tmp_path: Path) -> None:
    """As in tensorboardX."""
    w = SummaryWriter(logdir=str(tmp_path / "x"))
    assert str(tmp_path / "x") == w.log_dir
    w.close()


def test_write_to_disk_false_writes_nothing(tmp_path: Path) -> None:
    """Every method takes its arguments and does nothing; no folder is made."""
    w = SummaryWriter(tmp_path / "run", write_to_disk=False)
    w.add_scalar("a", 1.0, 1)
    w.add_scalar("a", torch.tensor(1), 1)
    w.add_scalars("m", {"x": 1}, 1)
    w.add_histogram("h", torch.rand(3))
    w.add_hparams({"a": 1}, {"b": 2})
    w.add_embedding(torch.rand(3, 3))
    w.add_graph(torch.nn.Linear(1, 1), torch.rand(1, 1))
    w.add_custom_scalars_multilinechart(["a"])
    w._get_file_writer().add_summary(summary.scalar("a", 1.0))
    w.flush()
    w.close()
    assert [] == list(tmp_path.iterdir())


def test_the_context_manager_closes_and_swallows_nothing(tmp_path: Path) -> None:
    """It is the writer itself; an exception comes out; what was logged is there."""
    with pytest.raises(KeyError), SummaryWriter(tmp_path) as w:
        assert isinstance(w, SummaryWriter)
        w.add_scalar("a", 1.0, 1)
        raise KeyError
    assert w.file_writer is None
    assert [("a", 1, 1.0)] == points(tmp_path)


def test_after_close_an_add_begins_a_new_file(tmp_path: Path) -> None:
    """close() is idempotent and leaves no writers; flush() then does nothing; add_* goes on in a new file."""
    w = SummaryWriter(tmp_path, purge_step=5)
    w.add_scalar("a", 1.0, 5)
    w.close()
    w.close()
    w.flush()
    assert (None, None) == (w.file_writer, w.all_writers)
    w.add_scalar("a", 2.0, 6)
    w.close()
    assert 2 == len(readers.event_files(tmp_path))
    assert [("a", 5, 1.0), ("a", 6, 2.0)] == points(tmp_path)
    starts = [row.step for row in rows(tmp_path) if row.kind == "session_log"]
    assert {5} == set(starts)  # and none in the second file, which would undo the first


def test_a_writer_that_nobody_closed_loses_nothing(tmp_path: Path) -> None:
    """The interpreter's exit writes what is pending."""
    code = (
        "import sys, torch; from eventwriter_torch import SummaryWriter; w = SummaryWriter(sys.argv[1]);"
        "[w.add_scalar('a', float(i), i) for i in range(1000)]; w.add_histogram('h', torch.rand(9), 0)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert [("a", i, float(i)) for i in range(1000)] == points(tmp_path)
    assert "h" == rows(tmp_path)[-1].tag


def test_a_writer_that_nobody_needs_is_freed(tmp_path: Path) -> None:
    """pytorch#61186: no thread and no hook at exit keeps it alive, and its file is closed."""
    gc.collect()
    before = descriptors.ours(tmp_path)
    for index in range(20):
        w = SummaryWriter(tmp_path / str(index))
        w.add_scalar("a", 1.0, 1)
        w.add_scalars("m", {"x": 1.0}, 1)
        w.flush()
        del w
    gc.collect()
    deadline = time.monotonic() + 30
    while left := descriptors.ours(tmp_path) - before:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)  # the flush thread looks at a writer again some seconds after its last event
        gc.collect()
