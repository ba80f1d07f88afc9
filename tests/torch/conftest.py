"""Fixtures of the torch shim's tests."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest

# torch.utils.tensorboard and TensorBoard load TensorFlow where it is installed, unless this module is there.
sys.modules.setdefault("tensorboard.compat.notf", types.ModuleType("tensorboard.compat.notf"))


@pytest.fixture(autouse=True)
def _warn_again() -> Iterator[None]:
    """Warnings that come once in a process come once in a test."""
    from eventwriter_torch import _prepare

    _prepare._warned.clear()
    yield
    _prepare._warned.clear()
