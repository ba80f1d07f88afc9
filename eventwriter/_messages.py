"""Ready-made Event and Summary messages, of any package, on their way into a file.

Knows: protobuf messages and how to tell them apart. Must not know: files, threads, kinds of data.

Classes from other descriptor pools are never `isinstance` of ours, so a message is known by its descriptor's
name and taken by its bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from eventwriter import _wire
from eventwriter._proto.event_pb2 import Event

if TYPE_CHECKING:
    from eventwriter._proto.summary_pb2 import Summary as SummaryMessage

_F64 = struct.Struct("<d")


def summary_of(values: Sequence[SummaryMessage.Value]) -> list[bytes]:
    """The content of an Event that holds these values, in pieces: they may be large, and each copy is memory."""
    pieces = [b""]
    size = 0
    for value in values:  # one by one: protobuf would copy them into a Summary first
        content = value.SerializeToString()
        pieces += [b"\x0a" + _wire.varint(len(content)), content]
        size += len(pieces[-2]) + len(content)
    pieces[0] = b"\x2a" + _wire.varint(size)
    return pieces


def event_payload(message: Any, step: int | None, wall_time: float | None, now: float) -> bytes:
    """The bytes of an Event: `message` if it is one (its bytes, or a message), else one around a Summary message.

    `step` and `wall_time` replace the message's own; a wall time that is missing or not finite becomes `now`.
    Raises TypeError, ValueError.
    """
    if isinstance(message, (bytes, bytearray, memoryview)):
        payload, name = bytes(message), "Event"
    else:
        try:
            payload = message.SerializeToString()
            name = message.DESCRIPTOR.name
        except AttributeError:
            raise TypeError(
                f"event: want an Event's bytes, or an Event or Summary message, got {type(message).__name__}"
            ) from None
    if name == "Summary":
        payload = _wire.summary_field(payload)
    elif name != "Event":
        raise TypeError(f"event: want an Event or Summary message, got a {name}")
    try:
        event = Event.FromString(payload)
    except DecodeError as error:  # no reader could decode it either, and TensorBoard gives the file up there
        raise ValueError(f"event: want a serialised Event, got {len(payload)} bytes that are none: {error}") from None
    if wall_time is None and (not event.wall_time or not math.isfinite(event.wall_time)):
        wall_time = now
    # Of a field that is there twice, protobuf takes the last.
    if wall_time is not None:
        payload += b"\x09" + _F64.pack(wall_time)
    if step is not None:
        payload += b"\x10" + _wire.varint(step)
    return payload
