"""`eventwriter salvage`: every whole record of a damaged file, in a clean copy, and nothing else touched."""

from __future__ import annotations

import random
import struct

import pytest
import readers

from eventwriter import _crc32c, _salvage
from eventwriter.__main__ import main
from eventwriter._proto.event_pb2 import Event
from eventwriter._record import frame
from eventwriter._salvage import Lost, salvage
from eventwriter._verify import check

VERSION = Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString()


def scalar(step):
    event = Event(wall_time=1.0, step=step)
    event.summary.value.add(tag="loss", simple_value=step)
    return event.SerializeToString()


def blob(step, data):
    return Event(wall_time=1.0, step=step, graph_def=data).SerializeToString()


EVENTS = [VERSION, *map(scalar, range(1, 5))]
RECORDS = [frame(event) for event in EVENTS]
DATA = b"".join(RECORDS)
STARTS = [sum(map(len, RECORDS[:index])) for index in range(len(RECORDS) + 1)]


@pytest.fixture
def rescue(tmp_path):
    """Salvages bytes; returns the payloads of the copy, as TensorBoard's strict reader sees them, and what was lost."""

    def rescue(data):
        path, copy = tmp_path / "damaged", tmp_path / "copy"
        path.write_bytes(data)
        copy.unlink(missing_ok=True)
        done = salvage(path, copy)
        assert data == path.read_bytes()
        if done.copy is None:
            assert not copy.exists()
            return [], done.lost
        [checked] = check(copy)
        assert "whole" == checked.state
        payloads = readers.file_records(copy)
        assert len(payloads) == checked.records
        return payloads, done.lost

    return rescue


def test_whole_file(rescue):
    """An equal copy."""
    assert (EVENTS, []) == rescue(DATA)


@pytest.mark.parametrize("at", range(STARTS[1], STARTS[2]))
def test_a_flipped_byte_costs_its_record_only(rescue, at):
    """Whether the byte is in the length, a CRC or the payload, all other records are saved."""
    broken = bytearray(DATA)
    broken[at] ^= 0x40
    payloads, lost = rescue(bytes(broken))
    assert [EVENTS[0], *EVENTS[2:]] == payloads
    assert [(STARTS[1], len(RECORDS[1]))] == [(one.offset, one.size) for one in lost]


@pytest.mark.parametrize("cut", range(STARTS[2] + 1, STARTS[3]))
def test_append_after_a_tear(rescue, cut):
    """What somebody wrote after a torn record is saved: every reader would stop at the tear."""
    payloads, lost = rescue(DATA[:cut] + DATA[STARTS[3] :])
    assert [*EVENTS[:2], *EVENTS[3:]] == payloads
    assert [(STARTS[2], cut - STARTS[2])] == [(one.offset, one.size) for one in lost]


def test_torn_tail(rescue):
    """The unfinished record is left out."""
    want = [Lost(STARTS[4], len(RECORDS[4]) - 1, "torn: the file ends within this record")]
    assert (EVENTS[:4], want) == rescue(DATA[:-1])


@pytest.mark.parametrize("size", [1, 11, 12, 13, 100_000])
def test_zeros_and_noise_in_the_middle(rescue, size):
    """A hole of zeros, or of anything else, of any size: what follows is found."""
    noise = random.Random(size).randbytes(size)
    for hole in (bytes(size), b"\xff" * size, noise, bytes(size) + noise):
        payloads, lost = rescue(DATA[: STARTS[3]] + hole + DATA[STARTS[3] :])
        assert payloads == EVENTS
        assert [(STARTS[3], len(hole))] == [(one.offset, one.size) for one in lost]


def test_empty_record_after_zeros(rescue):
    """A record of length 0 begins with zeros itself, so the hole's end is not where the search may go on."""
    payloads, lost = rescue(DATA + bytes(100) + frame(b"") + frame(EVENTS[1]))
    assert [*EVENTS, b"", EVENTS[1]] == payloads
    assert [(len(DATA), 100)] == [(one.offset, one.size) for one in lost]


def test_several_damages(rescue):
    """Each is named."""
    broken = bytearray(DATA)
    for index in (1, 3):
        broken[STARTS[index] + 15] ^= 1
    payloads, lost = rescue(bytes(broken))
    assert [EVENTS[0], EVENTS[2], EVENTS[4]] == payloads
    assert [STARTS[1], STARTS[3]] == [one.offset for one in lost]


def test_header_across_chunks(rescue, monkeypatch):
    """A header is found wherever the chunks of the search happen to end."""
    for chunk in range(12, 40):
        monkeypatch.setattr(_salvage, "_CHUNK", chunk)
        assert EVENTS[1:] == rescue(b"\xff\x00\xff" * 7 + DATA[STARTS[1] :])[0][1:]


def test_records_within_a_damaged_record_stay_there(rescue):
    """An event file logged as a blob is content. With only the payload damaged, the search steps over it."""
    data = bytearray(DATA[: STARTS[2]] + frame(blob(7, DATA)) + DATA[STARTS[2] :])
    data[STARTS[2] + 14] ^= 1
    assert EVENTS == rescue(bytes(data))[0]


def test_record_that_is_no_event(rescue):
    """TensorBoard's readers stop at it for good, so it is left out."""
    payloads, lost = rescue(DATA[: STARTS[2]] + frame(b"\xff") + DATA[STARTS[2] :])
    assert EVENTS == payloads
    assert [Lost(STARTS[2], 17, "its content is not an Event")] == lost


def test_lost_version_is_written_anew(rescue):
    """TensorBoard reads a file without it by older rules, so the copy gets one."""
    payloads, _ = rescue(b"\xff" * 20 + DATA[STARTS[1] :])
    assert [VERSION, *EVENTS[1:]] == payloads


@pytest.mark.parametrize("data", [b"", b"nothing at all", bytes(1000)])
def test_nothing_to_save(rescue, data):
    """No copy."""
    assert [] == rescue(data)[0]


def test_lying_length(rescue):
    """A right CRC over a length that leads beyond the file: the records after this header are found."""
    length = struct.pack("<Q", 2**31 - 1)
    lie = length + struct.pack("<I", _crc32c.masked(length))
    payloads, lost = rescue(DATA[: STARTS[2]] + lie + DATA[STARTS[2] :])
    assert EVENTS == payloads
    assert [(STARTS[2], 12)] == [(one.offset, one.size) for one in lost]


def test_never_overwrites(tmp_path):
    """Not the damaged file, nor any other."""
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(DATA)
    with pytest.raises(FileExistsError):
        salvage(path, path)
    assert 1 == main(["salvage", str(path), "-o", str(tmp_path)])
    assert DATA == path.read_bytes()


def test_failure_leaves_no_copy(tmp_path, monkeypatch):
    """Half a copy would look like a whole one."""
    path = tmp_path / "damaged"
    path.write_bytes(DATA)

    def no_space(_fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        salvage(path, tmp_path / "copy")
    assert ["damaged"] == [file.name for file in tmp_path.iterdir()]


def test_command(tmp_path, capsys):
    """Folders keep their shape; each file's line says what was saved and lost, and where."""
    for run in ("a", "a/b"):
        (tmp_path / "logs" / run).mkdir(parents=True)
        (tmp_path / "logs" / run / "tfevents").write_bytes(DATA)
    (tmp_path / "logs" / "a" / "tfevents").write_bytes(DATA[:-1])
    assert 0 == main(["salvage", str(tmp_path / "logs"), "-o", str(tmp_path / "new")])
    assert EVENTS[:4] == readers.file_records(tmp_path / "new" / "a" / "tfevents")
    assert EVENTS == readers.file_records(tmp_path / "new" / "a" / "b" / "tfevents")
    size = len(RECORDS[4]) - 1
    want = [
        f"{tmp_path}/logs/a/tfevents -> {tmp_path}/new/a/tfevents: 4 records saved, {size} bytes lost",
        f"    lost {size} bytes at byte {STARTS[4]}: torn: the file ends within this record",
        f"{tmp_path}/logs/a/b/tfevents -> {tmp_path}/new/a/b/tfevents: 5 records saved, 0 bytes lost",
    ]
    assert want == capsys.readouterr().out.splitlines()


def test_into_the_log_folder(tmp_path):
    """The copies may go into the folder that is salvaged: they are not salvaged again."""
    (tmp_path / "tfevents").write_bytes(DATA)
    assert 0 == main(["salvage", str(tmp_path), "-o", str(tmp_path / "saved")])
    assert ["tfevents"] == [file.name for file in (tmp_path / "saved").iterdir()]


def test_usage(tmp_path):
    """2 without `-o`, and for a path that is not there."""
    with pytest.raises(SystemExit) as caught:
        main(["salvage", str(tmp_path)])
    assert 2 == caught.value.code
    assert 2 == main(["salvage", str(tmp_path / "nowhere"), "-o", str(tmp_path / "new")])
