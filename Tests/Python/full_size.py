"""Stable Diffusion at full size: compiled parts against PyTorch, with random weights.

    python Tests/Python/full_size.py --swage .build/release/swage [--architecture stable-diffusion-v1] [--part unet]…
        [--size 64x64]… [--batch 2] [--fixed] [--time ROUNDS] [--threads 2] [--keep DIR]

Needs the packages of graphs/requirements.txt and safetensors. Each part is built by diffusers or transformers from its
configuration, gets seeded weights that keep activations of order one, and is saved as a checkpoint; swage compiles the
shipped graph with it. Reported are relative errors |y - r| / |r| (L2 norms) against PyTorch in f32: at most 1e-5 for swage
in f32; for swage in bf16 at most 1e-2, and at most PyTorch's own in bf16. With --time, runs of PyTorch and swage alternate,
and medians are reported. Exit status 1 when a bound is missed.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

GRAPHS = Path(__file__).resolve().parents[2] / "graphs"
PARTS = ["text_encoder", "text_encoder_2", "unet", "vae_decoder", "vae_encoder"]
BRANCH_ENDS = (".conv2", ".to_out.0", ".ff.net.2", ".proj_out", ".out_proj", ".fc2")
F32_BOUND = 1e-5
BF16_BOUND = 1e-2


def configuration(architecture: str, part: str) -> dict:
    folder = "vae" if part.startswith("vae") else part
    return json.loads((GRAPHS / architecture / folder / "config.json").read_text())


def build(architecture: str, part: str) -> torch.nn.Module:
    """The part's model, without weights."""
    config = configuration(architecture, part)
    with torch.device("meta"):
        if part.startswith("vae"):
            return AutoencoderKL.from_config(config).eval()
        if part == "unet":
            return UNet2DConditionModel.from_config(config).eval()
        kind = CLIPTextModelWithProjection if "WithProjection" in config["architectures"][0] else CLIPTextModel
        return kind(CLIPTextConfig(**config)).eval()


def make_weights(model: torch.nn.Module, part: str) -> dict[str, torch.Tensor]:
    """Seeded weights, as a checkpoint on disk names them."""
    generator = torch.Generator().manual_seed(7)
    half = {"vae_decoder": ("decoder.", "post_quant_conv."), "vae_encoder": ("encoder.", "quant_conv.")}.get(part)
    weights = {}
    for name, parameter in model.state_dict().items():
        if half and not name.startswith(half):
            continue
        noise = torch.empty(parameter.shape).normal_(generator=generator)
        if parameter.ndim >= 2:
            fan_in = 1 if "embedding" in name and "time" not in name and "add" not in name else parameter[0].numel()
            noise *= fan_in**-0.5
            # Residual branches add less than they read, as in trained networks.
            if name.removesuffix(".weight").endswith(BRANCH_ENDS):
                noise /= 3
        elif name.endswith("bias"):
            noise *= 0.05
        else:
            noise = 1 + 0.1 * noise
        weights[name] = noise
    if part.startswith("text"):
        prefixed = ("text_model.", "text_projection.")
        weights = {n if n.startswith(prefixed) else f"text_model.{n}": w for n, w in weights.items()}
    return weights


def load(architecture: str, part: str, checkpoint: Path, dtype: torch.dtype) -> torch.nn.Module:
    model = build(architecture, part)
    weights = load_file(checkpoint)
    expected = model.state_dict().keys()
    weights = {n if n in expected else n.removeprefix("text_model."): w.to(dtype) for n, w in weights.items()}
    model.load_state_dict(weights, strict=not part.startswith("vae"), assign=True)
    if part.startswith("vae"):
        unused = [model.encoder, model.quant_conv] if part == "vae_decoder" else [model.decoder, model.post_quant_conv]
        for module in unused:
            module.to_empty(device="cpu")
    for module in model.modules():  # what a checkpoint does not hold
        if hasattr(module, "position_ids"):
            module.position_ids = torch.arange(module.position_ids.shape[-1]).expand((1, -1))
    return model.to(dtype)


def make_inputs(architecture: str, part: str, batch: int, height: int, width: int) -> dict[str, np.ndarray]:
    """Inputs of the entry point; height and width count latents."""
    config = configuration(architecture, part)
    generator = np.random.default_rng(11)

    def normal(*shape):
        return generator.standard_normal(shape, dtype=np.float32)

    if part.startswith("text"):
        ids = generator.integers(0, config["vocab_size"] - 2, (batch, config["max_position_embeddings"]), dtype=np.int64)
        ids[:, -3:] = config["vocab_size"] - 1
        return {"input_ids": ids}
    if part == "vae_decoder":
        return {"latent_sample": normal(batch, config["latent_channels"], height, width)}
    scale = 2 ** (len(configuration(architecture, "vae_encoder")["block_out_channels"]) - 1)
    if part == "vae_encoder":
        return {"sample": normal(batch, config["in_channels"], height * scale, width * scale).clip(-1, 1)}
    tokens = configuration(architecture, "text_encoder")["max_position_embeddings"]
    inputs = {
        "sample": normal(batch, config["in_channels"], height, width),
        "timestep": np.array([731.25], np.float32),
        "encoder_hidden_states": normal(batch, tokens, config["cross_attention_dim"]),
    }
    if config.get("addition_embed_type") == "text_time":
        width = config["projection_class_embeddings_input_dim"] - 6 * config["addition_time_embed_dim"]
        inputs["text_embeds"] = normal(batch, width)
        inputs["time_ids"] = np.tile(np.array([1024, 1024, 0, 0, 1024, 1024], np.float32), (batch, 1))
    if config.get("time_cond_proj_dim"):
        inputs["timestep_cond"] = normal(batch, config["time_cond_proj_dim"])
    return inputs


def call_torch(model: torch.nn.Module, part: str, penultimate: bool, inputs: dict[str, np.ndarray]) -> dict:
    dtype = next(p.dtype for p in model.parameters() if p.is_floating_point())
    given = {n: torch.from_numpy(v) for n, v in inputs.items()}
    # The timestep keeps its precision, as in a pipeline.
    given = {n: v.to(dtype) if v.is_floating_point() and n != "timestep" else v for n, v in given.items()}
    with torch.inference_mode():
        if part == "vae_decoder":
            return {"sample": model.decode(given["latent_sample"]).sample}
        if part == "vae_encoder":
            return {"latent_parameters": model.encode(given["sample"]).latent_dist.parameters}
        if part == "unet":
            added = {n: given[n] for n in ["text_embeds", "time_ids"] if n in given}
            y = model(
                given["sample"], given["timestep"], given["encoder_hidden_states"], added_cond_kwargs=added or None,
                timestep_cond=given.get("timestep_cond"),
            ).sample  # fmt: skip
            return {"out_sample": y}
        y = model(given["input_ids"], output_hidden_states=penultimate)
        index = model.config.num_hidden_layers - 1
        result = {f"hidden_states.{index}": y.hidden_states[-2]} if penultimate else {}
        if not penultimate:
            result["last_hidden_state"] = y.last_hidden_state
        if hasattr(y, "text_embeds"):
            result["text_embeds"] = y.text_embeds
        return result


def as_numpy(outputs: dict) -> dict[str, np.ndarray]:
    return {name: value.float().numpy() for name, value in outputs.items()}


def relative_error(value: np.ndarray, reference: np.ndarray) -> float:
    reference = reference.astype(np.float64)
    return float(np.linalg.norm(value - reference) / np.linalg.norm(reference))


def swage(binary: str, *arguments: str) -> str:
    done = subprocess.run([binary, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"swage {' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class Case:
    """One part with its checkpoint, plans and results."""

    def __init__(self, arguments, part: str, folder: Path):
        self.arguments, self.part, self.folder = arguments, part, folder
        self.architecture = arguments.architecture
        self.penultimate = (GRAPHS / self.architecture / "text_encoder_2.onnx").exists()
        self.checkpoint = folder / f"{part}.safetensors"
        self.failed = False
        if not self.checkpoint.exists():
            save_file(make_weights(build(self.architecture, part), part), self.checkpoint)

    def compile(self, precision: str, inputs: dict[str, np.ndarray] | None) -> Path:
        plan = self.folder / f"{self.part}-{precision}{'-fixed' if inputs else ''}.plan"
        graph = GRAPHS / self.architecture / f"{self.part}.onnx"
        shapes = [f"--shape={n}={'x'.join(map(str, v.shape))}" for n, v in (inputs or {}).items()]
        start = time.time()
        swage(
            self.arguments.swage, "compile", str(graph), "--weights", str(self.checkpoint), "--precision", precision,
            "--threads", str(self.arguments.threads), "-o", str(plan), *shapes,
        )  # fmt: skip
        print(f"{self.part}: compiled to {precision} in {time.time() - start:.1f} s, {plan.stat().st_size / 1e6:.0f} MB")
        return plan

    def inputs(self, batch: int, height: int, width: int) -> dict[str, np.ndarray]:
        inputs = make_inputs(self.architecture, self.part, batch, height, width)
        for name, value in inputs.items():
            np.save(self.folder / f"{self.part}-{name}.npy", value)
        return inputs

    def flags(self, plan: Path, inputs: dict[str, np.ndarray]) -> list[str]:
        given = [f"--input={name}={self.folder / f'{self.part}-{name}.npy'}" for name in inputs]
        return [str(plan), *given, "--threads", str(self.arguments.threads)]

    def run(self, plan: Path, inputs: dict[str, np.ndarray], names) -> dict[str, np.ndarray]:
        results = self.folder / "results"
        swage(self.arguments.swage, "run", *self.flags(plan, inputs), "--output", str(results))
        return {name: np.load(results / f"{name}.npy") for name in names}

    def torch(self, dtype: torch.dtype) -> torch.nn.Module:
        gc.collect()
        return load(self.architecture, self.part, self.checkpoint, dtype)

    def check(self) -> None:
        sizes = [(1, 1)] if self.part.startswith("text") else self.arguments.size
        shapes = [(batch, *size) for size in sizes for batch in self.arguments.batch]
        reference, own = [], []
        for dtype, results in [(torch.float32, reference), (torch.bfloat16, own)]:
            model = self.torch(dtype)
            for shape in shapes:
                results.append(as_numpy(call_torch(model, self.part, self.penultimate, self.inputs(*shape))))
            del model
        plans = {}
        for precision in ["f32", "bf16"]:
            for index, shape in enumerate(shapes):
                inputs = self.inputs(*shape)
                if self.arguments.fixed or precision not in plans:
                    plans[precision] = self.compile(precision, inputs if self.arguments.fixed else None)
                outputs = self.run(plans[precision], inputs, reference[index])
                for name, value in outputs.items():
                    self.report(precision, name, value, reference[index][name], own[index][name])
            if self.arguments.time and precision == "bf16":
                self.time(plans, self.inputs(*shapes[0]), shapes[0])
        for plan in plans.values():
            if not self.arguments.keep:
                plan.unlink()

    def report(self, precision: str, name: str, value, reference, own) -> None:
        error, theirs = relative_error(value, reference), relative_error(own, reference)
        bound = F32_BOUND if precision == "f32" else min(BF16_BOUND, theirs)
        ok = value.shape == reference.shape and error <= bound
        self.failed |= not ok
        shape = "x".join(map(str, value.shape))
        note = "" if precision == "f32" else f"  (PyTorch bf16: {theirs:.2e})"
        deviation = float(reference.std())
        print(
            f"{'ok  ' if ok else 'FAIL'} {self.part} {name}[{shape}] {precision}: relative error {error:.2e}{note}, "
            f"values of deviation {deviation:.2f}",
            flush=True,
        )

    def time(self, plans: dict[str, Path], inputs, shape) -> None:
        models = {"f32": self.torch(torch.float32), "bf16": self.torch(torch.bfloat16)}
        times: dict[str, list[float]] = {}
        for round in range(self.arguments.time + 1):
            for precision in ["f32", "bf16"]:
                start = time.perf_counter()
                call_torch(models[precision], self.part, self.penultimate, inputs)
                torch_time = time.perf_counter() - start
                flags = [*self.flags(plans[precision], inputs), "--warmup", "1", "--runs", "1", "--json"]
                bench = json.loads(swage(self.arguments.swage, "bench", *flags))
                if round > 0:  # the first one warms up
                    times.setdefault(f"PyTorch {precision}", []).append(torch_time)
                    times.setdefault(f"swage {precision}", []).append(bench["median_ms"] / 1000)
        for name, values in sorted(times.items()):
            print(
                f"time {self.part} {shape} {name}: median {statistics.median(values):.3f} s "
                f"(least {min(values):.3f}) of {len(values)}, {self.arguments.threads} threads",
                flush=True,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description="Compiled parts of Stable Diffusion at full size against PyTorch.")
    parser.add_argument("--swage", required=True)
    parser.add_argument("--architecture", default="stable-diffusion-v1")
    parser.add_argument("--part", action="append", choices=PARTS)
    parser.add_argument("--size", action="append", help="HxW in latents; 64x64 unless given")
    parser.add_argument("--batch", action="append", type=int, help="2 unless given")
    parser.add_argument("--fixed", action="store_true", help="compile for these sizes instead of all")
    parser.add_argument("--time", type=int, default=0, metavar="ROUNDS")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep", help="keep checkpoints and plans in this folder")
    arguments = parser.parse_args()
    arguments.size = [tuple(map(int, size.split("x"))) for size in arguments.size or ["64x64"]]
    arguments.batch = arguments.batch or [2]
    torch.set_num_threads(arguments.threads)
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments.keep or temporary)
        os.makedirs(folder, exist_ok=True)
        for part in arguments.part or PARTS:
            if (GRAPHS / arguments.architecture / f"{part}.onnx").exists():
                case = Case(arguments, part, folder)
                case.check()
                failed |= case.failed
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
