"""How good a tokenizer and its decoder are: `python -m recipes.nano.token_quality --model DIR --features DIR [--heard]`.

For each test set: frames whose phoneme is read wrongly off the tokens, melody (semitones and correlation where both are voiced),
codes used, and with --heard the words and letters that Whisper mishears. With --swap every clip is said in another test voice,
and `leak` is how far the result's mean envelope lies from that voice towards the clip's own (0: not at all, 1: no conversion).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recipes.nano.heard import embedded_judge, through, wrong
from recipes.nano.natural_sets import TESTS
from recipes.nano.phone_times import phones_beside
from recipes.nano.phones import PHONES, SILENCE, UNKNOWN
from recipes.nano.phonetic import Phonetic, describe
from recipes.nano.speech_features import Speech, load_speech
from voicekit.covo.decoder import Token2Latent
from voicekit.covo.features import speaker_vector
from voicekit.covo.layout import MOMENTS
from voicekit.covo.synthesis import Moments, Synthesis
from voicekit.covo.vocoder import LOG_F0, NUM_ENVELOPE, VOICING
from voicekit.records import FloatArray, IntArray, VoicePrompt

LONGEST_TOKENS = 1000  # are decoded at once: longer than any clip
SEMITONES = 12 / np.log(2)


@dataclass(frozen=True, eq=False)
class Said:
    """A clip through the tokens: codes [N], code vectors [1, N, C], raw latents [4N, 64]."""

    codes: np.ndarray
    vectors: torch.Tensor
    latents: FloatArray


@dataclass(frozen=True, eq=False)
class Pair:
    """A tokenizer, and the decoder that was trained on its tokens later, if there is one."""

    tokenizer: Phonetic
    decoder: Synthesis | None = None


@torch.inference_mode()
def say(pair: Pair, clip: Speech, voice: FloatArray | None = None, *, quantised: bool = True) -> Said:
    """In the clip's own voice, or that of other raw latents [M, 64]."""
    model = pair.tokenizer
    vectors = model.unquantised(clip.frames, clip.latents)
    codes = model.codebook.nearest(vectors)
    if quantised:
        vectors = model.codebook.vectors[codes]
    voice = clip.latents.astype(np.float32) if voice is None else voice
    ids = codes[0].numpy()
    said = decoded(pair.decoder, ids, voice) if pair.decoder else model.decode_vectors(vectors, describe(voice))
    return Said(ids, vectors, said)


def load_decoder(folder: Path) -> Synthesis:
    """nano's decoder as `recipes.nano.decoder` leaves it."""
    return Synthesis(Token2Latent.load(folder), Moments.load(folder / MOMENTS), LONGEST_TOKENS)


def decoded(decoder: Synthesis, codes: IntArray, voice: FloatArray) -> FloatArray:
    """Raw latents [4N, 64] of codes [N] in the voice of raw latents [M, 64], without known prefix."""
    sizes = decoder.decoder.config
    speaker = speaker_vector(decoder.moments.normalise(voice), with_pitch=sizes.speaker_pitch)
    nothing = VoicePrompt(np.zeros(0, np.int64), np.zeros((0, sizes.latents), np.float32), speaker)
    return decoder.moments.denormalise(decoder.latents(codes, nothing))


def melody_errors(said: FloatArray, wanted: FloatArray) -> tuple[float, float, float]:
    """Mean absolute error in semitones and correlation where both are voiced, and the share of frames voiced wrongly."""
    ours, theirs = said[:, VOICING] > 0.5, wanted[:, VOICING] > 0.5
    both = ours & theirs
    ours_f0, theirs_f0 = said[both, LOG_F0], wanted[both, LOG_F0]
    return (
        float(np.abs(ours_f0 - theirs_f0).mean() * SEMITONES),
        float(np.corrcoef(ours_f0, theirs_f0)[0, 1]),
        float((ours != theirs).mean()),
    )


@torch.inference_mode()
def phone_errors(model: Phonetic, vectors: torch.Tensor, labels: np.ndarray) -> tuple[int, int]:
    """Frames read wrongly and frames known, silence left out."""
    logits = model.phones(model.read(vectors))[0].reshape(-1, len(PHONES))
    known = (labels != UNKNOWN) & (labels != SILENCE)
    return int((logits.argmax(-1).numpy() != labels)[known].sum()), int(known.sum())


def report(pair: Pair, clips: Sequence[Speech], labels: np.ndarray, *, quantised: bool = True) -> str:
    """One line of numbers of a set."""
    missed, melodies, codes, start = np.zeros(2, int), [], [], 0
    for clip in clips:
        found = say(pair, clip, quantised=quantised)
        missed += phone_errors(pair.tokenizer, found.vectors, labels[start : start + len(clip.frames)])
        start += len(clip.frames)
        melodies.append(melody_errors(found.latents, clip.latents.astype(np.float32)))
        codes.append(found.codes)
    semitones, correlation, voicing = np.nanmean(np.array(melodies), 0)
    shares = np.bincount(np.concatenate(codes)) / sum(map(len, codes))
    entropy = -(shares[shares > 0] * np.log2(shares[shares > 0])).sum()
    return (
        f"phonemes {missed[0] / missed[1]:.3f} wrong, F0 {semitones:.2f} semitones off, correlation {correlation:.2f}, "
        f"voicing {voicing:.3f} wrong, {(shares > 0).sum()} codes in {sum(map(len, codes))} tokens, {entropy:.1f} bits"
    )


def way_of(pair: Pair, *, quantised: bool) -> Callable[[Speech], FloatArray]:
    """A clip's latents through the tokens, in its own voice."""
    return lambda clip: say(pair, clip, quantised=quantised).latents


def swapped(clips: Sequence[Speech]) -> dict[str, FloatArray]:
    """By voice: the raw latents of the voice that its clips are said in instead, the next by name."""
    voices = sorted({clip.row["voice"] for clip in clips})
    latents = [np.concatenate([c.latents for c in clips if c.row["voice"] == v]).astype(np.float32) for v in voices]
    return {voice: latents[(place + 1) % len(voices)] for place, voice in enumerate(voices)}


def swapped_way(pair: Pair, others: dict[str, FloatArray]) -> Callable[[Speech], FloatArray]:
    """A clip's latents through the tokens, in the voice that it is given."""
    return lambda clip: say(pair, clip, others[clip.row["voice"]]).latents


def leak(pair: Pair, clips: Sequence[Speech], others: dict[str, FloatArray]) -> float:
    """Mean over clips of the share of the way from the other voice's mean envelope back to the clip's own."""
    shares = []
    for clip in clips:
        wanted = others[clip.row["voice"]]
        other, own, found = (describe(x) for x in (wanted, clip.latents, say(pair, clip, wanted).latents))
        away = (own - other)[:NUM_ENVELOPE]
        shares.append(float((found - other)[:NUM_ENVELOPE] @ away / (away @ away)))
    return float(np.mean(shares))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--decoder", type=Path, help="token2wav folder of recipes.nano.decoder; the model's own by default")
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--heard", action="store_true", help="have Whisper hear the clips")
    parser.add_argument("--log", type=Path, help="a folder for what was said and what was heard")
    parser.add_argument("--quick", action="store_true", help="several clips at once are heard: four times as fast, for choosing")
    parser.add_argument("--swap", action="store_true", help="say every clip in another test voice")
    parser.add_argument("--unquantised", action="store_true", help="leave the VQ layer out")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    pair = Pair(Phonetic.load(chosen.model), load_decoder(chosen.decoder) if chosen.decoder else None)
    judge = embedded_judge() if chosen.heard else None
    others = swapped([clip for name in TESTS for clip in load_speech(chosen.features / name)])
    for name in TESTS:
        folder = chosen.features / name
        clips = load_speech(folder)
        labels = np.concatenate([np.load(phones_beside(path)) for path in sorted(folder.glob("speech_*.npz"))])
        line = report(pair, clips, labels, quantised=not chosen.unquantised)
        way = way_of(pair, quantised=not chosen.unquantised)
        if chosen.swap:
            line = f"leak {leak(pair, clips, others):.2f}"
            way = swapped_way(pair, others)
        if judge:
            pairs = through(clips, way, judge, together=chosen.quick)
            words, letters = wrong(pairs)
            if chosen.log:
                chosen.log.mkdir(parents=True, exist_ok=True)
                (chosen.log / f"{name}.txt").write_text("".join(f"{a}\n{b}\n\n" for a, b in pairs), encoding="utf-8")
            line = f"words {words:.3f} wrong, letters {letters:.3f}; {line}"
        print(f"{name}: {line}", flush=True)


if __name__ == "__main__":
    main()
