"""Tensors on an accelerator, on their way to the host without anybody waiting for the device.

Knows: a device's work queue (its current stream), pinned memory, events. Must not know: kinds of data, tags, files.

On the caller's thread the copy to the host is put into the queue, behind the work that makes the tensor and before
whatever changes it next: it is a snapshot, and the device makes it when it gets there. The flush thread waits for
the mark behind it. Nothing here asks the device for a result on the caller's thread.
"""

from __future__ import annotations

import copy
import ctypes
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from eventwriter.summary import Deferred

# How often the flush thread looks whether the device got there, in seconds.
_POLL = 0.0005
# Numbers in one piece of pinned memory: a piece costs a call to the driver, a place in it does not.
_SLOTS = 256


class Queue(Protocol):
    """The work queue of one tensor's device."""

    def pinned(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Host memory that the device can copy into by itself."""
        ...

    def mark(self) -> Callable[[], bool]:
        """Put a mark behind all work queued so far; call the result to ask whether the device has passed it."""
        ...


class _StreamQueue:
    """The current stream of an accelerator, as torch itself knows it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def pinned(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        try:
            return torch.empty(tuple(shape), dtype=dtype, device="cpu", pin_memory=True)
        except RuntimeError:  # there is no more of it: then the copy makes the caller wait
            return torch.empty(tuple(shape), dtype=dtype, device="cpu")

    def mark(self) -> Callable[[], bool]:
        if self._device.type == "cuda":  # also torch 2.4, which has no torch.accelerator
            event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call] # torch's
            event.record(torch.cuda.current_stream(self._device))
        else:
            event = torch.Event(self._device)
            event.record(torch.accelerator.current_stream(self._device))
        query: Callable[[], bool] = event.query
        return query


_plain: Any = Tensor


def queue_of(value: Any) -> Queue | None:
    """The queue to copy `value` through; None if it is no tensor, is on the host, or its device has no queue."""
    if not isinstance(value, Tensor) or value.is_cpu or value.is_meta:
        return None
    if value.device.type in ("mps", "xla", "lazy"):
        return None  # mps: copies to pinned memory are not ordered with its events
    if value.layout is not torch.strided or value.is_quantized:
        return None
    kind: Any = type(value)
    if kind.__torch_dispatch__ is not _plain.__torch_dispatch__:
        return None  # it only stands for a tensor, or for many: a DTensor, say
    if value.device.type == "cuda":
        # What goes into a graph that is being captured is done again with every replay: no place for a copy.
        return None if torch.cuda.is_current_stream_capturing() else _StreamQueue(value.device)
    accelerator = getattr(torch, "accelerator", None)
    if accelerator is None or not accelerator.is_available():
        return None
    current = accelerator.current_accelerator()
    return _StreamQueue(value.device) if current is not None and current.type == value.device.type else None


class HostCopy:
    """A copy on its way; `wait()` returns it once it is there."""

    __slots__ = ("_done", "_host", "nbytes")

    def __init__(self, host: Tensor, done: Callable[[], bool]) -> None:
        self._host = host
        self._done = done
        self.nbytes = host.numel() * host.element_size()

    def wait(self) -> Tensor:
        """The tensor on the host. For the flush thread: blocks until the device has made it."""
        _allow_captures()
        while not self._done():
            time.sleep(_POLL)
        return self._host


_thread = threading.local()


def _allow_captures() -> None:
    """Let other threads capture CUDA graphs while this one asks for events, which would spoil the capture otherwise.

    NCCL's watchdog does the same (torch/csrc/distributed/c10d/ProcessGroupNCCL.cpp, CUDAStreamCaptureModeGuard). The
    mode belongs to the thread, and 1 is cudaStreamCaptureModeThreadLocal.
    """
    if getattr(_thread, "allows", False):
        return
    _thread.allows = True
    if torch.version.cuda and torch.cuda.is_available():
        exchange = getattr(ctypes.CDLL(None), "cudaThreadExchangeStreamCaptureMode", None)
        if exchange is not None:
            exchange(ctypes.byref(ctypes.c_int(1)))


def host_copy(tensor: Tensor, queue: Queue) -> HostCopy:
    """Begin to copy a tensor of any shape and dtype."""
    with torch.no_grad():
        host = queue.pinned(tensor.shape, tensor.dtype)
        host.copy_(tensor.detach(), non_blocking=True)
        return HostCopy(host, queue.mark())


def number(tensor: Tensor, queue: Queue) -> HostCopy:
    """Begin to copy a tensor of one element, as float32 (which is what a scalar is stored as)."""
    with torch.no_grad():
        # Cast on the device: a copy that also casts is not sure to be non-blocking.
        value = tensor.detach().reshape(()).to(torch.float32)
        slot = _slot(queue)
        slot.copy_(value, non_blocking=True)
        return HostCopy(slot, queue.mark())


_slots: Iterator[Tensor] = iter(())
_slots_lock = threading.RLock()


def _slot(queue: Queue) -> Tensor:
    """A place for one float32. Its memory goes back when all of its places are forgotten."""
    global _slots
    with _slots_lock:
        slot = next(_slots, None)
        if slot is None:
            _slots = map(queue.pinned((_SLOTS,), torch.float32).__getitem__, range(_SLOTS))
            slot = next(_slots)
        return slot


# ---- arguments of any function that prepares a value


def later(prepare: Callable[..., Deferred], what: str, args: Sequence[Any], options: dict[str, Any]) -> Deferred | None:
    """`prepare(*args, **options)`, called on the flush thread with device tensors as host tensors.

    None if no argument is on a device: then it is better called at once, where it raises if it has to.
    """
    if not any(map(_is_on_device, (*args, *options.values()))):
        return None
    begun = [_begin(value) for value in args]
    named = {name: _begin(value) for name, value in options.items()}
    nbytes = sum(part.nbytes for part in (*begun, *named.values()) if isinstance(part, HostCopy))

    def values() -> Sequence[Any]:
        ready = prepare(*map(_end, begun), **{name: _end(value) for name, value in named.items()})
        return ready.values()

    return Deferred(nbytes, values, what)


def _is_on_device(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_is_on_device, value))
    return queue_of(value) is not None


def _begin(value: Any) -> Any:
    """What the caller can no longer change."""
    if isinstance(value, list | tuple):
        return [_begin(part) for part in value]
    queue = queue_of(value)
    if queue is not None:
        return host_copy(value, queue)
    return copy.deepcopy(value.detach() if isinstance(value, Tensor) else value)


def _end(value: Any) -> Any:
    if isinstance(value, list):
        return [_end(part) for part in value]
    return value.wait() if isinstance(value, HostCopy) else value
