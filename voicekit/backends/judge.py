"""A judge of intelligibility that is no part of any base: pocketsphinx with its bundled US English acoustic model.

General speech uses its bundled language model. For replies of a small base that model is a poor judge, so a small one is made
from given sentences: every word of them may follow any other, but what the sentences say is likelier (`language_model`).
"""

from __future__ import annotations

import math
import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soxr

from voicekit.backends.pronounce import guess
from voicekit.evaluate.text import spoken_words
from voicekit.records import Waveform

_RATE_HZ = 16_000
_PEAK = 0.5
_MARGIN_SAMPLES = _RATE_HZ // 5
_SHORTEST_S = 0.1
_SILENCE = 1e-4
_DISCOUNT = 0.5
_UNIFORM = 0.5
_FOREIGN = re.compile(r"[^a-z']")


class PocketsphinxJudge:
    """A `Transcriber` for English. Deterministic; what it heard before does not matter.

    `sentences`: the only words it knows are theirs; () means general speech. Words that are not in the pronouncing
    dictionary are pronounced by guess (voicekit.backends.pronounce).
    """

    def __init__(self, sentences: Sequence[str] = ()) -> None:
        import pocketsphinx

        said = [words for words in (_words(s) for s in sentences) if words]
        self.name = f"pocketsphinx {version('pocketsphinx')} en-us"
        options = {"cmn": "batch", "loglevel": "FATAL", "samprate": _RATE_HZ}
        if not said:
            self._decoder = pocketsphinx.Decoder(**options)
            return
        self.name += f", {len({w for words in said for w in words})} words"
        with tempfile.TemporaryDirectory(prefix="voicekit-judge-") as scratch:
            model, lexicon = Path(scratch) / "model.arpa", Path(scratch) / "words.dict"
            model.write_text(language_model(said), encoding="ascii")
            lexicon.write_text(_lexicon({word for words in said for word in words}), encoding="ascii")
            self._decoder = pocketsphinx.Decoder(lm=str(model), dict=str(lexicon), **options)

    def transcribe(self, wave: Waveform) -> str:
        """Lower-case words separated by single spaces; "" for silence and for less than 0.1 s of audio."""
        samples = soxr.resample(wave.mono(), wave.sample_rate_hz, _RATE_HZ)
        peak = float(np.abs(samples).max()) if len(samples) else 0.0
        if peak < _SILENCE or wave.duration_s < _SHORTEST_S:
            return ""
        padded = np.pad(samples * (_PEAK / peak), _MARGIN_SAMPLES)
        self._decoder.start_utt()
        self._decoder.process_raw((padded * 32767).astype("<i2").tobytes(), full_utt=True)
        self._decoder.end_utt()
        found = self._decoder.hyp()
        return " ".join(spoken_words(found.hypstr)) if found is not None else ""


def language_model(sentences: Iterable[Sequence[str]], discount: float = _DISCOUNT) -> str:
    """A bigram model of the sentences' words in ARPA format, with absolute discounting and back-off.

    Half of the unigram mass is spread evenly over the words, so that a rare word is not much harder to hear than a common one.
    """
    follows: dict[str, Counter[str]] = defaultdict(Counter)
    for words in sentences:
        for first, second in zip(("<s>", *words), (*words, "</s>"), strict=True):
            follows[first][second] += 1
    counts: Counter[str] = sum(follows.values(), Counter())
    total = counts.total()
    single = {word: (1 - _UNIFORM) * n / total + _UNIFORM / len(counts) for word, n in counts.items()}
    back_off = {
        first: discount * len(after) / after.total() / max(1 - sum(single[word] for word in after), 1e-6)
        for first, after in follows.items()
    }
    pairs = [
        f"{math.log10((n - discount) / after.total()):.4f} {first} {second}"
        for first, after in sorted(follows.items())
        for second, n in sorted(after.items())
    ]
    head = ["\\data\\", f"ngram 1={len(single) + 1}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    singles = [f"{math.log10(p):.4f} {word} {math.log10(back_off.get(word, 1.0)):.4f}" for word, p in sorted(single.items())]
    start = f"-99 <s> {math.log10(back_off['<s>']):.4f}"
    return "\n".join([*head, start, *singles, "", "\\2-grams:", *pairs, "", "\\end\\", ""])


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
