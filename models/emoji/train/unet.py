"""Trains the conditional UNet and the text encoder together on the latents of the pictures.

What is wanted is memory: each name is to give its own picture. The schedule
follows the clock as in vae.py; --resume goes on from the last saved state.
"""

import argparse
import math
import os
import random
import time

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import data
from muon import Both
from vae import tensors

HIDDEN = 128
UNET = dict(
    sample_size=8,
    in_channels=8,
    out_channels=8,
    block_out_channels=(96, 192),
    down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
    up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    layers_per_block=1,
    cross_attention_dim=HIDDEN,
    attention_head_dim=4,  # the number of heads, as in every SD 1.x configuration
    norm_num_groups=32,
)
SCHEDULER = dict(
    num_train_timesteps=1000,
    beta_schedule="scaled_linear",
    beta_start=0.00085,
    beta_end=0.012,
    prediction_type="v_prediction",
    clip_sample=False,
    set_alpha_to_one=False,
    steps_offset=1,
)
UNCONDITIONAL = 0.1  # the part of the captions left empty, for classifier-free guidance


def captions(name):
    """Ways to ask for a picture, each with its weight."""
    name = name.lower()
    article = "an" if name[0] in "aeiou" else "a"
    return [(name, 4), (f"{article} {name}", 4), (f"the {name}", 1),
            (f"an emoji of {article} {name}", 1), (f"an emoji of {name}", 0.5)]


def text_encoder(vocabulary):
    return CLIPTextModel(CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=HIDDEN,
        intermediate_size=4 * HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
        projection_dim=HIDDEN,
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=vocabulary - 1,
    ))


def models(vocabulary):
    return torch.nn.ModuleDict({
        "unet": UNet2DConditionModel(**UNET), "text_encoder": text_encoder(vocabulary)})


def tokenize(tokenizer, texts):
    return tokenizer(texts, padding="max_length", max_length=77, truncation=True,
                     return_tensors="pt").input_ids


def latents(vae, pictures):
    with torch.no_grad():
        means = [vae.encode(x).latent_dist.mean for x in pictures.split(64)]
    return torch.cat(means) * vae.config.scaling_factor


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build", help="holds vae/ and tokenizer/ already")
    parser.add_argument("--minutes", type=float, default=48, help="in all, earlier runs included")
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--lr", type=float, default=2.5e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    random.seed(arguments.seed)

    names, pictures = data.listed()
    tokenizer = CLIPTokenizer.from_pretrained(os.path.join(arguments.out, "tokenizer"))
    vae = AutoencoderKL.from_pretrained(os.path.join(arguments.out, "vae"))
    wanted = latents(vae, tensors(pictures))
    ways = [captions(name) for name in names]
    weights = [weight for _, weight in ways[0]]
    ids = torch.stack([tokenize(tokenizer, [text for text, _ in way]) for way in ways])
    empty = tokenize(tokenizer, [""])[0]

    model = models(len(tokenizer))
    # Plain matrix products: much faster backwards on a CPU than the fused attention.
    model["unet"].set_attn_processor(AttnProcessor())
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995))
    optimizer = Both(model, arguments.lr, plain=("embeddings",))
    scheduler = DDIMScheduler(**SCHEDULER)
    state_file = os.path.join(arguments.out, "unet.pt")
    step, before = 0, 0.0
    if arguments.resume:
        state = torch.load(state_file)
        model.load_state_dict(state["model"])
        average.module.load_state_dict(state["average"])
        average.n_averaged.fill_(state["step"])
        optimizer.load_state_dict(state["optimizer"])
        step, before = state["step"], state["seconds"]
    sizes = {name: sum(p.numel() for p in part.parameters()) for name, part in model.items()}
    print(f"{len(names)} pictures, parameters: {sizes}", flush=True)

    def save(seconds):
        torch.save({"model": model.state_dict(), "average": average.module.state_dict(),
                    "optimizer": optimizer.state_dict(), "step": step, "seconds": seconds},
                   state_file + ".new")
        os.replace(state_file + ".new", state_file)

    start = time.time() - before
    saved, order, losses = time.time(), [], []
    while True:
        seconds = time.time() - start
        part = seconds / (arguments.minutes * 60)
        if part >= 1:
            break
        optimizer.set_lr(arguments.lr * min(1, (step + 1) / 200)
                         * max(0.002, (1 + math.cos(math.pi * part)) / 2))
        if len(order) < arguments.batch:
            order = order + torch.randperm(len(names)).tolist()
        batch, order = order[:arguments.batch], order[arguments.batch:]
        way = random.choices(range(len(weights)), weights, k=len(batch))
        tokens = torch.where(torch.rand(len(batch), 1) < UNCONDITIONAL, empty, ids[batch, way])
        x = wanted[batch]
        noise = torch.randn_like(x)
        # One time from each of `batch` equal parts of the range: less noise in the gradient.
        times = ((torch.randperm(len(batch)) + torch.rand(len(batch))) / len(batch) * 1000).long()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            text = model["text_encoder"](tokens).last_hidden_state
            made = model["unet"](scheduler.add_noise(x, noise, times), times, text).sample
        loss = (made.float() - scheduler.get_velocity(x, noise, times)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        average.update_parameters(model)
        step += 1
        losses.append(loss.item())
        if step % 100 == 0:
            print(f"{step} {time.time() - start:.0f}s loss {sum(losses) / len(losses):.4f}", flush=True)
            losses = []
        if time.time() - saved > 180:
            saved = time.time()
            save(time.time() - start)
    save(time.time() - start)


if __name__ == "__main__":
    main()
