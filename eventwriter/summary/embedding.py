"""Embeddings, for TensorBoard's projector.

Knows: the files the projector reads beside a run's event files, and how several writers share `projector_config.pbtxt`
(tensorboard/plugins/projector). Must not know: event files, other kinds.

    LOGDIR/projector_config.pbtxt          which embeddings there are, in protobuf's text format
    LOGDIR/00042/my%2ftag/tensors.bytes    rows of float32, or tensors.tsv
    LOGDIR/00042/my%2ftag/metadata.tsv     a line for each row
    LOGDIR/00042/my%2ftag/sprite.png       an image for each row, in a square grid

There is no event: the writer calls `embedding` in the log call, puts what it returns into the queue, where `nbytes`
counts, and calls its `write()` on the flush thread. `write()` raises OSError if the disk fails.
"""

from __future__ import annotations

import fcntl
import operator
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
import numpy.typing as npt
from google.protobuf import text_format

from eventwriter import _array
from eventwriter._proto.projector_pb2 import EmbeddingInfo, ProjectorConfig

CONFIG = "projector_config.pbtxt"

# The projector refuses larger sprites.
_LARGEST_SPRITE = 8192

# Seconds to wait for another writer's merge, which takes milliseconds.
_PATIENCE = 5.0


class EmbeddingFiles:
    """The checked snapshot of one embedding, and how to write its files.

    Attributes:
        nbytes: memory the snapshot holds until it is written.
    """

    def __init__(
        self,
        logdir: Path,
        folder: str,
        name: str,
        rows: npt.NDArray[np.float32],
        labels: list[str] | None,
        images: npt.NDArray[np.uint8] | None,
    ) -> None:
        self._logdir = logdir
        self._folder = folder
        self._name = name
        self._rows = rows
        self._labels = labels
        self._images = images
        self.nbytes = rows.nbytes + sum(map(len, labels or ())) + (0 if images is None else images.nbytes)

    def write(self) -> None:
        """Write the files, then add the embedding to the config. Writing again gives the same files."""
        (self._logdir / self._folder).mkdir(parents=True, exist_ok=True)
        info = EmbeddingInfo(tensor_name=self._name, tensor_shape=self._rows.shape)
        content = np.ascontiguousarray(self._rows, "<f4").data.cast("B")
        if _is_surely_binary(content):
            info.tensor_path = self._put("tensors.bytes", content)
        else:
            table = "".join("\t".join(map(str, row)) + "\n" for row in self._rows)
            info.tensor_path = self._put("tensors.tsv", table.encode())
        if self._labels is not None:
            text = "".join(f"{line}\n" for line in self._labels)
            info.metadata_path = self._put("metadata.tsv", text.encode(errors="backslashreplace"))
        if self._images is not None:
            from eventwriter import _png  # loaded already, by `embedding`

            sprite, height, width = _sprite(self._images)
            info.sprite.image_path = self._put("sprite.png", _png.encode(sprite))
            info.sprite.single_image_dim.extend([width, height])
        _add_to_config(self._logdir, info)

    def _put(self, name: str, content: bytes | memoryview) -> str:
        """The path relative to the config."""
        path = f"{self._folder}/{name}"
        _replace(self._logdir / path, content)
        return path


def embedding(
    logdir: str | os.PathLike[str],
    tag: str,
    mat: Any,
    *,
    metadata: Sequence[Any] | None = None,
    metadata_header: Sequence[str] | None = None,
    label_img: Any = None,
    step: SupportsIndex = 0,
) -> EmbeddingFiles:
    """An embedding: points that the projector shows, with labels and images.

    Args:
        logdir: the run's folder.
        tag: the embedding's name, which the projector shows as `TAG:00042` for step 42.
        mat: [n, d] numbers, stored as float32.
        metadata: a label for each point: anything with a str; with `metadata_header`, a sequence of them.
        metadata_header: the names of the columns of `metadata`.
        label_img: [n, channels, height, width], or [n, height, width, channels] if only the last can be 1, 3 or 4
            channels: floats from 0 to 1, or ints from 0 to 255. Scaled down if all together are too large a sprite.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"embedding {tag!r}"
    rows = _array.snapshot(mat, what)
    if rows.dtype.kind not in "biuf":
        raise TypeError(f"{what}: want real numbers, got dtype {rows.dtype}")
    if rows.ndim != 2 or not rows.size:
        raise ValueError(f"{what}: want points of shape [n, d], got {rows.shape}")
    number = operator.index(step)
    folder = f"{number:05d}/{_file_name(what, tag)}"
    if label_img is not None:
        from eventwriter import _png  # noqa: F401 -- imported here: a fork while the flush thread imports breaks the child
    labels = None if metadata is None else _labels(what, rows.shape[0], metadata, metadata_header)
    images = None if label_img is None else _images(what, rows.shape[0], label_img)
    return EmbeddingFiles(
        Path(logdir), folder, f"{tag}:{number:05d}", rows.astype(np.float32, copy=False), labels, images
    )


def _file_name(what: str, tag: str) -> str:
    """The tag as torch encodes it, and never the folder itself or the one above."""
    name = tag.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c").replace("\0", "%00")
    if name in (".", ".."):
        name = name.replace(".", "%2e")
    if not 0 < len(name.encode()) <= 255:
        raise ValueError(f"{what}: want a tag that makes a file name of at most 255 bytes")
    return name


def _labels(what: str, n: int, metadata: Sequence[Any], header: Sequence[str] | None) -> list[str]:
    """The lines of `metadata.tsv`.

    The projector takes a first line with a tab for the header, and skips lines without a visible character.
    """
    if len(metadata) != n:
        raise ValueError(f"{what}: want metadata for {n} points, got {len(metadata)}")
    if not header:
        return [_cell(label) or "-" for label in metadata]
    lines = []
    for cells in metadata:
        if isinstance(cells, str) or not hasattr(cells, "__len__") or len(cells) != len(header):
            got = type(cells).__name__ if isinstance(cells, str) or not hasattr(cells, "__len__") else len(cells)
            raise ValueError(f"{what}: want {len(header)} columns of metadata, as in its header, got {got}")
        line = "\t".join(map(_cell, cells))
        lines.append(line if line.strip() else f"-{line}")
    return lines if len(header) == 1 else ["\t".join(_cell(name) or "-" for name in header), *lines]


def _cell(value: Any) -> str:
    return " ".join(str(value).split())


def _images(what: str, n: int, data: Any) -> npt.NDArray[np.uint8]:
    """[n, height, width, channels], channels 3 or 4."""
    images: npt.NDArray[Any] = _array.snapshot(data, f"{what}: label_img")
    if images.dtype.kind not in "biuf":
        raise TypeError(f"{what}: want real numbers as label_img, got dtype {images.dtype}")
    if images.ndim != 4 or not images.size or images.shape[0] != n:
        raise ValueError(f"{what}: want label_img of shape [{n}, channels, height, width], got {images.shape}")
    if images.shape[1] in (1, 3, 4):
        images = images.transpose(0, 2, 3, 1)
    elif images.shape[3] not in (1, 3, 4):
        raise ValueError(f"{what}: want label_img with 1, 3 or 4 channels, got shape {images.shape}")
    if images.dtype.kind in "bf":
        images = np.nan_to_num(images.astype(np.float32)) * 255
    if images.dtype != np.uint8:
        images = np.clip(images, 0, 255).astype(np.uint8)
    colored: npt.NDArray[np.uint8] = images.repeat(3, axis=3) if images.shape[3] == 1 else images
    return colored


def _sprite(images: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], int, int]:
    """A square grid of the images, row by row, and the height and width each has in it."""
    n, height, width, channels = images.shape
    side = 1
    while side * side < n:
        side += 1
    most = _LARGEST_SPRITE // side
    if most == 0:
        raise ValueError(f"embedding: want at most {_LARGEST_SPRITE}**2 images for a sprite, got {n}")
    shrink = max(1.0, max(height, width) / most)
    height, width = max(1, int(height / shrink)), max(1, int(width / shrink))
    grid = np.zeros((side, height, side, width, channels), np.uint8)
    for index, image in enumerate(images):
        if shrink > 1:
            image = _averaged(_averaged(image, 0, height), 1, width)
        grid[index // side, :, index % side] = image
    return grid.reshape(side * height, side * width, channels), height, width


def _averaged(image: npt.NDArray[np.uint8], axis: int, size: int) -> npt.NDArray[np.uint8]:
    """`size` means of neighbours along the first or second axis."""
    starts = np.arange(size) * image.shape[axis] // size
    lengths = np.diff(np.append(starts, image.shape[axis])).astype(np.uint32)
    sums = np.add.reduceat(image, starts, axis=axis, dtype=np.uint32)
    means: npt.NDArray[np.uint8] = (sums // lengths.reshape((-1, 1, 1) if axis == 0 else (-1, 1))).astype(np.uint8)
    return means


def _is_surely_binary(content: memoryview) -> bool:
    """Whether the projector takes a tensor file for binary: it tries to read it as text, line by line, first."""
    start = content[:65536].tobytes()
    line = start.replace(b"\r", b"\n").partition(b"\n")[0]
    try:
        line.decode()
    except UnicodeDecodeError as error:
        # Not where only the end of this start cuts a character off.
        return error.end < len(start) or len(start) == len(content)
    return False


def _add_to_config(logdir: Path, info: EmbeddingInfo) -> None:
    """Add or replace one embedding in the config, whoever else does so at the same time."""
    path = logdir / CONFIG
    with _locked(logdir / f".{CONFIG}.lock"):
        config = ProjectorConfig()
        if path.exists():
            try:
                text_format.Parse(path.read_text("utf-8"), config)
            except (text_format.ParseError, UnicodeDecodeError) as error:
                raise ValueError(f"{path}: want a projector config to add to, got: {error}") from None
        others = [other for other in config.embeddings if other.tensor_name != info.tensor_name]
        del config.embeddings[:]
        config.embeddings.extend([*others, info])
        _replace(path, text_format.MessageToString(config, as_utf8=True).encode())


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """An exclusive lock between processes and threads, if the file system has locks and nobody sits on it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        patience = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > patience:
                    break
                time.sleep(0.002)
            except OSError:  # no locks here, as on some network file systems
                break
        yield
    finally:
        os.close(descriptor)


def _replace(path: Path, content: bytes | memoryview) -> None:
    """Write a file so that readers find the old one or the whole new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
