"""The devices that a model and its tensors are on.

Knows: devices, and how to wait for one. Must not know: what is run there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch.utils import _pytree as pytree


def devices_of(values: Any) -> set[torch.device]:
    """The devices of all tensors in a pytree."""
    return {leaf.device for leaf in pytree.tree_leaves(values) if isinstance(leaf, torch.Tensor)}


def devices_of_module(module: torch.nn.Module) -> set[torch.device]:
    """The devices of a module's parameters and buffers."""
    return devices_of([list(module.parameters()), list(module.buffers())])


def accelerators(devices: Iterable[torch.device]) -> list[torch.device]:
    """Those that work on their own while Python goes on."""
    return [device for device in devices if device.type not in ("cpu", "meta")]


def waiter(devices: Iterable[torch.device]) -> Callable[[], object]:
    """A function that waits until every accelerator among the devices has done what it was asked to."""
    waits = [partial(torch.get_device_module(d.type).synchronize, d) for d in accelerators(devices)]
    return lambda: [wait() for wait in waits]
