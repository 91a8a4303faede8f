"""The parts of a latent diffusion pipeline as modules with the ports of swage's entry points.

Each wrapper holds the model's own modules under the names that they have in a checkpoint, so that its parameters are
named as the tensors on disk. A part is built from its configuration on the meta device: no weights exist.
"""

import math
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.embeddings import Timesteps
from diffusers.models.upsampling import Upsample2D
from torch import nn
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection


@dataclass
class Part:
    """A module, example inputs, and the axes of inputs and outputs whose size is open."""

    module: nn.Module
    inputs: dict[str, torch.Tensor]
    open_axes: dict[str, dict[int, str]]
    outputs: list[str]


class TextEncoder(nn.Module):
    """input_ids -> last_hidden_state, or the hidden state before the last layer, and with a projection text_embeds.

    The mask is causal, and padding is attended to, as the pipelines do.
    """

    def __init__(self, model: nn.Module, penultimate: bool):
        super().__init__()
        self.text_model = getattr(model, "text_model", model)
        self.penultimate = penultimate
        if hasattr(model, "text_projection"):
            self.text_projection = model.text_projection

    def forward(self, input_ids):
        embeddings = self.text_model.embeddings
        hidden = embeddings.token_embedding(input_ids) + embeddings.position_embedding.weight
        layers = list(self.text_model.encoder.layers)
        projects = hasattr(self, "text_projection")
        outputs = []
        for index, layer in enumerate(layers):
            if self.penultimate and index == len(layers) - 1:
                outputs.append(hidden)
                if not projects:
                    return tuple(outputs)
            hidden = layer(hidden, attention_mask=None, is_causal=True)
        last = self.text_model.final_layer_norm(hidden)
        if not self.penultimate:
            outputs.append(last)
        if projects:
            # Configurations from before the end token had its own number say 2: then it is the highest one.
            end = self.text_model.eos_token_id
            place = (input_ids if end == 2 else (input_ids == end).to(torch.int32)).argmax(dim=-1)
            index = place[:, None, None].expand(-1, 1, last.shape[-1])
            outputs.append(self.text_projection(last.gather(1, index)[:, 0]))
        return tuple(outputs)


class VAEDecoder(nn.Module):
    def __init__(self, model: AutoencoderKL):
        super().__init__()
        self.decoder = model.decoder
        if model.post_quant_conv is not None:
            self.post_quant_conv = model.post_quant_conv

    def forward(self, latent_sample):
        if hasattr(self, "post_quant_conv"):
            latent_sample = self.post_quant_conv(latent_sample)
        return self.decoder(latent_sample)


class VAEEncoder(nn.Module):
    def __init__(self, model: AutoencoderKL):
        super().__init__()
        self.encoder = model.encoder
        if model.quant_conv is not None:
            self.quant_conv = model.quant_conv

    def forward(self, sample):
        parameters = self.encoder(sample)
        return self.quant_conv(parameters) if hasattr(self, "quant_conv") else parameters


class Frequencies(nn.Module):
    """`Timesteps` with its frequencies as a tensor: they belong to the graph, to the last bit as PyTorch gives them."""

    def __init__(self, old: Timesteps):
        super().__init__()
        self.channels = old.num_channels
        self.flip = old.flip_sin_to_cos
        self.scale = old.scale
        half = old.num_channels // 2
        with torch.device("cpu"):
            exponent = -math.log(10000) * torch.arange(0, half, dtype=torch.float32) / (half - old.downscale_freq_shift)
            self.values = torch.exp(exponent)
        self.register_buffer("frequencies", self.values.to("meta"), persistent=False)

    def forward(self, timesteps):
        angle = timesteps[:, None].float() * self.frequencies
        if self.scale != 1:
            angle = self.scale * angle
        pair = [torch.cos(angle), torch.sin(angle)] if self.flip else [torch.sin(angle), torch.cos(angle)]
        embedding = torch.cat(pair, dim=-1)
        return functional.pad(embedding, (0, 1)) if self.channels % 2 else embedding


def upsample(self, hidden_states, output_size=None, *_, **__):
    """`Upsample2D.forward` without its detours around limits of old kernels, which would bound the batch."""
    if self.interpolate and output_size is not None:
        hidden_states = functional.interpolate(hidden_states, size=output_size, mode="nearest")
    elif self.interpolate:
        hidden_states = functional.interpolate(hidden_states, scale_factor=2.0, mode="nearest")
    if not self.use_conv:
        return hidden_states
    return (self.conv if self.name == "conv" else self.Conv2d_0)(hidden_states)


class UNet(nn.Module):
    def __init__(self, model: UNet2DConditionModel):
        super().__init__()
        # Sizes need not be multiples of 2^levels: every upsampling goes to the size that its level had on the way down.
        model.num_upsamplers = 64
        for name in ["time_proj", "add_time_proj"]:
            if isinstance(getattr(model, name, None), Timesteps):
                setattr(model, name, Frequencies(getattr(model, name)))
        self.model = model

    def forward(
        self, sample, timestep, encoder_hidden_states, text_embeds=None, time_ids=None, timestep_cond=None
    ):  # fmt: skip
        added = None if text_embeds is None else {"text_embeds": text_embeds, "time_ids": time_ids}
        return self.model(
            sample, timestep, encoder_hidden_states, timestep_cond=timestep_cond, added_cond_kwargs=added,
            return_dict=False,
        )[0]  # fmt: skip


def text_encoder(config: dict, penultimate: bool) -> Part:
    configuration = CLIPTextConfig(**config)
    configuration._attn_implementation = "sdpa"
    kind = CLIPTextModelWithProjection if projects(config) else CLIPTextModel
    with torch.device("meta"):
        module = TextEncoder(kind(configuration), penultimate)
        ids = torch.zeros(3, configuration.max_position_embeddings, dtype=torch.int64)
    layer = f"hidden_states.{configuration.num_hidden_layers - 1}"
    outputs = [layer if penultimate else "last_hidden_state"] + (["text_embeds"] if projects(config) else [])
    return Part(module, {"input_ids": ids}, {name: {0: "batch"} for name in ["input_ids", *outputs]}, outputs)


def projects(config: dict) -> bool:
    return "CLIPTextModelWithProjection" in (config.get("architectures") or [])


def unet(config: dict, tokens: int) -> Part:
    Upsample2D.forward = upsample
    with torch.device("meta"):
        model = UNet2DConditionModel.from_config(config)
        inputs = {
            "sample": torch.zeros(3, model.config.in_channels, 65, 73),
            "timestep": torch.zeros(1),
            "encoder_hidden_states": torch.zeros(3, tokens, model.config.cross_attention_dim),
        }
        if model.config.addition_embed_type == "text_time":
            count = 6
            width = model.config.projection_class_embeddings_input_dim - count * model.config.addition_time_embed_dim
            inputs |= {"text_embeds": torch.zeros(3, width), "time_ids": torch.zeros(3, count)}
        if model.config.time_cond_proj_dim is not None:
            inputs["timestep_cond"] = torch.zeros(3, model.config.time_cond_proj_dim)
        module = UNet(model)
    axes = {name: {0: "batch"} for name in inputs if name != "timestep"}
    axes["sample"] = axes["out_sample"] = {0: "batch", 2: "height", 3: "width"}
    return Part(module, inputs, axes, ["out_sample"])


def vae_decoder(config: dict) -> Part:
    Upsample2D.forward = upsample
    with torch.device("meta"):
        model = AutoencoderKL.from_config(config)
        inputs = {"latent_sample": torch.zeros(3, model.config.latent_channels, 17, 19)}
        module = VAEDecoder(model)
    axes = {"latent_sample": {0: "batch", 2: "height", 3: "width"}, "sample": {0: "batch"}}
    return Part(module, inputs, axes, ["sample"])


def vae_encoder(config: dict) -> Part:
    with torch.device("meta"):
        model = AutoencoderKL.from_config(config)
        inputs = {"sample": torch.zeros(3, model.config.in_channels, 136, 152)}
        module = VAEEncoder(model)
    axes = {"sample": {0: "batch", 2: "height", 3: "width"}, "latent_parameters": {0: "batch"}}
    return Part(module, inputs, axes, ["latent_parameters"])
