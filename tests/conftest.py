"""Which tests go to one process together when several run side by side (`pytest -n 2 --dist loadgroup`).

A file's tests share what its fixtures made, and so do all of a folder whose conftest trains models for the session.
"""

from __future__ import annotations

import pytest

_ONE_GROUP = ("keras", "ultralytics")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        group = next((name for name in _ONE_GROUP if name in item.path.parts), str(item.path))
        item.add_marker(pytest.mark.xdist_group(group))
