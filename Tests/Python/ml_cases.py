"""Models of `ai.onnx.ml` operators with random trees, planes and support vectors, made with numpy alone."""

from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper

DOMAIN = "ai.onnx.ml"
TRANSFORMS = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"]
MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


@dataclass
class Case:
    """One model with many nodes over the same inputs; outputs are called after the node."""

    name: str
    inputs: dict[str, np.ndarray]
    opset: int = 3
    nodes: list[onnx.NodeProto] = field(default_factory=list)

    def add(self, label: str, operator: str, results: int = 1, inputs: list[str] | None = None, **attributes) -> None:
        outputs = [f"{label}_{index}" for index in range(results)]
        taken = inputs or [next(iter(self.inputs))]
        self.nodes.append(helper.make_node(operator, taken, outputs, name=label, domain=DOMAIN, **attributes))

    def model(self) -> onnx.ModelProto:
        """Outputs have no types yet."""
        ports = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(value.dtype), ["rows", *value.shape[1:]] if value.ndim > 1 else value.shape
            )
            for name, value in self.inputs.items()
        ]
        outputs = [onnx.ValueInfoProto(name=name) for node in self.nodes for name in node.output]
        graph = helper.make_graph(self.nodes, self.name, ports, outputs)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)


# --- trees ------------------------------------------------------------------------------------------------------------------------


@dataclass
class Trees:
    """Random trees as lists of nodes: (tree, node, feature, value, mode, true, false, missing), and their leaves."""

    rng: np.random.Generator
    features: int
    values: list[float]
    nodes: list[tuple] = field(default_factory=list)
    leaves: list[tuple[int, int]] = field(default_factory=list)

    def grow(self, tree: int, depth: int, modes: list[str], missing: bool = False, chain: bool = False) -> None:
        count = 0

        def make(level: int) -> int:
            nonlocal count
            own, count = count, count + 1
            if level == 0 or (level < depth and not chain and self.rng.random() < 0.2):
                self.nodes.append((tree, own, 0, 0.0, "LEAF", 0, 0, 0))
                self.leaves.append((tree, own))
                return own
            place = len(self.nodes)
            self.nodes.append(())
            feature = int(self.rng.integers(self.features))
            value = float(self.rng.choice(self.values))
            # The children's numbers are known once they are made.
            yes = make(0 if chain else level - 1)
            no = make(level - 1)
            mode = str(self.rng.choice(modes))
            self.nodes[place] = (tree, own, feature, value, mode, yes, no, int(missing and self.rng.random() < 0.5))
            return own

        make(depth)

    def attributes(self, as_tensor: bool = False) -> dict:
        names = ["treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids"]
        result = {f"nodes_{name}": [node[i] for node in self.nodes] for i, name in enumerate(names)}
        if any(node[7] for node in self.nodes):
            result["nodes_missing_value_tracks_true"] = [node[7] for node in self.nodes]
        if as_tensor:
            values = result.pop("nodes_values")
            result["nodes_values_as_tensor"] = double_tensor("values", values)
        return result

    def weights(self, prefix: str, ids, values, as_tensor: bool = False) -> dict:
        """A weight for each leaf and each of its ids: `ids(leaf number)`, `values(leaf number, id)`."""
        rows = [(t, n, c, values(i, c)) for i, (t, n) in enumerate(self.leaves) for c in ids(i)]
        result = {
            f"{prefix}_treeids": [row[0] for row in rows],
            f"{prefix}_nodeids": [row[1] for row in rows],
            f"{prefix}_ids": [row[2] for row in rows],
        }
        numbers = [float(row[3]) for row in rows]
        if as_tensor:
            return result | {f"{prefix}_weights_as_tensor": double_tensor("weights", numbers)}
        return result | {f"{prefix}_weights": numbers}


def double_tensor(name: str, values) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)


GRID = [-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]


def rows(rng: np.random.Generator, count: int = 40, features: int = 5, dtype=np.float32, holes: bool = False) -> np.ndarray:
    """Rows that often hit thresholds of the grid exactly."""
    x = np.where(rng.random((count, features)) < 0.5, rng.choice(GRID, (count, features)), rng.normal(size=(count, features)))
    if holes:
        x[rng.random(x.shape) < 0.15] = np.nan
    return x.astype(dtype)


def forest(rng, trees: int = 6, depth: int = 4, modes: list[str] = MODES[:1], **options) -> Trees:
    result = Trees(rng, 5, GRID)
    for tree in range(trees):
        result.grow(tree, depth, modes, **options)
    return result


def regressors() -> list[Case]:
    rng = np.random.default_rng(1)
    plain = Case("tree_regressor", {"x": rows(rng)})
    holes = Case("tree_regressor_missing", {"x": rows(rng, holes=True)}, opset=1)
    for mode in [*MODES, "mixed"]:
        modes = MODES if mode == "mixed" else [mode]
        for case, missing in ((plain, False), (holes, True)):
            trees = forest(rng, modes=modes, missing=missing)
            weights = trees.weights("target", lambda i: [0], lambda i, c: rng.normal())
            case.add(mode, "TreeEnsembleRegressor", n_targets=1, **trees.attributes(), **weights)
    aggregates = Case("tree_regressor_aggregates", {"x": rows(rng)}, opset=1)
    for name in ["SUM", "AVERAGE", "MIN", "MAX"]:
        for targets in (1, 3):
            for base in (False, True):
                trees = forest(rng)
                # The last of three targets is left out where it has no base value.
                ids = (lambda i: [0]) if targets == 1 else (lambda i: [i % 2] if i % 3 else [0, 1])
                weights = trees.weights("target", ids, lambda i, c: rng.normal())
                extra = {"base_values": rng.normal(size=targets).tolist()} if base else {}
                label = f"{name}_{targets}_{'base' if base else 'plain'}"
                aggregates.add(
                    label, "TreeEnsembleRegressor", n_targets=targets, aggregate_function=name, **trees.attributes(), **weights, **extra
                )
    transforms = Case("tree_regressor_transforms", {"x": rows(rng)})
    for name in TRANSFORMS:
        for targets in (1, 3):
            trees = forest(rng, trees=3)
            # For PROBIT sums of three trees lie inside (0, 1), and away from 0.5, around which it cancels.
            weights = trees.weights("target", lambda i: range(targets), lambda i, c: 0.02 + 0.1 * rng.random())
            transforms.add(
                f"{name}_{targets}", "TreeEnsembleRegressor", n_targets=targets, post_transform=name, **trees.attributes(), **weights
            )
    shapes = Case("tree_regressor_shapes", {"x": rows(rng)})
    trees = forest(rng, trees=2, depth=150, chain=True)
    shapes.add("deep", "TreeEnsembleRegressor", n_targets=1, **trees.attributes(), **trees.weights("target", lambda i: [0], lambda i, c: i))
    trees = forest(rng, trees=3, depth=0)
    shapes.add("leaves", "TreeEnsembleRegressor", n_targets=2, **trees.attributes(), **trees.weights("target", lambda i: [0, 1], lambda i, c: i + c))
    trees = forest(rng, trees=3)
    shapes.add("repeated", "TreeEnsembleRegressor", n_targets=1, **trees.attributes(), **trees.weights("target", lambda i: [0, 0], lambda i, c: i))
    trees = forest(rng, trees=100, depth=6)
    shapes.add("many", "TreeEnsembleRegressor", n_targets=1, **trees.attributes(), **trees.weights("target", lambda i: [0], lambda i, c: rng.normal()))
    result = [plain, holes, aggregates, transforms, shapes]
    # Onnxruntime has no regressor of integers.
    wide = Case("tree_regressor_float64", {"x": rows(rng, dtype=np.float64)})
    trees = forest(rng, modes=MODES)
    weights = trees.weights("target", lambda i: [0, 1], lambda i, c: rng.normal(), as_tensor=True)
    wide.add("sum", "TreeEnsembleRegressor", n_targets=2, **trees.attributes(as_tensor=True), **weights)
    result.append(wide)
    return result


def classifiers() -> list[Case]:
    rng = np.random.default_rng(2)
    result = []
    # Multiples of a quarter make ties common.
    kinds = {
        "positive": lambda i, c: 0.25 * rng.integers(0, 4),
        "mixed": lambda i, c: 0.25 * rng.integers(-4, 5),
        "negative": lambda i, c: -0.25 * rng.integers(1, 5),
    }
    for base in (0, 1, 2):
        case = Case(f"tree_classifier_two_base_{base}", {"x": rows(rng)}, opset=1)
        for transform in TRANSFORMS[:4]:
            for kind, values in kinds.items():
                for sides in ("first", "second", "both", "partly"):
                    # Onnxruntime writes only one of the two outputs of such rows.
                    if base == 1 and sides == "partly":
                        continue
                    ids = {"first": lambda i: [0], "second": lambda i: [1], "both": lambda i: [0, 1], "partly": lambda i: [i % 2]}[sides]
                    trees = forest(rng, trees=2, depth=2)
                    extra = {"base_values": [0.25, -0.5][:base]} if base else {}
                    case.add(
                        f"{transform}_{kind}_{sides}",
                        "TreeEnsembleClassifier",
                        2,
                        classlabels_int64s=[7, -5],
                        post_transform=transform,
                        **trees.attributes(),
                        **trees.weights("class", ids, values),
                        **extra,
                    )
        result.append(case)
    many = Case("tree_classifier_many", {"x": rows(rng, holes=True)})
    for transform in TRANSFORMS[:4]:
        for sides in ("all", "some"):
            for base in (False, True):
                trees = forest(rng, trees=5, depth=3, modes=MODES, missing=True)
                ids = (lambda i: range(4)) if sides == "all" else (lambda i: [i % 4, (i + 1) % 4])
                extra = {"base_values": [0.25, -0.5, 0.0, -0.25]} if base else {}
                many.add(
                    f"{transform}_{sides}_{base}",
                    "TreeEnsembleClassifier",
                    2,
                    classlabels_int64s=[10, 20, -30, 40],
                    post_transform=transform,
                    **trees.attributes(),
                    **trees.weights("class", ids, kinds["mixed"]),
                    **extra,
                )
    result.append(many)
    for dtype in (np.float64, np.int64, np.int32):
        case = Case(f"tree_classifier_{np.dtype(dtype).name}", {"x": rows(rng, dtype=dtype)})
        wide = dtype == np.float64
        trees = forest(rng)
        weights = trees.weights("class", lambda i: [0, 1, 2], kinds["mixed"], as_tensor=wide)
        case.add("sum", "TreeEnsembleClassifier", 2, classlabels_int64s=[1, 2, 3], **trees.attributes(as_tensor=wide), **weights)
        result.append(case)
    single = Case("tree_classifier_single", {"x": rows(rng)})
    for base in (False, True):
        trees = forest(rng)
        extra = {"base_values": [0.5]} if base else {}
        single.add(
            f"base_{base}",
            "TreeEnsembleClassifier",
            2,
            classlabels_int64s=[3],
            **trees.attributes(),
            **trees.weights("class", lambda i: [0], kinds["mixed"]),
            **extra,
        )
    named = Case("tree_classifier_strings", {"x": rows(rng)})
    for classes in (2, 3):
        for sides in ("first", "all"):
            trees = forest(rng)
            ids = (lambda i: [0]) if sides == "first" else (lambda i: range(classes))
            named.add(
                f"{classes}_{sides}",
                "TreeEnsembleClassifier",
                2,
                classlabels_strings=["cat", "", "größer"][:classes],
                **trees.attributes(),
                **trees.weights("class", ids, kinds["mixed"]),
            )
    return result + [single, named]


def ensembles() -> list[Case]:
    """Opset 5: leaves apart from nodes, and set membership."""
    rng = np.random.default_rng(3)
    result = []
    for dtype in (np.float32, np.float64):
        x = np.where(rng.random((40, 5)) < 0.7, rng.integers(0, 6, (40, 5)), rng.normal(size=(40, 5)))
        x[rng.random(x.shape) < 0.1] = np.nan
        case = Case(f"tree_ensemble_{np.dtype(dtype).name}", {"x": x.astype(dtype)}, opset=5)
        for aggregate in range(4):
            for transform in range(5):
                case.add(f"{aggregate}_{transform}", "TreeEnsemble", **ensemble(rng, dtype, aggregate, transform))
        case.add("far", "TreeEnsemble", **ensemble(rng, dtype, 1, 0, members=[100.0, -3.0, 2.0, 0.5, 4.0]))
        result.append(case)
    return result


def ensemble(rng, dtype, aggregate: int, transform: int, members=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0)) -> dict:
    trees, targets = 3, 2
    branches: list[list[int]] = []
    leaves: list[tuple[int, float]] = []
    sets: list[list[float]] = []

    def make(level: int) -> tuple[int, int]:
        if level == 0 or (level < 3 and rng.random() < 0.2):
            leaves.append((int(rng.integers(targets)), 0.02 + 0.1 * rng.random()))
            return len(leaves) - 1, 1
        own = len(branches)
        branches.append([])
        mode = int(rng.integers(7))
        (yes, yes_leaf), (no, no_leaf) = make(level - 1), make(level - 1)
        branches[own] = [int(rng.integers(5)), mode, yes, yes_leaf, no, no_leaf, int(rng.random() < 0.4)]
        return own, 0

    roots = [make(3)[0] for _ in range(trees)]
    for branch in branches:
        if branch[1] == 6:
            sets.append([*rng.choice(members, int(rng.integers(1, 4)), replace=False), np.nan])
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def tensor(name, values):
        return helper.make_tensor(name, kind, [len(values)], values)

    result = {
        "n_targets": targets,
        "aggregate_function": aggregate,
        "post_transform": transform,
        "tree_roots": roots,
        "nodes_featureids": [b[0] for b in branches],
        "nodes_modes": helper.make_tensor("modes", TensorProto.UINT8, [len(branches)], [b[1] for b in branches]),
        "nodes_truenodeids": [b[2] for b in branches],
        "nodes_trueleafs": [b[3] for b in branches],
        "nodes_falsenodeids": [b[4] for b in branches],
        "nodes_falseleafs": [b[5] for b in branches],
        "nodes_missing_value_tracks_true": [b[6] for b in branches],
        "nodes_splits": tensor("splits", rng.choice([0.0, 1.0, 2.5, 3.0], len(branches))),
        "leaf_targetids": [leaf[0] for leaf in leaves],
        "leaf_weights": tensor("weights", [leaf[1] for leaf in leaves]),
    }
    if sets:
        result["membership_values"] = tensor("members", np.concatenate(sets))
    return result


# --- planes and support vectors ---------------------------------------------------------------------------------------------------


def linear() -> list[Case]:
    rng = np.random.default_rng(4)
    result = []
    for dtype in (np.float32, np.float64, np.int64, np.int32):
        x = (rng.normal(size=(30, 5)) * (1 if np.dtype(dtype).kind == "f" else 4)).astype(dtype)
        case = Case(f"linear_{np.dtype(dtype).name}", {"x": x}, opset=1)
        # Onnxruntime has the regressor for f32 only.
        if dtype == np.float32:
            for targets in (1, 3):
                for transform in TRANSFORMS[:4]:
                    for intercepts in ({}, {"intercepts": rng.normal(size=targets).tolist()}):
                        case.add(
                            f"regressor_{targets}_{transform}_{len(intercepts)}",
                            "LinearRegressor",
                            targets=targets,
                            coefficients=rng.normal(size=5 * targets).tolist(),
                            post_transform=transform,
                            **intercepts,
                        )
            case.add(
                "probit", "LinearRegressor", targets=2, coefficients=[0.02] * 10, intercepts=[0.2, 0.8], post_transform="PROBIT"
            )
        for classes, targets in ((2, 1), (2, 2), (4, 4)):
            for transform in TRANSFORMS[:4]:
                case.add(
                    f"classifier_{classes}_{targets}_{transform}",
                    "LinearClassifier",
                    2,
                    classlabels_ints=[5, -7, 9, 11][:classes],
                    coefficients=rng.normal(size=5 * targets).tolist(),
                    intercepts=rng.normal(size=targets).tolist(),
                    post_transform=transform,
                    multi_class=int(targets > 1),
                )
        result.append(case)
    ties = Case("linear_ties", {"x": rng.integers(-1, 2, (60, 3)).astype(np.float32)}, opset=1)
    ties.add("one", "LinearClassifier", 2, classlabels_ints=[4, 3], coefficients=[1.0, -1.0, 1.0], intercepts=[0.0])
    ties.add("three", "LinearClassifier", 2, classlabels_ints=[4, 3, 2], coefficients=[1.0, 0, 0, 0, 1, 0, 0, 0, 1], intercepts=[0.0] * 3)
    named = Case("linear_strings", {"x": x.astype(np.float32)}, opset=1)
    for classes, targets in ((2, 1), (3, 3)):
        named.add(
            f"classifier_{classes}",
            "LinearClassifier",
            2,
            classlabels_strings=["no", "yes", "maybe"][:classes],
            coefficients=rng.normal(size=5 * targets).tolist(),
            intercepts=rng.normal(size=targets).tolist(),
        )
        unnamed = machine(rng, "RBF", classes, True, "NONE")
        del unnamed["classlabels_ints"]
        named.add(f"machine_{classes}", "SVMClassifier", 2, classlabels_strings=["no", "yes", "maybe"][:classes], **unnamed)
    return result + [ties, named]


KERNELS = {
    "LINEAR": [0.0, 0.0, 0.0],
    "POLY": [0.3, 0.5, 3.0],
    "RBF": [0.2, 0.0, 0.0],
    "SIGMOID": [0.1, 0.2, 0.0],
}


def support_vectors() -> list[Case]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(30, 5)).astype(np.float32)
    regressor = Case("svm_regressor", {"x": x}, opset=1)
    parameters = [*KERNELS.items(), ("POLY", [0.3, 0.5, 2.0]), ("POLY", [0.1, 3.0, 5.0])]
    for number, (kernel, values) in enumerate(parameters):
        for one_class in (0, 1):
            regressor.add(
                f"{kernel}_{number}_{one_class}",
                "SVMRegressor",
                kernel_type=kernel,
                kernel_params=values,
                n_supports=12,
                support_vectors=rng.normal(size=60).tolist(),
                coefficients=rng.normal(size=12).tolist(),
                rho=[float(rng.normal())],
                one_class=one_class,
            )
    regressor.add("plane", "SVMRegressor", kernel_type="LINEAR", kernel_params=[0.0] * 3, n_supports=0, coefficients=[0.5] * 5, rho=[0.1])
    result = [regressor]
    for dtype in (np.float32, np.float64, np.int64, np.int32):
        case = Case(f"svm_classifier_{np.dtype(dtype).name}", {"x": (2 * x).astype(dtype)}, opset=1)
        everything = dtype == np.float32
        for kernel in KERNELS if everything else ["RBF"]:
            for classes in (2, 3, 5) if everything else (3,):
                for probability in (False, True):
                    for transform in TRANSFORMS[:4] if kernel == "RBF" else ["NONE"]:
                        label = f"{kernel}_{classes}_{probability}_{transform}"
                        case.add(label, "SVMClassifier", 2, **machine(rng, kernel, classes, probability, transform))
        for transform in TRANSFORMS[:4]:
            for classes in (2, 3):
                for sign in (False, True):
                    coefficients = rng.normal(size=5 * classes)
                    case.add(
                        f"plane_{classes}_{transform}_{sign}",
                        "SVMClassifier",
                        2,
                        classlabels_ints=[8, 6, 7][:classes],
                        coefficients=(np.abs(coefficients) if sign else coefficients).tolist(),
                        kernel_params=[0.0] * 3,
                        kernel_type="LINEAR",
                        post_transform=transform,
                        rho=[0.1],
                    )
        result.append(case)
    return result


def machine(rng, kernel: str, classes: int, probability: bool, transform: str) -> dict:
    per_class = [4, 3, 5, 2, 4][:classes]
    count, pairs = sum(per_class), classes * (classes - 1) // 2
    result = {
        "kernel_type": kernel,
        "kernel_params": KERNELS[kernel],
        "classlabels_ints": [8, 6, 7, 5, 3][:classes],
        "vectors_per_class": per_class,
        "support_vectors": rng.normal(size=5 * count).tolist(),
        "coefficients": rng.normal(size=count * (classes - 1)).tolist(),
        "rho": rng.normal(size=pairs).tolist(),
        "post_transform": transform,
    }
    if probability:
        result |= {"prob_a": (-1 - rng.random(pairs)).tolist(), "prob_b": rng.normal(size=pairs).tolist()}
    return result


# --- features ---------------------------------------------------------------------------------------------------------------------


def features() -> list[Case]:
    rng = np.random.default_rng(6)
    result = []
    for dtype in (np.float32, np.float64, np.int64, np.int32):
        x = (rng.normal(size=(20, 4)) * 5).astype(dtype)
        x[3] = 0
        case = Case(f"features_{np.dtype(dtype).name}", {"x": x, "y": x[:, ::-1] * 2}, opset=1)
        case.add("scaler", "Scaler", offset=[0.5], scale=[0.1])
        case.add("scaler_each", "Scaler", offset=[0.5, 1, -3, 2], scale=[0.1, 2, 3, 1e-3])
        for norm in ("MAX", "L1", "L2"):
            case.add(f"normalizer_{norm}", "Normalizer", norm=norm)
        case.add("vectorizer", "FeatureVectorizer", inputs=["x", "y"], inputdimensions=[4, 4])
        case.add("vectorizer_uneven", "FeatureVectorizer", inputs=["x", "y"], inputdimensions=[2, 7])
        result.append(case)
        picked = Case(f"extractor_{np.dtype(dtype).name}", {"x": x, "i": np.array([2, 0, 2])}, opset=1)
        picked.add("some", "ArrayFeatureExtractor", inputs=["x", "i"])
        result.append(picked)
    x = rng.normal(size=(20, 4)).astype(np.float32)
    x[rng.random(x.shape) < 0.3] = np.nan
    x[rng.random(x.shape) < 0.2] = 0
    holes = Case("imputer_float32", {"x": x}, opset=1)
    for label, replaced in (("nan", float("nan")), ("zero", 0.0)):
        holes.add(f"{label}_one", "Imputer", imputed_value_floats=[9.0], replaced_value_float=replaced)
        holes.add(f"{label}_each", "Imputer", imputed_value_floats=[1.0, 2, 3, 4], replaced_value_float=replaced)
        holes.add(f"{label}_first", "Imputer", imputed_value_floats=[1.0, 2, 3], replaced_value_float=replaced)
    whole = Case("imputer_int64", {"x": rng.integers(-2, 3, (20, 4))}, opset=1)
    whole.add("one", "Imputer", imputed_value_int64s=[9], replaced_value_int64=-1)
    whole.add("each", "Imputer", imputed_value_int64s=[1 << 40, 2, 3, 4], replaced_value_int64=-1)
    signs = Case("binarizer", {"x": rows(rng)}, opset=1)
    signs.add("quarter", "Binarizer", threshold=0.25)
    line = Case("features_line", {"x": np.arange(5, dtype=np.float32), "i": np.array([4, 1])}, opset=1)
    line.add("extractor", "ArrayFeatureExtractor", inputs=["x", "i"])
    line.add("scaler", "Scaler", offset=[1.0, 2, 3, 4, 5], scale=[2.0] * 5)
    line.add("normalizer", "Normalizer", norm="L2")
    return result + [holes, whole, signs, line]


def encoders() -> list[Case]:
    rng = np.random.default_rng(7)
    names = np.array(["red", "green", "", "blue", "größer", "other"], dtype=object)
    values = {
        "string": rng.choice(names, (12, 3)),
        "int64": rng.integers(-2, 6, (12, 3)),
        "float32": rng.choice([0.5, 1.0, -2.0, 0.0, np.nan], (12, 3)).astype(np.float32),
    }
    keys = {"string": names[[0, 3, 2, 4]].tolist(), "int64": [3, -1, 0, 5], "float32": [1.0, np.nan, -2.0, 7.5]}
    spelling = {"string": "strings", "int64": "int64s", "float32": "floats"}
    result = []
    for source, x in values.items():
        case = Case(f"encoder_{source}", {"x": x}, opset=2)
        for target in ("string", "int64", "float32"):
            if source == target == "float32":
                continue
            lists = {f"keys_{spelling[source]}": keys[source], f"values_{spelling[target]}": keys[target][::-1]}
            case.add(f"to_{target}", "LabelEncoder", **lists)
            default = {"string": {"default_string": "none"}, "int64": {"default_int64": 99}, "float32": {"default_float": 0.25}}
            case.add(f"to_{target}_default", "LabelEncoder", **lists, **default[target])
        result.append(case)
    for dtype in (np.int64, np.float32, np.float64):
        hot = Case(f"one_hot_{np.dtype(dtype).name}", {"x": values["int64"].astype(dtype)}, opset=1)
        hot.add("all", "OneHotEncoder", cats_int64s=[4, -2, 0])
        result.append(hot)
    early = Case("encoder_early_string", {"x": values["string"]}, opset=1)
    early.add("hot", "OneHotEncoder", cats_strings=["blue", "red"])
    early.add("labels", "LabelEncoder", classes_strings=["blue", "red", ""])
    early.add("mapper", "CategoryMapper", cats_strings=["blue", "red"], cats_int64s=[7, -7], default_int64=5)
    back = Case("encoder_early_int64", {"x": values["int64"]}, opset=1)
    back.add("labels", "LabelEncoder", classes_strings=["blue", "red", ""], default_string="?")
    back.add("mapper", "CategoryMapper", cats_strings=["blue", "red"], cats_int64s=[4, -1])
    wide = Case("encoder_float64", {"x": values["float32"].astype(np.float64)}, opset=4)
    wide.add(
        "tensors",
        "LabelEncoder",
        keys_tensor=double_tensor("keys", [1.0, np.nan]),
        values_tensor=double_tensor("values", [3.0, 4.0]),
        default_tensor=double_tensor("default", [0.5]),
    )
    return result + [early, back, wide]


def every() -> list[Case]:
    return regressors() + classifiers() + ensembles() + linear() + support_vectors() + features() + encoders()
