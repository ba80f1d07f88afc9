"""Event files read by other people's readers, as plain tuples: TensorBoard's Python loaders and TensorFlow.

Knows how each is called. Must not know eventwriter. Nothing is imported until a function needs it.

TensorBoard's loaders read records with TensorFlow's C++ reader where TensorFlow is importable, else with
their own Python one, which also checks every CRC. In this process they get their own (the way of an
environment with only torch), because importing TensorFlow costs every test run five seconds; `tf_records` and
`tf_events` are TensorFlow's.
"""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PathLike = str | os.PathLike[str]


class Row(NamedTuple):
    """One value of one event, or an event without values (`tag` is then empty)."""

    wall_time: float
    step: int
    tag: str
    kind: str  # the oneof that is set: simple_value, tensor, histo, image, audio; file_version, graph_def, …
    value: Any  # float, numpy array (tensor), str, bytes, or the message of TensorBoard's classes
    plugin: str = ""
    content: bytes = b""
    description: str = ""
    display_name: str = ""


def _rows(events: Iterable[Any]) -> list[Row]:
    """`Event` messages as rows; whose generated classes they are of does not matter."""
    from tensorboard.util import tensor_util

    rows = []
    for event in events:
        what = event.WhichOneof("what")
        if what != "summary":
            rows.append(Row(event.wall_time, event.step, "", what or "", getattr(event, what) if what else None))
            continue
        for value in event.summary.value:
            kind = value.WhichOneof("value") or ""
            data = getattr(value, kind) if kind else None
            if kind == "tensor":
                data = tensor_util.make_ndarray(data)
            meta = value.metadata
            rows.append(
                Row(
                    event.wall_time,
                    event.step,
                    value.tag,
                    kind,
                    data,
                    meta.plugin_data.plugin_name,
                    meta.plugin_data.content,
                    meta.summary_description,
                    meta.display_name,
                )
            )
    return rows


def _loaders() -> types.ModuleType:
    """TensorBoard's event file loaders, told that there is no TensorFlow."""
    sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))
    from tensorboard.backend.event_processing import event_file_loader

    return event_file_loader


def file_records(path: PathLike) -> list[bytes]:
    """Payloads of an event file by TensorBoard's reader, up to its end or the first torn or broken one."""
    return list(_loaders().RawEventFileLoader(os.fspath(path)).Load())


def file_events(path: PathLike) -> list[Row]:
    """An event file as it is written, by TensorBoard's `LegacyEventFileLoader`."""
    return _rows(_loaders().LegacyEventFileLoader(os.fspath(path)).Load())


def migrated_events(path: PathLike) -> list[Row]:
    """An event file as TensorBoard's slow loader hands it to the plugins: old kinds turned into tensors."""
    return _rows(_loaders().EventFileLoader(os.fspath(path)).Load())


def run_events(logdir: PathLike) -> list[Row]:
    """A run folder by TensorBoard's `DirectoryWatcher`: its files in name order, each to its end."""
    return follow_run(logdir)()


def follow_run(logdir: PathLike) -> Callable[[], list[Row]]:
    """Like `run_events`, for a run that grows: each call of the result gives what is new since the last."""
    from tensorboard.backend.event_processing import directory_watcher, io_wrapper

    loaders = _loaders()
    watcher = directory_watcher.DirectoryWatcher(
        os.fspath(logdir), loaders.LegacyEventFileLoader, io_wrapper.IsSummaryEventsFile
    )
    return lambda: _rows(watcher.Load())


def follow_file(path: PathLike) -> Callable[[], list[Row]]:
    """Like `file_events`, for a file that grows: each call of the result gives what is new since the last."""
    loader = _loaders().LegacyEventFileLoader(os.fspath(path))
    return lambda: _rows(loader.Load())


def directory_events(logdir: PathLike) -> list[Row]:
    """A run folder by `DirectoryLoader` (`--reload_multifile=true`): every file, whatever the order."""
    from tensorboard.backend.event_processing import directory_loader, io_wrapper

    loaders = _loaders()
    loader = directory_loader.DirectoryLoader(
        os.fspath(logdir), loaders.TimestampedEventFileLoader, io_wrapper.IsSummaryEventsFile
    )
    return _rows(loader.Load())


def tf_records(path: PathLike) -> list[bytes]:
    """Payloads by `tf.data.TFRecordDataset`; raises `tf.errors.DataLossError` at a torn or broken record."""
    import tensorflow as tf

    return [record.numpy() for record in tf.data.TFRecordDataset(os.fspath(path))]


def tf_events(path: PathLike) -> list[Row]:
    """The same, parsed by TensorFlow's own `Event`."""
    from tensorflow.core.util.event_pb2 import Event

    return _rows(Event.FromString(record) for record in tf_records(path))


def event_files(logdir: PathLike) -> list[Path]:
    """Event files below `logdir`, in the order in which TensorBoard reads a run's."""
    return sorted(path for path in Path(logdir).rglob("*tfevents*") if path.is_file())
