"""Text, for TensorBoard's Text dashboard.

Knows: what the text plugin reads: a string tensor of markdown, shown as a paragraph (rank 0) or as a table of one
or two dimensions (tensorboard/plugins/text/text_plugin.py). Must not know: other kinds.
"""

from __future__ import annotations

from typing import Any

from eventwriter._proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
from eventwriter._proto.tensor_pb2 import TensorProto
from eventwriter._proto.types_pb2 import DT_STRING
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import check_texts, metadata


def text(tag: str, data: Any, *, description: str | None = None, display_name: str | None = None) -> Deferred:
    """Markdown, or a list or table of it.

    Args:
        data: a str; or strs in lists, tuples or an array of any rank (TensorBoard shows the first two dimensions, and
            says so where there are more). UTF-8 bytes count as str.

    Raises:
        TypeError: something in it is no str. ValueError: rows of different lengths, or what cannot be UTF-8.
    """
    what = f"text {tag!r}"
    check_texts(what, description, display_name)
    shape, strings = flat(what, data)

    def encode() -> list[Summary.Value]:
        # The plugin's content is a `TextPluginData` of version 0: no bytes.
        about = metadata("text", b"", DATA_CLASS_TENSOR, description, display_name)
        return [Summary.Value(tag=tag, metadata=about, tensor=string_tensor(shape, strings))]

    return Deferred(sum(map(len, strings)), encode, what)


def flat(what: str, data: Any) -> tuple[list[int], list[bytes]]:
    """Shape and elements, in row-major order, of strings in lists or arrays. `what` is the kind and the tag."""
    if not isinstance(data, str | bytes | list | tuple):
        from eventwriter import _array

        array = _array.as_numpy(data, what)
        if not array.size:
            return list(array.shape), []
        data = array.tolist()
    shape: list[int] = []
    level = [data]
    while isinstance(level[0], list | tuple):
        length = len(level[0])
        for row in level:
            if not isinstance(row, list | tuple) or len(row) != length:
                got = len(row) if isinstance(row, list | tuple) else type(row).__name__
                raise ValueError(f"{what}: want rows of one length, got {length} and {got}")
        shape.append(length)
        level = [element for row in level for element in row]
        if not level:
            break
    return shape, [_utf8(what, element) for element in level]


def string_tensor(shape: list[int], strings: list[bytes]) -> TensorProto:
    tensor = TensorProto(dtype=DT_STRING, string_val=strings)
    tensor.tensor_shape.SetInParent()
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


def _utf8(what: str, value: Any) -> bytes:
    try:
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, bytes):
            value.decode()
            return bytes(value)
    except UnicodeError as error:
        raise ValueError(f"{what}: want text that can be UTF-8, got {value[:40]!r}: {error}") from None
    raise TypeError(f"{what}: want a str, or strs in a list or array, got {type(value).__name__}")
