"""The checksum under every record: golden values from published sources, and the fallback agrees."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventwriter import _crc32c

IN_PYTHON = _crc32c._table_driven()

# RFC 3720, B.4 (the RFC prints the bytes of the CRC in the order they are sent).
ISCSI_READ_PDU = bytes.fromhex(
    "01c00000 00000000 00000000 00000000 14000000 0000040000000014 00000018 28000000 00000000 02000000 00000000"
)
GOLDEN = [
    pytest.param(b"", 0x00000000, id="empty"),
    pytest.param(b"123456789", 0xE3069283, id="check value of the CRC catalogue"),
    pytest.param(bytes(32), 0x8A9136AA, id="RFC 3720, 32 zeros"),
    pytest.param(b"\xff" * 32, 0x62A8AB43, id="RFC 3720, 32 ones"),
    pytest.param(bytes(range(32)), 0x46DD794E, id="RFC 3720, ascending"),
    pytest.param(bytes(range(31, -1, -1)), 0x113FDB5C, id="RFC 3720, descending"),
    pytest.param(ISCSI_READ_PDU, 0xD9963A56, id="RFC 3720, iSCSI read"),
]


@pytest.mark.parametrize("crc32c", [_crc32c._first_call, IN_PYTHON], ids=["package", "pure Python"])
@pytest.mark.parametrize(("data", "want"), GOLDEN)
def test_golden_values(crc32c, data, want):
    """Both implementations give the published values."""
    assert want == crc32c(data)


def test_masked_golden_value():
    """The length 24 has the masked CRC that TensorFlow writes in front of a `brain.Event:2` record."""
    # The first 12 bytes of any event file of TensorFlow 1 to 2.21: length 24, then its masked CRC.
    head = bytes.fromhex("1800000000000000a37f4b22")
    assert head[8:] == _crc32c.masked(head[:8]).to_bytes(4, "little")


@given(st.integers(0, 2**32 - 1))
def test_unmask_undoes_mask(crc):
    """`mask` is a permutation of the 32-bit numbers, and `unmask` its inverse."""
    assert crc == _crc32c.unmask(_crc32c.mask(crc))
    assert 0 <= _crc32c.mask(crc) < 2**32


@given(st.binary(max_size=300), st.integers(0, 300))
def test_implementations_agree_and_go_on_from_a_crc(data, cut):
    """Package and pure Python give one answer, in one go or in two pieces, for any buffer."""
    whole = _crc32c.crc32c(data)
    assert whole == IN_PYTHON(memoryview(bytearray(data)))
    assert whole == _crc32c.crc32c(data[cut:], _crc32c.crc32c(data[:cut]))
    assert whole == IN_PYTHON(data[cut:], IN_PYTHON(data[:cut]))
    assert _crc32c.mask(whole) == _crc32c.masked(data)


def _in_fresh_interpreter(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_import_loads_nothing_and_the_first_call_installs_the_c_function():
    """The extension is imported by the first call, and later calls through the module are the C function."""
    code = (
        "import sys; from eventwriter import _crc32c; from eventwriter._crc32c import crc32c as early\n"
        "print('crc32c' in sys.modules, early(b'123456789'), end=' ')\n"
        "print(early(b'123456789'), type(_crc32c.crc32c).__name__)"
    )
    assert f"False {0xE3069283} {0xE3069283} builtin_function_or_method" == _in_fresh_interpreter(code)


def test_without_the_package():
    """Where the extension is missing, the table-driven code serves and says so."""
    code = (
        "import sys; sys.modules['crc32c'] = None; from eventwriter import _crc32c\n"
        "print(_crc32c.crc32c(b'123456789'), _crc32c.implementation())"
    )
    assert f"{0xE3069283} pure Python" == _in_fresh_interpreter(code)


def test_implementation_is_named():
    """The package is a requirement, so it is what serves here."""
    assert _crc32c.implementation() in {"crc32c hardware", "crc32c software"}
