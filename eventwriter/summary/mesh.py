"""3D meshes and point clouds, for TensorBoard's Mesh dashboard.

Knows: what the plugin reads: a tensor [meshes, points, 3] for each of vertices, faces and colours, under the tags
`TAG_VERTEX`, `TAG_FACE` and `TAG_COLOR`, each saying which parts there are (tensorboard/plugins/mesh/metadata.py).
Must not know: other kinds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eventwriter import _array
from eventwriter._proto.plugin_data_pb2 import MeshPluginData
from eventwriter._proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
from eventwriter._proto.tensor_pb2 import TensorProto
from eventwriter._proto.types_pb2 import DT_FLOAT, DT_INT32, DT_UINT8, DataType
from eventwriter.summary._deferred import Deferred
from eventwriter.summary._metadata import check_texts, metadata


class _Part(NamedTuple):
    content: MeshPluginData.ContentType
    dtype: DataType
    array: npt.NDArray[Any]


def mesh(
    tag: str,
    vertices: Any,
    *,
    colors: Any = None,
    faces: Any = None,
    config_dict: Mapping[str, Any] | None = None,
    description: str | None = None,
    display_name: str | None = None,
) -> Deferred:
    """One or more meshes, or point clouds where there are no faces.

    Args:
        vertices: [meshes, points, 3] or [points, 3] coordinates.
        colors: of the vertices, in their shape: red, green and blue from 0 to 255, also as floats.
        faces: [meshes, triangles, 3] or [triangles, 3]: each face's vertices by number.
        config_dict: three.js classes and their arguments for camera, lights and material, as the plugin's
            documentation has them. Must be JSON.

    Raises:
        TypeError, ValueError: with the tag, what was got and what was wanted.
    """
    what = f"mesh {tag!r}"
    check_texts(what, description, display_name)
    points = _part(what, "vertices", vertices)
    parts = [_Part(MeshPluginData.VERTEX, DT_FLOAT, points.astype(np.float32, copy=False))]
    if faces is not None:
        corners = _part(what, "faces", faces)
        _check_faces(what, corners, points)
        parts.append(_Part(MeshPluginData.FACE, DT_INT32, corners.astype(np.int32, copy=False)))
    if colors is not None:
        shades = _part(what, "colors", colors)
        if shades.shape != points.shape:
            raise ValueError(f"{what}: want colors in the vertices' shape {points.shape}, got {shades.shape}")
        if shades.size and not (shades.min() >= 0 and shades.max() <= 255):
            raise ValueError(f"{what}: want colors from 0 to 255, got {shades.min()} to {shades.max()}")
        parts.append(_Part(MeshPluginData.COLOR, DT_UINT8, _rounded(shades)))
    config = _json(what, config_dict)
    components = sum(1 << part.content for part in parts)

    def encode() -> list[Summary.Value]:
        return [_value(tag, part, components, config, description, display_name) for part in parts]

    return Deferred(sum(part.array.nbytes for part in parts), encode, what)


def _part(what: str, name: str, data: Any) -> npt.NDArray[Any]:
    array = _array.snapshot(data, f"{what}: {name}")
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{what}: want real numbers as {name}, got dtype {array.dtype}")
    if array.ndim not in (2, 3) or array.shape[-1] != 3:
        raise ValueError(f"{what}: want {name} of shape [meshes, n, 3] or [n, 3], got {array.shape}")
    return array if array.ndim == 3 else array[np.newaxis]


def _rounded(colors: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return (np.rint(colors) if colors.dtype.kind == "f" else colors).astype(np.uint8, copy=False)


def _check_faces(what: str, faces: npt.NDArray[Any], vertices: npt.NDArray[Any]) -> None:
    if faces.shape[0] != vertices.shape[0]:
        raise ValueError(f"{what}: want faces for {vertices.shape[0]} meshes, as vertices has, got {faces.shape[0]}")
    points = vertices.shape[1]
    if faces.size and not (faces.min() >= 0 and faces.max() < points):
        raise ValueError(f"{what}: want faces that number {points} vertices, got {faces.min()} to {faces.max()}")


def _json(what: str, config: Mapping[str, Any] | None) -> str:
    try:
        return json.dumps({} if config is None else dict(config), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{what}: want a mapping that can be JSON as config_dict: {error}") from None


def _value(
    tag: str, part: _Part, components: int, config: str, description: str | None, display_name: str | None
) -> Summary.Value:
    array = part.array
    message = TensorProto(dtype=part.dtype, tensor_content=array.astype(array.dtype.newbyteorder("<")).tobytes())
    for size in array.shape:
        message.tensor_shape.dim.add(size=size)
    content = MeshPluginData(
        name=tag, content_type=part.content, components=components, shape=array.shape, json_config=config
    )
    about = metadata("mesh", content.SerializeToString(), DATA_CLASS_TENSOR, description, display_name)
    suffix = MeshPluginData.ContentType.Name(part.content)
    return Summary.Value(tag=f"{tag}_{suffix}", metadata=about, tensor=message)
