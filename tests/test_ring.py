"""eventwriter/_ring.py: rows come out in the order they went in, whoever interrupts whom."""

import threading

import pytest

from eventwriter._ring import FIRST_TAG, ITEM, PAD, ROW, ROW_BYTES, ROWS_PER_SEGMENT, SEGMENT_BYTES, Ring


def row(step: int, tag_id: int = FIRST_TAG, more: int = 0) -> bytes:
    return ROW.pack(1.0, step, 0.5, tag_id, more)


def add(ring: Ring, rows: bytes) -> None:
    """What a caller does."""
    while True:
        try:
            ring.append(rows)
            return
        except ValueError:
            ring.make_room(len(rows))


def take(ring: Ring, limit: int = 1000) -> list[int]:
    """All steps pending, as the flush thread takes them."""
    steps = []
    while rows := ring.peek(limit):
        steps += [r[1] for r in ROW.iter_unpack(rows) if r[3] != PAD]
        ring.advance(len(rows))
    ring.commit()
    return steps


def make() -> tuple[Ring, list[bool]]:
    wakes: list[bool] = []
    return Ring(wakes.append), wakes


def test_rows_come_out_in_order_over_many_segments() -> None:
    """Rows are taken in the order they were added, none twice, none missing."""
    ring, _ = make()
    n = 5 * ROWS_PER_SEGMENT + 17
    for step in range(n):
        add(ring, row(step))
    assert ring.pending() == n
    assert ring.events() == n
    assert list(range(n)) == take(ring)
    assert ring.pending() == 0


def test_first_row_after_arm_wakes_and_later_ones_do_not() -> None:
    """An idle flush thread is woken once, not by every row."""
    ring, wakes = make()
    for step in range(10):
        add(ring, row(step))
    assert wakes == [False]
    take(ring)
    assert ring.arm()
    add(ring, row(10))
    add(ring, row(11))
    assert wakes == [False, False]


def test_arm_refuses_while_rows_wait() -> None:
    """A row added before `arm` is not forgotten."""
    ring, _ = make()
    add(ring, row(0))
    assert not ring.arm()


def test_a_full_segment_wakes_urgently() -> None:
    """The flush thread does not sleep its quarter of a second while memory fills."""
    ring, wakes = make()
    for step in range(ROWS_PER_SEGMENT + 1):
        add(ring, row(step))
    assert True in wakes


def test_memory_is_reused() -> None:
    """A ring that is drained as it fills stays at a few segments."""
    ring, _ = make()
    for step in range(20 * ROWS_PER_SEGMENT):
        add(ring, row(step))
        if step % 1000 == 999:
            take(ring)
    assert ring.nbytes <= 3 * SEGMENT_BYTES


def test_an_event_of_many_rows_stays_together() -> None:
    """Rows of one event are never split by a segment's end or by the limit of a peek."""
    ring, _ = make()
    for _ in range(ROWS_PER_SEGMENT - 2):
        add(ring, row(0))
    add(ring, b"".join(row(1, more=4 - i) for i in range(5)))
    add(ring, row(2))
    groups = []
    while rows := ring.peek(3):
        unpacked = list(ROW.iter_unpack(rows))
        assert unpacked[-1][4] == 0
        groups += [r[1] for r in unpacked if r[3] != PAD]
        ring.advance(len(rows))
    assert [0] * (ROWS_PER_SEGMENT - 2) + [1] * 5 + [2] == groups


def test_a_stale_append_cannot_lose_a_row() -> None:
    """A thread that looked `append` up and slept through several segments is refused, and tries again."""
    ring, _ = make()
    add(ring, row(0))
    stale = ring.append
    for step in range(1, 3 * ROWS_PER_SEGMENT):
        add(ring, row(step))
    take(ring)
    with pytest.raises(ValueError):
        stale(row(99))
    assert [] == take(ring)


def test_a_segment_whose_opening_was_interrupted_is_stepped_over() -> None:
    """An exception between taking a segment and opening it costs no row."""
    ring, _ = make()
    for step in range(ROWS_PER_SEGMENT):
        add(ring, row(step))
    from eventwriter._ring import _Segment

    ring._live.append(_Segment(None))  # as `make_room` leaves it when it is interrupted just before open()
    add(ring, row(ROWS_PER_SEGMENT))
    assert list(range(ROWS_PER_SEGMENT + 1)) == take(ring)


def test_a_closed_ring_takes_no_row_and_gives_what_it_has() -> None:
    """After close every append raises, also one that was looked up before; what is there can be taken."""
    ring, _ = make()
    add(ring, row(0))
    stale = ring.append
    ring.close()
    for append in (stale, ring.append):
        with pytest.raises(ValueError):
            append(row(1))
    assert [0] == take(ring)


def test_pending_counts_what_will_be_padding() -> None:
    """A flush steps over so many rows; with fewer it would end before those that came last."""
    from eventwriter._ring import _Segment

    ring, _ = make()
    add(ring, row(0))
    nested = _Segment(None)  # as a signal handler in the middle of `make_room` adds one
    ring._live.append(nested)
    nested.open()
    ring.append = nested.write
    add(ring, row(1))
    pending, taken = ring.pending(), 0
    steps = []
    while taken < pending:
        rows = ring.peek(1000)
        steps += [r[1] for r in ROW.iter_unpack(rows) if r[3] != PAD]
        ring.advance(len(rows))
        taken += len(rows) // ROW_BYTES
    assert [0, 1] == steps


def test_events_counts_events_not_rows() -> None:
    """Padding is no event, an item is one, a group is one."""
    ring, _ = make()
    add(ring, row(0))
    add(ring, row(1, more=1) + row(1))
    add(ring, row(7, ITEM))
    add(ring, row(0, PAD))
    assert 3 == ring.events()


def test_threads_and_a_taker_at_once() -> None:
    """Eight threads add while one takes: every row comes out once, each thread's in order."""
    ring, _ = make()
    n = 20_000
    done = threading.Event()
    seen: list[tuple[int, int]] = []

    def producer(k: int) -> None:
        for i in range(n):
            add(ring, ROW.pack(1.0, i, float(k), FIRST_TAG, 0))

    def taker() -> None:
        while True:
            last = done.is_set()
            while rows := ring.peek(1000):
                seen.extend((int(r[2]), r[1]) for r in ROW.iter_unpack(rows) if r[3] != PAD)
                ring.advance(len(rows))
                ring.commit()
            if last:
                return

    threads = [threading.Thread(target=producer, args=(k,)) for k in range(8)]
    consumer = threading.Thread(target=taker)
    for t in [*threads, consumer]:
        t.start()
    for t in threads:
        t.join()
    done.set()
    consumer.join()
    for k in range(8):
        assert list(range(n)) == [i for who, i in seen if who == k]


def test_row_is_32_bytes() -> None:
    """The layout in the module's docstring."""
    assert ROW_BYTES == 32
