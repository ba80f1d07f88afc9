"""`check` and `eventwriter verify`: how far a file can be read, why no further, and the exit status."""

from __future__ import annotations

import os

import pytest

from eventwriter.__main__ import main
from eventwriter._proto.event_pb2 import Event
from eventwriter._record import frame
from eventwriter._verify import FileCheck, check

RECORDS = [frame(Event(wall_time=1.0, step=step, file_version="x" * step).SerializeToString()) for step in range(1, 4)]
DATA = b"".join(RECORDS)
TWO = len(RECORDS[0] + RECORDS[1])


@pytest.fixture
def file(tmp_path):
    """Writes an event file in a run of its own; returns its path."""

    def file(data, run="run"):
        path = tmp_path / run / "events.out.tfevents.1"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return file


def flip(data, at):
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


CASES = [
    pytest.param(DATA, 3, len(DATA), "whole", "", id="whole"),
    pytest.param(b"", 0, 0, "whole", "", id="empty"),
    pytest.param(
        DATA[:-1],
        2,
        TWO,
        "torn",
        f"the file ends within this record, of which it has {len(RECORDS[2]) - 1} bytes",
        id="torn",
    ),
    pytest.param(flip(DATA, TWO), 2, TWO, "broken", "CRC of the length is wrong", id="length"),
    pytest.param(flip(DATA, TWO + 14), 2, TWO, "broken", "CRC of the payload is wrong", id="payload"),
    pytest.param(flip(DATA, len(DATA) - 1), 2, TWO, "broken", "CRC of the payload is wrong", id="last byte"),
    pytest.param(DATA + bytes(5000), 3, len(DATA), "broken", "zeros from here to the end", id="zeros"),
    pytest.param(DATA + bytes(5000) + b"x", 3, len(DATA), "broken", "CRC of the length is wrong", id="zeros and more"),
    pytest.param(DATA + frame(b"\xff"), 3, len(DATA), "broken", "its content is not an Event", id="no event"),
]


@pytest.mark.parametrize(("data", "records", "good", "state", "reason"), CASES)
def test_check(file, data, records, good, state, reason):
    """Records, good bytes, state and reason of each kind of file; the file is not touched."""
    path = file(data)
    before = path.stat()
    assert [FileCheck(str(path), len(data), records, good, state, reason)] == check(path)
    assert (before.st_mtime_ns, data) == (path.stat().st_mtime_ns, path.read_bytes())


def test_check_of_a_folder(file, tmp_path):
    """Every event file of every run, runs in order of their names."""
    file(DATA, "b")
    file(DATA[:-1], "a/deeper")
    file(flip(DATA, 3), ".")
    (tmp_path / "notes.txt").write_text("no event file")
    got = [(os.path.relpath(os.path.dirname(one.path), tmp_path), one.state, one.ok) for one in check(tmp_path)]
    assert [(".", "broken", False), ("a/deeper", "torn", True), ("b", "whole", True)] == got


def test_unreadable_file(tmp_path):
    """A file that the system refuses to read is named, and the others are checked."""
    (tmp_path / "1.tfevents").symlink_to("/proc/self/mem")  # EIO, for root too
    (tmp_path / "2.tfevents").write_bytes(DATA)
    bad, good = check(tmp_path)
    assert ("unreadable", "Input/output error", False) == (bad.state, bad.reason, bad.ok)
    assert "whole" == good.state


def test_missing_path(tmp_path):
    """Not an empty list, which would read as `nothing wrong`."""
    with pytest.raises(FileNotFoundError):
        check(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("data", "status"), [(DATA, 0), (DATA[:-1], 0), (flip(DATA, 14), 1)], ids=["whole", "torn", "broken"]
)
def test_exit_status(file, data, status):
    """0 if readers get to the end of every file (a torn tail is no fault), 1 if they do not."""
    assert status == main(["verify", str(file(DATA, "other")), str(file(data).parent)])


def test_usage(tmp_path, capsys):
    """2 without a path, and for a path that is not there; 1 for a folder without event files."""
    with pytest.raises(SystemExit) as caught:
        main(["verify"])
    assert 2 == caught.value.code
    assert 2 == main(["verify", str(tmp_path / "nowhere")])
    assert f"{tmp_path / 'nowhere'}: No such file or directory" in capsys.readouterr().err
    assert 1 == main(["verify", str(tmp_path)])
    assert f"{tmp_path}: no event files" in capsys.readouterr().out


def test_output(file, capsys):
    """State, file, number of records and good bytes; where and why for what is not whole."""
    path = file(flip(DATA, TWO + 14))
    main(["verify", str(path)])
    want = [
        f"broken      {path}: 2 good records, {TWO} bytes",
        f"            at byte {TWO} of {len(DATA)}: CRC of the payload is wrong",
    ]
    assert want == capsys.readouterr().out.splitlines()
