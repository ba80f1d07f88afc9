"""The command `eventwriter`, also `python -m eventwriter`: arguments, exit statuses, and nothing else.

Each command is a function here that hands over to a module of its own, which it imports itself.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventwriter._terminal import Terminal

OK, WRONG, USAGE = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0 fine, 1 something is wrong, 2 wrong usage."""
    from eventwriter._terminal import Terminal, printable

    arguments = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # A tag may have characters that the terminal has not.
    try:
        status = arguments.command(arguments, Terminal(sys.stdout))
        sys.stdout.flush()
        return int(status)
    except BrokenPipeError:
        # `… | head`: nobody reads on. Python would complain again when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        sys.stderr.write(f"eventwriter: {printable(str(error.filename or ''))}: {error.strerror}\n")
        return USAGE if isinstance(error, FileNotFoundError) else WRONG
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventwriter", description="Look into, check and rescue TensorBoard event files."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[..., int], text: str, more: str = "") -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {more}")
        sub.set_defaults(command=run)
        return sub

    show = command("show", _show, "print a table of runs, tags and their last values")
    show.add_argument("logdir", metavar="LOGDIR", help="a folder of runs, or one event file")

    verify = command(
        "verify",
        _verify,
        "check every record of event files",
        "Exit status: 0 all is well, 1 something is wrong, 2 wrong usage. A torn tail, as in a file that is "
        "being written or whose writer was killed, is noted, but not wrong: readers wait there for more.",
    )
    verify.add_argument("paths", metavar="PATH", nargs="+", help="event files, or folders of runs")

    salvage = command(
        "salvage",
        _salvage,
        "copy the whole records of damaged event files",
        "Records after the damage are found again by their checksums. The damaged files stay as they are; "
        "no file is overwritten.",
    )
    salvage.add_argument("paths", metavar="PATH", nargs="+", help="event files, or folders of runs")
    salvage.add_argument("-o", dest="out", metavar="DIR", required=True, help="the folder for the copies")

    recover = command(
        "recover",
        _recover,
        "write what killed processes of this host had pending",
        "The next writer in a folder does the same; this is for folders that get none.",
    )
    recover.add_argument("logdir", metavar="LOGDIR", help="a folder of runs")
    return parser


def _show(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from eventwriter._show import show

    return show(arguments.logdir, terminal)


def _verify(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from eventwriter._terminal import printable
    from eventwriter._verify import check

    colours = {"whole": "green", "torn": "yellow", "broken": "red", "unreadable": "red"}
    status = OK
    for path in arguments.paths:
        found = check(path)
        if not found:
            terminal.line(f"{printable(path)}: no event files")
            status = WRONG
        for file in found:
            state = terminal.paint(f"{file.state:10}", colours[file.state])
            terminal.line(f"{state}  {printable(file.path)}: {_describe(file.records, file.good_bytes)}")
            if file.reason:
                terminal.line(f"            at byte {file.good_bytes} of {file.size}: {file.reason}")
            if not file.ok:
                status = WRONG
    return status


def _salvage(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from eventwriter._salvage import salvage
    from eventwriter._terminal import printable

    status = OK
    for path, copy in _copies([Path(path) for path in arguments.paths], Path(arguments.out)):
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            done = salvage(path, copy)
        except OSError as error:
            terminal.line(f"{printable(str(error.filename or path))}: {error.strerror}")
            status = WRONG
            continue
        lost = sum(part.size for part in done.lost)
        name = printable(str(done.copy)) if done.copy else "no copy"
        saved = f"{done.records} record{'s' * (done.records != 1)} saved"
        terminal.line(f"{printable(done.path)} -> {name}: {saved}, {lost} bytes lost")
        for part in done.lost:
            terminal.line(f"    lost {part.size} bytes at byte {part.offset}: {part.reason}")
    return status


def _recover(arguments: argparse.Namespace, terminal: Terminal) -> int:
    from eventwriter._engine import header
    from eventwriter._recover import recover
    from eventwriter._terminal import printable

    Path(arguments.logdir).stat()
    status = OK
    found = [done for folder, _, _ in os.walk(arguments.logdir) for done in recover(folder, header)]
    for done in found:
        if done.refused:
            terminal.line(f"{printable(done.ring)}: not recovered: {printable(done.refused)}")
            status = WRONG
        else:
            lost = f", {done.others} events of other kinds lost" if done.others else ""
            terminal.line(f"{printable(done.path or done.ring)}: {done.scalars} scalars recovered{lost}")
    if not found:
        terminal.line("nothing to recover")
    return status


def _copies(paths: list[Path], out: Path) -> list[tuple[Path, Path]]:
    """Each event file and where its copy goes: folders keep their shape. A list, made before the first copy is."""
    from eventwriter.reader import event_files, runs

    copies = []
    for path in paths:
        path.stat()
        if path.is_dir():
            copies += [(file, out / run / file.name) for run in runs(path) for file in event_files(path / run)]
        else:
            copies.append((path, out / path.name))
    return copies


def _describe(records: int, size: int) -> str:
    return f"{records} good record{'s' * (records != 1)}, {size} bytes"


if __name__ == "__main__":
    sys.exit(main())
