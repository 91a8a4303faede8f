"""The models of the differential test, and the inputs that each is run with."""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx

import signals

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Run:
    """Consecutive calls of one plan. `feedback` maps outputs of a call to inputs of the next."""

    name: str
    calls: list[dict[str, np.ndarray]]
    feedback: dict[str, str] = field(default_factory=dict)


@dataclass
class Case:
    """One compile, and what is run from its plan. `reference` is the file that onnxruntime loads."""

    name: str
    model: Path
    reference: Path
    runs: list[Run]
    flags: list[str] = field(default_factory=list)


def package(name: str) -> Path:
    """The folder of an installed package, which is not imported: its own dependencies are absent."""
    return Path(find_spec(name).origin).parent


def digits() -> list[Case]:
    folder = ROOT / "models" / "digits"
    scan, held_out = np.load(folder / "scan.npy"), np.load(folder / "heldout_images.npy")
    one = Run("the scan", [{"image": scan}])
    runs = [one, Run("batch 7", [{"image": held_out[:7]}]), Run("batch 360", [{"image": held_out}])]
    model = folder / "digits.onnx"
    weights = ["--weights", str(folder / "digits.safetensors")]
    return [
        Case("digits", model, model, runs),
        Case("digits, weights apart", ROOT / "graphs" / "digits.onnx", model, runs, weights),
        Case("digits, batch fixed to 1", model, model, [one], ["--shape", "image=1x1x8x8"]),
    ]


def speech_run(inputs: set[str], rate: int, batch: int, chunks: int = 10) -> Run:
    """Consecutive chunks of a voice with the context that the model's own wrapper puts in front of each."""
    chunk, context = (512, 64) if rate == 16000 else (256, 32)
    sound = signals.voice(rate, (chunks + batch + 1) * chunk / rate + 0.5)
    start = rate // 4  # inside the first syllable
    rows = []
    for index in range(chunks):
        at = [start + (index + row) * chunk for row in range(batch)]
        rows.append(np.stack([sound[i - context : i + chunk] for i in at]))
    calls = [{"input": row} for row in rows]
    if "sr" in inputs:
        for call in calls:
            call["sr"] = np.array(rate, dtype=np.int64)
    calls[0]["state"] = np.zeros((2, batch, 128), dtype=np.float32)
    return Run(f"{rate} Hz, batch {batch}, {chunks} chunks", calls, {"stateN": "state"})


def sequence_run(length: int) -> Run:
    """Two calls of `length` chunks each for the model that loops over chunks itself."""
    run = speech_run(set(), 16000, 1, 2 * length)
    chunks = np.concatenate([call["input"] for call in run.calls])
    zero = np.zeros((1, 1, 128), dtype=np.float32)
    calls = [{"input": chunks[:length], "h": zero, "c": zero}, {"input": chunks[length:]}]
    return Run(f"2 x {length} chunks", calls, {"hn": "h", "cn": "c"})


def silero() -> list[Case]:
    result = []
    for path in sorted((package("silero_vad") / "data").glob("*.onnx")):
        inputs = {value.name: value.type.tensor_type.shape for value in onnx.load(path).graph.input}
        if "h" in inputs:
            runs = [sequence_run(5), sequence_run(1)]
        else:
            both = "16k" not in path.name and "sr" in inputs
            fixed = inputs["input"].dim[0].dim_value == 1
            runs = [speech_run(set(inputs), 16000, 1)]
            if not fixed:
                runs.append(speech_run(set(inputs), 16000, 3, 3))
            if both:
                runs.append(speech_run(set(inputs), 8000, 1))
        result.append(Case(path.stem, path, path, runs))
    return result


def rapidocr() -> list[Case]:
    folder = package("rapidocr_onnxruntime") / "models"
    imagenet = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    half = ((0.5,) * 3, (0.5,) * 3)

    def page(height, width):
        return Run(f"{height}x{width}", [{"x": signals.as_input(signals.page(height, width), *imagenet)}])

    def line(width, text, batch=1):
        strip = signals.as_input(signals.line(text, 48, width), *half)
        name = f"48x{width}" + (f", batch {batch}" if batch > 1 else "")
        return Run(name, [{"x": np.concatenate([strip[..., ::-1] if i % 2 else strip for i in range(batch)])}])

    detector = folder / "ch_PP-OCRv4_det_infer.onnx"
    recogniser = folder / "ch_PP-OCRv4_rec_infer.onnx"
    classifier = folder / "ch_ppocr_mobile_v2.0_cls_infer.onnx"
    return [
        Case("rapidocr detector", detector, detector, [page(320, 320), page(640, 640), page(736, 1280)]),
        Case("rapidocr detector, size fixed", detector, detector, [page(320, 320)], ["--shape", "x=1x3x320x320"]),
        Case(
            "rapidocr recogniser",
            recogniser,
            recogniser,
            [line(320, "SWAGE PLAN"), line(480, "COMPILES 24 07"), line(320, "MORE TESTS", 2)],
        ),
        Case("rapidocr classifier", classifier, classifier, [line(192, "TIMES 1"), line(192, "TIMES 1", 6)]),
    ]


def every() -> list[Case]:
    return digits() + silero() + rapidocr()
