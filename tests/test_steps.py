"""Which points TensorBoard hides: the count beside a plain model of the rule, and beside TensorBoard itself."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import tensorboard_server
from hypothesis import given, settings
from hypothesis import strategies as st

from eventwriter import EventWriter
from eventwriter._ring import FIRST_TAG, ITEM, PAD
from eventwriter._scalars import ROW_DTYPE
from eventwriter._steps import _MOST_RUNS, Hidden, NotRising, StepWatch

A, B = FIRST_TAG, FIRST_TAG + 1
Row = tuple[int, int]  # tag id, step


def see(watch: StepWatch, rows: Iterable[Row]) -> list[NotRising]:
    """As the flush thread does it: the columns of a table of rows."""
    rows = list(rows)
    table = np.zeros(len(rows), ROW_DTYPE)
    table["id"] = [tag for tag, _ in rows]
    table["step"] = np.array([step for _, step in rows], np.int64).view(np.uint64)
    return watch.see(table["id"], table["step"].view(np.int64))


def model(rows: Iterable[Row]) -> tuple[dict[int, int], dict[int, NotRising]]:
    """The rule itself: hidden points and the first trouble, by tag."""
    left: dict[int, list[int]] = {}
    hidden: dict[int, int] = {}
    first: dict[int, NotRising] = {}
    for tag, step in rows:
        if tag < FIRST_TAG:
            continue
        steps = left.setdefault(tag, [])
        while steps and steps[-1] >= step:
            first.setdefault(tag, NotRising(tag, step, steps[-1]))
            hidden[tag] = hidden.get(tag, 0) + 1
            steps.pop()
        steps.append(step)
    return hidden, first


def check(rows: list[Row], batches: Iterable[int]) -> list[Hidden]:
    """See rows in batches of these sizes (the last one again and again), and compare with the model."""
    watch, told, at = StepWatch(), list[NotRising](), 0
    sizes = list(batches)
    while at < len(rows):
        size = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        batch = rows[at : at + size]
        at += size
        if size == 1 and batch[0][0] >= FIRST_TAG:
            one = watch.see_one(*batch[0])
            told += [one] if one is not None else []
        else:
            told += see(watch, batch)
    hidden, first = model(rows)
    assert first == {found.tag_id: found for found in told}
    assert len(first) == len(told)
    assert all(len(older) <= _MOST_RUNS for older in watch._older.values())
    got = watch.summary()
    assert hidden.keys() == {h.tag_id for h in got}
    for h in got:
        assert h.points == hidden[h.tag_id] if h.exact else h.points >= hidden[h.tag_id]
        assert h.points < sum(tag == h.tag_id for tag, _ in rows)
    return got


REGULAR = {
    "no step": [0] * 3000,
    "all restarts": [*range(0, 1000, 10)] * 30,
    "resumed from a checkpoint": [*range(2000), *range(1500, 3000), *range(2900, 2950)],
    "pairs swapped": [i ^ 1 for i in range(3000)],
    "epochs that end early, then back": [e * 395 + i for e in range(15) for i in [*range(0, 391, 10), 391]]
    + [1234, 77],
    "falling": [*range(3000, 0, -1)],
    "every step twice": [i // 2 for i in range(3000)],
    "round the ends of int64": [-(2**63), -(2**62), 0, 2**62] * 7,
    "the ends of int64": [-(2**63), 2**63 - 1, 0, -(2**63), 5, 2**63 - 1, 2**63 - 1, -5],
}


@pytest.mark.parametrize("size", [1, 7, 1024])
@pytest.mark.parametrize("name", REGULAR)
def test_regular_steps_are_counted_exactly(name: str, size: int) -> None:
    """The usual troubles: one warning, the exact count, alone or among other tags, in batches of any size."""
    steps = REGULAR[name]
    alone = check([(A, step) for step in steps], [size])
    assert [True] == [h.exact for h in alone]
    mixed = check([row for i, step in enumerate(steps) for row in ((A, step), (B, i), (B + 1, step))], [size])
    assert [(A, True), (B + 1, True)] == [(h.tag_id, h.exact) for h in mixed]
    assert [alone[0].points] * 2 == [h.points for h in mixed]


@pytest.mark.parametrize("size", [1, 20, 1024])
@pytest.mark.parametrize("tags", [1, 3, 300])
def test_rising_steps_give_nothing(tags: int, size: int) -> None:
    """Whatever their strides, in whatever mixture of tags."""
    rng = random.Random(size)
    steps = [0] * tags
    rows: list[Row] = []
    for _ in range(5000):
        tag = rng.randrange(tags)
        steps[tag] += rng.choice([1, 1, 1, 10, rng.randrange(1, 1000)])
        rows.append((FIRST_TAG + tag, steps[tag]))
    assert [] == check(rows, [size])


@pytest.mark.parametrize("size", [1, 100, 1024])
def test_irregular_steps_are_bounded(size: int) -> None:
    """A cut in steps of no pattern counts at least what is hidden, and at most an eighth of the points too many."""
    rng = random.Random(5)
    steps = np.cumsum([rng.randrange(1, 100) for _ in range(20_000)]).tolist()
    for back in (19_990, 15_000, 3):
        rows = [(tag, step) for step in [*steps, steps[back]] for tag in (A, B)]
        hidden, _ = model(rows)
        for h in check(rows, [size]):
            assert not h.exact
            assert hidden[h.tag_id] <= h.points <= hidden[h.tag_id] + 20_000 // 8


@pytest.mark.parametrize("back", range(0, 300, 7))
def test_one_irregular_batch(back: int) -> None:
    """The same when a tag begins with it, wherever it is cut."""
    rng = random.Random(back)
    steps = np.cumsum([rng.randrange(1, 100) for _ in range(300)]).tolist()
    check([(A, step) for step in [*steps, steps[back]]], [300])


def test_many_tags() -> None:
    """More than 16 bits of ids, and room made as they come."""
    rows = [(FIRST_TAG + tag, step) for step in (1, 2, 2) for tag in range(0, 100_000, 250)]
    assert 400 == len(check(rows, [1000]))
    assert 400 == len(check(rows, [1]))


def test_rows_that_are_no_scalars() -> None:
    """Padding and items have numbers of their own in place of a step."""
    watch = StepWatch()
    assert [] == see(watch, [(ITEM, 5), (A, 1), (PAD, 0), (ITEM, 4), (A, 2), (0, 0)])
    assert [] == see(watch, [(PAD, 0), (ITEM, 3)])
    assert [] == see(watch, [])
    assert [] == see(watch, [(PAD, 0)] * 100)
    assert [] == see(watch, [row for i in range(100) for row in ((ITEM, 5), (B, i), (PAD, 0))])
    assert [NotRising(A, 2, 2)] == see(watch, [(PAD, 0), (A, 2)])
    assert [NotRising(B, 99, 99)] == see(watch, [(PAD, 0)] * 100 + [(B, 99)])
    assert [Hidden(A, 1, True), Hidden(B, 1, True)] == watch.summary()


def test_a_tag_is_told_of_once() -> None:
    """Then only counted."""
    watch = StepWatch()
    assert [NotRising(A, 3, 4)] == see(watch, [(A, 4), (A, 3), (A, 2), (B, 1)])
    assert watch.see_one(A, 1) is None
    assert NotRising(B, 1, 1) == watch.see_one(B, 1)
    assert [] == see(watch, [(A, 0), (B, 0)])
    assert [Hidden(A, 4, True), Hidden(B, 2, True)] == watch.summary()


@pytest.mark.parametrize("seed", range(60))
def test_irregular_tags_that_go_back(seed: int) -> None:
    """Strides that change all the time, stretches of the least one, cuts of any length: not fewer than are hidden."""
    rng = random.Random(seed)
    tags, least, cuts = rng.choice([1, 2, 5]), rng.choice([1, 3, 20]), rng.choice([0.001, 0.01])
    at = [0] * tags
    rows: list[Row] = []
    for i in range(2000):
        tag = i % tags if rng.random() < 0.9 else rng.randrange(tags)
        if rng.random() < cuts:
            at[tag] -= rng.randrange(at[tag] + 2)
        else:
            at[tag] += least if i // 50 % 3 else rng.randrange(least, 40)
        rows.append((FIRST_TAG + tag, at[tag]))
    check(rows, [rng.randrange(1, 300) for _ in range(30)])


@pytest.mark.parametrize("size", [1, 50, 1024])
@pytest.mark.parametrize("back", range(0, 4000, 250))
def test_many_short_epochs(size: int, back: int) -> None:
    """Equal strides with a shorter one between the epochs, too many to remember each: not fewer than are hidden."""
    steps = [epoch * 91 + i for epoch in range(44) for i in range(0, 91, 10)]
    check([(tag, step) for step in [*steps, back] for tag in (A, B)], [size])
    check([(A, step) for step in [*steps, back]], [size])


def test_an_irregular_tag_that_begins_again() -> None:
    """Nothing of its old run is left, and it is as irregular as before."""
    again = [0, 7, 9, 20, 21, 40, 45, 60]
    rows = [(tag, i * i) for i in range(500) for tag in (A, B)] + [(tag, 0) for tag in (A, B)]
    rows += [(tag, step) for step in [*again, 8] for tag in (A, B)]
    for tail in ([8, 4], [10, 8], [1]):
        check(rows, [len(rows) - 2 * len(again) - 2, *tail])


steps = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(0, 20), st.sampled_from([-(2**63), 2**63 - 1, 2**62, -1, 0])
)
pieces = st.builds(
    lambda start, stride, n: [min(start + i * stride, 2**63 - 1) for i in range(n)],
    steps,
    st.integers(0, 12),
    st.integers(1, 60),
)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.tuples(st.integers(PAD, FIRST_TAG + 3), pieces), max_size=60),
    st.booleans(),
    st.lists(st.integers(1, 200), min_size=1, max_size=20),
)
def test_like_the_rule(parts: list[tuple[int, list[int]]], mix: bool, batches: list[int]) -> None:
    """Any pieces of any tags, one after the other or mixed, in any batches: as the model has it, or an upper bound."""
    rows = [(tag, step) for tag, piece in parts for step in piece]
    if mix:
        random.Random(len(rows)).shuffle(rows)
    check(rows, batches)


@pytest.mark.tensorboard
def test_like_tensorboard(tmp_path: Path) -> None:
    """The default loader shows exactly the points that were not counted as hidden."""
    rng = random.Random(3)
    tags = {name: steps for name, steps in REGULAR.items() if "int64" not in name}
    tags["wild"] = [rng.randrange(500) for _ in range(500)]
    watch = StepWatch()
    with EventWriter(tmp_path) as w:
        for tag_id, (tag, steps) in enumerate(tags.items(), FIRST_TAG):
            see(watch, [(tag_id, step) for step in steps])
            for step in steps:
                w.scalar(tag, 0.5, step)
    hidden = {h.tag_id: h.points for h in watch.summary()}
    with tensorboard_server.serve(tmp_path, "fast", tensorflow=False) as board:
        shown = {tag: len(board.scalars(".", tag)) for tag in tags}
    assert {tag: len(steps) - hidden[i] for i, (tag, steps) in enumerate(tags.items(), FIRST_TAG)} == shown
