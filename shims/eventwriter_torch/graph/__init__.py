"""Graphs of torch models for TensorBoard's graph page.

`build` is all there is to call, or `make`, which raises where `build` warns. The way through the modules: `_trace`
chooses how a model is read, `_inputs` gives its tensors, `_untouched` keeps it as it was; `_jit`, `_export` and
`_modules` each read one kind of graph into the nodes of `_nodes`, which become a GraphDef, and `_stats` says what they
cost.
"""

from __future__ import annotations

from eventwriter_torch.graph._trace import NoGraph as NoGraph
from eventwriter_torch.graph._trace import build as build
from eventwriter_torch.graph._trace import make as make

__all__ = ["NoGraph", "build", "make"]
