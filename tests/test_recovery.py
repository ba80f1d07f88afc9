"""What a killed process had pending: found in shared memory, written once, never mixed up."""

from __future__ import annotations

import gc
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import descriptors
import pytest
import readers

from eventwriter import EventWriter, _recover, _shm

LOG = """
import os, signal, sys, time
from eventwriter import EventWriter
w = EventWriter(sys.argv[1], flush_secs=3600)
"""


def scalars(logdir: Path) -> list[tuple[str, int]]:
    return [(r.tag, r.step) for r in readers.run_events(logdir) if r.tag]


def rings(logdir: Path) -> list[str]:
    return [n for n in os.listdir(_shm.FOLDER) if n.startswith(_shm.prefix_of(str(logdir)))]


def run_and_kill(code: str, logdir: Path) -> None:
    result = subprocess.run([sys.executable, "-c", LOG + code, str(logdir)], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (-signal.SIGKILL, "")


KILL = "\nos.kill(os.getpid(), signal.SIGKILL)\n"


def test_the_next_writer_writes_what_a_killed_one_had_pending(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All scalars, groups as one event, in order, before the new writer's own; other kinds are counted as lost."""
    code = (
        "for i in range(3000): w.scalar('a', 0.5, i)\n"
        "w.scalars({'b': 1.0, 'c': 2.0}, 1)\n"
        "w.text('t', 'x', 0)\n"
        "w.scalar('größe', 1.0, 7, wall_time=12.5)\n"
    )
    run_and_kill(code + KILL, tmp_path)
    assert [] == scalars(tmp_path)
    assert 1 == len(rings(tmp_path))
    with EventWriter(tmp_path) as w:
        w.scalar("a", 0.5, 3000)
    want = [("a", i) for i in range(3000)] + [("b", 1), ("c", 1), ("größe", 7), ("a", 3000)]
    assert want == scalars(tmp_path)
    (walls,) = {r.wall_time for r in readers.run_events(tmp_path) if r.tag == "größe"}
    assert walls == 12.5
    assert [] == rings(tmp_path)
    assert "3002 scalars that a killed process had pending are now in it; 1 events of other kinds died" in caplog.text


def test_what_was_written_is_not_written_again(tmp_path: Path) -> None:
    """Killed at any moment, also in the middle of a flush: every accepted scalar once."""
    code = (
        "w = EventWriter(sys.argv[1], flush_secs=0.002)\n"
        "i = 0\n"
        "while True:\n"
        "    w.scalar('a', 0.5, i); i += 1\n"
        "    os.write(1, b'.')\n"
        "    if i % 7 == 0: time.sleep(0.0003)\n"
    )
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    for k in range(10):
        logdir = tmp_path / str(k)
        with subprocess.Popen([sys.executable, "-c", LOG + code, str(logdir)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.read(1)
            time.sleep(rng.random() * 0.2)
            process.kill()
            accepted = 1 + len(process.stdout.read())
        EventWriter(logdir).close()
        got = [step for _, step in scalars(logdir)]
        assert list(range(len(got))) == got
        assert len(got) - accepted in (0, 1)  # killed between the row and the dot


@pytest.mark.parametrize(
    "death",
    ["os._exit(1)", "signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGTERM)",
     "import ctypes; ctypes.string_at(0)"],
)  # fmt: skip
def test_other_deaths(tmp_path: Path, death: str) -> None:
    """os._exit, SIGTERM, SIGSEGV: recovered as after SIGKILL."""
    code = LOG + "for i in range(500): w.scalar('a', 0.5, i)\n" + death
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True)
    EventWriter(tmp_path).close()
    assert [("a", i) for i in range(500)] == scalars(tmp_path)


def test_a_healthy_end_leaves_no_ring(tmp_path: Path) -> None:
    """Neither close, nor the interpreter's exit, nor the end of the last reference."""
    w = EventWriter(tmp_path)
    w.scalar("a", 1, 1)
    assert 1 == len(rings(tmp_path))
    w.close()
    assert [] == rings(tmp_path)
    subprocess.run([sys.executable, "-c", LOG + "w.scalar('a', 0.5, 2)", str(tmp_path)], check=True)
    assert [] == rings(tmp_path)
    assert [("a", 1), ("a", 2)] == scalars(tmp_path)


def test_a_living_owner_is_left_alone(tmp_path: Path) -> None:
    """A second writer in the folder takes nothing from the first, in this process or another."""
    with EventWriter(tmp_path, flush_secs=3600) as first:
        first.scalar("a", 1, 1)
        with EventWriter(tmp_path):
            pass
        subprocess.run([sys.executable, "-c", LOG, str(tmp_path)], check=True)
        assert [] == scalars(tmp_path)
        assert 1 == len(rings(tmp_path))
    assert [("a", 1)] == scalars(tmp_path)


def test_a_forked_child_does_not_keep_the_ring_from_being_recovered(tmp_path: Path) -> None:
    """The child outlives its killed parent and holds neither lock nor rows."""
    code = (
        "for i in range(100): w.scalar('a', 0.5, i)\n"
        "if os.fork() == 0:\n"
        "    os.close(1); os.close(2); time.sleep(3); os._exit(0)\n"
    )
    run_and_kill(code + "time.sleep(0.2)" + KILL, tmp_path)
    EventWriter(tmp_path).close()
    assert [("a", i) for i in range(100)] == scalars(tmp_path)


def test_a_forked_child_leaves_its_parents_ring_alone(tmp_path: Path) -> None:
    """New tags on both sides after the fork: what is recovered of the parent has the parent's tags."""
    code = (
        "w.scalar('before', 0.5, 0)\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    for i in range(20): w.scalar(f'child {i} ' + 'x' * i, 0.5, i)\n"
        "    w.flush(); os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
        "for i in range(20): w.scalar(f'parent {i}', 0.5, i)\n"
    )
    run_and_kill(code + KILL, tmp_path)
    EventWriter(tmp_path).close()
    want = [("before", 0), *((f"parent {i}", i) for i in range(20))]
    assert want == [e for e in scalars(tmp_path) if "child" not in e[0]]
    assert 20 == len([e for e in scalars(tmp_path) if "child" in e[0]])


def test_a_folder_made_anew_gets_nothing_of_the_old_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Runs are not mixed: refused with the reason."""
    logdir = tmp_path / "run"
    run_and_kill("w.scalar('a', 0.5, 1)" + KILL, logdir)
    logdir.rename(tmp_path / "old")
    EventWriter(logdir).close()
    assert [] == scalars(logdir)
    assert "belongs to an earlier folder of this name" in caplog.text
    for name in rings(logdir):
        os.unlink(os.path.join(_shm.FOLDER, name))


def test_a_ring_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """Mode 0600, whatever the umask."""
    with EventWriter(tmp_path) as w:
        w.scalar("a", 1, 1)
        (name,) = rings(tmp_path)
        assert 0o600 == os.stat(os.path.join(_shm.FOLDER, name)).st_mode & 0o777


def test_without_shared_memory_an_ordinary_buffer_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No /dev/shm, or a full one."""
    monkeypatch.setattr(_shm, "FOLDER", str(tmp_path / "nowhere"))
    with EventWriter(tmp_path / "log") as w:
        w.scalar("a", 1, 1)
    assert [("a", 1)] == scalars(tmp_path / "log")

    monkeypatch.setattr(_shm, "FOLDER", "/dev/shm")

    def full(fd: int, offset: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with EventWriter(tmp_path / "log2") as w:
        assert [] == rings(tmp_path / "log2")
        w.scalar("a", 1, 1)
    assert [("a", 1)] == scalars(tmp_path / "log2")


def test_a_damaged_ring_is_refused_and_does_no_harm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes flipped, cut or added anywhere: a reason or a recovery, never an exception, never a bad file."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    run_and_kill("for i in range(300): w.scalar('a', 0.5, i)" + KILL, tmp_path)
    (name,) = rings(tmp_path)
    path = Path(_shm.FOLDER, name)
    good = path.read_bytes()
    interesting = [*range(200), *range(2048, 2200), *range(4096, 4200), *range(_shm.HEADER, len(good))]
    with caplog.at_level(logging.CRITICAL):
        for _ in range(300):
            bad = bytearray(good)
            for _ in range(rng.randint(1, 4)):
                bad[rng.choice(interesting[: rng.choice([400, 1000, 20_000])])] = rng.randrange(256)
            if rng.random() < 0.2:
                bad = bad[: rng.randrange(len(bad))]
            path.write_bytes(bad)
            _recover.recover(str(tmp_path), lambda: b"")
            for file in tmp_path.iterdir():
                readers.file_records(file)
                file.unlink()
    path.unlink(missing_ok=True)


def test_abandoned_rings_are_given_up_after_a_week(tmp_path: Path) -> None:
    """A ring of a folder that nobody opens again does not hold its memory for ever."""
    run_and_kill("w.scalar('a', 0.5, 1)" + KILL, tmp_path / "a")
    (name,) = rings(tmp_path / "a")
    _recover.forget_abandoned()  # as the first writer of a process does
    assert [name] == rings(tmp_path / "a")
    # From here on in a place of its own: the first writer of any process may give up what is old.
    shared = tmp_path / "shared"
    shared.mkdir()
    shutil.move(os.path.join(_shm.FOLDER, name), shared / name)
    code = (
        "import sys; from eventwriter import EventWriter, _shm;"
        "_shm.FOLDER = sys.argv[2]; EventWriter(sys.argv[1]).close()"
    )
    for days, said in ((6, False), (8, True)):
        old = time.time() - days * 24 * 3600
        os.utime(shared / name, (old, old))
        assert (shared / name).exists()
        command = [sys.executable, "-c", code, str(tmp_path / "b"), str(shared)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert said == ("never recovered" in done.stderr)
        assert said != (shared / name).exists()


def test_no_descriptor_but_two(tmp_path: Path) -> None:
    """The event file and the ring's lock, however many segments there are."""
    gc.collect()
    before = descriptors.ours(tmp_path)
    with EventWriter(tmp_path, flush_secs=3600) as w:
        for i in range(30_000):
            w.scalar("a", i, i)
        assert 2 == (descriptors.ours(tmp_path) - before).total()
    assert not descriptors.ours(tmp_path) - before
