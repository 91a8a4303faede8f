"""The parts of diffusion checkpoints as cases: the graphs of `graphs/`, random weights of one seed, sizes fixed for all sides.

The ONNX file of a part keeps its weights in a safetensors file beside it, which PyTorch reads too. Times do not depend on values.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from measure import Case


@dataclass
class Part:
    """A part at a batch and a size; height and width count latents."""

    title: str
    architecture: str
    part: str
    batch: int
    height: int
    width: int
    slow: bool

    @property
    def name(self) -> str:
        size = "" if self.part == "text_encoder" else f", {self.height}x{self.width} latents"
        return f"{self.title} {self.part.replace('_', ' ')}, batch {self.batch}{size}"

    def case(self, cache: Path, precision: str) -> Case:
        import full_size

        weights = checkpoint(self.architecture, self.part, cache)
        inputs = full_size.make_inputs(self.architecture, self.part, self.batch, self.height, self.width)
        sizes = {name: value.shape for name, value in inputs.items()}
        model = link(full_size.GRAPHS / self.architecture / f"{self.part}.onnx", weights, sizes)
        built = {"architecture": self.architecture, "part": self.part, "checkpoint": str(weights)}
        runs, warmup = (1, 1) if self.slow else (0, 1)
        return Case(self.name, model, inputs, torch=built, precision=precision, runs=runs, warmup=warmup)


SD = "SD 1.4", "stable-diffusion-v1"
EMOJI = "emoji", "emoji"


def every() -> list[Part]:
    return [
        Part(*EMOJI, "text_encoder", 2, 1, 1, False),
        Part(*EMOJI, "unet", 2, 16, 16, False),
        Part(*EMOJI, "vae_decoder", 1, 16, 16, False),
        Part(*SD, "text_encoder", 2, 1, 1, False),
        unet(64),
        Part(*SD, "vae_decoder", 1, 64, 64, True),
    ]


def unet(size: int) -> Part:
    """The step of Stable Diffusion 1.4: pictures of 8 times `size`, with and without the prompt at once."""
    return Part(*SD, "unet", 2, size, size, True)


def checkpoint(architecture: str, part: str, cache: Path) -> Path:
    """Seeded random weights in f32, made once; the names are those of a checkpoint."""
    import full_size

    path = cache / architecture / f"{part}.safetensors"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        full_size.save_file(full_size.make_weights(full_size.build(architecture, part), part), unfinished)
        unfinished.rename(path)
    return path


def link(graph: Path, weights: Path, sizes: dict[str, tuple[int, ...]]) -> Path:
    """The graph with these sizes beside the safetensors file, whose tensors are its external data."""
    with open(weights, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        tensors = json.loads(file.read(length))
    model = onnx.load(graph, load_external_data=False)
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            first, end = (8 + length + offset for offset in tensors[tensor.name]["data_offsets"])
            del tensor.external_data[:]
            for key, value in {"location": weights.name, "offset": first, "length": end - first}.items():
                tensor.external_data.add(key=key, value=str(value))
    for value in model.graph.input:
        for dim, size in zip(value.type.tensor_type.shape.dim, sizes[value.name], strict=True):
            dim.dim_value = size
    path = weights.with_suffix(".onnx")
    onnx.save(model, path)
    return path


def torch_module(architecture: str, part: str, weights: str, kind):
    """The part as a module of tensors, and the names of its inputs in order."""
    import full_size
    import torch

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = full_size.load(architecture, part, Path(weights), kind)

        def forward(self, *values):
            run = self.model.decode if part == "vae_decoder" else self.model
            return run(*values, return_dict=False)[0]

    names = {"text_encoder": ["input_ids"], "vae_decoder": ["latent_sample"]}
    return Module(), names.get(part, ["sample", "timestep", "encoder_hidden_states"])
