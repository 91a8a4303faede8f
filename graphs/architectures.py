"""What decides the graphs of a pipeline: its configuration files, the built-in ones, and `architecture.json`.

`architecture.json` says which checkpoints the graphs beside it serve:

    {"name": …, "parts": {"unet": {key: value, …}, "vae": {…}, "text_encoder": {…}},
     "defaults": {"unet": {key: value, …}, …}}

A checkpoint matches where every part's config.json has the values of "parts", after absent keys took those of
"defaults".
"""

import inspect
import json
import os

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig

import parts
from strip_weights import write

# Keys that leave the graph as it is: sizes of pictures, training, numbers that the pipeline applies.
IGNORED = {
    "unet": {"sample_size", "dropout", "upcast_attention", "addition_embed_type_num_heads"},
    "vae": {"sample_size", "scaling_factor", "shift_factor", "latents_mean", "latents_std", "force_upcast"},
}
TEXT_KEYS = [
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "max_position_embeddings", "hidden_act", "layer_norm_eps",
]  # fmt: skip
TEXT_PROJECTION_KEYS = ["projection_dim", "eos_token_id"]

TEXT_ENCODER = {
    "architectures": ["CLIPTextModel"], "attention_dropout": 0.0, "bos_token_id": 0, "eos_token_id": 2,
    "hidden_act": "quick_gelu", "hidden_size": 768, "initializer_factor": 1.0, "initializer_range": 0.02,
    "intermediate_size": 3072, "layer_norm_eps": 1e-05, "max_position_embeddings": 77, "model_type": "clip_text_model",
    "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 1, "projection_dim": 768, "vocab_size": 49408,
}  # fmt: skip
TEXT_ENCODER_2 = TEXT_ENCODER | {
    "architectures": ["CLIPTextModelWithProjection"], "hidden_act": "gelu", "hidden_size": 1280,
    "intermediate_size": 5120, "num_attention_heads": 20, "num_hidden_layers": 32, "projection_dim": 1280,
}  # fmt: skip
UNET = {
    "_class_name": "UNet2DConditionModel", "act_fn": "silu", "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280], "center_input_sample": False, "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4, "layers_per_block": 2,
    "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 32, "out_channels": 4, "sample_size": 64,
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
}  # fmt: skip
UNET_XL = UNET | {
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280], "cross_attention_dim": 2048,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "projection_class_embeddings_input_dim": 2816, "sample_size": 128, "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "use_linear_projection": True,
}  # fmt: skip
VAE = {
    "_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4, "in_channels": 3, "latent_channels": 4, "layers_per_block": 2,
    "norm_num_groups": 32, "out_channels": 3, "sample_size": 512, "scaling_factor": 0.18215,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}  # fmt: skip
SCHEDULER = {
    "_class_name": "PNDMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
    "clip_sample": False, "num_train_timesteps": 1000, "prediction_type": "epsilon", "set_alpha_to_one": False,
    "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None,
}  # fmt: skip
SCHEDULER_XL = SCHEDULER | {
    "_class_name": "EulerDiscreteScheduler", "interpolation_type": "linear", "sample_max_value": 1.0,
    "timestep_spacing": "leading", "use_karras_sigmas": False,
}  # fmt: skip


def stable_diffusion_v1() -> dict[str, dict]:
    return {
        "model_index": {
            "_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.42.1", "feature_extractor": [None, None],
            "requires_safety_checker": False, "safety_checker": [None, None],
            "scheduler": ["diffusers", "PNDMScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
        },
        "text_encoder": TEXT_ENCODER, "unet": UNET, "vae": VAE, "scheduler": SCHEDULER,
    }  # fmt: skip


def stable_diffusion_v1_inpainting() -> dict[str, dict]:
    pipeline = stable_diffusion_v1()
    index = pipeline["model_index"] | {"_class_name": "StableDiffusionInpaintPipeline"}
    return pipeline | {"model_index": index, "unet": UNET | {"in_channels": 9}}


def stable_diffusion_v1_lcm() -> dict[str, dict]:
    pipeline = stable_diffusion_v1()
    index = pipeline["model_index"] | {
        "_class_name": "LatentConsistencyModelPipeline", "scheduler": ["diffusers", "LCMScheduler"],
    }  # fmt: skip
    scheduler = SCHEDULER | {
        "_class_name": "LCMScheduler", "original_inference_steps": 50, "timestep_scaling": 10.0,
        "timestep_spacing": "leading",
    }  # fmt: skip
    del scheduler["skip_prk_steps"]
    return pipeline | {"model_index": index, "unet": UNET | {"time_cond_proj_dim": 256}, "scheduler": scheduler}


def stable_diffusion_xl() -> dict[str, dict]:
    index = stable_diffusion_v1()["model_index"] | {
        "_class_name": "StableDiffusionXLPipeline", "force_zeros_for_empty_prompt": True, "image_encoder": [None, None],
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
    }  # fmt: skip
    for key in ["safety_checker", "requires_safety_checker"]:
        del index[key]
    vae = VAE | {"sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True}
    return {
        "model_index": index, "text_encoder": TEXT_ENCODER, "text_encoder_2": TEXT_ENCODER_2, "unet": UNET_XL,
        "vae": vae, "scheduler": SCHEDULER_XL,
    }  # fmt: skip


BUILT_IN = {
    "stable-diffusion-v1": stable_diffusion_v1,
    "stable-diffusion-v1-inpainting": stable_diffusion_v1_inpainting,
    "stable-diffusion-v1-lcm": stable_diffusion_v1_lcm,
    "stable-diffusion-xl": stable_diffusion_xl,
}


def read_folder(folder: str) -> dict[str, dict]:
    """The configurations of a checkpoint in diffusers layout."""
    pipeline = {"model_index": read_json(os.path.join(folder, "model_index.json"))}
    for part in ["text_encoder", "text_encoder_2", "unet", "vae"]:
        path = os.path.join(folder, part, "config.json")
        if os.path.exists(path):
            pipeline[part] = read_json(path)
    pipeline["scheduler"] = read_json(os.path.join(folder, "scheduler", "scheduler_config.json"))
    return pipeline


def read_json(path: str) -> dict:
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def is_xl(pipeline: dict[str, dict]) -> bool:
    return "text_encoder_2" in pipeline


def parts_of(pipeline: dict[str, dict]) -> dict:
    """What makes each part, by the name of its graph."""
    tokens = pipeline["text_encoder"]["max_position_embeddings"]
    makers = {"text_encoder": lambda: parts.text_encoder(pipeline["text_encoder"], penultimate=is_xl(pipeline))}
    if is_xl(pipeline):
        makers["text_encoder_2"] = lambda: parts.text_encoder(pipeline["text_encoder_2"], penultimate=True)
    makers["unet"] = lambda: parts.unet(pipeline["unet"], tokens)
    makers["vae_decoder"] = lambda: parts.vae_decoder(pipeline["vae"])
    makers["vae_encoder"] = lambda: parts.vae_encoder(pipeline["vae"])
    return makers


def defaults(part: str) -> dict:
    """What a class takes for keys that a configuration leaves out."""
    if part.startswith("text_encoder"):
        all_keys = CLIPTextConfig().to_dict()
        return {key: all_keys[key] for key in TEXT_KEYS + TEXT_PROJECTION_KEYS}
    cls = UNet2DConditionModel if part == "unet" else AutoencoderKL
    parameters = inspect.signature(cls.__init__).parameters
    found = {key: p.default for key, p in parameters.items() if key != "self" and key not in IGNORED[part]}
    return json.loads(json.dumps(found))


def deciding(part: str, config: dict) -> dict:
    """The keys of a configuration that decide the graph, filled with the defaults."""
    full = defaults(part)
    full |= {key: config[key] for key in full if key in config}
    if part.startswith("text_encoder") and not parts.projects(config):
        full = {key: full[key] for key in TEXT_KEYS}
    return full


def write_descriptions(pipeline: dict[str, dict], name: str, folder: str) -> None:
    os.makedirs(folder, exist_ok=True)
    described = [part for part in ["text_encoder", "text_encoder_2", "unet", "vae"] if part in pipeline]
    architecture = {
        "name": name,
        "parts": {part: deciding(part, pipeline[part]) for part in described},
        "defaults": {part: defaults(part) for part in described},
    }
    files = {"architecture.json": architecture, "model_index.json": pipeline["model_index"]}
    files |= {f"{part}/config.json": pipeline[part] for part in described}
    files["scheduler/scheduler_config.json"] = pipeline["scheduler"]
    for path, content in files.items():
        full = os.path.join(folder, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        write(full, (json.dumps(content, indent=2, sort_keys=True) + "\n").encode())
