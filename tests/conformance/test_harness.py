"""The harness itself, on runs of torch's and TensorFlow's writers: it reads every kind and can't fool us.

If a test here fails, what the other conformance tests say means nothing.
"""

from __future__ import annotations

import io
import math
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import peer_runs
import pytest
import readers
import tensorboard_server
from PIL import Image
from tensorboard_server import Loader, Server, ServerError, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def logdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("peers")
    peer_runs.write(path)
    return path


@pytest.fixture(scope="module")
def board(logdir: Path, loader: Loader) -> Iterator[Server]:
    with serve(logdir, loader) as server:
        yield server


def decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def equal_scalars(want: list[tuple[int, float, float]], got: list[tuple[float, int, float]]) -> bool:
    """Steps and wall times exactly, values as float32, NaN equal to NaN."""
    values = np.array([value for *_, value in want], np.float64).astype(np.float32)
    return [(wall_time, step) for step, wall_time, _ in want] == [(wall, step) for wall, step, _ in got] and (
        np.array_equal(values, np.array([value for *_, value in got], np.float32), equal_nan=True)
    )


def test_runs_and_dashboards(board: Server) -> None:
    """All runs are there, and every dashboard with data is active."""
    assert {"torch", "torch/trial", "tf"} == set(board.runs())
    want = {"scalars", "histograms", "distributions", "images", "audio", "text", "pr_curves", "mesh"}
    want |= {"custom_scalars", "hparams", "graphs", "projector", "timeseries"}
    # The projector looks for its files on a thread of its own, when first asked.
    board.wait_until(lambda board: "projector" in board.active_plugins(), "the projector")
    assert want == board.active_plugins()


def test_scalars(board: Server) -> None:
    """NaN, both infinities and a subnormal come back; nothing is sampled away; a description is HTML."""
    assert equal_scalars(peer_runs.SCALARS, board.scalars("torch", "loss"))
    assert math.isnan(board.scalars("tf", "loss")[1].value)
    want = [(step, step / 2) for step in range(peer_runs.MANY)]
    assert want == [(point.step, point.value) for point in board.scalars("torch", "many")]
    assert "<p>What <em>falls</em></p>" == board.tags("scalars")["tf"]["loss"]["description"]
    series = board.time_series("scalars", "torch", "many")
    assert want == [(point["step"], point["value"]) for point in series]


def test_histograms(board: Server) -> None:
    """All 60 by the newer route, 51 by the older one, with the counts of the data."""
    histograms = board.histograms("torch", "weights")
    assert list(range(60)) == [histogram.step for histogram in histograms]
    assert {1000.0} == {sum(count for *_, count in histogram.buckets) for histogram in histograms}
    assert 51 == len(board.histograms_dashboard("torch", "weights"))
    (buckets,) = (histogram.buckets for histogram in board.histograms("tf", "weights"))
    counts, edges = np.histogram(peer_runs.normal(), 20)
    assert counts.tolist() == [count for *_, count in buckets]
    assert np.allclose(edges[:-1], [left for left, *_ in buckets])
    ((_, step, curve),) = board.distributions("torch", "few")
    assert (5, 9) == (step, len(curve))


def test_images(board: Server) -> None:
    """Every image of every step and sample, pixel-exact, from both dashboards."""
    images = board.images("torch", "noise")
    assert [(step, 0, "image/png") for step in range(12)] == [image[1:4] for image in images]
    assert np.array_equal(peer_runs.pixels(12), np.stack([decode(image.data) for image in images]))
    images = board.images("tf", "batch")
    assert [(1, 0), (1, 1), (1, 2)] == [(image.step, image.sample) for image in images]
    assert np.array_equal(peer_runs.pixels(3), np.stack([decode(image.data) for image in images]))
    (point,) = board.time_series("images", "tf", "batch", sample=2)
    assert np.array_equal(peer_runs.pixels(3)[2], decode(board.time_series_image(point["imageId"])))


def test_audio(board: Server) -> None:
    """Clips are WAV files with the samples that were written, mono and stereo."""
    for run, tag, channels in (("torch", "tone", 1), ("tf", "stereo", 2)):
        (clip,) = board.audio(run, tag)
        with wave.open(io.BytesIO(clip.data)) as file:
            assert (channels, 8000, 800) == (file.getnchannels(), file.getframerate(), file.getnframes())
            got = np.frombuffer(file.readframes(800), "<i2").reshape(800, channels) / 32768
        assert np.allclose(peer_runs.wave(channels), got, atol=1e-4)


def test_text(board: Server) -> None:
    """Markdown comes back as HTML, an array of strings as a table."""
    (note,) = board.text("torch", "note/text_summary")
    assert (2, True) == (note.step, "<h1>Title</h1>" in note.html)
    (table,) = board.text("tf", "table")
    assert (4, 2) == (table.html.count("<td>"), table.html.count("<tr>"))


def test_pr_curves(board: Server) -> None:
    """Counts at the lowest threshold are the labels'; the empty tail is cut off by the server."""
    (curve,) = board.pr_curves("torch", "pr")
    assert (4, 5, 3) == (curve.step, curve.true_positives[0], curve.false_positives[0])
    assert 10 == len(curve.thresholds)
    assert np.allclose(0.1, np.diff(curve.thresholds))


def test_meshes(board: Server) -> None:
    """Each part of a batch of two, with the types that the browser gets."""
    parts = {part.content: part for part in board.meshes("torch", "tetra")}
    assert {"VERTEX", "FACE", "COLOR"} == set(parts)
    assert np.array_equal(peer_runs.VERTICES, parts["VERTEX"].data)
    assert np.array_equal(peer_runs.FACES, parts["FACE"].data)
    assert np.array_equal(peer_runs.COLORS, parts["COLOR"].data)
    assert peer_runs.MESH_CONFIG == parts["VERTEX"].config


def test_custom_scalars(board: Server) -> None:
    """The layout, and the series that its regular expressions pick."""
    (category,) = board.custom_scalars_layout()["category"]
    assert ("Group", ["loss", "many"]) == (category["title"], category["chart"][0]["multiline"]["tag"])
    series = board.custom_scalars("torch", "loss|many")
    assert {"loss": len(peer_runs.SCALARS), "many": peer_runs.MANY} == {tag: len(s) for tag, s in series.items()}


def test_hparams(board: Server) -> None:
    """Session groups of both writers, with the metric's value."""
    groups = {group["name"]: group for group in board.hparams_session_groups()}
    assert {"lr": 0.125, "bs": 32.0, "name": "adam", "amp": 1.0} == groups["torch/trial"]["hparams"]
    (metric,) = groups["torch/trial"]["metricValues"]
    assert ("hparam/accuracy", 0.75) == (metric["name"]["tag"], metric["value"])
    assert {"lr": 0.5, "name": "sgd"} == groups["tf trial"]["hparams"]
    assert {"lr", "bs", "name", "amp"} == {info["name"] for info in board.hparams_experiment()["hparamInfos"]}


def test_graphs(board: Server) -> None:
    """The graph of a run, of a tag, and the metadata of a run's step."""
    assert {"torch", "tf"} == {run for run, info in board.graph_info().items() if info["run_graph"]}
    assert "Sequential/Linear[0]/weight/weight.1" in {node.name for node in board.graph("torch").node}
    assert "twice" in {node.name for node in board.graph("tf").node}
    assert any("twice" in node.name for node in board.graph("tf", "call").node)
    assert ["/device:CPU:0"] == [stats.device for stats in board.run_metadata("torch", "step1").step_stats.dev_stats]


def test_projector(board: Server) -> None:
    """The tensor in float32, its metadata with a header, and the sprite."""
    (embedding,) = board.projector_config("torch")["embeddings"]
    name = embedding["tensorName"]
    assert np.allclose(peer_runs.EMBEDDING, board.projector_tensor("torch", name))
    metadata = board.projector_metadata("torch", name)
    assert (["name", "class"], ["row 9", "0"], 11) == (metadata[0], metadata[-1], len(metadata))
    assert (32, 32, 3) == decode(board.projector_sprite("torch", name)).shape


def test_readers_agree(logdir: Path) -> None:
    """TensorBoard's Python loaders give each record as it is, and a torn tail waits for its rest."""
    (path,) = readers.event_files(logdir / "torch" / "trial")
    want = [("", "file_version"), ("_hparams_/experiment", "")]
    want += [
        ("_hparams_/session_start_info", ""),
        ("_hparams_/session_end_info", ""),
        ("hparam/accuracy", "simple_value"),
    ]
    rows = readers.file_events(path)
    assert want == [(row.tag, row.kind) for row in rows]
    assert 0.75 == rows[-1].value
    assert "scalars" == readers.migrated_events(path)[-1].plugin
    assert rows == readers.run_events(path.parent)
    torn = path.with_name("torn.tfevents")
    torn.write_bytes(path.read_bytes()[:-1])
    try:
        follow = readers.follow_file(torn)
        assert rows[:-1] == follow()
        with torn.open("ab") as file:
            file.write(path.read_bytes()[-1:])
        assert rows[-1:] == follow()
    finally:
        torn.unlink()


def test_following_a_growing_run(logdir: Path, tmp_path: Path, tensorboard: Callable[..., Server]) -> None:
    """With `reload_seconds`, what is appended while the server runs appears."""
    source = readers.event_files(logdir / "torch" / "trial")[0]
    target = tmp_path / "run" / source.name
    target.parent.mkdir()
    head = source.stat().st_size - 10  # in the middle of the last record
    target.write_bytes(source.read_bytes()[:head])
    server = tensorboard(tmp_path, reload_seconds=1, tensorflow=False)
    server.wait_until(lambda server: "run" in server.runs(), "the run")
    assert {} == server.tags("scalars").get("run", {})
    with target.open("ab") as file:
        file.write(source.read_bytes()[head:])
    server.wait_until(lambda server: bool(server.tags("scalars").get("run")), "the scalar")
    assert [0.75] == [point.value for point in server.scalars("run", "hparam/accuracy")]


def test_wrong_loader_is_noticed(board: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that runs the other loader than the one asked for is an error."""
    board.check_loader()
    monkeypatch.setattr(board, "loader", {"fast": "slow", "slow": "fast"}[board.loader])
    with pytest.raises(ServerError, match="want"):
        board.check_loader()


def test_bad_flag_shows_the_log(tmp_path: Path) -> None:
    """A server that does not start raises at once, with what it said."""
    with (
        pytest.raises(ServerError, match="unrecognized arguments"),
        serve(tmp_path, tensorflow=False, flags=("--nonsense",)),
    ):
        pass


def test_nothing_survives(tmp_path: Path) -> None:
    """The server and its data server end with the context, and with a process that is killed -9 inside it."""
    with serve(tmp_path, tensorflow=False) as server:
        assert 3 <= len(tensorboard_server._living(server.group))
    assert [] == tensorboard_server._living(server.group)
    script = (
        f"import sys; sys.path[:0] = {sys.path!r}; from tensorboard_server import serve\n"
        f"with serve({str(tmp_path)!r}, tensorflow=False) as server:\n"
        "    print(server.group, flush=True); input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        group = int(process.stdout.readline())
        assert tensorboard_server._living(group)
        process.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while tensorboard_server._living(group) and time.monotonic() < end:
        time.sleep(0.02)
    assert [] == tensorboard_server._living(group)
