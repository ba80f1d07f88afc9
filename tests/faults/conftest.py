"""What every fault test has: a seed that is printed, no shared memory left behind, and a marker for the long ones.

The long ones run with EVENTWRITER_FAULTS=1 (`make faults`).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventwriter import _os, _shm


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: a fault test that takes minutes; run by `make faults`")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not os.environ.get("EVENTWRITER_FAULTS"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: EVENTWRITER_FAULTS=1 (make faults) runs it"))


@pytest.fixture(autouse=True)
def rng() -> random.Random:
    """Randomness whose seed is printed, and can be given: EVENTWRITER_SEED."""
    seed = int(os.environ.get("EVENTWRITER_SEED") or random.SystemRandom().randrange(2**32))
    print("seed", seed)
    return random.Random(seed)


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path) -> Iterator[None]:
    """Rings that a test's killed or failing writers left are of no use to anybody."""
    yield
    for ring in Path(_shm.FOLDER).glob(f"{_shm.PREFIX}*"):
        try:
            with ring.open("rb") as file:
                if os.fsencode(tmp_path) in file.read(_shm.TABLE):
                    ring.unlink()
        except OSError:
            continue


@pytest.fixture
def os_calls(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Every call in `_os` is put back at the end, whatever a test made of it."""
    for name in vars(_os):
        if callable(getattr(_os, name)):
            monkeypatch.setattr(_os, name, getattr(_os, name))
    return monkeypatch
