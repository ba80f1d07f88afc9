"""An ONNX file's graph for TensorBoard's graph page.

Knows: ONNX's graph messages. Must not know: event files, torch.
"""

from __future__ import annotations

from typing import Any

from eventwriter.proto import (
    DT_BFLOAT16,
    DT_BOOL,
    DT_COMPLEX64,
    DT_COMPLEX128,
    DT_DOUBLE,
    DT_FLOAT,
    DT_HALF,
    DT_INT8,
    DT_INT16,
    DT_INT32,
    DT_INT64,
    DT_INVALID,
    DT_STRING,
    DT_UINT8,
    DT_UINT16,
    DT_UINT32,
    DT_UINT64,
    AttrValue,
    GraphDef,
    NodeDef,
    TensorShapeProto,
    VersionDef,
)

# By ONNX's numbers for dtypes (onnx.proto, TensorProto.DataType).
_DTYPES = (
    DT_INVALID, DT_FLOAT, DT_UINT8, DT_INT8, DT_UINT16, DT_INT16, DT_INT32, DT_INT64, DT_STRING, DT_BOOL, DT_HALF,
    DT_DOUBLE, DT_UINT32, DT_UINT64, DT_COMPLEX64, DT_COMPLEX128, DT_BFLOAT16,
)  # fmt: skip

# Of an attribute, so much is shown.
_LONGEST_TEXT = 1000


def load_onnx_graph(fname: Any) -> GraphDef:
    """The graph of an ONNX file, or of what else `onnx.load` takes. Raises ImportError without the package `onnx`."""
    import onnx

    model = onnx.load(fname, load_external_data=False)
    return parse(model.graph)


def parse(graph: Any) -> GraphDef:
    """A GraphDef of an ONNX GraphProto: a node for each input, weight, operator and output."""
    shapes = {info.name: info for info in (*graph.value_info, *graph.input, *graph.output)}
    weights = {weight.name: weight for weight in graph.initializer}
    nodes = [_value("Placeholder", info.name, info) for info in graph.input if info.name not in weights]
    nodes += [_weight(weight) for weight in weights.values()]
    # TensorBoard knows an edge by the node it comes from and the number of that node's output.
    edges: dict[str, str] = {}
    used = {node.name for node in nodes}
    for number, node in enumerate(graph.node):
        name = _name(node, number)
        if name in used:
            name = f"{name}_{number}"
        used.add(name)
        outputs = [output for output in node.output if output]
        edges |= {output: name if not slot else f"{name}:{slot}" for slot, output in enumerate(outputs)}
        nodes.append(_operator(name, node, edges, [shapes.get(output) for output in outputs]))
    for info in graph.output:
        output = _value("Output", f"output/{info.name}", info)
        output.input.append(edges.get(info.name, str(info.name)))
        nodes.append(output)
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


def _name(node: Any, number: int) -> str:
    """ONNX's names are optional; an output's name is not."""
    name = node.name or next(filter(None, node.output), "") or f"{node.op_type}_{number}"
    return str(name).strip("/")


def _value(op: str, name: str, info: Any) -> NodeDef:
    node = NodeDef(name=name, op=op)
    kind = info.type.tensor_type
    node.attr["dtype"].type = _dtype(kind.elem_type)
    node.attr["shape"].shape.CopyFrom(_shape(kind))
    node.attr["_output_shapes"].list.shape.append(_shape(kind))
    return node


def _weight(weight: Any) -> NodeDef:
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in weight.dims])
    node = NodeDef(name=weight.name, op="Variable")
    node.attr["dtype"].type = _dtype(weight.data_type)
    node.attr["shape"].shape.CopyFrom(shape)
    node.attr["_output_shapes"].list.shape.append(shape)
    return node


def _operator(name: str, node: Any, edges: dict[str, str], outputs: list[Any]) -> NodeDef:
    made = NodeDef(name=name, op=node.op_type, input=[edges.get(value, str(value)) for value in node.input if value])
    for attribute in node.attribute:
        made.attr[attribute.name].CopyFrom(_attribute(attribute))
    known = [_shape(info.type.tensor_type) for info in outputs if info is not None]
    if len(known) == len(outputs):
        made.attr["_output_shapes"].list.shape.extend(known)
    return made


def _attribute(attribute: Any) -> AttrValue:
    kind = attribute.AttributeType.Name(attribute.type)
    if kind == "FLOAT":
        return AttrValue(f=attribute.f)
    if kind == "INT":
        return AttrValue(i=attribute.i)
    if kind == "STRING":
        return AttrValue(s=attribute.s[:_LONGEST_TEXT])
    if kind == "INTS":
        return AttrValue(list=AttrValue.ListValue(i=attribute.ints[:_LONGEST_TEXT]))
    if kind == "FLOATS":
        return AttrValue(list=AttrValue.ListValue(f=attribute.floats[:_LONGEST_TEXT]))
    return AttrValue(s=kind.lower().encode())  # tensors and graphs: that there is one


def _shape(kind: Any) -> TensorShapeProto:
    """Dimensions that the file names but does not number are -1, which TensorBoard shows as `?`."""
    dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in kind.shape.dim]
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in dims])


def _dtype(number: int) -> Any:
    return _DTYPES[number] if 0 <= number < len(_DTYPES) else DT_INVALID
