"""What each dashboard of TensorBoard 2.21 must show for what its server has: one function per page.

Knows the pages' elements. Takes what to expect from the same server's HTTP API, so it works for any logdir; that the
API is right is what the conformance tests say. Must not know who wrote the run.

Each function opens its dashboard, waits until everything there is to show is there, asserts that it is drawn, and
leaves a picture in `folder` for a person to look at. Tags are compared without white space, because the frontend
breaks them into pieces where a line may break.
"""

from __future__ import annotations

import io
import json
import time
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pages.chromium import Page
    from tensorboard_client import TensorBoardClient

_PAGE_SIZE = 500  # more than the number of cards on a page, so that none hides behind a "next" button
_LIMITS = {
    "TF.TensorBoard.PaginatedView.limit": str(_PAGE_SIZE),
    "_tb_global_settings": json.dumps({"paginationSize": _PAGE_SIZE}),
}


def _open(page: Page, board: TensorBoardClient, address: str, height: int = 3000) -> None:
    """Open a dashboard with everything on one page. `tagFilter=.` matches every tag and opens every group.

    `height`: what is further down is not loaded before somebody scrolls there.
    """
    page.resize(1400, height)
    page.open(board.url)
    page.wait_for("document.readyState === 'complete' && location.host !== ''")
    page.ask(f"Object.entries({json.dumps(_LIMITS)}).map(([key, value]) => localStorage.setItem(key, value))")
    page.open(board.url + address)


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _series(listing: dict[str, dict[str, object]]) -> list[tuple[str, str]]:
    """(run, tag) of everything in a plugin's listing."""
    return [(run, tag) for run, tags in listing.items() for tag in tags]


def _wait_for_texts(page: Page, elements: str, want: Iterable[str], how: str = "startsWith") -> None:
    """Wait until each wanted text starts (or `how` else) the words of one of the shown `elements` (JavaScript)."""
    texts = json.dumps([_squeezed(text) for text in want])
    page.wait_for(
        f"(want => {{ const there = shown({elements}).map(it => words(it).replaceAll(' ', ''));"
        f" return want.every(text => there.some(it => it.{how}(text))); }})({texts})"
    )


def _wait_for_count(page: Page, elements: str, count: int) -> None:
    """Wait until there are `count` `elements` (JavaScript) or more.

    What has a source counts once for each: a page shows some cards in two groups.
    """
    page.wait_for(f"new Set(({elements}).map(it => it.currentSrc || it.src || it)).size >= {count}")


def _titles(listing: dict[str, dict[str, dict[str, object]]]) -> list[tuple[str, str]]:
    """The same with the names that are shown for the tags."""
    return [(run, str(info.get("displayName") or tag)) for run, tags in listing.items() for tag, info in tags.items()]


def _finish(page: Page, folder: Path, name: str, drawings: str = "[]", *, moves: bool = False) -> list[int]:
    """The same as `_picture`, when all is still, or after a while if something `moves` for ever."""
    if moves:
        time.sleep(3)
    else:
        page.settle()
    return _picture(page, folder, name, drawings)


def _has_animations(board: TensorBoardClient) -> bool:
    images = (image for run, tag in _series(board.tags("images")) for image in board.images(run, tag))
    return any(image.content_type == "image/gif" for image in images)


def _picture(page: Page, folder: Path, name: str, drawings: str) -> list[int]:
    """Take the picture, and count the coloured pixels of each of the shown `drawings` (JavaScript).

    Lines, points and areas are coloured; axes and text are grey. A page that complained of anything fails.
    """
    data = page.screenshot(folder / f"{name}.png")
    assert page.errors == [], page.errors
    picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
    colored = picture.max(axis=2) - picture.min(axis=2) > 20
    counts = []
    for box in page.ask(f"shown({drawings}).map(box)"):
        left, top, width, height = (max(0, round(box[side])) for side in ("x", "y", "width", "height"))
        counts.append(int(colored[top : top + height, left : left + width].sum()))
    return counts


def timeseries(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """A card per scalar tag with a line in it, per histogram with its area, per image sample with the image."""
    tags = board.time_series_tags()
    scalars = {tag for tags in tags["scalars"]["runTagInfo"].values() for tag in tags}
    histograms = [tag for tags in tags["histograms"]["runTagInfo"].values() for tag in tags]
    samples = tags["images"]["tagRunSampledInfo"]
    images = [tag for tag, runs in samples.items() for run in runs for _ in range(runs[run]["maxSamplesPerStep"])]
    _open(page, board, "?tagFilter=.#timeseries", 4000)
    for card, want in (("scalar-card", scalars), ("histogram-card", histograms), ("image-card", images)):
        page.wait_for(f"shown({card!r}).length === {len(want)}")
        assert sorted(map(_squeezed, want)) == sorted(map(_squeezed, page.ask(f"inside({card!r}, '.tag').map(words)")))
    _wait_for_count(page, "inside('image-card', 'img').filter(it => it.naturalWidth > 0)", len(images))
    _wait_for_count(page, "inside('scalar-card', 'canvas')", len(scalars))
    cards = "[...inside('scalar-card', 'canvas'), ...deep('histogram-card')]"
    drawn = _finish(page, folder, "timeseries", cards, moves=_has_animations(board))
    assert len(drawn) >= len(scalars) + len(histograms)
    assert all(pixels > 5 for pixels in drawn), drawn


def scalars(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """A chart with a line or a point for every tag."""
    tags = {tag for _, tag in _series(board.tags("scalars"))}
    _open(page, board, "#scalars&tagFilter=.")
    _wait_for_texts(page, "'tf-scalar-card'", tags)
    drawn = _finish(page, folder, "scalars", "inside('tf-scalar-card', 'vz-line-chart2')")
    assert len(drawn) >= len(tags)
    assert all(pixels > 5 for pixels in drawn), drawn


def images(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """The last image of every tag and sample, decoded."""
    listing = board.tags("images")
    _open(page, board, "#images&tagFilter=.")
    _wait_for_texts(page, "'tf-image-loader'", (title + run for run, title in _titles(listing)))
    samples = sum(listing[run][tag]["samples"] for run, tag in _series(listing))
    _wait_for_count(page, "inside('tf-image-loader', 'img').filter(it => it.naturalWidth > 0)", samples)
    _finish(page, folder, "images", moves=_has_animations(board))


def histograms(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """A histogram drawn for every run and tag."""
    listing = board.tags("histograms")
    series = _series(listing)
    _open(page, board, "#histograms&tagFilter=.")
    _wait_for_texts(page, "'tf-histogram-loader'", (title + run for run, title in _titles(listing)))
    drawn = _finish(page, folder, "histograms", "inside('tf-histogram-loader', 'vz-histogram-timeseries')")
    assert len(drawn) >= len(series)
    assert all(pixels > 100 for pixels in drawn), drawn


def distributions(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """The percentiles of every run and tag: bands where there are steps to join."""
    listing = board.tags("distributions")
    series = _series(listing)
    _open(page, board, "#distributions&tagFilter=.")
    _wait_for_texts(page, "'tf-distribution-loader'", (title + run for run, title in _titles(listing)))
    drawn = _finish(page, folder, "distributions", "inside('tf-distribution-loader', 'vz-distribution-chart')")
    assert len(drawn) >= len(series)
    longer = [tag for run, tag in series if len(board.distributions(run, tag)) > 1]
    assert sum(pixels > 100 for pixels in drawn) >= len(longer), drawn


def text(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """Every tag's card, with its rendered markdown."""
    listing = board.tags("text")
    _open(page, board, "#text&tagFilter=.")
    _wait_for_texts(page, "'tf-text-loader'", (title + run for run, title in _titles(listing)))
    page.wait_for("shown(inside('tf-text-loader', '.text')).every(it => words(it) !== '')")
    _finish(page, folder, "text")


def audio(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """A player that has decoded its clip, for every tag and sample."""
    listing = board.tags("audio")
    _open(page, board, "#audio&tagFilter=.")
    _wait_for_texts(page, "'tf-audio-loader'", (title + run for run, title in _titles(listing)))
    clips = sum(listing[run][tag]["samples"] for run, tag in _series(listing))
    _wait_for_count(page, "deep('audio').filter(it => it.readyState > 0 && it.duration > 0 && !it.error)", clips)
    _finish(page, folder, "audio")


def pr_curves(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """A curve for every tag, and every run named below it."""
    series = _series(board.tags("pr_curves"))
    _open(page, board, "#pr_curves&tagFilter=.")
    _wait_for_texts(page, "'tf-pr-curve-card'", (tag for _, tag in series))
    _wait_for_texts(page, "'tf-pr-curve-card'", (f"{run} is at step" for run, _ in series), "includes")
    drawn = _finish(page, folder, "pr_curves", "inside('tf-pr-curve-card', 'vz-line-chart2')")
    assert len(drawn) >= len({tag for _, tag in series})
    assert all(pixels > 50 for pixels in drawn), drawn


def custom_scalars(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """Every chart of the layout, with a line in it."""
    titles = [chart["title"] for category in board.custom_scalars_layout()["category"] for chart in category["chart"]]
    cards = "'tf-custom-scalar-multi-line-chart-card, tf-custom-scalar-margin-chart-card'"
    _open(page, board, "#custom_scalars")
    _wait_for_texts(page, cards, titles)
    drawn = _finish(page, folder, "custom_scalars", f"inside({cards}, 'vz-line-chart2')")
    assert len(drawn) >= len(titles)
    assert all(pixels > 5 for pixels in drawn), drawn


def hparams(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """The table's columns and a row per session group."""
    experiment = board.hparams_experiment()
    cells = [info["displayName"] or info["name"] for info in experiment["hparamInfos"]]
    cells += [info["displayName"] or info["name"]["tag"] for info in experiment["metricInfos"]]
    cells += [group["name"] for group in board.hparams_session_groups()]
    _open(page, board, "#hparams", 1000)
    _wait_for_texts(page, "'vaadin-grid-cell-content'", cells)
    _finish(page, folder, "hparams")


def graphs(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """The outermost names of the graph of every run that has one."""
    for run, info in board.graph_info().items():
        if not info["run_graph"]:
            continue
        outermost = {node.name.partition("/")[0] for node in board.graph(run).node}
        _open(page, board, "#graphs", 1000)
        page.click(f"deep('paper-item').find(it => words(it) === {json.dumps(run)})")
        # A node that nothing flows through may be put aside: most must be there.
        page.wait_for(
            f"(want => {{ const there = shown('g.node').map(words); const found = want.filter("
            f"name => there.some(text => text.includes(name))); return found.length * 2 > want.length; }})"
            f"({json.dumps(sorted(outermost))})"
        )
        page.click("deep('.icon-button').find(it => words(it) === 'Fit to screen')")
        _finish(page, folder, f"graphs-{run.replace('/', '-')}")


def projector(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """Number of points and dimensions of the first run's first embedding, and something in its WebGL canvas."""
    rows, columns = board.projector_config(board.projector_runs()[0])["embeddings"][0]["tensorShape"]
    _open(page, board, "#projector", 1000)
    _wait_for_texts(page, "'.numDataPoints'", [str(rows)])
    _wait_for_texts(page, "'.dim'", [str(columns)])
    page.wait_for("shown('canvas').length > 0")
    time.sleep(2)  # it turns for ever, so there is no waiting until it is still
    drawn = _picture(page, folder, "projector", "deep('canvas')")
    assert all(pixels > 100 for pixels in drawn), drawn


def meshes(page: Page, board: TensorBoardClient, folder: Path) -> None:
    """A WebGL canvas with something in it for every mesh and sample."""
    listing = board.tags("mesh")
    want = sum(listing[run][tag]["samples"] for run, tag in _series(listing))
    _open(page, board, "#mesh&tagFilter=.")
    _wait_for_count(page, "shown(inside('tf-mesh-loader', 'canvas'))", want)
    drawn = _finish(page, folder, "mesh", "inside('tf-mesh-loader', 'canvas')")
    assert sum(pixels > 100 for pixels in drawn) >= want, drawn


# By the name of the plugin whose dashboard it is.
DASHBOARDS: dict[str, Callable[[Page, TensorBoardClient, Path], None]] = {
    "timeseries": timeseries,
    "scalars": scalars,
    "images": images,
    "histograms": histograms,
    "distributions": distributions,
    "graphs": graphs,
    "hparams": hparams,
    "projector": projector,
    "text": text,
    "pr_curves": pr_curves,
    "audio": audio,
    "mesh": meshes,
    "custom_scalars": custom_scalars,
}
