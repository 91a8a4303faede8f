"""Small models as exporters write them, and what onnxruntime's optimiser, transformers optimiser and quantiser make of them."""

import contextlib
import io
import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from contrib_case import MS, Case, floats, integers

LEVELS = {
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "extended": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


class Builder:
    """A graph under construction; operators are methods that give the name of their first output."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.initializers, self.inputs, self.feeds = [], [], [], {}
        self.count = 0

    def name(self, hint: str) -> str:
        self.count += 1
        return f"{hint}_{self.count}"

    def constant(self, value, hint="c") -> str:
        name = self.name(hint)
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, *shape, scale=None) -> str:
        scale = scale or 1 / np.sqrt(max(shape[0] if len(shape) < 3 else np.prod(shape[1:]), 1))
        return self.constant(floats(self.rng, *shape, scale=scale), "w")

    def input(self, name: str, value: np.ndarray, shape=None) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), shape or value.shape))
        self.feeds[name] = value
        return name

    def __getattr__(self, op: str):
        def emit(*inputs, outputs=1, **attributes):
            names = [self.name(op) for _ in range(outputs)]
            self.nodes.append(helper.make_node(op, list(inputs), names, name=names[0], **attributes))
            return names[0] if outputs == 1 else names

        return emit

    def model(self, outputs: list[str], opset=17) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes, "model", self.inputs, [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
        return onnx.shape_inference.infer_shapes(model)


HIDDEN, HEADS, LENGTH = 32, 4, 8


def linear(b: Builder, x: str, width: int, inputs=HIDDEN) -> str:
    return b.Add(b.MatMul(x, b.weight(inputs, width)), b.weight(width, scale=0.1))


def layer_norm(b: Builder, x: str) -> str:
    """As opset 12 exports write it."""
    mean = b.ReduceMean(x, axes=[-1])
    centered = b.Sub(x, mean)
    variance = b.ReduceMean(b.Pow(centered, b.constant(np.float32(2) * np.ones((), np.float32))), axes=[-1])
    normal = b.Div(centered, b.Sqrt(b.Add(variance, b.constant(np.array(1e-5, np.float32)))))
    gamma = b.constant(1 + floats(b.rng, HIDDEN, scale=0.1), "w")
    return b.Add(b.Mul(normal, gamma), b.weight(HIDDEN, scale=0.1))


def rms_norm(b: Builder, x: str) -> str:
    square = b.ReduceMean(b.Pow(x, b.constant(np.array(2, np.float32))), axes=[-1])
    normal = b.Mul(x, b.Div(b.constant(np.array(1, np.float32)), b.Sqrt(b.Add(square, b.constant(np.array(1e-5, np.float32))))))
    return b.Mul(b.constant(1 + floats(b.rng, HIDDEN, scale=0.1), "w"), normal)


def split_heads(b: Builder, x: str, order=(0, 2, 1, 3)) -> str:
    return b.Transpose(b.Reshape(x, b.constant(np.array([0, 0, HEADS, HIDDEN // HEADS], np.int64))), perm=list(order))


def attend(b: Builder, q: str, k: str, v: str, mask: str | None) -> str:
    """softmax(q · k / √d + mask) · v for keys `[batch, heads, size, length]`."""
    scores = b.Div(b.MatMul(q, k), b.constant(np.array(np.sqrt(HIDDEN // HEADS), np.float32)))
    if mask:
        scores = b.Add(scores, mask)
    y = b.Transpose(b.MatMul(b.Softmax(scores, axis=-1), v), perm=[0, 2, 1, 3])
    return b.Reshape(y, b.constant(np.array([0, 0, HIDDEN], np.int64)))


def gelu(b: Builder, x: str) -> str:
    inner = b.Add(b.Erf(b.Div(x, b.constant(np.array(np.sqrt(2), np.float32)))), b.constant(np.array(1, np.float32)))
    return b.Mul(b.Mul(x, inner), b.constant(np.array(0.5, np.float32)))


def fast_gelu(b: Builder, x: str) -> str:
    cube = b.Mul(b.constant(np.array(0.044715, np.float32)), b.Pow(x, b.constant(np.array(3, np.float32))))
    tanh = b.Tanh(b.Mul(b.constant(np.array(np.sqrt(2 / np.pi), np.float32)), b.Add(x, cube)))
    return b.Mul(b.Mul(b.constant(np.array(0.5, np.float32)), x), b.Add(b.constant(np.array(1, np.float32)), tanh))


def encoder_layer(b: Builder, x: str, mask: str | None) -> str:
    q, k, v = (linear(b, x, HIDDEN) for _ in range(3))
    context = attend(b, split_heads(b, q), split_heads(b, k, (0, 2, 3, 1)), split_heads(b, v), mask)
    x = layer_norm(b, b.Add(linear(b, context, HIDDEN), x))
    inner = linear(b, gelu(b, linear(b, x, 64)), HIDDEN, inputs=64)
    return layer_norm(b, b.Add(inner, x))


def bert() -> tuple[onnx.ModelProto, dict]:
    b = Builder(1)
    ids = b.input("input_ids", integers(b.rng, 0, 19, 2, LENGTH, dtype=np.int64), ["batch", "length"])
    mask = b.input("attention_mask", np.array([[1] * 8, [1] * 5 + [0] * 3], np.int64), ["batch", "length"])
    kinds = b.input("token_type_ids", integers(b.rng, 0, 1, 2, LENGTH, dtype=np.int64), ["batch", "length"])
    wide = b.Cast(b.Unsqueeze(b.Unsqueeze(mask, b.constant(np.array([1], np.int64))), b.constant(np.array([2], np.int64))), to=1)
    hidden = b.Mul(b.Sub(b.constant(np.array(1, np.float32)), wide), b.constant(np.array(-10000, np.float32)))
    size = b.Unsqueeze(b.Gather(b.Shape(ids), b.constant(np.array(1, np.int64)), axis=0), b.constant(np.array([0], np.int64)))
    places = b.Slice(b.constant(np.arange(16, dtype=np.int64)[None]), b.constant(np.array([0], np.int64)), size, b.constant(np.array([1], np.int64)))
    words = b.Gather(b.weight(20, HIDDEN, scale=1), ids)
    x = b.Add(b.Add(words, b.Gather(b.weight(2, HIDDEN, scale=1), kinds)), b.Gather(b.weight(16, HIDDEN, scale=1), places))
    x = layer_norm(b, x)
    for _ in range(2):
        x = encoder_layer(b, x, hidden)
    return b.model([x]), b.feeds


def gpt() -> tuple[onnx.ModelProto, dict]:
    """A decoder with the past of one layer as inputs, and layers before which the normalisation stands."""
    b = Builder(2)
    ids = b.input("input_ids", integers(b.rng, 0, 19, 2, 3, dtype=np.int64))
    pasts = [(b.input(f"past_key_{i}", floats(b.rng, 2, HEADS, 5, 8)), b.input(f"past_value_{i}", floats(b.rng, 2, HEADS, 5, 8))) for i in range(2)]
    allowed = np.where(np.arange(8)[None] <= np.arange(3)[:, None] + 5, 0, -10000).astype(np.float32)
    mask = b.constant(allowed[None, None])
    x = b.Add(b.Gather(b.weight(20, HIDDEN, scale=1), ids), b.weight(1, 3, HIDDEN, scale=1))
    presents = []
    for key, value in pasts:
        normal = layer_norm(b, x)
        qkv = linear(b, normal, 3 * HIDDEN)
        q, k, v = b.Split(qkv, b.constant(np.array([HIDDEN] * 3, np.int64)), outputs=3, axis=2)
        k, v = b.Concat(key, split_heads(b, k), axis=2), b.Concat(value, split_heads(b, v), axis=2)
        presents += [k, v]
        x = b.Add(linear(b, attend(b, split_heads(b, q), b.Transpose(k, perm=[0, 1, 3, 2]), v, mask), HIDDEN), x)
        x = b.Add(linear(b, fast_gelu(b, linear(b, layer_norm(b, x), 64)), HIDDEN, inputs=64), x)
    return b.model([b.MatMul(layer_norm(b, x), b.weight(HIDDEN, 20)), *presents]), b.feeds


def llama() -> tuple[onnx.ModelProto, dict]:
    """Root mean squares, rotary embeddings, and gated layers without biases."""
    b = Builder(3)
    x = b.input("hidden", floats(b.rng, 2, LENGTH, HIDDEN))
    angles = np.arange(LENGTH)[:, None] / 10000 ** (np.arange(4) / 4)[None]
    cos, sin = (b.constant(np.concatenate([f(angles)] * 2, -1).astype(np.float32)[None, None]) for f in (np.cos, np.sin))
    mask = b.constant(np.triu(np.full((LENGTH, LENGTH), -3e38, np.float32), 1)[None, None])

    def rotate(v):
        first = b.Slice(v, *(b.constant(np.array([n], np.int64)) for n in (0, 4, 3)))
        second = b.Slice(v, *(b.constant(np.array([n], np.int64)) for n in (4, 8, 3)))
        return b.Add(b.Mul(v, cos), b.Mul(b.Concat(b.Neg(second), first, axis=-1), sin))

    for _ in range(2):
        normal = rms_norm(b, x)
        q, k, v = (split_heads(b, b.MatMul(normal, b.weight(HIDDEN, HIDDEN))) for _ in range(3))
        keys = b.Transpose(rotate(k), perm=[0, 1, 3, 2])
        x = b.Add(b.MatMul(attend(b, rotate(q), keys, v, mask), b.weight(HIDDEN, HIDDEN)), x)
        normal = rms_norm(b, x)
        gate = b.MatMul(normal, b.weight(HIDDEN, 64))
        x = b.Add(b.MatMul(b.Mul(b.Mul(gate, b.Sigmoid(gate)), b.MatMul(normal, b.weight(HIDDEN, 64))), b.weight(64, HIDDEN)), x)
    return b.model([x]), b.feeds


def vit() -> tuple[onnx.ModelProto, dict]:
    b = Builder(4)
    x = b.input("image", floats(b.rng, 2, 3, 16, 16))
    patches = b.Conv(x, b.weight(HIDDEN, 3, 8, 8), b.weight(HIDDEN), strides=[8, 8])
    x = b.Transpose(b.Reshape(patches, b.constant(np.array([0, HIDDEN, -1], np.int64))), perm=[0, 2, 1])
    x = b.Add(x, b.weight(1, 4, HIDDEN, scale=1))
    x = encoder_layer(b, x, None)
    return b.model([linear(b, b.ReduceMean(x, axes=[1], keepdims=0), 10)]), b.feeds


def convnet() -> tuple[onnx.ModelProto, dict]:
    """Convolutions of all kinds with channels that do and do not fill blocks, residuals and branches."""
    b = Builder(5)
    x = b.input("image", floats(b.rng, 2, 3, 32, 32))
    conv = lambda x, i, o, k, group=1, **more: b.Conv(x, b.weight(o, i // group, k, k), b.weight(o, scale=0.1), group=group, pads=[k // 2] * 4, **more)
    x = b.Relu(conv(x, 3, 24, 3, strides=[2, 2]))
    depth = conv(x, 24, 24, 3, group=24)
    x = b.MaxPool(b.Mul(depth, b.Sigmoid(depth)), kernel_shape=[2, 2], strides=[2, 2])
    a = b.Relu(b.Add(conv(x, 24, 40, 1), conv(x, 24, 40, 3)))
    pooled = b.AveragePool(a, kernel_shape=[3, 3], pads=[1] * 4)
    joined = b.Concat(pooled, b.LeakyRelu(conv(a, 40, 16, 3), alpha=0.1), axis=1)
    up = b.Resize(joined, "", b.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    y = b.Clip(conv(up, 56, 20, 3, strides=[2, 2]), b.constant(np.array(0, np.float32)), b.constant(np.array(6, np.float32)))
    y = conv(y, 20, 32, 1)
    gap = b.Flatten(b.GlobalAveragePool(y))
    logits = b.Gemm(gap, b.weight(10, 32), b.weight(10), transB=1)
    return b.model([b.Softmax(logits, axis=-1), conv(y, 32, 6, 1)]), b.feeds


MODELS = {"bert": bert, "gpt": gpt, "llama": llama, "vit": vit, "convnet": convnet}


# What onnxruntime makes of them


def optimised(model: onnx.ModelProto, level: str, scratch: Path) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = LEVELS[level]
    options.optimized_model_filepath = str(scratch / "optimised.onnx")
    options.log_severity_level = 3
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(scratch / "optimised.onnx")


def transformed(model: onnx.ModelProto, kind: str, scratch: Path) -> onnx.ModelProto:
    from onnxruntime.transformers.optimizer import optimize_model

    onnx.save(model, scratch / "plain.onnx")
    result = optimize_model(str(scratch / "plain.onnx"), kind, num_heads=HEADS, hidden_size=HIDDEN, opt_level=0)
    result.save_model_to_file(str(scratch / "optimised.onnx"))
    return onnx.load(scratch / "optimised.onnx")


def dynamic(model: onnx.ModelProto, scratch: Path, **settings) -> onnx.ModelProto:
    from onnxruntime.quantization import quantize_dynamic

    onnx.save(model, scratch / "plain.onnx")
    quantize_dynamic(scratch / "plain.onnx", scratch / "quantised.onnx", **settings)
    return onnx.load(scratch / "quantised.onnx")


def static(model: onnx.ModelProto, feeds: dict, scratch: Path, **settings) -> onnx.ModelProto:
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = [feeds]

        def get_next(self):
            return self.rest.pop() if self.rest else None

    onnx.save(model, scratch / "plain.onnx")
    quantize_static(scratch / "plain.onnx", scratch / "quantised.onnx", Reader(), **settings)
    return onnx.load(scratch / "quantised.onnx")


def few_bits(model: onnx.ModelProto, bits: int) -> onnx.ModelProto:
    """Every product with a constant as MatMulNBits, in blocks of 16."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    weights = {i.name: numpy_helper.to_array(i) for i in copy.graph.initializer}
    for node in copy.graph.node:
        w = weights.get(node.input[1]) if node.op_type == "MatMul" else None
        if w is None or w.ndim != 2 or w.shape[0] % 16:
            continue
        k, n = w.shape
        parts = w.T.reshape(n, k // 16, 16)
        top = 2 ** (bits - 1)
        scale = np.abs(parts).max(-1, keepdims=True) / (top - 1)
        codes = np.clip(np.rint(parts / scale) + top, 0, 2 * top - 1).astype(np.uint8)
        packed = codes if bits == 8 else codes[..., ::2] | codes[..., 1::2] << 4
        for key, value in (("q", packed), ("s", scale[..., 0].astype(np.float32))):
            copy.graph.initializer.append(numpy_helper.from_array(value, f"{node.name}_{key}"))
        node.op_type, node.domain = "MatMulNBits", MS
        del node.input[1:]
        node.input.extend([f"{node.name}_q", f"{node.name}_s"])
        node.attribute.extend(helper.make_attribute(key, value) for key, value in {"K": k, "N": n, "bits": bits, "block_size": 16}.items())
    copy.opset_import.append(helper.make_opsetid(MS, 1))
    return copy


def variants(name: str, model: onnx.ModelProto, feeds: dict, scratch: Path):
    """(what was done, the model that it made) of each way."""
    from onnxruntime.quantization import QuantFormat, QuantType

    for level in LEVELS:
        yield level, lambda level=level: optimised(model, level, scratch)
    kind = {"bert": "bert", "gpt": "gpt2", "vit": "vit", "llama": "gpt2"}.get(name)
    if kind:
        yield "transformers", lambda: transformed(model, kind, scratch)
    settings = {
        "u8": {"weight_type": QuantType.QUInt8}, "s8": {"weight_type": QuantType.QInt8, "reduce_range": True},
        "s8_channels": {"weight_type": QuantType.QInt8, "reduce_range": True, "per_channel": True},
    }
    for tag, more in settings.items():
        yield f"dynamic_{tag}", lambda more=more: dynamic(model, scratch, **more)
        yield f"dynamic_{tag}_all", lambda more=more: optimised(dynamic(model, scratch, **more), "all", scratch)
    if kind:
        yield "transformers_dynamic", lambda: dynamic(transformed(model, kind, scratch), scratch, **settings["s8"])
        for bits in (4, 8):
            yield f"bits{bits}", lambda bits=bits: few_bits(model, bits)
    for layout in (QuantFormat.QDQ, QuantFormat.QOperator):
        both = {"u8": settings["u8"], "s8_channels": settings["s8_channels"], "a8": {"activation_type": QuantType.QInt8, "weight_type": QuantType.QInt8, "reduce_range": True}}
        for tag, more in both.items():
            more = {"activation_type": QuantType.QUInt8} | more
            make = lambda layout=layout, more=more: static(model, feeds, scratch, quant_format=layout, **more)
            yield f"{layout.name}_{tag}", make
            if tag in ("s8_channels", "a8"):
                yield f"{layout.name}_{tag}_all", lambda make=make: optimised(make(), "all", scratch)


def cases(chosen) -> list[Case]:
    result = []
    logging.disable(logging.WARNING)
    for name, make in MODELS.items():
        if not any(chosen.search(f"model_{name}_{end}") for end in ("", "basic", "dynamic", "QDQ", "QOperator", "bits4", "transformers")) and "model" not in chosen.pattern:
            continue
        model, feeds = make()
        with tempfile.TemporaryDirectory(prefix="swage-contrib-") as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)
            for tag, build in variants(name, model, feeds, Path(folder)):
                title = f"model_{name}_{tag}"
                if not chosen.search(title):
                    continue
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    made = build()
                isQuantised = tag not in LEVELS and not tag.startswith("bits") and tag != "transformers"
                # A sum that a float rounds otherwise moves a quantised number by one step.
                largest = max(float(np.abs(v).max()) for v in plain)
                tolerance = 0.05 * largest if isQuantised else 2e-3 * largest
                result.append(Case(title, made, feeds, rtol=1e-2 if isQuantised else 1e-3, atol=float(f"{tolerance:.1g}")))
    logging.disable(logging.NOTSET)
    return result
