"""Looking at a base directory without loading the chat model: what is there, how large, and what a missing part costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import prod
from pathlib import Path

import torch

from voicekit.covo.chat import empty_chat
from voicekit.covo.checkpoint import Stored, check_fit, stored, stored_in
from voicekit.covo.config import REMEDY, ChatConfig, first_line, read_chat_config, read_json
from voicekit.covo.layout import (
    MOMENTS,
    NUMBERS,
    PROMPT_EXTRACTOR,
    PROMPTS,
    SPEECH_TOKENIZER,
    card_of,
    decoder_files,
    is_released,
)
from voicekit.covo.material import QUESTIONS, REHEARSAL, read_material
from voicekit.covo.synthesis import Moments
from voicekit.covo.text import TextTokenizer, prompt_format
from voicekit.covo.token2wav import Token2Wav, load_token2wav
from voicekit.errors import BaseModelError, IntegrityError
from voicekit.results import BasePart, BaseReport
from voicekit.storage import read_prompt

NOT_RELEASED = "The release does not contain it."


def examine(folder: Path) -> BaseReport:
    """Every part of the base in `folder`. BaseModelError if it is no base at all."""
    if not folder.is_dir():
        raise BaseModelError(f"There is no base directory {folder}.", "Give the folder of a base model.")
    card, config = card_of(folder), read_chat_config(folder)
    parts = [
        _part("chat model", lambda: _chat(folder, config)),
        _text_tokenizer(folder, config),
        _speech_tokenizer(folder, config),
        *_decoder(folder, config),
        _prompt_extractor(folder),
        _prompts(folder),
        _material(folder, config),
    ]
    return BaseReport(folder, card.name, card.licence, "released" if is_released(folder) else "voicekit", tuple(parts))


def _part(name: str, look: Callable[[], BasePart]) -> BasePart:
    """A part that is there but cannot be used is said in its own words."""
    try:
        return look()
    except BaseModelError as error:
        return BasePart(name, there=True, fault=error.problem, remedy=error.remedy)
    except IntegrityError as error:  # its remedy is for a voice's files
        return BasePart(name, there=True, fault=error.problem, remedy=REMEDY)
    except Exception as error:  # whatever a library says of what nobody foresaw in a file
        return BasePart(name, there=True, fault=f"It cannot be used: {first_line(error)}.", remedy=REMEDY)


def _weights(name: str, held: dict[str, Stored], **sizes: int) -> BasePart:
    numbers = Counter[str]()
    for tensor in held.values():
        numbers[str(tensor.dtype).removeprefix("torch.")] += tensor.numel
    size_bytes = sum(tensor.stop - tensor.start for tensor in held.values())
    kinds = tuple(kind for kind, _ in numbers.most_common())
    return BasePart(name, there=True, parameters=numbers.total(), size_bytes=size_bytes, dtypes=kinds, sizes=sizes)


def _chat(folder: Path, config: ChatConfig) -> BasePart:
    held = stored(folder)
    model = empty_chat(folder, audio_pad=0, dtype=torch.float32)
    check_fit({name: tensor.shape for name, tensor in held.items()}, model, folder)
    llm, encoder = config.llm, config.encoder
    return _weights(
        "chat model",
        held,
        hidden=config.hidden_size,
        layers=int(llm["num_hidden_layers"]),
        heads=int(llm["num_attention_heads"]),
        kv_heads=int(llm["num_key_value_heads"]),
        text_tokens=config.audio_offset,
        speech_tokens=config.num_codes,
        positions=config.max_positions,
        encoder_width=int(encoder["d_model"]),
        encoder_layers=int(encoder["encoder_layers"]),
        adapter_hidden=model.config.adapter_hidden,
    )


def _text_tokenizer(folder: Path, config: ChatConfig) -> BasePart:
    name, tokenizer = "text tokenizer", TextTokenizer(folder, at_once=False)
    files = tokenizer.files
    if not files:
        return BasePart(name, there=False, means="No text goes in or comes out: no typed question, no reply, no reading.",
                        remedy=f"Put the base's tokenizer.json into {folder}.")  # fmt: skip

    def look() -> BasePart:
        prompt_format(tokenizer, card_of(folder), config)
        return BasePart(name, there=True, size_bytes=sum(f.stat().st_size for f in files), sizes={"tokens": len(tokenizer)})

    return _part(name, look)


def _speech_tokenizer(folder: Path, config: ChatConfig) -> BasePart:
    name, place = "speech tokenizer", folder / SPEECH_TOKENIZER
    if not place.exists():
        return BasePart(name, there=False, means=f"Recordings cannot become tokens: no voice can be made of them. {NOT_RELEASED}",
                        remedy=f"Learn one from the decoder (voicekit base distill-tokenizer {folder}), or put one with "
                               f"{config.num_codes} codes into {place}.")  # fmt: skip
    return _part(name, lambda: _learned(name, place))


def _learned(name: str, place: Path) -> BasePart:
    """A part in a folder of its own, its sizes and its weights."""
    read_json(place / "config.json")
    return replace(_weights(name, stored_in(place / "model.safetensors")), note=_distilled(place))


def _distilled(place: Path) -> str:
    return "Distilled from the decoder; its numbers are in README.md." if (place / NUMBERS).is_file() else ""


def _prompt_extractor(folder: Path) -> BasePart:
    name, place = "prompt extractor", folder / PROMPT_EXTRACTOR
    if place.exists():
        return _part(name, lambda: _learned(name, place))
    if card_of(folder).vocoder == "world":
        return BasePart(name, there=True, note="WORLD analyses recordings; nothing was learned.")
    means = f"Recordings cannot become voice prompts: no voice can be made of them. {NOT_RELEASED}"
    return BasePart(name, there=False, means=means,
                    remedy=f"Learn it from the decoder: voicekit base distill-prompts {folder}.")  # fmt: skip


def _decoder(folder: Path, config: ChatConfig) -> list[BasePart]:
    files = decoder_files(folder)
    if not files.weights.is_file():
        return [BasePart("decoder", there=False, means="Nothing can be heard: replies stay tokens.",
                         remedy=f"Put {files.weights.name} and {MOMENTS} into {files.weights.parent}.")]  # fmt: skip
    opened: list[Token2Wav] = []

    def look() -> BasePart:
        made = load_token2wav(files)
        Moments.load(files.moments)
        if made.decoder.config.num_codes != config.num_codes:
            raise BaseModelError(f"It has {made.decoder.config.num_codes} codes, the chat model {config.num_codes}.")
        opened.append(made)
        return _flow(made, files.weights, files.pickled)

    return [_part("decoder", look), *map(_vocoder, opened)]


def _flow(made: Token2Wav, file: Path, pickled: bool) -> BasePart:
    sizes = made.decoder.config
    note = "A pickle: voicekit base convert makes safetensors of it." if pickled else ""
    return BasePart(
        "decoder", there=True, parameters=sum(p.numel() for p in made.decoder.parameters()), size_bytes=file.stat().st_size,
        dtypes=made.dtypes, note=note, extra=made.extra,
        sizes={"hidden": sizes.hidden, "blocks": sizes.blocks, "heads": sizes.heads, "ffn": sizes.ffn, "codes": sizes.num_codes,
               "latents": sizes.latents, "speaker": sizes.speaker_dim, "grid_points": sizes.grid_points},
    )  # fmt: skip


def _vocoder(made: Token2Wav) -> BasePart:
    if made.wavegan is None:
        return BasePart("vocoder", there=True, note="WORLD: no weights; it analyses recordings too.")
    sizes = made.wavegan.config
    folded = (tensor for name, tensor in made.wavegan.named_buffers() if name.endswith("weight"))
    numbers = sum(p.numel() for p in made.wavegan.parameters()) + sum(weight.numel() for weight in folded)
    return BasePart(
        "vocoder", there=True, parameters=numbers,
        note="BigVGAN: sound of latents alone.",
        sizes={"channels": sizes.channels, "latents": sizes.latents, "samples_per_latent": prod(sizes.rates),
               "look_ahead_latents": made.wavegan.look_ahead_latents},
    )  # fmt: skip


def _prompts(folder: Path) -> BasePart:
    place = folder / PROMPTS
    if not (place / "neutral.safetensors").is_file():
        means = "Decoding needs a voice prompt from the caller; no reply sounds by itself."
        return BasePart("voice prompts", there=False, means=means,
                        remedy=f"Put a prompt (tokens, latents, speaker) at {place / 'neutral.safetensors'}.")  # fmt: skip

    def look() -> BasePart:
        prompts = sorted(place.glob("*.safetensors"))
        for prompt in prompts:
            read_prompt(prompt)
        return BasePart("voice prompts", there=True, sizes={"prompts": len(prompts)})

    return _part("voice prompts", look)


def _material(folder: Path, config: ChatConfig) -> BasePart:
    missing = [name for name in (QUESTIONS, REHEARSAL) if not (folder / name).is_file()]
    if missing:
        means = "A voice's answers are not rehearsed, or measured with the base's own questions."
        return BasePart("material", there=False, means=means,
                        remedy=f"Put {' and '.join(missing)} into {folder}, or give your own questions.")  # fmt: skip

    def look() -> BasePart:
        found = read_material(folder, config.num_codes)
        asked = len(found.train) + len(found.dev) + len(found.test)
        return BasePart("material", there=True, sizes={"questions": asked, "dialogues": len(found.rehearsal)})

    return _part("material", look)
