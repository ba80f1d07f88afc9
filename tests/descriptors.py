"""Which descriptors of this process are a writer's. Those of anything else come and go while a test runs."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from eventwriter import _shm


def ours(folder: str | Path) -> Counter[str]:
    """What is open below `folder` and of rings in shared memory: name and how often."""
    names = Counter[str]()
    for number in os.listdir("/proc/self/fd"):
        try:
            names[os.readlink(f"/proc/self/fd/{number}")] += 1
        except FileNotFoundError:  # closed meanwhile, or listdir's own
            pass
    ring = os.path.join(_shm.FOLDER, "eventwriter")
    return Counter({name: times for name, times in names.items() if name.startswith((f"{folder}", ring))})
