"""Cases of com.microsoft operators on floats, for contrib.py."""

import numpy as np

from contrib_case import Constant, Suite, floats, integers


def activations(s: Suite) -> None:
    rng = np.random.default_rng(1)
    x, bias = floats(rng, 2, 3, 8, scale=2), floats(rng, 8)
    s.add("Gelu", "Gelu", [x])
    s.add("QuickGelu", "QuickGelu", [x])
    s.add("QuickGelu_alpha", "QuickGelu", [x], {"alpha": 0.5})
    s.add("BiasGelu", "BiasGelu", [x, bias])
    s.add("FastGelu", "FastGelu", [x])
    s.add("FastGelu_bias", "FastGelu", [x, bias])
    s.add("ScaledSiLU_alpha", "ScaledSiLU", [x], {"alpha": 1.5})
    s.add("ScaledSiLU_scale", "ScaledSiLU", [x, np.array(0.7, np.float32)])
    s.add("GatedAdd", "GatedAdd", [x, floats(rng, 2, 3, 8), floats(rng, 2, 3, 1)])
    skip = floats(rng, 2, 3, 8)
    s.add("BiasAdd", "BiasAdd", [x, bias, skip], expected=[x + bias + skip])
    gelu = lambda v: (0.5 * v * (1 + np.vectorize(__import__("math").erf)(v / np.sqrt(2)))).astype(np.float32)
    left, right = np.split(x + bias, 2, axis=-1)
    s.add("BiasSplitGelu", "BiasSplitGelu", [x, bias], expected=[left * gelu(right)])
    s.add("BiasDropout", "BiasDropout", [x, bias, skip], outputs=2, types=[1, 9], expected=[x + bias + skip, np.ones(x.shape, bool)])
    s.add("BiasDropout_plain", "BiasDropout", [x, bias], expected=[x + bias])
    s.add("BitmaskDropout", "BitmaskDropout", [x], expected=[x])


def norms(s: Suite) -> None:
    rng = np.random.default_rng(2)
    x, skip = floats(rng, 2, 4, 8), floats(rng, 2, 4, 8)
    gamma, beta, bias = floats(rng, 8), floats(rng, 8), floats(rng, 8)
    for name, more in {"all": [gamma, beta, bias], "beta": [gamma, beta], "plain": [gamma], "bias": [gamma, None, bias]}.items():
        s.add(f"SkipLayerNorm_{name}", "SkipLayerNormalization", [x, skip, *more], {"epsilon": 1e-5})
        s.add(f"SkipLayerNorm_sum_{name}", "SkipLayerNormalization", [x, skip, *more], outputs=["y", "", "", "s"])
    s.add("SkipLayerNorm_tiny", "SkipLayerNormalization", [x * 1e-4, skip * 1e-4, gamma, beta])
    s.add("SkipLayerNorm_2d", "SkipLayerNormalization", [x[0], skip[0], gamma, beta])
    s.add("SkipLayerNorm_broadcast1", "SkipLayerNormalization", [x, skip[:1], gamma, beta], outputs=["y", "", "", "s"])
    s.add("SkipLayerNorm_broadcast2", "SkipLayerNormalization", [x, skip[0], gamma, beta], outputs=["y", "", "", "s"])
    s.add("SkipLayerNorm_symbolic", "SkipLayerNormalization", [x, skip, gamma, beta], symbolic=("x0", "x1"))
    half = [v.astype(np.float16) for v in (x, skip, gamma, beta)]
    s.add("SkipLayerNorm_f16", "SkipLayerNormalization", half, {"epsilon": 1e-5}, rtol=4e-3, atol=4e-3)
    for name, more in {"plain": [gamma], "bias": [gamma, bias]}.items():
        s.add(f"SkipRMSNorm_{name}", "SkipSimplifiedLayerNormalization", [x, skip, *more], {"epsilon": 1e-6}, outputs=["y", "", "", "s"])
    s.add("SkipRMSNorm_2d", "SkipSimplifiedLayerNormalization", [x[0], skip[0], gamma])
    s.add("RMSNorm_onnx_domain", "SimplifiedLayerNormalization", [x, gamma], {"epsilon": 1e-5, "axis": -1, "stash_type": 1}, domain="")
    s.add("RMSNorm_inverse", "SimplifiedLayerNormalization", [x, gamma], {"axis": -1}, outputs=2, domain="")
    s.add("BranchwiseRMSNorm_grouped", "BranchwiseRMSNorm", [x])
    s.add("BranchwiseRMSNorm_scale", "BranchwiseRMSNorm", [x, floats(rng, 4, 8)])
    s.add("BranchwiseRMSNorm_flat", "BranchwiseRMSNorm", [floats(rng, 2, 12), floats(rng, 4)], {"num_branches": 3, "epsilon": 1e-3})
    s.add("GatedRMSNorm", "GatedRMSNorm", [x, gamma, skip])
    s.add("GatedRMSNorm_heads", "GatedRMSNorm", [x, floats(rng, 4), skip], {"activation": "sigmoid", "epsilon": 1e-3})
    image, g, b = floats(rng, 2, 3, 5, 8), floats(rng, 8), floats(rng, 8)

    def group_norm(v, groups, silu, eps=1e-5):
        n, h, w, c = v.shape
        t = v.reshape(n, h * w, groups, c // groups)
        m, d = t.mean(axis=(1, 3), keepdims=True), t.var(axis=(1, 3), keepdims=True)
        y = ((t - m) / np.sqrt(d + eps)).reshape(v.shape) * g + b
        return (y / (1 + np.exp(-y)) if silu else y).astype(np.float32)

    s.add("GroupNorm_last", "GroupNorm", [image, g, b], {"groups": 4, "activation": 0}, expected=[group_norm(image, 4, False)])
    s.add("GroupNorm_silu", "GroupNorm", [image, g, b], {"groups": 2, "activation": 1}, expected=[group_norm(image, 2, True)])
    first = np.ascontiguousarray(image.transpose(0, 3, 1, 2))
    s.add("GroupNorm_first", "GroupNorm", [first, g, b], {"groups": 2, "activation": 1, "channels_last": 0},
          expected=[group_norm(image, 2, True).transpose(0, 3, 1, 2)])
    for name, other in {"4d": floats(rng, 2, 3, 5, 8), "2d": floats(rng, 2, 8), "1": floats(rng, 2, 1, 1, 8)}.items():
        total = image + (other.reshape(2, 1, 1, 8) if name != "4d" else other) + bias
        s.add(f"SkipGroupNorm_{name}", "SkipGroupNorm", [image, g, b, other, bias], {"groups": 2, "activation": 1}, outputs=2,
              expected=[group_norm(total, 2, True), total])


def embeddings(s: Suite) -> None:
    rng = np.random.default_rng(3)
    ids, segments = integers(rng, 0, 9, 2, 5), integers(rng, 0, 1, 2, 5)
    words, positions, kinds = floats(rng, 10, 8), floats(rng, 7, 8), floats(rng, 2, 8)
    gamma, beta = floats(rng, 8), floats(rng, 8)
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)
    base = [ids, segments, words, positions, kinds, gamma, beta]
    i32 = [1, 6]
    s.add("EmbedLayerNorm", "EmbedLayerNormalization", base, outputs=2, types=i32)
    s.add("EmbedLayerNorm_mask", "EmbedLayerNormalization", [*base, mask], {"epsilon": 1e-5}, outputs=3, types=i32)
    s.add("EmbedLayerNorm_positions", "EmbedLayerNormalization", [*base, mask, integers(rng, 0, 6, 2, 5)], outputs=2, types=i32)
    s.add("EmbedLayerNorm_positions1", "EmbedLayerNormalization", [*base, None, integers(rng, 0, 6, 1, 5)], outputs=2, types=i32)
    s.add("EmbedLayerNorm_two", "EmbedLayerNormalization", [ids, None, words, positions, None, gamma, beta], outputs=2, types=i32)


def rotary(s: Suite) -> None:
    rng = np.random.default_rng(4)
    cos, sin = floats(rng, 16, 4), floats(rng, 16, 4)
    x, x4 = floats(rng, 2, 3, 24), floats(rng, 2, 3, 5, 8)
    ids = integers(rng, 0, 15, 2, 3, dtype=np.int64)
    for interleaved in (0, 1):
        s.add(f"Rotary_3d_{interleaved}", "RotaryEmbedding", [x, ids, cos, sin], {"interleaved": interleaved})
        s.add(f"Rotary_offset_{interleaved}", "RotaryEmbedding", [x, np.array([4], np.int64), cos, sin], {"interleaved": interleaved})
        s.add(f"Rotary_4d_{interleaved}", "RotaryEmbedding", [x4, integers(rng, 0, 15, 2, 5, dtype=np.int64), cos, sin], {"interleaved": interleaved})
        s.add(f"Rotary_part_{interleaved}", "RotaryEmbedding", [floats(rng, 2, 3, 24), ids, cos[:, :2], sin[:, :2]],
              {"interleaved": interleaved, "num_heads": 3, "rotary_embedding_dim": 4})
    s.add("Rotary_4d_part", "RotaryEmbedding", [x4, np.array([2], np.int64), cos[:, :2], sin[:, :2]], {"num_heads": 3, "rotary_embedding_dim": 4})
    s.add("Rotary_constant", "RotaryEmbedding", [x, ids, Constant(cos), Constant(sin)], symbolic=("x0", "x1"))
    triple = integers(rng, 0, 15, 3, 2, 3, dtype=np.int64)
    s.add("MRotary", "MRotaryEmbedding", [x, triple, cos, sin], {"num_heads": 3, "mrope_section": [2, 1, 1]})
    s.add("MRotary_layout", "MRotaryEmbedding", [x, triple, cos, sin], {"num_heads": 3, "mrope_section": [2, 1, 1], "mrope_layout": 1})
    s.add("MRotary_4d", "MRotaryEmbedding", [x4, integers(rng, 0, 15, 3, 2, 5, dtype=np.int64), cos, sin], {"mrope_section": [1, 1, 2], "interleaved": 1})


def attention(s: Suite) -> None:
    rng = np.random.default_rng(5)
    x, w, b = floats(rng, 2, 4, 6), floats(rng, 6, 24, scale=0.5), floats(rng, 24)
    heads = {"num_heads": 2}
    mask2 = np.array([[1, 1, 1, 0], [0, 1, 1, 1]], np.int32)
    mask3 = integers(rng, 0, 1, 2, 4, 4)
    mask3[:, :, 0] = 1  # a row with nothing left is scores rounded at -10000
    masks = {
        "none": None, "raw": mask2, "raw3": mask3, "ends": np.array([3, 2], np.int32),
        "starts": np.array([3, 4, 1, 0], np.int32), "dummy": np.zeros((2, 1), np.int32)[:, :1],
    }
    for name, mask in masks.items():
        for causal in (0, 1):
            s.add(f"Attention_{name}_{causal}", "Attention", [x, w, b, mask], heads | {"unidirectional": causal})
    s.add("Attention_nobias", "Attention", [x, w], heads, oracle={"inputs": [x, w, np.zeros(24, np.float32)]})
    s.add("Attention_scale", "Attention", [x, w, b, mask2], heads | {"scale": 0.3, "mask_filter_value": -3.0})
    s.add("Attention_bias", "Attention", [x, w, b, mask2, None, floats(rng, 2, 2, 4, 4)], heads)
    s.add("Attention_bias1", "Attention", [x, w, b, None, None, floats(rng, 1, 1, 4, 4)], heads | {"unidirectional": 1})
    s.add("Attention_sizes", "Attention", [x, floats(rng, 6, 8 + 8 + 4), floats(rng, 20)], heads | {"qkv_hidden_sizes": [8, 8, 4]})
    past = floats(rng, 2, 2, 2, 3, 4)
    for causal in (0, 1):
        s.add(f"Attention_past_{causal}", "Attention", [x, w, b, None, past], heads | {"unidirectional": causal}, outputs=2)
        s.add(f"Attention_past_mask_{causal}", "Attention", [x, w, b, integers(rng, 0, 1, 2, 7), past], heads | {"unidirectional": causal}, outputs=2)
    s.add("Attention_present", "Attention", [x, w, b], heads | {"unidirectional": 1}, outputs=2)
    s.add("Attention_constant", "Attention", [x, Constant(w), Constant(b), mask2], heads, symbolic=("x0", "x3"))

    q, k, v = floats(rng, 2, 3, 8), floats(rng, 2, 5, 8), floats(rng, 2, 5, 8)
    qkv_bias = floats(rng, 24)
    op = "MultiHeadAttention"
    s.add("MHA_cross", op, [q, k, v], heads)
    s.add("MHA_bias", op, [q, k, v, qkv_bias], heads)
    s.add("MHA_value_size", op, [q, k, floats(rng, 2, 5, 12), floats(rng, 28)], heads)
    s.add("MHA_lengths", op, [q, k, v, None, np.array([5, 2], np.int32)], heads)
    s.add("MHA_mask", op, [q, k, v, None, integers(rng, 0, 1, 2, 5)], heads)
    s.add("MHA_mask3", op, [q, k, v, None, integers(rng, 0, 1, 2, 3, 5)], heads)
    s.add("MHA_attention_bias", op, [q, k, v, qkv_bias, None, floats(rng, 1, 2, 3, 5)], heads | {"scale": 0.7})
    s.add("MHA_attention_bias_mask", op, [q, k, v, None, integers(rng, 0, 1, 2, 5), floats(rng, 2, 1, 3, 5)], heads)
    s.add("MHA_qk", op, [q, k, v, None, None, floats(rng, 1, 2, 3, 5)], heads, outputs=["y", "", "", "qk"])
    s.add("MHA_causal", op, [floats(rng, 2, 5, 8), k, v], heads | {"unidirectional": 1})
    packed = floats(rng, 2, 5, 2, 3, 4)
    flat = [np.ascontiguousarray(packed[:, :, :, i]).reshape(2, 5, 8) for i in range(3)]
    s.add("MHA_packed_qkv", op, [packed, None, None, qkv_bias], heads, oracle={"inputs": [*flat, qkv_bias]})
    s.add("MHA_packed_kv", op, [q, np.ascontiguousarray(packed[:, :, :, 1:])], heads, oracle={"inputs": [q, *flat[1:]]})
    s.add("MHA_cached_kv", op, [q, floats(rng, 2, 2, 5, 4), floats(rng, 2, 2, 5, 4)], heads)
    s.add("MHA_cached_kv_bias", op, [q, floats(rng, 2, 2, 5, 4), floats(rng, 2, 2, 5, 4), qkv_bias], heads)
    pk, pv = floats(rng, 2, 2, 6, 4), floats(rng, 2, 2, 6, 4)
    new_k, new_v = floats(rng, 2, 3, 8), floats(rng, 2, 3, 8)
    s.add("MHA_past", op, [q, new_k, new_v, None, None, None, pk, pv], heads, outputs=3)
    s.add("MHA_past_bias", op, [q, new_k, new_v, qkv_bias, None, None, pk, pv], heads, outputs=3)
    s.add("MHA_past_causal", op, [q, new_k, new_v, None, None, None, pk, pv], heads | {"unidirectional": 1}, outputs=3)
    s.add("MHA_past_mask", op, [q, new_k, new_v, None, integers(rng, 0, 1, 2, 9), floats(rng, 1, 2, 3, 9), pk, pv], heads, outputs=3)
    s.add("MHA_present", op, [q, new_k, new_v], heads, outputs=3)
    s.add("MHA_symbolic", op, [q, k, v, Constant(qkv_bias), integers(rng, 0, 1, 2, 5)], heads, symbolic=("x0", "x1", "x2", "x4"))
    one = floats(rng, 2, 1, 8)
    op = "DecoderMaskedMultiHeadAttention"
    share = np.array([2], np.int32)
    s.add("DMMHA_cross", op, [one, pk, pv], heads)
    s.add("DMMHA_cross_mask", op, [one, pk, pv, integers(rng, 0, 1, 2, 6)], heads)
    s.add("DMMHA_self", op, [one, floats(rng, 2, 1, 8), floats(rng, 2, 1, 8), None, None, pk, pv, share], heads | {"past_present_share_buffer": 1}, outputs=3)
    s.add("DMMHA_self_bias", op, [one, floats(rng, 2, 1, 8), floats(rng, 2, 1, 8), None, None, pk, pv, share, None, None, qkv_bias],
          heads | {"past_present_share_buffer": 1}, outputs=3)


def group_query(s: Suite) -> None:
    rng = np.random.default_rng(6)
    op, base = "GroupQueryAttention", {"num_heads": 4, "kv_num_heads": 2}
    q, k, v = floats(rng, 2, 5, 64), floats(rng, 2, 5, 32), floats(rng, 2, 5, 32)
    cos, sin = floats(rng, 24, 8), floats(rng, 24, 8)
    i32 = lambda *values: np.array(values, np.int32)
    prompt = [i32(4, 4), i32(5)]
    empty = [np.zeros((2, 2, 0, 16), np.float32)] * 2
    s.add("GQA_prompt", op, [q, k, v, None, None, *prompt], base, outputs=3)
    s.add("GQA_prompt_empty_past", op, [q, k, v, *empty, *prompt], base, outputs=3)
    # Queries beyond a sequence's length mean nothing.
    s.add("GQA_prompt_lengths", op, [q, k, v, None, None, i32(4, 2), i32(5)], base, outputs=3, keep={"y0": (1, 0, 3)})
    s.add("GQA_prompt_lengths_first", op, [q, k, v, None, None, i32(4, 2), i32(5)], base, outputs=3, keep={"y0": (0, 0, 1)})
    s.add("GQA_prompt_packed", op, [floats(rng, 2, 5, 128), None, None, None, None, *prompt], base, outputs=3)
    s.add("GQA_prompt_buffer", op, [q, k, v, floats(rng, 2, 2, 9, 16), floats(rng, 2, 2, 9, 16), *prompt], base, outputs=3)
    for interleaved in (0, 1):
        s.add(f"GQA_prompt_rotary_{interleaved}", op, [q, k, v, None, None, *prompt, cos, sin],
              base | {"do_rotary": 1, "rotary_interleaved": interleaved}, outputs=3)
    wide = [floats(rng, 1, 5, 128), floats(rng, 1, 5, 64), floats(rng, 1, 5, 64)]
    s.add("GQA_prompt_rotary_part", op, [*wide, None, None, i32(4), i32(5), cos, sin], base | {"do_rotary": 1}, outputs=3)
    for name, more in {"window": {"local_window_size": 2}, "softcap": {"softcap": 1.5}, "smooth": {"smooth_softmax": 1}, "scale": {"scale": 0.2},
                       "all": {"local_window_size": 3, "softcap": 2.0, "smooth_softmax": 1}, "bidirectional": {"causal": 0}}.items():
        s.add(f"GQA_prompt_{name}", op, [q, k, v, None, None, *prompt], base | more, outputs=3)
    s.add("GQA_prompt_bias", op, [q, k, v, None, None, *prompt, None, None, None, floats(rng, 1, 4, 5, 5)], base, outputs=3)
    s.add("GQA_prompt_sink", op, [q, k, v, None, None, *prompt, None, None, None, None, floats(rng, 4)], base, outputs=3)
    norm = lambda v, w: (lambda h: (h / np.sqrt((h**2).mean(-1, keepdims=True) + 1e-5) * w).reshape(v.shape))(v.reshape(2, 5, -1, 16))
    wq, wk = floats(rng, 16), floats(rng, 16)
    s.add("GQA_prompt_norm", op, [q, k, v, None, None, *prompt, cos, sin, None, None, None, None, None, wq, wk],
          base | {"do_rotary": 1, "qk_norm_epsilon": 1e-5}, outputs=3,
          oracle={"inputs": [norm(q, wq), norm(k, wk), v, None, None, *prompt, cos, sin], "attributes": base | {"do_rotary": 1}})
    for mode in (1, 2):
        s.add(f"GQA_prompt_qk{mode}", op, [q, k, v, None, None, *prompt], base | {"qk_output": mode}, outputs=4)
        s.add(f"GQA_prompt_qk_softcap{mode}", op, [q, k, v, None, None, *prompt, None, None, None, floats(rng, 1, 4, 5, 5)],
              base | {"qk_output": mode, "softcap": 0.7}, outputs=4)
    s.add("GQA_prompt_bias_softcap", op, [q, k, v, None, None, *prompt, None, None, None, floats(rng, 1, 4, 5, 5)], base | {"softcap": 0.7}, outputs=3)
    pk, pv = floats(rng, 2, 2, 7, 16), floats(rng, 2, 2, 7, 16)
    one = [floats(rng, 2, 1, 64), floats(rng, 2, 1, 32), floats(rng, 2, 1, 32)]
    s.add("GQA_step", op, [*one, pk, pv, i32(7, 7), i32(8)], base, outputs=3)
    s.add("GQA_step_rotary", op, [*one, pk, pv, i32(7, 7), i32(8), cos, sin], base | {"do_rotary": 1}, outputs=3)
    s.add("GQA_step_lengths", op, [*one, pk, pv, i32(7, 3), i32(8), cos, sin], base | {"do_rotary": 1}, outputs=3)
    s.add("GQA_step_window", op, [*one, pk, pv, i32(7, 3), i32(8)], base | {"local_window_size": 4}, outputs=3)
    s.add("GQA_step_buffer", op, [*one, pk, pv, i32(4, 2), i32(5), cos, sin], base | {"do_rotary": 1}, outputs=3)
    s.add("GQA_step_packed", op, [floats(rng, 2, 1, 128), None, None, pk, pv, i32(7, 7), i32(8), cos, sin], base | {"do_rotary": 1}, outputs=3)
    s.add("GQA_step_ids", op, [*one, pk, pv, i32(7, 7), i32(8), cos, sin, np.array([[3], [9]], np.int64)], base | {"do_rotary": 1}, outputs=3)
    s.add("GQA_step_bias", op, [*one, pk, pv, i32(7, 7), i32(8), None, None, None, floats(rng, 2, 1, 1, 8)], base, outputs=3)
    more = [v[:1] for v in (q, k, v)]
    s.add("GQA_chunk", op, [*more, pk[:1], pv[:1], i32(11), i32(12), cos, sin], base | {"do_rotary": 1}, outputs=3)
    s.add("GQA_constant_total", op, [*one, pk, pv, i32(7, 3), Constant(i32(8)), Constant(cos), Constant(sin)], base | {"do_rotary": 1}, outputs=3)
    s.add("GQA_symbolic", op, [*one, pk, pv, i32(7, 7), i32(8), Constant(cos), Constant(sin)], base | {"do_rotary": 1}, outputs=3,
          symbolic=("x0", "x1", "x2", "x3", "x4", "x5"))


def linear(s: Suite) -> None:
    rng = np.random.default_rng(7)
    a, b = floats(rng, 2, 3, 4), floats(rng, 2, 4, 5)
    flip = lambda v: np.ascontiguousarray(np.swapaxes(v, -1, -2))
    for ta in (0, 1):
        for tb in (0, 1):
            attributes = {"transA": ta, "transB": tb, "alpha": 0.5}
            s.add(f"FusedMatMul_{ta}{tb}", "FusedMatMul", [flip(a) if ta else a, flip(b) if tb else b], attributes)
            s.add(f"TransposeMatMul_{ta}{tb}", "TransposeMatMul", [flip(a) if ta else a, flip(b) if tb else b], attributes)
            s.add(f"FusedGemm_{ta}{tb}", "FusedGemm", [flip(a[0]) if ta else a[0], flip(b[0]) if tb else b[0], floats(rng, 5)],
                  attributes | {"beta": 2.0, "activation": "Relu"})
    s.add("FusedMatMul_vector", "FusedMatMul", [floats(rng, 4), b[0]], {"transA": 1})
    s.add("FusedMatMul_broadcast", "FusedMatMul", [floats(rng, 3, 1, 2, 4), floats(rng, 2, 5, 4)], {"transB": 1})
    big, wide = floats(rng, 2, 3, 4, 5), floats(rng, 2, 3, 5, 6)
    moved = lambda v: np.ascontiguousarray(v.transpose(2, 0, 1, 3))
    s.add("FusedMatMul_batchA", "FusedMatMul", [moved(big), wide], {"transBatchA": 1})
    s.add("FusedMatMul_batchB", "FusedMatMul", [big, moved(wide)], {"transBatchB": 1})
    s.add("FusedMatMul_batchAB_trans", "FusedMatMul", [moved(flip(big)), moved(flip(wide))],
          {"transBatchA": 1, "transBatchB": 1, "transA": 1, "transB": 1})
    s.add("FusedMatMul_f64", "FusedMatMul", [a.astype(np.float64), b.astype(np.float64)], {"alpha": 2.0})
    for name, params in {"Relu": {}, "LeakyRelu": {"activation_alpha": 0.2}, "Tanh": {}, "Sigmoid": {}, "HardSigmoid": {"activation_alpha": 0.3, "activation_beta": 0.4},
                         "Softplus": {}, "Softsign": {}, "ThresholdedRelu": {"activation_alpha": 0.5}, "Elu": {"activation_alpha": 0.7},
                         "ParametricSoftplus": {"activation_alpha": 0.5, "activation_beta": 2.0}, "ScaledTanh": {"activation_alpha": 0.5, "activation_beta": 2.0}}.items():
        s.add(f"FusedGemm_{name}", "FusedGemm", [a[0], b[0], floats(rng, 1, 5)], {"activation": name} | params)
    relu = lambda v: np.maximum(v, 0)
    s.add("FusedMatMulActivation", "FusedMatMulActivation", [a, b], {"activation": "Relu", "alpha": 0.5}, expected=[relu(0.5 * (a @ b))])
    t = (a @ b + 0.5).astype(np.float64)
    s.add("GemmFastGelu", "GemmFastGelu", [a, b, np.full(5, 0.5, np.float32)],
          expected=[(0.5 * t * (1 + np.tanh(np.sqrt(2 / np.pi) * (t + 0.044715 * t**3)))).astype(np.float32)])
    x, w, bias = floats(rng, 1, 4, 6, 6), floats(rng, 8, 4, 3, 3), floats(rng, 8)
    for name, params in {"Relu": [], "LeakyRelu": [0.2], "Clip": [-0.5, 0.5], "Tanh": [], "Sigmoid": [], "HardSigmoid": [0.3, 0.4]}.items():
        s.add(f"FusedConv_{name}", "FusedConv", [x, w, bias], {"activation": name, "pads": [1, 1, 1, 1]} | ({"activation_params": params} if params else {}))
    s.add("FusedConv_sum", "FusedConv", [x, w, bias, floats(rng, 1, 8, 4, 4)], {"activation": "Relu"})
    s.add("FusedConv_group", "FusedConv", [x, floats(rng, 8, 2, 3, 3)], {"group": 2, "activation": "Relu", "strides": [2, 2]})
    nhwc = lambda v: np.ascontiguousarray(np.moveaxis(v, 1, -1))
    y = conv2d(x, w) + bias[:, None, None]
    s.add("NhwcConv", "NhwcConv", [nhwc(x), nhwc(w), bias], expected=[nhwc(y)])
    s.add("NhwcFusedConv", "NhwcFusedConv", [nhwc(x), nhwc(w), bias, nhwc(y)], {"activation": "Relu"}, expected=[nhwc(relu(2 * y))])
    up, kernel = floats(rng, 1, 3, 4, 4), floats(rng, 3, 2, 3, 3)
    for pads in ([1, 1, 1, 1], [0, 1, 2, 0]):
        s.add(f"ConvTransposeDynamic_{''.join(map(str, pads))}", "ConvTransposeWithDynamicPads", [up, kernel, Constant(np.array(pads, np.int64)), floats(rng, 2)],
              {"strides": [2, 2]})
    rows, columns = floats(rng, 5, 4), floats(rng, 3, 4)
    for metric in ("sqeuclidean", "euclidean"):
        s.add(f"CDist_{metric}", "CDist", [rows, columns], {"metric": metric})
        s.add(f"CDist_f64_{metric}", "CDist", [rows.astype(np.float64), columns.astype(np.float64)], {"metric": metric})
    square = floats(rng, 2, 4, 4) + 4 * np.eye(4, dtype=np.float32)
    s.add("Inverse", "Inverse", [square], rtol=1e-3)
    s.add("Inverse_f64", "Inverse", [square[0].astype(np.float64)])


def conv2d(x, w):
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, w).astype(np.float32)


def movement(s: Suite) -> None:
    rng = np.random.default_rng(8)
    x = floats(rng, 2, 3, 4)
    for axis in (0, 1, 3, -1, -2):
        s.add(f"ExpandDims_{axis}", "ExpandDims", [x, Constant(np.int32(axis))])
    square = floats(rng, 2, 4, 5)
    for upper in (0, 1):
        s.add(f"Trilu_{upper}", "Trilu", [square], {"upper": upper})
        s.add(f"Trilu_k_{upper}", "Trilu", [square, Constant(np.int64(1))], {"upper": upper})
        s.add(f"Trilu_k_input_{upper}", "Trilu", [square, np.array(-1, np.int64)], {"upper": upper})
    s.add("GatherND", "GatherND", [x, np.array([[0, 1], [1, 2]], np.int64)])
    s.add("GatherND_i32", "GatherND", [x, np.array([[[0], [1]]], np.int32)])
    grid = (rng.random((2, 3, 4, 2)) * 2.4 - 1.2).astype(np.float32)
    image = floats(rng, 2, 2, 5, 6)
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            s.add(f"GridSample_{mode}_{padding}", "GridSample", [image, grid], {"mode": mode, "padding_mode": padding, "align_corners": 1})
    for kind in (np.float32, np.int64):
        for start, limit, delta in ((0, 5, 1), (2, 9, 3), (5, 0, -2)):
            s.add(f"Range_{np.dtype(kind).name}_{start}_{limit}_{delta}", "Range", [np.array(v, kind) for v in (start, limit, delta)],
                  types=[1 if kind is np.float32 else 7])
    s.add("Range_default", "Range", [np.array(1, np.int32), np.array([4], np.int32)], types=[6])
    for mode in ("constant", "reflect", "edge"):
        s.add(f"Pad_{mode}", "Pad", [x, Constant(np.array([0, 1, 2, 0, 1, 1], np.int64))], {"mode": mode})
    s.add("Pad_value", "Pad", [x, Constant(np.array([[0, 1, -1, 0, 0, 1]], np.int64)), np.array([2.5], np.float32)])
    s.add("Pad_input", "Pad", [x, np.array([0, 1, 1, 0, 0, 1], np.int64)])
    s.add("Unique", "Unique", [np.array([2, 1, 1, 3, 4, 3, 2], np.float32)], outputs=3, types=[1, 7, 7])
    s.add("UnfoldTensor", "UnfoldTensor", [floats(rng, 2, 9, 3)], {"dim": 1, "size": 3, "step": 2})
    s.add("UnfoldTensor_last", "UnfoldTensor", [floats(rng, 2, 9)], {"size": 4})
    boxes = np.array([[0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], [0.8, 0.9, 0.2, 0.1], [-0.3, 0.2, 0.6, 1.4]], np.float32)
    indices = np.array([0, 1, 1, 0], np.int32)
    for mode in ("bilinear", "nearest"):
        s.add(f"CropAndResize_{mode}", "CropAndResize", [image, boxes, indices, Constant(np.array([3, 4], np.int32))], {"mode": mode, "extrapolation_value": 0.5})
    s.add("CropAndResize_one", "CropAndResize", [image, boxes, indices, Constant(np.array([1, 1], np.int32))])
    s.add("CropAndResize_input", "CropAndResize", [image, boxes, indices, np.array([2, 3], np.int32)])
    s.add("NhwcMaxPool_u8", "NhwcMaxPool", [integers(rng, 0, 255, 1, 6, 6, 3, dtype=np.uint8)], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}, types=[2])
    s.add("NhwcMaxPool_s8", "NhwcMaxPool", [integers(rng, -128, 127, 1, 6, 3, dtype=np.int8)], {"kernel_shape": [3]}, types=[3])
    ids = np.array([[1, 2, 3, 1, 2], [4, 4, 4, 4, 4], [1, 2, 3, 4, 5]], np.int64)
    for size in (1, 2, 3):
        s.add(f"NGramRepeatBlock_{size}", "NGramRepeatBlock", [ids, floats(rng, 3, 7)], {"ngram_size": size})
    for kind, values in {"i32": np.array([0, 1, -1, 12345], np.int32), "i64": np.array([[1, -5], [1 << 40, 3]], np.int64), "f32": np.array([0.5, -1.25], np.float32),
                         "f64": np.array([0.1], np.float64), "u32": np.array([7, 4294967295], np.uint32)}.items():
        s.add(f"MurmurHash3_{kind}", "MurmurHash3", [values], types=[12])
        s.add(f"MurmurHash3_signed_{kind}", "MurmurHash3", [values], {"positive": 0, "seed": 42}, types=[6])
    s.add("SampleOp", "SampleOp", [x])
    s.add("IsAllFinite", "IsAllFinite", [x, x], types=[9], expected=[np.array(True)])
    s.add("IsAllFinite_nan", "IsAllFinite", [x, np.array([np.nan], np.float32)], types=[9], expected=[np.array(False)])
    complex_a, complex_b = floats(rng, 3, 4, 2), floats(rng, 3, 4, 2)
    a, b = complex_a[..., 0] + 1j * complex_a[..., 1], complex_b[..., 0] + 1j * complex_b[..., 1]
    pair = lambda c: np.stack([c.real, c.imag], -1).astype(np.float32)
    s.add("ComplexMul", "ComplexMul", [complex_a, complex_b], expected=[pair(a * b)])
    s.add("ComplexMulConj", "ComplexMulConj", [complex_a, complex_b], expected=[pair(a * np.conj(b))])
    signal = floats(rng, 3, 8)
    half = np.fft.rfft(signal)
    s.add("Rfft", "Rfft", [signal], {"signal_ndim": 1}, expected=[pair(half)])
    s.add("Irfft", "Irfft", [pair(half)], {"signal_ndim": 1}, expected=[np.fft.irfft(half).astype(np.float32)])
    tokens = np.array([1, 3], np.int32)
    hidden = floats(rng, 2, 4, 3)
    packed = np.concatenate([hidden[0, :1], hidden[1, :3]])
    offset = np.array([[0, 4, 5, 6], [1, 2, 3, 7]], np.int32)
    s.add("RemovePadding", "RemovePadding", [hidden, tokens], outputs=4, types=[1, 6, 6, 6],
          expected=[packed, offset, np.array([0, 1, 4], np.int32), np.array([3], np.int32)])
    s.add("RestorePadding", "RestorePadding", [packed, offset], expected=[restore(packed, offset)])


def restore(packed, offset):
    flat = np.zeros((offset.size, packed.shape[1]), np.float32)
    flat[offset.reshape(-1)[: len(packed)]] = packed
    return flat.reshape(*offset.shape, -1)


def recurrent_attention(s: Suite) -> None:
    rng = np.random.default_rng(9)
    q, k, v = floats(rng, 2, 4, 12), floats(rng, 2, 4, 12), floats(rng, 2, 4, 10)
    decay, beta = -np.abs(floats(rng, 2, 4, 2)), rng.random((2, 4, 2)).astype(np.float32)
    heads = {"q_num_heads": 2, "kv_num_heads": 2}
    state = floats(rng, 2, 2, 6, 5)
    for rule, more in {"linear": [None, None, None], "gated": [None, decay, None], "delta": [None, None, beta], "gated_delta": [None, decay, beta]}.items():
        s.add(f"LinearAttention_{rule}", "LinearAttention", [q, k, v, *more], heads | {"update_rule": rule}, outputs=2)
        s.add(f"LinearAttention_state_{rule}", "LinearAttention", [q, k, v, state, *more[1:]], heads | {"update_rule": rule, "scale": 0.5}, outputs=2)
    s.add("LinearAttention_keys", "LinearAttention", [q, k, v, state, -np.abs(floats(rng, 2, 4, 12)), beta[:, :, :1]], heads, outputs=2)
    s.add("LinearAttention_group", "LinearAttention", [floats(rng, 2, 4, 24), k, v, state, decay, beta], heads | {"q_num_heads": 4}, outputs=2)
    s.add("LinearAttentionGate", "LinearAttentionGate", [floats(rng, 2, 4, 3), floats(rng, 3), floats(rng, 3), floats(rng, 2, 4, 3)], outputs=2)
    x, w = floats(rng, 2, 3, 5), floats(rng, 3, 1, 4)
    s.add("CausalConv", "CausalConvWithState", [x, w], outputs=2)
    s.add("CausalConv_all", "CausalConvWithState", [x, w, floats(rng, 3), floats(rng, 2, 3, 3)], {"activation": "silu"}, outputs=2)
    s.add("CausalConv_dilation", "CausalConvWithState", [x, w, floats(rng, 3), floats(rng, 2, 3, 6)], {"dilation": 2, "activation": "swish"}, outputs=2)
    s.add("CausalConv_last", "CausalConvWithState", [floats(rng, 2, 5, 3), w, floats(rng, 3), floats(rng, 2, 3, 3)], {"channels_last": 1}, outputs=2)


def softmax_attention(q, k, v, heads, bias=0.0, scale=None):
    """Of [length, heads · size] each, without a batch."""
    split = lambda x: x.reshape(len(x), heads, -1).transpose(1, 0, 2).astype(np.float64)
    q, k, v = split(q), split(k), split(v)
    scores = q @ k.transpose(0, 2, 1) * (scale or 1 / np.sqrt(q.shape[-1])) + bias
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    y = weights / weights.sum(-1, keepdims=True) @ v
    return y.transpose(1, 0, 2).reshape(y.shape[1], -1).astype(np.float32)


def packed(s: Suite) -> None:
    """Sequences of 2, 4 and 1 tokens without padding."""
    rng = np.random.default_rng(10)
    lengths = [2, 4, 1]
    ends = np.cumsum([0, *lengths]).astype(np.int32)
    grid = np.arange(12).reshape(3, 4)
    tokens = np.concatenate([grid[i, :n] for i, n in enumerate(lengths)])
    offset = np.concatenate([tokens, np.setdiff1d(grid, tokens)]).reshape(3, 4).astype(np.int32)
    q, k, v, bias = floats(rng, 7, 8), floats(rng, 7, 8), floats(rng, 7, 12), floats(rng, 28)
    extra = floats(rng, 1, 2, 4, 4)

    def each(q, k, v, added=None, scale=None):
        spans = [slice(a, b) for a, b in zip(ends, ends[1:])]
        return np.concatenate([softmax_attention(q[r], k[r], v[r], 2, 0 if added is None else added[0, :, :n, :n], scale) for r, n in zip(spans, lengths)])

    heads = {"num_heads": 2}
    s.add("PackedMHA", "PackedMultiHeadAttention", [q, k, v, None, offset, ends], heads, expected=[each(q, k, v)])
    s.add("PackedMHA_bias", "PackedMultiHeadAttention", [q, k, v, bias, offset, ends, extra], heads | {"scale": 0.3},
          expected=[each(q + bias[:8], k + bias[8:16], v + bias[16:], extra, 0.3)])
    qkv = floats(rng, 7, 2, 3, 4)
    flat = [qkv[:, :, i].reshape(7, 8) for i in range(3)]
    s.add("PackedMHA_qkv", "PackedMultiHeadAttention", [qkv, None, None, None, offset, ends], heads, expected=[each(*flat)])
    x, w, b = floats(rng, 7, 6), floats(rng, 6, 24), floats(rng, 24)
    y = x @ w + b
    s.add("PackedAttention", "PackedAttention", [x, w, b, offset, ends, extra], heads, expected=[each(y[:, :8], y[:, 8:16], y[:, 16:], extra)])

    table = floats(rng, 8, 2)

    def bucket(distance, two_sided):
        count, result = 8, 0
        if two_sided:
            count, result = 4, 4 if distance > 0 else 0
        away = abs(distance) if two_sided else max(-distance, 0)
        exact = count // 2
        if away < exact:
            return result + away
        return result + min(exact + int(np.float32(np.log(away / exact)) / np.float32(np.log(20 / exact)) * np.float32(count - exact)), count - 1)

    for two_sided in (0, 1):
        places = np.array([[bucket(j - i, two_sided) for j in range(12)] for i in range(12)])
        s.add(f"RelativePositionBias_{two_sided}", "RelativePositionBias", [table, Constant(np.array(12, np.int64)), Constant(np.array(12, np.int64))],
              {"max_distance": 20, "is_bidirectional": two_sided}, expected=[table.reshape(2, 8)[:, places][None]])
    query, query_bias, position = floats(rng, 2, 5, 8), floats(rng, 8), floats(rng, 1, 2, 5, 5)
    w, b, eco = floats(rng, 4, 6), floats(rng, 6), floats(rng, 1, 2, 1, 1)
    halves = ((query + query_bias).reshape(2, 5, 2, 4).transpose(0, 2, 1, 3) @ w + b).reshape(2, 2, 5, 2, 3).sum(-1)
    gate = 1 / (1 + np.exp(-halves))
    factor = gate[..., :1] * (gate[..., 1:] * eco - 1) + 2
    s.add("GatedRelativePositionBias", "GatedRelativePositionBias", [query, query_bias, position, w, b, eco], heads,
          expected=[(factor * position).astype(np.float32)])


FAMILIES = [activations, norms, embeddings, rotary, attention, group_query, linear, movement, recurrent_attention, packed]


def cases(chosen):
    suite = Suite(chosen)
    for family in FAMILIES:
        family(suite)
    return suite.cases
