"""Meshes: the parts, tags and metadata of TensorBoard's own summary."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR
from tensorboard.plugins.mesh import metadata
from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData
from tensorboard_values import array, read

from eventwriter.summary.mesh import mesh

VERTICES = np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)
COLORS = np.random.default_rng(1).integers(0, 256, (2, 5, 3))
FACES = np.array([[[0, 1, 2], [2, 3, 4]]] * 2)


def test_all_parts() -> None:
    """Three values whose tags, types, data and components are the plugin's."""
    config = {"camera": {"cls": "PerspectiveCamera", "fov": 75}}
    values = read(mesh("m", VERTICES, colors=COLORS, faces=FACES, config_dict=config, description="d"))
    kinds = {
        MeshPluginData.VERTEX: (np.float32, VERTICES),
        MeshPluginData.FACE: (np.int32, FACES),
        MeshPluginData.COLOR: (np.uint8, COLORS),
    }
    components = metadata.get_components_bitmask(list(kinds))
    for value, (kind, (dtype, data)) in zip(values, kinds.items(), strict=True):
        content = metadata.parse_plugin_metadata(value.metadata.plugin_data.content)
        expected = metadata.create_summary_metadata(
            "m", None, kind, components, list(data.shape), "d", json.dumps(config)
        )
        expected.data_class = DATA_CLASS_TENSOR
        assert expected == value.metadata
        assert metadata.get_instance_name("m", kind) == value.tag
        assert (kind, 0) == (content.content_type, content.version)
        assert dtype == array(value).dtype
        assert data.tolist() == array(value).tolist()


@pytest.mark.parametrize("parts", [{}, {"colors": COLORS}, {"faces": FACES}])
def test_components_say_what_there_is(parts: dict[str, np.ndarray]) -> None:
    """Each value names all the parts, so that the dashboard waits for no other."""
    values = read(mesh("m", VERTICES, **parts))
    kinds = {"colors": MeshPluginData.COLOR, "faces": MeshPluginData.FACE}
    expected = metadata.get_components_bitmask([MeshPluginData.VERTEX, *(kinds[name] for name in parts)])
    contents = [metadata.parse_plugin_metadata(value.metadata.plugin_data.content) for value in values]
    assert [expected] * (1 + len(parts)) == [content.components for content in contents]
    assert all(content.json_config == "{}" for content in contents)


def test_one_mesh_without_a_batch() -> None:
    """[n, 3] is one mesh; float colours are rounded; torch tensors and lists are arrays."""
    colors = torch.tensor(COLORS[0]).float() - 0.25
    vertices, faces, shades = read(
        mesh("m", torch.tensor(VERTICES[0]).requires_grad_(), colors=colors.clamp(0), faces=FACES[0].tolist())
    )
    assert VERTICES[:1].tolist() == array(vertices).tolist()
    assert FACES[:1].tolist() == array(faces).tolist()
    assert COLORS[:1].tolist() == array(shades).tolist()


def test_snapshot() -> None:
    """All arrays can change after the call."""
    points, corners, shades = VERTICES.copy(), FACES.astype(np.int32), COLORS.astype(np.uint8)
    deferred = mesh("m", points, colors=shades, faces=corners)
    points[:], corners[:], shades[:] = 0, 0, 0
    got = [array(value).tolist() for value in read(deferred)]
    assert [VERTICES.tolist(), FACES.tolist(), COLORS.tolist()] == got
    assert points.nbytes + corners.nbytes + shades.nbytes == deferred.nbytes


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: mesh("m", [[1, 2]]), ValueError, ["'m'", "vertices", "(1, 2)"]),
        (lambda: mesh("m", [1, 2, 3]), ValueError, ["'m'", "vertices", "(3,)"]),
        (lambda: mesh("m", [["a", "b", "c"]]), TypeError, ["'m'", "vertices", "<U1"]),
        (lambda: mesh("m", VERTICES, colors=COLORS[:1]), ValueError, ["'m'", "colors", "(1, 5, 3)"]),
        (lambda: mesh("m", VERTICES, colors=COLORS + 300), ValueError, ["'m'", "0 to 255", "307"]),
        (lambda: mesh("m", VERTICES, faces=FACES[:1]), ValueError, ["'m'", "faces", "2", "1"]),
        (lambda: mesh("m", VERTICES, faces=FACES + 1), ValueError, ["'m'", "faces", "5 vertices"]),
        (lambda: mesh("m", VERTICES, faces=FACES - 1), ValueError, ["'m'", "faces", "-1"]),
        (lambda: mesh("m", VERTICES, config_dict={"a": object()}), TypeError, ["'m'", "config_dict", "JSON"]),
        (lambda: mesh("m", VERTICES, config_dict=3), TypeError, ["'m'", "config_dict"]),
    ],
)
def test_bad_input_raises_in_the_call(call: Callable[[], object], error: type[Exception], words: list[str]) -> None:
    """With the tag, what was got and what was wanted."""
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
