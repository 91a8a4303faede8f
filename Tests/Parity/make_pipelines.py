"""Makes small Stable Diffusion checkpoints, and what diffusers makes of them: the references of Tests/Python/parity.py.

    python Tests/Parity/make_pipelines.py weights          sd, inpainting, lcm, xl: weights (f16) and settings
    python Tests/Parity/make_pipelines.py graphs           their graphs, by graphs/export.py
    python Tests/Parity/make_pipelines.py pictures NAME    NAME/reference.npz, from the weights

Needs the packages of graphs/requirements.txt, safetensors and pillow. Weights are random. The UNets are then fitted for a
few dozen steps to the noise on smooth random fields, and the VAE's last layers scaled, so that latents and pictures have
the sizes that those of a trained model have: errors neither vanish nor explode.

What checkpoints share is stored once, in sd: `assemble` in Tests/Python/parity_folders.py. References are computed on the
CPU in f32, with one thread. Versions that the committed files were made with: torch 2.13.0, diffusers 0.42.1,
transformers 5.23.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image, ImageDraw
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "Tests" / "Python"))

from parity_cases import SCHEDULERS, Case, cases  # noqa: E402
from parity_folders import CHECKPOINTS, assemble  # noqa: E402

START, END, WIDTH = 2012, 2013, 32

TEXT = {
    "architectures": ["CLIPTextModel"], "bos_token_id": START, "eos_token_id": END, "hidden_act": "quick_gelu",
    "hidden_size": WIDTH, "intermediate_size": 64, "layer_norm_eps": 1e-05, "max_position_embeddings": 77,
    "model_type": "clip_text_model", "num_attention_heads": 4, "num_hidden_layers": 3, "pad_token_id": END,
    "projection_dim": WIDTH, "vocab_size": END + 1,
}  # fmt: skip
# Like the second encoder of SDXL, it has the end token of old configurations: the highest id is meant.
TEXT_2 = TEXT | {
    "architectures": ["CLIPTextModelWithProjection"], "eos_token_id": 2, "hidden_act": "gelu", "num_hidden_layers": 2,
}  # fmt: skip
UNET = {
    "_class_name": "UNet2DConditionModel", "attention_head_dim": 4, "block_out_channels": [16, 32],
    "cross_attention_dim": WIDTH, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"], "in_channels": 4,
    "layers_per_block": 1, "norm_num_groups": 8, "out_channels": 4, "sample_size": 16,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
}  # fmt: skip
UNET_XL = UNET | {
    "addition_embed_type": "text_time", "addition_time_embed_dim": 8, "attention_head_dim": [2, 4, 4],
    "block_out_channels": [16, 32, 32], "cross_attention_dim": 2 * WIDTH,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "projection_class_embeddings_input_dim": 6 * 8 + WIDTH, "transformer_layers_per_block": [1, 1, 2],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "use_linear_projection": True,
}  # fmt: skip
VAE = {
    "_class_name": "AutoencoderKL", "block_out_channels": [16, 16, 32], "down_block_types": ["DownEncoderBlock2D"] * 3,
    "in_channels": 3, "latent_channels": 4, "layers_per_block": 1, "norm_num_groups": 8, "out_channels": 3,
    "sample_size": 64, "scaling_factor": 0.18215, "up_block_types": ["UpDecoderBlock2D"] * 3,
}  # fmt: skip
SCHEDULER = {
    "_class_name": "PNDMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
    "clip_sample": False, "num_train_timesteps": 1000, "prediction_type": "epsilon", "set_alpha_to_one": False,
    "skip_prk_steps": True, "steps_offset": 1,
}  # fmt: skip
LCM_SCHEDULER = SCHEDULER | {
    "_class_name": "LCMScheduler", "original_inference_steps": 50, "timestep_scaling": 10.0, "timestep_spacing": "leading",
}  # fmt: skip
XL_SCHEDULER = SCHEDULER | {
    "_class_name": "EulerDiscreteScheduler", "interpolation_type": "linear", "timestep_spacing": "leading",
}  # fmt: skip
XL_SIZE = 0.13025


def index(pipeline: str, scheduler: str, **changes) -> dict:
    return {
        "_class_name": pipeline, "_diffusers_version": diffusers.__version__, "feature_extractor": [None, None],
        "requires_safety_checker": False, "safety_checker": [None, None], "scheduler": ["diffusers", scheduler],
        "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
    } | changes  # fmt: skip


SETTINGS = {
    "sd": {
        "model_index": index("StableDiffusionPipeline", "PNDMScheduler"), "scheduler": SCHEDULER,
        "text_encoder": TEXT, "unet": UNET, "vae": VAE,
    },
    "inpainting": {
        "model_index": index("StableDiffusionInpaintPipeline", "PNDMScheduler"), "unet": UNET | {"in_channels": 9},
    },
    "lcm": {
        "model_index": index("LatentConsistencyModelPipeline", "LCMScheduler"), "scheduler": LCM_SCHEDULER,
        "unet": UNET | {"time_cond_proj_dim": 32},
    },
    "xl": {
        "model_index": index(
            "StableDiffusionXLPipeline", "EulerDiscreteScheduler", force_zeros_for_empty_prompt=True,
            text_encoder_2=["transformers", "CLIPTextModelWithProjection"], tokenizer_2=["transformers", "CLIPTokenizer"],
        ),
        "scheduler": XL_SCHEDULER, "text_encoder_2": TEXT_2, "unet": UNET_XL,
        "vae": VAE | {"scaling_factor": XL_SIZE, "force_upcast": True},
    },
}  # fmt: skip
for key in ["safety_checker", "requires_safety_checker"]:
    del SETTINGS["xl"]["model_index"][key]

TOKENIZER = {
    "model_max_length": 77, "tokenizer_class": "CLIPTokenizer", "do_lower_case": True, "errors": "replace",
    "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
    "pad_token": "<|endoftext|>",
}  # fmt: skip


def write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


# Weights


def build(kind, config) -> torch.nn.Module:
    """With noise on all parameters: none has a special value such as 0 or 1."""
    module = kind(config) if isinstance(config, CLIPTextConfig) else kind.from_config(config)
    for parameter in module.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    return module.eval()


def halved(module: torch.nn.Module) -> torch.nn.Module:
    """Rounded to what half precision holds."""
    for parameter in module.parameters():
        parameter.data = parameter.data.half().float()
    return module.requires_grad_(False)


def store(module: torch.nn.Module, folder: Path, config: dict) -> None:
    """The weights in half precision, and the configuration as checkpoints have it, not as this release writes it."""
    module.half().save_pretrained(folder)
    write_json(folder / "config.json", config)
    module.float()


def fields(count: int, size: int) -> torch.Tensor:
    """Smooth random fields of standard deviation about 1."""
    coarse = torch.randn(count, 4, 4, 4)
    return 1.3 * functional.interpolate(coarse, size=(size, size), mode="bicubic", align_corners=True)


@torch.no_grad()
def scaled_vae() -> AutoencoderKL:
    """Pictures within [-1, 1] for the most part, and latents of the size that the scaling factor brings to 1."""
    vae = build(AutoencoderKL, VAE)
    for _ in range(2):
        decoded = vae.decode(fields(16, 16) / VAE["scaling_factor"]).sample
        last = vae.decoder.conv_out
        factor, mean = 0.45 / decoded.std(), decoded.mean(dim=(0, 2, 3))
        last.weight *= factor
        last.bias.copy_((last.bias - mean) * factor)
    parameters = vae.encode(fields(16, 64)[:, :3].clamp(-1, 1)).latent_dist.parameters
    mean, deviation = parameters.mean(dim=(0, 2, 3)), parameters.std(dim=(0, 2, 3))
    factor = torch.cat([1 / VAE["scaling_factor"] / deviation[:4], 0.5 / deviation[4:]])
    vae.quant_conv.weight *= factor[:, None, None, None]
    vae.quant_conv.bias.copy_((vae.quant_conv.bias - mean) * factor)
    vae.quant_conv.bias[4:] -= 2
    return halved(vae)


def prompt_inputs(encoders: list, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    ids = torch.full((count, 77), END)
    for row in ids:
        length = int(torch.randint(1, 30, ()))
        row[: length + 1] = torch.cat([torch.tensor([START]), torch.randint(0, START, (length,))])
    results = [encoder(ids, output_hidden_states=True) for encoder in encoders]
    if len(encoders) == 1:
        return results[0][0], results[0].pooler_output
    return torch.cat([result.hidden_states[-2] for result in results], dim=-1), results[1].text_embeds


def fitted(config: dict, encoders: list, steps: int = 60) -> UNet2DConditionModel:
    """A UNet that predicts noise well enough for latents to stay near the fields, moved by what the prompt says."""
    unet = build(UNet2DConditionModel, config).train()
    optimizer = torch.optim.Adam(unet.parameters(), lr=3e-3)
    schedule = diffusers.DDIMScheduler.from_config(SCHEDULER)
    direction = torch.randn(WIDTH, 4) / WIDTH**0.5
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (1 - step / steps) + 1e-4
        with torch.no_grad():
            states, pooled = prompt_inputs(encoders, 4)
            clean = 0.8 * fields(4, 16) + 0.6 * torch.tanh(pooled @ direction)[:, :, None, None]
            noise, timesteps = torch.randn_like(clean), torch.randint(0, 1000, (4,))
            sample = schedule.add_noise(clean, noise, timesteps)
            if config["in_channels"] == 9:
                mask = (fields(4, 16)[:, :1] > 0).float()
                sample = torch.cat([sample, mask, clean * (1 - mask)], dim=1)
        added = {"text_embeds": pooled, "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]] * 4)}
        guidance = torch.randn(4, config["time_cond_proj_dim"]) if "time_cond_proj_dim" in config else None
        prediction = unet(
            sample, timesteps, states, timestep_cond=guidance,
            added_cond_kwargs=added if "addition_embed_type" in config else None,
        ).sample  # fmt: skip
        loss = functional.mse_loss(prediction, noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 19:
            print(f"  step {step + 1}: loss {loss:.3f}", flush=True)
    return halved(unet.eval())


def make_settings() -> None:
    files = {"model_index": "model_index.json", "scheduler": "scheduler/scheduler_config.json"}
    for name, parts in SETTINGS.items():
        for part, content in parts.items():
            write_json(HERE / name / files.get(part, f"{part}/config.json"), content)
    write_json(HERE / "sd" / "tokenizer" / "tokenizer_config.json", TOKENIZER)
    write_json(HERE / "xl" / "tokenizer_2" / "tokenizer_config.json", TOKENIZER | {"pad_token": "!"})


def make_weights() -> None:
    make_settings()
    torch.manual_seed(20)
    text = halved(build(CLIPTextModel, CLIPTextConfig(**TEXT)))
    text_2 = halved(build(CLIPTextModelWithProjection, CLIPTextConfig(**TEXT_2)))
    store(text, HERE / "sd" / "text_encoder", TEXT)
    store(text_2, HERE / "xl" / "text_encoder_2", TEXT_2)
    store(scaled_vae(), HERE / "sd" / "vae", VAE)
    for name, parts in SETTINGS.items():
        print(name, flush=True)
        torch.manual_seed(list(SETTINGS).index(name))
        encoders = [text, text_2] if name == "xl" else [text]
        store(fitted(parts["unet"], encoders), HERE / name / "unet", parts["unet"])
    make_inputs()


def make_inputs() -> None:
    """A picture, one of another size and form, and a mask with soft edges."""
    for name, (width, height) in {"picture": (64, 64), "uneven": (87, 58)}.items():
        x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
        values = [0.5 + 0.4 * np.sin(5 * x + 2 * y), y, 1 - 0.7 * x * y]
        picture = Image.fromarray((np.stack(values, axis=-1) * 255).astype(np.uint8), "RGB")
        draw = ImageDraw.Draw(picture)
        draw.ellipse([width // 8, height // 4, width // 2, height * 3 // 4], fill=(240, 200, 40))
        draw.rectangle([width * 5 // 8, height // 2, width * 7 // 8, height * 7 // 8], fill=(20, 60, 90))
        picture.save(HERE / f"{name}.png", optimize=True)
    x, y = np.meshgrid(np.arange(64), np.arange(64))
    mask = np.clip(255 * (26 - np.hypot(x - 36, y - 28)) / 8 + 128, 0, 255).astype(np.uint8)
    Image.fromarray(mask).convert("RGB").save(HERE / "mask.png", optimize=True)


def make_graphs() -> None:
    make_settings()
    needed = {"sd": ["text_encoder", "unet", "vae_decoder", "vae_encoder"], "inpainting": ["unet"], "lcm": ["unet"],
              "xl": ["text_encoder", "text_encoder_2", "unet"]}  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        for name, parts in needed.items():
            folder = assemble(name, Path(temporary))
            export = [sys.executable, str(ROOT / "graphs" / "export.py"), str(folder), "--name", name]
            chosen = [word for part in parts for word in ["--part", part]]
            made = Path(temporary) / "graphs"
            subprocess.run([*export, *chosen, "--output", str(made)], check=True)
            for file in ["architecture.json", *[f"{part}.onnx" for part in parts]]:
                shutil.copy(made / name / file, HERE / name / file)


# References


PIPELINES = {
    "sd": ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"),
    "inpainting": (None, None, "StableDiffusionInpaintPipeline"),
    "lcm": ("LatentConsistencyModelPipeline", "LatentConsistencyModelImg2ImgPipeline", None),
    "xl": ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"),
}


def pipeline(case: Case, folder: Path, loaded: dict) -> diffusers.DiffusionPipeline:
    name = PIPELINES[case.checkpoint][2 if case.mask else 1 if case.image else 0]
    key = (case.checkpoint, name)
    if key not in loaded:
        pipe = getattr(diffusers, name).from_pretrained(folder, torch_dtype=torch.float32)
        pipe.set_progress_bar_config(disable=True)
        loaded[key] = pipe, pipe.scheduler
    pipe, scheduler = loaded[key]
    kind, changes = SCHEDULERS[case.scheduler] if case.scheduler else (type(scheduler).__name__, {})
    pipe.scheduler = getattr(diffusers, kind).from_config(scheduler.config, **changes)
    (pipe.vae.enable_tiling if case.tiled else pipe.vae.disable_tiling)()
    return pipe


def reference(case: Case, pipe: diffusers.DiffusionPipeline) -> tuple[np.ndarray, np.ndarray]:
    """Final latents, f32 [pictures, 4, h, w], and the pictures, u8 [pictures, H, W, 3]."""
    options = {"prompt": case.prompt, "num_inference_steps": case.steps, "guidance_scale": case.guidance}
    options["num_images_per_prompt"] = case.count
    if case.checkpoint != "lcm":
        options["negative_prompt"] = case.negative
    if case.guidance_rescale:
        options["guidance_rescale"] = case.guidance_rescale
    if case.image:
        options["image"] = Image.open(HERE / f"{case.image}.png").convert("RGB")
        options["strength"] = case.strength
    if case.mask:
        options["mask_image"] = Image.open(HERE / f"{case.mask}.png")
    if case.size:
        options["width"], options["height"] = case.size
    generators = [torch.Generator().manual_seed(case.seed + number) for number in range(case.count)]
    options["generator"] = generators if case.seeds_each else generators[0]
    latents = []

    def keep(_pipe, _step, _timestep, values: dict) -> dict:
        latents.append(values["latents"].numpy().copy())
        return values

    pictures = pipe(**options, callback_on_step_end=keep).images
    return latents[-1], np.stack([np.asarray(picture) for picture in pictures])


@torch.no_grad()
def make_pictures(name: str) -> None:
    arrays, loaded = {}, {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = assemble(name, Path(temporary))
        for case in cases():
            if case.checkpoint != name:
                continue
            latents, pictures = reference(case, pipeline(case, folder, loaded))
            deviation, edges = latents.std(), np.mean((pictures == 0) | (pictures == 255))
            print(f"{case.name}: {latents.shape}, deviation {deviation:.2f}, saturated {100 * edges:.1f} %", flush=True)
            arrays[f"{case.name}.latents"], arrays[f"{case.name}.pictures"] = latents, pictures
    np.savez_compressed(HERE / name / "reference.npz", **arrays)


def main() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    steps = {"weights": make_weights, "graphs": make_graphs}
    match sys.argv[1:]:
        case ["pictures", name] if name in CHECKPOINTS:
            make_pictures(name)
        case [word] if word in steps:
            steps[word]()
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
