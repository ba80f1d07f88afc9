"""Tensors and variables of any backend as numbers. Must not know what they are of."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt


def array(value: Any) -> npt.NDArray[Any]:
    """A tensor, a variable, also one that a TensorFlow strategy mirrors, or a number; maybe a view, not to be kept."""
    tensor: Any = keras.ops.convert_to_tensor(value)
    # Keras hands a torch tensor to numpy in a way that numpy warns of.
    return np.asarray(
        tensor.detach().float().cpu() if hasattr(tensor, "detach") else keras.ops.convert_to_numpy(tensor)
    )


def number(value: Any) -> float:
    """The only element of a tensor or a variable."""
    return float(array(value))
