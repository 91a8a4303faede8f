"""Measures the checkpoint: for how many prompts is the right training picture the
nearest one to what was made, in the sum of squared differences of the pixels,
among all training pictures? Also draws the sheet of samples.
"""

import argparse
import os
import random

import numpy as np
import torch
from diffusers import (DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler,
                       PNDMScheduler, StableDiffusionPipeline)
from PIL import Image

import data
from vae import psnr, tensors

SCHEDULERS = {"ddim": DDIMScheduler, "pndm": PNDMScheduler, "euler": EulerDiscreteScheduler,
              "dpm": DPMSolverMultistepScheduler}
CHECKPOINT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


def make(pipeline, prompts, arguments):
    """Pictures for the prompts: float32 0...1 (N, 64, 64, 3)."""
    noise = torch.randn((len(prompts), 8, 8, 8), generator=torch.Generator().manual_seed(arguments.seed))
    made = []
    for i in range(0, len(prompts), 32):
        made.append(pipeline(prompts[i:i + 32], num_inference_steps=arguments.steps,
                             guidance_scale=arguments.guidance, output_type="np",
                             latents=noise[i:i + 32].to(pipeline.unet.dtype)).images)
    return np.concatenate(made).astype(np.float32)


def distances(made, pictures):
    a, b = made.reshape(len(made), -1), pictures.reshape(len(pictures), -1)
    squares = (a ** 2).sum(1)[:, None] + (b ** 2).sum(1)[None] - 2 * a @ b.T
    return squares / a.shape[1]


def sheet(images, columns):
    rows = -(-len(images) // columns)
    size = data.SIZE
    canvas = np.ones((rows * size, columns * size, 3), dtype=np.float32)
    for i, image in enumerate(images):
        y, x = i // columns * size, i % columns * size
        canvas[y:y + size, x:x + size] = image
    return Image.fromarray((canvas * 255).round().astype(np.uint8))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default=CHECKPOINT)
    parser.add_argument("--prompts", type=int, default=200, help="how many, drawn at random; 0: all")
    parser.add_argument("--scheduler", choices=SCHEDULERS, help="instead of the checkpoint's own")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=2)
    parser.add_argument("--dtype", choices=("float32", "float16", "bfloat16"), default="float32")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--template", default="{}", help='such as "a {}"')
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", help="draw samples into this PNG file")
    parser.add_argument("--ask", nargs="*", default=["a slice of pizza"],
                        help="the first prompts of the sheet")
    parser.add_argument("--tiles", type=int, default=60)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    names, pictures = data.listed()
    pipeline = StableDiffusionPipeline.from_pretrained(
        arguments.checkpoint, dtype=getattr(torch, arguments.dtype))
    pipeline.set_progress_bar_config(disable=True)
    if arguments.scheduler:
        pipeline.scheduler = SCHEDULERS[arguments.scheduler].from_config(pipeline.scheduler.config)
    if arguments.sheet:
        chosen = random.Random(arguments.seed).sample(names, arguments.tiles - len(arguments.ask))
        prompts = arguments.ask + [name.lower() for name in sorted(chosen)]
        sheet(make(pipeline, prompts, arguments), 10).save(arguments.sheet, optimize=True)
        print(", ".join(prompts))
        return

    count = arguments.prompts or len(names)
    chosen = sorted(random.Random(arguments.seed).sample(range(len(names)), count))
    made = make(pipeline, [arguments.template.format(names[i]) for i in chosen], arguments)
    table = distances(made, pictures)
    nearest = table.argmin(axis=1)
    right = nearest == np.array(chosen)
    own = table[np.arange(count), chosen]
    for i, found, hit in zip(chosen, nearest, right):
        if not hit:
            print(f"  {names[i]}: nearest is {names[found]}")
    print(f"reconstruction by the autoencoder: {psnr(pipeline.vae.float(), tensors(pictures)):.2f} dB")
    print(f"generated against its own picture: {np.mean(-10 * np.log10(own)):.2f} dB")
    print(f"right: {right.sum()} of {count} = {right.mean():.1%}")


if __name__ == "__main__":
    main()
