"""How a writer was asked to be. Knows what each option may be; nothing of what becomes of it."""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

from eventwriter.errors import WriteError

OnError = Literal["warn", "raise"] | Callable[[WriteError], object]
Durability = Literal["async", "process", "machine"]

# What a disk says when it may say something else later. Anything else at the start is a mistake in the path.
PASSING = frozenset(
    getattr(errno, name)
    for name in (
        "EAGAIN", "EBUSY", "EDQUOT", "EFBIG", "EHOSTDOWN", "EHOSTUNREACH", "EINTR", "EIO", "EMFILE", "ENETDOWN",
        "ENETUNREACH", "ENFILE", "ENOBUFS", "ENOMEM", "ENOSPC", "ESTALE", "ETIMEDOUT",
    )
    if hasattr(errno, name)
)  # fmt: skip
LEAST_PENDING = 4 * 4096 * 32


class WriterOptions(NamedTuple):
    """The arguments of `EventWriter`, which documents them."""

    logdir: str
    filename_suffix: str
    purge_step: int | None
    flush_secs: float
    max_pending_bytes: int
    on_error: OnError
    durability: Durability
    sync_secs: float
    max_file_bytes: int | None

    def check(self) -> None:
        """Raises TypeError or ValueError with the option, what was got and what was wanted."""
        if not isinstance(self.logdir, str) or not self.logdir:
            raise TypeError(f"logdir: want a non-empty str or PathLike, got {self.logdir!r}")
        if not isinstance(self.filename_suffix, str) or "/" in self.filename_suffix:
            raise ValueError(f"filename_suffix: want a str without '/', got {self.filename_suffix!r}")
        for name, seconds in (("flush_secs", self.flush_secs), ("sync_secs", self.sync_secs)):
            if not (seconds > 0 and math.isfinite(seconds)):
                raise ValueError(f"{name}: want a positive number of seconds, got {seconds!r}")
        if self.max_pending_bytes < LEAST_PENDING:
            raise ValueError(f"max_pending_bytes: want at least {LEAST_PENDING}, got {self.max_pending_bytes!r}")
        if self.on_error not in ("warn", "raise") and not callable(self.on_error):
            raise ValueError(f"on_error: want 'warn', 'raise' or a callable, got {self.on_error!r}")
        if self.durability not in ("async", "process", "machine"):
            raise ValueError(f"durability: want 'async', 'process' or 'machine', got {self.durability!r}")
        if self.max_file_bytes is not None and self.max_file_bytes <= 0:
            raise ValueError(f"max_file_bytes: want a positive number or None, got {self.max_file_bytes!r}")
