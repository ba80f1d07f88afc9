"""A fast, safe, self-contained writer of TensorBoard event files.

A table of contents. What is listed here is the public interface; each name is loaded when it is first used, so
that `import eventwriter` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from eventwriter._version import __version__ as __version__

if TYPE_CHECKING:
    from eventwriter._stats import Stats as Stats
    from eventwriter._verify import FileCheck as FileCheck
    from eventwriter._verify import check as check
    from eventwriter.errors import ClosedError as ClosedError
    from eventwriter.errors import CorruptRecord as CorruptRecord
    from eventwriter.errors import EventWriterError as EventWriterError
    from eventwriter.errors import WriteError as WriteError
    from eventwriter.reader import Event as Event
    from eventwriter.reader import read_events as read_events
    from eventwriter.reader import runs as runs
    from eventwriter.writer import EventWriter as EventWriter

_HOME = {
    "ClosedError": "errors",
    "CorruptRecord": "errors",
    "Event": "reader",
    "FileCheck": "_verify",
    "check": "_verify",
    "EventWriter": "writer",
    "EventWriterError": "errors",
    "Stats": "_stats",
    "WriteError": "errors",
    "read_events": "reader",
    "runs": "reader",
}

__all__ = [
    "ClosedError",
    "CorruptRecord",
    "Event",
    "EventWriter",
    "EventWriterError",
    "FileCheck",
    "Stats",
    "WriteError",
    "__version__",
    "check",
    "read_events",
    "runs",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'eventwriter' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"eventwriter.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
