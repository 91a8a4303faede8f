"""Export the parts of a latent diffusion pipeline as graphs without weights.

    python graphs/export.py NAME...                 built-in architectures, from their configurations alone
    python graphs/export.py FOLDER --name NAME      those of a checkpoint in diffusers layout

writes graphs/NAME/{text_encoder,text_encoder_2,unet,vae_decoder,vae_encoder}.onnx, `architecture.json` (see
architectures.py), and the configuration files that make the folder one that `swage compile graphs/NAME
--synthetic-weights 1` reads. Nothing is downloaded, and no weights exist in memory: the models are built on PyTorch's
meta device. The versions that the shipped graphs were made with stand in requirements.txt.

Batch, height and width are symbols. Weights have the names and shapes that they have in the checkpoint's files;
attention, group normalisation and GELU are single operators (opset 23).
"""

import argparse
import json
import os
import sys

import onnx
import onnx_ir as ir
import onnxscript
import torch
from onnxscript import opset23 as op

import architectures
import parts
from strip_weights import LOCATION, strip, write

OPSET = 23
HERE = os.path.dirname(os.path.abspath(__file__))
LARGEST = 3_000_000


def chunk(x, chunks: int, dim: int = 0):
    return op.Split(x, axis=dim, num_outputs=chunks)


def trace(part: parts.Part) -> ir.Model:
    """The part as an ONNX model whose weights have a type and a shape only."""
    sizes = {"batch": (2, 4096), "height": (16, 1 << 16), "width": (16, 1 << 16)}
    symbols = {name: torch.export.Dim(name, min=low, max=high) for name, (low, high) in sizes.items()}
    shapes = {
        name: {axis: symbols[symbol] for axis, symbol in part.open_axes.get(name, {}).items()} for name in part.inputs
    }
    program = torch.export.export(
        part.module.eval(), (), part.inputs, dynamic_shapes=shapes, strict=False,
        prefer_deferred_runtime_asserts_over_guards=True,
    )  # fmt: skip
    exported = torch.onnx.export(
        program, dynamo=True, opset_version=OPSET, optimize=False, verbose=False, input_names=list(part.inputs),
        output_names=part.outputs, custom_translation_table={torch.ops.aten.chunk.default: chunk},
    )  # fmt: skip
    return exported.model


def simplify(model: ir.Model) -> None:
    """Fold the arithmetic of shapes; weights are inputs meanwhile, so that nothing touches them."""
    graph = model.graph
    weights = list(graph.initializers.values())
    graph.initializers.clear()
    inputs = list(graph.inputs)
    for value in weights:
        value.const_value = None
        graph.inputs.append(value)
    onnxscript.optimizer.optimize_ir(model)
    for value in weights:
        graph.inputs.remove(value)
        graph.initializers[value.name] = value
    assert list(graph.inputs) == inputs
    # Constants that the optimiser made initialisers are nodes again: initialisers are the checkpoint's.
    for value in [*graph.initializers.values()]:
        if value not in weights:
            node = ir.node("Constant", [], attributes={"value": ir.AttrTensor("value", value.const_value)})
            graph.insert_before(graph[0], node)
            value.replace_all_uses_with(node.outputs[0])
            del graph.initializers[value.name]


def round_up(model: ir.Model) -> None:
    """(n - 1) // d + 1, as PyTorch writes the sizes of strided convolutions, as (n + d - 1) // d.

    Both are the same for every size; the division of ONNX rounds to zero, and only the second stays out of the negative.
    """
    graph = model.graph

    def other(node: ir.Node | None, operator: str, constant: int) -> ir.Value | None:
        """What `node` computes `operator` of, besides the constant."""
        if node is None or node.op_type != operator:
            return None
        kept = [value for value in node.inputs if whole(value) != constant]
        return kept[0] if len(kept) == 1 else None

    for node in [*graph]:
        quotient = other(node, "Add", 1)
        division = quotient.producer() if quotient is not None else None
        if division is None or division.op_type != "Div" or (divisor := whole(division.inputs[1])) is None:
            continue
        size = other(division.inputs[0].producer(), "Add", -1)
        if size is None:
            continue
        added = ir.node("Constant", [], attributes={"value": ir.AttrTensor("value", ir.tensor(divisor - 1))})
        total = ir.node("Add", [size, added.outputs[0]])
        result = ir.node("Div", [total.outputs[0], division.inputs[1]])
        for new in [added, total, result]:
            new.metadata_props.update(node.metadata_props)
        graph.insert_before(node, [added, total, result])
        node.outputs[0].replace_all_uses_with(result.outputs[0])


def whole(value: ir.Value | None) -> int | None:
    """The value, where it is a constant whole number."""
    constant = ir.convenience.get_const_tensor(value) if value is not None else None
    if constant is None or constant.dtype != ir.DataType.INT64 or constant.shape.rank() != 0:
        return None
    return int(constant.numpy())


def bare(value: ir.Value) -> ir.ExternalTensor:
    """What strip_weights.py writes for a weight: its data is elsewhere."""
    shape = ir.Shape([int(size) for size in value.shape])
    return ir.ExternalTensor(LOCATION, None, None, value.dtype, shape=shape, name=value.name)


def name_nodes(model: ir.Model) -> None:
    """Nodes are named after the module and the function that they come from."""
    taken: dict[str, int] = {}
    for node in model.graph:
        scopes = [s for s in json_list(node.metadata_props.get("pkg.torch.onnx.name_scopes")) if s]
        modules = [strip_prefix(scope) for scope in scopes[:-1] if not scope.startswith("_")]
        name = "/".join(part for part in [modules[-1] if modules else "", node.op_type] if part)
        taken[name] = taken.get(name, 0) + 1
        node.name = name if taken[name] == 1 else f"{name}_{taken[name]}"


def json_list(text: str | None) -> list[str]:
    return json.loads(text.replace("'", '"')) if text else []


def strip_prefix(name: str) -> str:
    return name.removeprefix("model.") if name != "model" else ""


def name_values(model: ir.Model, part: parts.Part) -> None:
    graph = model.graph
    for value in [*graph.initializers.values()]:
        name = strip_prefix(value.name)
        if name != value.name:
            del graph.initializers[value.name]
            value.name = name
            graph.initializers[name] = value
    for name, values in [(list(part.inputs), graph.inputs), (part.outputs, graph.outputs)]:
        assert [value.name for value in values] == name, [value.name for value in values]
    number = 0
    kept = {*part.inputs, *part.outputs}
    for node in graph:
        for value in node.outputs:
            if value.name not in kept:
                value.name = f"v{number}"
                number += 1


def declare_ports(model: ir.Model, part: parts.Part) -> None:
    for value in [*model.graph.inputs, *model.graph.outputs]:
        axes = part.open_axes.get(value.name, {})
        sizes = [axes.get(axis, size if isinstance(size, int) else None) for axis, size in enumerate(value.shape)]
        value.shape = ir.Shape(sizes)


def structure(part: parts.Part) -> dict[str, torch.Tensor]:
    """Tensors that belong to the graph and not to the checkpoint."""
    return {
        strip_prefix(f"{name}.frequencies"): module.values
        for name, module in part.module.named_modules()
        if isinstance(module, parts.Frequencies)
    }


def export(part: parts.Part, name: str) -> bytes:
    model = trace(part)
    simplify(model)
    round_up(model)
    onnxscript.optimizer.remove_unused_nodes(model)
    name_nodes(model)
    name_values(model, part)
    declare_ports(model, part)
    kept = structure(part)
    graph = model.graph
    for value in [*graph.initializers.values()]:
        if not value.uses() and not value.is_graph_output():
            del graph.initializers[value.name]
        elif value.name in kept:
            value.const_value = ir.tensor(kept[value.name].numpy(), name=value.name)
        else:
            value.const_value = bare(value)
    graph.name = name
    model.producer_name, model.producer_version = "swage/graphs/export.py", ""
    proto = ir.to_proto(model)
    del proto.graph.value_info[:]
    strip(proto, keep=kept.keys())
    check_names(proto, part, kept.keys())
    data = proto.SerializeToString(deterministic=True)
    if len(data) > LARGEST:
        raise SystemExit(f"{name}: {len(data)} bytes, more than {LARGEST}")
    return data


def check_names(proto: onnx.ModelProto, part: parts.Part, kept) -> None:
    """Every weight is a tensor of the checkpoint, in its own shape."""
    expected = {strip_prefix(name): list(tensor.shape) for name, tensor in part.module.state_dict().items()}
    for tensor in proto.graph.initializer:
        if tensor.name in kept or tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        if expected.get(tensor.name) != list(tensor.dims):
            raise SystemExit(f"{tensor.name} {list(tensor.dims)} is no tensor of the checkpoint")


def main() -> int:
    parser = argparse.ArgumentParser(description="Export a latent diffusion pipeline's parts without weights.")
    parser.add_argument("model", nargs="+", help=f"a folder, or one of {', '.join(architectures.BUILT_IN)}")
    parser.add_argument("--name", help="the architecture's name, for a folder")
    parser.add_argument("--output", default=HERE, help="where the architecture's folder goes")
    parser.add_argument("--part", action="append", help="only these parts")
    arguments = parser.parse_args()
    for source in arguments.model:
        built_in = architectures.BUILT_IN.get(source)
        pipeline = built_in() if built_in else architectures.read_folder(source)
        name = arguments.name or os.path.basename(os.path.normpath(source))
        folder = os.path.join(arguments.output, name)
        for part, make in architectures.parts_of(pipeline).items():
            if arguments.part and part not in arguments.part:
                continue
            os.makedirs(folder, exist_ok=True)
            data = export(make(), part)
            write(os.path.join(folder, f"{part}.onnx"), data)
            print(f"{name}/{part}.onnx: {len(data)} bytes", file=sys.stderr)
        architectures.write_descriptions(pipeline, name, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
