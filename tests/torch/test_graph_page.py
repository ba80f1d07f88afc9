"""TensorBoard's graph plugin takes the graphs: its server, and, where a browser is asked for, its page.

`make pages` (EVENTWRITER_PAGES=1) also opens the page, and leaves pictures in `screenshots/`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from eventwriter_torch.graph import build
from graph_models import ResNet, UNet
from tensorboard.compat.proto import event_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard_server import LOADERS, Server, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

SCREENSHOTS = Path(__file__).resolve().parents[2] / "screenshots"
MODELS = {"resnet": (ResNet(), torch.zeros(1, 3, 32, 32)), "unet": (UNet(), torch.zeros(2, 1, 16, 16))}
# The page: choose a run, unfold a scope, show what is known of a node, choose what nodes are coloured by.
_ITEM = "deep('paper-item').find(it => words(it) === {text})"
_EXPAND = "(deep('tf-graph')[0].fire('node-toggle-expand', {{name: {name}}}), 1)"
_INSIDE = "shown('g.node').some(it => (it.getAttribute('data-name') || '').startsWith({name} + '/'))"
# Asked again and again: a selection made while the page still lays out a box is lost.
_SAYS = (
    "(deep('tf-graph')[0].fire('node-select', {{name: {name}}}),"
    "{texts}.every(text => deep('tf-node-info').some(it => words(it).includes(text))))"
)
_BUTTON = "deep('paper-radio-button').find(it => words(it).startsWith({label}) && !it.disabled)"


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a measured graph for each model."""
    folder = tmp_path_factory.mktemp("graphs")
    for name, (model, x) in MODELS.items():
        built = build(model, x, measure=True)
        assert built is not None
        graph, metadata = (message.SerializeToString() for message in built)
        writer = EventFileWriter(str(folder / name))
        writer.add_event(event_pb2.Event(graph_def=graph))
        tagged = event_pb2.TaggedRunMetadata(tag="step1", run_metadata=metadata)
        writer.add_event(event_pb2.Event(tagged_run_metadata=tagged))
        writer.close()
    return folder


@pytest.mark.tensorboard
@pytest.mark.parametrize("loader", LOADERS)
def test_server(loader: str, logdir: Path) -> None:
    """Both loaders give the graph with every attribute, and the statistics for the same nodes."""
    with serve(logdir, loader, tensorflow=False) as board:
        for run, (model, x) in MODELS.items():
            want = build(model, x)
            assert want is not None
            assert board.graph_info()[run]["run_graph"]
            assert board.graph_info()[run]["tags"]["step1"]["profile"]
            graph, metadata = board.graph(run), board.run_metadata(run, "step1")
            assert [n.name for n in want[0].node] == [n.name for n in graph.node]
            assert [list(n.input) for n in want[0].node] == [list(n.input) for n in graph.node]
            stats = {s.node_name: s for d in metadata.step_stats.dev_stats for s in d.node_stats}
            assert {n.name for n in graph.node} == set(stats)


@pytest.fixture(scope="module")
def board(logdir: Path) -> Iterator[Server]:
    with serve(logdir, tensorflow=False) as server:
        yield server


@pytest.mark.tensorboard
@pytest.mark.skipif("EVENTWRITER_PAGES" not in os.environ, reason="costs a browser; `make pages` asks for it")
@pytest.mark.parametrize("run", MODELS)
def test_page(run: str, board: Server) -> None:
    """The outermost modules are boxes, a box opens, a node says what it is, and times colour the nodes."""
    from pages.chromium import browse
    from pages.dashboards import _finish, _open

    inner, outermost = {
        "resnet": ("layer2/0/conv1/conv2d", ["conv1", "bn1", "maxpool", "layer1", "layer2", "flatten", "fc", "output"]),
        "unet": ("down1/conv2d", ["down1", "down2", "middle", "up1", "up2", "merge1", "merge2", "cat", "relu[3]"]),
    }[run]
    with browse() as browser:
        page = browser.page()
        _open(page, board, "#graphs", 1000)
        page.click(_ITEM.format(text=json.dumps(run)))
        page.wait_for(
            "(want => { const there = shown('g.node').map(words);"
            "return want.every(name => there.some(text => text.includes(name))); })"
            f"({json.dumps(outermost)})"
        )
        page.click("deep('.icon-button').find(it => words(it) === 'Fit to screen')")
        _finish(page, SCREENSHOTS, f"graph-{run}")

        scopes = inner.split("/")[:-1]
        for depth in range(len(scopes)):
            scope = json.dumps("/".join(scopes[: depth + 1]))
            page.ask(_EXPAND.format(name=scope))
            page.wait_for(_INSIDE.format(name=scope))
        said = ["aten::conv2d", "kernel_size=(3, 3)", "/device:CPU:0"]
        page.wait_for(_SAYS.format(name=json.dumps(inner), texts=json.dumps(said)))

        page.click(_ITEM.format(text=json.dumps("step1")))
        page.click(_BUTTON.format(label=json.dumps("Profile")))
        page.wait_for(_BUTTON.format(label=json.dumps("Compute time")) + " !== undefined")
        page.click(_BUTTON.format(label=json.dumps("Compute time")))
        _finish(page, SCREENSHOTS, f"graph-{run}-time")
        assert not page.errors
