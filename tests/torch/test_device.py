"""eventwriter_torch/_device.py: tensors on a device never make the caller wait. A scripted device stands in for one.

What it stands for: copies and changes are queued, done in order, and only when the script says so; host memory that
the device has not written yet holds rubbish. (Arithmetic is done at once, here.)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import readers
import torch
from eventwriter_torch import SummaryWriter, _device, _device_histogram

from eventwriter.summary.histogram import histogram, histogram_legacy

RUBBISH = -77.0


class OnDevice(torch.Tensor):
    """A tensor of the scripted device: what reads its values at once is an error, what is queued is queued."""

    is_cpu = False
    FORBIDDEN = ("item", "cpu", "numpy", "tolist", "__float__", "__int__", "__bool__", "__array__", "nonzero")

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in cls.FORBIDDEN:
            raise AssertionError(f"{func.__name__} would wait for the device")
        if getattr(func, "__name__", "") == "copy_" and not isinstance(args[0], OnDevice):
            return Device.now.copy(args[0], args[1], **(kwargs or {}))
        return super().__torch_function__(func, types, args, kwargs or {})


class Device:
    """A queue of copies and marks, worked off by `run()`."""

    now: Device

    def __init__(self) -> None:
        self.log: list[str] = []
        self._work: list[Callable[[], object]] = []

    def tensor(self, data: Any, **options: Any) -> OnDevice:
        return torch.as_tensor(data, **options).as_subclass(OnDevice)

    def change(self, tensor: torch.Tensor, value: float) -> None:
        """Queue a change, as training does with its next step."""
        self._work.append(lambda: torch.Tensor.fill_(tensor.as_subclass(torch.Tensor), value))
        self.log.append("change")

    def copy(self, target: torch.Tensor, source: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        assert non_blocking, "a copy that waits for the device"
        plain = source.as_subclass(torch.Tensor)
        self._work.append(lambda: target.copy_(plain))
        self.log.append("copy")
        return target

    def run(self) -> None:
        """Do all that is queued, in order."""
        work, self._work = self._work, []
        for job in work:
            job()

    # ---- what _device asks of a queue

    def pinned(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        self.log.append("pinned")
        return torch.full(tuple(shape), RUBBISH, dtype=torch.float64).to(dtype)

    def mark(self) -> Callable[[], bool]:
        self.log.append("mark")
        passed = threading.Event()
        self._work.append(passed.set)
        return passed.is_set


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    """A device whose tensors `_device` knows."""
    made = Device.now = Device()
    monkeypatch.setattr(_device, "queue_of", lambda value: made if isinstance(value, OnDevice) else None)
    monkeypatch.setattr(_device, "_slots", iter(()))
    yield made
    made.run()


def rows(logdir: Path) -> list[readers.Row]:
    return [row for row in readers.run_events(logdir) if row.kind != "file_version"]


def test_a_scalar_is_what_it_was_when_it_was_logged(tmp_path: Path, device: Device) -> None:
    """The copy is queued behind the work that made the tensor and before the next change; the mark is behind it."""
    w = SummaryWriter(tmp_path)
    loss = device.tensor(0.0)
    device.change(loss, 1.0)
    w.add_scalar("loss", loss, 1)
    device.change(loss, 2.0)
    w.add_scalar("loss", loss, 2)
    device.change(loss, 3.0)
    assert ["change", "pinned", "copy", "mark", "change", "copy", "mark", "change"] == device.log
    device.run()
    w.close()
    assert [("loss", 1, 1.0), ("loss", 2, 2.0)] == [(row.tag, row.step, row.value) for row in rows(tmp_path)]


def test_the_flush_thread_waits_and_the_caller_does_not(tmp_path: Path, device: Device) -> None:
    """Nothing of what comes later is written before; order in the file stays the order of the calls."""
    w = SummaryWriter(tmp_path)
    value = device.tensor([5.0])
    device.change(value, 6.0)
    w.add_scalar("first", value, 1)
    w.add_scalar("second", 7.0, 1)
    time.sleep(0.6)  # longer than flush_secs: the flush thread is at it
    assert [] == rows(tmp_path)
    device.run()
    w.close()
    assert [("first", 6.0), ("second", 7.0)] == [(row.tag, row.value) for row in rows(tmp_path)]


def test_the_pinned_memory_of_scalars_is_shared(device: Device) -> None:
    """One piece for many: a piece costs a call to the driver."""
    tensor = device.tensor(1.0)
    copies = [_device.number(tensor, device) for _ in range(300)]
    assert 2 == device.log.count("pinned")
    device.run()
    assert [1.0] * 300 == [copy.wait().item() for copy in copies]


def test_add_scalars_does_not_wait_either(tmp_path: Path, device: Device) -> None:
    """In runs of their own or in one."""
    w = SummaryWriter(tmp_path)
    value = device.tensor([0.0])
    device.change(value, 3)
    w.add_scalars("m", {"x": value, "y": 4.0}, 1)
    w.add_scalars("n", {"x": value, "y": 4.0}, 1, runs=False)
    device.run()
    w.close()
    assert [3.0, 4.0] == [rows(tmp_path / f"m_{k}")[0].value for k in "xy"]
    assert [("n/x", 3.0), ("n/y", 4.0)] == [(r.tag, r.value) for r in rows(tmp_path) if r.kind == "simple_value"]


@pytest.mark.parametrize(
    "data",
    [
        torch.randn(10_000),
        torch.randn(10_000, dtype=torch.float64),
        torch.randn(3000).to(torch.bfloat16),
        torch.randn(3000).half(),
        torch.randint(-1000, 1000, (50, 7)),
        torch.tensor([True, False, True]),
        torch.tensor([1.0, float("nan"), float("inf"), -float("inf"), 2.0]),
        torch.full((4,), float("nan")),
        torch.tensor([1e30, -1e30, 3.0, 0.0, -0.0]),
        torch.tensor(3.0),
        torch.randn(20, 20).t(),
    ],
    ids=["float32", "float64", "bfloat16", "float16", "ints", "bools", "some finite", "NaN", "large", "0-d", "2-d"],
)
def test_a_histogram_counted_there_is_the_one_counted_here(data: torch.Tensor, device: Device) -> None:
    """Edges, counts, least and greatest are the core's, bit for bit; so is the number of what is not finite."""

    class Immediate(Device):
        def mark(self) -> Callable[[], bool]:
            return lambda: True

    queue = Immediate()
    want = histogram_legacy("h", data).values()
    got = _device_histogram.legacy("h", data, queue, None, "h").values()
    assert list(want[0].histo.bucket) == list(got[0].histo.bucket)
    assert list(want[0].histo.bucket_limit) == list(got[0].histo.bucket_limit)
    assert (want[0].histo.min, want[0].histo.max, want[0].histo.num) == (
        got[0].histo.min, got[0].histo.max, got[0].histo.num,
    )  # fmt: skip
    np.testing.assert_allclose(
        [want[0].histo.sum, want[0].histo.sum_squares],
        [got[0].histo.sum, got[0].histo.sum_squares],
        rtol=1e-5,
        atol=1e-5,
    )
    assert want[1:] == got[1:]
    assert histogram("h", data).values() == _device_histogram.uniform("h", data, queue, 30, "h").values()


def test_a_histogram_over_given_edges_counts_what_is_between() -> None:
    """As numpy.histogram does: the last bucket has its right edge, what lies outside is left out."""

    class Immediate(Device):
        def mark(self) -> Callable[[], bool]:
            return lambda: True

    data = torch.tensor([-1.0, 0.0, 0.1, 0.5, 1.0, 1.0, 2.0])
    edges = np.array([0.0, 0.1, 0.5, 1.0])
    (want,) = histogram_legacy("h", data, bins=edges).values()
    (got,) = _device_histogram.legacy("h", data, Immediate(), edges, "h").values()
    assert list(want.histo.bucket) == list(got.histo.bucket)
    assert list(want.histo.bucket_limit) == list(got.histo.bucket_limit)


def test_a_histogram_is_taken_when_it_was_logged(tmp_path: Path, device: Device) -> None:
    """Counting is queued; what crosses to the host is counts, not the tensor; nobody waits."""
    w = SummaryWriter(tmp_path)
    weights = device.tensor(torch.linspace(0, 1, 100_000))
    w.add_histogram("w", weights, 1)
    assert "mark" in device.log
    device.change(weights, 9.0)
    device.run()
    w.close()
    (row,) = rows(tmp_path)
    assert (0.0, 1.0, 100_000) == (row.value.min, row.value.max, row.value.num)


@pytest.mark.parametrize(
    "options", [{"bins": "auto"}, {"bins": 7}, {"max_bins": 5}, {"bins": [0.0, 0.5, 1.0]}], ids=str
)
def test_any_histogram_of_a_device_is_logged(tmp_path: Path, device: Device, options: dict[str, Any]) -> None:
    """Rules need the data on the host: then a copy of it is queued."""
    data = torch.rand(100)
    w = SummaryWriter(tmp_path)
    w.add_histogram("h", device.tensor(data), 1, **options)
    device.run()
    w.close()
    (want,) = histogram_legacy("h", data, **{"bins": "tensorflow"} | options).values()
    (row,) = rows(tmp_path)
    assert list(want.histo.bucket) == list(row.value.bucket)
    assert list(want.histo.bucket_limit) == list(row.value.bucket_limit)


def test_every_kind_takes_device_tensors(tmp_path: Path, device: Device) -> None:
    """Without waiting: what they hold is copied in the queue, and prepared on the flush thread."""
    w = SummaryWriter(tmp_path)
    w.add_tensor("t", device.tensor([1.0, 2.0]), 1)
    w.add_pr_curve("pr", device.tensor([0, 1]), device.tensor([0.2, 0.8]), 1)
    w.add_mesh("m", device.tensor(torch.rand(1, 3, 3)), faces=torch.tensor([[[0, 1, 2]]]), global_step=1)
    w.add_image("i", device.tensor(torch.rand(3, 4, 4)), 1)
    w.add_images("is", [device.tensor(torch.rand(3, 4, 4)), torch.rand(3, 4, 4)], 1, dataformats="CHW")
    w.add_video("v", device.tensor(torch.rand(1, 2, 3, 4, 4)), 1)
    w.add_audio("a", device.tensor(torch.rand(1, 10)), 1)
    host = np.array([0, 1])
    w.add_pr_curve("mixed", host, device.tensor([0.2, 0.8]), 1)
    host[:] = 0  # a snapshot was taken of this one too
    device.run()
    w.close()
    got = {row.tag: row for row in rows(tmp_path)}
    assert {"t", "pr", "m_VERTEX", "m_FACE", "i", "is", "v", "a", "mixed"} == set(got)
    assert [1.0, 2.0] == got["t"].value.tolist()
    np.testing.assert_array_equal(got["pr"].value, got["mixed"].value)


def test_meta_tensors_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They have no data: one warning for each tag, no exception, nothing in the file."""
    with SummaryWriter(tmp_path) as w:
        for step in range(2):
            w.add_scalar("a", torch.empty((), device="meta"), step)
            w.add_histogram("h", torch.empty(3, device="meta"), step)
            w.add_tensor("t", torch.empty(3, device="meta"), step)
            w.add_embedding(torch.empty(3, 2, device="meta"), tag="e")
    assert [] == rows(tmp_path)
    assert ["a", "e", "h", "t"] == sorted(r.args[1] for r in caplog.records if isinstance(r.args, tuple))


def test_what_cannot_be_prepared_later_is_reported_and_left_out(
    tmp_path: Path, device: Device, caplog: pytest.LogCaptureFixture
) -> None:
    """It takes nothing else with it."""
    w = SummaryWriter(tmp_path)
    w.add_pr_curve("pr", device.tensor([0, 1]), device.tensor([0.2, 0.8, 0.9]), 1)
    w.add_scalar("a", 1.0, 1)
    device.run()
    w.close()
    assert ["a"] == [row.tag for row in rows(tmp_path)]
    assert any("pr_curve 'pr'" in record.getMessage() for record in caplog.records)
