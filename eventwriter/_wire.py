"""Events in protobuf's wire format, as far as the writer makes them by hand.

Knows: how an Event that holds scalars, and the few that every file begins with, are laid out in bytes. Must not
know: records, clocks, files, threads, numpy.

The bytes are exactly what protobuf's own serialiser gives for the same message (field numbers from
tensorflow/core/util/event.proto and framework/summary.proto)::

    Event   = 09 <wall time f64>  10 <step varint>  2a <len> Summary
    Summary = 0a <len> Value …
    Value   = 0a <len> <tag>  15 <value f32>

A field that holds its default is left out: a step of 0, a wall time of +0.0.
"""

from __future__ import annotations

import struct

_F64 = struct.Struct("<d")
_F32 = struct.Struct("<f")
_U64 = 0xFFFFFFFFFFFFFFFF


def varint(n: int) -> bytes:
    """`n`, an int64, as a protobuf varint: negative numbers take 10 bytes."""
    n &= _U64
    if n < 0x80:
        return bytes((n,))
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def float32(value: float) -> bytes:
    """`value` rounded to float32; beyond its range it is an infinity, not an error."""
    try:
        return _F32.pack(value)
    except OverflowError:
        return _F32.pack(float("inf") if value > 0 else float("-inf"))


def event_head(wall_time: float, step: int) -> bytes:
    """The fields of an Event before its content: wall time and step."""
    head = b"\x09" + _F64.pack(wall_time)
    if head == b"\x09" + bytes(8):
        head = b""
    return head + b"\x10" + varint(step) if step else head


def value_prefix(tag: bytes) -> bytes:
    """A Summary.Value within its Summary, up to where the float32 begins."""
    body = b"\x0a" + varint(len(tag)) + tag + b"\x15"
    return b"\x0a" + varint(len(body) + 4) + body


def delimited(key: bytes, content: bytes) -> bytes:
    """A field that holds bytes, a string or a message; `key` is its number << 3 | 2, as a varint."""
    return key + varint(len(content)) + content


def summary_field(summary: bytes) -> bytes:
    """A serialised Summary as the content of an Event."""
    return delimited(b"\x2a", summary)


def graph_def(graph: bytes) -> bytes:
    """A serialised GraphDef as the content of an Event."""
    return delimited(b"\x22", graph)


def tagged_run_metadata(tag: str, run_metadata: bytes) -> bytes:
    """A serialised RunMetadata as the content of an Event."""
    return delimited(b"\x42", delimited(b"\x0a", tag.encode()) + delimited(b"\x12", run_metadata))


def file_version(writer: str) -> bytes:
    """What the first event of a file holds: file_version and source_metadata.writer."""
    return delimited(b"\x1a", b"brain.Event:2") + delimited(b"\x52", delimited(b"\x0a", writer.encode()))


def text(tag: str, words: str) -> bytes:
    """A text for the Text dashboard as the content of an Event: a string tensor of rank 0, with metadata."""
    tensor = b"\x08\x07" + b"\x12\x00" + delimited(b"\x42", words.encode())  # dtype DT_STRING, shape {}, string_val
    # plugin_data { plugin_name }, data_class DATA_CLASS_TENSOR
    about = delimited(b"\x0a", delimited(b"\x0a", b"text")) + b"\x20\x02"
    value = delimited(b"\x0a", tag.encode()) + delimited(b"\x42", tensor) + delimited(b"\x4a", about)
    return summary_field(delimited(b"\x0a", value))


# session_log { status: START }
SESSION_START = delimited(b"\x3a", b"\x08\x01")
