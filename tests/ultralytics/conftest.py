"""Trainings that the tests of this folder look at: each case in a process of its own, two at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import ultralytics_trainings


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """Call it with a case's name for its folder. The first call starts all cases."""
    folder = tmp_path_factory.mktemp("ultralytics")
    running: dict[str, Future[None]] = {}
    with ThreadPoolExecutor(2) as executor:

        def get(case: str) -> Path:
            if not running:
                for name in sorted(ultralytics_trainings.CASES, key=lambda name: name != case):
                    running[name] = executor.submit(ultralytics_trainings.run, folder / name, name)
            running[case].result()
            return folder / case

        yield get
        for future in running.values():
            future.cancel()
