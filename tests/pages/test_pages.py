"""TensorBoard's pages in a real browser: every dashboard that has data shows it.

Pictures for a person to look at go to `screenshots/`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import our_runs
import peer_runs
import pytest
from pages.chromium import Page, browse
from pages.dashboards import DASHBOARDS
from tensorboard_server import Server, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

SCREENSHOTS = Path(__file__).resolve().parents[2] / "screenshots"
WRITERS = {"1": our_runs.write, "peers": peer_runs.write}


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on the logdir that was named, on our runs, or on the peers'."""
    logdir = os.environ["EVENTWRITER_PAGES"]
    if logdir in WRITERS:
        name, logdir = logdir, str(tmp_path_factory.mktemp("runs"))
        WRITERS[name](Path(logdir))
    with serve(logdir, tensorflow=False) as server:
        if server.projector_runs():  # it finds its files on a thread of its own
            server.wait_until(lambda server: "projector" in server.active_plugins(), "the projector")
        yield server


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browse() as browser:
        yield browser.page()


@pytest.mark.tensorboard
@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_dashboard(dashboard: str, board: Server, page: Page) -> None:
    """What the server has of this kind is on the page, drawn, and the page does not complain."""
    if dashboard not in board.active_plugins():
        pytest.skip(f"nothing in {board.environment()['data_location']} for {dashboard}")
    DASHBOARDS[dashboard](page, board, SCREENSHOTS)
