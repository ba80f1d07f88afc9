"""Warnings about what was logged, once for each kind and tag.

Knows: what has been warned about in this process. Must not know: why.
"""

from __future__ import annotations

import logging

_log = logging.getLogger("eventwriter")
_warned: set[str] = set()


def warn_once(what: str, message: str) -> None:
    """Logs a warning, unless there was one about `what`, which is the kind and the tag."""
    if what not in _warned:
        _warned.add(what)
        _log.warning("%s: %s; further ones of this tag are not reported", what, message)
