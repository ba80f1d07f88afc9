"""eventwriter/_scalars.py, _wire.py: the bytes are protobuf's own."""

import math
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventwriter import _record, _wire
from eventwriter._proto.event_pb2 import Event, SessionLog
from eventwriter._ring import PAD, ROW
from eventwriter._scalars import _SMALLEST_BATCH, ScalarEncoder

INT64 = st.integers(-(2**63), 2**63 - 1)
STEPS = st.one_of(INT64, st.integers(0, 300), st.sampled_from([0, 1, 127, 128, 16383, 16384, -1, 2**63 - 1]))
TAGS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
VALUES = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e39, -1e39, 1e-40, 5e-324, 3.4028235e38]),
)
WALLS = st.one_of(
    st.floats(1.7e9, 1.7e9 + 100), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0.0, -0.0])
)


def as_float32(value: float) -> float:
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def by_protobuf(wall_time: float, step: int, values: list[tuple[str, float]]) -> bytes:
    event = Event(wall_time=wall_time, step=step)
    for tag, value in values:
        event.summary.value.add(tag=tag, simple_value=as_float32(value))
    return _record.frame(event.SerializeToString())


@given(WALLS, STEPS, TAGS, VALUES)
def test_one_scalar_is_protobufs_bytes(wall: float, step: int, tag: str, value: float) -> None:
    """One event: any unicode tag, the whole int64 range, NaN, infinities, subnormals."""
    encoder = ScalarEncoder()
    assert by_protobuf(wall, step, [(tag, value)]) == encoder.one(wall, step, value, encoder.add_tag(tag))


@given(WALLS, STEPS, st.lists(st.tuples(TAGS, VALUES), min_size=1, max_size=5))
def test_many_values_in_one_event_are_protobufs_bytes(wall: float, step: int, values: list[tuple[str, float]]) -> None:
    """An event of several values."""
    encoder = ScalarEncoder()
    got = encoder.many(wall, step, [(encoder.add_tag(tag), value) for tag, value in values])
    assert by_protobuf(wall, step, values) == got


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_batch_is_protobufs_bytes(data: st.DataObject) -> None:
    """Batches over several tags, with groups, padding, zero and far-off wall times in between."""
    tags = data.draw(st.lists(TAGS, min_size=1, max_size=4, unique=True))
    if data.draw(st.booleans()):
        tags.append("long/" * 80)
    encoder = ScalarEncoder()
    ids = [encoder.add_tag(tag) for tag in tags]
    base = data.draw(STEPS)
    seed = data.draw(st.randoms(use_true_random=False))
    odd_walls = data.draw(st.booleans())
    rows, want, events = [], [], 0
    while len(rows) < 3 * _SMALLEST_BATCH + 30:
        wall = 1.7e9 + seed.random() * 10
        if odd_walls and seed.random() < 0.05:
            wall = data.draw(WALLS)
        step = max(-(2**63), min(2**63 - 1, base + seed.randint(-200, 200)))
        size = 3 if seed.random() < 0.05 else 1
        values = [(seed.randrange(len(tags)), data.draw(VALUES) if seed.random() < 0.1 else seed.random())
                  for _ in range(size)]  # fmt: skip
        for i, (k, value) in enumerate(values):
            rows.append(ROW.pack(wall, step, value, ids[k], size - 1 - i))
        want.append(by_protobuf(wall, step, [(tags[k], v) for k, v in values]))
        events += 1
        if seed.random() < 0.02:
            rows.append(ROW.pack(0, 0, 0, PAD, 0))
    assert (b"".join(want), events) == encoder.encode(b"".join(rows))


@pytest.mark.parametrize("tags", [1, 100])
@pytest.mark.parametrize("start", [0, 100, 16_000, -5, 2**62])
def test_a_large_batch_is_protobufs_bytes(tags: int, start: int) -> None:
    """Over the places where a step's varint grows, with one tag and with many."""
    encoder = ScalarEncoder()
    names = [f"layer/{i * i}" for i in range(tags)]
    ids = [encoder.add_tag(name) for name in names]
    events = [(1.7e9 + i / 1000, start + i // tags, i % tags, i / 7) for i in range(1500)]
    rows = b"".join(ROW.pack(wall, step, value, ids[k], 0) for wall, step, k, value in events)
    want = b"".join(by_protobuf(wall, step, [(names[k], value)]) for wall, step, k, value in events)
    assert (want, len(events)) == encoder.encode(rows)


def test_tags_learned_between_batches() -> None:
    """A tag that turns up after the first batch is encoded like those before it."""
    encoder = ScalarEncoder()
    for n in (1, 5, 40):
        names = [f"t{n}/{i}" * (1 + i % 3) for i in range(n)]
        ids = [encoder.add_tag(name) for name in names]
        events = [(1.7e9 + i, i, i % n, 0.5) for i in range(200)]
        rows = b"".join(ROW.pack(wall, step, value, ids[k], 0) for wall, step, k, value in events)
        want = b"".join(by_protobuf(wall, step, [(names[k], value)]) for wall, step, k, value in events)
        assert want == encoder.encode(rows)[0]


def test_padding_before_any_tag_is_known() -> None:
    """Nothing, as anywhere."""
    assert (b"", 0) == ScalarEncoder().encode(40 * ROW.pack(0, 0, 0, PAD, 0))


def test_tags_of_every_length_in_turn() -> None:
    """More layouts than are kept, back and forth."""
    encoder = ScalarEncoder()
    names = ["x" * (1 + 5 * i) for i in range(50)]
    ids = [encoder.add_tag(name) for name in names]
    for turn in range(3):
        for k in range(50):
            events = [(1.7e9 + i, turn * 100 + i, (k - i % 2) % 50, 0.5) for i in range(40)]
            rows = b"".join(ROW.pack(wall, step, value, ids[j], 0) for wall, step, j, value in events)
            want = b"".join(by_protobuf(wall, step, [(names[j], value)]) for wall, step, j, value in events)
            assert want == encoder.encode(rows)[0]


def test_the_events_a_file_begins_with() -> None:
    """file_version with its source metadata, and a session log."""
    event = Event(wall_time=1.5, file_version="brain.Event:2")
    event.source_metadata.writer = "eventwriter"
    assert event.SerializeToString() == _wire.event_head(1.5, 0) + _wire.file_version("eventwriter")
    event = Event(wall_time=1.5, step=7, session_log=SessionLog(status=SessionLog.START))
    assert event.SerializeToString() == _wire.event_head(1.5, 7) + _wire.SESSION_START


def test_threads_encode_side_by_side() -> None:
    """Each has memory of its own for it, whatever it had before."""
    names = [f"tag/{i}" for i in range(30)]

    def encode(seed: int) -> bool:
        encoder = ScalarEncoder()
        ids = [encoder.add_tag(name) for name in names[: 1 + seed % 30]]
        events = [(1.7e9 + i, seed * 7 + i, i % len(ids), i / 3) for i in range(100 + 300 * (seed % 5))]
        rows = b"".join(ROW.pack(wall, step, value, ids[k], 0) for wall, step, k, value in events)
        want = b"".join(by_protobuf(wall, step, [(names[k], value)]) for wall, step, k, value in events)
        return want == encoder.encode(rows)[0]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(encode, range(60)))
