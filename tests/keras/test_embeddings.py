"""Embeddings, as TensorBoard's projector reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from google.protobuf import text_format
from keras_logs import Scenario, facts
from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig


def embeddings(folder: Path) -> dict[str, EmbeddingInfo]:
    text = (folder / "train" / "projector_config.pbtxt").read_text()
    return {info.tensor_name: info for info in text_format.Parse(text, ProjectorConfig()).embeddings}


def test_each_layer_has_its_own(scenario: Scenario) -> None:
    """A tensor for each layer and each epoch, the last of which is the layer's."""
    folder = scenario("embeddings")
    found = embeddings(folder)
    assert set(found) == {"words:00000", "words:00001", "letters:00000", "letters:00001"}
    for layer, width in (("words", 3), ("letters", 2)):
        info = found[f"{layer}:00001"]
        assert list(info.tensor_shape) == [12, width]
        # Not as raw bytes if the projector would take these for text.
        path = folder / "train" / info.tensor_path
        table = np.fromfile(path, "<f4") if path.suffix == ".bytes" else np.loadtxt(path, "f4").ravel()
        np.testing.assert_array_equal(np.float32(facts(folder)["tables"][layer]), table)


def test_metadata(scenario: Scenario) -> None:
    """Names are from the file beside the runs; a header stays one; what lacks gets a number, and a warning, once."""
    folder = scenario("embeddings")
    found = embeddings(folder)
    words = (folder / "train" / found["words:00001"].metadata_path).read_text().splitlines()
    assert words == ["word\tlength", *(f"word {i}\t{i}" for i in range(12))]
    letters = (folder / "train" / found["letters:00001"].metadata_path).read_text().splitlines()
    assert letters == [*"abcdefghij", "#10", "#11"]
    (warning,) = facts(folder)["warnings"]
    assert "letters: want 12 rows" in warning
    assert "got 10" in warning


@pytest.mark.parametrize("backend", ["torch"])
def test_unknown_layers(scenario: Scenario) -> None:
    """A name in embeddings_metadata that no embedding layer has is a ValueError that says which there are."""
    assert facts(scenario("embeddings_of_unknown_layers"))["error"] == (
        "embeddings_metadata: want names of embedding layers (words), got wrods"
    )
