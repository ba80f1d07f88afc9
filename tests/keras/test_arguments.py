"""What the callback takes, and the words for what it does not."""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from eventwriter_keras import TensorBoard, _scalars


def test_signature_is_kerass() -> None:
    """Keras's arguments, in Keras's order, with Keras's defaults; what is ours comes after and by name only."""
    theirs = list(inspect.signature(keras.callbacks.TensorBoard.__init__).parameters.values())
    ours = list(inspect.signature(TensorBoard.__init__).parameters.values())
    assert [(p.name, p.default) for p in theirs] == [(p.name, p.default) for p in ours[: len(theirs)]]
    more = [p.kind for p in ours[len(theirs) :]]
    assert {p.KEYWORD_ONLY for p in ours} == set(more[:-1])
    assert more[-1] is inspect.Parameter.VAR_KEYWORD


def test_hooks_are_the_references() -> None:
    """Every hook of the reference is there, with its arguments."""
    for name in ("batch", "epoch", "predict", "predict_batch", "test", "test_batch", "train", "train_batch"):
        for end in ("begin", "end"):
            hook = f"on_{name}_{end}"
            want = list(inspect.signature(getattr(keras.callbacks.Callback, hook)).parameters)
            assert want == list(inspect.signature(getattr(TensorBoard, hook)).parameters), hook


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"log_dir": 3}, TypeError, "log_dir: want a str or PathLike, got int"),
        ({"log_dir": b"logs"}, TypeError, "log_dir: want a str or PathLike, got bytes"),
        ({"log_dir": ""}, ValueError, "log_dir: want the path of a folder, got ''"),
        ({"histogram_freq": -1}, ValueError, "histogram_freq: want an int of at least 0, got -1"),
        ({"histogram_freq": 1.5}, TypeError, "histogram_freq: want an int of at least 0, got float 1.5"),
        ({"embeddings_freq": "1"}, TypeError, "embeddings_freq: want an int of at least 0, got str '1'"),
        ({"update_freq": 0}, ValueError, "update_freq: want 'batch', 'epoch' or an int of at least 1, got 0"),
        ({"update_freq": "step"}, ValueError, "update_freq: want 'batch', 'epoch' or an int of at least 1, got 'step'"),
        ({"update_freq": None}, TypeError, "update_freq: want 'batch', 'epoch' or an int of at least 1, got NoneType"),
        ({"profile_batch": -2}, ValueError, "profile_batch: want an int of at least 0, or two ints (first, last)"),
        ({"profile_batch": (5, 2)}, ValueError, "got (5, 2)"),
        ({"profile_batch": (1, 2, 3)}, ValueError, "got (1, 2, 3)"),
        ({"profile_batch": "a,b"}, ValueError, "got 'a,b'"),
        ({"profile_batch": 2.5}, TypeError, "got float 2.5"),
        ({"embeddings_metadata": 3}, TypeError, "embeddings_metadata: want a file name, or a dict of layer name"),
        ({"embeddings_metadata": {"a": 3}}, TypeError, "got 'a': 3"),
        ({"write_activations": True, "histogram_freq": 1}, ValueError, "write_activations: want activation_data"),
        ({"histogram_frequency": 1}, ValueError, "TensorBoard: want arguments of its signature, got histogram_freq"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    """A bad argument raises in the constructor, with what was got and what was wanted."""
    with pytest.raises(error) as caught:
        TensorBoard(**{"log_dir": "logs"} | arguments)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("given", "want"),
    [(0, (0, 0)), (2, (2, 2)), ((3, 5), (3, 5)), ([3, 5], (3, 5)), ("2", (2, 2)), ("10,20", (10, 20)), (None, (0, 0))],
)
def test_profile_batch(given: Any, want: tuple[int, int]) -> None:
    """The forms of profile_batch."""
    assert want == TensorBoard("logs", profile_batch=given).profile_batch


def test_other_forms() -> None:
    """Paths, numpy ints, None for never; "batch" is 1."""
    board = TensorBoard(Path("logs"), np.int64(2), update_freq="batch", embeddings_freq=None)  # type: ignore[arg-type]
    assert (board.log_dir, board.histogram_freq, board.update_freq, board.embeddings_freq) == ("logs", 2, 1, 0)


@pytest.mark.parametrize("name", ["batch_size", "embeddings_layer_names", "embeddings_data"])
def test_old_arguments(name: str) -> None:
    """What TensorFlow 2.0 ignored with a warning is ignored with a warning; None is no use of it."""
    with pytest.warns(UserWarning, match=f"{name} has had no effect since TensorFlow 2.0"):
        TensorBoard("logs", **{name: 3})
    TensorBoard("logs", **{name: None})


def test_write_grads() -> None:
    """Without data there is nothing to differentiate: a warning, as TensorFlow 2.0 had one."""
    with pytest.warns(UserWarning, match="write_grads has no effect without"):
        TensorBoard("logs", 1, write_grads=True)
    with pytest.warns(UserWarning, match="write_grads has no effect without"):
        TensorBoard("logs", 1, write_grads=True, activation_data=np.zeros((2, 3)))
    TensorBoard("logs", 1, write_grads=True, activation_data=(np.zeros((2, 3)), np.zeros(2)))
    TensorBoard("logs", write_grads=False)


def test_constructor_makes_no_folder(tmp_path: Path) -> None:
    """Folders are made when something is logged."""
    TensorBoard(tmp_path / "logs", profile_batch=2, embeddings_freq=1)
    assert not list(tmp_path.iterdir())


def test_writer_too_early() -> None:
    """Before `fit` there is no writer, and the error says what there must be."""
    with pytest.raises(ValueError, match="writer: want a callback that was given to fit or evaluate"):
        TensorBoard("logs").writer()


def test_learning_rates_of_several_optimizers() -> None:
    """An optimizer made of several has a learning rate for each by its name; a LossScaleOptimizer is looked into."""
    one, other = keras.optimizers.SGD(0.5, name="one"), keras.optimizers.Adam(0.25, name="other")
    several = SimpleNamespace(optimizers=[one, other])
    assert {"learning_rate_one": 0.5, "learning_rate_other": 0.25} == _scalars.learning_rates(several)
    scaled = keras.optimizers.LossScaleOptimizer(one)
    assert {"learning_rate": 0.5} == _scalars.learning_rates(scaled)
    assert {} == _scalars.learning_rates(None)
    assert {} == _scalars.learning_rates(object())


def test_model_that_cannot_be_drawn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A model without JSON is a warning, not an error."""

    class Odd(keras.Sequential):
        def get_config(self) -> dict[str, Any]:
            raise NotImplementedError("no config")

    model = Odd([keras.Input((2,)), keras.layers.Dense(1)])
    board = TensorBoard(tmp_path)
    with caplog.at_level(logging.WARNING, "eventwriter"):
        board.set_model(model)
    assert "write_graph: the model has no JSON" in caplog.text
    board.on_train_begin()
    board.on_train_end()
