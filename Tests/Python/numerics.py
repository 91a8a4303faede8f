"""Compare the numbers of elementwise operators, reductions and casts bit for bit at the edges of their types.

    .venv/bin/python Tests/Python/numerics.py --swage .build/release/swage [--only REGEX] [--target NAMES] [--list]

One model for each element type holds a node for every operator that takes it, over NaN, infinities, signed zeros, denormals, the
ends of integers, divisors that are zero, and shifts beyond the width. What is expected is NumPy's answer, or
onnxruntime's where the two read the standard differently: a NaN that bounds a clip counts for nothing, and floats become integers
as x86 processors have it. Searches take a NaN for the largest number, the first one of several, as NumPy does. Results agree in
every bit (any NaN is NaN) where an operation rounds once, others within some units in the last place. Exit status 1 when anything
differs.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

FLOATS = ["float32", "float64", "float16", "bfloat16"]
INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
# Types that files of NumPy do not hold travel as integers of their width.
CARRIERS = {"bfloat16": "uint16", "float8_e4m3fn": "uint8", "float8_e4m3fnuz": "uint8", "float8_e5m2": "uint8",
            "float8_e5m2fnuz": "uint8", "float8_e8m0fnu": "uint8"}
PACKED = ["int4", "uint4", "int2", "uint2", "float4_e2m1fn"]


@dataclass
class Check:
    """A node over inputs of the model. `expect` computes the answer; without it onnxruntime does."""

    name: str
    operator: str
    inputs: list[np.ndarray]
    attributes: dict = field(default_factory=dict)
    expect: Callable | None = None
    ulps: float | None = None
    outputs: int = 1
    # The type that the result is cast to, where it has one that files do not hold.
    back: int = 0


def dtype(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def kind(of: np.dtype) -> int:
    return helper.np_dtype_to_tensor_dtype(of)


# MARK: - Numbers


def float_values(name: str) -> np.ndarray:
    of = dtype(name)
    info = ml_dtypes.finfo(of)
    tiny = float(info.smallest_subnormal)
    odd = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, -3.5, 1e-3, 0.3, -0.7, 7.25, 20.0, -20.0, 88.0, -88.0, 100.0, -104.0,
           700.0, -700.0, np.inf, -np.inf, np.nan, float(info.max), -float(info.max), float(info.tiny), -float(info.tiny),
           tiny, -tiny, tiny * 3, 2.0**31, -(2.0**31), 2.0**32, 2.0**63, -(2.0**63), 2.0**64, 127.5, 128.0, 255.5, 256.0, -128.5,
           32767.5, 32768.0, 65535.0, 65536.0, 448.0, 464.0, 465.0, 57344.0, 61440.0, 240.0, 248.0, 1e-8, 1e-2]
    random = np.random.default_rng(3).standard_normal(41) * 3
    with np.errstate(all="ignore"):
        return np.concatenate([np.array(odd), random]).astype(of)


def integer_values(name: str) -> np.ndarray:
    info = np.iinfo(name)
    values = [0, 1, 2, 3, 5, 7, 11, 13, 31, 32, 33, 63, 64, 65, 100, 127, info.max, info.max - 1, info.min, info.min + 1]
    values += [-1, -2, -3, -5, -7, -64] if info.min < 0 else [info.max // 2, info.max // 2 + 1]
    return np.array([value for value in values if info.min <= value <= info.max], dtype=name)


def pairs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.repeat(values, len(values)), np.tile(values, len(values))


def wrap(value: int, name: str) -> int:
    bits = np.iinfo(name).bits
    value &= (1 << bits) - 1
    return value - (1 << bits) if np.iinfo(name).min < 0 and value >> (bits - 1) else value


def on_integers(function: Callable) -> Callable:
    """A function of Python's integers, element by element, wrapped around."""
    def apply(*arrays):
        name = arrays[0].dtype.name
        return np.array([wrap(function(*map(int, row)), name) for row in zip(*arrays, strict=True)], dtype=name)
    return apply


def quotient(a: int, b: int) -> int:
    return 0 if b == 0 else (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1)


def power(a: int, b: int) -> int:
    if b < 0:
        return {1: 1, -1: 1 if b % 2 == 0 else -1}.get(a, 0)
    return pow(a, b, 1 << 64)


def in_double(function: Callable) -> Callable:
    """A function in double precision, rounded to the type of the first operand."""
    def apply(*arrays):
        with np.errstate(all="ignore"):
            return function(*(array.astype(np.float64) for array in arrays)).astype(arrays[0].dtype)
    return apply


# MARK: - Checks


def float_checks(name: str) -> list[Check]:
    from math import erf

    x = float_values(name)
    a, b = pairs(x)
    of = x.dtype
    scalar = lambda value: np.array(value, dtype=of)  # noqa: E731
    small = name in ("float16", "bfloat16")
    ulps = 1.01 if small else 4
    checks = []

    def unary(operator, function, ulps=None, values=x, **attributes):
        suffix = "".join(f" {key}={value}" for key, value in attributes.items())
        checks.append(Check(operator + suffix, operator, [values], attributes, function and in_double(function), ulps))

    erf64 = np.vectorize(erf, otypes=[np.float64])
    unary("Abs", np.abs), unary("Neg", np.negative), unary("Ceil", np.ceil), unary("Floor", np.floor)
    unary("Round", np.rint), unary("Sign", np.sign), unary("Sqrt", np.sqrt), unary("Reciprocal", lambda v: 1 / v)
    unary("Relu", lambda v: np.where(v < 0, 0, v))
    for operator, function in [("Exp", np.exp), ("Log", np.log), ("Sin", np.sin), ("Cos", np.cos), ("Tan", np.tan),
                               ("Asin", np.arcsin), ("Acos", np.arccos), ("Atan", np.arctan), ("Sinh", np.sinh),
                               ("Cosh", np.cosh), ("Tanh", np.tanh), ("Asinh", np.arcsinh), ("Acosh", np.arccosh),
                               ("Atanh", np.arctanh), ("Erf", erf64), ("Sigmoid", lambda v: 1 / (1 + np.exp(-v)))]:
        values = x
        if operator in ("Sin", "Cos", "Tan"):
            values = np.where(np.abs(x.astype(np.float64)) < 2.0**28, x, np.where(np.isfinite(x), scalar(1), x))
        if operator == "Sigmoid" and name == "bfloat16":
            # As exact as bf16 for normal numbers: what is below them may be zero.
            values = np.where((x < -86) & np.isfinite(x), scalar(-86), x)
        unary(operator, function, ulps, values)
    unary("Softplus", lambda v: np.where(v > 0, v, 0) + np.log1p(np.exp(-np.abs(v))), ulps)
    unary("Softsign", lambda v: np.where(np.isinf(v), np.nan, v / (1 + np.abs(v))), ulps)
    f32 = lambda value: float(np.float32(value))  # noqa: E731
    unary("Elu", lambda v: np.where(v < 0, np.expm1(v), v), ulps)
    unary("LeakyRelu", lambda v: np.where(v < 0, f32(0.01) * v, v), ulps)
    unary("HardSigmoid", lambda v: np.where(np.isnan(v), v, np.clip(f32(0.2) * v + 0.5, 0, 1)), ulps)
    unary("ThresholdedRelu", lambda v: np.where(v > 1, v, 0))
    flags = [{}, {"detect_positive": 0}, {"detect_negative": 0}]
    for attributes in flags:
        def infinite(v, low=attributes.get("detect_negative", 1), high=attributes.get("detect_positive", 1)):
            v = v.astype(np.float64)
            return (np.isposinf(v) & bool(high)) | (np.isneginf(v) & bool(low))
        checks.append(Check(f"IsInf {attributes}", "IsInf", [x], attributes, infinite))
    checks.append(Check("IsNaN", "IsNaN", [x], {}, lambda v: np.isnan(v.astype(np.float64))))
    for low, high in [(-1, 2.5), (2, -2), (float("nan"), 1), (-1, float("nan"))]:
        def bounded(v, low, high):
            v = np.where(v < low, low, v)
            return np.where(v > high, high, v)
        checks.append(Check(f"Clip {low} {high}", "Clip", [x, scalar(low), scalar(high)], {}, in_double(bounded)))
    for operator, function in [("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide)]:
        checks.append(Check(operator, operator, [a, b], {}, in_double(function)))
    for operator, function in [("Min", np.minimum), ("Max", np.maximum)]:
        checks.append(Check(operator, operator, [a, b], {}, in_double(function) if small else None))
    checks.append(Check("Pow", "Pow", [a, b], {}, in_double(np.power), ulps))
    checks.append(Check("Mod", "Mod", [a, b], {"fmod": 1}, in_double(np.fmod)))
    for operator, function in [("Equal", np.equal), ("Less", np.less), ("Greater", np.greater),
                               ("LessOrEqual", np.less_equal), ("GreaterOrEqual", np.greater_equal)]:
        expect = lambda p, q, f=function: f(p.astype(np.float64), q.astype(np.float64))  # noqa: E731
        checks.append(Check(operator, operator, [a, b], {}, expect))
    rows = row_values(of)
    axis = np.array([1], dtype=np.int64)
    with_axis = lambda f: in_double(lambda v: f(v))  # noqa: E731
    for operator, function in [
        ("ReduceSum", lambda v: v.sum(1)), ("ReduceMean", lambda v: v.mean(1)), ("ReduceProd", lambda v: v.prod(1)),
        ("ReduceMin", lambda v: v.min(1)), ("ReduceMax", lambda v: v.max(1)), ("ReduceL1", lambda v: np.abs(v).sum(1)),
        ("ReduceL2", lambda v: np.sqrt((v * v).sum(1))), ("ReduceSumSquare", lambda v: (v * v).sum(1)),
        ("ReduceLogSum", lambda v: np.log(v.sum(1))), ("ReduceLogSumExp", lambda v: np.log(np.exp(v - 3).sum(1)) + 3),
    ]:
        expect = lambda v, _, f=function: with_axis(f)(v)  # noqa: E731
        bound = None if operator in ("ReduceMin", "ReduceMax") else 8 if not small else 1.01
        checks.append(Check(operator, operator, [rows, axis], {"keepdims": 0}, expect, bound))
    for operator, sign in (("ArgMax", 1), ("ArgMin", -1)):
        for last in (0, 1):
            attributes = {"axis": 1, "keepdims": 0, "select_last_index": last}
            expect = lambda v, s=sign, l=last: search(s * v.astype(np.float64), l)  # noqa: E731
            checks.append(Check(f"{operator} last={last}", operator, [rows], attributes, expect))
    checks.append(Check("Softmax", "Softmax", [rows], {"axis": 1}, in_double(softmax), 1.01 if small else 16))
    checks.append(Check("LogSoftmax", "LogSoftmax", [rows], {"axis": 1}, in_double(log_softmax), 2 if small else 512))
    for largest in (0, 1):
        expect = lambda v, _, l=largest: top(v, l)  # noqa: E731
        checks.append(Check(f"TopK {largest}", "TopK", [rows, np.array([5], dtype=np.int64)], {"largest": largest}, expect, outputs=2))
    sums = lambda v, _: in_double(lambda w: np.cumsum(w, axis=1))(v)  # noqa: E731
    checks.append(Check("CumSum", "CumSum", [rows, np.array(1, dtype=np.int64)], {}, sums, 8))
    products = lambda v, _: in_double(lambda w: np.cumprod(w, axis=1))(v)  # noqa: E731
    checks.append(Check("CumProd", "CumProd", [rows, np.array(1, dtype=np.int64)], {}, products, 8))
    return checks


def softmax(v: np.ndarray) -> np.ndarray:
    e = np.exp(v - v.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def log_softmax(v: np.ndarray) -> np.ndarray:
    shifted = v - v.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def search(v: np.ndarray, last: int) -> np.ndarray:
    """The place of the largest number in each row: the first NaN where there is one, else of equal ones the first or last."""
    first = v.argmax(1)
    turned = v.shape[1] - 1 - v[:, ::-1].argmax(1)
    return np.where(np.isnan(v).any(1) | (last == 0), first, turned).astype(np.int64)


def top(v: np.ndarray, largest: int) -> list[np.ndarray]:
    """The five largest or smallest numbers of each row, where a NaN counts as the largest."""
    keys = v.astype(np.float64) * (-1 if largest else 1)
    # Sorting puts NaN last, and keeps the order of equal numbers; among the largest NaN comes first.
    order = np.argsort(np.where(np.isnan(keys), -np.inf if largest else np.inf, keys), axis=1, kind="stable")
    rank = np.where(np.isnan(keys), 0 if largest else 1, 1 if largest else 0)
    order = np.stack([sorted(row, key=lambda i, r=r: r[i]) for row, r in zip(order, rank)])[:, :5]
    return [np.take_along_axis(v, order, 1), order.astype(np.int64)]


def row_values(of: np.dtype) -> np.ndarray:
    nan, inf = np.nan, np.inf
    rows = [[1, 2, 3, 4, 5, 6], [nan, 1, 2, 3, 4, 5], [1, 2, nan, 3, nan, 4], [inf, 1, 2, 3, 4, 5], [-inf, 1, 2, 3, 4, 5],
            [-inf, inf, 1, 2, 3, 4], [-inf] * 6, [inf] * 6, [nan] * 6, [3, 3, 1, 3, 1, 1], [0.0, -0.0, 0.0, -0.0, 0.0, -0.0],
            [nan, inf, -inf, 1, 2, 3], [0.25, -1.5, 3, 0.125, 9, -4]]
    with np.errstate(all="ignore"):
        return np.array(rows).astype(of)


def integer_checks(name: str) -> list[Check]:
    x = integer_values(name)
    a, b = pairs(x)
    is_signed = np.iinfo(name).min < 0
    bits = np.iinfo(name).bits
    checks = []
    for operator, function in [("Abs", abs), ("Sign", lambda v: (v > 0) - (v < 0)), ("BitwiseNot", lambda v: ~v)] + (
        [("Neg", lambda v: -v), ("Relu", lambda v: max(v, 0))] if is_signed else []
    ):
        checks.append(Check(operator, operator, [x], {}, on_integers(function)))
    for operator, function in [
        ("Add", lambda p, q: p + q), ("Sub", lambda p, q: p - q), ("Mul", lambda p, q: p * q), ("Div", quotient),
        ("Mod", lambda p, q: p % q if q else 0), ("Min", min), ("Max", max), ("Pow", power),
        ("BitwiseAnd", lambda p, q: p & q), ("BitwiseOr", lambda p, q: p | q), ("BitwiseXor", lambda p, q: p ^ q),
    ]:
        checks.append(Check(operator, operator, [a, b], {}, on_integers(function)))
    rest = on_integers(lambda p, q: p - q * quotient(p, q) if q else 0)
    checks.append(Check("Mod fmod", "Mod", [a, b], {"fmod": 1}, rest))
    if not is_signed:
        left = on_integers(lambda p, q: p << q if q < bits else 0)
        right = on_integers(lambda p, q: p >> q if q < bits else 0)
        checks += [Check(f"BitShift {d}", "BitShift", [a, b], {"direction": d}, f) for d, f in (("LEFT", left), ("RIGHT", right))]
    for operator, function in [("Equal", np.equal), ("Less", np.less), ("Greater", np.greater),
                               ("LessOrEqual", np.less_equal), ("GreaterOrEqual", np.greater_equal)]:
        checks.append(Check(operator, operator, [a, b], {}, function))
    low, high = np.array(3, dtype=name), np.array(np.iinfo(name).max - 1, dtype=name)
    checks.append(Check("Clip", "Clip", [x, low, high], {}, lambda v, p, q: np.minimum(np.maximum(v, p), q)))
    table = np.resize(x, (4, len(x)))
    axis = np.array([1], dtype=np.int64)
    total = lambda row: sum(map(int, row))  # noqa: E731
    for operator, function in [
        ("ReduceSum", total), ("ReduceProd", lambda row: np.prod([int(v) for v in row], dtype=object)),
        ("ReduceMin", lambda row: min(map(int, row))), ("ReduceMax", lambda row: max(map(int, row))),
        ("ReduceSumSquare", lambda row: sum(int(v) ** 2 for v in row)), ("ReduceL1", lambda row: sum(abs(int(v)) for v in row)),
    ]:
        expect = lambda v, _, f=function: np.array([wrap(int(f(row)), name) for row in v], dtype=name)  # noqa: E731
        checks.append(Check(operator, operator, [table, axis], {"keepdims": 0}, expect))
    sums = lambda v, _: np.cumsum(v, axis=1, dtype=name)  # noqa: E731
    checks.append(Check("CumSum", "CumSum", [table, np.array(1, dtype=np.int64)], {}, sums))
    if name in ("int32", "int64"):
        base, exponent = pairs(np.array([-7, -3, -1, 0, 1, 2, 3, 10, 16777217], dtype=name))
        small = np.clip(exponent, -3, 9)
        for other in ("float32", "float64", "int64" if name == "int32" else "int32"):
            def raised(p, q, of=dtype(name)):
                if q.dtype.kind == "i":
                    return np.array([wrap(power(int(a), int(b)), of.name) for a, b in zip(p, q)], dtype=of)
                return as_x86(np.power(p.astype(np.float64), q.astype(np.float64)), of)
            checks.append(Check(f"Pow {other}", "Pow", [base, small.astype(other)], {}, raised))
    if name in ("int32", "int64", "uint8", "int8"):
        checks.append(Check("ArgMax", "ArgMax", [table], {"axis": 1}))
        checks.append(Check("ArgMin", "ArgMin", [table], {"axis": 1}))
    return checks


def as_x86(v: np.ndarray, target: np.dtype) -> np.ndarray:
    """Float to integer as the processor converts: through 32 bits for narrow types, else through 64; out of range the
    lowest number, whose low bits stay."""
    wide = v.astype(np.float64)
    if target.name == "uint64":
        inside, shifted = (np.abs(wide) < 2.0**63), (wide >= 2.0**63) & (wide < 2.0**64)
        low = np.where(inside, wide, 0).astype(np.int64).view(np.uint64)
        high = np.where(shifted, wide - 2.0**63, 0).astype(np.int64).view(np.uint64) + np.uint64(1 << 63)
        return np.where(inside, low, np.where(shifted, high, np.where(wide >= 2.0**64, np.uint64(0), np.uint64(1 << 63))))
    bits = 32 if target.itemsize < 4 or target.name == "int32" else 64
    inside = (wide >= -(2.0 ** (bits - 1))) & (wide < 2.0 ** (bits - 1))
    whole = np.where(inside, wide, -(2.0 ** (bits - 1))).astype(np.int64)
    return whole.astype(target)


def cast_checks(name: str) -> list[Check]:
    of = dtype(name)
    is_float = name in FLOATS or "float" in name
    if name in CARRIERS and name != "bfloat16":
        x = np.arange(256, dtype=np.uint8).view(of)
    else:
        x = np.array([True, False]) if name == "bool" else float_values(name) if is_float else integer_values(name)
    checks = []
    for target in ["bool", *INTEGERS, *FLOATS]:
        to = dtype(target)
        if to == of:
            continue
        if is_float and target in INTEGERS:
            expect = lambda v, t=to: as_x86(v, t)  # noqa: E731
        elif is_float and target == "bool":
            expect = lambda v: v.astype(np.float64) != 0  # noqa: E731
        elif is_float or name == "bool":
            expect = lambda v, t=to: v.astype(np.float64).astype(t)  # noqa: E731
        elif target in FLOATS and target != "float64":
            expect = lambda v, t=to: np.array([rounded(int(e), t) for e in v])  # noqa: E731
        else:
            expect = lambda v, t=to: v.astype(t)  # noqa: E731
        checks.append(Check(f"Cast to {target}", "Cast", [x], {"to": kind(to)}, expect))
    for target in [key for key in CARRIERS if key != "bfloat16" and "e8m0" not in key]:
        to = dtype(target)
        if name not in ("float32", "float16", "bfloat16"):
            continue
        for saturate in (1, 0):
            expect = lambda v, t=to, s=saturate: to_float8(v, t, s)  # noqa: E731
            checks.append(Check(f"Cast to {target} saturate={saturate}", "Cast", [x], {"to": kind(to), "saturate": saturate}, expect))
            if name == "float32":
                expect = lambda v, half, t=to, s=saturate: to_float8(v / half, t, s)  # noqa: E731
                attributes = {"output_dtype": kind(to), "saturate": saturate}
                half = np.array(0.5, np.float32)
                checks.append(Check(f"QuantizeLinear to {target} saturate={saturate}", "QuantizeLinear", [x, half], attributes, expect))
    if name in ("float32", "int8", "uint8", "int32"):
        for target in PACKED:
            to, back = dtype(target), TensorProto.FLOAT if "float" in target else TensorProto.INT8
            if "float" in target:
                if name != "float32":
                    continue
                expect = lambda v, t=to: np.where(np.isnan(v), 0, v).astype(t).astype(np.float32)  # noqa: E731
            else:
                bits = int(target[-1])
                def expect(v, bits=bits, is_signed=target[0] == "i"):
                    whole = as_x86(v, np.dtype("int32")) if v.dtype.kind == "f" else v
                    low = whole.astype(np.int64) & ((1 << bits) - 1)
                    return np.where(is_signed & (low >> (bits - 1) == 1), low - (1 << bits), low).astype(np.int8)
            checks.append(Check(f"Cast to {target} and back", "Cast", [x], {"to": kind(to)}, expect, back=back))
    return checks


def to_float8(v: np.ndarray, to: np.dtype, saturate: int) -> np.ndarray:
    result = v.astype(np.float32).astype(to)
    if not saturate:
        return result
    wide = v.astype(np.float32)
    top = float(ml_dtypes.finfo(to).max)
    return np.where(np.isnan(wide), result, np.clip(wide, -top, top).astype(to)).astype(to)


def rounded(value: int, to: np.dtype):
    """An integer as a float in one rounding, to nearest even."""
    if value == 0:
        return to.type(0)
    digits = ml_dtypes.finfo(to).nmant + 1
    magnitude, extra = abs(value), max(abs(value).bit_length() - digits, 0)
    kept, rest = magnitude >> extra, magnitude & ((1 << extra) - 1)
    if extra and (rest > 1 << (extra - 1) or (rest == 1 << (extra - 1) and kept & 1)):
        kept += 1
    with np.errstate(all="ignore"):
        return to.type(float((kept << extra) * (1 if value > 0 else -1)))


def all_checks() -> dict[str, list[Check]]:
    families = {f"arithmetic {name}": float_checks(name) for name in FLOATS}
    families |= {f"arithmetic {name}": integer_checks(name) for name in INTEGERS}
    sources = [*FLOATS, *INTEGERS, "bool", *(key for key in CARRIERS if key != "bfloat16")]
    return families | {f"casts {name}": cast_checks(name) for name in sources}


# MARK: - Running


def carrier(of: np.dtype) -> np.dtype:
    return np.dtype(CARRIERS.get(of.name, of.name))


def build(checks: list[Check]) -> tuple[onnx.ModelProto, dict[str, np.ndarray], dict[str, np.dtype]]:
    """One model of all checks. Arrays are inputs once each; types that NumPy's files lack are reinterpreted inside."""
    nodes, inputs, outputs, initializers = [], [], [], []
    feeds, names, types = {}, {}, {}
    for number, check in enumerate(checks):
        arguments = []
        for array in check.inputs:
            key = (array.dtype.name, array.shape, array.tobytes())
            if key not in names:
                name = names[key] = f"x{len(names)}"
                raw = carrier(array.dtype)
                if array.ndim == 0 or array.dtype == np.int64 and array.shape == (1,):
                    initializers.append(numpy_helper.from_array(array, name))
                elif raw == array.dtype:
                    feeds[name] = array
                    inputs.append(helper.make_tensor_value_info(name, kind(raw), array.shape))
                else:
                    feeds[name + "_bits"] = array.view(raw)
                    inputs.append(helper.make_tensor_value_info(name + "_bits", kind(raw), array.shape))
                    nodes.append(helper.make_node("BitCast", [name + "_bits"], [name], to=kind(array.dtype)))
            arguments.append(names[key])
        results = [f"y{number}_{index}" for index in range(check.outputs)]
        nodes.append(helper.make_node(check.operator, arguments, results, name=check.name, **check.attributes))
        if check.back:
            nodes[-1].output[0] = "narrow_" + results[0]
            nodes.append(helper.make_node("Cast", ["narrow_" + results[0]], results, to=check.back))
        for result, value in zip(results, check.expected, strict=True):
            raw, types[result] = carrier(value.dtype), value.dtype
            if raw != value.dtype:
                nodes.append(helper.make_node("BitCast", [result], [result + "_bits"], to=kind(raw)))
                result += "_bits"
            outputs.append(helper.make_tensor_value_info(result, kind(raw), None))
    graph = helper.make_graph(nodes, "numerics", inputs, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 26)], ir_version=10), feeds, types


def answer(check: Check) -> list[np.ndarray]:
    """What onnxruntime makes of the node alone."""
    names = [f"x{index}" for index in range(len(check.inputs))]
    results = [f"y{index}" for index in range(check.outputs)]
    node = helper.make_node(check.operator, names, results, **check.attributes)
    infos = [helper.make_tensor_value_info(n, kind(v.dtype), v.shape) for n, v in zip(names, check.inputs)]
    outputs = [onnx.ValueInfoProto(name=name) for name in results]
    graph = helper.make_graph([node], "node", infos, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, check.inputs)))


def difference(actual: np.ndarray, expected: np.ndarray, ulps: float | None) -> str | None:
    if actual.dtype != expected.dtype or actual.shape != expected.shape:
        return f"is {actual.dtype}{actual.shape}, expected {expected.dtype}{expected.shape}"
    if expected.dtype.kind in "iub":
        wrong = actual != expected
    else:
        raw = np.dtype(f"uint{8 * expected.dtype.itemsize}")
        x, y = actual.astype(np.float64), expected.astype(np.float64)
        wrong = (actual.view(raw) != expected.view(raw)) & ~(np.isnan(x) & np.isnan(y))
        if ulps is not None:
            info = ml_dtypes.finfo(expected.dtype)
            with np.errstate(all="ignore"):
                step = np.maximum(2.0 ** (np.floor(np.log2(np.abs(y))) - info.nmant), float(info.smallest_subnormal))
                near = np.isfinite(x) & np.isfinite(y) & (np.abs(x - y) <= ulps * np.where(y == 0, float(info.tiny), step))
                # The largest number and infinity lie one unit apart.
                near |= np.isinf(y) & np.isfinite(x) & (np.abs(x) >= float(info.max) * 0.999) & (np.sign(x) == np.sign(y))
            wrong &= ~near
    if not wrong.any():
        return None
    at = np.flatnonzero(wrong)
    return f"{len(at)} of {wrong.size}: " + ", ".join(
        f"[{i}] {actual.flat[i]!s} for {expected.flat[i]!s}" for i in at[:4]), at


def run(binary: str, checks: list[Check], target: str | None, folder: Path) -> dict[str, np.ndarray]:
    model, feeds, types = build(checks)
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    arguments = [binary, "compile", str(folder / "model.onnx"), "-o", str(folder / "model.plan")]
    environment = dict(os.environ, SWIFT_BACKTRACE="enable=no")
    for step in (arguments + (["--target", target] if target else []), None):
        if step is None:
            step = [binary, "run", str(folder / "model.plan"), "--output", str(folder / "out")]
            for name, value in feeds.items():
                np.save(folder / f"{name}.npy", value)
                step += ["--input", f"{name}={folder / f'{name}.npy'}"]
        done = subprocess.run(step, capture_output=True, text=True, env=environment)
        if done.returncode != 0:
            sys.exit(f"swage {step[1]} ended with status {done.returncode}: {done.stderr[-2000:]}")
    results = {}
    for name, of in types.items():
        raw = carrier(of)
        value = np.load(folder / "out" / f"{name if raw == of else name + '_bits'}.npy")
        results[name] = value if raw == of else value.view(of)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swage", required=True)
    parser.add_argument("--only", default="", help="families whose names match")
    parser.add_argument("--target")
    parser.add_argument("--list", action="store_true", help="shows every check")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    count, failed = 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        for family, checks in all_checks().items():
            if not re.search(options.only, family):
                continue
            for check in checks:
                with np.errstate(all="ignore"):
                    found = check.expect(*check.inputs) if check.expect else answer(check)
                check.expected = found if isinstance(found, list) else [found]
            results = run(options.swage, checks, options.target, Path(scratch) / family.replace(" ", "_"))
            for number, check in enumerate(checks):
                for index, expected in enumerate(check.expected):
                    count += 1
                    found = difference(results[f"y{number}_{index}"], expected, check.ulps)
                    if found is None and not options.list:
                        continue
                    failed += found is not None
                    text = ""
                    if isinstance(found, tuple):
                        places = [tuple(v.flat[i] for v in check.inputs if v.size == expected.size) for i in found[1][:4]]
                        text = f"{found[0]} at {', '.join(str(tuple(map(str, p))) for p in places)}"
                    elif found:
                        text = found
                    print(f"{'FAIL' if found else 'ok  '}  {family:<22} {check.name:<28} {text}")
    print(f"{count} results, {failed} differ")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
