"""Embedding layers for the projector.

Knows: which layers have an embedding, and the files with a name for each of its rows. Must not know: how the
projector's files look, when something is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras

from eventwriter import EventWriter
from eventwriter_keras import _layers

_log = logging.getLogger("eventwriter")


class _Table(NamedTuple):
    """A metadata file: a header if it has more than one column, and the rows."""

    header: list[str] | None
    rows: list[list[str]]


class Embeddings:
    """The embedding layers of a model, each with its metadata.

    Args:
        metadata: one file for all layers, or a file for each layer's name. A relative path is relative to `log_dir`.

    Raises:
        ValueError: a name in `metadata` is no embedding layer's.
    """

    def __init__(self, model: Any, metadata: str | Mapping[str, str] | None, log_dir: str) -> None:
        self._layers = {path: layer for path, layer in _layers.walk(model) if isinstance(layer, keras.layers.Embedding)}
        self._log_dir = log_dir
        self._files: dict[str, str] = {}
        self._tables: dict[str, tuple[int, _Table]] = {}
        if isinstance(metadata, Mapping):
            names = {layer.name for layer in self._layers.values()} | set(self._layers)
            unknown = sorted(set(metadata) - names)
            if unknown:
                known = ", ".join(sorted(names)) or "there are none"
                raise ValueError(
                    f"embeddings_metadata: want names of embedding layers ({known}), got {', '.join(unknown)}"
                )
            self._files = {
                path: metadata.get(path, metadata.get(layer.name, "")) for path, layer in self._layers.items()
            }
        elif metadata is not None:
            self._files = dict.fromkeys(self._layers, metadata)

    def log(self, writer: EventWriter, step: int) -> None:
        """Write the embeddings as they are now as `PATH:STEP`."""
        for path, layer in self._layers.items():
            table: Any = keras.ops.convert_to_tensor(layer.embeddings)
            metadata = self._metadata(path, int(table.shape[0]))
            header, rows = (None, None) if metadata is None else metadata
            flat = rows if header or rows is None else ["".join(row) for row in rows]
            writer.embedding(path, table, step, metadata=flat, metadata_header=header)

    def _metadata(self, path: str, count: int) -> _Table | None:
        """The names of `count` rows. A file that is not there, or has another number of rows, is a warning."""
        name = self._files.get(path)
        if not name:
            return None
        file = Path(self._log_dir, name)
        try:
            changed = file.stat().st_mtime_ns
            known = self._tables.get(path)
            if known is not None and known[0] == changed:
                return known[1]
            table = _read(file)
        except (OSError, UnicodeDecodeError) as error:
            _log.warning("embeddings_metadata: %s is shown without names: %s", path, error)
            return None
        if len(table.rows) != count:
            _log.warning("embeddings_metadata: %s: want %d rows in %s, got %d", path, count, file, len(table.rows))
            missing = [[f"#{row}", *[""] * (len(table.header or [""]) - 1)] for row in range(len(table.rows), count)]
            table = _Table(table.header, table.rows[:count] + missing)
        self._tables[path] = changed, table
        return table


def _read(file: Path) -> _Table:
    """A file of tab-separated values, which has a header if it has more than one column."""
    lines = [line.split("\t") for line in file.read_text("utf-8").splitlines()]
    if not lines or len(lines[0]) == 1:
        return _Table(None, [line[:1] for line in lines])
    header, *rows = lines
    width = len(header)
    return _Table(header, [(row + [""] * width)[:width] for row in rows])
