"""Arrays of every framework become numpy arrays that their owners can no longer change."""

from __future__ import annotations

import array
import collections
import decimal
import fractions
import tracemalloc

import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
import torch
from PIL import Image

from eventwriter._array import as_numpy, snapshot

WANT = np.array([[0, 1, 2], [3, 4, 5]], np.float32)


class Arrayish:
    """Somebody's array with the older `__array__`, or with numpy 2's."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None):
        return self.values


class Arrayish2(Arrayish):
    def __array__(self, dtype=None, copy=None):
        self.copied = copy
        return self.values.copy() if copy else self.values


class Capsule:
    """Somebody's array with nothing but `__dlpack__`."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **kwargs):
        return self.values.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


class Cupyish:
    """An array on a device, as cupy's: `__array__` refuses and `get` copies to the host."""

    __cuda_array_interface__: dict = {}  # noqa: RUF012 -- only its presence counts

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        raise TypeError("implicit conversion is not allowed")

    def get(self):
        return self.values.copy()


KINDS = {
    "numpy": lambda a: a,
    "numpy in Fortran order": np.asfortranarray,
    "big endian": lambda a: a.astype(">f4"),
    "read-only": lambda a: (a.setflags(write=False), a)[1],
    "a strided view": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "matrix": lambda a: a.view(np.matrix),
    "torch": torch.from_numpy,
    "torch with a gradient": lambda a: torch.from_numpy(a).requires_grad_(),
    "a torch parameter": lambda a: torch.nn.Parameter(torch.from_numpy(a)),
    "torch, transposed": lambda a: torch.from_numpy(np.ascontiguousarray(a.T)).T,
    "torch, expanded": lambda a: torch.from_numpy(a)[None].expand(1, 2, 3)[0],
    "torch, conjugate": lambda a: torch.complex(torch.zeros(2, 3), -torch.from_numpy(a)).conj().imag,
    "torch, sparse": lambda a: torch.from_numpy(a).to_sparse(),
    "torch, CSR": lambda a: torch.from_numpy(a).to_sparse_csr(),
    "torch bfloat16": lambda a: torch.from_numpy(a).bfloat16(),
    "torch float8": lambda a: torch.from_numpy(a).to(torch.float8_e4m3fn),
    "tensorflow": tf.constant,
    "a tensorflow variable": tf.Variable,
    "tensorflow bfloat16": lambda a: tf.constant(a, tf.bfloat16),
    "ml_dtypes bfloat16": lambda a: a.astype(ml_dtypes.bfloat16),
    "ml_dtypes float8": lambda a: a.astype(ml_dtypes.float8_e5m2),
    "list": lambda a: a.tolist(),
    "tuple of lists": lambda a: tuple(a.tolist()),
    "list of numpy arrays": list,
    "list of torch tensors": lambda a: list(torch.from_numpy(a).requires_grad_()),
    "nested list of torch scalars": lambda a: [list(row) for row in torch.from_numpy(a).bfloat16()],
    "list of tensorflow tensors": lambda a: list(tf.constant(a)),
    "deque": lambda a: collections.deque(a.tolist()),
    "buffer": memoryview,
    "__array__": Arrayish,
    "__array__ with copy": Arrayish2,
    "__dlpack__": Capsule,
    "cupy": Cupyish,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
def test_every_kind_of_array(kind):
    """Each has the numbers it shows, in the machine's byte order, with float32 for what numpy lacks."""
    data = KINDS[kind](WANT.copy())
    for convert in (as_numpy, snapshot):
        got = convert(data, "histogram 'w'")
        assert np.ndarray is type(got)
        np.testing.assert_array_equal(WANT, got)
    assert got.dtype in (np.float32, np.float64)
    assert got.dtype.isnative
    got += 1  # writable


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
def test_a_snapshot_is_nobody_elses(kind):
    """It shares no memory with what it was made of, nor do two snapshots share memory."""
    source = WANT.copy()
    data = KINDS[kind](source)
    first, second = snapshot(data, "x"), snapshot(data, "x")
    assert not np.shares_memory(first, source)
    assert not np.shares_memory(first, second)
    first[:] = 77
    np.testing.assert_array_equal(WANT, snapshot(data, "x"))


@pytest.mark.parametrize("kind", ["numpy", "torch", "torch with a gradient", "buffer", "__array__", "__dlpack__"])
def test_as_numpy_is_a_view(kind):
    """Where numpy can see the memory, nothing is copied."""
    source = WANT.copy()
    assert np.shares_memory(source, as_numpy(KINDS[kind](source), "x"))


@pytest.mark.parametrize(
    "kind", ["numpy", "big endian", "numpy in Fortran order", "torch bfloat16", "torch with a gradient", "tensorflow",
             "a tensorflow variable", "__array__", "__array__ with copy", "__dlpack__", "list of numpy arrays", "cupy"]
)  # fmt: skip
def test_exactly_one_copy(kind):
    """The memory that a snapshot takes at its peak is the array's and no more."""
    data = KINDS[kind](np.ones((1000, 1000), np.float32))
    snapshot(data, "x")
    tracemalloc.start()
    got = snapshot(data, "x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert got.nbytes == 4_000_000
    assert peak < 1.1 * 4_000_000


def test_an_array_function_that_can_copy_is_trusted():
    """`__array__(copy=True)` is asked for the copy, so that no second one is needed."""
    data = Arrayish2(WANT.copy())
    snapshot(data, "x")
    assert data.copied is True


def test_a_copy_keeps_the_order_in_memory():
    """A transposed array is copied as it lies, not gathered."""
    assert snapshot(WANT.T, "x").flags.f_contiguous
    assert snapshot(torch.ones(4, 3, 2).permute(2, 1, 0), "x").flags.f_contiguous


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1, 1, 1, 1, 1)])
@pytest.mark.parametrize("make", [np.ones, torch.ones, tf.ones])
def test_odd_shapes(make, shape):
    """Scalars, empty arrays and arrays of many dimensions keep their shape."""
    assert shape == snapshot(make(shape), "x").shape == as_numpy(make(shape), "x").shape


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (True, np.bool_),
        (3, np.int64),
        (2.5, np.float64),
        (1j, np.complex128),
        (np.float16(2.5), np.float16),
        (np.uint8([1, 2]), np.uint8),
        ([True, False], np.bool_),
        (range(3), np.int64),
        ([], np.float64),
        ([[], []], np.float64),
        (array.array("h", [1, 2]), np.int16),
        (bytearray(b"ab"), np.uint8),
        (torch.ones(2, dtype=torch.uint16), np.uint16),
        (torch.ones(2, dtype=torch.float16), np.float16),
        (torch.tensor([True]), np.bool_),
        (tf.constant([1], tf.int8), np.int8),
        (np.ones(3, ml_dtypes.int4), np.int8),
        (np.ones(3, ml_dtypes.uint4), np.uint8),
        ([2**80, 1], np.float64),
        ([fractions.Fraction(1, 2), decimal.Decimal("0.25")], np.float64),
    ],
)
def test_dtypes(data, dtype):
    """Other dtypes are kept, or widened if numpy has none such."""
    assert dtype == snapshot(data, "x").dtype
    assert dtype == as_numpy(data, "x").dtype


@pytest.mark.filterwarnings("ignore:ComplexHalf:UserWarning")
def test_half_complex():
    """torch's complex32 becomes complex64."""
    assert np.complex64 == snapshot(torch.zeros(2, dtype=torch.complex32), "x").dtype


def test_values_of_wider_types():
    """bfloat16 beyond float16's range and float8's smallest step survive."""
    assert [99840.0] == snapshot(torch.tensor([1e5], dtype=torch.bfloat16), "x").tolist()
    assert [2.0**-9] == snapshot(torch.tensor([2.0**-9], dtype=torch.float8_e4m3fn), "x").tolist()
    assert [0.5, 0.25] == snapshot([fractions.Fraction(1, 2), decimal.Decimal("0.25")], "x").tolist()


def test_quantized():
    """A quantized tensor gives the numbers it stands for."""
    with pytest.warns(UserWarning, match="quantize_per_tensor"):
        data = torch.quantize_per_tensor(torch.tensor([0.5, 1.0]), 0.5, 0, torch.quint8)
    assert [0.5, 1.0] == snapshot(data, "x").tolist()


@pytest.mark.parametrize(
    "data",
    ["text", ["a", "bc"], [["a"], ["b"]], np.array(["a", "b"]), np.array(["a", b"b"], object), tf.constant(["a", "b"])],
)
def test_strings(data):
    """Text passes, whatever it is held in."""
    got = snapshot(data, "text 't'")
    assert got.dtype.kind in "SUO"
    assert all(isinstance(item, (str, bytes)) for item in got.flat)


def test_pil():
    """An image gives its pixels, rows first."""
    image = Image.new("RGB", (5, 3), (1, 2, 3))
    got = snapshot(image, "image 'i'")
    assert (3, 5, 3) == got.shape
    assert [1, 2, 3] == got[0, 0].tolist()
    got[:] = 0


def test_keras_variable():
    """A Keras variable gives the numbers of the tensor it wraps."""
    keras = pytest.importorskip("keras")
    variable = keras.Variable(WANT)
    got = snapshot(variable, "x")
    variable.assign(WANT * 0)
    np.testing.assert_array_equal(WANT, got)


def test_jax():
    """jax arrays, where jax is installed."""
    jnp = pytest.importorskip("jax.numpy")
    np.testing.assert_array_equal(WANT, snapshot(jnp.asarray(WANT), "x"))
    got = snapshot(jnp.asarray(WANT, jnp.bfloat16), "x")
    assert np.float32 == got.dtype
    got += 1


def test_pandas():
    """pandas series and frames, where pandas is installed."""
    pandas = pytest.importorskip("pandas")
    assert [1, 2] == snapshot(pandas.Series([1, 2]), "x").tolist()
    np.testing.assert_array_equal(WANT, snapshot(pandas.DataFrame(WANT), "x"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (None, "got a NoneType"),
        ({"a": 1}, "got a dict"),
        ({1, 2}, "got a set"),
        (object(), "got a object"),
        (torch.nn.Linear(1, 1), "got a torch Linear"),
        (np.array([1, None]), "got a numpy ndarray with a NoneType in it"),
        ([1, None], "got a list with a NoneType in it"),
        ([None, 1], "got a NoneType"),
        ([{}], "got a dict"),
        (np.array(["2020-01-01"], "M8[D]"), r"got dtype datetime64\[D\]"),
        (np.zeros(2, [("a", int)]), r"got dtype \[\('a', '<i8'\)\]"),
        (torch.ones(2, device="meta"), "got a torch Tensor without one: it is on the meta device"),
        (tf.IndexedSlices(tf.ones((1, 2)), tf.constant([0])), "got a tensorflow IndexedSlices"),
        (tf.sparse.from_dense([[0, 1]]), "got a tensorflow SparseTensor"),
    ],
)
def test_no_array(data, words):
    """What is no array of numbers, bools or strings is a TypeError that says what it was given and for what."""
    for convert in (as_numpy, snapshot):
        with pytest.raises(TypeError, match=rf"^histogram 'w': want an array.*{words}"):
            convert(data, "histogram 'w'")


def test_symbolic():
    """A tensor inside a traced function has no values: a TypeError, not TensorFlow's own."""
    caught = []

    @tf.autograph.experimental.do_not_convert
    def traced(x):
        with pytest.raises(TypeError, match=r"^image 'i': want an array, got a tensorflow SymbolicTensor without one"):
            snapshot(x, "image 'i'")
        caught.append(True)
        return x

    tf.function(traced)(tf.constant(1.0))
    assert caught


@pytest.mark.parametrize(
    "data", [[[1, 2], [3]], [1, [2]], [torch.ones(2), torch.ones(3)], [np.ones(2), np.ones((2, 1))]]
)
def test_ragged(data):
    """A list of unequal parts is a ValueError."""
    with pytest.raises(ValueError, match=r"^tensor 't': want parts of one shape in a list"):
        snapshot(data, "tensor 't'")
