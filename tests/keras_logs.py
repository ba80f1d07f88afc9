"""Logs of Keras trainings, as the tests look at them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import readers
from readers import Row

BACKENDS = ("tensorflow", "torch", "jax")

# Backend and callback ("ours" or "keras") to the folder with the logs of all cases.
Logged = Callable[[str, str], Path]
# A scenario's name to the folder of its logs, on one backend.
Scenario = Callable[[str], Path]


def facts(folder: Path) -> Any:
    """What a scenario returned."""
    return json.loads(folder.with_name(f"{folder.name}.json").read_text())


def rows(folder: Path) -> dict[tuple[str, str], list[Row]]:
    """All that is below a folder by run and tag, by TensorBoard's reader; what has no tag by its kind."""
    found: dict[tuple[str, str], list[Row]] = {}
    for run in sorted({file.parent for file in readers.event_files(folder)}):
        for row in readers.run_events(run):
            if row.kind != "file_version":
                found.setdefault((run.relative_to(folder).as_posix(), row.tag or row.kind), []).append(row)
    return found
