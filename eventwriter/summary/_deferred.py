"""What a logged value travels as, from the caller's thread to the flush thread.

Knows: nothing but the two halves of a value's life. Must not know: any kind, any thread, any file.

A kind's function (`histogram`, `image`, …) runs on the caller's thread: it checks its arguments, copies
what is mutable, and returns a `Deferred`. The flush thread calls `values()`, which does the expensive
rest. Reading a `Deferred` twice gives equal values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventwriter._proto.summary_pb2 import Summary


class Deferred:
    """A checked snapshot of one logged value, and how to turn it into `Summary.Value` messages.

    Args:
        nbytes: bytes of memory the snapshot holds until it is written; counts against the writer's bound.
        values: returns the `Summary.Value` messages; called once, on the flush thread. It owns the
            snapshot (it may modify it) and must not touch anything that the caller can change.
        what: kind and tag, for the message if encoding fails.
    """

    __slots__ = ("nbytes", "values", "what")

    def __init__(
        self, nbytes: int, values: Callable[[], Sequence[Summary.Value]], what: str = "a summary value"
    ) -> None:
        self.what = what
        self.nbytes = nbytes
        self.values = values
