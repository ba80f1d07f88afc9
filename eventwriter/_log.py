"""The package's logger, for words about faults of the world, which must never become faults themselves.

Knows: that a warning may be impossible to print (stderr closed, or on the same full disk) and then is not worth an
exception on the flush thread. Must not know: anything else.
"""

from __future__ import annotations

import logging

_logger = logging.getLogger("eventwriter")


def warning(text: str, *args: object) -> None:
    _say(logging.WARNING, text, args, False)


def error(text: str, *args: object) -> None:
    _say(logging.ERROR, text, args, False)


def exception(text: str, *args: object) -> None:
    """An error, with the traceback of the exception that is being handled."""
    _say(logging.ERROR, text, args, True)


def _say(level: int, text: str, args: tuple[object, ...], traceback: bool) -> None:
    try:
        _logger.log(level, text, *args, exc_info=traceback, stacklevel=3)
    except Exception:  # noqa: S110 -- it cannot be said; what it was about goes on
        pass
