"""Reading a base's decoder and vocoder: voicekit's own files or the release's, sizes from configuration and weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from voicekit.covo.bigvgan import BigVGAN, BigVGANConfig
from voicekit.covo.checkpoint import load_strict, read_file, read_pickle
from voicekit.covo.config import REMEDY, read_json
from voicekit.covo.decoder import DecoderConfig, Token2Latent
from voicekit.covo.layout import DecoderFiles
from voicekit.covo.layout import token2wav_in as token2wav_in
from voicekit.errors import BaseModelError
from voicekit.timebase import LATENTS_PER_TOKEN

FLOW, WAVE = "token2latent.", "wavegan."
# How the release samples where no configuration says otherwise.
RELEASED_SAMPLER = {"grid_points": 10, "guidance": 1.0, "temperature": 1.0}
USUAL_DILATIONS = (1, 3, 5)
# The released configuration's switches, and the only values that the released model and this one are built for.
SWITCHES = {
    "token2latent.upsample_factor": LATENTS_PER_TOKEN,
    "token2latent.transformer.modulation": True,
    "token2latent.transformer.alibi_bias": False,
    "token2latent.transformer.rotary_bias": True,
    "token2latent.transformer.qk_norm": False,
    "wavegan.resblock": "1",
    "wavegan.activation": "snakebeta",
    "wavegan.snake_logscale": True,
    "wavegan.causal": True,
}
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Sizes:
    decoder: DecoderConfig
    wavegan: BigVGANConfig | None


@dataclass(frozen=True, eq=False)
class Token2Wav:
    """`wavegan` is None where the vocoder has no weights; `extra` are stored names that this model has no use for, `dtypes` are
    those of the stored weights."""

    decoder: Token2Latent
    wavegan: BigVGAN | None
    extra: tuple[str, ...]
    dtypes: tuple[str, ...]


def read_decoder(files: DecoderFiles) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """All tensors by their released names, and what else model.pt holds beside them."""
    if files.pickled:
        return read_pickle(files.weights)
    return dict(read_file(files.weights)), ()


def load_token2wav(files: DecoderFiles, device: str = "cpu") -> Token2Wav:
    """Decoder and vocoder in float32. BaseModelError names weights that are missing or of another shape."""
    weights, others = read_decoder(files)
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    sizes = sizes_of(files, shapes)
    with torch.device("meta"):
        parts: dict[str, nn.Module] = {"token2latent": Token2Latent(sizes.decoder)}
        if sizes.wavegan is not None:
            parts["wavegan"] = BigVGAN(sizes.wavegan)
        model = nn.ModuleDict(parts)
    given = {**implied(sizes.decoder, shapes), **weights}
    known = {name: given[name].to(device, torch.float32) for name in model.state_dict() if name in given}
    load_strict(model, known, files.weights)
    model.eval().requires_grad_(False)
    decoder, wavegan = parts["token2latent"], parts.get("wavegan")
    assert isinstance(decoder, Token2Latent)
    vocoder = wavegan.fold() if isinstance(wavegan, BigVGAN) else None
    dtypes = tuple(sorted({str(weights[name].dtype).removeprefix("torch.") for name in known if name in weights}))
    return Token2Wav(decoder, vocoder, tuple(sorted(set(weights) - set(known))) + others, dtypes)


def implied(sizes: DecoderConfig, shapes: Shapes) -> dict[str, Tensor]:
    """What some checkpoints leave out because it is not learned: a norm without affine, rotary frequencies."""
    head = sizes.hidden // sizes.heads
    made = {
        f"{FLOW}output_layer.norm.weight": torch.ones(sizes.hidden),
        f"{FLOW}output_layer.norm.bias": torch.zeros(sizes.hidden),
    }
    frequencies = 1.0 / sizes.rope_theta ** (torch.arange(0, head, 2).float() / head)
    made |= {f"{FLOW}blocks.{i}.attn.rotary.inv_freq": frequencies for i in range(sizes.blocks)}
    return {name: tensor for name, tensor in made.items() if name not in shapes}


def sizes_of(files: DecoderFiles, shapes: Shapes) -> Sizes:
    """What the configuration says, and where it is silent what the weights show."""
    data = {} if files.config is None else read_json(files.config)
    if files.config is not None and "model" not in data:
        return _own_sizes(data, files.config)
    if files.config is not None:
        _check_switches(data, files.config)
    decoder, wavegan = _decoder_sizes(data, shapes, files.weights), None
    if any(name.startswith(WAVE) for name in shapes):
        wavegan = _wavegan_sizes(data, shapes, files.weights)
    return Sizes(decoder, wavegan)


def own_config(sizes: Sizes) -> dict[str, Any]:
    """The config.json of a token2wav folder that says these sizes."""
    wavegan = {} if sizes.wavegan is None else {"wavegan": asdict(sizes.wavegan)}
    return asdict(sizes.decoder) | wavegan


def _own_sizes(data: dict[str, Any], file: Path) -> Sizes:
    wave = data.pop("wavegan", None)
    unknown = sorted(set(data) - {f.name for f in fields(DecoderConfig)})
    if unknown:
        raise BaseModelError(f'{file} has the unknown key "{unknown[0]}".', REMEDY)
    if wave is not None:
        plain = {k: _tuples(v) for k, v in wave.items()}
        return Sizes(DecoderConfig(**data), BigVGANConfig(**plain))
    return Sizes(DecoderConfig(**data), None)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _decoder_sizes(data: dict[str, Any], shapes: Shapes, where: Path) -> DecoderConfig:
    def size(name: str, dim: int) -> int:
        return _size(shapes, FLOW + name, dim, where)

    hidden = size("token_proj.0.weight", 0)
    seen: dict[str, Any] = {
        "num_codes": size("token_embedding.weight", 0),
        "token_dim": size("token_embedding.weight", 1),
        "hidden": hidden,
        "ffn": size("blocks.0.ffn.fc1.weight", 0),
        "blocks": _count(shapes, rf"{FLOW}blocks\.(\d+)\."),
        "latents": size("output_layer.linear.weight", 0),
        "speaker_dim": size("cond_proj.weight", 1) - hidden,
        "conv_kernel": size("conv_embed.conv.weight", 2),
        "conv_groups": hidden // size("conv_embed.conv.weight", 1),
        "time_dim": size("time_embedder.mlp.0.weight", 1),
    }
    frequencies = shapes.get(f"{FLOW}blocks.0.attn.rotary.inv_freq")
    if frequencies:
        seen["heads"] = max(1, hidden // (2 * frequencies[0]))
    said = {
        "num_codes": "model.token2latent.token_vocab_size",
        "token_dim": "model.token2latent.token_input_dim",
        "hidden": "model.token2latent.transformer.hidden_size",
        "ffn": "model.token2latent.transformer.ffn_hidden_size",
        "heads": "model.token2latent.transformer.num_heads",
        "blocks": "model.token2latent.transformer.num_layers",
        "latents": "model.token2latent.z_dim",
        "speaker_dim": "model.token2latent.spkr_embed_dim",
        "grid_points": "inference.s_steps",
        "guidance": "inference.cfg_alpha",
    }
    stated = {key: value for key, path in said.items() if (value := _at(data, path)) is not None}
    if "heads" not in seen | stated:
        raise BaseModelError(f"{where} does not show how many heads the decoder has.", "Put its configuration beside it.")
    return DecoderConfig(**{**RELEASED_SAMPLER, **seen, **stated})


def _wavegan_sizes(data: dict[str, Any], shapes: Shapes, where: Path) -> BigVGANConfig:
    def size(name: str, dim: int) -> int:
        return _size(shapes, WAVE + name, dim, where)

    ups = _count(shapes, rf"{WAVE}ups\.(\d+)\.")
    stacks = _count(shapes, rf"{WAVE}resblocks\.(\d+)\.") // max(1, ups)
    seen = BigVGANConfig(
        latents=size("conv_pre.weight_v", 1),
        channels=size("conv_pre.weight_v", 0),
        rates=tuple(size(f"ups.{i}.0.weight_v", 2) // 2 for i in range(ups)),
        kernels=tuple(size(f"resblocks.{j}.convs1.0.weight_v", 2) for j in range(stacks)),
        dilations=(USUAL_DILATIONS,) * stacks,
    )
    said = {
        "latents": "latent_dim",
        "channels": "upsample_initial_channel",
        "rates": "upsample_rates",
        "kernels": "resblock_kernel_sizes",
        "dilations": "resblock_dilation_sizes",
    }
    stated = {key: _tuples(v) for key, name in said.items() if (v := _at(data, f"model.wavegan.{name}")) is not None}
    return replace(seen, **stated)


def _size(shapes: Shapes, name: str, dim: int, where: Path) -> int:
    found = shapes.get(name)
    if found is None or len(found) <= dim:
        raise BaseModelError(f"{where} has no {name}{'' if found is None else ' of the right shape'}.", REMEDY)
    return found[dim]


def _count(shapes: Shapes, pattern: str) -> int:
    return 1 + max((int(m[1]) for name in shapes if (m := re.match(pattern, name))), default=-1)


def _at(data: dict[str, Any], path: str) -> Any:
    value: Any = data
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _check_switches(data: dict[str, Any], file: Path) -> None:
    for path, wanted in SWITCHES.items():
        value = _at(data, f"model.{path}")
        if value is not None and value != wanted:
            raise BaseModelError(f'"model.{path}" in {file} is {value!r}; only {wanted!r} is supported.', "Use a released model.")
    rates, kernels = (_at(data, f"model.wavegan.upsample_{name}") for name in ("rates", "kernel_sizes"))
    if rates and kernels and kernels != [2 * rate for rate in rates]:
        raise BaseModelError(f'"upsample_kernel_sizes" in {file} are not twice "upsample_rates".', "Use a released model.")
