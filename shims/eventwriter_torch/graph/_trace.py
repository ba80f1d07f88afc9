"""The way from a model to its graph: what is given traced is read, anything else is traced, exported or run.

Knows: the kinds of things users pass as a model, and what to do when no way works. Must not know: the ways
themselves (`_given`, `_live`).
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Literal

import torch

from eventwriter_torch.graph import _given, _live
from eventwriter_torch.graph._result import Built, Way

logger = logging.getLogger("eventwriter")

_LONGEST_REASON = 300
_KINDS = {
    "torch.jit.trace": "trace",
    "torch.jit.trace(strict=False)": "trace",
    "torch.export": "export",
    "running it": "modules",
}


def build(
    model: Any,
    input_to_model: Any = None,
    verbose: bool = False,
    use_strict_trace: bool = True,
    *,
    kwargs: Mapping[str, Any] | None = None,
    measure: bool = False,
) -> Built | None:
    """The graph of a model for TensorBoard's graph page.

    The first of these that works: a ScriptModule, ScriptFunction or ExportedProgram is read as it is; anything
    else is traced with `torch.jit.trace` (without its check), else exported with `torch.export` (not strict),
    else run once, for the tree of its modules with shapes. Wrappers of `torch.compile`, `DataParallel` and
    `DistributedDataParallel` are looked through. The model runs in eval mode, without gradients unless it
    takes some itself, on copies of the inputs, and everything about it and the random state is put back; see
    `_untouched` for what cannot be.

    Args:
        model: a module, function, ScriptModule, ScriptFunction or ExportedProgram.
        input_to_model: the positional arguments as a tuple or list, the keyword arguments as a mapping whose
            keys are the model's, or the one argument, any pytree of tensors. None or empty: no arguments,
            which is enough for a model that is given traced or exported.
        verbose: print the traced graph in torch's own notation, as torch.utils.tensorboard does.
        use_strict_trace: passed to `torch.jit.trace` as `strict`; a strict trace that fails is tried again not
            strict.
        kwargs: keyword arguments beside `input_to_model`.
        measure: also run each operator by itself and keep its time. Costs about one more run of the model.

    Returns:
        The GraphDef and the RunMetadata (memory, devices, times if measured), or None if no way worked. Then
        one warning of the logger `eventwriter` says why each did not.
    """
    try:
        return make(model, input_to_model, verbose, use_strict_trace, kwargs=kwargs, measure=measure)
    except Exception as error:  # a graph is never worth a training run
        logger.warning("add_graph: no graph could be made of the model; %s", error)
        return None


def make(
    model: Any,
    input_to_model: Any = None,
    verbose: bool = False,
    use_strict_trace: bool = True,
    *,
    kwargs: Mapping[str, Any] | None = None,
    measure: bool = False,
    ways: Collection[Literal["trace", "export", "modules"]] = ("trace", "export", "modules"),
) -> Built:
    """As `build`, for who has ways of their own besides.

    Args:
        ways: for a model that is not given traced or exported, which of these are tried.

    Raises:
        NoGraph: with the reason of each way that failed.
    """
    try:
        model = _unwrapped(model)
        if isinstance(model, torch.jit.ScriptModule | torch.jit.ScriptFunction):
            return _first(_given.scripted(model, input_to_model, kwargs, verbose, measure))
        if isinstance(model, torch.export.ExportedProgram):
            return _first([_given.exported(model, input_to_model, kwargs, verbose, measure)])
        live = _live.ways(model, input_to_model, kwargs, verbose, use_strict_trace, measure)
        return _first((name, way) for name, way in live if _KINDS[name] in ways)
    except NoGraph:
        raise
    except Exception as error:
        raise NoGraph(_reason(error)) from error


class NoGraph(Exception):  # noqa: N818 -- what it says of the model, not of a call
    """No way to a model's graph worked; the message says why each did not."""


def _first(ways: Iterable[Way]) -> Built:
    failed: list[tuple[str, Exception]] = []
    for name, way in ways:
        try:
            return way()
        except Exception as error:  # the next way may work
            logger.debug("add_graph: %s failed", name, exc_info=True)
            failed.append((name, error))
    reasons: dict[str, list[str]] = {}  # the ways by reason: several often fail for the same one
    for name, why in failed:
        reasons.setdefault(_reason(why), []).append(name)
    raise NoGraph("; ".join(f"{' and '.join(names)}: {text}" for text, names in reasons.items()))


def _reason(error: Exception) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 3] + "..."


def _unwrapped(model: Any) -> Any:
    """What is inside torch.compile's and the data-parallel wrappers."""
    while True:
        inner: Any = None
        if isinstance(model, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
            inner = model.module
        elif isinstance(model, torch.nn.Module) and not isinstance(model, torch.jit.ScriptModule):
            inner = model._modules.get("_orig_mod")
        elif callable(model):
            inner = getattr(model, "_torchdynamo_orig_callable", None)
        if inner is None:
            return model
        model = inner
