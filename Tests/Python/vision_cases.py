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


def all_cases(case) -> list:
    """All cases; `case` makes one."""
    random = np.random.default_rng(5)
    return [one for family in (losses,) for one in family(case, random)]
