"""One-node models for contrib.py."""

import re
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MS = "com.microsoft"


@dataclass
class Constant:
    """An input that the model holds as an initializer."""

    value: np.ndarray


@dataclass
class Case:
    name: str
    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    #: Outputs that onnxruntime's CPU kernels cannot give.
    expected: list[np.ndarray] | None = None
    rtol: float | None = None
    atol: float | None = None
    #: Another way to write the same, where onnxruntime cannot run this one.
    oracle: "Case | None" = None


@dataclass
class Suite:
    """Collects the cases whose names match; builders of the others are not called."""

    chosen: re.Pattern
    cases: list[Case] = field(default_factory=list)

    def add(
        self, name, op, inputs, attributes=None, outputs=1, types=None, domain=MS, opset=21, expected=None, rtol=None, atol=None,
        symbolic=(), oracle=None, keep=None,
    ):
        """A model with one node. `inputs`: arrays, Constants, or None for one left out. `outputs`: how many, or names of which
        empty ones are left out. `types`: their element types where they are not the first float's. `symbolic`: names of inputs
        (x0, x1, …) whose batch and lengths have no sizes in the model. `keep`: by output, the part (axis, start, end) of it that
        has a meaning. `oracle`: arguments of another node that gives the same."""
        if not self.chosen.search(name):
            return
        names, ports, initializers, feeds = [], [], [], {}
        for index, value in enumerate(inputs):
            key = f"x{index}"
            if value is None:
                names.append("")
                continue
            names.append(key)
            if isinstance(value, Constant):
                initializers.append(numpy_helper.from_array(np.asarray(value.value), key))
            else:
                shape = list(np.shape(value))
                for axis in [0, 2] if len(shape) == 4 else range(min(len(shape), 2)):
                    if key in symbolic:
                        shape[axis] = f"{key}_{axis}" if axis else "batch"
                ports.append(helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(value.dtype), shape))
                feeds[key] = value
        results = [f"y{i}" for i in range(outputs)] if isinstance(outputs, int) else list(outputs)
        element = next(
            (helper.np_dtype_to_tensor_dtype(v.dtype) for v in (getattr(i, "value", i) for i in inputs) if v is not None and v.dtype.kind == "f"),
            TensorProto.FLOAT,
        )
        kinds = list(types or []) + [element] * len(results)
        node = helper.make_node(op, names, results, domain=domain, **(attributes or {}))
        nodes = [node]
        for output, part in (keep or {}).items():
            bounds = [f"{output}_{what}" for what in ("start", "end", "axis")]
            initializers += [numpy_helper.from_array(np.array([v], np.int64), b) for v, b in zip((part[1], part[2], part[0]), bounds)]
            nodes.append(helper.make_node("Slice", [output, *bounds], [f"{output}_part"]))
            results[results.index(output)] = f"{output}_part"
        graph = helper.make_graph(
            nodes, name, ports,
            [helper.make_tensor_value_info(result, kind, None) for result, kind in zip(results, kinds) if result], initializers)
        imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
        model = helper.make_model(graph, opset_imports=imports, ir_version=10)
        case = Case(name, model, feeds, expected, rtol, atol)
        if oracle:
            other = Suite(self.chosen)
            other.add(name, **({"op": op, "attributes": attributes, "outputs": outputs, "types": types, "domain": domain} | oracle))
            case.oracle = other.cases[0]
        self.cases.append(case)


def floats(rng, *shape, dtype=np.float32, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(dtype)


def integers(rng, low, high, *shape, dtype=np.int32):
    return rng.integers(low, high, shape, endpoint=True).astype(dtype)
