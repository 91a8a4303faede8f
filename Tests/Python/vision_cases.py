"""Cases of `operators.py`: losses, detection, sampling, pooling with indices."""

import itertools

import numpy as np

F32, I64 = np.float32, np.int64


def normal(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.standard_normal(shape).astype(F32)


def losses(case, random: np.random.Generator) -> list:
    cases = []
    weightings = ((False, None), (True, None), (True, 1), (False, -5))
    combinations = itertools.product(
        ("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"), ("none", "sum", "mean"), weightings
    )
    for number, (operator, reduction, (has_weights, ignored)) in enumerate(combinations):
        rank = (0, 1, 3)[number % 3]
        sets = []
        for batch in (3, 1, 6):
            spatial = tuple(int(n) for n in random.integers(1, 5, rank))
            scores = normal(random, batch, 4, *spatial)
            classes = random.integers(0, 4, (batch, *spatial))
            if ignored is not None:
                classes[random.random(classes.shape) < 0.3] = ignored
                classes.flat[0] = 2
            sets.append([scores, classes] + ([random.random(4).astype(F32) + 0.1] if has_weights else []))
        attributes = {"reduction": reduction} | ({} if ignored is None else {"ignore_index": ignored})
        outputs = ("loss", "logs") if operator.startswith("Softmax") and number % 2 else ("loss",)
        name = f"{operator}_{reduction}_{rank}_{'weights_' if has_weights else ''}{ignored}"
        cases.append(case(name, operator, sets, attributes, opset=13, outputs=outputs))
    return cases


def suppression(case, random: np.random.Generator) -> list:
    """Boxes with ties in their scores, and inputs without boxes, classes, or a batch."""
    shapes = ((1, 2, 300), (3, 1, 17), (1, 1, 1), (2, 3, 0), (0, 2, 4), (1, 0, 5))
    cases = []
    for number, (is_centered, limit, overlap, threshold) in enumerate(
        ((0, 5, 0.5, 0.4), (1, 20, 0.3, None), (0, 1000, 0.0, 0.9), (0, 0, 0.5, 0.1), (1, 7, 1.0, -1.0), (0, 3, None, None))
    ):
        sets = []
        for batches, classes, count in shapes:
            boxes = random.random((batches, count, 4)).astype(F32)
            if is_centered:
                boxes[..., 2:] *= 0.4
            scores = (random.integers(0, 40, (batches, classes, count)) / 40).astype(F32)
            values = [boxes, scores, np.array([limit], I64)]
            values.append(None if overlap is None else np.array([overlap], F32))
            if threshold is not None:
                values.append(np.array([threshold], F32))
            sets.append(values)
        cases.append(case(f"NonMaxSuppression_{number}", "NonMaxSuppression", sets, {"center_point_box": is_centered}, opset=11))
    return cases


def uniqueness(case, random: np.random.Generator) -> list:
    """All four outputs; few different values, so that runs are long."""
    cases = []
    for is_sorted in (1, 0):
        for kind in (F32, I64, np.int8, np.float64):
            sets = [[random.integers(-3, 4, shape).astype(kind)] for shape in ((5, 6), (1, 1), (40, 3), (0, 2))]
            name = f"Unique_{np.dtype(kind).name}_{is_sorted}"
            outputs = ("y", "first", "inverse", "counts")
            cases.append(case(name, "Unique", sets, {"sorted": is_sorted}, opset=11, outputs=outputs))
        words = np.array(["b", "", "a", "ab", "b", "é", "a", "Z"], object)
        sets = [[words.reshape(2, 4)], [words[:5].reshape(1, 5)]]
        cases.append(case(f"Unique_string_{is_sorted}", "Unique", sets, {"sorted": is_sorted}, opset=11, outputs=outputs))
        for axis in (0, 1, -1):
            sets = [[random.integers(0, 2, shape).astype(F32)] for shape in ((9, 5, 2), (2, 30, 2), (4, 4, 3), (1, 1, 1))]
            outputs = ("y", "", "inverse", "counts") if axis == 1 else ("y", "first", "inverse", "counts")
            attributes = {"sorted": is_sorted, "axis": axis}
            cases.append(case(f"Unique_axis{axis}_{is_sorted}", "Unique", sets, attributes, opset=11, outputs=outputs))
    return cases


def determinants(case, random: np.random.Generator) -> list:
    sets = [[normal(random, *shape)] for shape in ((2, 3, 4, 4), (1, 1, 1, 1), (5, 1, 9, 9), (0, 1, 2, 2))]
    sets[0][0][0, 0] = np.arange(16).reshape(4, 4)
    sets[0][0][0, 1] = np.eye(4)[[2, 0, 3, 1]]
    return [case("Det", "Det", sets), case("Det_matrix", "Det", [[normal(random, n, n)] for n in (1, 2, 7)])]


def sampling(case, random: np.random.Generator) -> list:
    cases = []
    combinations = itertools.product(("linear", "nearest", "cubic"), ("zeros", "border", "reflection"), (0, 1), (2, 3))
    for mode, padding, is_aligned, rank in combinations:
        if rank == 3 and (mode == "cubic" or is_aligned):
            continue
        sets = []
        for batch, channels in ((2, 3), (1, 1)):
            image = normal(random, batch, channels, *random.integers(2, 7, rank))
            grid = (random.random((batch, *random.integers(1, 6, rank), rank)) * 3 - 1.5).astype(F32)
            sets.append([image, grid])
        attributes = {"mode": mode, "padding_mode": padding, "align_corners": is_aligned}
        cases.append(case(f"GridSample_{mode}_{padding}_{is_aligned}_{rank}d", "GridSample", sets, attributes))
    for is_aligned in (0, 1):
        for rank, shapes in ((2, ((3, 1, 4, 5), (1, 2, 2, 9))), (3, ((2, 1, 3, 4, 2), (1, 1, 2, 2, 5)))):
            sets = [[normal(random, shape[0], rank, rank + 1), np.array(shape, I64)] for shape in shapes]
            cases.append(case(f"AffineGrid_{is_aligned}_{rank}d", "AffineGrid", sets, {"align_corners": is_aligned}))
    return cases


def regions(case, random: np.random.Generator) -> list:
    """Regions inside, across and outside of the images, with corners exchanged, and none at all."""
    cases = []
    combinations = itertools.product(("avg", "max"), ("half_pixel", "output_half_pixel"), (0, 2))
    for mode, transformation, ratio in combinations:
        sets = []
        for batch, channels, rows, columns, count in ((2, 3, 9, 12, 7), (1, 1, 5, 4, 3), (3, 2, 8, 8, 0)):
            start = random.random((count, 2)) * 30 - 6
            boxes = np.concatenate([start, start + random.random((count, 2)) * 30 - 3], 1).astype(F32)
            owners = random.integers(0, batch, count)
            sets.append([normal(random, batch, channels, rows, columns), boxes, owners])
        attributes = {
            "mode": mode, "coordinate_transformation_mode": transformation, "sampling_ratio": ratio, "output_height": 3,
            "output_width": 2, "spatial_scale": 0.5,
        }
        cases.append(case(f"RoiAlign_{mode}_{transformation}_{ratio}", "RoiAlign", sets, attributes, opset=16))
    sets = []
    for batch, channels, rows, columns, count in ((2, 3, 9, 12, 7), (1, 1, 5, 4, 3)):
        start = random.random((count, 2)) * 12 - 3
        boxes = np.concatenate([start, start + random.random((count, 2)) * 12], 1)
        owners = random.integers(0, batch, (count, 1))
        sets.append([normal(random, batch, channels, rows, columns), np.concatenate([owners, boxes], 1).astype(F32)])
    cases.append(case("MaxRoiPool", "MaxRoiPool", sets, {"pooled_shape": [3, 2], "spatial_scale": 0.75}, opset=21))
    return cases


def deformable(case, random: np.random.Generator) -> list:
    cases = []
    for groups, offset_groups, has_bias, has_mask, strides, pads, dilations in (
        (1, 1, False, False, [1, 1], [0, 0, 0, 0], [1, 1]), (2, 1, True, True, [2, 1], [1, 0, 2, 1], [1, 2]),
        (1, 2, True, False, [1, 2], [1, 1, 1, 1], [2, 1]), (4, 4, False, True, [1, 1], [0, 1, 1, 0], [1, 1]),
    ):
        sets = []
        weights = normal(random, 8, 4 // groups, 3, 2)
        bias = normal(random, 8) if has_bias else None
        for batch, rows, columns in ((2, 9, 8), (1, 7, 11)):
            height = (rows + pads[0] + pads[2] - dilations[0] * 2 - 1) // strides[0] + 1
            width = (columns + pads[1] + pads[3] - dilations[1] - 1) // strides[1] + 1
            offset = normal(random, batch, offset_groups * 12, height, width) * 2
            values = [normal(random, batch, 4, rows, columns), weights, offset, bias]
            if has_mask:
                values.append(random.random((batch, offset_groups * 6, height, width)).astype(F32))
            sets.append(values)
        attributes = {
            "group": groups, "offset_group": offset_groups, "strides": strides, "pads": pads, "dilations": dilations,
            "kernel_shape": [3, 2],
        }
        name = f"DeformConv_{groups}_{offset_groups}_{has_bias}_{has_mask}"
        constants = (1, 3) if has_bias else (1,)
        cases.append(case(name, "DeformConv", sets, attributes, constants=constants))
    return cases


def unpooling(case, random: np.random.Generator) -> list:
    cases = []
    outputs = ("y", "indices")
    for number, (shape, attributes) in enumerate((
        ((2, 3, 9), {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
        ((2, 2, 7, 8), {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 2, 1]}),
        ((1, 2, 8, 7), {"kernel_shape": [2, 3], "dilations": [2, 1], "ceil_mode": 1, "strides": [2, 2]}),
        ((2, 1, 6, 5), {"kernel_shape": [3, 3], "storage_order": 1, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        ((1, 2, 5, 4, 6), {"kernel_shape": [2, 2, 2], "storage_order": 1, "pads": [1, 0, 1, 0, 1, 0]}),
    )):
        sets = [[normal(random, batch, *shape[1:-1], last)] for batch, last in ((shape[0], shape[-1]), (3, shape[-1] + 3))]
        sets[1][0] = np.round(sets[1][0] * 2)  # ties
        cases.append(case(f"MaxPool_indices_{number}", "MaxPool", sets, attributes, opset=12, outputs=outputs))
    sets = [[random.integers(0, 5, (2, 2, 6, n)).astype(np.uint8)] for n in (6, 9)]
    cases.append(case("MaxPool_indices_u8", "MaxPool", sets, {"kernel_shape": [3, 3], "pads": [1] * 4}, opset=12, outputs=outputs))
    for has_shape in (False, True):
        sets = []
        for batch, size in ((2, 3), (1, 5)):
            count = batch * 2 * (2 * size) ** 2
            places = random.permutation(count)[: batch * 2 * size * size].reshape(batch, 2, size, size)
            values = [normal(random, batch, 2, size, size), places]
            sets.append(values + ([np.array([batch, 2, 2 * size, 2 * size], I64)] if has_shape else []))
        attributes = {"kernel_shape": [2, 2], "strides": [2, 2]}
        cases.append(case(f"MaxUnpool_{has_shape}", "MaxUnpool", sets, attributes, opset=11))
    for number, (image, block, attributes) in enumerate((
        ([5, 6], [2, 3], {}), ([9, 7], [3, 3], {"strides": [2, 1], "pads": [1, 0, 1, 2], "dilations": [1, 2]}),
        ([12], [4], {"strides": [3], "pads": [1, 1]}), ([4, 3, 5], [2, 2, 2], {"strides": [1, 1, 2]}),
    )):
        rank = len(image)
        pads = attributes.get("pads", [0] * 2 * rank)
        blocks = [
            (image[i] + pads[i] + pads[i + rank] - attributes.get("dilations", [1] * rank)[i] * (block[i] - 1) - 1)
            // attributes.get("strides", [1] * rank)[i] + 1
            for i in range(rank)
        ]
        sets = [
            [normal(random, batch, 3 * int(np.prod(block)), int(np.prod(blocks))), np.array(image, I64), np.array(block, I64)]
            for batch in (2, 1)
        ]
        for constants in ((1, 2), ()):
            name = f"Col2Im_{number}_{'constant' if constants else 'bound'}"
            cases.append(case(name, "Col2Im", sets, attributes, opset=18, constants=constants))
    return cases


def all_cases(case) -> list:
    """All cases; `case` makes one."""
    random = np.random.default_rng(5)
    return [one for family in (losses, suppression, uniqueness, determinants, sampling, regions, deformable, unpooling) for one in family(case, random)]
