"""Histograms: numpy's edges and counts, torch's bytes, TensorBoard's reading of both forms."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tensorboard import data_compat
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
from tensorboard.plugins.histogram import metadata, summary_v2
from tensorboard.util import tensor_util
from tensorboard_values import read
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard import summary as torch_summary

from eventwriter.summary import _buckets
from eventwriter.summary._deferred import Deferred
from eventwriter.summary.histogram import histogram, histogram_legacy, histogram_raw, histogram_raw_legacy

DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64"]
DTYPES += ["uint8", "uint16", "uint32", "uint64", "bool"]


def table(value: Summary.Value) -> npt.NDArray[np.float64]:
    """[k, 3] of left edge, right edge and count, as TensorBoard sees it, legacy or not."""
    return tensor_util.make_ndarray(data_compat.migrate_value(value).tensor)


def arrays(dtypes: list[str] = DTYPES, least: int = 0) -> st.SearchStrategy[npt.NDArray[np.generic]]:
    """Arrays of every real dtype: full-range numbers, subnormals, and few distinct ones, so that edges are hit."""

    def of(dtype: str) -> st.SearchStrategy[npt.NDArray[np.generic]]:
        kind = np.dtype(dtype)
        shapes = hnp.array_shapes(min_dims=1, max_dims=2, min_side=least, max_side=40)
        elements = [hnp.from_dtype(kind, allow_nan=False, allow_infinity=False)]
        if kind.kind == "f":
            few = [0.0, -0.0, 1.0, 0.5, 0.1, -1 / 3, 3.0, float(np.finfo(kind).smallest_subnormal)]
            elements.append(st.sampled_from(few).map(kind.type))
        elif kind.kind in "iu":
            elements.append(st.integers(0, 30).map(kind.type))
        return st.sampled_from(elements).flatmap(lambda each: hnp.arrays(kind, shapes, elements=each))

    return st.sampled_from(dtypes).flatmap(of)


def exact_counts(data: npt.NDArray[np.generic], edges: npt.NDArray[np.float64]) -> list[int]:
    """By comparing every element with every edge: the definition, right even where numpy.histogram gives up."""
    numbers = data.astype(np.float64).ravel()
    below = [int(np.count_nonzero(numbers < edge)) for edge in edges[1:-1]]
    return np.diff([0, *below, numbers.size]).tolist()


@settings(deadline=None, max_examples=300)
@given(arrays(least=1), st.sampled_from([1, 2, 7, 30, 64, 65, 300]))
def test_edges_and_counts_are_numpys(data: npt.NDArray[np.generic], buckets: int) -> None:
    """Every dtype, any range: each element is in the bucket that comparing it with the edges gives."""
    (value,) = read(histogram("w", data, buckets=buckets))
    got = table(value)
    numbers = data.astype(np.float64)
    low, high = float(numbers.min()), float(numbers.max())
    assert got.shape == (buckets, 3)
    assert got[:, 2].sum() == data.size
    if low == high:
        assert (got[:, :2] == low).all()
        assert got[-1, 2] == data.size
        return
    edges = np.append(got[:, 0], got[-1, 1])
    assert (edges[0], edges[-1]) == (low, high)
    assert exact_counts(data, edges) == got[:, 2].tolist()
    if abs(high - low) < 1e308:  # as far as linspace goes
        assert np.linspace(low, high, buckets + 1).tolist() == edges.tolist()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [1, 2, 65535, 65536, 150_001])
def test_large_arrays_equal_numpy_histogram(dtype: str, size: int) -> None:
    """Arrays of several pieces, odd and even: numpy.histogram's edges and counts, TensorBoard's proto."""
    rng = np.random.default_rng(size)
    data = rng.integers(0, 120, size) if np.dtype(dtype).kind != "f" else rng.standard_normal(size)
    data = data.astype(dtype)
    (value,) = read(histogram("w", data))
    if data.min() == data.max():
        return
    counts, edges = np.histogram(data.astype(np.float64), 30)
    got = table(value)
    assert counts.tolist() == got[:, 2].tolist()
    assert edges.tolist() == [*got[:, 0], got[-1, 1]]


@pytest.mark.parametrize("data", [[], [2.5] * 7, [0.0, 1.0, 1.0, 3.0], np.arange(91)])
def test_is_tensorboards_own(data: object) -> None:
    """Empty, constant and plain data give the proto that TensorBoard's own function gives."""
    expected = summary_v2.histogram_pb("w", np.array(data), description="why").value[0]
    (got,) = read(histogram("w", data, description="why"))
    assert table(expected).tolist() == table(got).tolist()
    assert expected.tag == got.tag
    got.metadata.data_class = 0
    assert expected.metadata == got.metadata


def test_metadata() -> None:
    """Plugin, class, display name and description are where TensorBoard looks for them."""
    (value,) = read(histogram("w", [1, 2], description="d", display_name="n"))
    assert metadata.parse_plugin_metadata(value.metadata.plugin_data.content).version == 0
    assert value.metadata.plugin_data.plugin_name == metadata.PLUGIN_NAME
    assert value.metadata.data_class == DATA_CLASS_TENSOR
    assert (value.metadata.summary_description, value.metadata.display_name) == ("d", "n")


@pytest.mark.parametrize("make", [histogram, histogram_legacy])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_nonfinite_elements_are_counted_apart(make: type, dtype: str) -> None:
    """NaN and infinities change no bucket, edge or sum, and a scalar says how many there are."""
    clean = np.linspace(-1, 2, 100_000).astype(dtype)
    dirty = np.insert(clean, [0, 50_000, 100_000], [np.nan, np.inf, -np.inf])
    (expected,) = read(make("w", clean))
    got, nonfinite = read(make("w", dirty))
    assert (nonfinite.tag, nonfinite.simple_value) == ("w/nonfinite", 3)
    assert table(expected).tolist() == table(got).tolist()
    assert expected.histo.num == got.histo.num
    assert expected.histo.sum == pytest.approx(got.histo.sum)


@pytest.mark.parametrize("make", [histogram, histogram_legacy])
@pytest.mark.parametrize("data", [[], [np.nan], [np.inf, -np.inf], np.empty((0, 3), np.int8)])
def test_without_a_finite_element(make: type, data: object) -> None:
    """A legal histogram in which all is zero."""
    value, *nonfinite = read(make("w", data))
    assert not table(value).any()
    assert [float(np.size(data))] * bool(np.size(data)) == [extra.simple_value for extra in nonfinite]


@settings(deadline=None, max_examples=200)
@given(arrays(least=1))
def test_legacy_counts_are_numpys(data: npt.NDArray[np.generic]) -> None:
    """Between the default edges, widened to the data: numpy.histogram's counts, all elements, right min and max."""
    buckets, moments, nonfinite = _buckets.exponential(data.ravel())
    numbers = data.astype(np.float64)
    assert exact_counts(data, buckets.edges) == buckets.counts.tolist()
    assert (moments.num, moments.min, moments.max) == (data.size, numbers.min(), numbers.max())
    assert nonfinite == 0
    assert buckets.counts.sum() == data.size


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_legacy_around_every_edge(dtype: str) -> None:
    """Numbers at, just below and just above each default edge fall to the right side of it."""
    edges = _buckets.exponential_edges().astype(dtype)
    inf = edges.dtype.type(np.inf)
    data = np.concatenate([edges, np.nextafter(edges, inf), np.nextafter(edges, -inf), -edges[edges == 0]])
    buckets, _, _ = _buckets.exponential(data)
    assert exact_counts(data, buckets.edges) == buckets.counts.tolist()


@pytest.fixture(scope="module")
def torch_bins(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    with SummaryWriter(str(tmp_path_factory.mktemp("run"))) as writer:
        return writer.default_bins


def test_default_edges_are_torchs(torch_bins: list[float]) -> None:
    """To the last bit."""
    assert torch_bins == _buckets.exponential_edges().tolist()


@settings(deadline=None, max_examples=150)
@given(arrays(["float32", "float64", "int32", "uint8", "bool"], least=1), st.sampled_from([None, 1, 5, 30, 1000]))
def test_legacy_bytes_are_torchs(torch_bins: list[float], data: npt.NDArray[np.generic], most: int | None) -> None:
    """Finite data within the default edges: the same proto, byte for byte."""
    # Whether the least of 0.0 and -0.0 has a sign is left to the processor.
    data = data[np.abs(data.astype(np.float64)) < 9e19] + data.dtype.type(0)
    if not data.size:
        return
    expected = torch_summary.histogram("w", data, torch_bins, most)
    (got,) = read(histogram_legacy("w", data, max_bins=most))
    assert expected.value[0].SerializeToString() == got.SerializeToString()


@pytest.mark.parametrize("bins", ["auto", "doane", "fd", "rice", "scott", "sqrt", "sturges", 10, [-1, 0, 0.5, 9]])
def test_legacy_bins_are_torchs(bins: object) -> None:
    """Rules, numbers and edges mean what they mean to torch, with and without merging."""
    data = np.random.default_rng(3).standard_normal(5000).astype(np.float32)
    for most in (None, 4):
        expected = torch_summary.histogram("w", data, bins, most).value[0].histo
        got = read(histogram_legacy("w", data, bins=bins, max_bins=most))[0].histo
        assert list(expected.bucket) == list(got.bucket)
        assert list(expected.bucket_limit) == list(got.bucket_limit)
        assert expected.min == got.min


def test_legacy_sums_of_many_float32() -> None:
    """More than a block of float32 is summed in float32, to six digits; a sum that overflows it, in float64."""
    data = np.random.default_rng(3).random(300_000).astype(np.float32)
    histo = read(histogram_legacy("w", data))[0].histo
    assert data.sum(dtype=np.float64) == pytest.approx(histo.sum, rel=1e-6)
    assert np.square(data, dtype=np.float64).sum() == pytest.approx(histo.sum_squares, rel=1e-6)
    histo = read(histogram_legacy("w", data * np.float32(1e38)))[0].histo
    assert np.square(data * np.float32(1e38), dtype=np.float64).sum() == pytest.approx(histo.sum_squares, rel=1e-6)


def test_legacy_keeps_numbers_beyond_the_default_edges() -> None:
    """Where torch drops what is above 1e20, a bucket more reaches to the extreme; TensorBoard shows all elements."""
    (value,) = read(histogram_legacy("w", [-3e25, 1.0, 2e30, 5e30]))
    shown = table(value)
    assert shown[:, 2].sum() == 4
    assert np.float32(-3e25) == shown[0, 0]
    assert np.float32(5e30) == shown[-1, 1]
    assert shown[-1, 2] == 2


def test_legacy_rule_that_asks_too_much() -> None:
    """A rule that wants more buckets than there is memory gives the default edges, not an error."""
    data = np.append(np.linspace(0, 1, 10_000), 1e30)
    (value,) = read(histogram_legacy("w", data, bins="fd"))
    assert table(value)[:, 2].sum() == data.size


def test_raw() -> None:
    """Ready edges and counts are shown as they are."""
    (value,) = read(histogram_raw("w", [0, 1, 4.5], [3, 2], description="d"))
    assert table(value).tolist() == [[0, 1, 3], [1, 4.5, 2]]
    assert value.metadata.plugin_data.plugin_name == metadata.PLUGIN_NAME


def test_raw_legacy_bytes_are_torchs() -> None:
    """The same proto as torch's for the same arguments, numpy scalars and tensors included."""
    given_ = {"min": 0, "max": np.float32(2.5), "num": 3, "sum": torch.tensor(4.5), "sum_squares": 9.0}
    lists = {"bucket_limits": [1.0, 2.5, 1e300], "bucket_counts": [1, 2, 0]}
    expected = torch_summary.histogram_raw("w", **{k: float(v) for k, v in given_.items()}, **lists)
    (got,) = read(histogram_raw_legacy("w", **given_, **lists))
    assert expected.value[0].SerializeToString() == got.SerializeToString()


def test_torch_tensors() -> None:
    """bfloat16, float8, tensors that need a gradient or are not contiguous count as their numbers do."""
    data = torch.linspace(-2, 2, 400).reshape(20, 20)
    for tensor in (data.bfloat16(), data.to(torch.float8_e4m3fn), data.clone().requires_grad_(), data.T, data[::2]):
        expected = table(read(histogram("w", tensor.detach().float().contiguous().numpy()))[0])
        assert expected.tolist() == table(read(histogram("w", tensor))[0]).tolist()


@pytest.mark.parametrize("make", [histogram, histogram_legacy])
def test_snapshot(make: type) -> None:
    """What is shown is what the array held at the call."""
    data = np.arange(100.0)
    expected = read(make("w", data.copy()))
    deferred = make("w", data)
    data[:] = -1
    assert expected == read(deferred)
    assert expected == read(deferred), "and again"
    assert deferred.nbytes == 800


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: histogram("w", np.zeros(3, complex)), TypeError, ["'w'", "complex128"]),
        (lambda: histogram("w", ["a"]), TypeError, ["'w'", "<U1"]),
        (lambda: histogram("w", [1], buckets=0), ValueError, ["'w'", "buckets", "0"]),
        (lambda: histogram("w", [1], buckets=2.5), TypeError, ["'w'", "buckets", "float"]),
        (lambda: histogram("w", [1], description=3), TypeError, ["'w'", "description", "int"]),
        (lambda: histogram("w", [1], display_name=b"x"), TypeError, ["'w'", "display_name", "bytes"]),
        (lambda: histogram_legacy("w", [1], bins="many"), ValueError, ["'w'", "bins", "'many'"]),
        (lambda: histogram_legacy("w", [1], bins=0), ValueError, ["'w'", "bins", "0"]),
        (lambda: histogram_legacy("w", [1], bins=[1]), ValueError, ["'w'", "2 edges", "got 1"]),
        (lambda: histogram_legacy("w", [1], bins=[2, 1]), ValueError, ["'w'", "bins", "[2., 1.]"]),
        (lambda: histogram_legacy("w", [1], bins=[[2, 1]]), ValueError, ["'w'", "bins", "(1, 2)"]),
        (lambda: histogram_legacy("w", [1], max_bins=0), ValueError, ["'w'", "max_bins", "0"]),
        (lambda: histogram_raw("w", [0, 1], [1, 2]), ValueError, ["'w'", "2 edges", "2 counts"]),
        (lambda: histogram_raw("w", [0, 1], [np.nan]), ValueError, ["'w'", "counts", "nan"]),
        (lambda: histogram_raw("w", [0, 1], [-1]), ValueError, ["'w'", "counts", "-1"]),
        (lambda: histogram_raw("w", [0, np.inf], [1]), ValueError, ["'w'", "edges", "inf"]),
        (lambda: histogram_raw("w", ["a", "b"], [1]), TypeError, ["'w'", "edges", "<U1"]),
        (lambda: raw_legacy(bucket_counts=[1]), ValueError, ["'w'", "2 and 1"]),
        (lambda: raw_legacy(min="low"), TypeError, ["'w'", "min", "str"]),
        (lambda: raw_legacy(bucket_counts=[1, np.nan]), ValueError, ["'w'", "bucket_counts", "nan"]),
    ],
)
def test_bad_input_raises_in_the_call(call: type, error: type, words: list[str]) -> None:
    """With the tag, what was got and what was wanted."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)


def raw_legacy(**changed: object) -> Deferred:
    given_: dict[str, object] = {"min": 0, "max": 1, "num": 2, "sum": 1, "sum_squares": 1}
    given_ |= {"bucket_limits": [0, 1], "bucket_counts": [1, 1], **changed}
    return histogram_raw_legacy("w", **given_)
