"""CRC-32C (Castagnoli) and TFRecord's mask over it; knows which implementation computes it.

Knows nothing of records, files or events. Importing this module loads nothing: the C extension `crc32c` is
imported by the first call (or by `implementation()`, for who wants it at a time of their choosing).

In a hot loop take the function after the first call, `crc = _crc32c.crc32c`: by then it is the C function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer

# A record is often stored in another record, and a CRC over bytes that hold a CRC is weak; so TFRecord
# rotates it and adds a constant: tensorflow/core/lib/hash/crc32c.h.
_MASK_DELTA = 0xA282EAD8
_U32 = 0xFFFFFFFF

# The polynomial of RFC 3720, 12.1, bits reversed: x^0 is the highest bit.
_POLYNOMIAL = 0x82F63B78


def masked(data: Buffer) -> int:
    """The masked CRC-32C of `data`, as a TFRecord stores it (little-endian u32)."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _U32


def mask(crc: int) -> int:
    """Masks a CRC: a rotation by 15 bits to the right, plus a constant, modulo 2^32."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & _U32


def unmask(masked_crc: int) -> int:
    """The CRC that `mask` was given."""
    rotated = (masked_crc - _MASK_DELTA) & _U32
    return (rotated >> 17 | rotated << 15) & _U32


def implementation() -> str:
    """Which code computes the CRC: `"crc32c hardware"`, `"crc32c software"` or `"pure Python"` (slow)."""
    return _load()[1]


def _first_call(data: Buffer, value: int = 0) -> int:
    """The CRC-32C of `data`, an unsigned 32-bit number; `value` is the CRC of the bytes before it, if any."""
    return _load()[0](data, value)


# Rebound to the C function by the first call.
crc32c: Callable[..., int] = _first_call

_loaded: tuple[Callable[..., int], str] | None = None


def _load() -> tuple[Callable[..., int], str]:
    global _loaded, crc32c
    if _loaded is None:  # Two threads at once do it twice, which is harmless.
        try:
            import crc32c as extension

            _loaded = (extension.crc32c, f"crc32c {'hardware' if extension.hardware_based else 'software'}")
        except ImportError:
            _loaded = (_table_driven(), "pure Python")
        crc32c = _loaded[0]
    return _loaded


def _table_driven() -> Callable[..., int]:
    """One table look-up a byte: right everywhere, and slow (about 10 MB/s)."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
        table.append(byte)

    def crc32c_in_python(data: Buffer, value: int = 0) -> int:
        crc = value ^ _U32
        for byte in memoryview(data).cast("B"):
            crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
        return crc ^ _U32

    return crc32c_in_python
