"""Event files to events: every kind of our own schema's and of other people's writers, whole and damaged files."""

from __future__ import annotations

import io
import logging
import math
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import peer_runs
import pytest
import readers
from hypothesis import assume, example, given
from hypothesis import strategies as st

from eventwriter import reader
from eventwriter._decode import Audio, Images
from eventwriter._proto import (
    custom_scalar_pb2,
    event_pb2,
    hparams_pb2,
    summary_pb2,
    tensor_pb2,
    types_pb2,
)
from eventwriter._record import frame
from eventwriter.errors import CorruptRecord
from eventwriter.reader import Event, read_events, runs


def event(*values, step=3, wall_time=1.5, **fields) -> bytes:
    """The payload of an Event; `values` are those of its summary."""
    message = event_pb2.Event(wall_time=wall_time, step=step, **fields)
    if values:
        message.summary.value.extend(values)
    return message.SerializeToString()


def value(tag="t", plugin=None, content=b"", **fields) -> summary_pb2.Summary.Value:
    message = summary_pb2.Summary.Value(tag=tag, **fields)
    if plugin is not None:
        message.metadata.plugin_data.plugin_name = plugin
        message.metadata.plugin_data.content = content
    return message


def tensor(dtype: str, shape=(), **fields) -> tensor_pb2.TensorProto:
    message = tensor_pb2.TensorProto(dtype=getattr(types_pb2, dtype), **fields)
    message.tensor_shape.SetInParent()
    for size in shape:
        message.tensor_shape.dim.add(size=size)
    return message


def scalar(tag="loss", step=0, number=0.5, wall_time=1.5) -> bytes:
    return event(value(tag, simple_value=number), step=step, wall_time=wall_time)


@pytest.fixture
def read(tmp_path):
    """Writes payloads to an event file and reads it."""

    def read(*payloads, on_corrupt="raise"):
        path = tmp_path / "events.out.tfevents.1"
        path.write_bytes(b"".join(map(frame, payloads)))
        return list(read_events(path, on_corrupt=on_corrupt))

    return read


@pytest.fixture(scope="module")
def peers(tmp_path_factory):
    """Runs by torch.utils.tensorboard and tf.summary."""
    logdir = tmp_path_factory.mktemp("peers")
    peer_runs.write(logdir)
    return logdir


def of(events, tag):
    return [event for event in events if event.tag == tag]


# Scalars


FIXED = {"min_size": 0, "max_size": 150}


@given(
    st.text(st.characters(codec="utf-8"), **FIXED),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(width=32),
    st.floats(),
)
@example("", 0, 0.0, 0.0)
@example("é" * 70, 2**63 - 1, math.nan, math.nan)
def test_scalar_by_hand_is_what_protobuf_reads(tag, step, number, wall_time):
    """The hand-written parser of plain scalars agrees with protobuf on any tag, step, value and time."""
    payload = scalar(tag, step, number, wall_time)
    message = event_pb2.Event.FromString(payload)
    want = Event(tag, message.step, message.wall_time, "scalar", message.summary.value[0].simple_value)
    assert repr([want]) == repr(list(_read_bytes(frame(payload) * 2))[1:])


def _read_bytes(data: bytes, tags=None):
    """Reads bytes as a file, without one."""

    class InMemory:
        def open(self, *_args, **_kwargs):
            return io.BytesIO(data)

    return reader._read_file(InMemory(), {}, {} if tags is None else tags, skip=False)


@given(st.data())
def test_no_bytes_are_a_scalar_to_us_but_not_to_protobuf(data):
    """A damaged scalar event with right CRCs gives what protobuf makes of it, or is refused like there."""
    payload = bytearray(scalar("loss/train", data.draw(st.integers(0, 2**40)), 0.25))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        message = event_pb2.Event.FromString(bytes(payload))
    except Exception:
        with pytest.raises(CorruptRecord):
            list(_read_bytes(frame(bytes(payload))))
        return
    values = message.summary.value
    assume(not message.HasField("graph_def") and not any(value.HasField("tensor") for value in values))
    want = [(message.step, message.wall_time, value.tag, value.simple_value) for value in values]
    # The good one first: what was learnt from it must not make the damaged one pass.
    got = [
        (event.step, event.wall_time, event.tag, event.value if event.kind == "scalar" else 0.0)
        for event in _read_bytes(frame(scalar("loss/train")) + frame(bytes(payload)))
        if event.kind != "session_log"
    ]
    assert repr(want) == repr(got[1:])


@pytest.mark.parametrize("step", [0, 1, 127, 128, 2**14, 2**35, 2**62, 2**63 - 1, -1, -(2**63)])
def test_steps(read, step):
    """Steps over the whole of int64, by hand up to 2^63, through protobuf below 0."""
    assert [Event("loss", step, 1.5, "scalar", 0.5)] == read(scalar("loss", step))


def test_step_of_eleven_bytes(read):
    """A varint that is too long is no Event, though what follows it would do for a scalar."""
    good = scalar("loss", 0)
    too_long = good[:9] + b"\x10" + b"\x80" * 10 + good[9:]
    with pytest.raises(CorruptRecord, match="not an Event"):
        read(good, too_long)


def test_many_tags(read, monkeypatch):
    """The table of known scalar tags is bounded; forgetting them changes nothing."""
    monkeypatch.setattr(reader, "_MAX_KNOWN_TAGS", 2)
    tags = list("abcabc")
    assert tags == [event.tag for event in read(*map(scalar, tags))]
    known = {}
    assert len(tags) == len(list(_read_bytes(b"".join(map(frame, map(scalar, tags))), known)))
    assert len(known) <= 2


def test_several_scalars_in_one_event(read):
    """One item for each value."""
    both = event(value("a", simple_value=1), value("b", simple_value=2))
    assert [Event("a", 3, 1.5, "scalar", 1.0), Event("b", 3, 1.5, "scalar", 2.0)] == read(both)


def test_plain_scalars_need_neither_numpy_nor_protobuf(tmp_path):
    """Importing the reader and reading a file of plain scalars loads only the standard library and crc32c."""
    path = tmp_path / "tfevents"
    path.write_bytes(frame(scalar("loss", 7)))
    code = (
        "import sys; from eventwriter.reader import read_events\n"
        f"print(len(list(read_events({str(path)!r}))), {{'numpy', 'google.protobuf'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "1 set()" == done.stdout.strip()


BF16_HALF = struct.unpack("<H", struct.pack("<f", 1.5)[2:])[0]


@pytest.mark.parametrize(
    "data",
    [
        tensor("DT_FLOAT", float_val=[1.5]),
        tensor("DT_FLOAT", tensor_content=struct.pack("<f", 1.5)),
        tensor("DT_DOUBLE", double_val=[1.5]),
        tensor("DT_DOUBLE", tensor_content=struct.pack("<d", 1.5)),
        tensor("DT_HALF", half_val=[0x3E00]),
        tensor("DT_HALF", tensor_content=struct.pack("<e", 1.5)),
        tensor("DT_BFLOAT16", half_val=[BF16_HALF]),
        tensor("DT_BFLOAT16", tensor_content=struct.pack("<H", BF16_HALF)),
        tensor("DT_FLOAT", [1, 1], float_val=[1.5]),
    ],
)
def test_new_style_scalars(read, data):
    """A tensor with the plugin `scalars` is a float, whatever its dtype and encoding."""
    assert [Event("t", 3, 1.5, "scalar", 1.5)] == read(event(value(plugin="scalars", tensor=data)))


def test_scalar_that_is_none(read):
    """Two elements are no scalar: the kind is then `tensor`, and nothing is lost."""
    data = tensor("DT_FLOAT", [2], float_val=[1, 2])
    [got] = read(event(value(plugin="scalars", tensor=data)))
    assert ("tensor", [1.0, 2.0]) == (got.kind, got.value.tolist())


# Metadata


def test_first_metadata_wins(tmp_path):
    """The first metadata of a tag holds for the whole run, in its later files too; later values may omit it."""
    data = tensor("DT_STRING", string_val=[b"hello"])
    (tmp_path / "1.tfevents").write_bytes(frame(event(value(plugin="text", tensor=data))))
    later = event(value(tensor=data)), event(value(plugin="other", tensor=data))
    (tmp_path / "2.tfevents").write_bytes(b"".join(map(frame, later)))
    assert [("text", "hello")] * 3 == [(event.kind, event.value) for event in read_events(tmp_path)]
    alone = list(read_events(tmp_path / "2.tfevents"))
    assert [("tensor", b"hello")] * 2 == [(event.kind, event.value) for event in alone]


# Every other kind


def one(events):
    [got] = events
    return got.kind, got.value


def test_legacy_histogram(read):
    """Without empty buckets at the ends, and with min and max as the outermost edges."""
    limits = [-1.7e308, 0.0, 1.0, 2.0, 1.7e308]
    histo = summary_pb2.HistogramProto(min=-3, max=1.5, bucket_limit=limits, bucket=[0, 2, 0, 5, 0])
    kind, got = one(read(event(value(histo=histo))))
    assert "histogram" == kind
    assert [[-3, 0, 2], [0, 1, 0], [1, 1.5, 5]] == got.tolist()


@pytest.mark.parametrize("counts", [[], [0, 0]])
def test_empty_legacy_histogram(read, counts):
    """Nothing in it: no rows."""
    histo = summary_pb2.HistogramProto(bucket_limit=[0] * len(counts), bucket=counts)
    assert (0, 3) == one(read(event(value(histo=histo))))[1].shape


def test_new_style_histogram(read):
    """A [k, 3] tensor as it is."""
    rows = [[0, 1, 5], [1, 2, 7]]
    data = tensor("DT_DOUBLE", [2, 3], double_val=np.ravel(rows))
    kind, got = one(read(event(value(plugin="histograms", tensor=data))))
    assert ("histogram", rows) == (kind, got.tolist())


def test_images(read):
    """Legacy and new style: size, and each image's file as it is."""
    image = summary_pb2.Summary.Image(height=2, width=3, encoded_image_string=b"png")
    assert ("image", Images(3, 2, [b"png"])) == one(read(event(value(image=image))))
    data = tensor("DT_STRING", [4], string_val=[b"3", b"2", b"png", b"png2"])
    assert ("image", Images(3, 2, [b"png", b"png2"])) == one(read(event(value(plugin="images", tensor=data))))


def test_image_of_no_size(read):
    """A width that is no number is no image."""
    data = tensor("DT_STRING", [2], string_val=[b"wide", b"2"])
    assert ("tensor", [b"wide", b"2"]) == one(read(event(value(plugin="images", tensor=data))))


def test_audio(read):
    """Legacy, new style with labels, and without."""
    audio = summary_pb2.Summary.Audio(encoded_audio_string=b"wav")
    assert ("audio", Audio([b"wav"], [])) == one(read(event(value(audio=audio))))
    data = tensor("DT_STRING", [2, 2], string_val=[b"wav", b"a", b"wav2", b"b"])
    want = Audio([b"wav", b"wav2"], ["a", "b"])
    assert ("audio", want) == one(read(event(value(plugin="audio", tensor=data))))
    data = tensor("DT_STRING", [1], string_val=[b"wav"])
    assert ("audio", Audio([b"wav"], [])) == one(read(event(value(plugin="audio", tensor=data))))


def test_text(read):
    """A str, or nested lists of str; what is not UTF-8 is replaced."""
    cases = [
        ([], [b"hi"], "hi"),
        ([2], [b"a", b"\xff"], ["a", "�"]),
        ([2, 1], [b"a", b"b"], [["a"], ["b"]]),
        ([2, 0, 5], [], []),
    ]
    for shape, strings, want in cases:
        data = tensor("DT_STRING", shape, string_val=strings)
        assert ("text", want) == one(read(event(value(plugin="text", tensor=data))))


def test_arrays_of_plugins(read):
    """PR curves and meshes are arrays; an unknown plugin's tensor too."""
    data = tensor("DT_INT32", [2], int_val=[1, -2])
    for plugin, kind in (("pr_curves", "pr_curve"), ("mesh", "mesh"), ("mine", "tensor")):
        got = one(read(event(value(plugin=plugin, tensor=data))))
        assert (kind, [1, -2]) == (got[0], got[1].tolist())


@pytest.mark.parametrize(
    ("dtype", "numpy"),
    [("DT_INT8", "i1"), ("DT_UINT8", "u1"), ("DT_INT16", "<i2"), ("DT_UINT16", "<u2"), ("DT_UINT32", "<u4"),
     ("DT_INT64", "<i8"), ("DT_UINT64", "<u8"), ("DT_BOOL", "?"), ("DT_COMPLEX64", "<c8"),
     ("DT_COMPLEX128", "<c16")],
)  # fmt: skip
def test_dtypes(read, dtype, numpy):
    """Each numeric dtype, as raw bytes and listed."""
    want = np.array([1, 0, 1], numpy)
    field = {"<u4": "uint32_val", "<u8": "uint64_val", "<i8": "int64_val", "?": "bool_val"}.get(numpy, "int_val")
    listed = want
    if want.dtype.kind == "c":
        field = {"<c8": "scomplex_val", "<c16": "dcomplex_val"}[numpy]
        listed = want.view(want.real.dtype)
    for data in (
        tensor(dtype, [3], tensor_content=want.tobytes()),
        tensor(dtype, [3], **{field: listed.tolist()}),
    ):
        kind, got = one(read(event(value(tensor=data))))
        assert ("tensor", want.dtype, want.tolist()) == (kind, got.dtype, got.tolist())


def test_exotic_dtype(read):
    """A dtype without a numpy counterpart: the message itself, to be parsed by who knows it."""
    data = tensor("DT_FLOAT8_E5M2", [1], float8_val=b"x")
    assert ("tensor", data.SerializeToString()) == one(read(event(value(tensor=data))))


def test_splat(read):
    """One element may stand for all; a shape of 10^15 elements takes no memory for that."""
    data = tensor("DT_FLOAT", [10**7, 10**8], float_val=[2])
    tracemalloc.start()
    try:
        _, got = one(read(event(value(tensor=data))))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert ((10**7, 10**8), 2.0) == (got.shape, got[-1, -1])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(tensor("DT_FLOAT", [3], float_val=[1, 2]), id="too few"),
        pytest.param(tensor("DT_FLOAT", [1], float_val=[1, 2]), id="too many"),
        pytest.param(tensor("DT_FLOAT", [1], tensor_content=b"abc"), id="half an element"),
        pytest.param(tensor("DT_FLOAT", [-1], float_val=[1]), id="unknown size"),
        pytest.param(tensor("DT_FLOAT", [2**62, 2**62], float_val=[1]), id="beyond any memory"),
        pytest.param(tensor("DT_FLOAT", [2**62, 0], float_val=[]), id="beyond any memory and empty"),
        pytest.param(tensor("DT_STRING", [3], string_val=[b"a"]), id="too few strings"),
        pytest.param(tensor("DT_STRING", string_val=[]), id="no string"),
        pytest.param(tensor("DT_COMPLEX64", [1], scomplex_val=[1, 2, 3]), id="one and a half complex"),
        pytest.param(tensor("DT_FLOAT", [1] * 10_000, float_val=[1]), id="10,000 dimensions"),
        pytest.param(tensor("DT_STRING", [1] * 10_000, string_val=[b"a"]), id="strings nested 10,000 deep"),
    ],
)
def test_tensors_that_contradict_themselves(read, data, caplog):
    """Broken content: an error that names the tag, or one value skipped and its neighbours read."""
    payload = event(value("before", simple_value=1), value("bad", tensor=data), value("after", simple_value=2))
    with pytest.raises(CorruptRecord, match="'bad'"):
        read(payload)
    assert ["before", "after"] == [event.tag for event in read(payload, on_corrupt="skip")]
    assert "'bad'" in caplog.text


def test_hparams(read):
    """The metadata's content as a dict; values as Python has them."""
    data = hparams_pb2.HParamsPluginData()
    hparams = data.session_start_info.hparams
    hparams["lr"].number_value = 0.5
    hparams["opt"].string_value = "sgd"
    hparams["on"].bool_value = True
    hparams["list"].list_value.values.add().number_value = 1
    hparams["struct"].struct_value.fields["k"].null_value = 0
    hparams["unset"].SetInParent()
    got = read(event(value("h", plugin="hparams", content=data.SerializeToString())))
    want = {"lr": 0.5, "opt": "sgd", "on": True, "list": [1.0], "struct": {"k": None}, "unset": None}
    assert ("hparams", {"session_start_info": {"hparams": want}}) == one(got)


def test_hparams_of_nonsense(read):
    """Content that is no message of the plugin: the bytes."""
    assert ("tensor", b"\xff") == one(read(event(value("h", plugin="hparams", content=b"\xff"))))


def test_custom_scalars(read):
    """The layout as a dict."""
    layout = custom_scalar_pb2.Layout()
    layout.category.add(title="c").chart.add(title="x").multiline.tag.append("loss")
    data = tensor("DT_STRING", string_val=[layout.SerializeToString()])
    want = {"category": [{"title": "c", "chart": [{"title": "x", "multiline": {"tag": ["loss"]}}]}]}
    assert ("custom_scalars", want) == one(read(event(value(plugin="custom_scalars", tensor=data))))
    data = tensor("DT_STRING", string_val=[b"\xff"])
    assert ("tensor", b"\xff") == one(read(event(value(plugin="custom_scalars", tensor=data))))


def test_events_without_summary(read):
    """Graph, run metadata and session log are items of their own; a file version and an empty record are none."""
    run_metadata = event_pb2.TaggedRunMetadata(tag="r", run_metadata=b"m")
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    got = read(
        event(file_version="brain.Event:2"),
        b"",
        event(graph_def=b"g"),
        event(meta_graph_def=b"m"),
        event(tagged_run_metadata=run_metadata),
        event(session_log=start),
        event(session_log=event_pb2.SessionLog(status=9)),
    )
    want = [
        Event("", 3, 1.5, "graph", b"g"),
        Event("", 3, 1.5, "meta_graph", b"m"),
        Event("r", 3, 1.5, "run_metadata", b"m"),
        Event("", 3, 1.5, "session_log", "start"),
        Event("", 3, 1.5, "session_log", "unspecified"),
    ]
    assert want == got


def test_value_without_a_value(read):
    """None."""
    assert ("tensor", None) == one(read(event(value("t"))))


# Whole and damaged files, folders


GOOD = [scalar("loss", step) for step in range(3)]
DATA = b"".join(map(frame, GOOD))
EVENTS = [Event("loss", step, 1.5, "scalar", 0.5) for step in range(3)]


def test_every_truncation_ends_quietly(tmp_path):
    """A torn tail is no error: the whole records are there."""
    path = tmp_path / "f"
    for cut in range(len(DATA) + 1):
        path.write_bytes(DATA[:cut])
        got = list(read_events(path))
        assert EVENTS[: len(got)] == got
        assert len(got) == sum(len(b"".join(map(frame, GOOD[: n + 1]))) <= cut for n in range(3))


def test_broken_record_raises(tmp_path):
    """What is before it is read; the error has file, offset and reason."""
    path = tmp_path / "f"
    broken = bytearray(DATA)
    broken[len(frame(GOOD[0])) + 20] ^= 1
    path.write_bytes(broken)
    events = read_events(path)
    assert EVENTS[0] == next(events)
    with pytest.raises(CorruptRecord) as caught:
        next(events)
    want = CorruptRecord(str(path), len(frame(GOOD[0])), "CRC of the payload is wrong")
    assert want.args == caught.value.args


def test_skip_goes_on_with_the_next_file(tmp_path, caplog):
    """The rest of the broken file is skipped, the next file read, and one warning says where."""
    first = tmp_path / "tfevents.1"
    first.write_bytes(frame(GOOD[0]) + bytes(40) + frame(GOOD[1]))
    (tmp_path / "tfevents.2").write_bytes(frame(GOOD[2]))
    with caplog.at_level(logging.WARNING, "eventwriter"):
        assert [EVENTS[0], EVENTS[2]] == list(read_events(tmp_path, on_corrupt="skip"))
    want = f"{first}: record at byte {len(frame(GOOD[0]))}: CRC of the length is wrong"
    assert [want] == [record.getMessage() for record in caplog.records]


def test_record_that_is_no_event(read, caplog):
    """With right CRCs, only this record is skipped."""
    with pytest.raises(CorruptRecord, match=f"record at byte {len(frame(GOOD[0]))}: its content is not an Event"):
        read(GOOD[0], b"\xff\xff", GOOD[1])
    assert EVENTS[:2] == read(GOOD[0], b"\xff\xff", GOOD[1], on_corrupt="skip")
    assert "not an Event" in caplog.text


def test_tag_that_is_not_utf8(read):
    """protobuf refuses it, and so do we, in a scalar too."""
    with pytest.raises(CorruptRecord, match="not an Event"):
        read(scalar("loss").replace(b"loss", b"lo\xffs"))


def test_run_folder(tmp_path):
    """The files with `tfevents` in their names, in name order; no other files, and no folders."""
    for name, step in (("b.tfevents", 1), ("a.tfevents.1", 0), ("c.tfevents.v2", 2)):
        (tmp_path / name).write_bytes(frame(GOOD[step]))
    (tmp_path / "model.bin").write_bytes(b"no event file")
    (tmp_path / "tfevents.folder").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "tfevents").write_bytes(DATA)
    assert EVENTS == list(read_events(tmp_path))
    assert EVENTS == list(read_events(str(tmp_path)))


def test_empty_folder(tmp_path):
    """A run that has not begun: no events."""
    assert [] == list(read_events(tmp_path))


def test_missing_path_raises_at_once(tmp_path):
    """Not at the first step of an iteration that may come much later."""
    with pytest.raises(FileNotFoundError):
        read_events(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        runs(tmp_path / "nowhere")


def test_bad_option(tmp_path):
    """What was wanted and what came."""
    with pytest.raises(ValueError, match="want 'raise' or 'skip', got 'ignore'"):
        read_events(tmp_path, on_corrupt="ignore")


def test_runs(tmp_path):
    """Folders with event files, at any depth, by links too; a circle of links ends."""
    for run in (".", "a", "a/b/c", "empty"):
        (tmp_path / run).mkdir(parents=True, exist_ok=True)
        if run != "empty":
            (tmp_path / run / "events.out.tfevents.1").touch()
    elsewhere = tmp_path / "a" / "b" / "linked"
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "tfevents").touch()
    elsewhere.symlink_to(outside)
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    assert [".", "a", "a/b/c", "a/b/linked"] == runs(tmp_path)


def test_memory_does_not_grow_with_the_file(tmp_path):
    """50 times the events, the same peak."""
    peaks = []
    for repeat in (200, 10_000):
        path = tmp_path / str(repeat)
        path.write_bytes(DATA * repeat)
        tracemalloc.start()
        try:
            assert 3 * repeat == sum(1 for _ in read_events(path))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    # The first file is smaller than a chunk.
    assert peaks[1] < peaks[0] + 1_000_000


# Other people's writers


def test_peers_scalars(peers):
    """torch's legacy scalars and tf's tensors: values, steps, and wall times where they can be set."""
    want = [(step, wall_time, float(np.float32(number))) for step, wall_time, number in peer_runs.SCALARS]
    got = [(e.step, e.wall_time, e.value) for e in of(read_events(peers / "torch"), "loss")]
    assert repr(want) == repr(got)
    got = [(e.step, e.value) for e in of(read_events(peers / "tf"), "loss")]
    assert repr([(step, number) for step, _, number in want]) == repr(got)
    assert peer_runs.MANY == len(of(read_events(peers / "torch"), "many"))


def test_peers_agree_with_tensorboards_loader(peers):
    """Every value of the peers' files that TensorBoard's own loader reads, in the same order."""
    for run in runs(peers):
        [path] = reader.event_files(peers / run)
        events = list(read_events(path))
        want = [(row.tag, row.step, row.wall_time) for row in readers.file_events(path) if row.tag]
        # "step1" is the name of torch's run metadata, which is no value of a summary.
        assert want == [(e.tag, e.step, e.wall_time) for e in events if e.tag not in ("", "step1")]


def test_peers_other_kinds(peers):
    """One of each."""
    torch, tf = list(read_events(peers / "torch")), list(read_events(peers / "tf"))
    kinds = {(e.tag, e.kind) for e in torch if e.tag not in ("loss", "many")}
    assert kinds >= {
        ("weights", "histogram"), ("noise", "image"), ("tone", "audio"), ("note/text_summary", "text"),
        ("pr", "pr_curve"), ("tetra_VERTEX", "mesh"), ("custom_scalars__config__", "custom_scalars"),
        ("", "graph"),
    }  # fmt: skip
    kinds = {(e.tag, e.kind) for e in tf}
    assert kinds >= {
        ("weights", "histogram"), ("batch", "image"), ("stereo", "audio"), ("table", "text"), ("", "graph"),
        ("call", "run_metadata"), ("_hparams_/session_start_info", "hparams"),
    }  # fmt: skip
    [few] = of(torch, "few")
    assert 1000 == few.value[:, 2].sum()
    assert (peer_runs.normal().min(), peer_runs.normal().max()) == (few.value[0, 0], few.value[-1, 1])
    [batch] = of(tf, "batch")
    assert (7, 5, 3) == (batch.value.width, batch.value.height, len(batch.value.encoded))
    assert all(png.startswith(b"\x89PNG") for png in batch.value.encoded)
    [table] = of(tf, "table")
    assert [["a", "b"], ["c", "*d*"]] == table.value
    [vertices] = of(torch, "tetra_VERTEX")
    assert np.array_equal(peer_runs.VERTICES, vertices.value)
    trial = {e.tag: e.value for e in read_events(peers / "torch" / "trial")}
    hparams = trial["_hparams_/session_start_info"]["session_start_info"]["hparams"]
    assert {"lr": 0.125, "bs": 32.0, "name": "adam", "amp": True} == hparams
