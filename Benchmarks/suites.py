"""The cases of the comparison, by suite: generators, so that nothing is downloaded or made before its turn."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from measure import Case, Failure

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "Tests" / "Python"))


@dataclass
class Entry:
    """A case that is made when it is wanted. `make` is given a folder for its files, and may raise Failure."""

    name: str
    make: callable


def small(cache: Path, precision: str) -> Iterator[Entry]:
    """The models of the differential test."""
    import cases

    def entry(name: str, model: Path, inputs: dict[str, np.ndarray]) -> Entry:
        return Entry(name, lambda folder: Case(name, model, inputs, precision=precision))

    digits = cases.digits()[0]
    held_out = np.load(digits.model.parent / "heldout_images.npy")
    yield entry("digits, batch 1", digits.model, digits.runs[0].calls[0])
    yield entry("digits, batch 32", digits.model, {"image": held_out[:32]})
    for case in cases.silero():
        yield entry(f"{case.name}, {case.runs[0].name.split(', ')[0]}", case.model, case.runs[0].calls[0])
    sizes = {
        "rapidocr detector": ["320x320", "640x640", "736x1280"],
        "rapidocr recogniser": ["48x320"],
        "rapidocr classifier": ["48x192"],
    }
    for case in cases.rapidocr():
        for run in case.runs:
            if run.name in sizes.get(case.name, []):
                yield entry(f"{case.name}, {run.name}", case.model, run.calls[0])


def public_models(cache: Path, precision: str) -> Iterator[Entry]:
    """The models of docs/models.md, each at its first size."""
    import differential
    import models
    import models_list

    def make(model: models_list.Model) -> Case:
        cache.mkdir(parents=True, exist_ok=True)
        try:
            path = models.extract(model, cache)
        except differential.Failure as failure:
            raise Failure(str(failure)) from None
        graph = onnx.load(path, load_external_data=False).graph
        inputs = models.made(model, 0, {value.name for value in graph.input})
        return Case(model.name, path, inputs, flags=model.flags, precision=precision, round_seconds=0.3)

    for model in models_list.every():
        yield Entry(model.name, lambda folder, model=model: make(model))


def micro(cache: Path, precision: str) -> Iterator[Entry]:
    """Single operators at sizes of Stable Diffusion 1.4."""
    import single_operators

    for operator in single_operators.every():
        yield Entry(operator.name, lambda folder, operator=operator: operator.case(folder, precision))


def diffusion_parts(cache: Path, precision: str) -> Iterator[Entry]:
    """Text encoder, UNet step and VAE decoder of Stable Diffusion 1.4 and of `models/emoji`, with random weights."""
    import diffusion

    for part in diffusion.every():
        yield Entry(part.name, lambda folder, part=part: part.case(cache, precision))


SUITES = {"small": small, "micro": micro, "models": public_models, "diffusion": diffusion_parts}


def with_fixed_sizes(case: Case, folder: Path) -> Case:
    """The same model with the sizes of this case's inputs written into it, for all sides."""
    model = onnx.load(case.model)
    for value in model.graph.input:
        if value.name in case.inputs:
            sizes = np.shape(case.inputs[value.name])
            for dim, size in zip(value.type.tensor_type.shape.dim, sizes):
                dim.dim_value = size
    path = folder / "fixed.onnx"
    onnx.save(model, path)
    case.model = path
    return case
