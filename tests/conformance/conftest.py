"""Fixtures of the conformance tests: what we write, read back by other people's readers.

A test that asks for `loader` or `tensorboard` runs twice, with TensorBoard's Rust loader and with its Python
one.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
import tensorboard_server
from tensorboard_server import LOADERS, Loader, Server

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what starts servers, so that `-m 'not tensorboard'` is quick."""
    for item in items:
        if "loader" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.tensorboard)


@pytest.fixture(scope="session", params=LOADERS)
def loader(request: pytest.FixtureRequest) -> Loader:
    """ "fast" and "slow". Session scope, so that a module can keep a server of its own in a wider fixture."""
    return request.param


@pytest.fixture
def tensorboard(loader: Loader) -> Iterator[Callable[..., Server]]:
    """Call it with a logdir (and `serve`'s options) for a server that has loaded it; it ends with the test.

    A start costs seconds: write everything first, ask one server. Where many tests look at one logdir, make a
    module fixture with `with tensorboard_server.serve(logdir, loader) as server: yield server`.
    """
    with contextlib.ExitStack() as servers:

        def start(logdir: str | os.PathLike[str], **options: object) -> Server:
            return servers.enter_context(tensorboard_server.serve(logdir, loader, **options))

        yield start
