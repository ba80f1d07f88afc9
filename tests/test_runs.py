"""What a run is told of its steps and its past: hidden points, resuming, copies of a writer."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import readers

from eventwriter import EventWriter
from eventwriter.__main__ import main


def scalars(logdir: Path) -> list[tuple[str, int]]:
    return [(r.tag, r.step) for r in readers.run_events(logdir) if r.tag]


def test_steps_that_do_not_rise_are_told_once_a_tag(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With the tag, and at close the number of points that TensorBoard's default loader hides."""
    with EventWriter(tmp_path) as w:
        for i, step in enumerate([*range(10), *range(5, 8), 6]):
            w.scalar("again", 0.5, step)
            w.scalar("fine", 0.5, i)
            w.scalar("all at zero", 0.5, 0)
        w.flush()
        texts = [r.getMessage() for r in caplog.records]
        assert ["'again': step 5 comes after step 9"] == [t[7:41] for t in texts if "'again'" in t]
        assert 1 == len([t for t in texts if "'all at zero'" in t])
    texts = [r.getMessage() for r in caplog.records][len(texts) :]
    assert not any("'fine'" in t for t in texts)
    # 5 to 9 by the second 5, then 6 and 7 by the last 6.
    assert any("'again'" in t and "hides 7 points" in t for t in texts)
    assert any("'all at zero'" in t and "hides 13 points" in t for t in texts)


@pytest.mark.parametrize("durability", ["async", "process"])
def test_rising_steps_are_not_remarked_on(tmp_path: Path, caplog: pytest.LogCaptureFixture, durability: str) -> None:
    """However they rise, and over flushes."""
    with EventWriter(tmp_path, durability=durability) as w:  # type: ignore[arg-type]
        for i in range(3000):
            w.scalar(f"t{i % 7}", 0.5, i * i - 5)
            if i % 500 == 0:
                w.flush()
    assert [] == caplog.records


def test_resume_gives_the_last_steps_and_touches_nothing(tmp_path: Path) -> None:
    """The new file sorts after the old ones, which stay byte for byte what they were."""
    with EventWriter(tmp_path) as w:
        for i in range(100):
            w.scalar("a", i, i)
        w.scalar("b", 1, 7)
        w.text("t", "x", 300)
    with EventWriter(tmp_path / "empty", resume=True) as w:
        assert w.last_step is None
    torn = Path(tmp_path, "events.out.tfevents.1000000000.torn")
    torn.write_bytes(b"\x07\0\0")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file()}
    with EventWriter(tmp_path, resume=True) as w:
        assert 300 == w.last_step
        assert {"a": 99, "b": 7, "t": 300} == w.last_steps
        w.scalar("a", 0.5, 100)
        new = Path(w.path)
    assert new.name == max(p.name for p in tmp_path.iterdir() if "tfevents" in p.name)
    assert before == {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.is_file() and p != new}


@pytest.mark.parametrize("how", ["pickle", "copy", "deepcopy"])
def test_a_copy_writes_a_file_of_its_own(tmp_path: Path, how: str) -> None:
    """At its first event; what was pending stays with the original."""
    with EventWriter(tmp_path, flush_secs=3600, filename_suffix=".x") as w:
        w.scalar("a", 1, 1)
        other = {"pickle": lambda: pickle.loads(pickle.dumps(w)), "copy": lambda: copy.copy(w),
                 "deepcopy": lambda: copy.deepcopy(w)}[how]()  # fmt: skip
        assert 1 == len(os.listdir(tmp_path))
        other.scalar("b", 2, 2)
        other.close()
        assert [("b", 2)] == [(r.tag, r.step) for r in readers.file_events(other.path) if r.tag]
        assert other.path.endswith(".x")
    assert [("a", 1)] == [(r.tag, r.step) for r in readers.file_events(w.path) if r.tag]


def _log_in_child(w: EventWriter) -> None:
    w.scalar("child", 1, 1)


def test_a_writer_sent_to_a_spawned_process(tmp_path: Path) -> None:
    """It writes a file of its own and flushes at its end."""
    with EventWriter(tmp_path) as w:
        w.scalar("a", 1, 1)
        process = multiprocessing.get_context("spawn").Process(target=_log_in_child, args=(w,))
        process.start()
        process.join()
        assert 0 == process.exitcode
    assert [("a", 1), ("child", 1)] == sorted(scalars(tmp_path))


def test_the_command_recover(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Finds the rings of all runs below a folder, and says what it did."""
    code = (
        "import os, signal, sys; from eventwriter import EventWriter\n"
        "w = EventWriter(sys.argv[1], flush_secs=3600)\n"
        "for i in range(5): w.scalar('a', 0.5, i)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x" / "run")])
    assert -signal.SIGKILL == done.returncode
    assert 0 == main(["recover", str(tmp_path)])
    assert ": 5 scalars recovered\n" in capsys.readouterr().out
    assert [("a", i) for i in range(5)] == scalars(tmp_path / "x" / "run")
    assert 0 == main(["recover", str(tmp_path)])
    assert "nothing to recover\n" == capsys.readouterr().out
    assert 2 == main(["recover", str(tmp_path / "nowhere")])
