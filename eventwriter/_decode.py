"""One Event of any writer, from its bytes to kinds and plain Python or numpy values.

Knows the shape of every kind on the wire: the legacy ones (`simple_value`, `histo`, `image`, `audio`) and the
tensors with a plugin's metadata that replaced them. Knows nothing of files or records, nor of the writer.

A value that is not what its plugin wants is no error: its kind is `"tensor"`. Imports numpy and protobuf, so
`reader` imports this late, when it meets something other than a plain scalar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError, Message
from numpy.typing import NDArray

from eventwriter._proto import custom_scalar_pb2, event_pb2, hparams_pb2, types_pb2

if TYPE_CHECKING:
    from eventwriter._proto.summary_pb2 import HistogramProto, Summary
    from eventwriter._proto.tensor_pb2 import TensorProto


Array = NDArray[Any]


class Images(NamedTuple):
    """The images of one step: their common size in pixels (0: not known), and each as a PNG or GIF file."""

    width: int
    height: int
    encoded: list[bytes]


class Audio(NamedTuple):
    """The clips of one step, each as a WAV file, and a label for each (none in legacy files)."""

    encoded: list[bytes]
    labels: list[str]


class TensorError(ValueError):
    """A tensor that contradicts itself: its elements do not fill its shape."""


#: plugin name -> kind, of the plugins that come with TensorBoard.
KIND = {
    "scalars": "scalar",
    "histograms": "histogram",
    "images": "image",
    "audio": "audio",
    "text": "text",
    "pr_curves": "pr_curve",
    "mesh": "mesh",
    "hparams": "hparams",
    "custom_scalars": "custom_scalars",
    "graph_run_metadata": "run_metadata",
    "graph_run_metadata_graph": "run_metadata",
    "graph_keras_model": "keras_model",
}


# What a run remembers of each tag: plugin name and content of its first metadata.
Plugins = dict[str, tuple[str, bytes]]
Decode = Callable[[bytes, Plugins, Callable[[str], None]], Iterator[tuple[str, int, float, str, Any]]]


def parse(payload: bytes) -> event_pb2.Event | None:
    """The Event in a record, or None if it is something else."""
    try:
        return event_pb2.Event.FromString(payload)
    except (DecodeError, UnicodeDecodeError):  # The second from protobuf's pure Python version only.
        return None


def decode(
    payload: bytes, plugins: Plugins, report: Callable[[str], None]
) -> Iterator[tuple[str, int, float, str, Any]]:
    """Tag, step, wall time, kind and value of each value in the Event that `payload` is.

    What makes no sense is left out, and `report` told why. `plugins` is updated.
    """
    event = parse(payload)
    if event is None:
        report("its content is not an Event")
        return
    step, wall_time = event.step, event.wall_time
    what = event.WhichOneof("what")
    if what == "summary":
        for value in event.summary.value:
            tag = value.tag
            # The first metadata of a tag holds for the whole run; later values may omit it.
            if tag not in plugins and value.HasField("metadata"):
                data = value.metadata.plugin_data
                plugins[tag] = (data.plugin_name, data.content if data.plugin_name == "hparams" else b"")
            try:
                kind, decoded = _value(value, *plugins.get(tag, ("", b"")))
            except TensorError as error:
                report(f"{tag!r}: {error}")
                continue
            yield tag, step, wall_time, kind, decoded
    elif what == "graph_def":
        yield "", step, wall_time, "graph", event.graph_def
    elif what == "meta_graph_def":
        yield "", step, wall_time, "meta_graph", event.meta_graph_def
    elif what == "tagged_run_metadata":
        metadata = event.tagged_run_metadata
        yield metadata.tag, step, wall_time, "run_metadata", metadata.run_metadata
    elif what == "session_log":
        status = {1: "start", 2: "stop", 3: "checkpoint"}.get(event.session_log.status, "unspecified")
        yield "", step, wall_time, "session_log", status


def _value(value: Summary.Value, plugin: str, content: bytes) -> tuple[str, Any]:
    """The kind and the value. `plugin`, `content`: of the tag's first metadata. Raises TensorError."""
    field = value.WhichOneof("value")
    if field == "simple_value":
        return "scalar", value.simple_value
    if field == "histo":
        return "histogram", _legacy_histogram(value.histo)
    if field == "image":
        image = value.image
        return "image", Images(image.width, image.height, [image.encoded_image_string])
    if field == "audio":
        return "audio", Audio([value.audio.encoded_audio_string], [])
    if plugin == "hparams":
        # Its content is the value; the tensor beside it is empty.
        return _message("hparams", hparams_pb2.HParamsPluginData, content)
    if field == "tensor":
        tensor = value.tensor
        # The common new-style scalar, three times as fast as by numpy.
        if plugin == "scalars" and tensor.dtype == types_pb2.DT_FLOAT and not tensor.tensor_shape.dim:
            listed = tensor.float_val
            if len(listed) == 1 and not tensor.tensor_content:
                return "scalar", listed[0]
        kind = KIND.get(plugin, "tensor")
        array = _tensor(tensor)
        fit = _FIT.get(kind)
        fitted = None if fit is None else fit(array)
        return ("tensor", array) if fitted is None else (kind, fitted)
    return "tensor", value.obsolete_old_style_histogram or None


# From the plugin's tensor to the kind's value; None if it does not fit.


def _scalar(array: Any) -> float | None:
    if isinstance(array, np.ndarray) and array.size == 1 and array.dtype.kind in "fiub":
        return float(array.reshape(())[()])
    return None


def _histogram(array: Any) -> Array | None:
    if isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] == 3 and array.dtype.kind == "f":
        return array
    return None


def _images(array: Any) -> Images | None:
    if not _is_flat(array) or len(array) < 2:
        return None
    try:
        return Images(int(array[0]), int(array[1]), array[2:])
    except ValueError:
        return None


def _audio(array: Any) -> Audio | None:
    if _is_flat(array):
        return Audio(array, [])
    if isinstance(array, list) and all(_is_flat(pair) and len(pair) == 2 for pair in array):
        return Audio([clip for clip, _ in array], [label.decode(errors="replace") for _, label in array])
    return None


def _text(array: Any) -> Any:
    if isinstance(array, bytes):
        return array.decode(errors="replace")
    if isinstance(array, list):
        return [_text(item) for item in array]
    return None


def _numbers(array: Any) -> Array | None:
    return array if isinstance(array, np.ndarray) else None


def _layout(array: Any) -> dict[str, Any] | None:
    if not isinstance(array, bytes):
        return None
    kind, value = _message("custom_scalars", custom_scalar_pb2.Layout, array)
    return None if kind == "tensor" else value


def _blob(array: Any) -> Any:
    return array if isinstance(array, bytes | list) else None


def _is_flat(array: Any) -> bool:
    return isinstance(array, list) and all(isinstance(item, bytes) for item in array)


_FIT: dict[str, Callable[[Any], Any]] = {
    "scalar": _scalar,
    "histogram": _histogram,
    "image": _images,
    "audio": _audio,
    "text": _text,
    "pr_curve": _numbers,
    "mesh": _numbers,
    "custom_scalars": _layout,
    "run_metadata": _blob,
    "keras_model": _text,
}


def _legacy_histogram(histo: HistogramProto) -> Array:
    """Rows of (left, right, count), as TensorBoard shows them (tensorboard/data_compat.py): without the empty
    buckets at either end, and the smallest and largest value as outermost edges (+-DBL_MAX in some files).
    """
    count = np.fromiter(histo.bucket, np.float64)
    limit = np.fromiter(histo.bucket_limit, np.float64)
    n = min(len(count), len(limit))
    full = np.flatnonzero(count[:n] > 0)
    if len(full) == 0:
        return np.zeros((0, 3))
    first, last = int(full[0]), int(full[-1])
    inner = limit[first:last]
    left = np.concatenate(([histo.min], inner))
    right = np.concatenate((inner, [histo.max]))
    return np.stack((left, right, count[first : last + 1]), axis=1)


# dtype -> (numpy dtype, the field that lists its elements, numpy dtype of that field)
_NUMERIC: dict[int, tuple[str, str, str]] = {
    types_pb2.DT_FLOAT: ("<f4", "float_val", "<f4"),
    types_pb2.DT_DOUBLE: ("<f8", "double_val", "<f8"),
    types_pb2.DT_INT8: ("i1", "int_val", "<i4"),
    types_pb2.DT_INT16: ("<i2", "int_val", "<i4"),
    types_pb2.DT_INT32: ("<i4", "int_val", "<i4"),
    types_pb2.DT_INT64: ("<i8", "int64_val", "<i8"),
    types_pb2.DT_UINT8: ("u1", "int_val", "<i4"),
    types_pb2.DT_UINT16: ("<u2", "int_val", "<i4"),
    types_pb2.DT_UINT32: ("<u4", "uint32_val", "<u4"),
    types_pb2.DT_UINT64: ("<u8", "uint64_val", "<u8"),
    types_pb2.DT_BOOL: ("?", "bool_val", "?"),
    types_pb2.DT_COMPLEX64: ("<c8", "scomplex_val", "<f4"),
    types_pb2.DT_COMPLEX128: ("<c16", "dcomplex_val", "<f8"),
    # Both are listed as the integers that their bits spell. numpy has no bfloat16.
    types_pb2.DT_HALF: ("<u2", "half_val", "<i4"),
    types_pb2.DT_BFLOAT16: ("<u2", "half_val", "<i4"),
}
_MAX_RANK = 32  # numpy 1's limit


def _tensor(tensor: TensorProto) -> Any:
    """A read-only array; for strings nested lists of bytes; for an exotic dtype the bytes of the message."""
    if tensor.tensor_shape.unknown_rank or len(tensor.tensor_shape.dim) > _MAX_RANK:
        raise TensorError("tensor of unknown rank, or of more than 32 dimensions")
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if min(shape, default=0) < 0:
        raise TensorError(f"tensor of shape {shape}")
    size = math.prod(shape)
    if tensor.dtype == types_pb2.DT_STRING:
        if len(tensor.string_val) != size:
            raise TensorError(f"{len(tensor.string_val)} strings for a tensor of shape {shape}")
        return _nested(list(tensor.string_val), shape)
    if tensor.dtype not in _NUMERIC:
        return tensor.SerializeToString()

    name, field, listed_as = _NUMERIC[tensor.dtype]
    try:
        array = _elements(tensor, np.dtype(name), field, listed_as)
        # A single element may stand for all of them. It stays one in memory: the shape may be a lie.
        return np.broadcast_to(array.reshape(()) if array.size == 1 else array.reshape(shape), shape)
    except ValueError:
        raise TensorError(f"elements of a tensor do not fill its shape {shape}") from None


def _elements(tensor: TensorProto, dtype: np.dtype[Any], field: str, listed_as: str) -> Array:
    if tensor.tensor_content:
        elements = np.frombuffer(tensor.tensor_content, dtype)
    else:
        listed = np.fromiter(getattr(tensor, field), listed_as)
        elements = listed.view(dtype) if dtype.kind == "c" else listed.astype(dtype)
    if tensor.dtype == types_pb2.DT_HALF:
        return elements.view("<f2")
    if tensor.dtype == types_pb2.DT_BFLOAT16:
        return (elements.astype("<u4") << 16).view("<f4")
    return elements


def _nested(flat: list[bytes], shape: list[int]) -> Any:
    if not shape:
        return flat[0]
    if not flat:
        return []  # Not one list for each of 10^18 empty rows.
    for width in reversed(shape[1:]):
        flat = [flat[at : at + width] for at in range(0, len(flat), width)]  # type: ignore[misc] # one level deeper
    return flat


def _message(kind: str, message: type[Message], data: bytes) -> tuple[str, Any]:
    parsed = message()
    try:
        parsed.ParseFromString(data)
    except DecodeError:
        return "tensor", data
    return kind, _plain(parsed)


def _plain(value: Any) -> Any:
    """A message as a dict of the fields that are set; a `google.protobuf.Value` as what it holds."""
    if not isinstance(value, Message):
        if isinstance(value, str | bytes | int | float):
            return value
        if isinstance(value, Mapping):
            return {key: _plain(item) for key, item in value.items()}
        return [_plain(item) for item in value]
    fields = {field.name: item for field, item in value.ListFields()}
    name = value.DESCRIPTOR.full_name
    if name == "google.protobuf.Value":
        return next((None if key == "null_value" else _plain(item) for key, item in fields.items()), None)
    if name == "google.protobuf.Struct":
        return _plain(fields.get("fields", {}))
    if name == "google.protobuf.ListValue":
        return _plain(fields.get("values", []))
    return {key: _plain(item) for key, item in fields.items()}
