"""A real TensorBoard server for tests: its process, its loader, and when its data is there.

Knows how TensorBoard 2.21 is started on loopback, how each of its loaders says that a logdir is loaded, and
how to end the whole process group. Must not know what any dashboard serves: that is `tensorboard_client`.

    with serve(logdir, "fast") as board:      # TensorBoard's default, the Rust data server
        board.scalars("run", "loss")          # [(wall_time, step, value), ...]

Starting costs seconds (TensorBoard imports TensorFlow where it is installed), so check much with one server.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal

from tensorboard_client import TensorBoardClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Loader = Literal["fast", "slow"]
LOADERS: tuple[Loader, ...] = ("fast", "slow")

# Series are kept whole. "All" is 0 for the loaders, but the plugins would then show no images at all, so: a
# large number.
_ALL = 10_000_000
_SAMPLED_PLUGINS = ("scalars", "histograms", "images", "audio", "text", "pr_curves", "mesh", "tensors")

# A shell between us and the server: it kills the group when our end of its stdin goes away (even if this
# process is killed -9), and when the server ends by itself.
_SUPERVISOR = '("$@" </dev/null; kill -s KILL -- -$$) & cat >/dev/null; kill -s KILL -- -$$'

# What `python -m tensorboard.main` does, in a process that has no TensorFlow: TensorBoard then reads records
# and files with its own stand-ins, which is what somebody who only has torch gets.
_WITHOUT_TENSORFLOW = (
    "import runpy, sys; sys.modules['tensorflow'] = None; sys.argv[0] = 'tensorboard'; "
    "runpy.run_module('tensorboard.main', run_name='__main__', alter_sys=True)"
)


class ServerError(RuntimeError):
    """TensorBoard did not start, or not with the loader that was asked for; carries its log."""


class Server(TensorBoardClient):
    """A running TensorBoard and, as methods, everything it serves."""

    def __init__(self, process: subprocess.Popen[bytes], log_file: IO[bytes], loader: Loader) -> None:
        self.loader = loader
        self._process = process
        self._log_file = log_file
        super().__init__(self._wait_for_port())

    @property
    def group(self) -> int:
        """Process group of the server and its children."""
        return self._process.pid

    def log(self) -> str:
        """Everything the server has written to stdout and stderr so far."""
        self._log_file.seek(0)
        return self._log_file.read().decode(errors="replace")

    def data_servers(self) -> list[int]:
        """Process ids in the server's group that run the Rust data server."""
        name = ("tensorboard_data_server", "bin", "server")
        return [pid for pid, executable in _living(self.group) if executable.parts[-3:] == name]

    def check_loader(self) -> None:
        """Raise `ServerError` unless the loader asked for is the one that serves.

        Both what TensorBoard says of itself and the processes there are must agree: a silent fallback to the
        Python loader would test that one twice.
        """
        provider = self.environment()["debug"]["data_provider"].partition("(")[0]
        want = {"fast": ("GrpcDataProvider", 1), "slow": ("MultiplexerDataProvider", 0)}[self.loader]
        got = (provider.rpartition(".")[2].split(" ")[0], len(self.data_servers()))
        if want != got:
            raise ServerError(f"{self.loader} loader: want (provider, data servers) {want}, got {got}\n{self.log()}")

    def wait_until(self, condition: Callable[[Server], bool], what: str, seconds: float = 60) -> None:
        """Wait until `condition(server)` holds; raise `ServerError` naming `what` after `seconds`."""
        end = time.monotonic() + seconds
        while not condition(self):
            if self._process.poll() is not None:
                raise ServerError(f"TensorBoard ended while waiting for {what}:\n{self.log()}")
            if time.monotonic() > end:
                raise ServerError(f"waited {seconds} s for {what}; log:\n{self.log()}")
            time.sleep(0.05)

    def _wait_for_port(self) -> int:
        # The Python loader loads before this line (--reload_task=blocking) unless it reloads for ever.
        pattern = re.compile(r"^TensorBoard \S+ at http://127\.0\.0\.1:(\d+)/", re.MULTILINE)
        self.wait_until(lambda server: bool(pattern.search(server.log())), "the server to listen", 120)
        match = pattern.search(self.log())
        assert match
        return int(match[1])


@contextlib.contextmanager
def serve(
    logdir: str | os.PathLike[str],
    loader: Loader = "fast",
    *,
    reload_seconds: int = 0,
    tensorflow: bool = True,
    flags: tuple[str, ...] = (),
) -> Iterator[Server]:
    """Run TensorBoard on `logdir` and yield it once all that is there now is loaded.

    `reload_seconds` 0 loads once and never again; 1 or more follows a growing logdir, and the caller then
    waits for what it wants with `Server.wait_until`. `tensorflow=False` hides TensorFlow from the server,
    which starts in a quarter of the time and then reads records with TensorBoard's own code. `flags` are added
    to the command line. Raises `ServerError` if it does not come up, or came up with the other loader.
    """
    samples = ",".join(f"{plugin}={_ALL}" for plugin in _SAMPLED_PLUGINS)
    command = [sys.executable, *(("-m", "tensorboard.main") if tensorflow else ("-c", _WITHOUT_TENSORFLOW))]
    command += [f"--logdir={os.fspath(logdir)}", "--host=127.0.0.1", "--port=0"]
    command += [
        f"--load_fast={'true' if loader == 'fast' else 'false'}",
        f"--reload_interval={reload_seconds}",
    ]
    command += [f"--samples_per_plugin={samples}", *flags]
    if loader == "fast":
        command.append("--extra_data_server_flags=--verbose")  # says when a load cycle is over
    elif reload_seconds == 0:
        command.append("--reload_task=blocking")
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", PYTHONUNBUFFERED="1")
    with tempfile.TemporaryFile() as log_file:
        process = subprocess.Popen(
            ["sh", "-c", _SUPERVISOR, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            server = Server(process, log_file, loader)
            if loader == "fast":
                server.wait_until(lambda server: "Finished load cycle" in server.log(), "the first load cycle")
            server.check_loader()
            yield server
        finally:
            _end(process)


def _living(group: int) -> list[tuple[int, Path]]:
    """(process id, executable) of a group's processes, zombies left out, from Linux's /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, _, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append((int(entry.name), (entry / "exe").readlink()))
        except OSError:  # it ended meanwhile, or is another user's
            continue
    return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group and wait until nothing of it runs."""
    assert process.stdin is not None
    process.stdin.close()  # already ends the group; the kill below is for a shell that could not
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 10
    while left := _living(process.pid):
        if time.monotonic() > end:
            raise ServerError(f"survivors of SIGKILL in process group {process.pid}: {left}")
        time.sleep(0.01)
