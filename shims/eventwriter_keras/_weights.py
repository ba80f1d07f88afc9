"""A model's weights as histograms and as images.

Knows: layers, their weights, and how Keras draws a weight of each shape. Must not know: runs, files, when something is
logged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from eventwriter import EventWriter
from eventwriter.summary import Deferred, image
from eventwriter_keras import _tensors

_log = logging.getLogger("eventwriter")

# tf.summary.image's bound on the images of one step.
_MOST_IMAGES = 3


def log(writer: EventWriter, model: Any, step: int, *, images: bool) -> None:
    """Log each weight as `PATH/histogram` and, if it can be drawn, as `PATH/image`."""
    for path, weight in weights(model):
        try:
            writer.histogram(f"{path}/histogram", keras.ops.convert_to_tensor(weight), step)
        except (TypeError, ValueError) as error:  # a weight that is no array of real numbers
            _log.warning("histogram_freq: a weight is not logged: %s", error)
            continue
        if images:
            pictures = _pictures(_tensors.array(weight))
            if pictures is not None:
                writer.log(_image(f"{path}/image", pictures), step)


def weights(model: Any) -> Iterator[tuple[str, Any]]:
    """Each weight once, with its path as the tag.

    Paths need not differ: of two weights with one path the second has `_1` at its end. As one tag, one would hide the
    other.
    """
    seen: set[int] = set()
    tags: dict[str, int] = {}
    for layer in model.layers:
        for weight in layer.weights:
            if id(weight) not in seen:
                seen.add(id(weight))
                path = weight.path.replace(":", "_")
                count = tags[path] = tags.get(path, -1) + 1
                yield f"{path}_{count}" if count else path, weight


def _image(tag: str, pictures: npt.NDArray[np.float32]) -> Deferred:
    return Deferred(
        pictures.nbytes, lambda: image.images(tag, _eight_bits(pictures), dataformats="NHWC").values(), f"image {tag!r}"
    )


def _eight_bits(pictures: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """0 to 1 as 0 to 255, the way of `tf.image.convert_image_dtype`: scaled by 255.5, clipped, cut off."""
    return (np.clip(np.nan_to_num(pictures), 0, 1) * 255.5).astype(np.uint8)


def _pictures(weight: npt.NDArray[Any]) -> npt.NDArray[np.float32] | None:
    """A copy of a weight as [n, height, width, channels] images, n at most 3; None if that is not its shape.

    A vector is a column of pixels. A matrix is one image, wider than high. Of what has three dimensions the last
    (channels_last) or the first are images of their own; of what has four the first, if the last can be colours.
    """
    shape = tuple(size for size in weight.shape if size != 1)
    squeezed = weight.reshape(shape)
    if len(shape) == 1:
        images = squeezed.reshape(1, shape[0], 1, 1)
    elif len(shape) == 2:
        images = (squeezed.T if shape[0] > shape[1] else squeezed)[None, :, :, None]
    elif len(shape) == 3:
        first = keras.config.image_data_format() == "channels_first"
        images = (squeezed if first else squeezed.transpose(2, 0, 1))[..., None]
    elif len(shape) == 4 and shape[-1] in (3, 4):
        images = squeezed
    else:
        return None
    return np.array(images[:_MOST_IMAGES], np.float32) if images.size else None
