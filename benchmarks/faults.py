"""The same faults on eventwriter, torch's SummaryWriter and tensorboardX, in one run:

    python benchmarks/faults.py [--json FILE]

Every row is a process of its own with a watchdog: what its log calls accepted, what TensorBoard's reader finds
afterwards, whether a log call raised into the training, whether anything hung. "readable" counts distinct events.
After `kill -9`, eventwriter's row is read after the next writer opened the folder, as a restarted training would.

What it does not show: speed, kinds other than scalars, network file systems.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from table import versions

_ROOT = Path(__file__).parents[1]
_PATHS = [str(_ROOT), str(_ROOT / "shims"), str(_ROOT / "tests")]


WATCHDOG = 15.0  # seconds; no fault needs so long on a machine that is not busy
_AT_ONCE = 2

WRITERS = {
    "eventwriter": "from eventwriter import EventWriter\nw = EventWriter(logdir)\nadd = w.scalar",
    "eventwriter, process": (
        "from eventwriter import EventWriter\nw = EventWriter(logdir, durability='process')\nadd = w.scalar"
    ),
    "eventwriter_torch": "from eventwriter_torch import SummaryWriter\nw = SummaryWriter(logdir)\nadd = w.add_scalar",
    "torch": (
        # As where only torch is installed: with TensorFlow importable its writer buffers more and loses more.
        "import sys\nsys.modules['tensorflow'] = None\n"
        "from torch.utils.tensorboard import SummaryWriter\nw = SummaryWriter(logdir)\nadd = w.add_scalar"
    ),
    "torch with TF": (
        "from torch.utils.tensorboard import SummaryWriter\nw = SummaryWriter(logdir)\nadd = w.add_scalar"
    ),
    "tensorboardX": "from tensorboardX import SummaryWriter\nw = SummaryWriter(logdir)\nadd = w.add_scalar",
}

_LEDGER = 1 << 20
# `log(start, number)` logs and counts in memory that outlives the process: `a` for a call that returned, `r` for one
# that raised. One byte, in one step, so that a signal handler that logs cannot spoil the count.
_START = """
import mmap, os, signal, sys, time, warnings
warnings.simplefilter("ignore")
logdir = sys.argv[1]
ledger = mmap.mmap(os.open(sys.argv[2], os.O_RDWR), 0)
{open}
def log(start, number, tag="a", pause=0.0):
    for i in range(start, start + number):
        try:
            add(tag, 0.5, i)
            ledger.write(b"a")
        except Exception:
            ledger.write(b"r")
        if pause: time.sleep(pause)
def finish():
    try: w.close()
    except Exception: ledger.write(b"r")
"""

FAULTS = {
    "full disk, freed later": """
import resource
log(0, 1000)
w.flush()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
size = max(os.path.getsize(os.path.join(logdir, n)) for n in os.listdir(logdir))
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1234, hard))
log(1000, 5000)
time.sleep(0.3)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log(6000, 5000)
finish()
""",
    "full disk for good": """
import resource
log(0, 1000)
w.flush()
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (60, hard))
log(1000, 3000)  # the limit holds for shared memory too, so no more than fit into a ring's first segment
finish()
""",
    "logdir deleted": """
import shutil
log(0, 500)
w.flush()
shutil.rmtree(logdir)
ledger[:] = bytes(len(ledger)); ledger.seek(0)  # only what comes after counts
log(500, 500)
time.sleep(0.3)
finish()
""",
    "fork, child logs": """
log(0, 500)
pids = []
for k in range(4):
    pid = os.fork()
    if pid == 0:
        ledger.seek(100_000 * (k + 1))
        log(10_000 * (k + 1), 30, "child")
        w.flush()
        os._exit(0)
    pids.append(pid)
log(500, 500)
for pid in pids: os.waitpid(pid, 0)
finish()
""",
    "fork, child sys.exit": """
log(0, 500)
pid = os.fork()
if pid == 0: sys.exit(0)
log(500, 500)
os.waitpid(pid, 0)
finish()
""",
    "kill -9 at 20/s": """
log(0, 60, pause=0.05)
os.kill(os.getpid(), signal.SIGKILL)
""",
    "kill -9 at 5,000/s": """
log(0, 5000, pause=0.0001)
os.kill(os.getpid(), signal.SIGKILL)
""",
    "SIGTERM": """
log(0, 1000)
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(5)
""",
    "signal handler logs": """
n = [0]
def handler(*_):
    log(100_000 + n[0], 1, "handler")
    n[0] += 1
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
i = 0
while n[0] < 300:
    log(i, 1)
    i += 1
    time.sleep(0.0002)
signal.setitimer(signal.ITIMER_REAL, 0)
finish()
""",
    "exit without close": "log(0, 1000)\n",
    "os._exit": "log(0, 1000)\nos._exit(0)\n",
    "two writers, one second": """
first = add
log(0, 500)
exec(OPEN)
log(500, 500)
finish()
""",
}


class Row(NamedTuple):
    """What became of one fault with one writer."""

    fault: str
    writer: str
    accepted: int
    readable: int
    raised: int
    hung: bool


def sample(fault: str, writer: str) -> Row:
    """One process, ended by the watchdog at the latest; then what a reader finds."""
    with tempfile.TemporaryDirectory() as folder:
        logdir, ledger = Path(folder, "log"), Path(folder, "ledger")
        ledger.write_bytes(bytes(_LEDGER))
        code = f"OPEN = {WRITERS[writer]!r}\n" + _START.format(open=WRITERS[writer]) + FAULTS[fault]
        path = os.pathsep.join(_PATHS)
        environment = os.environ | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(logdir), str(ledger)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, start_new_session=True,
        )  # fmt: skip
        hung = False
        try:
            process.wait(WATCHDOG)
        except subprocess.TimeoutExpired:
            hung = True
        try:
            os.killpg(process.pid, signal.SIGKILL)  # its children too
        except ProcessLookupError:
            pass
        process.wait()
        if writer.startswith("eventwriter") and logdir.is_dir():
            from eventwriter import EventWriter

            EventWriter(logdir).close()  # what a restarted training does
        counts = ledger.read_bytes()
        return Row(fault, writer, counts.count(b"a"), _readable(logdir), counts.count(b"r"), hung)


def _readable(logdir: Path) -> int:
    import readers

    found = set()
    for path in readers.event_files(logdir):
        try:
            found |= {(row.tag, row.step) for row in readers.file_events(path) if row.tag}
        except Exception as error:  # no reader gets through it
            print(f"{path.name}: {type(error).__name__}", file=sys.stderr)
    return len(found)


def table(rows: list[Row]) -> str:
    """Markdown: a row for each fault, a column for each writer."""
    names = list(dict.fromkeys(row.writer for row in rows))
    lines = ["| fault | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for fault in dict.fromkeys(row.fault for row in rows):
        cells = []
        for name in names:
            (row,) = (r for r in rows if (r.fault, r.writer) == (fault, name))
            cell = f"{row.readable:,} of {row.accepted:,}"
            cell += f", raised {row.raised:,}" if row.raised else ""
            cells.append(f"**{cell}, hung**" if row.hung else cell if row.readable >= row.accepted else f"**{cell}**")
        lines.append(f"| {fault} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description="The same faults on eventwriter and its peers.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every row")
    parser.add_argument("--writers", nargs="*", default=[name for name in WRITERS if name != "torch with TF"],
                        choices=list(WRITERS), metavar="NAME")  # fmt: skip
    options = parser.parse_args()
    begin = time.monotonic()
    print("\n".join(f"{name:>15}  {version}" for name, version in versions().items()), end="\n\n")
    logging.getLogger("eventwriter").setLevel(logging.ERROR)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows = list(pool.map(lambda pair: sample(*pair), itertools.product(FAULTS, options.writers)))
    print("Readable of accepted events; bold: lost some or hung.\n")
    print(table(rows))
    print(f"\n{time.monotonic() - begin:.0f} s")
    if options.json:
        options.json.write_text(json.dumps([row._asdict() for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    sys.path[:0] = _PATHS
    main()
