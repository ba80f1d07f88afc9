"""Trainings that the tests of this folder look at: one process for each backend and callback, all cases in it.

A test asks `logged(backend, who)` for the folder of the logs. The first to ask starts all processes, two at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import keras_trainings
import pytest
from keras_logs import BACKENDS, Logged, Scenario

# For the few tests that use Keras in the tests' own process: the backend that is soonest imported.
os.environ.setdefault("KERAS_BACKEND", "torch")


# The longest first.
PROCESSES = (("tensorflow", "ours"), ("jax", "ours"), ("tensorflow", "keras"), ("torch", "ours"))


@pytest.fixture(scope="session")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    """Call it with backend and "ours" or "keras" for the folder with the logs of each case and scenario."""
    folder = tmp_path_factory.mktemp("keras")
    running: dict[tuple[str, str], Future[None]] = {}
    with ThreadPoolExecutor(2) as executor:

        def get(backend: str, who: str) -> Path:
            if not running:
                for name, by in sorted(PROCESSES, key=lambda process: process != (backend, who)):
                    place = folder / name / by
                    place.mkdir(parents=True)
                    scenarios = by == "ours"
                    running[name, by] = executor.submit(keras_trainings.train, name, by, place, scenarios=scenarios)
            running[backend, who].result()
            return folder / backend / who

        yield get
        for future in running.values():
            future.cancel()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def scenario(logged: Logged, backend: str) -> Scenario:
    """Call it with a scenario's name for the folder of its logs, on each backend in turn."""
    return lambda name: logged(backend, "ours") / name
