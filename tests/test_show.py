"""`eventwriter show`: what the table says, how it fits a terminal, and that no tag can spoil it."""

from __future__ import annotations

import io
import math
import os
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventwriter import _show
from eventwriter.__main__ import main
from eventwriter._decode import Audio, Images
from eventwriter._proto.event_pb2 import Event as EventMessage
from eventwriter._record import frame
from eventwriter._show import Curve, brief, show, summarise
from eventwriter._terminal import Terminal, cells, fit, printable
from eventwriter.reader import Event

BLOCKS = "▁▂▃▄▅▆▇█"


def scalar(tag, step, number):
    event = EventMessage(wall_time=1.0, step=step)
    event.summary.value.add(tag=tag, simple_value=number)
    return frame(event.SerializeToString())


@pytest.fixture
def logdir(tmp_path):
    """Two runs; the second has a torn tail."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").mkdir()
    losses = b"".join(scalar("loss", 10 * step, 8 - step) for step in range(8))
    (tmp_path / "a" / "1.tfevents").write_bytes(losses + scalar("accuracy", 7, 0.25))
    (tmp_path / "a" / "b" / "1.tfevents").write_bytes(losses[:-1])
    return tmp_path


def output(logdir, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert 0 == show(logdir, Terminal(stream))
    stream.seek(0)
    return stream.read()


def on_a_terminal(logdir, columns, **environment):
    """The output of the command on a real terminal of this width."""
    import pty

    main_end, command_end = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", "PYTHONUTF8": "1", **environment}
    command = [sys.executable, "-m", "eventwriter", "show", str(logdir)]
    with subprocess.Popen(command, stdout=command_end, env=environment) as process:
        os.close(command_end)
        text = b""
        while True:
            try:
                piece = os.read(main_end, 4096)
            except OSError:  # How Linux says that the other end is closed.
                break
            if not piece:
                break
            text += piece
        os.close(main_end)
    assert 0 == process.returncode
    return text.decode().replace("\r\n", "\n")


def test_table(logdir):
    """Runs, tags, kinds, points, first and last step, last value, sparkline; plain and aligned in a pipe."""
    want = [
        "  TAG       KIND    POINTS  FIRST  LAST  LAST VALUE",
        "a",
        "  accuracy  scalar       1      7     7  0.25        ▄",
        "  loss      scalar       8      0    70  1           █▇▆▅▄▃▂▁",
        "a/b",
        "  loss      scalar       7      0    60  2           █▇▆▅▃▂▁",
    ]
    assert want == output(logdir).splitlines()


def test_one_file(logdir):
    """A file may be named instead of a folder."""
    assert "1.tfevents" == output(logdir / "a" / "1.tfevents").splitlines()[1]


def test_broken_record_is_reported_and_skipped(logdir, caplog):
    """What is before it is shown, and a warning says where it is."""
    path = logdir / "a" / "1.tfevents"
    path.write_bytes(scalar("loss", 1, 2) + bytes(50))
    assert "loss" in output(logdir)
    assert f"{path}: record at byte {len(scalar('loss', 1, 2))}" in caplog.text


def test_empty_run(tmp_path):
    """A file that has only just been made."""
    (tmp_path / "tfevents").touch()
    assert [".", "  no values yet"] == output(tmp_path).splitlines()[1:]


def test_no_event_files(tmp_path, capsys):
    """Says so, exit status 1; a missing folder: 2."""
    assert 1 == main(["show", str(tmp_path)])
    assert f"{tmp_path}: no event files\n" == capsys.readouterr().out
    assert 2 == main(["show", str(tmp_path / "nowhere")])
    assert f"eventwriter: {tmp_path}/nowhere: No such file or directory\n" == capsys.readouterr().err


def test_terminal(logdir):
    """Colours on a terminal, none with NO_COLOR or TERM=dumb; the same text."""
    plain = output(logdir)
    coloured = on_a_terminal(logdir, 80, NO_COLOR="")
    assert "\x1b[36mloss" in coloured
    for environment in ({"NO_COLOR": "1"}, {"NO_COLOR": "", "TERM": "dumb"}):
        got = on_a_terminal(logdir, 80, **environment)
        assert "\x1b" not in got
        assert plain == got


@pytest.mark.parametrize("columns", [50, 60, 75, 100])
def test_fits_the_terminal(tmp_path, columns):
    """No line is wider than the terminal; of a long tag, both ends remain where there is room for them."""
    data = b"".join(scalar(f"encoder/{'block/' * 10}層/{i}", i, i) for i in range(100, 120))
    (tmp_path / "tfevents").write_bytes(data + scalar("loss", 1, 1))
    lines = on_a_terminal(tmp_path, columns, NO_COLOR="1").splitlines()
    assert max(map(cells, lines)) <= columns
    if columns >= 60:
        assert lines[2].startswith("  encod")
        assert "/100 " in lines[2]


def test_tags_cannot_hurt_the_terminal(tmp_path):
    """Control characters, line breaks and direction marks are spelled out."""
    (tmp_path / "tfevents").write_bytes(scalar("\x1b[2Jloss\n\u202e", 1, 1))
    lines = output(tmp_path).splitlines()
    assert 3 == len(lines)
    assert r"\x1b[2Jloss\n\u202e" in lines[2]


def test_poor_encoding(logdir):
    """Where the blocks cannot be written, ASCII stands for them."""
    assert "#^=-,._" in output(logdir, "ascii").replace("~", "")


def test_poor_encoding_of_a_tag(tmp_path):
    """A tag that the terminal cannot show is shown as well as it can."""
    (tmp_path / "tfevents").write_bytes(scalar("größe", 1, 1))
    done = subprocess.run(
        [sys.executable, "-m", "eventwriter", "show", str(tmp_path)],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=True,
    )
    assert b"gr??e" in done.stdout


def test_reader_of_the_pipe_goes_away(logdir):
    """`eventwriter show … | head -1`: no traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "eventwriter", "show", str(logdir)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert b"" == process.stderr.read()
    process.stderr.close()
    assert 0 == process.wait()


def test_memory_does_not_grow_with_the_events():
    """A hundred times the points, the same peak."""
    peaks = []
    for points in (2_000, 200_000):
        tracemalloc.start()
        try:
            [row] = summarise(Event("loss", step, 0.0, "scalar", step * 0.5) for step in range(points))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert (points, 0, points - 1, (points - 1) * 0.5) == (row.points, row.first_step, row.last_step, row.last)
    assert peaks[1] < peaks[0] + 10_000


# Sparklines


def sparkline(values, width=20):
    curve = Curve()
    for value in values:
        curve.add(value)
    return curve.sparkline(width, BLOCKS)


@pytest.mark.parametrize(
    ("values", "want"),
    [
        ([], ""),
        ([5], "▄"),
        ([5, 5, 5], "▄▄▄"),
        ([0, 1], "▁█"),
        ([0, math.nan, 7, math.inf, 3.5], "▁x█x▅"),
        ([math.nan], "x"),
        ([-1.7e308, 1.7e308], "▁█"),
        ([0, 5e-324], "▄▄"),
    ],
)
def test_sparkline(values, want):
    """From the smallest to the largest; a constant in the middle; x for what is not finite."""
    assert want == sparkline(values)


@pytest.mark.parametrize("n", [20, 21, 255, 256, 257, 10_000])
def test_sparkline_of_many_values(n):
    """However many values: a rising line rises over the whole width."""
    got = sparkline(range(n))
    assert 20 == len(got)
    assert ("▁", "█") == (got[0], got[-1])
    assert sorted(got) == list(got)


@pytest.mark.parametrize("half", [10, 130, 300, 5_000])
def test_sparkline_is_evenly_spread(half):
    """What happened half-way is shown half-way."""
    got = sparkline([0] * half + [1] * half)
    assert 10 == pytest.approx(got.count("▁"), abs=1)


@given(st.lists(st.floats(), max_size=600))
def test_sparkline_of_anything(values):
    """Any floats."""
    assert min(20, len(values)) == len(sparkline(values))


# Values in a few words


@pytest.mark.parametrize(
    ("kind", "value", "want"),
    [
        ("scalar", 0.123456789, "0.12346"),
        ("scalar", math.nan, "nan"),
        ("histogram", np.array([[-1, 0, 3], [0, 2.5, 1]]), "-1 … 2.5"),
        ("histogram", np.zeros((0, 3)), "empty"),
        ("image", Images(28, 14, [b"png"] * 3), "3 of 28×14"),
        ("audio", Audio([b"wav"], []), "1 clip"),
        ("audio", Audio([b"wav"] * 2, []), "2 clips"),
        ("text", "# Title\n\ntext", "# Title text"),
        ("text", [["a", "b"]], "a"),
        ("text", [], ""),
        ("pr_curve", np.zeros((6, 11), np.float32), "float32[6,11]"),
        ("hparams", {"session_start_info": {"hparams": {"lr": 0.5, "bs": 32.0}}}, "bs=32.0 lr=0.5"),
        ("hparams", {"experiment": {}}, ""),
        ("custom_scalars", {"category": [{"chart": [{}, {}]}, {}]}, "2 charts"),
        ("tensor", None, ""),
        ("tensor", b"abc", "3 bytes"),
        ("tensor", [b"abc"], "1 × bytes"),
        ("graph", b"abc", "3 bytes"),
        ("session_log", "start", "start"),
    ],
)
def test_brief(kind, value, want):
    """Each kind in a few words."""
    assert want == brief(kind, value)


# Widths


@given(st.text(), st.integers(1, 30), st.sampled_from(["start", "ends"]))
def test_fit_gives_the_width_asked_for(text, width, keep):
    """Any text in exactly so many cells: wide characters, combining marks, control characters."""
    shown = printable(text)
    assert shown.isprintable()
    assert width == cells(fit(shown, width, keep=keep))
    assert fit(shown, width, keep=keep).rstrip() == shown.rstrip() or cells(shown) > width


@pytest.mark.parametrize(
    ("text", "width", "keep", "want"),
    [
        ("abc", 5, "start", "abc  "),
        ("abcdefgh", 5, "start", "abcd…"),
        ("abcdefgh", 5, "ends", "ab…gh"),
        ("日本語日本語", 6, "ends", "日…語 "),
    ],
)
def test_fit(text, width, keep, want):
    """Filled up, or cut at the end or in the middle; half a wide character is a space."""
    assert want == fit(text, width, keep=keep)


def test_last_values_are_kept_short(tmp_path):
    """A novel as a text costs no more than its column."""
    row = summarise([Event("t", 0, 0.0, "text", "long " * 1000)])[0]
    assert _show._MAX_LAST_VALUE == cells(row.cells(BLOCKS)[_show._LAST_VALUE])
