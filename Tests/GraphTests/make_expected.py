"""Writes expected_nodes.json and expected_floats.json: what onnxruntime and ml_dtypes give, for EvaluatorTests and
SmallFloatTests.

    python make_expected.py

Each case is one ONNX node, run by onnxruntime, beside the same operation in swage's text form.
"""
import json
import pathlib

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

ort.set_default_logger_severity(3)
random = np.random.default_rng(7)
here = pathlib.Path(__file__).parent
types = {np.dtype(t): n for t, n in [
    (np.float32, "f32"), (np.float64, "f64"), (np.int64, "i64"), (np.int32, "i32"), (np.bool_, "bool"),
    (np.int8, "i8"), (np.uint8, "u8"), (np.uint32, "u32"), (np.uint64, "u64"), (np.float16, "f16")]}
cases = []


def f(*shape, low=-2.0, high=2.0):
    return random.uniform(low, high, shape).astype(np.float32).round(3)


def text(array):
    return f"{types[array.dtype]}[{', '.join(map(str, array.shape))}]"


def numbers(array):
    out = []
    for value in array.flatten().tolist():
        if isinstance(value, float) and not np.isfinite(value):
            out.append("nan" if np.isnan(value) else "inf" if value > 0 else "-inf")
        else:
            digits = 17 if array.dtype == np.float64 else 9
            out.append(str(value) if array.dtype == np.uint64 else float(f"{value:.{digits}g}")
                       if isinstance(value, float) else int(value))
    return out


def case(name, onnx_op, body, inputs, extra=(), opset=21, tolerance=1e-5, **attributes):
    """`extra`: further ONNX inputs, which are attributes in swage. `body`: the right-hand side over the inputs $0, $1 …,
    and the number of results where there are several."""
    feeds = {f"x{i}": a for i, a in enumerate(inputs) if a is not None}
    names = [f"x{i}" if a is not None else "" for i, a in enumerate(inputs)]
    constants = []
    for i, value in enumerate(extra):
        if value is None:
            names.append("")
            continue
        names.append(f"c{i}")
        constants.append(onnx.numpy_helper.from_array(value, f"c{i}"))
    body, count = body if isinstance(body, tuple) else (body, 1)
    node = helper.make_node(onnx_op, names, [f"y{i}" for i in range(count)], **attributes)
    kinds = {n: helper.np_dtype_to_tensor_dtype(a.dtype) for n, a in feeds.items()}
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info(n, kinds[n], a.shape) for n, a in feeds.items()],
        [helper.make_empty_tensor_value_info(f"y{i}") for i in range(count)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = session.run(None, feeds)
    order = {n: i for i, n in enumerate(feeds)}
    for i, a in enumerate(inputs):
        body = body.replace(f"${i}", f"%{order[f'x{i}']}" if a is not None else "none")
    head = ", ".join(f'%{order[n]} "{n}": {text(a)}' for n, a in feeds.items())
    first = len(feeds)
    left = ", ".join(f"%{first + i}" for i in range(count))
    right = ", ".join(text(o) for o in outputs)
    back = ", ".join(f'%{first + i} "y{i}"' for i in range(count))
    source = f'graph "g" ({head}) {{\n  {left} = {body} : {right} from "n" ({onnx_op})\n  return {back}\n}}'
    cases.append({
        "name": name, "graph": source, "tolerance": tolerance,
        "inputs": [{"type": types[a.dtype], "shape": a.shape, "values": numbers(a)} for a in feeds.values()],
        "outputs": [{"type": types[o.dtype], "shape": o.shape, "values": numbers(o)} for o in outputs]})


i64 = lambda *v: np.array(v, dtype=np.int64)

# Elementwise.
wide = np.array([-1e30, -100, -3, -1, -0.5, -1e-3, -0.0, 0, 1e-3, 0.5, 1, 3, 100, 1e30], dtype=np.float32)
special = np.array([np.nan, np.inf, -np.inf, 0.5, 1.5, 2.5, -0.5, -1.5], dtype=np.float32)
for op, function in [
        ("Abs", "abs"), ("Neg", "neg"), ("Exp", "exp"), ("Tanh", "tanh"), ("Sigmoid", "sigmoid"), ("Relu", "relu"),
        ("Softplus", "softplus"), ("Softsign", "softsign"), ("Erf", "erf"), ("Floor", "floor"), ("Ceil", "ceil"),
        ("Round", "round"), ("Sign", "sign"), ("Mish", "mish"), ("HardSwish", "hard_swish"), ("Elu", "elu"),
        ("Selu", "selu"), ("Celu", "celu"), ("LeakyRelu", "leaky_relu"), ("HardSigmoid", "hard_sigmoid"),
        ("ThresholdedRelu", "thresholded_relu"), ("Gelu", "gelu"), ("Atan", "atan"), ("Sinh", "sinh"),
        ("Asinh", "asinh"), ("Reciprocal", "reciprocal")]:
    values = np.clip(wide, -80, 80) if op in ("Exp", "Mish", "Sinh", "Reciprocal", "Softplus", "Gelu", "Asinh") else wide
    case(f"unary {function}", op, f"unary($0) {{function = {function}}}", [values])
for op, function in [("Floor", "floor"), ("Round", "round"), ("Relu", "relu"), ("Abs", "abs"), ("Ceil", "ceil"),
                     ("IsNaN", "is_nan"), ("IsInf", "is_inf")]:
    case(f"unary {function} of special values", op, f"unary($0) {{function = {function}}}", [special])
case("gelu tanh", "Gelu", "unary($0) {function = gelu_tanh}", [f(12, low=-5, high=5)], approximate="tanh")
case("shrink", "Shrink", "unary($0) {function = shrink, alpha = 0.75, beta = 0.25}", [f(12)], lambd=0.75, bias=0.25)
case("is positive infinity", "IsInf", "unary($0) {function = is_inf, beta = 0}", [special], detect_negative=0)
case("bit not", "BitwiseNot", "unary($0) {function = bit_not}", [np.array([0, 1, 255, 7], dtype=np.uint8)])
a, b = f(2, 1, 3), f(4, 1)
for op, function in [("Add", "add"), ("Sub", "sub"), ("Mul", "mul"), ("Div", "div"), ("Max", "max"), ("Min", "min"),
                     ("Greater", "greater"), ("LessOrEqual", "less_or_equal")]:
    case(f"binary {function}", op, f"binary($0, $1) {{function = {function}}}", [a, b])
case("pow", "Pow", "binary($0, $1) {function = pow}", [np.abs(a), b])
x, y = (np.array(v, dtype=np.int32) for v in ([-7, -7, 7, 7, 8, -8], [3, -3, 3, -3, 4, 4]))
case("integer div", "Div", "binary($0, $1) {function = div}", [x, y])
case("integer mod", "Mod", "binary($0, $1) {function = mod}", [x, y])
case("integer fmod", "Mod", "binary($0, $1) {function = fmod}", [x, y], fmod=1)
case("float fmod", "Mod", "binary($0, $1) {function = fmod}", [x.astype(np.float32) / 2, y.astype(np.float32)], fmod=1)
u, v = (np.array(w, dtype=np.uint32) for w in ([1, 2 ** 31, 5, 0xFFFFFFFF], [4, 1, 0, 31]))
case("shift left", "BitShift", "binary($0, $1) {function = shift_left}", [u, v], direction="LEFT")
case("shift right", "BitShift", "binary($0, $1) {function = shift_right}", [u, v], direction="RIGHT")
case("unsigned max", "Max", "binary($0, $1) {function = max}",
     [np.array([2 ** 63, 1], dtype=np.uint64), np.array([3, 2 ** 64 - 1], dtype=np.uint64)])
case("select", "Where", "select($0, $1, $2)", [f(2, 3) > 0, f(3), f(2, 1)])
case("cast to u8", "Cast", "cast($0) {to = u8}", [np.array([0.9, 1.5, 254.7, 17], dtype=np.float32)], to=TensorProto.UINT8)
case("cast to i32", "Cast", "cast($0) {to = i32}", [np.array([-1.9, 1.9, -0.5, 1e6], dtype=np.float32)], to=TensorProto.INT32)
case("cast to bool", "Cast", "cast($0) {to = bool}", [np.array([0, -0.0, 0.1, np.nan], dtype=np.float32)], to=TensorProto.BOOL)
case("cast to f16", "Cast", "cast($0) {to = f16}", [np.array([65504, 65520, 1e-8, 0.1, 3e-8], dtype=np.float32)], to=TensorProto.FLOAT16)

# Movement.
case("transpose", "Transpose", "transpose($0) {permutation = [2, 0, 1]}", [f(2, 3, 4)], perm=[2, 0, 1])
case("broadcast", "Expand", "broadcast($0) {shape = [2, 3, 4]}", [f(3, 1)], [i64(2, 3, 4)])
case("slice backwards", "Slice", "slice($0) {starts = [4, 1], sizes = [3, 2], steps = [-2, 1]}", [f(5, 4)],
     [i64(-1, 1), i64(-100, 3), i64(0, 1), i64(-2, 1)])
case("concat", "Concat", "concat($0, $1, $2) {axis = 1}", [f(2, 1), f(2, 3), f(2, 0)], axis=1)
for mode in ["reflect", "edge", "wrap"]:
    case(f"pad {mode}", "Pad", f"pad($0) {{mode = {mode}, begins = [1, 2], ends = [2, 1]}}", [f(3, 4)],
         [i64(1, 2, 2, 1)], mode=mode)
case("gather", "Gather", "gather($0, $1) {axis = 1}", [f(2, 3, 2), i64(2, -1, 0, 1).reshape(2, 2)], axis=1)
case("gather elements", "GatherElements", "gather_elements($0, $1) {axis = 0}", [f(3, 3), i64(1, 2, 0, -1, 0, 0).reshape(2, 3)], axis=0)
case("gather nd", "GatherND", "gather_nd($0, $1) {batch_rank = 1}", [f(2, 2, 2), i64(1, 0).reshape(2, 1)], batch_dims=1)
for reduction in ["none", "add", "mul", "min", "max"]:
    at = i64(0, 2, 1, 2).reshape(2, 2) if reduction != "none" else i64(0, 2, 1, 0).reshape(2, 2)
    case(f"scatter elements {reduction}", "ScatterElements", f"scatter_elements($0, $1, $2) {{axis = 1, reduction = {reduction}}}",
         [f(2, 3), at, f(2, 2)], axis=1, reduction=reduction)
    case(f"scatter nd {reduction}", "ScatterND", f"scatter_nd($0, $1, $2) {{reduction = {reduction}}}",
         [f(4, 2), i64(*((1, 1) if reduction != "none" else (1, 3))).reshape(2, 1), f(2, 2)], reduction=reduction)

# Reductions.
for op, function in [("ReduceSum", "sum"), ("ReduceMean", "mean"), ("ReduceProd", "prod"), ("ReduceMin", "min"),
                     ("ReduceMax", "max"), ("ReduceSumSquare", "sum_square"), ("ReduceL1", "l1"), ("ReduceL2", "l2"),
                     ("ReduceLogSumExp", "log_sum_exp")]:
    case(f"reduce {function}", op, f"reduce($0) {{function = {function}, axes = [0, 2]}}", [f(2, 3, 2)], [i64(2, 0)], keepdims=0)
case("reduce log_sum", "ReduceLogSum", "reduce($0) {function = log_sum, axes = [1], keep = true}",
     [f(2, 3, low=0.1)], [i64(1)], keepdims=1)
case("reduce mean of integers", "ReduceMean", "reduce($0) {function = mean, axes = [0]}",
     [np.array([-3, -4, 4], dtype=np.int32)], [i64(0)], keepdims=0)
ties = np.array([[1, 3, 3], [2, 2, 0]], dtype=np.float32)
case("arg max", "ArgMax", "arg_reduce($0) {max = true, axis = 1}", [ties], axis=1, keepdims=0)
case("arg max, last", "ArgMax", "arg_reduce($0) {max = true, axis = 1, keep = true, last = true}", [ties], axis=1, select_last_index=1)
case("arg min", "ArgMin", "arg_reduce($0) {max = false, axis = 0}", [ties], axis=0, keepdims=0)
for exclusive in (0, 1):
    for reverse in (0, 1):
        case(f"cumulative sum {exclusive} {reverse}", "CumSum",
             f"cumulative($0) {{function = sum, axis = 1, exclusive = {str(bool(exclusive)).lower()}, reverse = {str(bool(reverse)).lower()}}}",
             [f(2, 4)], [np.array(1, dtype=np.int64)], exclusive=exclusive, reverse=reverse)
case("top k", "TopK", ("top_k($0) {count = 2, axis = 1, largest = true}", 2), [ties], [i64(2)], axis=1)
case("top k, smallest", "TopK", ("top_k($0) {count = 2, axis = 1, largest = false}", 2), [ties], [i64(2)], axis=1, largest=0)
case("softmax", "Softmax", "softmax($0) {axis = 1}", [f(2, 3, 2)], axis=1)
case("log softmax", "LogSoftmax", "softmax($0) {axis = 1, log = true}", [f(2, 3) * 50], axis=1)
case("layer norm", "LayerNormalization", "layer_norm($0, $1, $2) {axis = 1, epsilon = 1e-05}",
     [f(2, 2, 3), f(2, 3), f(2, 3)], axis=1, epsilon=1e-5)
case("rms norm", "RMSNormalization", "layer_norm($0, $1) {axis = 1, epsilon = 1e-05, rms = true}",
     [f(2, 4), f(4)], opset=23, axis=1, epsilon=1e-5)
case("group norm", "GroupNormalization", "group_norm($0, $1, $2) {groups = 2, epsilon = 0.001, layout = nchw}",
     [f(2, 4, 3), f(4), f(4)], num_groups=2, epsilon=1e-3)
case("instance norm", "InstanceNormalization", "group_norm($0, $1, $2) {groups = 3, epsilon = 0.001, layout = nchw}",
     [f(2, 3, 2, 2), f(3), f(3)], epsilon=1e-3)

# Products.
case("matmul", "MatMul", "matmul($0, $1)", [f(2, 1, 3, 4), f(3, 4, 2)])
case("gemm", "Gemm", 'matmul($0, $1, $2) {transpose_a = true, transpose_b = true, epilogue = ["add:2"]}',
     [f(3, 2), f(4, 3), f(4)], transA=1, transB=1)
case("matmul of integers", "MatMul", "matmul($0, $1)", [x.reshape(2, 3), y.reshape(3, 2)])
case("convolution", "Conv",
     "convolution($0, $1) {strides = [2, 1], dilations = [1, 2], pads_begin = [1, 2], pads_end = [0, 1], groups = 2, layout = nchw}",
     [f(1, 4, 5, 6), f(4, 2, 3, 2)], strides=[2, 1], dilations=[1, 2], pads=[1, 2, 0, 1], group=2)
case("convolution with bias", "Conv",
     'convolution($0, $1, $2) {strides = [1], pads_begin = [1], pads_end = [1], layout = nchw}',
     [f(2, 2, 5), f(3, 2, 3), None], pads=[1, 1])
case("convolution 3d", "Conv",
     "convolution($0, $1) {strides = [1, 1, 2], pads_begin = [0, 1, 0], pads_end = [0, 1, 0], layout = nchw}",
     [f(1, 1, 3, 3, 4), f(2, 1, 2, 3, 2)], strides=[1, 1, 2], pads=[0, 1, 0, 0, 1, 0])
case("transposed convolution", "ConvTranspose",
     "convolution($0, $1) {strides = [2, 3], dilations = [1, 2], pads_begin = [1, 0], pads_end = [0, 1], groups = 2, layout = nchw, transposed = true, output_padding = [1, 0]}",
     [f(1, 4, 3, 2), f(4, 1, 3, 2)], strides=[2, 3], dilations=[1, 2], pads=[1, 0, 0, 1], group=2, output_padding=[1, 0])
case("max pool", "MaxPool",
     "pool($0) {function = max, kernel = [3, 2], strides = [2, 2], dilations = [1, 2], pads_begin = [1, 0], pads_end = [1, 1], layout = nchw}",
     [f(1, 2, 5, 5)], kernel_shape=[3, 2], strides=[2, 2], dilations=[1, 2], pads=[1, 0, 1, 1])
case("max pool, ceil", "MaxPool",
     "pool($0) {function = max, kernel = [3], strides = [2], pads_begin = [0], pads_end = [0], ceil = true, layout = nchw}",
     [f(1, 1, 6)], kernel_shape=[3], strides=[2], ceil_mode=1)
for count in (0, 1):
    case(f"average pool {count}", "AveragePool",
         f"pool($0) {{function = average, kernel = [3, 3], strides = [2, 2], pads_begin = [1, 1], pads_end = [1, 1], count_padding = {str(bool(count)).lower()}, layout = nchw}}",
         [f(1, 1, 4, 5)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=count)
case("average pool, ceil", "AveragePool",
     "pool($0) {function = average, kernel = [3], strides = [2], pads_begin = [1], pads_end = [1], ceil = true, count_padding = true, layout = nchw}",
     [f(1, 1, 6)], kernel_shape=[3], strides=[2], pads=[1, 1], ceil_mode=1, count_include_pad=1)
case("l2 pool", "LpPool",
     "pool($0) {function = l2, kernel = [2], strides = [1], pads_begin = [0], pads_end = [0], layout = nchw}",
     [f(1, 1, 5)], kernel_shape=[2], p=2)

# Interpolation.
for coordinates in ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]:
    for mode in ["nearest", "linear", "cubic"]:
        near = ", nearest = floor" if mode == "nearest" else ", cubic = -0.75" if mode == "cubic" else ""
        kwargs = {"nearest_mode": "floor"} if mode == "nearest" else {}
        case(f"resize {mode} {coordinates}", "Resize",
             f"resize($0) {{mode = {mode}, coordinates = {coordinates}{near}, sizes = [1, 1, 7, 3]}}",
             [f(1, 1, 4, 5)], [None, None, i64(1, 1, 7, 3)], mode=mode,
             coordinate_transformation_mode=coordinates, **kwargs)
for nearest in ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]:
    case(f"resize {nearest}", "Resize",
         f"resize($0) {{mode = nearest, coordinates = half_pixel, nearest = {nearest}, sizes = [1, 1, 8, 3], scales = [1, 1, 2, 0.6]}}",
         [f(1, 1, 4, 5)], [None, np.array([1, 1, 2, 0.6], dtype=np.float32)], mode="nearest",
         coordinate_transformation_mode="half_pixel", nearest_mode=nearest)
case("resize cubic, outside excluded", "Resize",
     "resize($0) {mode = cubic, coordinates = half_pixel, cubic = -0.5, exclude_outside = true, sizes = [1, 1, 6, 9]}",
     [f(1, 1, 4, 5)], [None, None, i64(1, 1, 6, 9)], mode="cubic", cubic_coeff_a=-0.5, exclude_outside=1)

# Recurrence. Activations in ONNX's default order.
t, n, k, h = 4, 2, 3, 2
lengths = np.array([4, 2], dtype=np.int32)
both = 'activations = ["sigmoid", "tanh", "sigmoid", "tanh"]'
case("rnn", "RNN", ('recurrent($0, $1, $2, $3) {cell = rnn, direction = reverse, hidden = 2, activations = ["tanh"]}', 2),
     [f(t, n, k), f(1, h, k), f(1, h, h), f(1, 2 * h)], hidden_size=h, direction="reverse")
for linear in (0, 1):
    case(f"gru {linear}", "GRU",
         (f'recurrent($0, $1, $2, $3, $4, $5) {{cell = gru, direction = bidirectional, hidden = 2, {both}, linear_before_reset = {str(bool(linear)).lower()}}}', 2),
         [f(t, n, k), f(2, 3 * h, k), f(2, 3 * h, h), f(2, 6 * h), lengths, f(2, n, h)], hidden_size=h,
         direction="bidirectional", linear_before_reset=linear)
three = 'activations = ["sigmoid", "tanh", "tanh"]'
case("lstm", "LSTM",
     (f"recurrent($0, $1, $2, $3, $4, $5, $6, $7) {{cell = lstm, direction = forward, hidden = 2, {three}}}", 3),
     [f(t, n, k), f(1, 4 * h, k), f(1, 4 * h, h), f(1, 8 * h), lengths, f(1, n, h), f(1, n, h), f(1, 3 * h)],
     hidden_size=h)
case("lstm, reverse", "LSTM", (f"recurrent($0, $1, $2) {{cell = lstm, direction = reverse, hidden = 2, {three}, clip = 0.5}}", 3),
     [f(t, n, k), f(1, 4 * h, k), f(1, 4 * h, h)], hidden_size=h, direction="reverse", clip=0.5)
q, key, value = f(1, 2, 3, 4), f(1, 2, 5, 4), f(1, 2, 5, 4)
case("attention", "Attention", "attention($0, $1, $2, $3) {scale = 0.5}", [q, key, value, f(3, 5)], opset=23, scale=0.5)
case("attention, causal", "Attention", "attention($0, $1, $2) {scale = 0.5, causal = true}", [q, key, value], opset=23,
     scale=0.5, is_causal=1)

# Quantisation.
scale, zero = np.array([0.5, 0.25], dtype=np.float32), np.array([3, -4], dtype=np.int8)
case("quantize", "QuantizeLinear", "quantize_linear($0, $1, $2) {axis = 0, to = i8}",
     [np.array([[0.25, 0.75, 100], [-0.125, 0.375, -100]], dtype=np.float32), scale, zero], axis=0)
case("quantize per tensor", "QuantizeLinear", "quantize_linear($0, $1) {axis = 0, to = u8}",
     [f(6), np.array(0.01, dtype=np.float32)])
case("dequantize", "DequantizeLinear", "dequantize_linear($0, $1, $2) {axis = 0}",
     [np.array([[-128, 0, 127], [1, 2, 3]], dtype=np.int8), scale, zero], axis=0)
case("dequantize in blocks", "DequantizeLinear", "dequantize_linear($0, $1) {axis = 1, block = 2}",
     [np.array([[1, 2, 3, 4], [5, 6, 7, 8]], dtype=np.int8), f(2, 2, low=0.1)], axis=1, block_size=2)

(here / "expected_nodes.json").write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")

# Every pattern of the narrow float formats, and roundings of chosen values.
formats = {
    "f8e4m3fn": ml_dtypes.float8_e4m3fn, "f8e4m3fnuz": ml_dtypes.float8_e4m3fnuz, "f8e5m2": ml_dtypes.float8_e5m2,
    "f8e5m2fnuz": ml_dtypes.float8_e5m2fnuz, "f8e8m0": ml_dtypes.float8_e8m0fnu, "f4e2m1": ml_dtypes.float4_e2m1fn}
tables = {}
for name, kind in formats.items():
    codes = np.arange(16 if name == "f4e2m1" else 256, dtype=np.uint8)
    tables[name] = numbers(codes.view(kind).astype(np.float64))
values = np.concatenate([
    np.array([0.0, -0.0, 1, 1.0625, 1.125, 1.1875, 0.1, -0.1, 6, 5, 2.5, 3.5, 0.25, 0.75]),
    random.uniform(-8, 8, 60), np.exp(random.uniform(-40, 5, 60)), -np.exp(random.uniform(-12, 5, 30))]).astype(np.float32)
rounded = {}
for name, kind in list(formats.items()) + [("bf16", ml_dtypes.bfloat16), ("f16", np.float16)]:
    limit = float(ml_dtypes.finfo(kind).max) if name != "f16" else 65504.0
    source = np.clip(values, -limit, limit)
    if name == "f8e8m0":
        source = np.abs(source) + np.float32(1e-30)
    rounded[name] = {"from": numbers(source), "to": numbers(source.astype(kind).astype(np.float64))}
(here / "expected_floats.json").write_text(json.dumps({"tables": tables, "rounded": rounded}, separators=(",", ":")) + "\n")
print(len(cases), "cases")
