"""Anything array-like, as a numpy array.

Knows: how each framework's arrays give up their numbers. Must not know: tags (callers pass words for error messages),
protobuf, what the numbers mean. No framework is ever imported: if one of its arrays got here, it is loaded already.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

# bool, ints, floats, complex, bytes, str, and numpy 2's StringDType
_KINDS = frozenset("biufcSUT")
# What numpy makes an array of by itself, alone or in a list.
_PLAIN = (bool, int, float, complex, str, bytes, np.generic)
# The names in ml_dtypes, which jax and tensorflow use. numpy knows them as user-defined (isbuiltin is 2).
_ML_DTYPE = re.compile(r"(b?float|u?int)\d+(_\w+)?")


def snapshot(data: Any, what: str) -> npt.NDArray[Any]:
    """A writable array in native byte order that nobody else can change.

    Exactly one copy is made wherever the owner of the memory allows it. It keeps the order in which `data` lies in
    memory, so as to run at memory speed: the result need not be C-contiguous. An array on a device is copied to the
    host, which waits for the device.

    Args:
        data: an array, a tensor, a scalar, or a (nested) list of them: numpy, torch, tensorflow, keras, jax, cupy,
            pandas, PIL, or anything with `__array__`, `__dlpack__` or a buffer. bfloat16 and the floats of 8 bits and
            less become float32, ints of less than 8 bits int8 or uint8. Strings may come as dtype object.
        what: the subject of error messages, such as "histogram 'w'".

    Raises:
        TypeError: `data` is no array of numbers, bools or strings, or has no values (a tracer, torch's meta device).
        ValueError: the parts of a list differ in shape.
    """
    array, owned = _convert(data, what, copy=True)
    if owned and array.flags.writeable and array.dtype.isnative:
        return array
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="K", copy=True)


def as_numpy(data: Any, what: str) -> npt.NDArray[Any]:
    """As `snapshot`, but a view where that is possible, and in whatever byte order: to look at, not to keep."""
    return _convert(data, what, copy=False)[0]


def _convert(data: Any, what: str, *, copy: bool) -> tuple[npt.NDArray[Any], bool]:
    """The array, and whether nobody else has its memory. `copy`: rather one that nobody else has."""
    if isinstance(data, (list, tuple)):
        return _standard(_from_list(data, what), True, data, what)
    try:
        array, owned = _read(data, copy)
    except Exception as error:  # frameworks raise what they like: for a tracer, a symbolic tensor, a deleted buffer
        raise TypeError(f"{what}: want an array, got a {_name(data)} without one: {error}") from error
    return _standard(array, owned, data, what)


def _read(data: Any, copy: bool) -> tuple[npt.NDArray[Any], bool]:
    if isinstance(data, np.ndarray):
        return np.asarray(data), False  # asarray: a plain one, of a matrix or a memmap
    if isinstance(data, _PLAIN):
        return np.asarray(data), True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(data, torch.Tensor):
        return _from_torch(torch, data)
    tf = sys.modules.get("tensorflow")
    if tf is not None and isinstance(data, (tf.Tensor, tf.Variable)):
        return np.asarray(data.numpy()), True  # numpy() copies
    if type(data).__module__.startswith("keras.") and hasattr(data, "value"):
        return _read(data.value, copy)  # a keras.Variable around the backend's tensor
    if hasattr(data, "__cuda_array_interface__") and hasattr(data, "get"):
        return np.asarray(data.get()), True  # cupy, whose __array__ refuses
    if hasattr(data, "__array__"):
        if copy:
            try:
                return np.asarray(data.__array__(copy=True)), True
            except TypeError:  # no such argument: older than numpy 2
                pass
        return np.asarray(data), False
    if hasattr(data, "__dlpack__"):
        return np.from_dlpack(data), False
    return np.asarray(data), False  # a buffer, or an object


def _from_torch(torch: Any, tensor: Any) -> tuple[npt.NDArray[Any], bool]:
    if tensor.device.type == "meta":  # torch's own cpu() gives random numbers here
        raise ValueError("it is on the meta device")
    host = tensor.detach()
    if host.is_quantized:
        host = host.dequantize()
    elif host.layout is not torch.strided:
        host = host.to_dense()
    if host.dtype is torch.bfloat16 or (host.dtype.is_floating_point and host.element_size() == 1):
        host = host.to("cpu", torch.float32)
    elif host.dtype is torch.complex32:
        host = host.to("cpu", torch.complex64)
    else:
        host = host.cpu()
    host = host.resolve_conj().resolve_neg()
    shared = tensor.layout is torch.strided and host.data_ptr() == tensor.data_ptr()
    return host.numpy(), not shared


def _from_list(data: Sequence[Any], what: str) -> npt.NDArray[Any]:
    leaf: Any = data
    while isinstance(leaf, (list, tuple)) and leaf:
        leaf = leaf[0]
    if isinstance(leaf, (*_PLAIN, Real, Decimal, list, tuple)):
        try:
            return np.asarray(data)
        except ValueError as error:
            raise ValueError(f"{what}: want parts of one shape in a list, got: {error}") from None
        except Exception as error:
            raise TypeError(f"{what}: want an array, got a {_name(data)} without one: {error}") from error
    parts = [as_numpy(part, what) for part in data]
    shapes = list(dict.fromkeys(part.shape for part in parts))
    if len(shapes) > 1:
        raise ValueError(f"{what}: want parts of one shape in a list, got shapes {shapes[0]} and {shapes[1]}")
    return np.stack(parts)


def _standard(array: npt.NDArray[Any], owned: bool, data: Any, what: str) -> tuple[npt.NDArray[Any], bool]:
    """With a dtype that numpy itself has."""
    dtype = array.dtype
    if dtype.isbuiltin == 2 and _ML_DTYPE.fullmatch(dtype.name):
        wider = np.float32 if "float" in dtype.name else np.uint8 if dtype.name.startswith("u") else np.int8
        return array.astype(wider), True
    if dtype.kind in _KINDS:
        return array, owned
    if dtype.kind == "O":
        if all(isinstance(item, (str, bytes)) for item in array.flat):
            return array, owned
        odd = [item for item in array.flat if not isinstance(item, (Real, Decimal))]
        if not odd:
            return array.astype(np.float64), True  # ints beyond 64 bits, fractions
        got = f"{_name(data)} with a {_name(odd[0])} in it" if array.ndim else _name(data)
        raise TypeError(f"{what}: want an array of numbers, bools or strings, got a {got}")
    raise TypeError(f"{what}: want an array of numbers, bools or strings, got dtype {dtype}")


def _name(data: Any) -> str:
    kind = type(data)
    package = kind.__module__.partition(".")[0]
    return kind.__name__ if package == "builtins" else f"{package} {kind.__name__}"
