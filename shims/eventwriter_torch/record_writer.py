"""`RecordWriter`: bytes into a file as records, as torch.utils.tensorboard exports it.

Knows: the record's frame. Must not know: what the bytes are.

    u64 length | u32 masked CRC-32C of the length | the bytes | u32 masked CRC-32C of the bytes

(tensorflow/core/lib/io/record_writer.h; the mask is in tensorflow/core/lib/hash/crc32c.h.)
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import IO, Any

_MASK_DELTA = 0xA282EAD8


def _masked_crc(data: bytes) -> bytes:
    from crc32c import crc32c

    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


class RecordWriter:
    """Writes records to a binary file.

    Args:
        writer: an object with `write`, `flush` and `close`; or, as in tensorboardX, a path.
    """

    def __init__(self, writer: IO[bytes] | Any | str | os.PathLike[str]) -> None:
        if isinstance(writer, str | os.PathLike):
            path = Path(writer)
            path.parent.mkdir(parents=True, exist_ok=True)
            writer = path.open("wb")
        self._writer: IO[bytes] = writer

    def write(self, data: bytes) -> None:
        """Write one record."""
        length = struct.pack("<Q", len(data))
        self._writer.write(length + _masked_crc(length) + data + _masked_crc(data))

    def flush(self) -> None:
        """Flush the file."""
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return self._writer.closed
