"""Compare strings, maps and the encoders of `ai.onnx.ml` with onnxruntime.

    .venv/bin/python Tests/Python/objects.py --swage .build/release/swage [--only TEXT] [--keep DIR]

Each model is run by onnxruntime; `swage verify` then runs them all in one process. Floats agree at rtol 1e-5, all else exactly. Exit
status 1 when anything differs.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from conformance import run_swage

FLOAT, INT64, STRING = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING


@dataclass
class Case:
    name: str
    nodes: list
    inputs: list
    values: dict
    outputs: list
    ml: int = 3

    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs)
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", self.ml)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def tensor(name, kind, rank=1):
    return helper.make_tensor_value_info(name, kind, [None] * rank)


def map_type(key, value=FLOAT):
    return helper.make_map_type_proto(key, helper.make_tensor_type_proto(value, []))


def ml(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs, outputs, domain="ai.onnx.ml", **attributes)


def words(*texts):
    return np.array(texts, dtype=object)


def single(name, kind, x, x_kind, y_kind, ranks=(1, 1), domain="", ml_version=3, **attributes):
    node = helper.make_node(kind, ["x"], ["y"], domain=domain, **attributes)
    return Case(name, [node], [tensor("x", x_kind, ranks[0])], {"x": x}, [tensor("y", y_kind, ranks[1])], ml_version)


def classifiers():
    """A classifier as skl2onnx writes it, with labels of both kinds."""
    x = np.random.default_rng(7).normal(size=(5, 2)).astype(np.float32)
    for name, labels, key in (("words", ["a", "b", "ç"], STRING), ("numbers", [3, 1, 7], INT64)):
        is_text = key == STRING
        nodes = [
            ml(
                "LinearClassifier", ["x"], ["label", "scores"], coefficients=[1.0, -1, 0.5, 0.2, 0.3, -0.6],
                intercepts=[0.1, 0.2, -0.3], post_transform="SOFTMAX",
                **{"classlabels_strings" if is_text else "classlabels_ints": labels},
            ),
            ml("Normalizer", ["scores"], ["p"], norm="L1"),
            helper.make_node("Cast", ["label"], ["output_label"], to=key),
            ml("ZipMap", ["p"], ["output_probability"], **{f"classlabels_{'strings' if is_text else 'int64s'}": labels}),
        ]
        maps = helper.make_value_info("output_probability", helper.make_sequence_type_proto(map_type(key)))
        yield Case(f"classifier_{name}", nodes, [tensor("x", FLOAT, 2)], {"x": x}, [tensor("output_label", key), maps])


def encoders():
    x = words("a", "zz", "é", "b", "c").reshape(5, 1)
    pairs = dict(ranks=(2, 2), domain="ai.onnx.ml")
    keys = ["a", "b", "é"]
    yield single("labels_words", "LabelEncoder", x, STRING, STRING, keys_strings=keys, values_strings=["A", "B", "E"], **pairs)
    yield single("labels_floats", "LabelEncoder", x, STRING, FLOAT, keys_strings=keys, values_floats=[1.5, 2, 3], **pairs)
    numbers = np.array([299, 0, -4, 1000])
    yield single(
        "labels_many", "LabelEncoder", numbers, INT64, STRING, domain="ai.onnx.ml", keys_int64s=list(range(300)),
        values_strings=[f"w{i}" for i in range(300)],
    )
    holes = np.array([1, np.nan, -0.0, 5], np.float32)
    yield single(
        "labels_holes", "LabelEncoder", holes, FLOAT, INT64, domain="ai.onnx.ml", keys_floats=[1.0, float("nan"), 0.0],
        values_int64s=[7, 8, 9],
    )
    yield single("labels_old", "LabelEncoder", x, STRING, INT64, ml_version=1, classes_strings=["a", "b"], **pairs)
    yield single(
        "categories", "CategoryMapper", x, STRING, INT64, cats_strings=["a", "b"], cats_int64s=[5, 6], **pairs
    )
    yield single("one_hot", "OneHotEncoder", x, STRING, FLOAT, (2, 3), "ai.onnx.ml", cats_strings=keys, zeros=1)
    table = np.array([[1, 2.7], [0, 1]], np.float32)
    yield single("one_hot_floats", "OneHotEncoder", table, FLOAT, FLOAT, (2, 3), "ai.onnx.ml", cats_int64s=[1, 2], zeros=1)


def maps():
    named = helper.make_value_info("m", map_type(STRING))
    vectorizer = ml("DictVectorizer", ["m"], ["y"], string_vocabulary=["x", "y", "z"])
    yield Case("dictionary", [vectorizer], [named], {"m": {"z": 1.5, "x": 2.0, "q": 9.0}}, [tensor("y", FLOAT, 2)])
    numbered = helper.make_value_info("m", map_type(INT64))
    for name, attributes in (("dense", {"map_form": "DENSE"}), ("sparse", {"map_form": "SPARSE", "max_map": 6})):
        node = ml("CastMap", ["m"], ["y"], cast_to="TO_FLOAT", **attributes)
        yield Case(f"cast_{name}", [node], [numbered], {"m": {4: 1.5, 1: 2.0}}, [tensor("y", FLOAT, 2)])


def texts():
    numbers = np.array([0, -0.0, 1, 1.5, 3.14159265, 1e-7, 1e20, 123456789, np.nan, np.inf, -np.inf])
    yield single("format_f32", "Cast", numbers.astype(np.float32), FLOAT, STRING, to=STRING)
    yield single("format_f64", "Cast", numbers, TensorProto.DOUBLE, STRING, to=STRING)
    yield single("format_i64", "Cast", np.array([1, -5, 2**62]), INT64, STRING, to=STRING)
    yield single("parse_f32", "Cast", words("1", "-2.5e3", "NaN", "INF", "-INF", "0.1"), STRING, FLOAT, to=FLOAT)
    yield single("parse_i64", "Cast", words("1", "-25"), STRING, INT64, to=INT64)
    for mode in ("TF", "IDF", "TFIDF"):
        yield single(
            f"grams_{mode}", "TfIdfVectorizer", words(*"abcabqbbccaa").reshape(2, 6), STRING, FLOAT, (2, 2), mode=mode,
            min_gram_length=1, max_gram_length=2, max_skip_count=1, ngram_counts=[0, 3], ngram_indexes=[0, 2, 1, 3, 4],
            pool_strings=["a", "b", "c", "a", "b", "b", "c"], weights=[0.5, 1, 2, 3, 4.0],
        )
    for name, x, attributes in (
        ("space", words("  a b  c", "", "x"), {"maxsplit": 1}), ("dashes", words("a--b---c", "x", "--"), {"delimiter": "--"}),
    ):
        node = helper.make_node("StringSplit", ["x"], ["y", "n"], **attributes)
        yield Case(f"split_{name}", [node], [tensor("x", STRING)], {"x": x}, [tensor("y", STRING, 2), tensor("n", INT64)])
    x = words("abc", "ABC", "a1", "héé", "", "x@y.com", "foo-bar", "12.5", "  ")
    patterns = [
        r"[a-z]+", r"(?i)abc", r"\w\d", r"\pL+", "", r".+@\w+\.(com|org)", r"\S+-\S+", r"\d+(\.\d+)?", r"[[:space:]]{2}", "h.{2}",
    ]
    for index, pattern in enumerate(patterns):
        yield single(f"pattern_{index}", "RegexFullMatch", x, STRING, TensorProto.BOOL, pattern=pattern)


def map_message(entries: dict):
    message = onnx.MapProto()
    message.key_type = STRING if isinstance(next(iter(entries)), str) else INT64
    for key in entries:
        message.string_keys.append(key.encode()) if message.key_type == STRING else message.keys.append(key)
    message.values.elem_type = onnx.SequenceProto.TENSOR
    for value in entries.values():
        message.values.tensor_values.append(numpy_helper.from_array(np.array(value, np.float32)))
    return message


def message(value):
    if isinstance(value, dict):
        return map_message(value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        sequence = onnx.SequenceProto()
        sequence.elem_type = onnx.SequenceProto.MAP
        sequence.map_values.extend(map_message(entry) for entry in value)
        return sequence
    return numpy_helper.from_array(np.asarray(value))


def write_case(case: Case, folder: Path) -> None:
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    model = case.model()
    onnx.save(model, folder / "model.onnx")
    (folder / "data.json").write_text(json.dumps({"rtol": 1e-5, "atol": 1e-6}))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    results = session.run(None, case.values)
    for kind, values in (("input", case.values.values()), ("output", results)):
        for index, value in enumerate(values):
            (data / f"{kind}_{index}.pb").write_bytes(message(value).SerializeToString())


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare strings, maps and encoders with onnxruntime.")
    parser.add_argument("--swage", default=".build/release/swage", help="the tool to test")
    parser.add_argument("--only", metavar="TEXT", default="", help="only models with TEXT in their name")
    parser.add_argument("--keep", metavar="DIR", help="keep the models here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="swage-objects-") as temporary:
        root = Path(arguments.keep or temporary)
        cases = [*classifiers(), *encoders(), *maps(), *texts()]
        chosen = [case for case in cases if arguments.only in case.name]
        for case in chosen:
            write_case(case, root / case.name)
        answers = run_swage(arguments.swage, [root / case.name for case in chosen])
    failed = [case for case in answers.values() if case["status"] != "passed"]
    for case in failed:
        print(f"FAIL  {case['name']}: {case['status']}: {case['reason']}")
    print(f"{len(answers) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed or len(answers) < len(chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
