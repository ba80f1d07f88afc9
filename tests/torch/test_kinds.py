"""The methods of SummaryWriter for all but scalars and pictures write what torch's do, or the same and better."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import readers
import torch
from eventwriter_torch import SummaryWriter


def rows(logdir: str | Path) -> list[readers.Row]:
    """What a run holds besides the files' versions."""
    return [row for row in readers.run_events(logdir) if row.kind != "file_version"]


def points(logdir: str | Path) -> list[tuple[str, int, float]]:
    """(tag, step, value) of every scalar."""
    return [(row.tag, row.step, row.value) for row in rows(logdir) if row.kind == "simple_value"]


def values(message: Any) -> list[tuple[str, float]]:
    return [(value.tag, value.simple_value) for value in message.value]


# ---- the other kinds


def test_the_default_bins_are_torchs(tmp_path: Path) -> None:
    """The same numbers, and histograms over them the same messages."""
    from torch.utils.tensorboard import summary as theirs
    from torch.utils.tensorboard.writer import SummaryWriter as Peer

    peer = Peer(str(tmp_path / "peer"))
    w = SummaryWriter(tmp_path / "ours")
    assert peer.default_bins == w.default_bins
    data = np.random.default_rng(0).normal(size=1000)
    for options in ({}, {"bins": "auto"}, {"bins": [-1.0, 0.0, 1.0]}, {"max_bins": 10}):
        w.add_histogram("h", data, 0, **options)
    w.close()
    ours = [row.value for row in rows(tmp_path / "ours")]
    for options, got in zip(({}, {"bins": "auto"}, {"bins": [-1.0, 0.0, 1.0]}, {"max_bins": 10}), ours, strict=True):
        options = {"bins": peer.default_bins} | options
        want = theirs.histogram("h", data, **options).value[0].histo
        assert list(want.bucket) == list(got.bucket)
        assert list(want.bucket_limit) == list(got.bucket_limit)
        np.testing.assert_allclose(
            [want.min, want.max, want.num, want.sum, want.sum_squares],
            [got.min, got.max, got.num, got.sum, got.sum_squares],
        )
    peer.close()


def test_default_bins_can_be_set(tmp_path: Path) -> None:
    """Then "tensorflow" stands for those."""
    with SummaryWriter(tmp_path) as w:
        w.default_bins = [0.0, 1.0, 2.0]
        w.add_histogram("h", np.array([0.5, 1.5, 1.6]), 0)
    assert [0.0, 1.0, 2.0] == list(rows(tmp_path)[0].value.bucket_limit)


def test_a_raw_histogram_is_written_as_given(tmp_path: Path) -> None:
    """And ValueError if there are not as many limits as counts."""
    with SummaryWriter(tmp_path) as w:
        w.add_histogram_raw("h", 0, 3, 4, 5.0, 9, np.array([1.0, 2, 3]), [1, 2, 1], 7)
        with pytest.raises(ValueError, match="as many bucket_limits"):
            w.add_histogram_raw("h", 0, 3, 4, 5.0, 9, [1.0, 2], [1, 2, 1], 7)
    histo = rows(tmp_path)[0].value
    assert (0, 3, 4, 5, 9) == (histo.min, histo.max, histo.num, histo.sum, histo.sum_squares)
    assert ([1, 2, 3], [1, 2, 1]) == (list(histo.bucket_limit), list(histo.bucket))


def test_text_has_torchs_suffix_and_shape(tmp_path: Path) -> None:
    """TAG/text_summary, one cell."""
    with SummaryWriter(tmp_path) as w:
        w.add_text("t", "*hi* ü", 1)
    (row,) = rows(tmp_path)
    assert ("t/text_summary", 1, "text", (1,)) == (row.tag, row.step, row.plugin, row.value.shape)
    assert "*hi* ü" == row.value[0].decode()


def test_pr_curves_have_127_thresholds_at_most(tmp_path: Path) -> None:
    """torch's cap; the numbers are torch's."""
    from torch.utils.tensorboard.summary import compute_curve

    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(0, 2, 100), rng.random(100)
    with SummaryWriter(tmp_path) as w:
        w.add_pr_curve("pr", torch.tensor(labels), torch.tensor(predictions, requires_grad=True), 1, num_thresholds=500)
        w.add_pr_curve("pr", labels, predictions, 2, 10, weights=rng.random(100))
        curve = compute_curve(labels, predictions, 20)
        w.add_pr_curve_raw("raw", *curve, 3, 20)
    got = rows(tmp_path)
    assert [(6, 127), (6, 10), (6, 20)] == [row.value.shape for row in got]
    assert ["pr_curves"] * 3 == [row.plugin for row in got]
    np.testing.assert_allclose(compute_curve(labels, predictions, 127), got[0].value, rtol=1e-6)
    np.testing.assert_allclose(curve, got[2].value, rtol=1e-6)


def test_predictions_outside_0_to_1_are_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """torch takes logits and draws nonsense; they are cut off, and one warning says so."""
    with SummaryWriter(tmp_path) as w:
        for step in range(3):
            w.add_pr_curve("pr", torch.tensor([0, 1]), torch.tensor([-4.0, 7.0]), step)
    assert 3 == len(rows(tmp_path))
    assert ["cut off" in record.message for record in caplog.records] == [True]


def test_a_mesh_has_its_three_parts(tmp_path: Path) -> None:
    """Under torch's suffixes; floating colours from 0 to 1, as torch documents them, are colours and not black."""
    vertices = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]], requires_grad=True)
    with SummaryWriter(tmp_path) as w:
        w.add_mesh("m", vertices, torch.full((1, 3, 3), 0.5), torch.tensor([[[0, 1, 2]]]), {"camera": {}}, 4)
    got = {row.tag: row for row in rows(tmp_path)}
    assert {"m_VERTEX", "m_FACE", "m_COLOR"} == set(got)
    assert {4} == {row.step for row in got.values()}
    assert [[[0, 1, 2]]] == got["m_FACE"].value.tolist()
    assert 128 == got["m_COLOR"].value.max()


def test_custom_scalars_take_torchs_layouts(tmp_path: Path) -> None:
    """A margin has exactly three tags; what is no margin is lines."""
    with SummaryWriter(tmp_path) as w:
        w.add_custom_scalars(
            {"c": {"a": ["Multiline", ("x", "y")], "b": ["Margin", ["v", "l", "u"]], "d": ["?", ["z"]]}}
        )
        with pytest.raises(AssertionError):
            w.add_custom_scalars_marginchart(["a", "b"])
        with pytest.raises(AssertionError):
            w.add_custom_scalars({"c": {"b": ["Margin", ["v"]]}})
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    (row,) = rows(tmp_path)
    assert ("custom_scalars__config__", 0, "custom_scalars") == (row.tag, row.step, row.plugin)
    charts = Layout.FromString(row.value.item()).category[0].chart
    assert ["a", "b", "d"] == [chart.title for chart in charts]
    assert [["x", "y"], ["z"]] == [list(charts[i].multiline.tag) for i in (0, 2)]
    assert ("v", "l", "u") == tuple(getattr(charts[1].margin.series[0], name) for name in ("value", "lower", "upper"))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (([], {}), TypeError),
        (({}, []), TypeError),
        (({"a": [1]}, {}), ValueError),
        (({"a": 1}, {}, []), None),
        (({"a": 1}, {}, 3), TypeError),
        (({"a": 1}, {}, {"b": [1]}), TypeError),
        (({"a": 1}, {}, {"a": 1}), TypeError),
        (({"a": 1}, {}, {"a": ["x"]}), TypeError),
        (({"a": 1}, {}, {"a": [1, 2]}), None),
        (({"a": None, "b": torch.tensor([2.5, 3])}, {"m": torch.tensor(1)}), None),
    ],
    ids=str,
)
def test_add_hparams_refuses_what_torch_refuses(
    tmp_path: Path, given: tuple[Any, ...], error: type[Exception] | None
) -> None:
    """With the same type of error; both are asked."""
    from torch.utils.tensorboard.writer import SummaryWriter as Peer

    for cls, folder in ((Peer, "peer"), (SummaryWriter, "ours")):
        with cls(str(tmp_path / folder)) as w:
            if error is None:
                w.add_hparams(*given, run_name="run")
            else:
                with pytest.raises(error):
                    w.add_hparams(*given, run_name="run")


def test_add_hparams_writes_a_run_with_the_metrics(tmp_path: Path) -> None:
    """In the named sub-run: what the dashboard needs, then the metrics as scalars at the given step."""
    with SummaryWriter(tmp_path) as w:
        w.add_hparams({"lr": 0.1, "opt": "sgd", "none": None}, {"acc": 0.5}, {"lr": [0.1, 1.0]}, "trial", 9)
    got = rows(tmp_path / "trial")
    assert [
        "_hparams_/experiment", "_hparams_/session_start_info", "_hparams_/session_end_info", "acc",
    ] == [row.tag for row in got]  # fmt: skip
    assert [("acc", 9, 0.5)] == points(tmp_path / "trial")
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    parts = [HParamsPluginData.FromString(row.content) for row in got[:3]]
    assert {"lr", "opt"} == {info.name for info in parts[0].experiment.hparam_infos}
    start = parts[1].session_start_info.hparams
    assert (0.1, "sgd") == (start["lr"].number_value, start["opt"].string_value)
    assert 1 == parts[2].session_end_info.status  # STATUS_SUCCESS


def test_hparams_of_the_run_itself_share_its_file(tmp_path: Path) -> None:
    """run_name ".": no second file, whose step 0 would hide the points of the first from TensorBoard."""
    with SummaryWriter(tmp_path) as w:
        w.add_scalar("acc", 0.1, 0)
        w.add_hparams({"lr": 0.1}, {"acc": 0.5}, run_name=".", global_step=1)
        w.add_scalar("loss", 0.2, 5)
    assert 1 == len(readers.event_files(tmp_path))
    assert [("acc", 0, 0.1), ("acc", 1, 0.5), ("loss", 5, 0.2)] == [
        (tag, step, pytest.approx(value)) for tag, step, value in points(tmp_path)
    ]


def test_an_embedding_is_where_torch_puts_it(tmp_path: Path) -> None:
    """LOGDIR/STEP/TAG, encoded; no step is step 0; AssertionError if labels and points differ in number."""
    with SummaryWriter(tmp_path) as w:
        w.add_embedding(torch.rand(3, 4, requires_grad=True), ["a", "b", "c"], tag="x/y%", global_step=12)
        w.add_embedding(np.random.rand(3, 2), label_img=torch.rand(3, 3, 8, 8))
        for wrong in ({"metadata": ["a"]}, {"label_img": torch.rand(2, 3, 8, 8)}):
            with pytest.raises(AssertionError):
                w.add_embedding(torch.rand(3, 4), **wrong)
    assert (tmp_path / "00012" / "x%2fy%25" / "metadata.tsv").read_text() == "a\nb\nc\n"
    assert (tmp_path / "00000" / "default" / "sprite.png").is_file()
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert 'tensor_name: "x/y%:00012"' in config
    assert 'tensor_name: "default:00000"' in config


def test_add_graph_writes_a_graph_and_its_costs(tmp_path: Path) -> None:
    """A graph_def of producer 22 and run metadata of the tag step1."""
    with SummaryWriter(tmp_path) as w:
        w.add_graph(torch.nn.Linear(2, 3), torch.rand(1, 2))
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    graph, costs = rows(tmp_path)
    assert ("graph_def", "tagged_run_metadata") == (graph.kind, costs.kind)
    assert 22 == GraphDef.FromString(graph.value).versions.producer
    assert "step1" == costs.value.tag


def test_add_graph_of_what_has_none_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Never an exception: a graph is not worth a training run."""
    with SummaryWriter(tmp_path) as w:
        w.add_graph(3, torch.rand(1))
        w.add_scalar("a", 1.0, 1)
    assert [("a", 1, 1.0)] == points(tmp_path)
    assert any("add_graph" in record.message for record in caplog.records)


def test_a_traced_model_without_inputs_has_a_graph(tmp_path: Path) -> None:
    """As Ultralytics calls it: `add_graph(torch.jit.trace(…), [])`."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        traced = torch.jit.trace(torch.nn.Linear(2, 3), torch.rand(1, 2))
    with SummaryWriter(tmp_path) as w:
        w.add_graph(traced, [])
    assert "graph_def" == rows(tmp_path)[0].kind


def test_no_other_package_is_loaded(tmp_path: Path) -> None:
    """Nothing of this imports tensorboard, tensorflow or tensorboardX."""
    code = """if True:
        import json, sys, torch
        from eventwriter_torch import SummaryWriter, summary
        w = SummaryWriter(sys.argv[1])
        w.add_scalar("a", torch.tensor(1.0)); w.add_scalars("m", {"x": 1}); w.add_histogram("h", torch.rand(3))
        w.add_text("t", "x"); w.add_tensor("z", torch.rand(3)); w.add_hparams({"a": 1}, {"b": 2})
        w.add_pr_curve("pr", torch.tensor([0, 1]), torch.rand(2)); w.add_mesh("m3", torch.rand(1, 3, 3))
        w.add_image("i", torch.rand(3, 4, 4)); w.add_audio("au", torch.rand(1, 9)); w.add_embedding(torch.rand(3, 3))
        w.add_video("v", torch.rand(1, 2, 3, 4, 4)); w.add_graph(torch.nn.Linear(2, 2), torch.rand(1, 2))
        w.add_custom_scalars_multilinechart(["a"]); summary.hparams({}, {}); w.close()
        print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
    """
    out = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(tmp_path)], capture_output=True, check=True)
    assert not {"tensorboard", "tensorflow", "tensorboardX"} & set(json.loads(out.stdout.splitlines()[-1]))
