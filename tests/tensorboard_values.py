"""What a kind of value wrote, in TensorBoard's own classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from tensorboard import data_compat, dataclass_compat
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.util import tensor_util

from eventwriter.summary._deferred import Deferred


def read(deferred: Deferred) -> list[Summary.Value]:
    """The values as TensorBoard's messages."""
    return [Summary.Value.FromString(value.SerializeToString()) for value in deferred.values()]


def shown(value: Summary.Value) -> Summary.Value:
    """The value after both of TensorBoard's migrations, which must not drop it."""
    event = data_compat.migrate_event(Event(summary=Summary(value=[value])))
    (migrated,) = dataclass_compat.migrate_event(event, {})
    (result,) = migrated.summary.value
    return result


def array(value: Summary.Value) -> npt.NDArray[Any]:
    """The tensor that a plugin gets to see."""
    return np.asarray(tensor_util.make_ndarray(shown(value).tensor))
