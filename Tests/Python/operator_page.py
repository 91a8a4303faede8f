"""Write docs/operators.md: what becomes of every ONNX operator, and which conformance cases do not pass.

    .venv/bin/python Tests/Python/operator_page.py --swage .build/release/swage --report conformance.json [--contributed DIR]... [--check]

Facts come from the compiler, not from a list kept by hand: `swage coverage` imports, optimises and places every single-node case
of the conformance suite (and of the folders named with --contributed), once as it is and once for each element type that the
operator's schema allows. `--report` is what `conformance.py --report` wrote. `--check` compares with the page instead of writing
it, and exits with status 1 where they differ.
"""

import argparse
import collections
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto, defs

import conformance

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "operators.md"
TRAINING = "ai.onnx.preview.training"
DOMAINS = ["", "ai.onnx.ml", "ai.onnx.preview", TRAINING, "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"]
SHORT = {
    "float": "f32", "double": "f64", "float16": "f16", "bfloat16": "bf16", "int8": "i8", "int16": "i16", "int32": "i32",
    "int64": "i64", "uint8": "u8", "uint16": "u16", "uint32": "u32", "uint64": "u64", "bool": "bool", "string": "string",
    "int4": "i4", "uint4": "u4", "int2": "i2", "uint2": "u2", "float8e4m3fn": "f8e4m3fn", "float8e4m3fnuz": "f8e4m3fnuz",
    "float8e5m2": "f8e5m2", "float8e5m2fnuz": "f8e5m2fnuz", "float4e2m1": "f4e2m1", "float8e8m0": "f8e8m0",
    "complex64": "complex64", "complex128": "complex128",
}  # fmt: skip
NUMBERS = {name: getattr(TensorProto, name.upper()) for name in SHORT}

# Why a case does not pass, by regular expression of its name: each needs a reason here, or the page cannot be written.
REASONS = json.loads((Path(__file__).parent / "conformance_reasons.json").read_text())


def domain_name(domain: str) -> str:
    return domain or "ai.onnx"


class Operator:
    """What was seen of one operator."""

    def __init__(self):
        self.operations: set[str] = set()
        self.targets: set[str] = set()
        self.types: set[str] = set()
        self.allowed: list[str] = []
        self.refusals: set[str] = set()


def main_node(model: onnx.ModelProto) -> onnx.NodeProto | None:
    """The node of a single-node model; constants beside it do not count."""
    nodes = [node for node in model.graph.node if node.op_type != "Constant" or len(model.graph.node) == 1]
    return nodes[0] if len(nodes) == 1 and not model.functions else None


def schema_of(node: onnx.NodeProto, model: onnx.ModelProto):
    versions = {entry.domain: entry.version for entry in model.opset_import}
    try:
        return defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
    except defs.SchemaError:
        return None


def formal(parameters, index: int):
    if index < len(parameters):
        return parameters[index]
    return parameters[-1] if parameters and parameters[-1].option == defs.OpSchema.FormalParameterOption.Variadic else None


def tensor_types(schema) -> tuple[set[str], list[str]] | None:
    """The type variables of the first input that allows several tensor types, and these; or the one type it allows.

    Variables that allow the same types (those of queries, keys and values) go together.
    """
    allowed = {}
    for constraint in schema.type_constraints:
        found = [re.fullmatch(r"tensor\((\w+)\)", text) for text in constraint.allowed_type_strs]
        names = [match.group(1) for match in found if match and match.group(1) in SHORT]
        allowed[constraint.type_param_str] = sorted(names, key=list(SHORT).index)
    mains = [parameter.type_str for parameter in schema.inputs if allowed.get(parameter.type_str)]
    main = next((name for name in mains if len(allowed[name]) > 1), mains[0] if mains else None)
    if main is None:
        return None
    return {name for name, types in allowed.items() if types == allowed[main]}, allowed[main]


def retyped(
    model: onnx.ModelProto, node: onnx.NodeProto, schema, variables: set[str], element_type: int
) -> onnx.ModelProto | None:
    """The model with another element type wherever the schema has `variables`; None where it holds constants of these."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    names = set()
    for values, parameters in ((node.input, schema.inputs), (node.output, schema.outputs)):
        for index, name in enumerate(values):
            parameter = formal(parameters, index)
            if name and parameter and parameter.type_str in variables:
                names.add(name)
    if any(initializer.name in names for initializer in changed.graph.initializer):
        return None
    for port in list(changed.graph.input) + list(changed.graph.output):
        if port.name in names:
            if not port.type.HasField("tensor_type"):
                return None
            port.type.tensor_type.elem_type = element_type
    return changed


def coverage(binary: str, folder: Path) -> dict[str, dict]:
    done = subprocess.run([binary, "coverage", str(folder), "--json"], stdout=subprocess.PIPE, text=True)
    try:
        return {Path(model["path"]).stem: model for model in json.loads(done.stdout)["models"]}
    except json.JSONDecodeError:
        sys.exit(f"swage coverage ended with status {done.returncode} and no report")


def survey(binary: str, cases: list[Path]) -> dict[tuple[str, str], Operator]:
    """Places the cases, and variants of them in other element types."""
    operators: dict[tuple[str, str], Operator] = collections.defaultdict(Operator)
    probes: dict[str, tuple[tuple[str, str], str | None]] = {}
    variants: collections.Counter = collections.Counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for case in cases:
            model = onnx.load(case / "model.onnx")
            node = main_node(model)
            if node is None:
                continue
            key = (node.domain, node.op_type)
            name = f"{len(probes):05}"
            probes[name] = (key, None)
            onnx.save(model, folder / f"{name}.onnx")
            schema = schema_of(node, model)
            found = tensor_types(schema) if schema else None
            if found is None:
                continue
            variables, allowed = found
            operators[key].allowed = allowed
            # Two cases are tried: attributes and optional inputs of one may rule types out.
            if variants[key] >= 2:
                continue
            variants[key] += 1
            for kind in allowed:
                changed = retyped(model, node, schema, variables, NUMBERS[kind])
                if changed is not None:
                    name = f"{len(probes):05}"
                    probes[name] = (key, kind)
                    onnx.save(changed, folder / f"{name}.onnx")
        answers = coverage(binary, folder)
    for name, (key, kind) in probes.items():
        operator, answer = operators[key], answers[name]
        rows = [row for row in answer["operators"] if row["operator"] == key[1]] or answer["operators"]
        refusals = [row["refusal"] for row in answer["operators"] if "refusal" in row]
        if "fault" in answer or refusals:
            if kind is None:
                operator.refusals.update(refusals or [answer["fault"]["what"]])
            continue
        if kind:
            operator.types.add(kind)
        for row in rows:
            operator.operations.update(row["operations"])
            operator.targets.update(row["targets"])
    return operators


def opset_range(domain: str, name: str) -> str:
    versions = [s.since_version for s in defs.get_all_schemas_with_history() if s.domain == domain and s.name == name]
    newest = {"": conformance.newest_opset(), "ai.onnx.ml": 5}.get(domain, 1)
    return f"{min(versions)}–{newest}" if versions and min(versions) != newest else str(newest)


def types_text(operator: Operator) -> str:
    if len(operator.allowed) < 2:
        return " ".join(SHORT[kind] for kind in operator.allowed)
    missing = [SHORT[kind] for kind in operator.allowed if kind not in operator.types and not kind.startswith("complex")]
    if not missing:
        return "all"
    if len(missing) < len(operator.types):
        return f"all but {' '.join(missing)}"
    return " ".join(SHORT[kind] for kind in operator.allowed if kind in operator.types) or "none"


def ways(name: str, operator: Operator) -> str:
    if not operator.targets:
        return "not supported" if operator.refusals else "no work: a view, a constant or sizes"
    operations = ", ".join(sorted(operator.operations))
    targets = sorted(operator.targets - {"interpreter"}) or ["interpreter"]
    return f"{' and '.join(targets)}: {operations}"


def failing(report: list[dict]) -> list[tuple[str, str]]:
    rows = []
    for case in report:
        if case["status"] == "passed":
            continue
        reason = next((text for pattern, text in REASONS.items() if re.fullmatch(pattern, case["name"])), None)
        if reason is None:
            sys.exit(f"{case['name']} does not pass ({case['reason']}): add why to Tests/Python/conformance_reasons.json")
        rows.append((case["name"], reason))
    return rows


def page(operators: dict[tuple[str, str], Operator], report: list[dict]) -> str:
    passed = sum(case["status"] == "passed" for case in report)
    lines = [
        "# Operators",
        "",
        "Written by `make operators` (`Tests/Python/operator_page.py`) from what the compiler does with the backend tests of the",
        f"`onnx` package {onnx.__version__}; `make conformance` fails where this page is not current.",
        "",
        f"Of {len(report)} cases {passed} pass; the others are listed at the end, with the reason.",
        "",
        "Opsets: from the operator's first version to the newest. Element types: those of the main operand that compile, of the",
        "types that ONNX allows. Runs as: targets, and the operations that the operator becomes (several: it is decomposed, or cases",
        "differ). `cpu` is kernels and library calls, `reference` the double-precision evaluator, `interpreter` control without",
        "arithmetic. Options that are not supported, and what to do, are in the diagnostic.",
    ]
    for domain in DOMAINS:
        names = sorted(name for d, name in operators if d == domain)
        if not names:
            continue
        lines += ["", f"## {domain_name(domain)}", "", "| operator | opsets | element types | runs as |", "|---|---|---|---|"]
        for name in names:
            operator = operators[(domain, name)]
            lines.append(f"| {name} | {opset_range(domain, name)} | {types_text(operator)} | {ways(name, operator)} |")
    rest = failing(report)
    lines += ["", "## Cases that do not pass", ""]
    grouped: dict[str, list[str]] = collections.defaultdict(list)
    for name, reason in rest:
        grouped[reason].append(name)
    lines += ["| case | reason |", "|---|---|"] if rest else ["All pass."]
    for reason, names in grouped.items():
        lines.append(f"| {', '.join(f'`{name}`' for name in sorted(names))} | {reason} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swage", default=".build/release/swage")
    parser.add_argument("--report", type=Path, required=True, help="outcomes that conformance.py wrote")
    parser.add_argument("--cases", type=Path, default=Path(".build/conformance"))
    parser.add_argument("--contributed", type=Path, action="append", default=[], help="more folders of cases")
    parser.add_argument("--check", action="store_true", help="fails where the page is not current")
    arguments = parser.parse_args()
    root = conformance.write_cases(arguments.cases)
    cases = conformance.find_cases(root, conformance.KINDS, [])
    for folder in arguments.contributed:
        cases += sorted(path.parent for path in folder.rglob("model.onnx"))
    text = page(survey(arguments.swage, cases), json.loads(arguments.report.read_text()))
    if not arguments.check:
        PAGE.write_text(text)
        return
    if not PAGE.exists() or PAGE.read_text() != text:
        import difflib

        old = PAGE.read_text().splitlines() if PAGE.exists() else []
        print("\n".join(list(difflib.unified_diff(old, text.splitlines(), "docs/operators.md", "now", lineterm="", n=0))[:60]))
        sys.exit("docs/operators.md is not current: run `make operators`")
    print("docs/operators.md is current")


if __name__ == "__main__":
    main()
