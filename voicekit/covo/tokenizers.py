"""The speech tokenizer of a base, of whichever kind its config.json says."""

from __future__ import annotations

import json
from pathlib import Path

from transformers.models.whisper.modeling_whisper import WhisperEncoder

from voicekit.covo import distilled_tokenizer, phonetic_tokenizer
from voicekit.covo.distilled_tokenizer import DistilledTokenizer
from voicekit.covo.phonetic_tokenizer import PhoneticTokenizer
from voicekit.covo.speech_tokenizer import SpeechTokenizer

AnyTokenizer = SpeechTokenizer | DistilledTokenizer | PhoneticTokenizer


def load_tokenizer(folder: Path, audio_encoder: WhisperEncoder, device: str = "cpu") -> AnyTokenizer:
    """`audio_encoder` is the base's, through which a phonetic tokenizer hears."""
    match json.loads((folder / "config.json").read_text()).get("kind"):
        case distilled_tokenizer.KIND:
            return DistilledTokenizer.load(folder, device)
        case phonetic_tokenizer.KIND:
            return PhoneticTokenizer.load(folder, audio_encoder, device)
        case _:
            return SpeechTokenizer.load(folder, device)
