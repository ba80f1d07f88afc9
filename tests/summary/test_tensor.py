"""Tensors: every dtype, read with TensorBoard's and TensorFlow's own decoder."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest
import torch
from tensorboard.compat.proto import types_pb2
from tensorboard.util import tensor_util
from tensorboard_values import array, read

from eventwriter.summary.tensor import tensor

DTYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128"
NARROW = {
    "bfloat16": types_pb2.DT_BFLOAT16,
    "float8_e5m2": types_pb2.DT_FLOAT8_E5M2,
    "float8_e4m3fn": types_pb2.DT_FLOAT8_E4M3FN,
    "float8_e5m2fnuz": types_pb2.DT_FLOAT8_E5M2FNUZ,
    "float8_e4m3fnuz": types_pb2.DT_FLOAT8_E4M3FNUZ,
}


@pytest.mark.parametrize("dtype", DTYPES.split())
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 4), (2, 0)])
def test_numpys_dtypes(dtype: str, shape: tuple[int, ...]) -> None:
    """Dtype, shape and every element arrive unchanged."""
    data = (np.random.default_rng(0).random(shape) * 200 - 50).astype(dtype)
    value = read(tensor("t", data))[0]
    if dtype in ("uint32", "uint64") and not data.size:  # TensorBoard's decoder does not know them without bytes
        assert {"uint32": types_pb2.DT_UINT32, "uint64": types_pb2.DT_UINT64}[dtype] == value.tensor.dtype
        assert list(shape) == [dim.size for dim in value.tensor.tensor_shape.dim]
        return
    got = tensor_util.make_ndarray(value.tensor)
    assert (data.dtype, data.shape) == (got.dtype, got.shape)
    assert data.tolist() == got.tolist()


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_narrow_floats(dtype: str, shape: tuple[int, ...]) -> None:
    """bfloat16 and float8 keep their dtype and bits, from torch and from the extension types of jax and TensorFlow."""
    numbers = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    expected = numbers.astype(getattr(ml_dtypes, dtype))
    for data in (expected, torch.tensor(numbers).to(getattr(torch, dtype)).requires_grad_(dtype == "bfloat16")):
        value = read(tensor("t", data))[0]
        assert NARROW[dtype] == value.tensor.dtype
        assert list(shape) == [dim.size for dim in value.tensor.tensor_shape.dim]
        assert expected.tobytes() == value.tensor.tensor_content


@pytest.mark.filterwarnings("ignore:ComplexHalf")  # torch warns about it at the first one made
def test_torch_tensors_as_they_lie() -> None:
    """Not contiguous, needing a gradient, conjugate, half complex: the elements in row-major order."""
    data = torch.arange(12.0).reshape(3, 4)
    for each in (data.T, data[:, ::2], data.clone().requires_grad_(), data.T.bfloat16()):
        got = read(tensor("t", each))[0].tensor
        expected = each.detach().contiguous()
        raw = expected.view(torch.uint8).numpy() if each.dtype is torch.bfloat16 else expected.numpy()
        assert raw.tobytes() == got.tensor_content
    conjugate = torch.tensor([1 + 2j, 3 - 1j]).conj()
    assert conjugate.tolist() == array(read(tensor("t", conjugate))[0]).tolist()
    halves = torch.tensor([1 + 2j]).to(torch.complex32)
    assert read(tensor("t", halves))[0].tensor.dtype == types_pb2.DT_COMPLEX64


def test_order_in_memory_does_not_matter() -> None:
    """A Fortran-ordered or byte-swapped array is written row by row, little-endian."""
    data = np.arange(6.0).reshape(2, 3)
    for each in (np.asfortranarray(data), data.astype(">f8"), data[::-1, ::-1][::-1, ::-1]):
        assert data.tolist() == array(read(tensor("t", each))[0]).tolist()


def test_strings_are_shown_as_text() -> None:
    """The text plugin shows string tensors, so they are its."""
    for data in ("a", ["a", "b"], np.array([["a"], ["b"]]), np.array(["a"], dtype=object)):
        (value,) = read(tensor("t", data))
        assert value.metadata.plugin_data.plugin_name == "text"
        assert value.tensor.dtype == types_pb2.DT_STRING


def test_one_number_is_a_scalar_too() -> None:
    """A tensor of one real element is in the Scalars dashboard under TAG/value; the tensor keeps its dtype."""
    for data in (2.5, np.float64(2.5), np.array([[2.5]], np.float16), torch.tensor(2.5, dtype=torch.bfloat16)):
        exact, scalar = read(tensor("t", data))
        assert (exact.tag, scalar.tag, scalar.simple_value) == ("t", "t/value", 2.5)
        assert exact.metadata.plugin_data.plugin_name == "tensor"
    assert len(read(tensor("t", 1 + 2j))) == 1


def test_snapshot() -> None:
    """The array can change after the call."""
    data = np.arange(4)
    half = torch.arange(4, dtype=torch.bfloat16)
    deferred = tensor("t", data), tensor("t", half)
    before = half.view(torch.uint8).numpy().tobytes()
    data[:] = 9
    half[:] = 9
    assert [0, 1, 2, 3] == array(read(deferred[0])[0]).tolist()
    assert before == read(deferred[1])[0].tensor.tensor_content
    assert [32, 8] == [each.nbytes for each in deferred]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: tensor("t", np.zeros(2, "datetime64[s]")), ["'t'", "datetime64"]),
        (lambda: tensor("t", np.zeros(2, np.longdouble)), ["'t'", "float128"]),
        (lambda: tensor("t", object()), ["'t'", "object"]),
        (lambda: tensor("t", [1], display_name=1), ["'t'", "display_name"]),
    ],
)
def test_bad_input_raises_in_the_call(call: Callable[[], object], words: list[str]) -> None:
    """With the tag, what was got and what was wanted."""
    with pytest.raises(TypeError) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
