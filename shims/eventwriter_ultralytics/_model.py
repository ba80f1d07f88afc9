"""What is told of a model, found out on a copy of it.

Knows: how Ultralytics wraps, fuses and exports models. Must not know: how a graph is made (`eventwriter_torch.graph`)
or logged, when.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

    from eventwriter.proto import GraphDef, RunMetadata


class Copy(NamedTuple):
    """A model of its own, in eval mode, and an image of zeros for it, [1, channels, height, width]."""

    model: torch.nn.Module
    image: torch.Tensor


@contextmanager
def copied(trainer: Any) -> Iterator[Copy]:
    """A copy of the trainer's model, on its device; within, running it leaves the random state as it was."""
    import torch
    from ultralytics.utils import torch_utils

    utils: Any = torch_utils
    unwrap = utils.unwrap_model if hasattr(utils, "unwrap_model") else utils.de_parallel  # its name as 8.3 began
    model = copy.deepcopy(unwrap(trainer.model)).eval()
    size = trainer.args.imgsz
    height, width = (size, size) if isinstance(size, int) else size
    parameter = next(model.parameters())
    shape = (1, trainer.data.get("channels", 3), height, width)
    image = torch.zeros(shape, device=parameter.device, dtype=parameter.dtype)
    devices = [parameter.device] if parameter.device.type == "cuda" else []
    with torch.random.fork_rng(devices), torch.no_grad():
        yield Copy(model, image)


def info(given: Copy) -> list[list[str]]:
    """Layers, parameters, gradients and GFLOPs, as Ultralytics counts them. (Its `model_info` prints them too.)"""
    from ultralytics.utils.torch_utils import get_flops, get_num_gradients, get_num_params

    model = given.model
    size: Any = list(given.image.shape[2:])
    flops = get_flops(copy.deepcopy(model), size)
    rows = [
        ["model", str(getattr(model, "yaml_file", "") or getattr(model, "yaml", {}).get("yaml_file", ""))],
        ["layers", f"{sum(1 for m in model.modules() if not m._modules):,}"],
        ["parameters", f"{get_num_params(model):,}"],
        ["gradients", f"{get_num_gradients(model):,}"],
        ["GFLOPs", f"{flops:.1f}" if flops else "not known"],
        ["image", " × ".join(map(str, given.image.shape[1:]))],
    ]
    return [["", ""], *(row for row in rows if row[1])]


def graph(given: Copy) -> tuple[GraphDef, RunMetadata]:
    """The model's graph: traced as it is; else fused and in export mode, which RT-DETR-like heads may need; else
    exported by torch, or the tree of its modules.

    Raises:
        NoGraph: with the reason of each way that failed.
    """
    from eventwriter_torch import graph as graphs

    ways: list[tuple[str, Callable[[], torch.nn.Module], Any]] = [
        ("traced", lambda: given.model, ["trace"]),
        ("traced in export mode", lambda: _for_export(given), ["trace"]),
        ("its modules", lambda: given.model, ["export", "modules"]),
    ]
    failed = []
    for name, prepared, kinds in ways:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return graphs.make(prepared(), given.image, False, False, ways=kinds)
        except Exception as error:
            failed.append(f"{name}: {error}")
    raise graphs.NoGraph("the model's graph cannot be made: " + " -> ".join(failed))


def _for_export(given: Copy) -> torch.nn.Module:
    unfused: Any = copy.deepcopy(given.model)
    model: torch.nn.Module = unfused.fuse(verbose=False)
    for module in model.modules():
        if hasattr(module, "export"):  # a head: Detect, RTDETRDecoder, …
            head: Any = module
            head.export, head.format = True, "torchscript"
    model(given.image)  # settles its anchors
    return model
