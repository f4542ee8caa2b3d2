"""How good a tokenizer and its decoder are: `python -m recipes.nano.token_quality --model DIR --features DIR [--whisper DIR]`.

For each test set: frames whose phoneme is read wrongly off the tokens, melody (semitones and correlation where both are voiced),
codes used, and with --whisper the words and letters that Whisper mishears.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recipes.nano.heard import TESTS, Judge, through, wrong
from recipes.nano.phone_times import phones_beside
from recipes.nano.phones import PHONES, SILENCE, UNKNOWN
from recipes.nano.phonetic import Phonetic, describe, melody_of
from recipes.nano.speech_features import Speech, load_speech
from voicekit.covo.vocoder import LOG_F0, VOICING
from voicekit.records import FloatArray

SEMITONES = 12 / np.log(2)


@dataclass(frozen=True, eq=False)
class Said:
    """A clip through the tokens: codes [N], code vectors [1, N, C], raw latents [4N, 64]."""

    codes: np.ndarray
    vectors: torch.Tensor
    latents: FloatArray


@torch.inference_mode()
def say(model: Phonetic, clip: Speech, speaker: FloatArray | None = None, *, quantised: bool = True) -> Said:
    """In the clip's own voice, or another's (raw description [125])."""
    latents = clip.latents.astype(np.float32)
    melody = torch.from_numpy(melody_of(latents)).to(model.from_melody.weight)[None]
    vectors = model.vectors(model.normal_frames(torch.from_numpy(clip.frames.astype(np.float32))[None]), melody)
    codes = model.codebook.nearest(vectors)
    if quantised:
        vectors = model.codebook.vectors[codes]
    return Said(codes[0].numpy(), vectors, model.decode_vectors(vectors, describe(latents) if speaker is None else speaker))


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


def report(model: Phonetic, clips: Sequence[Speech], labels: np.ndarray, *, quantised: bool = True) -> str:
    """One line of numbers of a set."""
    missed, melodies, codes, start = np.zeros(2, int), [], [], 0
    for clip in clips:
        found = say(model, clip, quantised=quantised)
        missed += phone_errors(model, found.vectors, labels[start : start + len(clip.frames)])
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


def way_of(model: Phonetic, *, quantised: bool) -> Callable[[Speech], FloatArray]:
    return lambda clip: say(model, clip, quantised=quantised).latents


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--whisper", type=Path, help="folder of a Whisper for faster-whisper")
    parser.add_argument("--quick", action="store_true", help="several clips at once are heard: four times as fast, for choosing")
    parser.add_argument("--unquantised", action="store_true", help="leave the VQ layer out")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    model = Phonetic.load(chosen.model)
    judge = Judge(chosen.whisper) if chosen.whisper else None
    for name in TESTS:
        folder = chosen.features / name
        clips = load_speech(folder)
        labels = np.concatenate([np.load(phones_beside(path)) for path in sorted(folder.glob("speech_*.npz"))])
        line = report(model, clips, labels, quantised=not chosen.unquantised)
        if judge:
            words, letters = wrong(through(clips, way_of(model, quantised=not chosen.unquantised), judge, together=chosen.quick))
            line = f"words {words:.3f} wrong, letters {letters:.3f}; {line}"
        print(f"{name}: {line}", flush=True)


if __name__ == "__main__":
    main()
