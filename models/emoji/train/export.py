"""Writes what was trained as a checkpoint in diffusers' layout, the weights in f16."""

import argparse
import json
import os
import shutil

import diffusers
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from safetensors.torch import save_file
from transformers import CLIPTokenizer

from unet import SCHEDULER, models


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--out", default=os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    parser.add_argument("--untrained", action="store_true", help="random weights: the layout only")
    arguments = parser.parse_args()

    tokenizer_folder = os.path.join(arguments.build, "tokenizer")
    model = models(len(CLIPTokenizer.from_pretrained(tokenizer_folder)))
    if not arguments.untrained:
        state = torch.load(os.path.join(arguments.build, "unet.pt"))
        model.load_state_dict(state["average"])
        print(f"step {state['step']}, {state['seconds'] / 60:.0f} minutes")
    model.half()

    def folder(name):
        path = os.path.join(arguments.out, name)
        os.makedirs(path, exist_ok=True)
        return path

    shutil.copytree(tokenizer_folder, folder("tokenizer"), dirs_exist_ok=True)
    vae = AutoencoderKL.from_pretrained(os.path.join(arguments.build, "vae")).half()
    vae.save_pretrained(folder("vae"))
    config_file = os.path.join(folder("vae"), "config.json")
    with open(config_file, encoding="utf-8") as file:
        config = json.load(file)
    config.pop("_name_or_path", None)
    write_json(config_file, config)
    model["unet"].save_pretrained(folder("unet"))
    DDIMScheduler(**SCHEDULER).save_pretrained(folder("scheduler"))

    # The text encoder by hand: transformers has named its tensors in more than one
    # way; in the checkpoints of Stable Diffusion 1.x they begin with "text_model.".
    text = model["text_encoder"]
    weights = {"text_model." + key.removeprefix("text_model."): value.contiguous()
               for key, value in text.state_dict().items() if not key.endswith("position_ids")}
    save_file(weights, os.path.join(folder("text_encoder"), "model.safetensors"), {"format": "pt"})
    kept = ("attention_dropout", "bos_token_id", "eos_token_id", "hidden_act", "hidden_size",
            "initializer_factor", "initializer_range", "intermediate_size", "layer_norm_eps",
            "max_position_embeddings", "model_type", "num_attention_heads", "num_hidden_layers",
            "pad_token_id", "projection_dim", "vocab_size")
    write_json(os.path.join(folder("text_encoder"), "config.json"), {
        "architectures": ["CLIPTextModel"], **{key: getattr(text.config, key) for key in kept},
        "torch_dtype": "float32"})
    write_json(os.path.join(arguments.out, "model_index.json"), {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    })


if __name__ == "__main__":
    main()
