"""Forced alignment in a hundred languages by Whisper's cross attention, and how well a sound fits a text.

The attention of the decoder's alignment heads says when each token of a given text is spoken (dynamic time warping in
CTranslate2). It knows no pauses, so that the edges of words are drawn back to the speech. Whether the text is said at all is
decided by what Whisper hears itself: attention finds a place for any text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import regex

from voicekit.backends.whisper import RATE_HZ, is_silent, samples_of
from voicekit.evaluate.text import normalized_words
from voicekit.prepare.loudness import STEP_S, Loudness, loudness_of
from voicekit.records import FloatArray, Waveform, Word
from voicekit.verbalization import UNSPACED, primary

_LONGEST_S = 28.0
_TOKEN_S = 0.02
_MOST_TOKENS = 200
_HOP_SAMPLES = 160
_OTHER_CODES = {"nb": "no", "fil": "tl", "iw": "he", "jv": "jw", "cmn": "zh", "yue": "zh"}
_LATE_S = 0.04  # attention moves on to a word before it begins
_NEAR_S = 0.3
_MOVED_S = 0.06
_PAUSE, _LOUDEST_PAUSE, _NOISE = 10**-2.5, 0.1, 2.0
_SPEECH_QUANTILE, _FLOOR_QUANTILE = 0.8, 0.05
_SHORTEST_PAUSE_S = 0.08
_SHORTEST_WORD_S = 0.04
_LEAST_ROOM = 0.4
# Mean log probability of a letter's tokens: words that are said lie above, whether they are heard right or not. After words that
# it has read the decoder believes others that are not said, so that a word that is only likely counts half.
_SURE_WORD, _WIDTH, _LIKELY = -2.0, 0.5, 0.5
# Share of the text that is heard: below the first nothing fits, above the second everything does.
_NOTHING, _ALL = 0.55, 0.82
_BARE = regex.compile(rf"(?<={UNSPACED}) (?={UNSPACED})")


class _Place(NamedTuple):
    """A word's samples begin and end here (seconds), and how likely its tokens are (mean natural logarithm)."""

    start_s: float
    end_s: float
    log_probability: float


class WhisperAligner:
    """An Aligner for every language that the model knows, without those that `others` are asked about.

    `model` is an opened faster_whisper.WhisperModel, which may be shared: several threads may ask at once. Of Chinese, Japanese
    and other text whose words are not spaced each character may be given as a word.
    """

    def __init__(self, model: Any, name: str = "whisper", others: Sequence[str] = ()) -> None:
        self._model = model
        self.name = f"{name} attention"
        known = set(model.supported_languages)
        able = known | {other for other, code in _OTHER_CODES.items() if code in known}
        self.languages = tuple(sorted(able - set(others)))

    def align(self, wave: Waveform, text: str, language: str = "en") -> tuple[tuple[Word, ...], float] | None:
        words = text.split()
        code = self._code(language)
        samples = samples_of(wave)
        if not words or code is None or is_silent(samples):
            return None
        tokenizer = _tokenizer(self._model, code)
        loudness = loudness_of(samples, RATE_HZ)
        blocks = _blocks(samples, loudness)
        encoded = [self._encoded(samples[a:b]) for a, b in blocks]
        heard = [self._heard(block, tokenizer) for block in encoded]
        said = ["".join(normalized_words(word, code)) for word in words]
        found = _matched(said, ["".join(normalized_words(text, code)) for text in heard])
        places: list[_Place] = []
        for number, (start, end) in enumerate(blocks):
            here = [word for word, block in zip(words, found.blocks, strict=True) if block == number]
            placed = self._placed(encoded[number], here, tokenizer, end - start)
            if placed is None:
                return None
            late_s = start / RATE_HZ
            places += [_Place(p.start_s + late_s, p.end_s + late_s, p.log_probability) for p in placed]
        fits = [_fit(p.log_probability, share) for p, share in zip(places, found.shares, strict=True)]
        spans = _drawn_back(words, [(p.start_s, p.end_s) for p in places], loudness, wave.duration_s)
        aligned = tuple(
            Word(word, round(a, 3), round(b, 3), round(fit, 4)) for word, (a, b), fit in zip(words, spans, fits, strict=True)
        )
        return aligned, _match(said, fits, found.extra)

    def detect_language(self, wave: Waveform) -> tuple[str, float]:
        samples = samples_of(wave)[: round(_LONGEST_S * RATE_HZ)]
        if is_silent(samples):
            return "", 0.0
        token, probability = self._model.model.detect_language(self._encoded(samples))[0][0]
        return token.strip("<|>"), float(probability)

    def _code(self, language: str) -> str | None:
        known, code = self._model.supported_languages, primary(language)
        return code if code in known else _OTHER_CODES.get(code) if _OTHER_CODES.get(code) in known else None

    def _encoded(self, samples: FloatArray) -> Any:
        features = self._model.feature_extractor(samples)[:, :-1]
        padded = np.pad(features, ((0, 0), (0, max(0, 3000 - features.shape[1]))))[:, :3000]
        return self._model.encode(padded.astype(np.float32))

    def _heard(self, encoded: Any, tokenizer: Any) -> str:
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        found = self._model.model.generate(
            encoded, [prompt], beam_size=1, max_length=len(prompt) + _MOST_TOKENS, no_repeat_ngram_size=12
        )
        return tokenizer.decode(found[0].sequences_ids[0])

    def _placed(self, encoded: Any, words: Sequence[str], tokenizer: Any, num_samples: int) -> list[_Place] | None:
        """Where words are in a block; None for more words than the model can read at once."""
        if not words:
            return []
        text = _BARE.sub("", " " + " ".join(words))
        found = tokenizer.tokenizer.encode(text, add_special_tokens=False)
        if len(found.ids) > _MOST_TOKENS:
            return None
        frames = max(1, num_samples // _HOP_SAMPLES)
        result = self._model.model.align(encoded, tokenizer.sot_sequence, [found.ids], frames, median_filter_width=7)[0]
        first: dict[int, int] = {}
        for token, frame in result.alignments:
            first.setdefault(token, frame)
        edges_s = [first[i] * _TOKEN_S for i in range(len(found.ids))]
        edges_s.append(first.get(len(found.ids), frames // 2) * _TOKEN_S)
        spans = [(a + (text[a] == " "), b) for a, b in found.offsets]  # the space in front takes no time
        chars = _characters(len(text), spans, edges_s, result.text_token_probs)
        places: list[_Place] = []
        at = 0
        for word in words:
            at = text.index(word, at)
            mine = chars[at : at + len(word)]
            places.append(
                _Place(mine[0].start_s + _LATE_S, mine[-1].end_s + _LATE_S, float(np.mean([c.log_probability for c in mine])))
            )
            at += len(word)
        return places


class _Matched(NamedTuple):
    """Of each word the block it is in and the share of its letters that were heard; letters heard that are in no word."""

    blocks: list[int]
    shares: list[float]
    extra: int


def _tokenizer(model: Any, code: str) -> Any:
    from faster_whisper.tokenizer import Tokenizer

    return Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=code)


def _characters(
    num: int, offsets: Sequence[tuple[int, int]], edges_s: Sequence[float], probabilities: Sequence[float]
) -> list[_Place]:
    """Each character of a text at its share of its token's time; several tokens may be parts of one character."""
    starts, ends, logs = [math.inf] * num, [0.0] * num, [0.0] * num
    for (first, after), (start_s, end_s), probability in zip(offsets, pairwise(edges_s), probabilities, strict=False):
        width_s = (end_s - start_s) / max(after - first, 1)
        for i in range(first, after):
            starts[i] = min(starts[i], start_s + (i - first) * width_s)
            ends[i] = max(ends[i], start_s + (i - first + 1) * width_s)
            logs[i] = min(logs[i], math.log(max(probability, 1e-9)))
    for i in range(num):
        if math.isinf(starts[i]):  # of no token: a space that belongs to the word behind it
            starts[i] = ends[i] = ends[i - 1] if i else 0.0
    return [_Place(*values) for values in zip(starts, ends, logs, strict=True)]


def _blocks(samples: FloatArray, loudness: Loudness) -> list[tuple[int, int]]:
    """Long audio in blocks of at most 28 s, cut where it is quietest in the last ten seconds of one."""
    cuts = [0]
    while len(samples) - cuts[-1] > _LONGEST_S * RATE_HZ:
        last_s = cuts[-1] / RATE_HZ + _LONGEST_S
        cuts.append(round(loudness.quietest(last_s - 10.0, last_s) * RATE_HZ))
    return list(pairwise([*cuts, len(samples)]))


def _matched(said: Sequence[str], heard: Sequence[str]) -> _Matched:
    """Words found in what was heard block by block, letter by letter."""
    from rapidfuzz.distance import Levenshtein

    letters, found = "".join(said), "".join(heard)
    block_of = [number for number, text in enumerate(heard) for _ in text]
    equal = [False] * len(letters)
    place: list[float] = [math.nan] * len(letters)
    extra = 0
    for code in Levenshtein.opcodes(letters, found):
        length = code.src_end - code.src_start
        extra += max(0, code.dest_end - code.dest_start - length)
        for i in range(length):
            equal[code.src_start + i] = code.tag == "equal"
            if code.tag in ("equal", "replace"):
                place[code.src_start + i] = block_of[min(code.dest_start + i, code.dest_end - 1)]
    blocks: list[int] = []
    shares: list[float] = []
    at, latest = 0, 0
    for word in said:
        own = [p for p in place[at : at + len(word)] if not math.isnan(p)]
        latest = max(latest, int(np.median(own))) if own else latest
        blocks.append(latest)
        shares.append(sum(equal[at : at + len(word)]) / max(len(word), 1) if word else 1.0)
        at += len(word)
    return _Matched(blocks, shares, extra)


def _fit(log_probability: float, share: float) -> float:
    """0..1: whether a word is said, of whose letters a share was heard."""
    likely = 1.0 / (1.0 + math.exp(min((_SURE_WORD - log_probability) / _WIDTH, 50.0)))
    return share + (1.0 - share) * _LIKELY * likely


def _match(said: Sequence[str], fits: Sequence[float], extra: int) -> float:
    weights = [max(len(word), 1) for word in said]
    share = sum(w * f for w, f in zip(weights, fits, strict=True)) / (sum(weights) + extra)
    return round(min(max((share - _NOTHING) / (_ALL - _NOTHING), 0.0), 1.0), 4)


def _drawn_back(
    words: Sequence[str], spans: Sequence[tuple[float, float]], loudness: Loudness, duration_s: float
) -> list[tuple[float, float]]:
    """Word edges moved out of pauses; between words without one, to the quietest point near by."""
    guesses_s = [spans[0][0], *(start_s for start_s, _ in spans[1:]), spans[-1][1]]
    letter_s = (guesses_s[-1] - guesses_s[0]) / max(sum(map(len, words)), 1)
    pauses: dict[int, tuple[float, float]] = {}
    for pause in _pauses(loudness):
        nearest = min(range(len(guesses_s)), key=lambda i: _distance(guesses_s[i], pause))
        # Attention moves on early: a word without room for itself in front of a pause stands behind it.
        while nearest > 0 and pause[0] - guesses_s[nearest - 1] < _LEAST_ROOM * letter_s * len(words[nearest - 1]):
            nearest -= 1
        longest = pauses.get(nearest, (0.0, 0.0))
        if _distance(guesses_s[nearest], pause) <= _NEAR_S and pause[1] - pause[0] > longest[1] - longest[0]:
            pauses[nearest] = pause
    edges: list[tuple[float, float]] = []
    for i, guess_s in enumerate(guesses_s):
        edge_s = loudness.quietest(guess_s - _MOVED_S, guess_s + _MOVED_S) if 0 < i < len(spans) else guess_s
        end_s, start_s = pauses.get(i, (edge_s, edge_s))
        latest_s = edges[-1][1] if edges else 0.0
        edges.append((min(max(end_s, latest_s), duration_s), min(max(start_s, latest_s), duration_s)))
    return _with_room(words, edges, pauses)


def _with_room(
    words: Sequence[str], edges: list[tuple[float, float]], pauses: Mapping[int, tuple[float, float]]
) -> list[tuple[float, float]]:
    """The words between their edges; one of hardly any length shares that of a neighbour from which no pause parts it."""
    for i in range(len(words)):
        if edges[i + 1][0] - edges[i][1] >= _SHORTEST_WORD_S:
            continue
        first = i if i + 1 < len(words) and i + 1 not in pauses else i - 1
        if first < 0 or first + 1 in pauses:
            continue
        share = len(words[first]) / (len(words[first]) + len(words[first + 1]))
        start_s, end_s = edges[first][1], edges[first + 2][0]
        between_s = start_s + share * (end_s - start_s)
        edges[first + 1] = (between_s, between_s)
    return [(before[1], behind[0]) for before, behind in pairwise(edges)]


def _distance(time_s: float, span: tuple[float, float]) -> float:
    return max(0.0, span[0] - time_s, time_s - span[1])


def _pauses(loudness: Loudness) -> list[tuple[float, float]]:
    """Stretches that are 25 dB below the speech, or as quiet as the noise where that is louder."""
    powers = loudness.powers
    loud, floor = float(np.quantile(powers, _SPEECH_QUANTILE)), float(np.quantile(powers, _FLOOR_QUANTILE))
    quiet = powers <= max(_PAUSE * loud, min(_NOISE * floor, _LOUDEST_PAUSE * loud))
    changes = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]])))
    spans = [(int(a) * STEP_S, int(b) * STEP_S) for a, b in zip(changes[::2], changes[1::2], strict=True)]
    return [(a, b) for a, b in spans if b - a >= _SHORTEST_PAUSE_S]
