"""The last step of each tag: as the reader finds it, in files of any writer and in any state."""

from __future__ import annotations

import logging
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import peer_runs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventwriter import EventWriter, proto, read_events, runs
from eventwriter._record import frame
from eventwriter._resume import _step_and_tags, last_steps


def by_reader(folder: Path) -> dict[str, int]:
    """The same from `read_events`, which decodes every value."""
    last: dict[str, int] = {}
    for event in read_events(folder, on_corrupt="skip"):
        if event.tag and event.step >= last.get(event.tag, event.step):
            last[event.tag] = event.step
    return last


def scalar(tag: str, step: int, **fields: object) -> bytes:
    value = proto.Summary.Value(tag=tag, simple_value=0.5)
    return proto.Event(step=step, wall_time=1.5, summary=proto.Summary(value=[value]), **fields).SerializeToString()


def write(folder: Path, *payloads: bytes, name: str = "events.out.tfevents.1", tail: bytes = b"") -> Path:
    path = folder / name
    path.write_bytes(b"".join(map(frame, payloads)) + tail)
    return path


def test_of_our_own_runs(tmp_path: Path) -> None:
    """Every kind, batches and single events, events of many values, steps of any size, over all files of the run."""
    rng = random.Random(1)
    for start in (0, 50):
        with EventWriter(tmp_path) as w:
            for step in range(start, start + 100):
                w.scalar("loss", 0.5, step)
                w.scalar("größe/✓", 0.5, rng.choice([step, step << 40, -step]))
                w.scalars({"a": 1, "b": 2, "c": 3}, step * 3)
                w.text("a", "text", 2 * step)
            w.histogram("weights", np.arange(10.0), 7 + start)
            w.pr_curve("curve", np.array([True, False]), np.array([0.9, 0.1]), 2**63 - 1)
            w.tensor("tensor", np.zeros((2, 2)), -(2**63))
            w.hparams({"lr": 0.1})
    (tmp_path / "another run").mkdir()
    write(tmp_path / "another run", scalar("not ours", 5))
    last = last_steps(tmp_path)
    assert by_reader(tmp_path) == last
    want = {"loss": 149, "a": 447, "b": 447, "weights": 57, "curve": 2**63 - 1, "tensor": -(2**63)}
    assert want == {tag: last[tag] for tag in want}


def test_of_other_peoples_runs(tmp_path: Path) -> None:
    """One of every kind by torch and by TensorFlow."""
    peer_runs.write(tmp_path)
    for run in runs(tmp_path):
        assert by_reader(tmp_path / run) == last_steps(tmp_path / run)
    assert peer_runs.MANY - 1 == last_steps(tmp_path / "torch")["many"]


def test_nothing_there(tmp_path: Path) -> None:
    """No folder, an empty one, empty files and files of something else."""
    assert {} == last_steps(tmp_path / "none")
    assert {} == last_steps(tmp_path)
    (tmp_path / "empty.tfevents").touch()
    (tmp_path / "events.out.tfevents.text").write_text("what is this" * 100)
    (tmp_path / "events.out.tfevents.zeros").write_bytes(bytes(5000))
    (tmp_path / "checkpoint").write_bytes(frame(scalar("a", 9)))
    (tmp_path / "folder.tfevents").mkdir()
    (tmp_path / "dangling.tfevents").symlink_to(tmp_path / "none")
    assert {} == last_steps(str(tmp_path))


def test_a_file_instead_of_a_folder(tmp_path: Path) -> None:
    """Says so."""
    with pytest.raises(NotADirectoryError):
        last_steps(write(tmp_path, scalar("a", 1)))


@pytest.mark.parametrize("tail", [b"", bytes(1), bytes(4096), frame(scalar("a", 9))[:-1], b"\xff" * 30, None])
def test_what_is_damaged(tmp_path: Path, tail: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    """Torn, zeros at the end, rubbish, a flipped bit: what is in front counts, silently, and so does the next file."""
    if tail is None:
        flipped = bytearray(frame(scalar("a", 9)))
        flipped[20] ^= 1
        tail = bytes(flipped) + frame(scalar("a", 10))
    write(tmp_path, scalar("a", 5), scalar("b", 70), tail=tail)
    write(tmp_path, scalar("a", 3), scalar("c", 2), name="events.out.tfevents.2")
    assert {"a": 5, "b": 70, "c": 2} == last_steps(tmp_path)
    assert [] == [r for r in caplog.records if r.levelno >= logging.WARNING]


def test_records_that_are_no_events(tmp_path: Path) -> None:
    """Are passed over."""
    bad_tag = scalar("aaaa", 8).replace(b"aaaa", b"\xff\xfe\xff\xfe")
    short = [b"", b"\x09", b"\x10", b"\x2a\x7f", b"\x2a\x02\x0a\x05", b"\x0b", b"\x10" + b"\xff" * 12, b"\xff" * 40]
    write(tmp_path, scalar("a", 1), *short, bad_tag, scalar("a", 2))
    assert {"a": 2} == last_steps(tmp_path)


def test_files_are_not_touched(tmp_path: Path) -> None:
    """Not a byte, not a time stamp, no new file; they may be read-only."""
    paths = [write(tmp_path, scalar("a", 5), tail=b"torn"), write(tmp_path, name="events.out.tfevents.0")]
    for path in paths:
        path.chmod(0o444)
    before = [(p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in paths]
    assert {"a": 5} == last_steps(tmp_path)
    assert before == [(p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_mode) for p in paths]
    assert 2 == len(os.listdir(tmp_path))


def test_the_order_of_fields_is_free(tmp_path: Path) -> None:
    """Step and wall time behind the summary, unknown fields, the tag behind the value: as protobuf reads it."""
    value = b"\x15" + bytes(4) + b"\xa0\x06\x05" + b"\x0a\x01a" + b"\xa1\x06" + bytes(8)
    summary = b"\x12\x03abc" + b"\x0a" + bytes([len(value)]) + value
    event = b"\x2a" + bytes([len(summary)]) + summary + b"\x10\x2c" + b"\x09" + bytes(8) + b"\x10\x2d" + b"\xa5\x06abcd"
    assert ("a", 45) == (
        proto.Event.FromString(event).summary.value[0].tag,
        proto.Event.FromString(event).step,
    )
    write(tmp_path, event)
    assert {"a": 45} == last_steps(tmp_path)


values = st.lists(
    st.builds(
        lambda tag, field: proto.Summary.Value(tag=tag, **field),
        st.text(st.characters(codec="utf-8"), max_size=200),
        st.sampled_from([{}, {"simple_value": 1.5}, {"tensor": proto.TensorProto(dtype=1, float_val=[1.0])}]),
    ),
    max_size=3,
)


@given(values, st.integers(-(2**63), 2**63 - 1), st.floats())
@example([], 0, 0.0)
def test_steps_and_tags_are_what_protobuf_reads(values, step, wall_time) -> None:  # type: ignore[no-untyped-def]
    """Of any Event."""
    event = proto.Event(step=step, wall_time=wall_time, summary=proto.Summary(value=values))
    want = (step, [value.tag.encode() for value in values if value.tag])
    assert want == _step_and_tags(event.SerializeToString())


@given(st.data())
def test_no_damage_raises_more_than_it_says(data: st.DataObject) -> None:
    """Whatever a record holds: IndexError, ValueError, or what protobuf agrees to if it takes the record."""
    payload = bytearray(scalar("loss/train", data.draw(st.integers(0, 2**40))))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    try:
        step, tags = _step_and_tags(bytes(payload))
    except (IndexError, ValueError):
        with pytest.raises(Exception, match=r"."):
            proto.Event.FromString(bytes(payload))
        return
    try:
        event = proto.Event.FromString(bytes(payload))
    except Exception:  # it is stricter: it looks at all that is in a value
        return
    assert event.step == step
    if not event.HasField("tagged_run_metadata"):
        assert set(tags) <= {value.tag.encode() for value in event.summary.value} | {b""}


def test_needs_no_protobuf(tmp_path: Path) -> None:
    """Nor numpy, whatever is in the files: a writer that resumes costs no import."""
    value = proto.Summary.Value(tag="t", tensor=proto.TensorProto(dtype=1, float_val=[1.0]))
    tensor = proto.Event(step=4, summary=proto.Summary(value=[value])).SerializeToString()
    write(tmp_path, scalar("a", 1), tensor)
    code = "import sys; from eventwriter._resume import last_steps; print(last_steps(sys.argv[1])); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    last, modules = run.stdout.splitlines()
    assert "{'t': 4, 'a': 1}" == last
    assert not {"numpy", "google.protobuf"} & set(modules.split())
