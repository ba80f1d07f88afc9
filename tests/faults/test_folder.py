"""F10, F13: a folder that is deleted, moved, replaced while somebody logs; file names among threads and processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import readers
from faults import scripted
from tensorboard_server import serve

from eventwriter import EventWriter


@pytest.mark.parametrize("level", ["async", "process"])
@pytest.mark.parametrize("how", ["rmtree", "rename", "replace", "chmod"])
def test_a_folder_that_is_taken_away_all_the_time(tmp_path: Path, level: str, how: str) -> None:
    """Every 100 ms, for two seconds: nothing raised; all that was accepted after the last time is read, in order."""
    logdir = tmp_path / "log"
    marks: list[int] = []
    i = 0

    def take_away() -> None:
        for k in range(20):
            time.sleep(0.1)
            marks.append(i)  # before: what is accepted meanwhile may go either way
            try:
                if how == "rename":
                    logdir.rename(tmp_path / f"old{k}")
                elif how == "chmod":
                    logdir.chmod(0o000)
                    time.sleep(0.02)
                    logdir.chmod(0o700)
                else:
                    shutil.rmtree(logdir)
                    if how == "replace":
                        logdir.write_text("in the way")
                        time.sleep(0.02)
                        logdir.unlink()
            except OSError:
                pass  # not made again yet, or made again meanwhile
            marks[-1] = i

    with EventWriter(logdir, flush_secs=0.01, durability=level) as w:  # type: ignore[arg-type]
        thread = threading.Thread(target=take_away)
        thread.start()
        while thread.is_alive():
            w.scalar("a", i, i)
            i += 1
            time.sleep(0.0005)
        for _ in range(100):
            w.scalar("a", i, i)
            i += 1
        scripted.settle(w)
    got = scripted.steps(logdir)
    assert got == sorted(set(got))
    want = list(range(0 if how == "chmod" else marks[-1] + 1, i))
    assert want == got[-len(want) :]


def test_names_of_writers_in_many_threads(tmp_path: Path) -> None:
    """100 writers of ten threads in one second: 100 files, none truncated, each with what its writer logged."""
    made: list[tuple[str, int]] = []

    def make(k: int) -> None:
        for i in range(10):
            with EventWriter(tmp_path) as w:
                w.scalar("a", 0.5, 10 * k + i)
                made.append((w.path, 10 * k + i))

    threads = [threading.Thread(target=make, args=(k,)) for k in range(10)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert 100 == len({path for path, _ in made}) == len(os.listdir(tmp_path))
    for path, step in made:
        assert [step] == [r.step for r in readers.file_events(path) if r.tag]


NAMES = """
import os, sys, time
from eventwriter import EventWriter, _scalars
if len(sys.argv) > 3:
    class Host:
        nodename = "same"
    os.uname = lambda: Host
    os.getpid = lambda: 7
while not os.path.exists(sys.argv[2]): time.sleep(0.001)
for i in range(10):
    w = EventWriter(sys.argv[1])
    w.scalar("a", 0.5, i)
    w.close()
    print(w.path)
"""


@pytest.mark.parametrize("same", [(), ("same",)], ids=["processes", "containers of equal host and pid"])
def test_names_of_writers_in_many_processes(tmp_path: Path, same: tuple[str, ...]) -> None:
    """Ten processes make ten writers each, at once: no name twice, no file truncated."""
    go, logdir = tmp_path / "go", tmp_path / "log"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", NAMES, str(logdir), str(go), *same], stdout=subprocess.PIPE, text=True,
            env=scripted.environment(),
        )
        for _ in range(10)
    ]  # fmt: skip
    go.touch()
    paths = []
    outputs = [process.communicate(timeout=scripted.WATCHDOG)[0] for process in processes]
    assert [0] * 10 == [process.returncode for process in processes]
    for out in outputs:
        mine = out.split()
        assert mine == sorted(mine)
        paths += mine
    assert 100 == len(set(paths)) == len(os.listdir(logdir))
    for path in paths:
        assert 1 == sum(bool(r.tag) for r in readers.file_events(path))


def test_names_sort_whatever_the_clock_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour back, a day back, standing still: later writers sort later, and the default TensorBoard shows all."""
    real = time.time
    names = []
    for i, jump in enumerate([0.0, -3600.0, -86400.0, 0.0, 1.5, -3600.0]):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        for j in range(3):
            with EventWriter(tmp_path / "run") as w:
                w.scalar("a", 0.5, 3 * i + j, wall_time=real())
                names.append(Path(w.path).name)
    monkeypatch.setattr(time, "time", real)
    assert names == sorted(names)
    assert list(range(18)) == scripted.steps(tmp_path / "run")
    with serve(tmp_path, "fast", tensorflow=False) as board:
        assert list(range(18)) == [step for _, step, _ in board.scalars("run", "a")]
