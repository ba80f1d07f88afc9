"""A model as it was, whatever was run on it in between.

Knows: every state that running a model may change, how to save it and how to put it back. Must not know: why
the model is run.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import torch

from eventwriter_torch.graph._devices import accelerators

_Restore = Callable[[], None]
_CONTAINERS = (dict, OrderedDict, list, set)


@contextmanager
def random_state_kept(devices: set[torch.device]) -> Iterator[None]:
    """Puts the random state of Python, numpy, torch and the devices back after the body."""
    with ExitStack() as stack:
        for restore in _random_states(devices):
            stack.callback(restore)
        yield


@contextmanager
def untouched(module: torch.nn.Module, devices: set[torch.device]) -> Iterator[None]:
    """Runs the body with every sub-module in eval mode, then puts everything back.

    Put back: the train/eval mode of each sub-module by itself (not by `train()`, which would wake a frozen
    BatchNorm, and which some models override), attributes, containers in attributes (hooks are such), buffers
    and other tensors held by modules, gradients, the random state of Python, numpy, torch and `devices`, and
    the autocast cache. Inside, warnings are silent, and TransformerEncoder takes the path that shows its
    operators. Not put back: what the model's own code changes outside of its modules, and parameters that it
    writes into.
    """
    with ExitStack() as stack, warnings.catch_warnings(), random_state_kept(devices):
        warnings.simplefilter("ignore")
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)
        stack.callback(torch.set_autocast_cache_enabled, torch.is_autocast_cache_enabled())
        torch.set_autocast_cache_enabled(False)
        for parameter in module.parameters():
            if parameter.grad is not None:
                stack.callback(setattr, parameter, "grad", parameter.grad)
                parameter.grad = None
        modules = list(module.modules())
        for sub in modules:
            stack.callback(_module_state(sub))
        for sub in modules:
            _prepare(sub)
        yield


def _random_states(devices: set[torch.device]) -> Iterator[_Restore]:
    yield partial(random.setstate, random.getstate())
    numpy = sys.modules.get("numpy")  # whoever draws from numpy has imported it
    if numpy is not None:
        yield partial(numpy.random.set_state, numpy.random.get_state())
    yield partial(torch.set_rng_state, torch.get_rng_state())
    everywhere = set(devices)
    cuda: Any = torch.cuda
    if cuda.is_available() and cuda.is_initialized():
        everywhere |= {torch.device("cuda", i) for i in range(cuda.device_count())}
    for device in accelerators(everywhere):
        backend = torch.get_device_module(device.type)
        where = [] if device.index is None else [device.index]
        try:
            state = backend.get_rng_state(*where)
        except (AttributeError, TypeError, RuntimeError):
            continue  # a backend without a generator of its own
        yield partial(backend.set_rng_state, state, *where)


def _module_state(module: torch.nn.Module) -> _Restore:
    attributes = dict(module.__dict__)
    containers = [(value, value.copy()) for value in attributes.values() if type(value) in _CONTAINERS]
    held = [t for t in module.buffers(recurse=False) if t is not None]
    held += [t for t in attributes.values() if isinstance(t, torch.Tensor)]
    tensors = [(tensor, tensor.detach().clone()) for tensor in held]
    training = getattr(module, "training", None)

    def restore() -> None:
        now = module.__dict__
        for name in now.keys() - attributes.keys():
            del now[name]
        now.update(attributes)
        for value, before in containers:
            if not _same(value, before):
                value.clear()
                (value.extend if isinstance(value, list) else value.update)(before)
        for tensor, before in tensors:
            with suppress(RuntimeError), torch.inference_mode(tensor.is_inference()):  # some cannot be written to
                # Through .data, so that autograd does not see a change of what it may have saved.
                tensor.data.copy_(before)
        if training is not None and module.training is not training:
            module.training = training  # of a scripted module, where it is not among the attributes

    return restore


def _same(now: Any, before: Any) -> bool:
    """Whether two containers hold the very same objects; == would compare tensors by value."""
    if len(now) != len(before):
        return False
    if isinstance(now, set):
        return bool(now == before)
    a = list(now.items()) if isinstance(now, dict) else [(None, v) for v in now]
    b = list(before.items()) if isinstance(before, dict) else [(None, v) for v in before]
    return all(ka == kb and va is vb for (ka, va), (kb, vb) in zip(a, b, strict=True))


def _prepare(module: torch.nn.Module) -> None:
    """Eval mode, and what `torch.compile` made of a module undone: the tracer refuses compiled code."""
    try:
        module.training = False
    except (AttributeError, RuntimeError):
        return  # a frozen scripted module has no mode
    attributes = module.__dict__
    if attributes.get("_compiled_call_impl") is not None:
        attributes["_compiled_call_impl"] = None
    forward = getattr(attributes.get("forward"), "_torchdynamo_orig_callable", None)
    if forward is not None:
        attributes["forward"] = forward
