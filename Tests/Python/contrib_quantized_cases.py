"""Cases of quantised operators, of com.microsoft and ai.onnx, for contrib.py. Integers are equal to onnxruntime's.

Weights of 8 bits with a sign stay within -64…64 beside unsigned inputs: AVX2 without VNNI saturates sums of two products at 16 bits,
and onnxruntime's result then depends on the machine. swage's is the exact sum.
"""

import numpy as np

from contrib_case import Constant, Suite, floats, integers


def f32(*values):
    return np.array(values if len(values) > 1 else values[0], np.float32)


def quantized(rng, kind, *shape, small=False):
    info = np.iinfo(kind)
    low, high = (-64, 64) if small and info.min < 0 else (info.min, info.max)
    return integers(rng, low, high, *shape, dtype=kind)


NAMES = {np.uint8: "u8", np.int8: "s8"}
TYPES = {np.uint8: 2, np.int8: 3}


def elementwise(s: Suite) -> None:
    rng = np.random.default_rng(11)
    for kind in (np.uint8, np.int8):
        name, types = NAMES[kind], [TYPES[kind]]
        point = lambda v: np.array(v if kind is np.uint8 else v - 128, kind)
        a = np.arange(256, dtype=np.int64).astype(kind).repeat(64).reshape(64, 256)
        b = quantized(rng, kind, 64, 256)
        for index in range(6):
            sa, sb, sc = (f32(v) for v in rng.random(3) * 0.1 + 0.001)
            za, zb, zc = (point(v) for v in integers(rng, 0, 255, 3))
            # Scales of few bits: sums and ties are exact in floats, in whichever order they are taken.
            da, db = (f32(v / 64) for v in integers(rng, 1, 15, 2))
            s.add(f"QLinearAdd_{name}_{index}", "QLinearAdd", [a, da, za, b, db, zb, f32(0.25), zc], types=types)
            s.add(f"QLinearMul_{name}_{index}", "QLinearMul", [a, da, za, b, db, zb, f32(4), zc], types=types)
            s.add(f"QLinearLeakyRelu_{name}_{index}", "QLinearLeakyRelu", [a, sa, za, sb, zb], {"alpha": float(rng.random())}, types=types)
            s.add(f"QLinearSigmoid_{name}_{index}", "QLinearSigmoid", [a, sa, za, f32(1 / 256), point(0)], types=types)
            s.add(f"QLinearConcat_{name}_{index}", "QLinearConcat", [sa, za, a, sb, zb, b, sc, zc], {"axis": 1}, types=types)
            s.add(f"QLinearWhere_{name}_{index}", "QLinearWhere", [rng.random((64, 1)) < 0.5, a, sa, za, b, sb, zb, sc, zc], types=types)
            x = quantized(rng, kind, 2, 3, 7, 9)
            for last in (0, 1):
                s.add(f"QLinearGlobalAveragePool_{name}_{index}_{last}", "QLinearGlobalAveragePool", [x, sa, za, f32(sa / 4), zb], {"channels_last": last}, types=types)
                s.add(f"QLinearAveragePool_{name}_{index}_{last}", "QLinearAveragePool", [x, sa, za, f32(sa * (0.7 + rng.random())), zb],
                      {"channels_last": last, "kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1], "count_include_pad": index % 2}, types=types)
            s.add(f"QLinearSoftmax_{name}_{index}", "QLinearSoftmax", [quantized(rng, kind, 5, 33), sa, za, f32(1 / 256), np.zeros((), kind)],
                  {"axis": -1, "opset": 13}, types=types)
        for zero in (16, 17):
            s.add(f"QLinearAveragePool_ties_{name}_{zero}", "QLinearAveragePool", [quantized(rng, kind, 2, 3, 6, 6), f32(0.5), point(3), f32(0.5), point(zero)],
                  {"kernel_shape": [2, 2]}, types=types)
            s.add(f"QLinearGlobalAveragePool_ties_{name}_{zero}", "QLinearGlobalAveragePool", [quantized(rng, kind, 32, 16, 2, 2), f32(0.5), point(3), f32(0.5), point(zero)], types=types)
        s.add(f"QLinearAdd_scalar_{name}", "QLinearAdd", [a, f32(0.5), point(3), b[0, :1], f32(0.25), point(200), f32(0.5), point(100)], types=types)
        s.add(f"QLinearAdd_constant_{name}", "QLinearAdd", [a, *map(Constant, (f32(0.5), point(3), b, f32(0.25), point(200), f32(1), point(100)))], types=types, symbolic=("x0",))
        s.add(f"QLinearSoftmax_axis_{name}", "QLinearSoftmax", [quantized(rng, kind, 3, 7, 4), f32(0.05), point(7), f32(1 / 256), np.zeros((), kind)], {"axis": 1, "opset": 13}, types=types)
        s.add(f"QLinearSoftmax_old_{name}", "QLinearSoftmax", [quantized(rng, kind, 3, 7, 4), f32(0.05), point(7), f32(1 / 256), np.zeros((), kind)], {"axis": 1, "opset": 12}, types=types)
    mean = np.array([[1, 2, 4], [10, 20, 30]], np.uint8)
    s.add("QLinearReduceMean", "QLinearReduceMean", [mean, f32(0.5), np.zeros((), np.uint8), f32(0.25), np.zeros((), np.uint8)],
          {"axes": [1], "keepdims": 0}, types=[2], expected=[np.array([5, 40], np.uint8)])
    s.add("MulInteger", "MulInteger", [mean, np.array(1, np.uint8), mean, np.array(3, np.uint8)], types=[6],
          expected=[(mean.astype(np.int32) - 1) * (mean.astype(np.int32) - 3)])
    s.add("ReduceSumInteger", "ReduceSumInteger", [mean], {"axes": [0], "keepdims": 1}, types=[12], expected=[mean.sum(0, keepdims=True).astype(np.uint32)])


def linear_quantization(s: Suite) -> None:
    rng = np.random.default_rng(12)
    x = floats(rng, 3, 40, scale=4)
    for kind, element in ((np.uint8, 2), (np.int8, 3), (np.uint16, 4), (np.int16, 5)):
        name, wide = np.dtype(kind).name, np.iinfo(kind).bits == 16
        scale = 1e-4 if wide else 0.03
        zero = np.array(1000 if wide else 7, kind)
        for domain in ("com.microsoft", ""):
            tag = f"{name}_{domain or 'onnx'}"
            s.add(f"Quantize_{tag}", "QuantizeLinear", [x, f32(scale), zero], types=[element], domain=domain)
            s.add(f"Quantize_axis_{tag}", "QuantizeLinear", [x, f32(*(scale * (1 + np.arange(3)))), np.array([1, 2, 3], kind)], {"axis": 0}, types=[element], domain=domain)
            q = quantized(rng, kind, 3, 40)
            s.add(f"Dequantize_{tag}", "DequantizeLinear", [q, f32(scale), zero], domain=domain)
            s.add(f"Dequantize_axis_{tag}", "DequantizeLinear", [q, f32(*(scale * (1 + np.arange(3)))), np.array([1, 2, 3], kind)], {"axis": 0}, domain=domain)
    s.add("Dequantize_i32", "DequantizeLinear", [integers(rng, -(2**24), 2**24, 5, 6), f32(1e-3), np.zeros((), np.int32)])
    # Halves round to even, before the zero point is added.
    ties = (np.arange(-20, 20, dtype=np.float32) + np.float32(0.5)) * np.float32(0.25)
    for kind, element in ((np.uint8, 2), (np.int8, 3)):
        s.add(f"Quantize_ties_{NAMES[kind]}", "QuantizeLinear", [ties, f32(0.25), np.array(21, kind)], types=[element], domain="")
    special = np.array([np.inf, -np.inf, 1e30, -1e30, -0.0, 1e-40], np.float32)
    s.add("Quantize_special", "QuantizeLinear", [special, f32(0.5), np.array(3, np.uint8)], types=[2], domain="")
    for name, value in {"normal": x, "zeros": np.zeros((2, 3), np.float32), "positive": np.abs(x), "negative": -np.abs(x), "one": f32(2.5).reshape(1)}.items():
        s.add(f"DynamicQuantize_{name}", "DynamicQuantizeLinear", [value], outputs=3, types=[2, 1, 2], domain="")


def products(s: Suite) -> None:
    rng = np.random.default_rng(13)
    pairs = [(np.uint8, np.uint8), (np.uint8, np.int8), (np.int8, np.int8)]
    for ta, tb in pairs:
        name = NAMES[ta] + NAMES[tb]
        point = lambda kind, v: np.array(v if kind is np.uint8 else v - 128, kind)
        a, b = quantized(rng, ta, 7, 30), quantized(rng, tb, 30, 9, small=True)
        za, zb = point(ta, 113), np.array(3, tb)
        columns = quantized(rng, tb, 9, small=True)
        scales = (rng.random(9) * 0.02 + 0.001).astype(np.float32)
        s.add(f"MatMulInteger_{name}", "MatMulInteger", [a, b, za, zb], types=[6], domain="")
        s.add(f"MatMulInteger_plain_{name}", "MatMulInteger", [a, b], types=[6], domain="")
        s.add(f"MatMulInteger_columns_{name}", "MatMulInteger", [a, b, za, columns], types=[6], domain="")
        s.add(f"MatMulInteger_batch_{name}", "MatMulInteger", [quantized(rng, ta, 2, 3, 5, 30), Constant(b), za, zb], types=[6], domain="")
        s.add(f"MatMulIntegerToFloat_{name}", "MatMulIntegerToFloat", [a, b, f32(0.02), f32(0.01), za, zb, floats(rng, 9)])
        s.add(f"MatMulIntegerToFloat_columns_{name}", "MatMulIntegerToFloat", [a, Constant(b), f32(0.02), Constant(scales), za, Constant(columns)])
        for index in range(4):
            sa, sb, sy = (f32(v) for v in rng.random(3) * 0.02 + 0.002)
            zy = point(ta, int(rng.integers(0, 255)))
            sy = f32(sy * 40)
            s.add(f"QLinearMatMul_{name}_{index}", "QLinearMatMul", [a, sa, za, b, sb, zb, sy, zy], types=[TYPES[ta]], domain="")
            s.add(f"QLinearMatMul_columns_{name}_{index}", "QLinearMatMul", [a, sa, za, b, scales, np.zeros(9, tb) + tb(2), sy, zy], types=[TYPES[ta]], domain="")
            bias = integers(rng, -5000, 5000, 9)
            s.add(f"QGemm_{name}_{index}", "QGemm", [a, sa, za, b, sb, zb, bias, sy, zy], {"alpha": 0.75}, types=[TYPES[ta]])
            s.add(f"QGemm_columns_{name}_{index}", "QGemm", [a, sa, za, np.ascontiguousarray(b.T), scales, np.zeros(9, tb), bias, sy, zy], {"transB": 1}, types=[TYPES[ta]])
            s.add(f"QGemm_float_{name}_{index}", "QGemm", [np.ascontiguousarray(a.T), sa, za, b, sb, zb, bias], {"transA": 1})
            x = quantized(rng, ta, 2, 6, 9, 8)
            for group in (1, 2):
                w = quantized(rng, tb, 8, 6 // group, 3, 3, small=True)
                wb = integers(rng, -3000, 3000, 8)
                base = {"group": group, "pads": [1, 1, 0, 2], "strides": [2, 1]}
                zw = np.array(0 if tb is np.int8 else 90, tb)
                s.add(f"QLinearConv_{name}_{index}_{group}", "QLinearConv", [x, sa, za, Constant(w), sb, Constant(zw), sy, zy, Constant(wb)], base, types=[TYPES[ta]], domain="")
                per = (rng.random(8) * 0.02 + 0.001).astype(np.float32)
                s.add(f"QLinearConv_channels_{name}_{index}_{group}", "QLinearConv",
                      [x, sa, za, Constant(w), Constant(per), Constant(np.full(8, zw)), sy, zy, Constant(wb)], base, types=[TYPES[ta]], domain="")
                last = np.ascontiguousarray(np.moveaxis(x, 1, -1))
                s.add(f"QLinearConv_last_{name}_{index}_{group}", "QLinearConv", [last, sa, za, Constant(w), sb, Constant(zw), sy, zy, Constant(wb)],
                      base | {"channels_last": 1}, types=[TYPES[ta]])
        if ta is np.uint8:
            s.add(f"ConvInteger_{name}", "ConvInteger", [quantized(rng, ta, 1, 3, 6, 6), quantized(rng, tb, 4, 3, 3, 3, small=True), za, np.zeros((), tb)], {"pads": [1] * 4}, types=[6], domain="")
            x = floats(rng, 4, 30)
            s.add(f"DynamicQuantizeMatMul_{name}", "DynamicQuantizeMatMul", [x, b, f32(0.01), zb, floats(rng, 9)])
            s.add(f"DynamicQuantizeMatMul_columns_{name}", "DynamicQuantizeMatMul", [x, Constant(b), Constant(scales), Constant(columns)])
            w, r = quantized(rng, tb, 2, 5, 16, small=True), quantized(rng, tb, 2, 4, 16, small=True)
            zero = np.full(2, 0 if tb is np.int8 else 128, tb)
            layer = [floats(rng, 6, 2, 5), Constant(w), Constant(r), floats(rng, 2, 32), None, None, None, None]
            quantisation = [f32(0.01, 0.012), zero, f32(0.008, 0.011), zero]
            kind = {"hidden_size": 4, "direction": "bidirectional"}
            # On one thread, onnxruntime rounds the states of all sequences by one range, on several each by its own, as swage does.
            s.add(f"DynamicQuantizeLSTM_{name}", "DynamicQuantizeLSTM", [*layer, *map(Constant, quantisation)], kind, outputs=3, rtol=2e-3, atol=2e-3)
            # Where only the run knows the scales, onnxruntime rounds inputs and states to eight bits; swage does not.
            s.add(f"DynamicQuantizeLSTM_inputs_{name}", "DynamicQuantizeLSTM", [*layer, *quantisation], kind, outputs=3, rtol=2e-2, atol=2e-2)
    s.add("MatMulInteger16", "MatMulInteger16", [integers(rng, -3000, 3000, 4, 9, dtype=np.int16), integers(rng, -3000, 3000, 9, 5, dtype=np.int16)], types=[6])
    # Sums beyond 2^24, which floats do not hold.
    s.add("MatMulInteger_long", "MatMulInteger", [np.full((2, 4000), 255, np.uint8), np.full((4000, 3), 255, np.uint8)], types=[6], domain="")
    x, w, bias = quantized(rng, np.uint8, 2, 4, 6), quantized(rng, np.int8, 6, 24, small=True), floats(rng, 24)
    for name, more in {"plain": [], "mask": [np.array([3, 2], np.int32), np.array(120, np.uint8), np.zeros((), np.int8)],
                       "past": [None, np.array(120, np.uint8), np.zeros((), np.int8), floats(rng, 2, 2, 2, 3, 4)]}.items():
        s.add(f"QAttention_{name}", "QAttention", [x, w, bias, f32(0.01), f32(0.01), *more], {"num_heads": 2, "unidirectional": 1 if name == "past" else 0},
              outputs=2 if name == "past" else 1)
    s.add("QAttention_columns", "QAttention", [x, Constant(w), bias, f32(0.01), Constant((rng.random(24) * 0.02).astype(np.float32)), None, np.array(120, np.uint8), Constant(np.zeros(24, np.int8))], {"num_heads": 2})
    tables = [quantized(rng, np.uint8, n, 8) for n in (10, 7, 2)] + [quantized(rng, np.uint8, 8), quantized(rng, np.uint8, 8)]
    points = [np.array(v, np.uint8) for v in (120, 130, 128, 0, 110)]
    scales = [f32(v) for v in (0.02, 0.01, 0.03, 0.005, 0.004)]
    s.add("QEmbedLayerNormalization", "QEmbedLayerNormalization",
          [integers(rng, 0, 9, 2, 5), integers(rng, 0, 1, 2, 5), *tables, np.array([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1]], np.int32), *scales, *points], outputs=2, types=[1, 6])


def blocks(s: Suite) -> None:
    rng = np.random.default_rng(14)
    for bits in (2, 4, 8):
        for k, block in ((64, 32), (80, 32), (48, 16)):
            n, count = 6, -(-k // block)
            b = integers(rng, 0, 255, n, count, block * bits // 8, dtype=np.uint8)
            scales = (rng.random((n, count)) * 0.1).astype(np.float32)
            packed = integers(rng, 0, 255, n, -(-count * bits // 8), dtype=np.uint8)
            base = {"K": k, "N": n, "bits": bits, "block_size": block}
            x = floats(rng, 2, 3, k)
            tag = f"{bits}_{k}_{block}"
            s.add(f"MatMulNBits_{tag}", "MatMulNBits", [x, Constant(b), Constant(scales)], base, rtol=1e-3, atol=1e-3)
            s.add(f"MatMulNBits_zero_{tag}", "MatMulNBits", [x, Constant(b), Constant(scales), Constant(packed)], base, rtol=1e-3, atol=1e-3)
            s.add(f"MatMulNBits_inputs_{tag}", "MatMulNBits", [x, b, scales, packed], base, rtol=1e-3, atol=1e-3)
            if bits == 4:
                s.add(f"MatMulNBits_float_{tag}", "MatMulNBits", [x, Constant(b), Constant(scales), Constant((rng.random((n, count)) * 15).astype(np.float32))], base, rtol=1e-3, atol=1e-3)
                s.add(f"MatMulNBits_bias_{tag}", "MatMulNBits", [x, Constant(b), Constant(scales), Constant(packed), None, Constant(floats(rng, n))], base, rtol=1e-3, atol=1e-3)
                s.add(f"MatMulNBits_flat_{tag}", "MatMulNBits", [x, Constant(b), Constant(scales.reshape(-1)), Constant(packed.reshape(-1))], base | {"accuracy_level": 1}, rtol=1e-3, atol=1e-3)
    k, n, block = 64, 6, 32
    b, scales = integers(rng, 0, 255, n, 2, 16, dtype=np.uint8), (rng.random((n, 2)) * 0.1).astype(np.float32)
    groups = integers(rng, 0, 1, k)
    s.add("MatMulNBits_g_idx", "MatMulNBits", [floats(rng, 3, k), Constant(b), Constant(scales), None, Constant(groups)], {"K": k, "N": n, "bits": 4, "block_size": block}, rtol=1e-3, atol=1e-3)
    for kind in (0, 1):
        for k, block in ((64, 32), (48, 64)):
            b = integers(rng, 0, 255, n * k // 2, dtype=np.uint8)
            s.add(f"MatMulBnb4_{kind}_{k}", "MatMulBnb4", [floats(rng, 2, 3, k), Constant(b), Constant(rng.random(-(-n * k // block)).astype(np.float32))],
                  {"K": k, "N": n, "block_size": block, "quant_type": kind}, rtol=1e-3, atol=1e-3)
    ids = np.array([[0, 5, -1], [3, 3, 2]], np.int64)
    for bits in (2, 4, 8):
        data = integers(rng, 0, 255, 6, 64 * bits // 8, dtype=np.uint8)
        scales = rng.random((6, 4)).astype(np.float32)
        zero = integers(rng, 0, 255, 6, 4 * bits // 8, dtype=np.uint8)
        base = {"gather_axis": 0, "quantize_axis": 1, "block_size": 16, "bits": bits}
        s.add(f"GatherBlockQuantized_{bits}", "GatherBlockQuantized", [Constant(data), ids, Constant(scales)], base)
        s.add(f"GatherBlockQuantized_zero_{bits}", "GatherBlockQuantized", [Constant(data), ids.astype(np.int32), Constant(scales), Constant(zero)], base)


def experts(s: Suite):
    """Rows that go through some of several networks; what onnxruntime's CPU kernels do not have comes from the definition."""
    rng = np.random.default_rng(17)
    rows, hidden, inner, count = 7, 32, 48, 5
    x = floats(rng, rows, hidden)
    router = floats(rng, rows, count) * 2
    fused = {"activation_type": "swiglu", "swiglu_fusion": 1}

    def layers(factor):
        return [
            (floats(rng, count, factor * inner, hidden) * 0.3).astype(np.float32), floats(rng, count, factor * inner),
            (floats(rng, count, hidden, inner) * 0.3).astype(np.float32), floats(rng, count, hidden),
        ]  # fmt: skip

    def defined(x, router, w1, b1, w2, b2, w3, b3, k, normalizes, gate, weights=None):
        flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
        shares = np.exp(router - router.max(1, keepdims=True))
        shares = shares / shares.sum(1, keepdims=True) if weights is None else weights
        y = np.zeros_like(flat)
        for row, value in enumerate(flat):
            picked = np.argsort(-router[row], kind="stable")[:k]
            total = shares[row, picked].sum() if normalizes else 1
            for e in picked:
                third = None if w3 is None else w3[e] @ value + b3[e]
                y[row] += shares[row, e] / total * (w2[e] @ gate(w1[e] @ value + b1[e], third) + b2[e])
        return y.reshape(x.shape).astype(np.float32)

    def swish(v, alpha=1.0):
        return v / (1 + np.exp(-alpha * v))

    plain, double = layers(1), layers(2)
    for k, normalizes in ((1, 0), (2, 1), (3, 0)):
        for activation in ("relu", "gelu", "silu", "identity"):
            s.add(f"MoE_{activation}_{k}_{normalizes}", "MoE", [x, router, *map(Constant, plain)],
                  {"k": k, "activation_type": activation, "normalize_routing_weights": normalizes}, rtol=1e-3, atol=1e-3)
    s.add("MoE_swiglu", "MoE", [x, router, *map(Constant, double)],
          fused | {"k": 2, "activation_alpha": 1.702, "activation_beta": 1.0, "swiglu_limit": 2.0}, rtol=1e-3, atol=1e-3)
    s.add("MoE_no_bias", "MoE", [x, router, Constant(plain[0]), None, Constant(plain[2])], {"k": 2}, rtol=1e-3, atol=1e-3)
    s.add("MoE_inputs", "MoE", [x, router, *plain], {"k": 2}, rtol=1e-3, atol=1e-3)
    s.add("MoE_one_row", "MoE", [x[:1], router[:1], *map(Constant, plain)], {"k": 2, "normalize_routing_weights": 1}, rtol=1e-3, atol=1e-3)
    s.add("MoE_batch", "MoE", [x[:6].reshape(2, 3, hidden), router[:6], *map(Constant, plain)], {"k": 2}, rtol=1e-3, atol=1e-3)
    third, bias = (floats(rng, count, inner, hidden) * 0.3).astype(np.float32), floats(rng, count, inner)
    s.add("MoE_gated", "MoE", [x, router, *map(Constant, plain), Constant(third), Constant(bias)],
          {"k": 2, "activation_type": "silu", "normalize_routing_weights": 1}, rtol=1e-3, atol=1e-3,
          expected=[defined(x, router, *plain, third, bias, 2, True, lambda g, l: swish(g) * l)])
    s.add("MoE_swiglu_apart", "MoE", [x, router, *map(Constant, plain), Constant(third), Constant(bias)],
          {"k": 2, "activation_type": "swiglu"}, rtol=1e-3, atol=1e-3,
          expected=[defined(x, router, *plain, third, bias, 2, False, lambda g, l: swish(g) * l)])
    s.add("MoE_swiglu_halves", "MoE", [x, router, *map(Constant, double)],
          {"k": 2, "activation_type": "swiglu", "swiglu_fusion": 2}, rtol=1e-3, atol=1e-3,
          expected=[defined(x, router, *double, None, None, 2, False, lambda g, _: swish(g[:inner]) * g[inner:])])

    for bits in (4, 8):
        packs = 8 // bits
        for block in (0, 16):
            def scales(n, k):
                return (rng.random((count, n) if block == 0 else (count, n, k // block)) * (0.05 if bits == 4 else 0.003)).astype(np.float32)

            def zeros(n, k):
                columns = n if block == 0 else k // block
                shape = (count,) if block == 0 else (count, n)
                return integers(rng, 0, 255, *shape, -(-columns // packs), dtype=np.uint8)

            size = {"expert_weight_bits": bits} | ({"block_size": block} if block else {})
            for name, factor, more in (("silu", 1, {"activation_type": "silu"}), ("swiglu", 2, fused | {"activation_alpha": 1.702, "activation_beta": 1.0})):
                n = factor * inner
                first = [Constant(integers(rng, 0, 255, count, n, hidden // packs, dtype=np.uint8)), Constant(scales(n, hidden)), Constant(floats(rng, count, n))]
                second = [Constant(integers(rng, 0, 255, count, hidden, inner // packs, dtype=np.uint8)), Constant(scales(hidden, inner)), Constant(floats(rng, count, hidden))]
                tag = f"{name}_{bits}_{block}"
                # Blocks of 8 bits, and some of 4, are multiplied there with activations of 8 bits.
                near = {"rtol": 3e-2, "atol": 6e-2} if bits == 8 and block else {"rtol": 1e-3, "atol": 1e-3}
                s.add(f"QMoE_{tag}", "QMoE", [x, router, *first, *second], size | more | {"k": 2, "normalize_routing_weights": 1}, **near)
                s.add(f"QMoE_zero_{tag}", "QMoE", [x, router, *first, *second, None, None, None, Constant(zeros(n, hidden)), Constant(zeros(hidden, inner))], size | more | {"k": 2}, **near)
                s.add(f"QMoE_weights_{tag}", "QMoE", [x, router, *first, *second, *[None] * 6, np.abs(router) + np.float32(0.1)], size | more | {"k": 2, "normalize_routing_weights": 1}, **near)


FAMILIES = [elementwise, linear_quantization, products, blocks, experts]


def cases(chosen):
    suite = Suite(chosen)
    for family in FAMILIES:
        family(suite)
    return suite.cases
