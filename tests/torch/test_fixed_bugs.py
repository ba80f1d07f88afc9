"""What is widely seen as a bug of torch.utils.tensorboard and is none here: B1 to B16 of peers.md, a test for each.

Where the fix changes the shape of what is written, `compat=True` writes torch's.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import readers
import torch
from eventwriter_torch import FileWriter, SummaryWriter, summary


def rows(logdir: Path) -> list[readers.Row]:
    return [row for row in readers.run_events(logdir) if row.kind != "file_version"]


def hparam_values(logdir: Path) -> Any:
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    (start,) = [row for row in rows(logdir) if row.tag == "_hparams_/session_start_info"]
    return HParamsPluginData.FromString(start.content).session_start_info.hparams


def slow_loader(logdir: Path) -> Any:
    """TensorBoard's Python loader, with what it keeps of a run."""
    readers._loaders()
    from tensorboard.backend.event_processing import plugin_event_accumulator

    accumulator = plugin_event_accumulator.EventAccumulator(str(logdir))
    accumulator.Reload()
    return accumulator


def picture(encoded: bytes) -> np.ndarray[Any, Any]:
    from PIL import Image

    with Image.open(io.BytesIO(encoded)) as image:
        return np.asarray(image)


def test_b1_bools_among_hyperparameters_are_bools(tmp_path: Path) -> None:
    """torch asks for numbers first, and True is one."""
    for compat, kind in ((False, "bool_value"), (True, "number_value")):
        run = tmp_path / str(compat)
        with SummaryWriter(run, compat=compat) as w:
            w.add_hparams({"deep": True}, {"m": 1}, {"deep": [True, False]}, run_name=".")
        value = hparam_values(run)["deep"]
        assert (kind, 1) == (value.WhichOneof("kind"), getattr(value, kind))
    value = summary.hparams({"deep": False}, {})[1].value[0].metadata.plugin_data.content
    assert b"deep" in value


def test_b2_purge_step_purges(tmp_path: Path) -> None:
    """The Python loader takes a run's first START for its beginning, so there are two: also tags that never come
    back are forgotten from that step on."""
    with SummaryWriter(tmp_path) as w:
        for step in range(10):
            w.add_scalar("gone", 1.0, step)
    with SummaryWriter(tmp_path, purge_step=5) as w:
        w.add_scalar("new", 1.0, 5)
    kept = slow_loader(tmp_path)
    assert list(range(5)) == [event.step for event in kept.Tensors("gone")]
    assert [5] == [event.step for event in kept.Tensors("new")]


def test_b3_a_double_is_seen(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The default loader shows no doubles: float32, and one warning."""
    with SummaryWriter(tmp_path / "fixed") as w:
        w.add_scalar("a", 1.5, 1, new_style=True, double_precision=True)
        w.add_scalar("a", 2.5, 2, new_style=True, double_precision=True)
        w.add_scalar("b", 2.5, 2, double_precision=True)
    with SummaryWriter(tmp_path / "compat", compat=True) as w:
        w.add_scalar("a", 1.5, 1, new_style=True, double_precision=True)
    fixed, compat = rows(tmp_path / "fixed"), rows(tmp_path / "compat")
    assert [np.float32, np.float32] == [row.value.dtype for row in fixed[:2]]
    assert [1.5, 2.5, 2.5] == [float(row.value) for row in fixed]
    assert np.float64 == compat[0].value.dtype
    assert 1 == len([record for record in caplog.records if "float32" in record.message])


def test_b4_files_sort_as_they_were_made(tmp_path: Path) -> None:
    """torch's eleventh file of a second sorts before the third, and TensorBoard shows 3 points of 15."""
    w = SummaryWriter(tmp_path)
    for step in range(15):
        w.add_scalar("a", float(step), step)
        w.close()
    assert list(range(15)) == [row.step for row in rows(tmp_path)]
    assert 15 == len(readers.event_files(tmp_path))


def test_b5_bfloat16_is_no_infinity_and_meta_no_random_number(tmp_path: Path) -> None:
    """torch goes through float16, and logs a random number for what has none."""
    with SummaryWriter(tmp_path) as w:
        big = torch.tensor([1e5, 2e5], dtype=torch.bfloat16)
        w.add_scalar("a", big[0], 1)
        w.add_histogram("h", big, 1)
        w.add_histogram("f8", torch.tensor([1.0, 300.0]).to(torch.float8_e4m3fn), 1)
        w.add_scalar("meta", torch.empty((), device="meta"), 1)
        w.add_text("t", "x", 1)
    got = {row.tag: row.value for row in rows(tmp_path)}
    assert {"a", "h", "f8", "t/text_summary"} == set(got)
    assert float(big[0]) == got["a"]
    assert (float(big[0]), float(big[1])) == (got["h"].min, got["h"].max)
    assert (1.0, 288.0) == (got["f8"].min, got["f8"].max)


def test_b6_a_file_writer_can_be_reopened(tmp_path: Path) -> None:
    """torch's raises AttributeError. Open, it stays as it is; closed, it goes on in a new file."""
    w = FileWriter(tmp_path)
    w.reopen()
    w.add_summary(summary.scalar("a", 1.0), 1)
    w.close()
    w.reopen()
    w.add_summary(summary.scalar("a", 2.0), 2)
    w.event_writer.close()
    w.event_writer.reopen()
    w.add_summary(summary.scalar("a", 3.0), 3)
    w.close()
    assert 3 == len(readers.event_files(tmp_path))
    assert [1.0, 2.0, 3.0] == [row.value for row in rows(tmp_path)]


def test_b6_a_summary_writer_follows_its_reopened_file_writer(tmp_path: Path) -> None:
    """Its next add_* goes into the new file."""
    w = SummaryWriter(tmp_path)
    w.add_scalar("a", 1.0, 1)
    writer = w._get_file_writer()
    writer.close()
    with pytest.raises(OSError, match="closed"):
        w.add_scalar("a", 1.0, 1)
    writer.reopen()
    w.add_scalar("a", 2.0, 2)
    w.close()
    assert [1.0, 2.0] == [row.value for row in rows(tmp_path)]


def test_b7_add_graph_leaves_the_model_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """torch un-freezes frozen BatchNorms, prints, and raises."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"out": self.norm(self.conv(x))}

    net = Net()
    net.norm.eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with SummaryWriter(tmp_path) as w:
        w.add_graph(net, torch.rand(2, 3, 8, 8))
        w.add_graph(net)  # no input: a warning
    assert (True, True, False) == (net.training, net.conv.training, net.norm.training)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert "graph_def" == rows(tmp_path)[0].kind
    assert "" == capfd.readouterr().out


def test_b8_a_run_of_hyperparameters_inherits_and_has_a_name(tmp_path: Path) -> None:
    """The settings of its writer; a folder that a person can read, and of its own."""
    with SummaryWriter(tmp_path, filename_suffix=".mine", flush_secs=3) as w:
        for trial in range(3):
            w.add_hparams({"lr": trial}, {"m": trial})
    names = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert 3 == len(names)
    today = time.strftime("hparams_%Y-%m-")
    assert all(name.startswith(today) for name in names)
    assert 4 == len(list(tmp_path.rglob("*.mine")))


def test_b9_embeddings_of_two_writers_are_all_there(tmp_path: Path) -> None:
    """torch's second writer of a run forgets the first one's; tensorboardX's has them twice."""
    for tag in ("one", "two"):
        with SummaryWriter(tmp_path) as w:
            w.add_embedding(torch.rand(3, 2), tag=tag)
            w.add_embedding(torch.rand(4, 2), tag="same")
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert [1, 1, 1] == [config.count(f'tensor_name: "{tag}:00000"') for tag in ("one", "two", "same")]


def test_b10_a_video_needs_no_other_package(tmp_path: Path) -> None:
    """torch writes an empty value without an old moviepy."""
    from PIL import Image

    frames = torch.zeros(1, 3, 3, 8, 10)
    frames[0, 1, 0] = 1
    with SummaryWriter(tmp_path) as w:
        w.add_video("v", frames, 1, fps=5)
    (row,) = rows(tmp_path)
    assert ("image", 8, 10) == (row.kind, row.value.height, row.value.width)
    with Image.open(io.BytesIO(row.value.encoded_image_string)) as gif:
        assert ("GIF", 3, 200) == (gif.format, gif.n_frames, gif.info["duration"])
        gif.seek(1)
        assert (255, 0, 0) == gif.convert("RGB").getpixel((0, 0))


@pytest.mark.parametrize(
    "data",
    [
        torch.tensor([[1.5, -2.0]], dtype=torch.float16),
        torch.tensor([1, -2], dtype=torch.int8),
        torch.tensor([1 + 2j, 3j], dtype=torch.complex64),
        torch.tensor([True, False]),
        torch.tensor([1, 2**40]),
        torch.rand(2, 3, 4, dtype=torch.float64),
    ],
    ids=lambda t: str(t.dtype),
)
def test_b11_a_tensor_is_written_as_it_is(tmp_path: Path, data: torch.Tensor) -> None:
    """torch writes half's bits as float32's, and cannot write int8 or complex."""
    with SummaryWriter(tmp_path) as w:
        w.add_tensor("t", data, 1)
    row = rows(tmp_path)[0]
    assert ("tensor", data.numpy().dtype) == (row.plugin, row.value.dtype)
    np.testing.assert_array_equal(data.numpy(), row.value)


def test_b12_a_text_needs_no_table(tmp_path: Path) -> None:
    """With new_style: shape []. Without, torch's table of one cell."""
    for new_style, shape in ((True, ()), (False, (1,))):
        with SummaryWriter(tmp_path / str(new_style), new_style=new_style) as w:
            w.add_text("t", "x")
        assert shape == rows(tmp_path / str(new_style))[0].value.shape


def test_b13_an_integer_image_is_not_white(tmp_path: Path) -> None:
    """Its range is by its dtype: ints from 0 to 255 are what uint8 are. torch multiplies them by 255."""
    data = torch.arange(48).reshape(3, 4, 4)
    with SummaryWriter(tmp_path / "fixed") as w:
        w.add_image("i", data, 1)
    with SummaryWriter(tmp_path / "compat", compat=True) as w:
        w.add_image("i", data, 1)
    (fixed,), (compat,) = rows(tmp_path / "fixed"), rows(tmp_path / "compat")
    np.testing.assert_array_equal(data.permute(1, 2, 0), picture(fixed.value.encoded_image_string))
    assert 47 == np.count_nonzero(picture(compat.value.encoded_image_string) == 255)


def test_b14_a_second_layout_adds_to_the_first(tmp_path: Path) -> None:
    """torch's replaces it."""
    from tensorboard.plugins.custom_scalar.layout_pb2 import Layout

    for compat, titles in ((False, ["a", "b", "c"]), (True, ["c"])):
        run = tmp_path / str(compat)
        with SummaryWriter(run, compat=compat) as w:
            w.add_custom_scalars_multilinechart(["x"], title="a")
            w.add_custom_scalars({"default": {"b": ["Multiline", ["y"]]}})
            w.add_custom_scalars_marginchart(["x", "y", "z"], title="c")
        last = [row for row in rows(run) if row.plugin == "custom_scalars"][-1]
        layout = Layout.FromString(last.value.item())
        assert titles == [chart.title for category in layout.category for chart in category.chart]


def test_b15_a_histogram_has_rising_edges(tmp_path: Path) -> None:
    """With new_style: the form of TensorBoard's own histograms. The old one begins with an empty bucket whose left
    edge is the least element: to the right of its right edge."""
    data = torch.rand(1000) + 1
    with SummaryWriter(tmp_path, new_style=True) as w:
        w.add_histogram("h", data, 1)
    (row,) = rows(tmp_path)
    assert ("tensor", "histograms", (30, 3)) == (row.kind, row.plugin, row.value.shape)
    assert (row.value[:, 0] < row.value[:, 1]).all()
    assert 1000 == row.value[:, 2].sum()


def test_b16_an_onnx_graph_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """torch prints every node. Edges are by operator, shapes and attributes are kept."""
    helper = pytest.importorskip("onnx.helper")
    onnx = pytest.importorskip("onnx")
    from tensorboard.compat.proto.graph_pb2 import GraphDef

    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 4])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 3])
    weight = helper.make_tensor("w", onnx.TensorProto.FLOAT, [4, 3], [0.0] * 12)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"], name="/net/matmul"),
        helper.make_node("Softmax", ["product"], ["y"], axis=-1),
    ]
    model = helper.make_model(helper.make_graph(nodes, "net", [x], [y], [weight]))
    onnx.save(model, str(tmp_path / "net.onnx"))
    with SummaryWriter(tmp_path / "run") as w:
        w.add_onnx_graph(str(tmp_path / "net.onnx"))
    assert "" == capfd.readouterr().out
    (row,) = rows(tmp_path / "run")
    graph = GraphDef.FromString(row.value)
    got = {node.name: (node.op, list(node.input)) for node in graph.node}
    assert {
        "x": ("Placeholder", []),
        "w": ("Variable", []),
        "net/matmul": ("MatMul", ["x", "w"]),
        "y": ("Softmax", ["net/matmul"]),
        "output/y": ("Output", ["y"]),
    } == got
    shapes = {node.name: [d.size for d in node.attr["_output_shapes"].list.shape[0].dim] for node in graph.node[:2]}
    assert {"x": [-1, 4], "w": [4, 3]} == shapes
    assert -1 == graph.node[3].attr["axis"].i
