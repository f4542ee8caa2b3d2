"""A judge of intelligibility that is no part of any base: pocketsphinx with its bundled US English acoustic model.

General speech uses its bundled language model. For replies of a small base that model is a poor judge, so a small one is made
from given sentences: every word of them may follow any other, but what the sentences say is likelier (`language_model`).
Measured on replies of nano's world read by flite's slt and rms: 2 % of the words wrong instead of 16 to 23 %, at 16 times real
time instead of 3. Of 24 words swapped for others in known sentences it heard 19 and "corrected" 1. In loud noise, and from
synthesisers that build speech of formants (espeak), it understands little in either way: put a ceiling beside its numbers.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soxr

from voicekit.backends.helpers import Anywhere, serve
from voicekit.backends.pronounce import guess
from voicekit.errors import LanguageError
from voicekit.evaluate.text import spoken_words
from voicekit.prepare.spoken import primary
from voicekit.records import FloatArray, Heard, Waveform, Word

_RATE_HZ = 16_000
_PEAK = 0.5
_MARGIN_SAMPLES = _RATE_HZ // 5
_SHORTEST_S = 0.1
_LONGEST_SAMPLES = 30 * _RATE_HZ
_FRAME_S = 0.01
_FILLERS = "<[+"
_SILENCE = 1e-4
_DISCOUNT = 0.8
_UNIFORM = 0.5
_OPTIONS = {"cmn": "batch", "loglevel": "FATAL", "samprate": _RATE_HZ}
_FOREIGN = re.compile(r"[^a-z']")


class PocketsphinxJudge:
    """A `Transcriber` for English. Deterministic; what it heard before does not matter. Asked by several threads at once, it
    works in up to `processes` of their own.

    `sentences`: the only words it knows are theirs; () means general speech. Words that are not in the pronouncing
    dictionary are pronounced by guess (voicekit.backends.pronounce).
    """

    def __init__(self, sentences: Sequence[str] = (), processes: int = 1) -> None:
        said = [words for words in (_words(s) for s in sentences) if words]
        self.name = f"pocketsphinx {version('pocketsphinx')} en-us"
        self._knows: Knows | None = None
        if said:
            known = {word for words in said for word in words}
            self.name += f", {len(known)} words"
            self._knows = Knows(language_model(said), _lexicon(known))
        self._listener = Anywhere(__name__, processes, lambda: Listener().hear)

    def transcribe(self, wave: Waveform) -> str:
        """Lower-case words separated by single spaces; "" for silence and for less than 0.1 s of audio."""
        return self.hear(wave).text

    def hear(self, wave: Waveform, language: str | None = None) -> Heard:
        """The same with the time of every word; it hears every language as English, so another one is refused."""
        if language is not None and primary(language) != "en":
            raise LanguageError(
                f"The embedded transcriber hears English, not {language!r}.",
                "Give a script, or fetch a model that knows the language: voicekit models list.",
            )
        samples = np.asarray(soxr.resample(wave.mono(), wave.sample_rate_hz, _RATE_HZ), np.float32)
        peak = float(np.abs(samples).max()) if len(samples) else 0.0
        if peak < _SILENCE or wave.duration_s < _SHORTEST_S:
            return Heard("", language="en")
        return self._listener.ask(samples, wave.duration_s, self._knows)


class Knows(NamedTuple):
    """Which words follow each other (ARPA) and how they sound (as the CMU dictionary says it)."""

    language_model: str
    lexicon: str


class Listener:
    """A decoder of what it was asked to know last; that of general speech takes 100 MB."""

    def __init__(self) -> None:
        self._decoder: Any = None
        self._knows: Knows | None = None

    def hear(self, samples: FloatArray, duration_s: float, knows: Knows | None) -> Heard:
        """float32 [T] at 16 kHz, not silent, that last `duration_s`; without `knows` it is general speech."""
        if self._decoder is None or knows != self._knows:
            self._decoder, self._knows = _decoder(knows), knows
        peak = float(np.abs(samples).max())
        texts: list[str] = []
        words: list[Word] = []
        for start, end in _stretches(samples):
            said, found = self._decode(samples[start:end] * np.float32(_PEAK / peak))
            texts += spoken_words(said)
            late_s = (start - _MARGIN_SAMPLES) / _RATE_HZ
            words += [_placed(word, late_s, start / _RATE_HZ, min(end / _RATE_HZ, duration_s)) for word in found]
        return Heard(" ".join(texts), tuple(words), "en")

    def _decode(self, samples: FloatArray) -> tuple[str, list[Word]]:
        """What a stretch says, and its words with their times from the margin before it."""
        self._decoder.reinit_feat()  # its noise estimate remembers what it heard before
        self._decoder.start_utt()
        self._decoder.process_raw((np.pad(samples, _MARGIN_SAMPLES) * 32767).astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        if found is None:
            return "", []
        words = [
            Word(said, part.start_frame * _FRAME_S, (part.end_frame + 1) * _FRAME_S, round(min(1.0, float(part.prob)), 4))
            for part in self._decoder.seg()
            for said in spoken_words(part.word.partition("(")[0] if part.word[0] not in _FILLERS else "")
        ]
        return found.hypstr, words


def _decoder(knows: Knows | None) -> Any:
    import pocketsphinx

    if knows is None:
        return pocketsphinx.Decoder(**_OPTIONS)
    with tempfile.TemporaryDirectory(prefix="voicekit-judge-") as scratch:
        model, lexicon = Path(scratch) / "model.arpa", Path(scratch) / "words.dict"
        model.write_text(knows.language_model, encoding="ascii")
        lexicon.write_text(knows.lexicon, encoding="ascii")
        return pocketsphinx.Decoder(lm=str(model), dict=str(lexicon), **_OPTIONS)


def _placed(word: Word, late_s: float, start_s: float, end_s: float) -> Word:
    """A word of a stretch in seconds of the whole, inside the stretch."""
    begin_s, after_s = (min(max(round(t + late_s, 3), start_s), end_s) for t in (word.start_s, word.end_s))
    return replace(word, start_s=begin_s, end_s=after_s)


def _stretches(samples: FloatArray) -> list[tuple[int, int]]:
    """Long audio in pieces of 20 to 30 s, cut where it is quietest; the search gets slow and vague in longer ones."""
    cuts = [0]
    while len(samples) - cuts[-1] > _LONGEST_SAMPLES:
        first = cuts[-1] + _LONGEST_SAMPLES * 2 // 3
        size = _RATE_HZ // 10
        frames = samples[first : cuts[-1] + _LONGEST_SAMPLES]
        powers = np.square(frames[: len(frames) // size * size].reshape(-1, size)).mean(axis=1)
        cuts.append(first + int(powers.argmin()) * size + size // 2)
    return list(pairwise([*cuts, len(samples)]))


def language_model(sentences: Iterable[Sequence[str]], discount: float = _DISCOUNT) -> str:
    """A trigram model of the sentences' words in ARPA format, with absolute discounting and back-off.

    Half of the unigram mass is spread evenly over the words, and the discount is large: any word may follow any other without
    much loss, so that a wrong word is heard as it was said and not as the sentences would have it.
    """
    pairs: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    triples: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for words in sentences:
        padded = ("<s>", *words, "</s>")
        for first, second in pairwise(padded):
            pairs[first,][second] += 1
        for first, second, third in zip(padded, padded[1:], padded[2:], strict=False):
            triples[first, second][third] += 1
    counts: Counter[str] = sum(pairs.values(), Counter())
    single = {word: (1 - _UNIFORM) * n / counts.total() + _UNIFORM / len(counts) for word, n in counts.items()}
    double = {(*past, word): p for past, after in pairs.items() for word, p in _discounted(after, discount).items()}
    after_one = {past: _left(after, discount) / _unseen(single[word] for word in after) for past, after in pairs.items()}
    after_two = {
        past: _left(after, discount) / _unseen(double[past[1], word] for word in after) for past, after in triples.items()
    }
    ones = [f"{math.log10(p):.4f} {word} {math.log10(after_one.get((word,), 1.0)):.4f}" for word, p in sorted(single.items())]
    twos = [f"{math.log10(p):.4f} {' '.join(w)} {math.log10(after_two.get(w, 1.0)):.4f}" for w, p in sorted(double.items())]
    threes = [
        f"{math.log10(p):.4f} {' '.join(past)} {word}"
        for past, after in sorted(triples.items())
        for word, p in sorted(_discounted(after, discount).items())
    ]
    start = f"-99 <s> {math.log10(after_one['<s>',]):.4f}"
    sizes = [f"ngram {n}={size}" for n, size in enumerate((len(ones) + 1, len(twos), len(threes)), start=1)]
    parts = ["\\data\\", *sizes, "", "\\1-grams:", start, *ones, "", "\\2-grams:", *twos, "", "\\3-grams:", *threes]
    return "\n".join([*parts, "", "\\end\\", ""])


def _discounted(after: Counter[str], discount: float) -> dict[str, float]:
    return {word: (n - discount) / after.total() for word, n in after.items()}


def _left(after: Counter[str], discount: float) -> float:
    """The probability that discounting left for words never seen here."""
    return discount * len(after) / after.total()


def _unseen(seen: Iterable[float]) -> float:
    return max(1 - sum(seen), 1e-6)


def _words(sentence: str) -> list[str]:
    """The sentence's words in the letters of the dictionary; words in other scripts are left out: this judge hears English."""
    return [word for word in spoken_words(sentence) if not _FOREIGN.search(word)]


def _lexicon(words: set[str]) -> str:
    known = _dictionary()

    def first(word: str) -> str | None:
        return known[word][0] if word in known else None

    lines = [
        f"{word}({i + 1}) {phones}" if i else f"{word} {phones}"
        for word in sorted(words)
        for i, phones in enumerate(known.get(word) or [guess(word, first) or ""])
    ]
    return "\n".join(lines) + "\n"


@cache
def _dictionary() -> dict[str, list[str]]:
    """Word -> pronunciations, from the CMU dictionary that pocketsphinx brings."""
    import pocketsphinx

    entries: dict[str, list[str]] = {}
    with open(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"), encoding="utf-8") as lines:
        for line in lines:
            word, _, phones = line.strip().partition(" ")
            entries.setdefault(word.partition("(")[0], []).append(phones)
    return entries


if __name__ == "__main__":
    serve(Listener().hear)
