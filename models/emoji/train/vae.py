"""Trains the autoencoder: 64x64 pictures to 8x8 latents of 8 channels and back.

The training pictures are all there is, so fitting them closely is the aim. The
schedule follows the clock: the learning rate falls to nothing at --minutes.
"""

import argparse
import os
import time

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

import data
from muon import Both

CONFIG = dict(
    in_channels=3,
    out_channels=3,
    sample_size=64,
    latent_channels=8,
    block_out_channels=(16, 32, 64, 128),
    layers_per_block=1,
    norm_num_groups=8,
    down_block_types=("DownEncoderBlock2D",) * 4,
    up_block_types=("UpDecoderBlock2D",) * 4,
    act_fn="silu",
)
KL_WEIGHT = 2e-3
LATENT_NOISE = 0.05  # of the latents' standard deviation, for --decoder-only


def tensors(pictures):
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous() * 2 - 1


def picture_loss(made, wanted):
    """Absolute error of the pixels and, for sharp edges, of their differences."""
    loss = (made - wanted).abs().mean()
    for axis in (2, 3):
        loss = loss + (made.diff(dim=axis) - wanted.diff(dim=axis)).abs().mean()
    return loss


def psnr(vae, pictures):
    """Peak signal to noise of the reconstructions in dB: mean over pictures."""
    errors = []
    with torch.no_grad():
        for x in pictures.split(64):
            made = vae.decode(vae.encode(x).latent_dist.mean).sample.clamp(-1, 1)
            errors.append(((made - x) / 2).square().mean(dim=(1, 2, 3)))
    return (-10 * torch.cat(errors).log10()).mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="build")
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="start from the weights in --out")
    parser.add_argument("--decoder-only", action="store_true",
                        help="with --resume: keep the latents, so that a trained UNet stays right")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    os.makedirs(arguments.out, exist_ok=True)
    pictures = tensors(data.listed()[1])
    folder = os.path.join(arguments.out, "vae")
    vae = AutoencoderKL.from_pretrained(folder) if arguments.resume else AutoencoderKL(**CONFIG)
    if arguments.decoder_only:
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
        with torch.no_grad():
            means = torch.cat([vae.encode(x).latent_dist.mean for x in pictures.split(64)])
    average = torch.optim.swa_utils.AveragedModel(
        vae, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    print(f"{sum(p.numel() for p in vae.parameters())} parameters, {len(pictures)} pictures",
          flush=True)
    trained = [p for p in vae.parameters() if p.requires_grad]
    optimizer = Both(vae, arguments.lr)

    start, step, order, losses = time.time(), 0, [], []
    saved = start
    while True:
        part = (time.time() - start) / (arguments.minutes * 60)
        if part >= 1:
            break
        if len(order) < arguments.batch:
            order = torch.randperm(len(pictures)).tolist()
        batch, order = order[:arguments.batch], order[arguments.batch:]
        x = pictures[batch]
        optimizer.set_lr(arguments.lr * min(1, (step + 1) / 50) * max(1e-3, 1 - part))
        kl = torch.zeros(())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            if arguments.decoder_only:
                # A UNet's latents are never quite those of the encoder.
                z = means[batch] + LATENT_NOISE * torch.randn_like(means[batch]) / vae.config.scaling_factor
            else:
                posterior = vae.encode(x).latent_dist
                z = posterior.sample()
                kl = posterior.kl().float().mean() / x[0].numel()
            made = vae.decode(z).sample
        loss = picture_loss(made.float(), x)
        optimizer.zero_grad()
        (loss + KL_WEIGHT * kl).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1)
        optimizer.step()
        average.update_parameters(vae)
        step += 1
        losses.append(loss.item())
        if step % 100 == 0:
            print(f"{step} {time.time() - start:.0f}s loss {sum(losses) / 100:.4f} kl {kl.item():.4f}",
                  flush=True)
            losses = []
        if time.time() - saved > 180:
            saved = time.time()
            average.module.save_pretrained(folder)
            print(f"psnr {psnr(average.module, pictures[:256]):.2f}", flush=True)

    vae = average.module.eval()
    if not arguments.decoder_only:
        with torch.no_grad():
            means = torch.cat([vae.encode(x).latent_dist.mean for x in pictures.split(64)])
        vae.register_to_config(scaling_factor=round(1 / means.std().item(), 5))
    vae.save_pretrained(folder)
    print(f"psnr {psnr(vae, pictures):.2f} dB, scaling factor {vae.config.scaling_factor}")


if __name__ == "__main__":
    main()
