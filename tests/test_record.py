"""The TFRecord frame: golden bytes, and a reader that knows an unfinished record from a broken one."""

from __future__ import annotations

import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventwriter import _record
from eventwriter._record import HEADER, RecordReader, Stop, frame, header

PAYLOADS = [b"first", b"", b"\x00third\xff" * 3]
RECORDS = [frame(payload) for payload in PAYLOADS]
FILE = b"".join(RECORDS)
# Where each record begins, and the end of the last.
BOUNDARIES = [0, len(RECORDS[0]), len(RECORDS[0]) + len(RECORDS[1]), len(FILE)]


def read(data: bytes) -> tuple[list[bytes], Stop | None, int]:
    reader = RecordReader(io.BytesIO(data))
    return list(reader), reader.stop, reader.offset


@pytest.fixture(params=["small chunks", "as shipped"])
def chunk(request, monkeypatch):
    """A chunk of 16 bytes makes every record a large one, which is read by other code."""
    if request.param == "small chunks":
        monkeypatch.setattr(_record, "_CHUNK", 16)


def test_golden_bytes():
    """A record is, byte for byte, what TensorFlow 2.21's `tf.io.TFRecordWriter` writes."""
    want = bytes.fromhex("0500000000000000 eab2043e 68656c6c6f bb1f1c19")
    assert want == frame(b"hello")
    assert bytes.fromhex("0000000000000000 29039807 d8ea82a2") == frame(b"")


def test_golden_bytes_of_an_event():
    """So is the first record of a file that tensorboard 2.21's writer began, through torch 2.13."""
    payload = (
        b"\x09" + bytes.fromhex("be321d125dc2da41") + b"\x1a\x0dbrain.Event:2"
        b"\x52\x2e\x0a\x2ctensorboard.summary.writer.event_file_writer"
    )
    want = bytes.fromhex("4800000000000000 fe92489d") + payload + bytes.fromhex("9da33c01")
    assert want == frame(payload)


@given(st.lists(st.binary(max_size=100), max_size=20))
def test_round_trip(payloads):
    """What was framed is read, to a clean end; `ends` finds the same boundaries, and `header` begins each record."""
    data = b"".join(map(frame, payloads))
    assert (payloads, Stop.END, len(data)) == read(data)
    ends = list(_record.ends(data))
    begins = [0, *ends][: len(payloads)]
    assert list(map(frame, payloads)) == [data[begin:end] for begin, end in zip(begins, ends, strict=True)]
    assert [data[begin : begin + HEADER] for begin in begins] == [header(len(payload)) for payload in payloads]


def test_every_truncation(chunk):
    """Cut anywhere, the whole records are read; a cut within a record waits for more, one between them is an end."""
    for cut in range(len(FILE) + 1):
        whole = sum(boundary <= cut for boundary in BOUNDARIES[1:])
        stop = Stop.END if cut in BOUNDARIES else Stop.TORN
        assert (PAYLOADS[:whole], stop, BOUNDARIES[whole]) == read(FILE[:cut])
        assert stop.call_again


def test_every_bit_flip(chunk):
    """A flipped bit is found: the records before it are read, and reading gives up (or waits, for a length)."""
    for bit in range(len(FILE) * 8):
        broken = bytearray(FILE)
        broken[bit // 8] ^= 1 << bit % 8
        index = sum(boundary <= bit // 8 for boundary in BOUNDARIES[1:])
        in_header = bit // 8 - BOUNDARIES[index] < HEADER
        stop = Stop.LENGTH_CRC if in_header else Stop.PAYLOAD_CRC
        assert (PAYLOADS[:index], stop, BOUNDARIES[index]) == read(bytes(broken))
        assert not stop.call_again


@pytest.mark.parametrize(
    ("length", "stop"),
    [
        pytest.param(len(FILE), Stop.TORN, id="a little beyond the end"),
        pytest.param(2**31 - 1, Stop.TORN, id="the greatest"),
        pytest.param(2**31, Stop.TOO_LONG, id="one more"),
        pytest.param(2**64 - 1, Stop.TOO_LONG, id="all ones"),
    ],
)
def test_lying_length(length, stop):
    """A length whose CRC is right, but that the file does not have, allocates nothing."""
    data = FILE + header(length) + bytes(len(FILE) - 20)
    tracemalloc.start()
    try:
        assert (PAYLOADS, stop, len(FILE)) == read(data)
        assert tracemalloc.get_traced_memory()[1] < 2 * _record._CHUNK
    finally:
        tracemalloc.stop()


def test_zeros_after_a_record():
    """Zeros (a preallocated file, a power failure) are no records of length 0: their CRC is wrong."""
    assert (PAYLOADS, Stop.LENGTH_CRC, len(FILE)) == read(FILE + bytes(4096))


@pytest.mark.parametrize("length", [_record._CHUNK - 16, _record._CHUNK - 15, _record._CHUNK, 3 * _record._CHUNK])
def test_records_about_as_large_as_a_chunk(length):
    """A record that just fits a chunk, just does not, or is larger than several, among small ones."""
    payloads = [b"small", bytes(length), b"small", b"x" * length, b"small"]
    data = b"".join(map(frame, payloads))
    assert (payloads, Stop.END, len(data)) == read(data)
    assert (payloads[:3], Stop.TORN) == read(data[: -len(frame(b"small")) - 1])[:2]
    flipped = bytearray(data)
    flipped[100] ^= 1
    want = [b"small"], Stop.PAYLOAD_CRC
    assert want == read(bytes(flipped))[:2]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30))
def test_growing_file(steps):
    """A reader that is called again after each growth sees every record once, as soon as it is whole."""
    file = io.BytesIO()
    reader = RecordReader(file)
    seen: list[bytes] = []
    size = 0
    for step in [*steps, len(FILE)]:
        file.seek(0, io.SEEK_END)
        file.write(FILE[size : size + step])
        size += step
        seen += reader
        assert reader.stop is not None
        assert reader.stop.call_again
        assert PAYLOADS[: sum(boundary <= size for boundary in BOUNDARIES[1:])] == seen


def test_goes_on_after_a_break():
    """Leaving the loop early loses nothing: the next one begins with the record after the last one seen."""
    reader = RecordReader(io.BytesIO(FILE))
    assert PAYLOADS[0] == next(iter(reader))
    assert BOUNDARIES[1] == reader.offset
    assert PAYLOADS[1:] == list(reader)


def test_short_reads(chunk):
    """A file may return fewer bytes than asked for."""

    class Stingy(io.BytesIO):
        def read(self, n=-1):
            return super().read(min(n, 13))

    reader = RecordReader(Stingy(FILE))
    assert PAYLOADS == list(reader)
    assert Stop.END == reader.stop


def test_file_that_shrinks(chunk):
    """A file cut short while a large record is read is torn."""

    class Shrinking(io.BytesIO):
        def seek(self, offset, whence=0):
            size = super().seek(offset, whence)
            if whence == io.SEEK_END:
                self.truncate(size - 1)
            return size

    reader = RecordReader(Shrinking(frame(bytes(_record._CHUNK))))
    assert [] == list(reader)
    assert Stop.TORN == reader.stop
    assert 0 == reader.offset


def test_many_different_lengths(monkeypatch):
    """The table of known headers is bounded, and forgetting them changes nothing."""
    monkeypatch.setattr(_record, "_MAX_KNOWN_HEADERS", 3)
    payloads = [bytes(n) for n in (1, 2, 3, 4, 5, 1, 2, 3)]
    reader = RecordReader(io.BytesIO(b"".join(map(frame, payloads))))
    assert payloads == list(reader)
    assert len(reader._lengths) <= 3


@given(st.binary(max_size=200))
def test_never_raises(data):
    """On any bytes, the reader stops and says why; what it calls good is good."""
    payloads, stop, good = read(data)
    assert stop is not None
    assert data[:good] == b"".join(map(frame, payloads))
