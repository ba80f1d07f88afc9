"""What the nodes of a graph cost, as the RunMetadata that TensorBoard colours them by.

Knows: RunMetadata. Must not know: how a graph was read or timed.

The plugin's page sums a scope's memory and time over what is in it, so a view or an operator that works in
place counts no memory. It reads `tensor_description.shape` without looking whether it is there (TensorBoard
2.21): every output has one. It shows devices named `/device:TYPE:INDEX`.
"""

from __future__ import annotations

from collections.abc import Iterable

from eventwriter import proto as messages
from eventwriter_torch.graph._nodes import Node, data_type


def run_metadata(nodes: Iterable[Node]) -> messages.RunMetadata:
    """The memory of every node's outputs, and its time if it was measured, by device.

    Args:
        nodes: as they are after `Graph.finish`, which names them.
    """
    metadata = messages.RunMetadata()
    devices = {}
    for node in nodes:
        device = node.device or "/device:CPU:0"
        if device not in devices:
            devices[device] = metadata.step_stats.dev_stats.add(device=device)
        stats = devices[device].node_stats.add(node_name=node.name)
        if node.micros is not None:
            start, took = node.micros
            stats.all_start_micros = start
            stats.op_end_rel_micros = stats.all_end_rel_micros = took
        total = sum(info.nbytes for info in node.outputs) if node.allocates else 0
        if total:
            stats.memory.add(allocator_name=device.rpartition("/device:")[2], total_bytes=total)
        for slot, info in enumerate(node.outputs):
            output = stats.output.add(slot=slot)
            output.tensor_description.dtype = data_type(info.dtype)
            output.tensor_description.shape.SetInParent()
            for size in info.shape or ():
                output.tensor_description.shape.dim.add(size=size)
    if not devices:
        metadata.step_stats.dev_stats.add(device="/device:CPU:0")
    return metadata
