"""Event files of any writer to a stream of events, tolerant of a file that is still being written.

Knows: which files make up a run, and the wire format of an event of one plain scalar. Must not know: how
events are written; what any other event looks like (`_decode` does).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from eventwriter._record import FOOTER, HEADER, RecordReader
from eventwriter.errors import CorruptRecord

if TYPE_CHECKING:
    from eventwriter._decode import Decode, Plugins

_WALL_TIME = Struct("<xd").unpack_from
_VALUE = Struct("<f").unpack_from

# The shortest event with a scalar: wall time 9 bytes, summary 2, value 2, an empty tag 2, float 5. The
# longest varint after the wall time ends here too, so no index below is out of range.
_SHORTEST_SCALAR = 20
_MAX_KNOWN_TAGS = 65536


class Event(NamedTuple):
    """One value of one event.

    Attributes:
        tag: its name; empty for kinds that have none (`graph`, `meta_graph`, `session_log`).
        step: int64.
        wall_time: seconds since 1970. May be NaN in files of other writers.
        kind: what `value` is:

            ================  ======================================================================
            `scalar`          float, from a legacy `simple_value` or a tensor of any real dtype
            `histogram`       array [k, 3] of (left edge, right edge, count), legacy ones too
            `image`           `Images(width, height, encoded)`: the bytes of a PNG or GIF for each image
            `audio`           `Audio(encoded, labels)`: the bytes of a WAV file for each clip
            `text`            str, or nested lists of str
            `pr_curve`        array [6, thresholds]: TP, FP, TN, FN, precision, recall
            `mesh`            array: vertices, faces or colours, as the end of the tag says
            `hparams`         dict: `experiment`, `session_start_info` or `session_end_info`
            `custom_scalars`  dict: the layout
            `tensor`          array; nested lists of bytes for strings; the value of an unknown plugin,
                              or one that is not what its plugin wants; None for no value at all
            `graph`           bytes of a GraphDef
            `meta_graph`      bytes of a MetaGraphDef
            `run_metadata`    bytes of a RunMetadata
            `keras_model`     str, JSON
            `session_log`     `"start"`, `"stop"`, `"checkpoint"` or `"unspecified"`
            ================  ======================================================================

        value: see `kind`. Arrays are read-only and may share one element among all places.
    """

    tag: str
    step: int
    wall_time: float
    kind: str
    value: Any


def read_events(path: str | os.PathLike[str], *, on_corrupt: Literal["raise", "skip"] = "raise") -> Iterator[Event]:
    """Iterates over the values in an event file, or in all event files of a run's folder.

    A run's files are read in the order of their names, each to its end, as TensorBoard does. Folders within
    the folder are other runs (see `runs`). Files of any writer will do. An event without a value
    (`file_version`) gives nothing. A torn tail (the last record of a file that is being written, or whose
    writer was killed) ends the file quietly. Memory: a chunk, the largest record, a few bytes for each tag.

    Args:
        path: an event file of any name, or a folder: then the files with `tfevents` in their name.
        on_corrupt: what to do about a broken record. `"raise"` is CorruptRecord. `"skip"`, for who wants
            all that can be read, logs a warning to the logger `eventwriter` and goes on: with the next
            record, if this one is whole and only its content makes no sense; else with the next file,
            since nothing says where the next record begins (`eventwriter salvage` looks for it).

    Raises:
        CorruptRecord: with the file and the byte offset of the record.
        OSError: a file cannot be read. A missing `path` raises at once, the rest while iterating.
        ValueError: another `on_corrupt`.
    """
    if on_corrupt not in ("raise", "skip"):
        raise ValueError(f"on_corrupt: want 'raise' or 'skip', got {on_corrupt!r}")
    path = Path(path)
    path.stat()
    return _read(event_files(path) if path.is_dir() else [path], skip=on_corrupt == "skip")


def event_files(folder: Path) -> list[Path]:
    """The event files directly in a folder, in the order of their names."""
    return sorted(file for file in folder.iterdir() if "tfevents" in file.name and file.is_file())


def runs(logdir: str | os.PathLike[str]) -> list[str]:
    """The runs in `logdir`, sorted: the folders that hold event files, relative to it; `"."` for itself.

    Follows links to folders, as TensorBoard does, each folder once. Raises OSError if `logdir` is no folder
    that can be read.
    """
    root = Path(logdir)
    next(root.iterdir(), None)  # os.walk keeps silent about a missing folder.
    found, seen = [], set()
    for folder, subfolders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            subfolders.clear()
            continue
        seen.add(real)
        if any("tfevents" in file for file in files):
            found.append(Path(folder).relative_to(root).as_posix())
    return sorted(found)


def _read(files: list[Path], *, skip: bool) -> Iterator[Event]:
    plugins: Plugins = {}
    tags: dict[bytes, str] = {}
    for file in files:
        yield from _read_file(file, plugins, tags, skip=skip)


def _read_file(path: Path, plugins: Plugins, tags: dict[bytes, str], *, skip: bool) -> Iterator[Event]:
    new = tuple.__new__
    decode: Decode | None = None
    with path.open("rb", buffering=0) as file:
        records = RecordReader(file)
        report = _Reporter(path, skip=skip)
        for payload in records:
            # A plain scalar by hand, as protobuf takes five times as long. After the wall time, the step.
            if len(payload) >= _SHORTEST_SCALAR and payload[0] == 0x09:
                step, at = 0, 9
                if payload[9] == 0x10:
                    step, at = payload[10], 11
                    if step >= 0x80:
                        step, at = _varint(payload, 10)
                # From there to the float, all events of a tag have equal bytes, which are parsed once.
                same = payload[at:-4]
                tag = tags.get(same)
                if tag is None:
                    tag = _scalar_tag(same)
                    if tag is not None:
                        if len(tags) >= _MAX_KNOWN_TAGS:
                            tags.clear()
                        tags[same] = tag
                if tag is not None:
                    wall_time, value = _WALL_TIME(payload)[0], _VALUE(payload, len(payload) - 4)[0]
                    yield new(Event, (tag, step, wall_time, "scalar", value))
                    continue

            if decode is None:
                from eventwriter import _decode  # Here, since files of plain scalars need no numpy or protobuf.

                decode = _decode.decode
            report.offset = records.offset - len(payload) - HEADER - FOOTER
            for values in decode(payload, plugins, report):
                yield new(Event, values)

        if records.stop is not None and not records.stop.call_again:
            report.offset = records.offset
            report(records.stop.reason)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number below 2^63 that begins at `at`, and where it ends; (0, 0) if it is greater or unfinished."""
    value = shift = 0
    for byte in data[at : at + 9]:
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    return 0, 0


def _scalar_tag(same: bytes) -> str | None:
    """The tag, if these bytes are all between the step and the float of an event of one plain scalar.

    That is `2a <len>` and the Summary, which is `0a <len>` and one Value, which is `0a <len> <tag>` and `15`
    in front of the float's four bytes.
    """
    at = 0
    for key, beyond in ((b"\x2a", 4), (b"\x0a", 4), (b"\x0a", -1)):
        if same[at : at + 1] != key:
            return None
        length, at = _varint(same, at + 1)
        if at == 0 or at + length != len(same) + beyond:
            return None
    if same[-1] != 0x15:
        return None
    try:
        return same[at:-1].decode()
    except UnicodeDecodeError:
        return None  # No Event at all: protobuf refuses it.


class _Reporter:
    """Says what is wrong with the record at `offset`: raises, or logs and returns."""

    def __init__(self, path: Path, *, skip: bool) -> None:
        self.offset = 0
        self._path = str(path)
        self._skip = skip

    def __call__(self, reason: str) -> None:
        error = CorruptRecord(self._path, self.offset, reason)
        if not self._skip:
            raise error
        import logging

        logging.getLogger("eventwriter").warning("%s", error)
