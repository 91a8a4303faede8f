"""Makes small Stable Diffusion checkpoints with random weights, in all the layouts that diffusers writes.

    python Tests/Python/make_folders.py DIR                   checkpoints, and expected outputs of their parts
    python Tests/Python/make_folders.py --graphs DIR          their graphs without weights: Tests/CompilerTests/Checkpoints

Needs the packages of graphs/requirements.txt, safetensors and numpy.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from onnx import numpy_helper
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

ROOT = Path(__file__).resolve().parents[2]

TEXT = {
    "architectures": ["CLIPTextModel"], "bos_token_id": 98, "eos_token_id": 99, "hidden_act": "quick_gelu",
    "hidden_size": 16, "intermediate_size": 32, "layer_norm_eps": 1e-05, "max_position_embeddings": 77,
    "model_type": "clip_text_model", "num_attention_heads": 2, "num_hidden_layers": 3, "pad_token_id": 99,
    "projection_dim": 16, "vocab_size": 100,
}  # fmt: skip
UNET = {
    "_class_name": "UNet2DConditionModel", "attention_head_dim": 2, "block_out_channels": [8, 16],
    "cross_attention_dim": 16, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "in_channels": 4,
    "layers_per_block": 1, "norm_num_groups": 4, "out_channels": 4, "sample_size": 8,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
}  # fmt: skip
VAE = {
    "_class_name": "AutoencoderKL", "block_out_channels": [8, 16], "down_block_types": ["DownEncoderBlock2D"] * 2,
    "in_channels": 3, "latent_channels": 4, "layers_per_block": 1, "norm_num_groups": 4, "out_channels": 3,
    "sample_size": 16, "scaling_factor": 0.2, "up_block_types": ["UpDecoderBlock2D"] * 2,
}  # fmt: skip
SCHEDULER = {
    "_class_name": "DDIMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
    "clip_sample": False, "num_train_timesteps": 1000, "prediction_type": "epsilon", "set_alpha_to_one": False,
    "steps_offset": 1,
}  # fmt: skip
INDEX = {
    "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1", "feature_extractor": [None, None],
    "safety_checker": [None, None], "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
}  # fmt: skip

TINY = {"model_index": INDEX, "text_encoder": TEXT, "unet": UNET, "vae": VAE, "scheduler": SCHEDULER}
TINY_XL = {
    "model_index": INDEX | {
        "_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True,
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"], "tokenizer_2": ["transformers", "CLIPTokenizer"],
    },
    "text_encoder": TEXT,
    "text_encoder_2": TEXT | {"architectures": ["CLIPTextModelWithProjection"], "hidden_act": "gelu"},
    "unet": UNET | {
        "addition_embed_type": "text_time", "addition_time_embed_dim": 4, "cross_attention_dim": 32,
        "projection_class_embeddings_input_dim": 40, "transformer_layers_per_block": [2, 1], "use_linear_projection": True,
    },
    "vae": VAE, "scheduler": SCHEDULER,
}  # fmt: skip
PIPELINES = {"tiny": TINY, "tiny-xl": TINY_XL}


def write_settings(pipeline: dict[str, dict], folder: Path) -> None:
    files = {f"{part}/config.json": content for part, content in pipeline.items() if part not in ["model_index", "scheduler"]}
    files |= {"model_index.json": pipeline["model_index"], "scheduler/scheduler_config.json": pipeline["scheduler"]}
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def write_tokenizer(folder: Path) -> None:
    vocabulary = {chr(33 + index): index for index in range(94)} | {"<|startoftext|>": 98, "<|endoftext|>": 99}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 77, "pad_token": "<|endoftext|>"}))


def build(pipeline: dict[str, dict]) -> dict[str, torch.nn.Module]:
    """The parts, with seeded weights that are not at their initial values anywhere."""
    torch.manual_seed(3)
    parts = {}
    for name, config in pipeline.items():
        if name.startswith("text_encoder"):
            kind = CLIPTextModelWithProjection if "WithProjection" in config["architectures"][0] else CLIPTextModel
            parts[name] = kind(CLIPTextConfig(**config))
        elif name == "unet":
            parts[name] = UNet2DConditionModel.from_config(config)
        elif name == "vae":
            parts[name] = AutoencoderKL.from_config(config)
    for module in parts.values():
        module.eval()
        for parameter in module.parameters():
            noise = torch.randn_like(parameter.data)
            # Half precision holds these numbers: every layout stores the same weights.
            parameter.data = (parameter.data + 0.1 * noise).half().float()
    return parts


def save(parts: dict[str, torch.nn.Module], folder: Path, **options) -> None:
    for name, module in parts.items():
        module.save_pretrained(folder / name, **options)


def save_half(parts: dict[str, torch.nn.Module], folder: Path, **options) -> None:
    for module in parts.values():
        module.half()
    save(parts, folder, **options)
    for module in parts.values():
        module.float()


def rewrite(file: Path, rename) -> None:
    """Other names or shapes for the tensors of a file."""
    tensors = dict(rename(name, tensor) for name, tensor in load_file(file).items())
    save_file(tensors, file, metadata={"format": "pt"})


def old_names(folder: Path) -> None:
    """The names that checkpoints of 2022 have."""
    attention = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}

    def vae(name: str, tensor: torch.Tensor):
        for new, old in attention.items():
            if new in name:
                shape = [*tensor.shape, 1, 1] if tensor.ndim == 2 else tensor.shape
                return name.replace(new, old), tensor.reshape(shape).contiguous()
        return name, tensor

    def text(name: str, tensor: torch.Tensor):
        prefix = "text_model."
        return (name.removeprefix(prefix) if name.startswith(prefix) else prefix + name), tensor

    rewrite(folder / "vae" / "diffusion_pytorch_model.safetensors", vae)
    file = folder / "text_encoder" / "model.safetensors"
    rewrite(file, text)
    tensors = load_file(file)
    stem = "text_model." if any(name.startswith("text_model.") for name in tensors) else ""
    tensors[stem + "embeddings.position_ids"] = torch.arange(77)[None]
    save_file(tensors, file, metadata={"format": "pt"})


def optimum(parts: dict[str, torch.nn.Module], pipeline: dict[str, dict], folder: Path, name: str) -> None:
    """ONNX files with weights, as optimum lays them out: a folder for each, data beside it, other names for sizes."""
    for graph in sorted((ROOT / "Tests" / "CompilerTests" / "Checkpoints" / name).glob("*.onnx")):
        component = "vae" if graph.stem.startswith("vae") else graph.stem
        weights = parts[component].state_dict()
        weights |= {f"text_model.{name}": tensor for name, tensor in weights.items()} if "text" in component else {}
        model = onnx.load(graph, load_external_data=False)
        for tensor in model.graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name].numpy(), tensor.name))
        for value in model.graph.input:
            sizes = value.type.tensor_type.shape.dim
            if value.name == "input_ids":
                sizes[1].dim_param = "sequence_length"
        place = folder / graph.stem
        place.mkdir(parents=True, exist_ok=True)
        onnx.save(model, place / "model.onnx", save_as_external_data=True, location="model.onnx_data", size_threshold=64)
        (place / "config.json").write_text(json.dumps(pipeline[component]))
    index = pipeline["model_index"] | {"_class_name": "ORT" + pipeline["model_index"]["_class_name"]}
    for part in ["unet", "text_encoder", "vae_decoder", "vae_encoder"]:
        index[part] = ["optimum.onnxruntime.modeling_diffusion", "ORTModel"]
    place = folder / "scheduler"
    place.mkdir(parents=True, exist_ok=True)
    (place / "scheduler_config.json").write_text(json.dumps(pipeline["scheduler"]))
    (folder / "model_index.json").write_text(json.dumps(index))


@torch.no_grad()
def expected(pipeline: dict[str, dict], parts: dict[str, torch.nn.Module], folder: Path) -> None:
    """Inputs and outputs of the entry points, as .npy files in folder/expected."""
    place = folder / "expected"
    place.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(11)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    def keep(entry: str, **tensors: torch.Tensor) -> None:
        for name, tensor in tensors.items():
            np.save(place / f"{entry}.{name}.npy", tensor.numpy())

    ids = torch.randint(0, 98, (2, 77), generator=generator)
    ids[:, 0], ids[0, 5:], ids[1, 20:] = 98, 99, 99
    is_xl = "text_encoder_2" in pipeline
    for name in ["text_encoder", "text_encoder_2"]:
        if name not in parts:
            continue
        result = parts[name](ids, output_hidden_states=True)
        layer = TEXT["num_hidden_layers"] - 1
        outputs = {f"hidden_states.{layer}": result.hidden_states[-2]} if is_xl else {"last_hidden_state": result[0]}
        if name == "text_encoder_2":
            outputs["text_embeds"] = result.text_embeds
        keep(name, input_ids=ids, **outputs)
    sample, timestep = random(2, 4, 6, 10), torch.tensor([601.0])
    states = random(2, 77, pipeline["unet"]["cross_attention_dim"])
    added = {"text_embeds": random(2, 16), "time_ids": random(2, 6) * 100} if is_xl else {}
    out = parts["unet"](sample, timestep, states, added_cond_kwargs=added or None, return_dict=False)[0]
    keep("unet", sample=sample, timestep=timestep, encoder_hidden_states=states, out_sample=out, **added)
    latent = random(1, 4, 5, 9)
    keep("vae_decoder", latent_sample=latent, sample=parts["vae"].decode(latent).sample)
    picture = random(1, 3, 12, 20)
    keep("vae_encoder", sample=picture, latent_parameters=parts["vae"].encode(picture).latent_dist.parameters)


def make(root: Path) -> None:
    for name, pipeline in PIPELINES.items():
        parts = build(pipeline)
        layouts = {
            "full": lambda folder: save(parts, folder),
            "half": lambda folder: save_half(parts, folder, variant="fp16"),
            "sharded": lambda folder: save(parts, folder, max_shard_size="20KB"),
            "sharded-half": lambda folder: save_half(parts, folder, variant="fp16", max_shard_size="20KB"),
        }
        if name == "tiny":
            layouts["old"] = lambda folder: (save(parts, folder), old_names(folder))
            layouts["both"] = lambda folder: (save_half(parts, folder, variant="fp16"), save(parts, folder))
        for layout, write in layouts.items():
            folder = root / f"{name}-{layout}"
            write(folder)
            write_settings(pipeline, folder)
            for tokenizer in ["tokenizer", "tokenizer_2"]:
                if tokenizer in pipeline["model_index"]:
                    write_tokenizer(folder / tokenizer)
        optimum(parts, pipeline, root / f"{name}-onnx", name)
        expected(pipeline, parts, root / name)


def make_graphs(root: Path) -> None:
    for name, pipeline in PIPELINES.items():
        settings = root / name
        write_settings(pipeline, settings)
        export = [sys.executable, str(ROOT / "graphs" / "export.py"), str(settings), "--name", name, "--output", str(root)]
        subprocess.run(export, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Make small Stable Diffusion checkpoints.")
    parser.add_argument("--graphs", action="store_true", help="the graphs instead of the checkpoints")
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    (make_graphs if arguments.graphs else make)(arguments.folder)


if __name__ == "__main__":
    main()
