"""Any bytes at all, to everything that reads: no errors but the documented, no memory beyond the file's size.

EVENTWRITER_FUZZ_SECONDS=600 makes each test go on for so long, with a new seed every 500 examples; a failure prints
its seed and its smallest example. Without it, the examples of one seed: the number that CI has time for.
"""

from __future__ import annotations

import logging
import os
import random
import struct
import time
import tracemalloc

import pytest
import readers
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from eventwriter import _crc32c
from eventwriter._proto import event_pb2, types_pb2
from eventwriter._record import RecordReader, frame
from eventwriter._salvage import salvage
from eventwriter._show import summarise
from eventwriter._verify import check
from eventwriter.errors import CorruptRecord
from eventwriter.reader import Event, read_events

SECONDS = float(os.environ.get("EVENTWRITER_FUZZ_SECONDS", "0"))
PLUGINS = [
    "scalars", "histograms", "images", "audio", "text", "pr_curves", "mesh", "hparams", "custom_scalars",
    "graph_run_metadata", "graph_keras_model", "mine", "",
]  # fmt: skip


# Files: events of every kind, their payloads damaged before they get a CRC, the file damaged after.


@st.composite
def tensors(draw, message):
    message.dtype = draw(st.sampled_from(sorted(types_pb2.DataType.values())))
    message.tensor_shape.SetInParent()
    for size in draw(st.lists(st.sampled_from([-1, 0, 1, 2, 3, 2**31, 2**62]), max_size=3)):
        message.tensor_shape.dim.add(size=size)
    for name, elements in (
        ("float_val", st.floats(width=32)),
        ("double_val", st.floats()),
        ("int_val", st.integers(-(2**31), 2**31 - 1)),
        ("half_val", st.integers(-(2**31), 2**31 - 1)),
        ("scomplex_val", st.floats(width=32)),
        ("string_val", st.binary(max_size=8) | st.sampled_from([b"3", b"28"])),
    ):
        if draw(st.integers(0, 3)) == 0:
            getattr(message, name).extend(draw(st.lists(elements, max_size=6)))
    message.tensor_content = draw(st.just(b"") | st.binary(max_size=24))


@st.composite
def payloads(draw):
    event = event_pb2.Event(
        wall_time=draw(st.floats() | st.just(1.7e9)), step=draw(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 300))
    )
    what = draw(st.integers(0, 9))
    if what == 0:
        event.graph_def = draw(st.binary(max_size=20))
    elif what == 1:
        event.session_log.status = draw(st.integers(-1, 5))
    elif what == 2:
        event.tagged_run_metadata.tag = draw(st.text(max_size=5))
    elif what == 3:
        event.file_version = "brain.Event:2"
    else:
        for _ in range(draw(st.integers(1, 3))):
            value = event.summary.value.add(tag=draw(st.sampled_from(["loss", "a/b", "", "é"])))
            if draw(st.booleans()):
                value.metadata.plugin_data.plugin_name = draw(st.sampled_from(PLUGINS))
                value.metadata.plugin_data.content = draw(st.binary(max_size=12))
            field = draw(st.integers(0, 5))
            if field == 0:
                draw(tensors(value.tensor))
            elif field == 1:
                value.histo.bucket.extend(draw(st.lists(st.floats(), max_size=5)))
                value.histo.bucket_limit.extend(draw(st.lists(st.floats(), max_size=5)))
            elif field == 2:
                value.image.encoded_image_string = draw(st.binary(max_size=10))
            elif field == 3:
                value.audio.encoded_audio_string = draw(st.binary(max_size=10))
            else:
                value.simple_value = draw(st.floats(width=32))
    payload = bytearray(event.SerializeToString())
    if payload and draw(st.integers(0, 2)) == 0:
        payload[draw(st.integers(0, len(payload) - 1))] = draw(st.integers(0, 255))
    return bytes(payload)


@st.composite
def files(draw):
    records = [frame(payload) for payload in draw(st.lists(payloads() | st.binary(max_size=30), max_size=8))]
    data = b"".join(records)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        damage = draw(st.integers(0, 5))
        if damage == 0 and at < len(data):
            data = data[:at] + bytes((data[at] ^ 1 << draw(st.integers(0, 7)),)) + data[at + 1 :]
        elif damage == 1:
            data = data[:at]
        elif damage == 2:
            data = data[:at] + data[at + draw(st.integers(1, 40)) :]
        elif damage == 3:
            data = data[:at] + draw(st.binary(max_size=30) | st.integers(0, 100).map(bytes)) + data[at:]
        elif damage == 4:
            length = struct.pack("<Q", draw(st.integers(0, 2**64 - 1) | st.integers(0, 200) | st.just(2**31 - 1)))
            data = data[:at] + length + struct.pack("<I", _crc32c.masked(length)) + data[at:]
        else:
            data = data[:at] + draw(st.sampled_from([*records, b""])) + data[at:]
    return data


ANY_FILE = files() | st.binary(max_size=100)


def fuzz(examples):
    """Runs a test of `(path, data)` on files of any content."""

    def decorate(check_file):
        def test(tmp_path, caplog):
            caplog.set_level(logging.CRITICAL, "eventwriter")  # Kept records would look like a leak.
            path = tmp_path / "events.out.tfevents.1"

            def example(data):
                path.write_bytes(data)
                check_file(path, data)

            def run(number, examples):
                options = settings(
                    max_examples=examples,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                    print_blob=True,
                )
                seed(number)(options(given(data=ANY_FILE)(example)))()

            number = random.randrange(2**32) if SECONDS else 0
            end = time.monotonic() + SECONDS
            run(number, examples)
            while time.monotonic() < end:
                number += 1
                run(number, 500)

        test.__name__, test.__doc__ = check_file.__name__, check_file.__doc__
        return test

    return decorate


@pytest.fixture(autouse=True, scope="module")
def warmed_up(tmp_path_factory):
    """Imports and caches are made before memory is counted."""
    path = tmp_path_factory.mktemp("warm") / "f"
    event = event_pb2.Event()
    value = event.summary.value.add(tag="t")
    value.tensor.dtype = types_pb2.DT_FLOAT
    value.tensor.float_val.append(1)
    path.write_bytes(frame(event.SerializeToString()))
    list(read_events(path))
    check(path)


@fuzz(400)
def test_read_events(path, data):
    """`"raise"` raises nothing but CorruptRecord, at a byte of the file; `"skip"` reads on, and never less."""
    strict, error = [], None
    try:
        for event in read_events(path):
            strict.append(event)  # noqa: PERF402 -- what came before an error counts
    except CorruptRecord as caught:
        error = caught
        assert 0 <= error.offset < len(data)
        assert str(path) == error.path
    lenient = list(read_events(path, on_corrupt="skip"))
    assert repr(strict) == repr(lenient[: len(strict)])
    if error is None:
        assert len(strict) == len(lenient)
    for event in lenient:
        assert isinstance(event, Event)
        assert isinstance(event.tag, str)
        assert isinstance(event.step, int)
        assert isinstance(event.wall_time, float)
        assert isinstance(event.value, float) == (event.kind == "scalar")
    for row in summarise(lenient):
        row.cells("12345678")


@fuzz(150)
def test_agrees_with_tensorboard(path, data):
    """TensorBoard's strict reader sees the same records, and stops where we stop."""
    with path.open("rb") as file:
        reader = RecordReader(file)
        ours = list(reader)
    theirs = []
    try:
        for payload in readers._loaders().RawEventFileLoader(str(path)).Load():
            theirs.append(payload)  # noqa: PERF402 -- what came before an error counts
    except (OverflowError, MemoryError):
        pass  # Theirs believes any length.
    assert theirs == ours
    [checked] = check(path)
    assert checked.records <= len(ours)
    assert checked.good_bytes <= reader.offset
    assert data[: checked.good_bytes] == b"".join(map(frame, ours[: checked.records]))
    assert (checked.state == "whole") == (checked.good_bytes == len(data))
    assert len(data) == checked.size


@fuzz(250)
def test_salvage(path, data):
    """The copy is whole and holds all that readers saw of the original; each byte is in it or named as lost."""
    copy = path.parent / "copy"
    copy.unlink(missing_ok=True)
    done = salvage(path, copy)
    assert data == path.read_bytes()
    offsets = [part.offset for part in done.lost]
    assert sorted(offsets) == offsets
    if done.copy is None:
        assert not copy.exists()
        assert sum(part.size for part in done.lost) == len(data)
        return
    [checked] = check(copy)
    assert "whole" == checked.state
    with copy.open("rb") as file:
        saved = list(RecordReader(file))
    first = event_pb2.Event.FromString(saved[0])
    assert first.file_version
    added = checked.records - done.records
    assert added in (0, 1)
    assert sum(part.size for part in done.lost) + len(b"".join(map(frame, saved[added:]))) == len(data)
    [original] = check(path)
    assert data[: original.good_bytes] == b"".join(map(frame, saved[added:]))[: original.good_bytes]


@fuzz(100)
def test_memory(path, data):
    """However large a length or a shape says it is: a few chunks, and a small multiple of the file."""
    copy = path.parent / "copy"
    copy.unlink(missing_ok=True)
    tracemalloc.start()
    try:
        for event in read_events(path, on_corrupt="skip"):
            assert event is not None
        check(path)
        salvage(path, copy)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3_000_000 + 100 * len(data)
