"""What a way to a graph gives, and the kinds of ways.

Knows: how a finished graph becomes the pair of messages. Must not know: any way itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from eventwriter import proto as messages
from eventwriter_torch.graph._nodes import Graph, Ref, Scope, TensorInfo
from eventwriter_torch.graph._stats import run_metadata

Built: TypeAlias = tuple[messages.GraphDef, messages.RunMetadata]
Way: TypeAlias = tuple[str, Callable[[], Built]]
Outputs: TypeAlias = Iterable[tuple[Scope, Sequence[Ref], TensorInfo]]


def built(graph: Graph, outputs: Outputs) -> Built:
    """Adds the outputs (keys, edges, info) and gives the messages."""
    for keys, edges, info in outputs:
        graph.output(keys, edges, info)
    return graph.finish(), run_metadata(graph.nodes)


def show(traced: Any) -> None:
    """Prints a graph in torch's notation, as `verbose=True` does in torch.utils.tensorboard."""
    sys.stdout.write(f"{traced}\n")
