"""Cases of operators.py: axes, bounds, scales and sizes as constants, and as inputs that differ from run to run."""

import itertools

import numpy as np


def random(seed: int, *shape: int, dtype=np.float32) -> np.ndarray:
    generator = np.random.default_rng(seed)
    if np.issubdtype(dtype, np.floating):
        return generator.normal(size=shape).astype(dtype)
    return generator.integers(0, 100, size=shape).astype(dtype)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def axes_cases(case):
    x = random(1, 2, 3, 4)
    sets = {1: [(0,), (-1,), (1,)], 2: [(0, 2), (-1, 1), (1, 0)], 3: [(2, 0, 1)]}
    reductions = ["Sum", "Mean", "Prod", "Min", "Max", "SumSquare", "L1", "L2", "LogSum", "LogSumExp"]
    for name, (count, axes), keep in itertools.product(reductions, sets.items(), [0, 1]):
        if count != 2 and name not in ("Sum", "Max"):
            continue
        value = np.abs(x) + 0.5 if name == "LogSum" else x
        yield case(f"reduce_{name.lower()}_{count}_{keep}", f"Reduce{name}", [[value, ints(*own)] for own in axes], {"keepdims": keep})
    yield case("reduce_sum_integers", "ReduceSum", [[random(2, 3, 4, dtype=np.int32), ints(axis)] for axis in (0, 1)])
    # The number of axes differs from run to run as well.
    yield case("reduce_any_axes", "ReduceSum", [[x, ints(*own)] for own in [(0,), (2, 1), (0, -1, 1)]])
    yield case("squeeze", "Squeeze", [[random(3, 1, 3, 1, 2), ints(axis)] for axis in (0, 2, -2, -4)])
    yield case("squeeze_two", "Squeeze", [[random(3, 1, 3, 1, 1), ints(*own)] for own in [(0, 2), (3, -2), (3, 0)]])
    yield case("unsqueeze", "Unsqueeze", [[x, ints(*own)] for own in [(0, 1), (-1, 2), (4, 0)]])
    for exclusive, reverse in itertools.product([0, 1], [0, 1]):
        yield case(
            f"cumulative_{exclusive}{reverse}", "CumSum", [[x, np.array(axis, np.int64)] for axis in (0, 1, -1)],
            {"exclusive": exclusive, "reverse": reverse})
    signal = random(4, 2, 5, 6, 1)
    yield case("dft_axis", "DFT", [[signal, None, np.array(axis, np.int64)] for axis in (1, 2, -2)], opset=20)
    yield case("dft_length", "DFT", [[signal, np.array(length, np.int64), np.array(1, np.int64)] for length in (4, 5, 8)], opset=20, constants=(2,))
    frames = [[random(5, 1, 40, 1), np.array(step, np.int64), None, np.array(size, np.int64)] for step, size in [(4, 8), (5, 10)]]
    yield case("stft", "STFT", frames)
    bounds = [
        ((0, 1), (2, 3), (1, 2), (1, 1)), ((-1, -1), (-100, -100), (0, 1), (-1, -2)), ((100, 0), (-100, 100), (2, 0), (-3, 2)),
        ((0, 3), (0, 1), (0, 2), (1, 1)), ((-100, 1), (-200, 3), (2, 1), (-1, 5)),
        ((2**63 - 1, 0), (-(2**63), 2**63 - 1), (1, 2), (-1, 1)),
    ]
    yield case("slice", "Slice", [[x, *(ints(*part) for part in parts)] for parts in bounds])
    yield case("slice_axes", "Slice", [[x, *(ints(*part) for part in parts[:3])] for parts in bounds[:1] + bounds[3:4]])
    yield case("slice_bounds", "Slice", [[x, ints(*a), ints(*b)] for a, b in [((-2, 0), (2, -1)), ((0, -2), (100, 3)), ((1, 1), (2, 2))]])
    yield case("slice_backward", "Slice", [[x, ints(-100), ints(-200), ints(2), ints(-1)]], constants=(1, 2, 3, 4))
    for mode in ("constant", "edge", "reflect"):
        pads = [[x, ints(*pads), np.array(7, np.float32), ints(*own)] for pads, own in [((1, 0, 1, 2), (1, 2)), ((0, -1, 1, 2), (-1, 0))]]
        if mode != "constant":
            pads = pads[:1]
        yield case(f"pad_{mode}", "Pad", pads, {"mode": mode})


def resize(case, name, sets, attributes, **settings):
    """The scales or sizes as a constant, and as an input."""
    yield case(f"resize_{name}_known", "Resize", sets[:1], attributes, constants=(1, 2, 3), **settings)
    yield case(f"resize_{name}", "Resize", sets, attributes, **settings)


def resize_cases(case):
    x = random(6, 1, 2, 4, 5)
    transformations = ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
    scales = [floats(1, 1, 2, 0.6), floats(1, 1, 0.5, 1.7), floats(1, 1, 3, 1)]
    sizes = [ints(1, 2, 7, 3), ints(1, 2, 1, 10), ints(1, 2, 4, 5)]
    for transformation in transformations:
        shared = {"coordinate_transformation_mode": transformation}
        for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
            attributes = shared | {"mode": "nearest", "nearest_mode": rounding}
            yield from resize(case, f"nearest_{rounding}_{transformation}", [[x, None, scale] for scale in scales], attributes)
        for mode, outside in [("linear", 0), ("cubic", 0), ("cubic", 1)]:
            attributes = shared | {"mode": mode, "exclude_outside": outside}
            yield from resize(case, f"{mode}_{outside}_{transformation}", [[x, None, scale] for scale in scales], attributes)
        yield from resize(
            case, f"sizes_{transformation}", [[x, None, None, size] for size in sizes], shared | {"mode": "linear"})
    for mode, outside in itertools.product(("linear", "cubic"), (0, 1)):
        attributes = {"mode": mode, "antialias": 1, "exclude_outside": outside}
        yield from resize(case, f"antialias_{mode}_{outside}", [[x, None, scale] for scale in [floats(1, 1, 0.6, 0.4), *scales]], attributes)
        yield from resize(case, f"antialias_sizes_{mode}_{outside}", [[x, None, None, size] for size in sizes], attributes)
    for policy, mode in itertools.product(("not_larger", "not_smaller"), ("nearest", "linear")):
        attributes = {"keep_aspect_ratio_policy": policy, "mode": mode, "axes": [2, 3]}
        yield from resize(case, f"{policy}_{mode}", [[x, None, None, size] for size in (ints(7, 8), ints(3, 9), ints(2, 2))], attributes)
    regions = [floats(0, 0, 0.4, 0.6, 1, 1, 0.9, 0.8), floats(0, 0, -0.2, 0.1, 1, 1, 1.3, 0.5)]
    for mode in ("nearest", "linear", "cubic"):
        attributes = {"mode": mode, "coordinate_transformation_mode": "tf_crop_and_resize", "extrapolation_value": 10.0}
        yield from resize(case, f"crop_{mode}", [[x, region, None, ints(1, 2, 3, 6)] for region in regions], attributes)
    for kind, mode in itertools.product((np.uint8, np.int8, np.int32), ("nearest", "linear")):
        for antialias in (0, 1) if mode == "linear" else (0,):
            value = random(7, 1, 2, 5, 6, dtype=kind)
            attributes = {"mode": mode, "antialias": antialias}
            yield from resize(
                case, f"{np.dtype(kind).name}_{mode}_{antialias}", [[value, None, None, ints(1, 2, 3, 4)], [value, None, None, ints(1, 2, 9, 7)]], attributes)
    for mode in ("nearest", "linear"):
        sets = [[x, scale] for scale in scales]
        yield case(f"resize10_{mode}", "Resize", sets, {"mode": mode}, opset=10)
        yield case(f"resize10_{mode}_known", "Resize", sets[:1], {"mode": mode}, opset=10, constants=(1,))
        yield case(f"upsample_{mode}", "Upsample", [[x, floats(1, 1, 2, 1.5)], [x, floats(1, 1, 3, 1)]], {"mode": mode}, opset=9)


def all_cases(case):
    return [*axes_cases(case), *resize_cases(case)]
