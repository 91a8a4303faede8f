"""Split an ONNX model into a graph without weights and a safetensors file.

    python graphs/strip_weights.py IN.onnx OUT.onnx [--safetensors WEIGHTS.safetensors]

The graph keeps an entry for every initializer (name, element type, dimensions), so that all shapes stay known. The
entry's data is declared external at the location `weights`, which is no file: it says that the data is bound by name
from safetensors.

What stays inside the graph, because it is structure and not weights:
  * integer and boolean initializers of at most 64 elements: shapes, axes, indices;
  * initializers with a type that safetensors has no name for, and strings;
  * initializers of nested graphs whose name is taken already.
Constant nodes that hold more than 64 elements become initializers first.

Exporter metadata (doc_string, metadata_props) is removed. The result depends on the input's content only.
"""

import argparse
import json
import os
import struct
import sys

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, TensorProto, numpy_helper

LOCATION = "weights"
STRUCTURE_ELEMENTS = 64

# ONNX element types that safetensors can hold, by its names for them.
SAFETENSORS_TYPES = {
    TensorProto.FLOAT: "F32",
    TensorProto.DOUBLE: "F64",
    TensorProto.FLOAT16: "F16",
    TensorProto.BFLOAT16: "BF16",
    TensorProto.FLOAT8E4M3FN: "F8_E4M3",
    TensorProto.FLOAT8E5M2: "F8_E5M2",
    TensorProto.INT8: "I8",
    TensorProto.INT16: "I16",
    TensorProto.INT32: "I32",
    TensorProto.INT64: "I64",
    TensorProto.UINT8: "U8",
    TensorProto.UINT16: "U16",
    TensorProto.UINT32: "U32",
    TensorProto.UINT64: "U64",
    TensorProto.BOOL: "BOOL",
}
FLOATS = {
    TensorProto.FLOAT,
    TensorProto.DOUBLE,
    TensorProto.FLOAT16,
    TensorProto.BFLOAT16,
    TensorProto.FLOAT8E4M3FN,
    TensorProto.FLOAT8E5M2,
}


def elements(tensor: TensorProto) -> int:
    count = 1
    for dim in tensor.dims:
        count *= dim
    return count


def is_structure(tensor: TensorProto) -> bool:
    if tensor.data_type not in SAFETENSORS_TYPES:
        return True
    return tensor.data_type not in FLOATS and elements(tensor) <= STRUCTURE_ELEMENTS


def graphs(graph: GraphProto):
    """The graph and all graphs nested in its nodes' attributes, outermost first."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                yield from graphs(attribute.g)
            elif attribute.type == AttributeProto.GRAPHS:
                for nested in attribute.graphs:
                    yield from graphs(nested)


def remove_metadata(model: ModelProto) -> None:
    model.ClearField("doc_string")
    del model.metadata_props[:]
    everything = [*graphs(model.graph)]
    nodes = [node for graph in everything for node in graph.node]
    for function in model.functions:
        function.ClearField("doc_string")
        del function.metadata_props[:]
        nodes += function.node
    for graph in everything:
        graph.ClearField("doc_string")
        del graph.metadata_props[:]
        for value in [*graph.input, *graph.output, *graph.value_info]:
            value.ClearField("doc_string")
            del value.metadata_props[:]
        for tensor in graph.initializer:
            tensor.ClearField("doc_string")
            del tensor.metadata_props[:]
    for node in nodes:
        node.ClearField("doc_string")
        del node.metadata_props[:]
        for attribute in node.attribute:
            attribute.ClearField("doc_string")


def lift_constants(graph: GraphProto) -> None:
    """Turn every large Constant node into an initializer of its output's name."""
    kept = []
    for node in graph.node:
        value = next((a for a in node.attribute if a.name == "value"), None)
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx") and value is not None:
            if elements(value.t) > STRUCTURE_ELEMENTS:
                tensor = graph.initializer.add()
                tensor.CopyFrom(value.t)
                tensor.name = node.output[0]
                continue
        kept.append(node)
    if len(kept) != len(graph.node):
        kept = [onnx.NodeProto.FromString(n.SerializeToString()) for n in kept]
        del graph.node[:]
        graph.node.extend(kept)


def raw_bytes(tensor: TensorProto) -> bytes:
    if tensor.HasField("raw_data"):
        return tensor.raw_data
    array = numpy_helper.to_array(tensor)
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


def is_bare(tensor: TensorProto) -> bool:
    """Whether the tensor's data was taken out before."""
    entries = tensor.external_data if tensor.data_location == TensorProto.EXTERNAL else []
    return any(entry.key == "location" and entry.value == LOCATION for entry in entries)


def strip(model: ModelProto, keep=frozenset()) -> dict[str, tuple[str, list[int], bytes]]:
    """Remove metadata and weights from `model` in place; the weights as safetensors type, shape and bytes.

    Initializers named in `keep` belong to the structure."""
    remove_metadata(model)
    weights: dict[str, tuple[str, list[int], bytes]] = {}
    for graph in graphs(model.graph):
        lift_constants(graph)
        for tensor in graph.initializer:
            if is_structure(tensor) or is_bare(tensor) or tensor.name in weights or tensor.name in keep:
                continue
            weights[tensor.name] = (SAFETENSORS_TYPES[tensor.data_type], list(tensor.dims), raw_bytes(tensor))
            bare = TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
            bare.data_location = TensorProto.EXTERNAL
            bare.external_data.add(key="location", value=LOCATION)
            tensor.CopyFrom(bare)
    return weights


def safetensors_bytes(weights: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """A safetensors file: widest types first, so that each tensor is aligned; then by name."""
    width = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
    order = sorted(weights, key=lambda name: (-width.get(weights[name][0], 1), name))
    header, offset = {}, 0
    for name in order:
        dtype, shape, data = weights[name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(weights[name][2] for name in order)


def write(path: str, data: bytes) -> None:
    """Write a whole file or none."""
    partial = path + ".part"
    with open(partial, "wb") as file:
        file.write(data)
    os.replace(partial, path)


def main() -> int:
    parser = argparse.ArgumentParser(description="Split an ONNX model into a graph without weights and safetensors.")
    parser.add_argument("model", metavar="IN.onnx")
    parser.add_argument("graph", metavar="OUT.onnx")
    parser.add_argument("--safetensors", metavar="FILE", help="where the weights go; without it they are dropped")
    arguments = parser.parse_args()

    model = onnx.load(arguments.model)  # reads external data as well
    weights = strip(model)
    write(arguments.graph, model.SerializeToString(deterministic=True))
    if arguments.safetensors:
        write(arguments.safetensors, safetensors_bytes(weights))
    size = sum(len(data) for _, _, data in weights.values())
    print(f"{arguments.graph}: {len(weights)} weights, {size} bytes taken out", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
