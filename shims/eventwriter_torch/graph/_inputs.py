"""What users pass as input, as arguments of the call and as a flat row of named tensors.

Knows: signatures, pytrees, and the module `Flat`, which makes any model one from tensors to tensors (what
`torch.jit.trace` and `torch.export` both take). Must not know: how a graph is traced or drawn.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.utils import _pytree as pytree

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Named = list[tuple[tuple[str, ...], torch.Tensor]]


def signature(target: Callable[..., Any]) -> inspect.Signature | None:
    """The signature of a function, or of a module's `forward`; None if it has none to read."""
    scripted = script_arguments(target)
    if scripted is not None:
        kind, required = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
        defaults = [a.default_value if a.has_default_value() else required for a in scripted]
        return inspect.Signature(
            [inspect.Parameter(a.name, kind, default=d) for a, d in zip(scripted, defaults, strict=True)]
        )
    try:
        return inspect.signature(target.forward if isinstance(target, torch.nn.Module) else target)
    except (TypeError, ValueError):
        return None


def script_arguments(target: Any) -> list[Any] | None:
    """The arguments of a ScriptFunction or of a ScriptModule's `forward`, as torch._C describes them."""
    if isinstance(target, torch.jit.ScriptModule):
        forward: Any = target.forward
        return list(forward.schema.arguments[1:])  # the first is the module
    if isinstance(target, torch.jit.ScriptFunction):
        schema: Any = target.schema
        return list(schema.arguments)
    return None


def arguments(target: Callable[..., Any], given: Any, kwargs: Mapping[str, Any] | None) -> Arguments:
    """How `target` is called with what the user gave.

    A tuple or list is the positional arguments, as in `torch.jit.trace`, or one argument if they do not fit.
    A mapping is the keyword arguments if it fits as such and no `kwargs` are given, else one argument. None
    is no positional argument. Anything else is the one argument.

    Raises:
        TypeError: there is no input, and the call needs some.
    """
    named = dict(kwargs or {})
    sig = signature(target)
    if given is None:
        if not _fits(sig, (), named):
            raise TypeError(f"input_to_model is None, but the model takes {sig}")
        return (), named
    if isinstance(given, tuple | list | Mapping) and not given and _fits(sig, (), named):
        return (), named
    if isinstance(given, Mapping) and not named and all(isinstance(key, str) for key in given):
        if _fits(sig, (), dict(given)) and sig is not None:
            return (), dict(given)
        return (_plain(given),), named
    if isinstance(given, tuple | list) and (_fits(sig, tuple(given), named) or not _fits(sig, (given,), named)):
        return tuple(given), named
    return (_plain(given),), named


def _fits(sig: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    if sig is None:
        return True
    try:
        sig.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _plain(value: Any) -> Any:
    """A mapping that torch's pytrees do not know (Hugging Face's BatchEncoding) as a dict."""
    if isinstance(value, Mapping) and not _is_tree(value):
        return dict(value)
    return value


def _is_tree(value: Any) -> bool:
    leaves = pytree.tree_leaves(value)
    return len(leaves) != 1 or leaves[0] is not value


def _key(part: Any) -> str:
    """One step of a pytree's path: an index, a key or an attribute's name."""
    for attribute in ("key", "idx", "name"):
        if hasattr(part, attribute):
            return str(getattr(part, attribute))
    return str(part)


def path_names(tree: Any) -> list[tuple[str, ...]]:
    """The way to each leaf of a pytree, in order."""
    return [tuple(_key(part) for part in path) for path, _ in pytree.tree_flatten_with_path(tree)[0]]


def named_tensors(sig: inspect.Signature | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Named:
    """The tensors of a call in the order of its pytree, each named by its argument and the way down to it."""
    positional = _positional_names(sig, len(args))
    found: Named = []
    for path, leaf in pytree.tree_flatten_with_path((args, kwargs))[0]:
        if isinstance(leaf, torch.Tensor):
            side, first, *rest = (_key(part) for part in path)
            start = positional[int(first)] if side == "0" else (first,)
            found.append(((*start, *rest), leaf))
    return found


def _positional_names(sig: inspect.Signature | None, count: int) -> list[tuple[str, ...]]:
    names: list[tuple[str, ...]] = []
    for parameter in sig.parameters.values() if sig else ():
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [(parameter.name, str(i)) for i in range(count - len(names))]
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            names.append((parameter.name,))
    names += [(f"arg{i}",) for i in range(len(names), count)]
    return names[:count]


def outputs(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], torch.Tensor]]:
    """The tensors in what a model returned, each with the keys that lead to it."""
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from outputs(item, (*path, str(key)))
    elif isinstance(value, tuple | list):
        for key, item in zip(getattr(value, "_fields", range(len(value))), value, strict=True):
            yield from outputs(item, (*path, str(key)))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from outputs(getattr(value, field.name), (*path, field.name))
    elif _is_tree(value):
        for keys, leaf in pytree.tree_flatten_with_path(value)[0]:
            yield from outputs(leaf, (*path, *(_key(part) for part in keys)))


class _Call:
    """A call whose tensors are left open. No function or container, which the tracers would look through."""

    def __init__(self, target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.prefix: tuple[str, ...] = ()
        leaves, self._spec = pytree.tree_flatten((args, kwargs))
        self._target = target
        self._leaves = [None if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
        self._slots = [i for i, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
        self.output_names: list[tuple[str, ...]] = []

    def __call__(self, tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        leaves = list(self._leaves)
        for slot, tensor in zip(self._slots, tensors, strict=True):
            leaves[slot] = tensor
        args, kwargs = pytree.tree_unflatten(leaves, self._spec)
        found = list(outputs(self._target(*args, **kwargs)))
        self.output_names = [path for path, _ in found]
        return tuple(tensor for _, tensor in found)


class Flat(torch.nn.Module):
    """A model as a function from its input tensors to its output tensors.

    What is no tensor in the input (None, flags, numbers) is held fixed; what is no tensor in the output is
    left out.
    """

    def __init__(self, target: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        super().__init__()
        self._call = _Call(target, args, kwargs)
        owner = target if isinstance(target, torch.nn.Module) else getattr(target, "__self__", None)
        if isinstance(owner, torch.nn.Module):
            self.model = owner
            self._call.prefix = ("model",)
        else:
            for name, module in _used_modules(target).items():
                self.add_module(name, module)

    @property
    def prefix(self) -> tuple[str, ...]:
        """The path of the model itself, which is left out of names; none for a function that uses modules."""
        return self._call.prefix

    @property
    def output_names(self) -> list[tuple[str, ...]]:
        """The keys that lead to each output, as of the last call."""
        return self._call.output_names

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Calls the model.

        Raises:
            TypeError: it returned no tensor at all.
        """
        found = self._call(tensors)
        if not found:
            raise TypeError("the model returned no tensor")
        return found


def _used_modules(target: Callable[..., Any]) -> dict[str, torch.nn.Module]:
    """The modules among the variables that a function uses from outside."""
    try:
        used = inspect.getclosurevars(target)
    except (TypeError, ValueError):
        return {}
    variables = {**used.globals, **used.nonlocals}
    return {name: value for name, value in variables.items() if isinstance(value, torch.nn.Module)}


def copied(tree: Any) -> Any:
    """The same pytree with copies of its tensors, cut off from autograd; a tensor met twice stays one."""
    seen: dict[int, torch.Tensor] = {}

    def copied(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor) and id(leaf) not in seen:
            seen[id(leaf)] = leaf.detach().clone()
        return seen.get(id(leaf), leaf)

    return pytree.tree_map(copied, tree)


def by_path(module: torch.nn.Module) -> dict[tuple[str, ...], torch.nn.Module]:
    """Every sub-module by its path, the module itself under `()`, without torch.compile's wrappers."""
    found: dict[tuple[str, ...], torch.nn.Module] = {}
    for name, sub in module.named_modules():
        found[tuple(part for part in name.split(".") if part and part != "_orig_mod")] = sub
    return found
