"""`install()`: programs that import torch.utils.tensorboard or tensorboardX get eventwriter_torch.

Knows: Python's table of modules. Must not know: what the classes do. Imports neither of the two packages.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import eventwriter

_MISSING = object()
_TORCH = "torch.utils.tensorboard"
_X = "tensorboardX"

# What was there before, by name; None while nothing is installed.
_before: dict[str, Any] | None = None
_torch_attribute: Any = _MISSING
_parent: Any = torch.utils


def install() -> None:
    """Make `torch.utils.tensorboard` and `tensorboardX` resolve to this package, until `uninstall()`.

    Call it before whatever imports them: names that were imported already stay what they are. Their other
    sub-modules, such as `tensorboardX.proto`, stay what they are too. Neither package needs to be installed, nor
    tensorboard. Calling it again does nothing.
    """
    global _before, _torch_attribute
    if _before is not None:
        return
    modules = _modules()
    _before = {name: sys.modules.get(name, _MISSING) for name in modules}
    _torch_attribute = vars(torch.utils).get("tensorboard", _MISSING)
    sys.modules.update(modules)
    _parent.tensorboard = modules[_TORCH]


def uninstall() -> None:
    """Put back what was there before `install()`. Writers made meanwhile go on."""
    global _before
    if _before is None:
        return
    for name, module in _before.items():
        if module is _MISSING:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = module
    if _torch_attribute is _MISSING:
        del _parent.tensorboard
    else:
        _parent.tensorboard = _torch_attribute
    _before = None


def _modules() -> dict[str, ModuleType]:
    """The modules that take the places, by name."""
    import eventwriter_torch as ours
    from eventwriter_torch import _tensorboardx as x
    from eventwriter_torch import summary

    torch_names = {name: getattr(ours, name) for name in ("FileWriter", "RecordWriter", "SummaryWriter")}
    x_names = torch_names | {"SummaryWriter": x.SummaryWriter, "GlobalSummaryWriter": x.GlobalSummaryWriter}
    x_path = _path_of(_X)
    contents: dict[str, tuple[dict[str, Any], list[str] | None]] = {
        _TORCH: (torch_names, [str(Path(torch.__file__).parent / "utils" / "tensorboard")]),
        f"{_TORCH}.writer": (torch_names, None),
        f"{_TORCH}.summary": ({name: getattr(summary, name) for name in summary.__all__}, None),
        _X: (x_names | {"__version__": eventwriter.__version__}, x_path),
        f"{_X}.writer": (x_names, None),
        f"{_X}.summary": ({name: getattr(summary, name) for name in summary.__all__}, None),
        f"{_X}.record_writer": ({"RecordWriter": ours.RecordWriter}, None),
        f"{_X}.global_writer": ({"GlobalSummaryWriter": x.GlobalSummaryWriter}, None),
    }
    modules: dict[str, ModuleType] = {}
    for name, (names, path) in contents.items():
        module = modules[name] = ModuleType(name, f"eventwriter_torch in the place of {name}.")
        vars(module).update(names, __all__=[n for n in names if not n.startswith("_")])
        module.__spec__ = ModuleSpec(name, None, origin="eventwriter_torch", is_package=path is not None)
        if path is not None:
            module.__path__ = path
            module.__spec__.submodule_search_locations = path
        parent, _, child = name.rpartition(".")
        if parent in modules:
            setattr(modules[parent], child, module)
    return modules


def _path_of(package: str) -> list[str]:
    """Where an installed package's other sub-modules are."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    return list(spec.submodule_search_locations or []) if spec is not None else []
