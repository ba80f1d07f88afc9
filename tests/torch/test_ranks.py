"""Ranks of a distributed job: two never write one run. Real processes under torch.distributed, by gloo."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import readers
from eventwriter_torch import SummaryWriter, _ranks

CODE = """if True:
    import sys
    import torch.distributed as dist
    from eventwriter_torch import SummaryWriter

    folder, ranks, when = sys.argv[1:]
    options = {} if ranks == "default" else {"ranks": ranks}
    if when == "after":
        dist.init_process_group("gloo")
    w = SummaryWriter(folder, **options)
    if when == "before":
        dist.init_process_group("gloo")
    rank = dist.get_rank()
    for step in range(5):
        w.add_scalar("loss", rank + step / 10, step)
        w.add_scalars("m", {"x": float(rank)}, step)
    w.add_hparams({"rank": rank}, {"acc": rank}, run_name="h")
    w.add_histogram("h", [1.0, 2.0], 0)
    w.add_embedding([[1.0, 2.0]], ["a"])
    dist.barrier()
    w.close()
    dist.destroy_process_group()
"""


def run(folder: Path, ranks: str, when: str = "after") -> str:
    """Two processes, as torchrun starts them; what they wrote to stderr."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", CODE, str(folder), ranks, when],
            env=dict(
                os.environ, RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
                GLOO_SOCKET_IFNAME="lo", OMP_NUM_THREADS="1",
            ),
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    errors = [process.communicate(timeout=100)[1] for process in processes]
    assert [0, 0] == [process.returncode for process in processes], errors
    return errors[1]


def points(logdir: Path) -> list[tuple[str, int, float]]:
    rows = readers.run_events(logdir)
    return [(row.tag, row.step, pytest.approx(row.value)) for row in rows if row.kind == "simple_value"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_rank_zero_writes_alone(tmp_path: Path, when: str) -> None:
    """The default, whether the writer was made before the process group or after it; the others say so, once."""
    said = run(tmp_path, "default" if when == "after" else "zero", when)
    assert [("loss", i, i / 10) for i in range(5)] == points(tmp_path)
    assert [("m", i, 0.0) for i in range(5)] == points(tmp_path / "m_x")
    assert [("acc", 0, 0.0)] == points(tmp_path / "h")
    assert 3 == len(readers.event_files(tmp_path))
    assert 1 == said.count("rank 1 of 2 writes nothing")


def test_every_rank_writes_a_run_of_its_own(tmp_path: Path) -> None:
    """ranks="all": rank_0 and rank_1, each with its own sub-runs and files."""
    run(tmp_path, "all")
    for rank in range(2):
        root = tmp_path / f"rank_{rank}"
        assert [("loss", i, rank + i / 10) for i in range(5)] == points(root)
        assert [("m", i, rank) for i in range(5)] == points(root / "m_x")
        assert [("acc", 0, rank)] == points(root / "h")
        assert (root / "projector_config.pbtxt").is_file()
    assert 6 == len(readers.event_files(tmp_path))
    assert not (tmp_path / "rank_0" / "rank_1").exists()


def test_folders_of_many_ranks_sort_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """rank_007 of 128, from torchrun's environment, before there is a process group."""
    monkeypatch.setenv("RANK", "7")
    monkeypatch.setenv("WORLD_SIZE", "128")
    with SummaryWriter(tmp_path, ranks="all") as w:
        assert str(tmp_path / "rank_007") == w._get_file_writer().get_logdir()
        assert tmp_path == w.get_logdir()


def test_without_a_job_there_is_one_rank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SLURM's numbers do not count: its tasks may be runs of their own. Nor does an environment that is none."""
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("SLURM_PROCID", "3")
    assert (0, 1) == _ranks.rank_and_size()
    for rank, size in (("x", "2"), ("5", "2"), ("-1", "2")):
        monkeypatch.setenv("RANK", rank)
        monkeypatch.setenv("WORLD_SIZE", size)
        assert (0, 1) == _ranks.rank_and_size()


def test_a_ranks_that_there_is_not_raises(tmp_path: Path) -> None:
    """ValueError with what was wanted."""
    with pytest.raises(ValueError, match="ranks: want 'zero' or 'all', got 'first'"):
        SummaryWriter(tmp_path, ranks="first")  # type: ignore[arg-type] # that is the point
