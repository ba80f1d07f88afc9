"""The scope of each call of a module.

Knows: attribute paths, and which call a call is made from. Must not know: what kind of graph the calls are in.

A module that is called twice gets a second scope, e.g. `relu[1]`: in one scope the two would make a circle of
what is a line. What it calls in turn is in the scope of that call.
"""

from __future__ import annotations

from typing import NamedTuple

from eventwriter_torch.graph._nodes import Scope


class Call(NamedTuple):
    """A call of the module at `path`, drawn in `scope`."""

    path: Scope
    scope: Scope


OUTERMOST = Call((), ())


class Calls:
    """Gives calls their scopes."""

    def __init__(self) -> None:
        self._counts: dict[Scope, int] = {}

    def enter(self, path: Scope, caller: Call) -> Call:
        """The call of the module at `path` from within another. A module that calls itself stays where it is."""
        if path == caller.path:
            return caller
        depth = len(caller.path)
        scope = (*caller.scope, *path[depth:]) if path[:depth] == caller.path else path
        count = self._counts.get(scope, 0)
        self._counts[scope] = count + 1
        return Call(path, scope if count == 0 else (*scope[:-1], f"{scope[-1]}[{count}]"))


def module_path(parts: Scope, prefix: Scope) -> Scope:
    """An attribute path without `prefix`, the name of the model itself, and without torch.compile's wrapper."""
    if prefix and parts[: len(prefix)] == prefix:
        parts = parts[len(prefix) :]
    return tuple(part for part in parts if part != "_orig_mod")
