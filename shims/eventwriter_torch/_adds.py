"""What the parts of `SummaryWriter` have in common: the one way from an `add_*` method to a file.

Knows: tags, steps, tensors without data, who prepares a value and who logs it. Must not know: kinds of data, files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, SupportsInt, cast

import torch

from eventwriter.proto import Summary
from eventwriter.summary import Deferred
from eventwriter_torch import _device, _prepare, file_writer
from eventwriter_torch.file_writer import FileWriter

Step = SupportsInt | None


class Adds(ABC):
    """Logs what a function of `_prepare` or `_prepare_media` makes of a call's arguments."""

    _steps: dict[str, int]
    _compat: bool
    _new_style: bool

    @abstractmethod
    def _get_file_writer(self) -> FileWriter: ...

    def _add(
        self,
        prepare: Callable[..., Deferred],
        tag: str,
        global_step: Step,
        walltime: float | None,
        *args: Any,
        suffix: str = "",
        **options: Any,
    ) -> None:
        """Log `prepare(tag, *args, **options)`; `suffix` is what `prepare` adds to the tag."""
        writer = self._get_file_writer()
        what = f"{prepare.__name__} {tag!r}"
        if not self._goes_ahead(writer, prepare.__name__, tag, (*args, *options.values())):
            return
        value = _device.later(prepare, what, (tag, *args), options)
        if value is None:
            value = prepare(tag, *args, **options)
            value.what = what
        writer.log(value, self._step(writer, tag + suffix, global_step), wall_time=walltime)

    def _goes_ahead(self, writer: FileWriter, kind: str, tag: object, data: Any) -> bool:
        """Whether there is something to log. Raises TypeError, ValueError for a tag that is none."""
        if not writer.writes:
            return False
        _check_tag(kind, tag)
        if _has_no_data(data):
            _prepare.warn_once(
                f"meta {tag}", "%s %r: a tensor on the meta device has no data and is not logged", kind, tag
            )
            return False
        return True

    def _step(self, writer: FileWriter, tag: str, global_step: Step) -> int:
        """The step as an int. Without one: 0 for the first call of a tag, then 1, 2, …"""
        if global_step is not None:
            return int(global_step)
        if writer.default_step is not None:
            return writer.default_step
        with file_writer.lock:
            step = self._steps.get(tag, 0)
            self._steps[tag] = step + 1
        return step

    def _scalar(self, writer: FileWriter, tag: str, value: Any, step: int, walltime: float | None) -> None:
        number = _prepare.one_number(tag, value)
        if isinstance(number, float):
            # A float itself takes the core's quick way; not by `writer.scalar`, which does not know of parked writers.
            FileWriter.scalar(writer, tag, float(number), step, wall_time=walltime)
            return
        queue = _device.queue_of(number)
        tensor = cast("torch.Tensor", number)
        if queue is None or tensor.is_complex():
            FileWriter.scalar(writer, tag, number, step, wall_time=walltime)
            return
        copy = _device.number(tensor, queue)

        def encode() -> list[Any]:
            return [Summary.Value(tag=tag, simple_value=copy.wait().item())]

        writer.log(Deferred(copy.nbytes, encode, f"scalar {tag!r}"), step, wall_time=walltime)


def _check_tag(kind: str, tag: object) -> None:
    if not isinstance(tag, str):
        raise TypeError(f"{kind}: want a str as tag, got {type(tag).__name__}")
    if not tag:
        raise ValueError(f"{kind}: want a non-empty str as tag, got ''")
    try:
        tag.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{kind} {tag!r}: want a tag that can be UTF-8, got a lone surrogate in it") from None


def _has_no_data(data: Any) -> bool:
    if isinstance(data, torch.Tensor):
        return data.is_meta
    return isinstance(data, (list, tuple)) and any(map(_has_no_data, data))
