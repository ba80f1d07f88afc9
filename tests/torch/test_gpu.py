"""On a real accelerator: logging makes no call that waits for the device. Skips itself where there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import readers
import torch
from eventwriter_torch import SummaryWriter, _device

from eventwriter.summary.histogram import histogram, histogram_legacy

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA or ROCm device")


@pytest.fixture(autouse=True)
def _no_synchronising_calls() -> Iterator[None]:
    """What torch itself knows to wait for the device raises, on every thread."""
    torch.cuda.init()
    torch.zeros(1, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def rows(logdir: Path) -> list[readers.Row]:
    return [row for row in readers.run_events(logdir) if row.kind != "file_version"]


def keep_busy(seconds: float) -> torch.cuda.Event:
    """Queue work on the current stream; the event is behind it."""
    torch.cuda._sleep(int(seconds * 1e9))  # clock cycles: at 1 to 2 GHz
    event = torch.cuda.Event()
    event.record()
    return event


def test_the_debug_mode_would_object(tmp_path: Path) -> None:
    """Otherwise the other tests could not fail."""
    with pytest.raises(RuntimeError, match="synchroniz"):
        torch.ones(1, device="cuda").item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.half, torch.int64, torch.bool])
def test_scalars_of_every_dtype(tmp_path: Path, dtype: torch.dtype) -> None:
    """0-d and of one element; with a gradient or not."""
    w = SummaryWriter(tmp_path)
    w.add_scalar("a", torch.ones((), device="cuda", dtype=dtype), 1)
    w.add_scalar("a", torch.ones((1, 1), device="cuda", dtype=dtype), 2)
    w.add_scalars("m", {"x": torch.ones(1, device="cuda", dtype=dtype)}, 1)
    w.close()
    assert [1.0, 1.0] == [row.value for row in rows(tmp_path)]
    assert [1.0] == [row.value for row in rows(tmp_path / "m_x")]


def test_the_caller_is_back_before_the_device_is(tmp_path: Path) -> None:
    """And what is written is the value at the time of the call, in the order of the calls."""
    w = SummaryWriter(tmp_path)
    x = torch.zeros((), device="cuda", requires_grad=False)
    w.add_scalar("warm", x, 0)
    w.add_histogram("warm_h", x, 0)
    w.flush()
    busy = keep_busy(0.5)
    for step in range(10):
        x.add_(1)
        w.add_scalar("a", x, step)
        w.add_scalar("b", float(step), step)
    w.add_histogram("h", x, 0)
    assert not busy.query(), "the calls waited for the device"
    w.close(), w.close()
    got = rows(tmp_path)
    scalars = [(row.tag, row.step, row.value) for row in got if row.kind == "simple_value" and row.tag != "warm"]
    assert [(tag, s, float(s + (tag == "a"))) for s in range(10) for tag in ("a", "b")] == scalars
    assert 10.0 == got[-1].value.max


def test_another_stream_than_the_default(tmp_path: Path) -> None:
    """The copy is behind the work of the stream that the caller is on."""
    w = SummaryWriter(tmp_path)
    stream = torch.cuda.Stream()
    x = torch.zeros((), device="cuda")
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        keep_busy(0.2)
        x.add_(5)
        w.add_scalar("a", x, 1)
    w.close()
    assert [5.0] == [row.value for row in rows(tmp_path)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int32])
def test_histograms_are_counted_on_the_device(tmp_path: Path, dtype: torch.dtype) -> None:
    """With the counts of the host, and without memory for the whole tensor on it."""
    data = (torch.randn(5_000_000) * 100).to(dtype)
    data_there = data.pin_memory().to("cuda", non_blocking=True)
    for new_style in (False, True):
        w = SummaryWriter(tmp_path / str(new_style), new_style=new_style)
        w.add_histogram("h", data_there, 1)
        w.add_histogram("edges", data_there, 1, bins=[-1.0, 0.0, 5.0])
        w.close()
    torch.cuda.set_sync_debug_mode("default")
    (want,) = histogram_legacy("h", data).values()
    got = {row.tag: row.value for row in rows(tmp_path / "False")}
    assert list(want.histo.bucket) == list(got["h"].bucket)
    assert list(want.histo.bucket_limit) == list(got["h"].bucket_limit)
    (want,) = histogram_legacy("edges", data, bins=[-1.0, 0.0, 5.0]).values()
    assert list(want.histo.bucket) == list(got["edges"].bucket)
    (want,) = histogram("h", data).values()
    table = next(row.value for row in rows(tmp_path / "True") if row.tag == "h")
    np.testing.assert_array_equal(np.frombuffer(want.tensor.tensor_content).reshape(30, 3), table)


def test_every_kind_takes_device_tensors(tmp_path: Path) -> None:
    """Images, videos, sounds, tensors, curves and meshes."""
    w = SummaryWriter(tmp_path)
    w.add_image("i", torch.rand(3, 16, 16, device="cuda"), 1)
    w.add_images("n", torch.rand(2, 3, 16, 16, device="cuda"), 1)
    w.add_video("v", torch.rand(1, 2, 3, 8, 8, device="cuda"), 1)
    w.add_audio("a", torch.rand(1, 100, device="cuda"), 1)
    w.add_tensor("t", torch.rand(3, 3, device="cuda").to(torch.bfloat16), 1)
    w.add_pr_curve("pr", torch.zeros(9, device="cuda"), torch.rand(9, device="cuda"), 1)
    w.add_mesh("m", torch.rand(1, 4, 3, device="cuda"), global_step=1)
    w.close()
    assert {"i", "n", "v", "a", "t", "pr", "m_VERTEX"} == {row.tag for row in rows(tmp_path)}


def test_deterministic_algorithms_are_no_obstacle(tmp_path: Path) -> None:
    """Under torch.use_deterministic_algorithms histograms go on."""
    torch.use_deterministic_algorithms(True)
    try:
        with SummaryWriter(tmp_path) as w:
            w.add_histogram("h", torch.rand(1000, device="cuda"), 1)
    finally:
        torch.use_deterministic_algorithms(False)
    assert 1000 == rows(tmp_path)[0].value.num


def test_a_thousand_scalars_use_little_pinned_memory(tmp_path: Path) -> None:
    """Places in shared pieces, given back when they were read."""
    w = SummaryWriter(tmp_path)
    x = torch.ones((), device="cuda")
    threads = [threading.Thread(target=lambda i=i: [w.add_scalar(f"t{i}", x, s) for s in range(500)]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    w.close()
    assert 2000 == len(rows(tmp_path))
    assert _device._SLOTS * 4 <= 4096


def test_logging_costs_the_training_little(tmp_path: Path) -> None:
    """Prints the microseconds of a call; fails only if it is as slow as waiting for a busy device would be."""
    w = SummaryWriter(tmp_path)
    x = torch.ones((), device="cuda")
    w.add_scalar("warm", x, 0)
    w.flush()
    keep_busy(0.3)
    start = time.perf_counter()
    for step in range(100):
        w.add_scalar("a", x, step)
    took = time.perf_counter() - start
    print(f"add_scalar of a device tensor: {took * 1e4:.1f} us")
    w.close()
    assert took < 0.15


def test_a_graph_can_be_captured_while_values_wait(tmp_path: Path) -> None:
    """The flush thread asks for events meanwhile, which spoils a capture unless its thread says that it may not."""
    w = SummaryWriter(tmp_path)
    x = torch.zeros(1000, device="cuda")
    torch.cuda.set_sync_debug_mode("default")
    torch.cuda.synchronize()
    keep_busy(1.0)
    w.add_scalar("a", x[0], 1)
    time.sleep(0.4)  # longer than flush_secs: it asks now
    graph = torch.cuda.CUDAGraph()
    side = torch.cuda.Stream()
    with torch.cuda.graph(graph, stream=side):
        for _ in range(100):
            x = x + 1
            time.sleep(0.001)
    graph.replay()
    w.close()
    assert [0.0] == [row.value for row in rows(tmp_path)]
