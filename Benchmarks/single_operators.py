"""Models of one operator at sizes of Stable Diffusion 1.4, as ONNX and as PyTorch: what the kernels do without a graph around them.

Weights and inputs of an operator come from one seed for both.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from measure import Case

OPSET = 23


@dataclass
class Operator:
    """`nodes` compute `y` from the names of `inputs` and `weights`; `module` does the same with tensors by name and torch."""

    name: str
    inputs: dict[str, tuple[int, ...]]
    weights: dict[str, tuple[int, ...]]
    nodes: list[onnx.NodeProto]
    module: Callable
    flops: int = 0

    def tensors(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        random = np.random.default_rng(zlib.crc32(self.name.encode()))
        inputs = {name: random.standard_normal(shape, dtype=np.float32) for name, shape in self.inputs.items()}
        weights = {}
        for name, shape in self.weights.items():
            scale = np.float32(int(np.prod(shape[1:])) ** -0.5 if len(shape) > 1 else 1)
            weights[name] = random.standard_normal(shape, dtype=np.float32) * scale
        return inputs, weights

    def case(self, folder: Path, precision: str) -> Case:
        inputs, weights = self.tensors()
        ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in inputs.items()]
        results = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
        constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
        graph = helper.make_graph(self.nodes, "operator", ports, results, constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        path = folder / "operator.onnx"
        onnx.save(onnx.shape_inference.infer_shapes(model), path)
        return Case(self.name, path, inputs, torch={"operator": self.name}, precision=precision, round_seconds=0.3)


def node(operator: str, *inputs: str, output: str = "y", **attributes) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], **attributes)


def matmul(m: int, k: int, n: int) -> Operator:
    return Operator(
        f"matmul {m}x{k}x{n}", {"x": (m, k)}, {"b": (n,), "w": (k, n)},
        [node("MatMul", "x", "w", output="p"), node("Add", "p", "b")],
        lambda torch, t: t["x"] @ t["w"] + t["b"], 2 * m * k * n,
    )  # fmt: skip


def convolution(channels: int, filters: int, size: int, kernel: int, batch: int = 2) -> Operator:
    pad = kernel // 2
    return Operator(
        f"conv {kernel}x{kernel}, {batch}x{channels}x{size}x{size} to {filters}", {"x": (batch, channels, size, size)},
        {"w": (filters, channels, kernel, kernel), "b": (filters,)},
        [node("Conv", "x", "w", "b", pads=[pad] * 4)],
        lambda torch, t: torch.nn.functional.conv2d(t["x"], t["w"], t["b"], padding=pad),
        2 * batch * size * size * channels * filters * kernel * kernel,
    )  # fmt: skip


def attention(queries: int, keys: int, heads: int, width: int, batch: int = 2) -> Operator:
    shapes = {"q": (batch, heads, queries, width), "k": (batch, heads, keys, width), "v": (batch, heads, keys, width)}
    return Operator(
        f"attention {batch}x{heads}x{queries}x{width}, {keys} keys", shapes, {}, [node("Attention", "q", "k", "v")],
        lambda torch, t: torch.nn.functional.scaled_dot_product_attention(t["q"], t["k"], t["v"]),
        4 * batch * heads * queries * keys * width,
    )  # fmt: skip


def layer_norm(rows: int, width: int) -> Operator:
    return Operator(
        f"layer norm {rows}x{width}", {"x": (rows, width)}, {"s": (width,), "b": (width,)},
        [node("LayerNormalization", "x", "s", "b", epsilon=1e-5)],
        lambda torch, t: torch.nn.functional.layer_norm(t["x"], [width], t["s"], t["b"], 1e-5),
    )  # fmt: skip


def group_norm(channels: int, size: int, batch: int = 2) -> Operator:
    return Operator(
        f"group norm {batch}x{channels}x{size}x{size}", {"x": (batch, channels, size, size)}, {"s": (channels,), "b": (channels,)},
        [node("GroupNormalization", "x", "s", "b", num_groups=32, epsilon=1e-5)],
        lambda torch, t: torch.nn.functional.group_norm(t["x"], 32, t["s"], t["b"], 1e-5),
    )  # fmt: skip


def softmax(rows: int, width: int) -> Operator:
    return Operator(
        f"softmax {rows}x{width}", {"x": (rows, width)}, {}, [node("Softmax", "x", axis=-1)],
        lambda torch, t: torch.softmax(t["x"], -1),
    )  # fmt: skip


def gelu(rows: int, width: int) -> Operator:
    return Operator(
        f"gelu {rows}x{width}", {"x": (rows, width)}, {}, [node("Gelu", "x")],
        lambda torch, t: torch.nn.functional.gelu(t["x"]),
    )  # fmt: skip


def every() -> list[Operator]:
    return [
        matmul(8192, 320, 320),
        matmul(8192, 320, 2560),
        matmul(2048, 640, 640),
        matmul(512, 1280, 1280),
        matmul(154, 768, 768),
        matmul(1024, 1024, 1024),
        convolution(320, 320, 64, 3),
        convolution(640, 640, 32, 3),
        convolution(1280, 1280, 16, 3),
        convolution(1280, 1280, 8, 3),
        convolution(128, 128, 256, 3, batch=1),
        convolution(320, 320, 64, 1),
        convolution(640, 640, 32, 1),
        convolution(1280, 1280, 16, 1),
        attention(4096, 4096, 8, 40),
        attention(1024, 1024, 8, 80),
        attention(256, 256, 8, 160),
        attention(4096, 77, 8, 40),
        attention(77, 77, 12, 64),
        layer_norm(8192, 320),
        layer_norm(512, 1280),
        group_norm(320, 64),
        group_norm(1280, 16),
        softmax(8192, 4096),
        softmax(8192, 77),
        gelu(8192, 1280),
        gelu(512, 5120),
    ]


def torch_module(name: str):
    """The operator as a module whose parameters are its weights, and the names of its inputs in order."""
    import torch

    operator = next(operator for operator in every() if operator.name == name)
    _, weights = operator.tensors()

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for key, value in weights.items():
                self.register_parameter(key, torch.nn.Parameter(torch.from_numpy(value), requires_grad=False))

        def forward(self, *values):
            given = dict(zip(operator.inputs, values, strict=True))
            return operator.module(torch, {**given, **dict(self.named_parameters())})

    return Module(), list(operator.inputs)
