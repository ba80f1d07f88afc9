"""Which points TensorBoard will hide, because their tag's steps do not rise.

Knows: the rule of TensorBoard's default loader, and of each tag as much of its steps as the rule needs. Must not
know: what a tag is called, values, records, files, threads, how anybody is told.

The rule (`tensorboard/data/server/reservoir.rs`): a record hides all earlier ones of its tag whose step is not
smaller. So what is left of a tag is always a rising row of steps, and a step that does not rise cuts its end
off. The row is kept as runs of equal stride, (first step, last step, points, stride), the last of which, the
open one, is in arrays with a place for each tag, so that a batch is compared with all of them at once.

A cut within such a run is counted exactly. When a tag's stride has changed some thirty times, its runs are merged
into fewer loose ones (points between first and last step, at least a stride apart), each of an eighth of the
tag's points or less. A cut within a loose run counts the most points that it can hide: never fewer than it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from eventwriter._ring import FIRST_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

# Runs that a tag has beside its open one; when there are more, they are merged to half as many.
_MOST_RUNS = 32
_LARGEST_LOOSE = 8  # one part in so many of the tag's points
# Fewer steps than this are quicker one at a time.
_FEW = 24


class NotRising(NamedTuple):
    """A tag's first `step` that is not greater than its `last`: from here on, points are hidden."""

    tag_id: int
    step: int
    last: int


class Hidden(NamedTuple):
    """How many of a tag's points are hidden: so many, or at most so many if that is not `exact`."""

    tag_id: int
    points: int
    exact: bool


class _Run(NamedTuple):
    """Points of rising steps; none if `points` is 0. `stride` is the least between two of them, 0 if there is one."""

    first: int
    last: int
    points: int
    stride: int

    def is_regular(self) -> bool:
        return self.last - self.first == (self.points - 1) * self.stride

    def before(self, step: int) -> _Run:
        """What is left of it when `step`, greater than its first, hides the rest; if loose, at the least."""
        if step > self.last:
            return self
        first, last, points, stride = self
        if self.is_regular():
            points = (step - 1 - first) // stride + 1
            return _Run(first, first + (points - 1) * stride, points, stride if points > 1 else 0)
        return _Run(first, step - 1, max(1, points - (last - step) // stride - 1), stride)


_NONE = _Run(0, 0, 0, 0)


class StepWatch:
    """Sees every step of every tag, in order. One for each writer, used by one thread at a time."""

    def __init__(self) -> None:
        self._older: dict[int, list[_Run]] = {}  # by tag: its runs before the open one
        self._inexact: set[int] = set()
        # The open run, how many points are hidden, up to how many points the run may be loose. Also as memoryviews,
        # whose items are ints.
        self._columns = np.zeros((6, 0), np.int64)
        self._make_room(64)

    def _make_room(self, tags: int) -> None:
        columns = np.zeros((6, tags), np.int64)
        columns[:, : self._columns.shape[1]] = self._columns
        self._columns = columns
        self._lasts, self._points, self._hides, self._limits = columns[1], columns[2], columns[4], columns[5]
        self._strides = columns[3].view(np.uint64)
        self._first: memoryview[int] = memoryview(columns[0])
        self._last: memoryview[int] = memoryview(self._lasts)
        self._n: memoryview[int] = memoryview(self._points)
        self._stride: memoryview[int] = memoryview(self._strides)
        self._hidden: memoryview[int] = memoryview(self._hides)
        self._limit: memoryview[int] = memoryview(self._limits)

    def see(self, ids: NDArray[np.uint32], steps: NDArray[np.int64]) -> list[NotRising]:
        """A batch of rows: the ids of their tags, and their steps. Rows whose id is below FIRST_TAG are passed over.

        Returns:
            What to warn about: a tag appears once ever.
        """
        if len(ids) < _FEW:
            ones = [self.see_one(i, s) for i, s in zip(ids.tolist(), steps.tolist(), strict=True) if i >= FIRST_TAG]
            return [found for found in ones if found is not None]
        ids = np.ascontiguousarray(ids)  # a column of a table is slower in all that follows
        low, high = int(ids.min()), int(ids.max())
        if low < FIRST_TAG:
            rows = ids >= FIRST_TAG
            return self.see(ids[rows], steps[rows])
        if high >= len(self._n):
            self._make_room(2 * high)
        return self._see_one_tag(low, steps) if low == high else self._see_mixed(ids, steps, high)

    def see_one(self, tag_id: int, step: int) -> NotRising | None:
        """The same for one row, whose id is at least FIRST_TAG."""
        if tag_id >= len(self._n):
            self._make_room(2 * tag_id)
        if step - self._last[tag_id] == self._stride[tag_id] > 0:
            self._last[tag_id] = step
            self._n[tag_id] += 1
            return None
        return self._see_each(tag_id, (step,))

    def summary(self) -> list[Hidden]:
        """How many points of each tag are hidden, for the tags that have such."""
        tags = self._hides.nonzero()[0].tolist()
        return [Hidden(tag, self._hidden[tag], tag not in self._inexact) for tag in tags]

    # ---- a batch

    def _see_one_tag(self, tag: int, steps: NDArray[np.int64]) -> list[NotRising]:
        n, first, last, stride = len(steps), int(steps[0]), int(steps[-1]), self._stride[tag]
        # The usual case: it goes on as before. (Differences of an array are modulo 2**64, that of the ends is exact.)
        if (
            first - self._last[tag] == stride > 0
            and last - first == (n - 1) * stride
            and bool(((steps[1:] - steps[:-1]).view(np.uint64) == stride).all())
        ):
            self._last[tag] = last
            self._n[tag] += n
            return []
        found = self._see_steps(tag, steps)
        return [] if found is None else [found]

    def _see_mixed(self, ids: NDArray[np.uint32], steps: NDArray[np.int64], high: int) -> list[NotRising]:
        # Tag by tag, each one's rows in their order. (A stable sort of 16 bits is a radix sort.)
        small = ids.astype(np.uint16) if high < 1 << 16 else ids
        order = small.argsort(kind="stable")
        sorted_ids, steps = small[order], np.ascontiguousarray(steps)[order]
        is_first = np.empty(len(ids), np.bool_)
        is_first[0] = True
        np.not_equal(sorted_ids[1:], sorted_ids[:-1], out=is_first[1:])
        begins = is_first.nonzero()[0]
        ends = np.append(begins[1:], len(ids))
        tags, counts, lasts = sorted_ids[begins].astype(np.intp), ends - begins, steps[ends - 1]
        before = np.empty(len(ids), np.int64)
        before[1:] = steps[:-1]
        before[begins] = self._lasts[tags]
        rises = (steps - before).view(np.uint64)  # exact where it rises
        rising = steps > before
        goes_on = rises == self._strides[tags].repeat(counts)
        goes_on &= rising
        if goes_on.all():
            self._lasts[tags] = lasts
            self._points[tags] += counts
            return []
        done = np.logical_and.reduceat(goes_on, begins)
        # Not all go on as before. Some loose runs do, which take what rises, whatever the stride.
        loose = np.logical_and.reduceat(rising, begins) & (self._points[tags] + counts <= self._limits[tags])
        least = np.minimum.reduceat(rises, begins)[loose]
        strides = self._strides[tags[loose]]
        self._strides[tags[loose]] = np.where(strides, np.minimum(strides, least), least)
        done |= loose
        self._lasts[tags[done]] = lasts[done]
        self._points[tags[done]] += counts[done]
        # So do those that stand still, as steps that were never given do.
        still = np.logical_and.reduceat(steps == before, begins) & (self._hides[tags] > 0)
        self._hides[tags[still]] += counts[still]
        done |= still
        found = [self._see_steps(int(tags[i]), steps[begins[i] : ends[i]]) for i in (~done).nonzero()[0].tolist()]
        return [f for f in found if f is not None]

    def _see_steps(self, tag: int, steps: NDArray[np.int64]) -> NotRising | None:
        n = len(steps)
        if n < _FEW or not (self._last[tag] < int(steps[0]) and bool((steps[1:] > steps[:-1]).all())):
            return self._see_each(tag, steps.tolist())
        rises = (steps[1:] - steps[:-1]).view(np.uint64)
        changes = np.flatnonzero(rises[1:] != rises[:-1])  # c: point c + 1 is the last of its stride
        if self._n[tag] + n <= self._limit[tag]:
            ends = [n - 1]
        elif len(changes) <= _FEW:
            ends = [*(changes + 1).tolist(), n - 1]
        else:
            ends = [*range(n // _FEW, n - 1, n // _FEW), n - 1]
        begin = 0
        for end in ends:
            if end >= begin:  # else it ends the rise from one run to the next
                stride = int(rises[begin:end].min()) if end > begin else 0
                self._append(tag, _Run(int(steps[begin]), int(steps[end]), end - begin + 1, stride))
                begin = end + 1
        return None

    # ---- one tag

    def _see_each(self, tag: int, steps: Iterable[int]) -> NotRising | None:
        """Any steps at all."""
        found = None
        first, last, points, stride = self._first[tag], self._last[tag], self._n[tag], self._stride[tag]
        limit = self._limit[tag]
        for step in steps:
            if step <= last and points:
                if not self._hidden[tag]:
                    found = NotRising(tag, step, last)
                if step == last:  # it takes the last point's place
                    self._hidden[tag] += 1
                    continue
                first, last, points, stride = self._cut(tag, step, _Run(first, last, points, stride))
                limit = self._limit[tag]
            rise = step - last
            if not points:
                first, points = step, 1
            elif not stride:
                stride, points = rise, 2
            elif rise == stride:
                points += 1
            elif points < limit:
                stride, points = min(stride, rise), points + 1
            else:
                limit = self._keep(tag, _Run(first, last, points, stride))
                first, points, stride = step, 1, 0
            last = step
        self._first[tag], self._last[tag], self._n[tag], self._stride[tag] = first, last, points, stride
        return found

    def _append(self, tag: int, run: _Run) -> None:
        """All of a run's points, which rise from the tag's last."""
        is_open = _Run(self._first[tag], self._last[tag], self._n[tag], self._stride[tag])
        if is_open.points:
            joined = _joined(is_open, run)
            if joined.is_regular() or joined.points <= self._limit[tag]:
                run = joined
            else:
                self._keep(tag, is_open)
        self._first[tag], self._last[tag], self._n[tag], self._stride[tag] = run

    def _keep(self, tag: int, run: _Run) -> int:
        """Put the open run to the older ones. How many points the next one may have if it is loose."""
        older = self._older.setdefault(tag, [])
        older.append(run)
        if self._limit[tag] or len(older) > _MOST_RUNS:
            self._limit[tag] = _largest_loose(older)
        if len(older) > _MOST_RUNS:
            merged = older[:1]
            for run in older[1:]:
                joined = _joined(merged[-1], run)
                if joined.is_regular() or joined.points <= self._limit[tag]:
                    merged[-1] = joined
                else:
                    merged.append(run)
            self._older[tag] = merged
        return self._limit[tag]

    def _cut(self, tag: int, step: int, run: _Run) -> _Run:
        """Hide the points from `step` on. What is left of the open run, or of the older one that is open now."""
        older = self._older.get(tag, [])
        hidden = 0
        while run.points and run.first >= step:
            hidden += run.points
            run = older.pop() if older else _NONE
        if hidden and self._limit[tag]:
            self._limit[tag] = _largest_loose(older)
        left = run.before(step) if run.points else run
        if left is not run and not run.is_regular():
            self._inexact.add(tag)
        self._hidden[tag] += hidden + run.points - left.points
        return left


def _largest_loose(runs: list[_Run]) -> int:
    """How many points a loose run may have. At least 1: then there can be none, but 0 says that there never was."""
    return max(1, sum(run.points for run in runs) // _LARGEST_LOOSE)


def _joined(run: _Run, after: _Run) -> _Run:
    """The points of both, which rise from one to the other."""
    strides = [stride for stride in (run.stride, after.stride, after.first - run.last) if stride]
    return _Run(run.first, after.last, run.points + after.points, min(strides))
