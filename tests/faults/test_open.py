"""F11, F24: a writer that cannot open its file, a program that cannot say so, ends of the interpreter."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from faults import scripted

from eventwriter import EventWriter

LIMITED = """
import errno, json, os, resource, sys
import readers
from eventwriter import EventWriter, _scalars, _recover, _shm, _steps
what, on_error = sys.argv[2], sys.argv[3]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
if what == "EMFILE":
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, hard))
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(what), resource.RLIM_INFINITY))
raised = None
w = None
try:
    w = EventWriter(sys.argv[1], on_error=on_error, flush_secs=0.01)
    for i in range(100): w.scalar("a", 0.5, i)
    state = w.stats().state
except OSError as error:
    raised = errno.errorcode[error.errno]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
if w is None:
    print(json.dumps(dict(raised=raised)))
else:
    done = w.close()
    got = [r.step for r in readers.run_events(sys.argv[1]) if r.tag]
    print(json.dumps(dict(raised=raised, done=done, whole=got == list(range(100)))))
"""


@pytest.mark.parametrize("what", ["EMFILE", "0", "5", "40"])
def test_an_open_that_fails_for_now(tmp_path: Path, what: str) -> None:
    """No descriptors left, no room for the first record: "warn" goes on and loses nothing, "raise" raises at once."""
    done = scripted.python(LIMITED, tmp_path / "warn", what, "warn", env=scripted.environment())
    assert {"raised": None, "done": True, "whole": True} == json.loads(done.stdout or done.stderr)
    done = scripted.python(LIMITED, tmp_path / "raise", what, "raise", env=scripted.environment())
    assert {"raised": "EMFILE" if what == "EMFILE" else "EFBIG"} == json.loads(done.stdout or done.stderr)


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    """It is a mistake, heard of at once, and the file is left alone."""
    (tmp_path / "file").write_text("mine")
    for on_error in ("warn", "raise"):
        with pytest.raises(OSError):
            EventWriter(tmp_path / "file" / "run", on_error=on_error)  # type: ignore[arg-type]
    assert "mine" == (tmp_path / "file").read_text()


WORDLESS = """
import errno, logging, os, sys, time
from eventwriter import EventWriter, _os
how = sys.argv[2]
if how == "closed": os.close(2); sys.stderr.close()
if how == "none": sys.stderr = None
if how == "full": os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
if how == "handler":
    class Raises(logging.Handler):
        def emit(self, record): raise RuntimeError("of the user's")
    logging.getLogger("eventwriter").addHandler(Raises())
if how == "exits":
    class Exits(logging.Handler):
        def emit(self, record): sys.exit(3)
    logging.getLogger("eventwriter").addHandler(Exits())
w = EventWriter(sys.argv[1], flush_secs=0.01)
w.scalar("a", 0.5, 0)
assert w.flush()
n = [0]
def write(fd, data):
    n[0] += 1
    if n[0] < 4: raise OSError(errno.ENOSPC, "full")
    return os.write(fd, data)
_os.write = write
for i in range(1, 100):
    w.scalar("a", 0.5, i); w.scalar("same", 0.5, 0)
deadline = time.monotonic() + 30
while not w.flush() and time.monotonic() < deadline: time.sleep(0.01)
for i in range(100, 200): w.scalar("a", 0.5, i)
assert w.flush(5)
if len(sys.argv) < 4: w.close()
"""


@pytest.mark.parametrize("ends", [(), ("without close",)], ids=["closes", "does not close"])
@pytest.mark.parametrize("how", ["closed", "none", "full", "handler", "exits"])
def test_warnings_that_nobody_can_hear(tmp_path: Path, how: str, ends: tuple[str, ...]) -> None:
    """stderr closed, missing, on a full disk, a handler that raises or exits: logging goes on, nothing is lost."""
    done = scripted.python(WORDLESS, tmp_path, how, *ends)
    assert done.returncode in ((0, 3) if how == "exits" else (0,)), done  # close() may exit: it is the main thread
    assert list(range(200)) == [s for t, s in scripted.points(tmp_path) if t == "a"]


ENDS = {
    "atexit registered before the import": ("atexit.register(log, 1000)", ""),
    "atexit registered after the import": ("", "atexit.register(log, 1000)"),
    "multiprocessing imported last": ("atexit.register(log, 1000)", "import multiprocessing.util"),
    "a thread still logging": ("", "threading.Thread(target=log, args=(1000,)).start()"),
    "closed in another thread": ("", "threading.Thread(target=w.close).start()"),
    "no threads to be had": ("", "_thread.start_new_thread = no_threads"),
}

END = """
import _thread, atexit, sys, threading
def log(start):
    for i in range(start, start + 1000): w.scalar("a", 0.5, i)
def no_threads(*args): raise RuntimeError("can't start new thread")
{before}
from eventwriter import EventWriter
{no_threads}
w = EventWriter(sys.argv[1], durability=sys.argv[2])
log(0)
{after}
"""


@pytest.mark.parametrize("level", ["async", "process"])
@pytest.mark.parametrize("how", ENDS)
def test_ends_of_the_interpreter(tmp_path: Path, how: str, level: str) -> None:
    """Whoever logs last: it is in the file, without any recovery."""
    before, after = ENDS[how]
    early = after if "no_threads" in after else ""
    code = END.format(before=before, no_threads=early, after="" if early else after)
    done = scripted.python(code, tmp_path, level)
    assert (0, "") == (done.returncode, done.stderr)
    n = 2000 if "log" in before + after and "no_threads" not in after else 1000
    assert list(range(n)) == scripted.steps(tmp_path)


DEAD = """
import errno, os, sys, time
from eventwriter import EventWriter, _os
ws = [EventWriter(f"{sys.argv[1]}/{i}") for i in range(5)]
def write(fd, data): raise OSError(errno.EIO, "dead")
def hang(fd, data): time.sleep(3600)
_os.write = hang if sys.argv[2] == "hangs" else write
for w in ws:
    for i in range(100): w.scalar("a", 0.5, i)
time.sleep(0.5)
print(time.monotonic(), flush=True)
"""


@pytest.mark.parametrize("how", ["fails", "hangs"])
def test_a_dead_disk_delays_the_end_by_five_seconds_at_most(tmp_path: Path, how: str) -> None:
    """For all writers together; then it says how many events each lost, and the next writer recovers them."""
    import time

    done = scripted.python(DEAD, tmp_path, how)
    assert time.monotonic() - float(done.stdout) < 5 + 3  # the machine's slack
    assert 5 == done.stderr.count("the program ends with 100 events not written"), done.stderr
    for i in range(5):
        EventWriter(tmp_path / str(i)).close()
        assert list(range(100)) == scripted.steps(tmp_path / str(i))


def test_a_forked_child_of_a_failing_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The child begins afresh: it does not write its parent's pending events, nor end its parent's file."""
    disk = scripted.ScriptedDisk(monkeypatch)
    with EventWriter(tmp_path, flush_secs=0.01) as w:
        w.scalar("a", 0, 0)
        w.flush()
        disk.short = 9
        disk.fail("write", 28)
        for i in range(1, 50):
            w.scalar("a", i, i)
        assert not w.flush()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                disk.heal()
                w.scalar("child", 0.5, 0)
                code = not w.close()
            finally:
                os._exit(code)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert ("child", 0) in {p for path in os.listdir(tmp_path) for p in _points(tmp_path / path)}
        disk.heal()
        scripted.settle(w)
    assert [("a", i) for i in range(50)] == _points(Path(w.path))


def _points(path: Path) -> list[tuple[str, int]]:
    import readers

    return [(r.tag, r.step) for r in readers.file_events(path) if r.tag]
