"""Tensors as they are, for whoever reads the file.

Knows: the dtypes that a `TensorProto` can hold and their bytes. Must not know: other kinds.

TensorBoard has no dashboard for tensors. What it can show of one is written so that it does: strings are in the Text
dashboard, and a single real number is also a scalar, `TAG/value`. Everything else is in the file for programs to
read, under the plugin name "tensor", which is torch's.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from eventwriter import _array
from eventwriter._proto import types_pb2
from eventwriter._proto.summary_pb2 import DATA_CLASS_SCALAR, DATA_CLASS_TENSOR, Summary
from eventwriter._proto.tensor_pb2 import TensorProto
from eventwriter.summary import text
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import check_texts, metadata

_NUMPY = {
    "bool": types_pb2.DT_BOOL,
    "int8": types_pb2.DT_INT8,
    "int16": types_pb2.DT_INT16,
    "int32": types_pb2.DT_INT32,
    "int64": types_pb2.DT_INT64,
    "uint8": types_pb2.DT_UINT8,
    "uint16": types_pb2.DT_UINT16,
    "uint32": types_pb2.DT_UINT32,
    "uint64": types_pb2.DT_UINT64,
    "float16": types_pb2.DT_HALF,
    "float32": types_pb2.DT_FLOAT,
    "float64": types_pb2.DT_DOUBLE,
    "complex64": types_pb2.DT_COMPLEX64,
    "complex128": types_pb2.DT_COMPLEX128,
}

# What numpy has not itself, by the frameworks' names. All but the first are a byte wide.
_NARROW = {
    "bfloat16": types_pb2.DT_BFLOAT16,
    "float8_e5m2": types_pb2.DT_FLOAT8_E5M2,
    "float8_e4m3fn": types_pb2.DT_FLOAT8_E4M3FN,
    "float8_e5m2fnuz": types_pb2.DT_FLOAT8_E5M2FNUZ,
    "float8_e4m3fnuz": types_pb2.DT_FLOAT8_E4M3FNUZ,
    "float8_e4m3b11fnuz": types_pb2.DT_FLOAT8_E4M3B11FNUZ,
}


def tensor(tag: str, data: Any, *, description: str | None = None, display_name: str | None = None) -> Deferred:
    """An array of any dtype that TensorFlow has, bfloat16 and float8 included, bit for bit.

    Args:
        data: numbers, bools or strings of any shape and framework. What has no dtype is as `numpy.asarray` has it.

    Raises:
        TypeError: a dtype that no `TensorProto` can hold.
    """
    what = f"tensor {tag!r}"
    check_texts(what, description, display_name)
    name = _dtype_name(data)
    if name in _NARROW:
        dtype = _NARROW[name]
        bits, shape = _bits(data)
    else:
        bits = _array.snapshot(data, what)
        if bits.dtype.kind in "OSTU":
            return text.text(tag, bits.tolist(), description=description, display_name=display_name)
        if bits.dtype.name not in _NUMPY:
            raise TypeError(f"{what}: want a dtype that TensorFlow has, got {bits.dtype}")
        dtype, shape = _NUMPY[bits.dtype.name], bits.shape
    number = _array.snapshot(data, what).reshape(-1) if bits.size == 1 else None

    def encode() -> list[Summary.Value]:
        content = bits.astype(bits.dtype.newbyteorder("<"), copy=False).tobytes()
        message = TensorProto(dtype=dtype, tensor_content=content)
        message.tensor_shape.SetInParent()
        for size in shape:
            message.tensor_shape.dim.add(size=size)
        about = metadata("tensor", b"", DATA_CLASS_TENSOR, description, display_name)
        values = [Summary.Value(tag=tag, metadata=about, tensor=message)]
        if number is not None and number.dtype.kind in "biuf":
            note = metadata("scalars", b"", DATA_CLASS_SCALAR, f"the one element of tensor `{tag}`", None)
            values.append(Summary.Value(tag=f"{tag}/value", metadata=note, simple_value=float(number[0])))
        return values

    return Deferred(bits.nbytes, encode, what)


def _dtype_name(data: Any) -> str:
    """ "float32" from numpy's, torch's, TensorFlow's and jax's dtypes; "" without one."""
    dtype = getattr(data, "dtype", "")
    return str(getattr(dtype, "name", dtype)).removeprefix("torch.")


def _bits(data: Any) -> tuple[npt.NDArray[Any], tuple[int, ...]]:
    """A copy of narrow elements as unsigned integers, flat, and the shape."""
    shape = tuple(data.shape)
    if hasattr(data, "detach"):  # torch's
        host = data.detach().reshape(-1).cpu().view(sys.modules["torch"].uint8).numpy()
    else:  # numpy with extension types, as TensorFlow and jax give them
        host = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return host.copy().view(np.uint16 if host.size == 2 * math.prod(shape) else np.uint8), shape
