"""The ways of what is given traced: TorchScript and exported programs are read as they are.

Knows: the two kinds, and how input that is given beside them gives them shapes and times. Must not know: how a
graph is read, or what a GraphDef looks like.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch.utils import _pytree as pytree

from eventwriter_torch.graph import _export, _jit
from eventwriter_torch.graph._devices import devices_of, devices_of_module, waiter
from eventwriter_torch.graph._inputs import Flat, arguments, by_path, copied, script_arguments, signature
from eventwriter_torch.graph._jit_operators import carries_tensor, typed_info
from eventwriter_torch.graph._nodes import Graph, Ref, Scope, TensorInfo
from eventwriter_torch.graph._result import Built, Way, built, show
from eventwriter_torch.graph._untouched import untouched
from eventwriter_torch.graph._values import Value

logger = logging.getLogger("eventwriter")


def scripted(model: Any, given: Any, kwargs: Mapping[str, Any] | None, verbose: bool, measure: bool) -> Iterator[Way]:
    """The ways of a ScriptModule or ScriptFunction, traced or scripted. `given` may be None or empty.

    Input only adds to what is there, so input that does not fit is as good as none.
    """
    module = model if isinstance(model, torch.nn.Module) else Flat(model, (), {})

    def way(with_input: bool) -> Built:
        values = _bound(model, *arguments(model, given, kwargs)) if with_input else None
        if verbose:
            show(model.graph)
        graph = Graph(by_path(module) if module is model else {})
        with torch.no_grad(), untouched(module, devices_of_module(module) | devices_of(values)):
            return _read_script(graph, model, values, measure)

    if kwargs or not _is_empty(given):
        yield "the given TorchScript with its input", partial(way, True)
    yield "the given TorchScript", partial(way, False)


def _bound(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    """The arguments of a scripted model in the order of its graph's inputs, copied."""
    sig = signature(model)
    if sig is None:
        return list(copied(args))
    bound = sig.bind(*args, **kwargs)
    bound.apply_defaults()
    return list(copied(list(bound.arguments.values())))


def _read_script(graph: Graph, model: Any, values: list[Any] | None, measure: bool) -> Built:
    symbols = list(model.graph.inputs())
    if isinstance(model, torch.nn.Module):
        symbols = symbols[1:]
    inputs = []
    for i, (symbol, argument) in enumerate(zip(symbols, script_arguments(model) or (), strict=True)):
        path = (argument.name,)
        if values is not None:
            if symbol.type().kind() == "TensorType" and not isinstance(values[i], torch.Tensor):
                raise TypeError(f"{argument.name}: want a tensor, got {type(values[i]).__name__}")
            inputs.append(_known_input(graph, path, values[i]))
        elif argument.has_default_value():
            inputs.append(Value(known=argument.default_value, number=True))
        else:
            inputs.append(_typed_input(graph, path, symbol.type(), typed_info(symbol)))
    # A trace has shapes; a script, or what was loaded from a file, gets them by being run.
    has_shapes = all(symbol.isCompleteTensor() for symbol in symbols if carries_tensor(symbol.type()))
    run = values is not None and (measure or not has_shapes)
    reader = _jit.Reader(graph, run=run, timed=measure, synchronize=waiter(devices_of(values)))
    if measure and values is not None:
        reader.warm_up(model, copied(values))
    return built(graph, [out for value in reader.root(model, inputs) for out in _outputs(value, ())])


def _known_input(graph: Graph, path: Scope, value: Any) -> Value:
    """The value of one input, with a node for each tensor in it."""
    if isinstance(value, torch.Tensor):
        info = TensorInfo.of(value)
        return Value([graph.input(path, info)], known=value, info=info)
    if isinstance(value, Mapping):
        items = [_known_input(graph, (*path, str(key)), item) for key, item in value.items()]
        return Value(items=items, keys=list(value))
    if isinstance(value, list | tuple):
        return Value(items=[_known_input(graph, (*path, str(i)), item) for i, item in enumerate(value)])
    return Value(known=value, number=True)


def _typed_input(graph: Graph, path: Scope, kind: Any, info: TensorInfo) -> Value:
    """The same, where only the types of inputs are known."""
    if kind.kind() == "TupleType":
        elements = enumerate(kind.elements())
        return Value(items=[_typed_input(graph, (*path, str(i)), e, TensorInfo()) for i, e in elements])
    if not carries_tensor(kind):
        return Value(number=True)
    return Value([graph.input(path, info)], info=info)


def _outputs(value: Value, path: Scope) -> Iterator[tuple[Scope, Sequence[Ref], TensorInfo]]:
    if value.items is None:
        if value.edges and not value.number:
            yield path, value.edges, value.info
        return
    keys = value.keys if value.keys is not None else range(len(value.items))
    for key, item in zip(keys, value.items, strict=True):
        yield from _outputs(item, (*path, str(key)))


def exported(program: Any, given: Any, kwargs: Mapping[str, Any] | None, verbose: bool, measure: bool) -> Way:
    """The way of an ExportedProgram. To be measured it runs on its own example inputs if none are given."""

    def way() -> Built:
        if verbose:
            show(program.graph)
        times = None
        if measure:
            args, named = program.example_inputs or ((), {})
            if not _is_empty(given) or kwargs:
                args, named = arguments(program.module(), given, kwargs)
            times = measured(program, pytree.tree_leaves(copied((args, named))))
        graph = Graph({})
        reader = _export.Reader(graph, program, times=times)
        return built(graph, reader.read(lambda _, name, info: graph.input((name,), info)))

    return "the given exported program", way


def measured(program: Any, leaves: list[Any]) -> _export.Times | None:
    """The times of an exported program's operators, or None and a warning."""
    try:
        with torch.no_grad():
            return _export.measure(program, leaves, waiter(devices_of(leaves)))
    except Exception as error:  # a graph without times is still a graph
        logger.warning("add_graph: no times could be measured (%s: %s)", type(error).__name__, error)
        return None


def _is_empty(given: Any) -> bool:
    return given is None or (isinstance(given, tuple | list | dict) and not given)
