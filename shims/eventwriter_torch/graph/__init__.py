"""Graphs of torch models for TensorBoard's graph page.

`build` is all there is to call. The way through the modules: `_trace` chooses how a model is read, `_inputs`
gives its tensors, `_untouched` keeps it as it was; `_jit`, `_export` and `_modules` each read one kind of
graph into the nodes of `_nodes`, which become a GraphDef, and `_stats` says what they cost.
"""

from __future__ import annotations

from eventwriter_torch.graph._trace import build as build

__all__ = ["build"]
