"""Where the parts of a base lie: in voicekit's own layout, and in the released one, which has no card.

Released: config.json, *.safetensors and token2wav/{model.pt, global_mean_var.npy}; the decoder's files may also lie beside
config.json, and its configuration (the release's own, with `model` and `inference`) may lie with either.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from voicekit.covo.config import CARD, Card, read_card
from voicekit.covo.sampling import Sampling

TOKEN2WAV = "token2wav"
PICKLED, CONVERTED = "model.pt", "model.safetensors"
MOMENTS = "global_mean_var.npy"
SPEECH_TOKENIZER, PROMPTS, PROMPT_EXTRACTOR = "speech_tokenizer", "voice_prompts", "prompt_extractor"
# Beside a part that was learned from the decoder: what was measured of it.
NUMBERS = "distilled.json"

# What the released folder does not say of itself (README, example and report of the release).
RELEASED = Card(
    name="covo-audio",
    licence="License Terms of Covo-Audio (Tencent): academic use only, no commercial or production use",
    languages=("zh", "en"),
    speakers=("default_female",),
    default_speaker="default_female",
    vocoder="bigvgan",
    decoder_window_tokens=1024,
    sampling=Sampling(
        temperature=0.5, top_k=50, top_p=0.9, greedy_text=False, repetition_penalty=1.05, repetition_window=8
    ),
    released=True,
)  # fmt: skip


@dataclass(frozen=True)
class DecoderFiles:
    """`config` is None where the weights alone must say the sizes, which only a released model.pt may do."""

    weights: Path
    moments: Path
    config: Path | None

    @property
    def pickled(self) -> bool:
        return self.weights.suffix == ".pt"


def token2wav_in(place: Path, base: Path | None = None) -> DecoderFiles:
    """The decoder's files in `place`, with what may lie in the `base` folder instead. Not all of them need to be there."""
    if (place / CONVERTED).is_file() and place != base:
        return DecoderFiles(place / CONVERTED, place / MOMENTS, place / "config.json")
    places = [place] if base is None else [place, base]
    known = [folder / "token2wav_config.json" for folder in places]
    config = next((file for file in [*([] if place == base else [place / "config.json"]), *known] if file.is_file()), None)
    moments = next((folder / MOMENTS for folder in places if (folder / MOMENTS).is_file()), place / MOMENTS)
    return DecoderFiles(place / PICKLED, moments, config)


def decoder_files(folder: Path) -> DecoderFiles:
    """The decoder's files of the base in `folder`."""
    below = folder / TOKEN2WAV
    flat = not (below / CONVERTED).is_file() and not (below / PICKLED).is_file() and (folder / PICKLED).is_file()
    return token2wav_in(folder if flat else below, folder)


def is_released(folder: Path) -> bool:
    """No card, and nothing of voicekit's own layout that a card would belong to (a part put beside a model.pt is welcome)."""
    if (folder / CARD).is_file():
        return False
    files = decoder_files(folder)
    own = (folder / SPEECH_TOKENIZER, folder / PROMPT_EXTRACTOR, folder / PROMPTS, folder / TOKEN2WAV / CONVERTED)
    return (files.pickled and files.weights.is_file()) or not any(part.exists() for part in own)


def card_of(folder: Path) -> Card:
    """base.json, or what is known of the released model."""
    return RELEASED if is_released(folder) else read_card(folder)
