"""How good a tokenizer is: tokens given back, the speaker left in them, what is still understood after two round trips."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from voicekit.covo.distillation.pairs import PAIR_TOKENS, Pair, Source, decoded, one_pair
from voicekit.covo.distillation.sequences import Spoken
from voicekit.evaluate import statistics
from voicekit.evaluate.run import language_of
from voicekit.evaluate.text import text_errors, word_errors
from voicekit.ports import Transcriber
from voicekit.records import FloatArray, IntArray, Metric, VoicePrompt, Waveform
from voicekit.timebase import MODEL_RATE_HZ

Tokenize = Callable[[FloatArray], IntArray]
PROBE_FOLDS = 2
RIDGE = 1.0


def accuracy(tokenize: Tokenize, pairs: Sequence[Pair], seed: int) -> Metric:
    """The share of tokens given back exactly."""
    hits = [float((tokenize(pair.wave) == pair.tokens).sum()) for pair in pairs]
    return statistics.rate(hits, [len(pair.tokens) for pair in pairs], seed)


def held_out_pairs(source: Source, voices: Sequence[int], count: int) -> list[Pair]:
    """`count` pairs as they were decoded, in these voices of the source, in turn."""
    chosen = [source.voices[i] for i in voices]
    only = Source(source.synthesis, source.spoken, chosen, 0, source.seed + 1)
    return [one_pair(only, number) for number in range(count)]


def same_words(source: Source, voices: Sequence[int], sequences: int) -> list[list[FloatArray]]:
    """The same `sequences` token sequences decoded in each of these voices: sound [voice][sequence]."""
    rng = np.random.default_rng((source.seed, 7))
    said = [_long(source.spoken, rng) for _ in range(sequences)]
    return [[decoded(source.synthesis, codes, source.voices[i], n)[0] for n, codes in enumerate(said)] for i in voices]


def speaker_leakage(tokenize: Tokenize, sounds: Sequence[Sequence[FloatArray]], num_codes: int) -> Metric:
    """How often a linear probe tells from a sequence's tokens alone in which of the voices it was decoded.

    Every voice says the same, so the true tokens say nothing: the probe is then right once in `len(sounds)` times. It sees roots
    of token counts and is asked of sequences that it was not fitted on.
    """
    voices, sequences = len(sounds), len(sounds[0])
    features = np.zeros((voices, sequences, num_codes))
    for v, row in enumerate(sounds):
        for s, samples in enumerate(row):
            features[v, s] = np.sqrt(np.bincount(tokenize(samples), minlength=num_codes)[:num_codes])
    features -= features.mean(axis=0, keepdims=True)  # what a sequence says is no cue
    hits: list[bool] = []
    for fold in range(PROBE_FOLDS):
        tested = np.arange(sequences) % PROBE_FOLDS == fold
        known = features[:, ~tested].reshape(-1, num_codes)
        wanted = np.repeat(np.eye(voices), int((~tested).sum()), axis=0) - 1 / voices
        # Ridge regression in its dual form: there are fewer sequences than codes.
        weights = known.T @ np.linalg.solve(known @ known.T + RIDGE * np.eye(len(known)), wanted)
        guessed = (features[:, tested] @ weights).argmax(-1)
        hits += (guessed == np.arange(voices)[:, None]).ravel().tolist()
    return statistics.share(hits)


def round_trip(
    tokenize: Tokenize, source: Source, voice: VoicePrompt, judge: Transcriber, languages: Sequence[str], count: int
) -> tuple[Metric, Metric]:
    """(WER of decoded tokens, WER after decoding, tokenizing and decoding once more), by the judge, of spoken texts."""
    said = [s for s in source.spoken if s.text][:count]
    once, twice, words = [], [], []
    for spoken in said:
        sound = decoded(source.synthesis, spoken.codes, voice)[0]
        again = decoded(source.synthesis, tokenize(sound), voice)[0]
        language = language_of(spoken.text, languages)
        errors, number = word_errors(spoken.text, judge.transcribe(_wave(sound), language), language)
        once.append(float(errors))
        twice.append(float(word_errors(spoken.text, judge.transcribe(_wave(again), language), language)[0]))
        words.append(float(number))
    return statistics.rate(once, words, source.seed), statistics.rate(twice, words, source.seed)


def reader_error(read: Callable[[IntArray], str], spoken: Sequence[Spoken], seed: int) -> Metric:
    """Character error rate of what a reader makes of tokens whose words are known. A voice's answers are chosen by it."""
    said = [s for s in spoken if s.text]
    errors = [text_errors(s.text, read(s.codes)) for s in said]
    return statistics.rate([e.character_errors for e in errors], [e.num_characters for e in errors], seed)


def _wave(samples: FloatArray) -> Waveform:
    return Waveform(samples[None], MODEL_RATE_HZ)


def _long(spoken: Sequence[Spoken], rng: np.random.Generator) -> IntArray:
    parts: list[IntArray] = []
    while sum(len(part) for part in parts) < PAIR_TOKENS:
        parts.append(spoken[int(rng.integers(len(spoken)))].codes)
    return np.concatenate(parts)[:PAIR_TOKENS]
