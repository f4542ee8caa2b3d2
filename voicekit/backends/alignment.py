"""Forced alignment of English with pocketsphinx and its bundled acoustic model. Nothing is downloaded.

How well the audio fits the words is judged against words that are certainly not said in it: acoustic scores alone differ
more between voices and rooms than between right and wrong scripts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from voicekit.audio import resample
from voicekit.backends.helpers import Anywhere, serve
from voicekit.backends.pronounce import guess
from voicekit.errors import MissingModel
from voicekit.records import Waveform, Word

RATE_HZ = 16_000
FRAME_S = 0.01
MAX_GUESSED = 0.25

# A word counts as said when its score, with that of its neighbours (logarithm of the likelihood against the best sound of
# each frame), is well below that of the strange words. Fitted on one reader (clean, noisy, through a telephone, in a hall)
# and five synthetic voices.
_CENTRE = 0.74
_WIDTH = 0.05
_CHANCE = 0.2  # share of the words of a wrong script that fit by accident
_STRANGE = (
    "window journal teapot vague church boy azure thumb yellow garlic measure house bring sky plough judge wealth foam nurse"
).split()
_STRANGE_SCORE = 100.0  # a typical one, for stretches too long to measure it, or when there is no doubt:
_NO_DOUBT_SCORE = 45.0  # no wrong script came below 69
_LOST_SCORE = 130.0  # when the strange words fit so badly that no path is found
_MEASURED_S = 30.0
_BEAM = 1e-200
_FILLERS = "<[+"


@dataclass(frozen=True)
class _Segment:
    """A word, or silence (text ""), in frames, and its mean score a frame (lower is better)."""

    text: str
    start: int
    after: int
    score: float

    @property
    def frames(self) -> int:
        return self.after - self.start


class PocketsphinxAligner:
    """An Aligner for English. A few words that its dictionary lacks are pronounced by guess and do not count for the match;
    with more than MAX_GUESSED of them, or letters English has not, it cannot align (None).

    Asked by one thread it works in this process, asked by several at once in up to `processes` of their own: pocketsphinx lets
    no other thread work beside it. The answers are the same.
    """

    name = "pocketsphinx 5 en-us"
    languages = ("en",)

    def __init__(self, processes: int = 1) -> None:
        if find_spec("pocketsphinx") is None:
            raise MissingModel("pocketsphinx is not installed.", "Install it: pip install pocketsphinx")
        self._matcher = Anywhere(__name__, processes, lambda: Matcher().match)

    def align(self, wave: Waveform, text: str, language: str = "en") -> tuple[tuple[Word, ...], float] | None:
        words = text.lower().split()
        if not words:
            return None
        samples = resample(Waveform(wave.mono()[None], wave.sample_rate_hz), RATE_HZ).samples[0]
        audio = (np.clip(samples, -1.0, 1.0) * 32767.0).astype(np.int16).tobytes()
        return self._matcher.ask(audio, words, wave.duration_s)


class Matcher:
    """A decoder that finds words in a sound; what it was asked before does not matter."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder

        # compallsen: scores relative to the best of all sounds. No bestpath: it drops words. Two Gaussians a sound instead of
        # four take three quarters of the time, tell wrong scripts as well, and move 1 % of the words by 20 ms or more.
        self._decoder: Any = Decoder(
            lm=None, loglevel="FATAL", compallsen=True, bestpath=False, topn=2, beam=_BEAM, wbeam=_BEAM, pbeam=_BEAM
        )
        self._guessed: set[str] = set()
        self._log_base = math.log(1.0001)

    def match(self, audio: bytes, words: Sequence[str], duration_s: float) -> tuple[tuple[Word, ...], float] | None:
        """Lower-case words in 16-bit samples at RATE_HZ that last `duration_s`: as Aligner.align."""
        if not self._pronounceable(words):
            return None
        found = self._search(audio, words)
        if found is None:
            return None
        strange = self._strange_score(audio, words, _mean_score(found), duration_s)
        fits = [_confidence(score, strange) for score in _with_neighbours(found)]
        heard = tuple(
            Word(segment.text, segment.start * FRAME_S, min(segment.after * FRAME_S, duration_s), round(fit, 4))
            for segment, fit in zip(found, fits, strict=True)
            if segment.text
        )
        return heard, self._match(found, fits)

    def _match(self, found: Sequence[_Segment], fits: Sequence[float]) -> float:
        """Share of the speech (by duration) that fits, corrected for chance: words, and what was taken for silence but is not."""
        counted = [
            (fit, segment.frames)
            for segment, fit in zip(found, fits, strict=True)
            if segment.text not in self._guessed and (segment.text or fit < 0.5)
        ]
        total = sum(frames for _, frames in counted)
        share = sum(fit * frames for fit, frames in counted) / total if total else 0.0
        return max(0.0, (share - _CHANCE) / (1.0 - _CHANCE))

    def _pronounceable(self, words: Sequence[str]) -> bool:
        unknown = {w for w in words if self._known(w) is None}
        if sum(w in unknown for w in words) > MAX_GUESSED * len(words):
            return False
        guesses = {word: guess(word, self._known) for word in sorted(unknown - self._guessed)}
        if None in guesses.values():
            return False
        for word, phones in guesses.items():
            self._decoder.add_word(word, phones, True)
            self._guessed.add(word)
        return True

    def _known(self, word: str) -> str | None:
        """Its phones in the dictionary as it came: a guess must not depend on earlier guesses."""
        return None if word in self._guessed else self._decoder.lookup_word(word)

    def _strange_score(self, audio: bytes, words: Sequence[str], score: float, duration_s: float) -> float:
        """Mean score of as much other text on the same audio, where `score` is that of `words`."""
        if duration_s > _MEASURED_S or score < _NO_DOUBT_SCORE:
            return _STRANGE_SCORE
        choice = [w for w in _STRANGE if w not in words]
        left = sum(self._num_phones(w) for w in words)
        strange: list[str] = []
        while left > 0:
            strange.append(choice[len(strange) % len(choice)])
            left -= self._num_phones(strange[-1])
        found = self._search(audio, strange)
        return _LOST_SCORE if found is None else _mean_score(found)

    def _num_phones(self, word: str) -> int:
        return len(self._decoder.lookup_word(word).split())

    def _search(self, audio: bytes, words: Sequence[str]) -> list[_Segment] | None:
        """The words in order, with the silence between them; None if no path through the audio says them all."""
        try:
            self._decoder.reinit_feat()  # its noise estimate remembers other clips
            self._decoder.set_align_text(" ".join(words))
            self._decoder.start_utt()
            self._decoder.process_raw(audio, full_utt=True)
            self._decoder.end_utt()
        except RuntimeError:
            return None
        if self._decoder.hyp() is None:
            return None
        found: list[_Segment] = []
        for segment in self._decoder.seg():
            frames = segment.end_frame - segment.start_frame + 1
            score = -math.log(max(segment.ascore, 1e-300)) / self._log_base / frames
            text = "" if segment.word[0] in _FILLERS else segment.word.split("(")[0]
            found.append(_Segment(text, segment.start_frame, segment.end_frame + 1, score))
        return found if [s.text for s in found if s.text] == list(words) else None


def _with_neighbours(segments: Sequence[_Segment]) -> list[float]:
    """The score of each word together with the words before and after it; a short word alone may fit anything."""
    words = [s for s in segments if s.text]
    smooth = iter([_mean_score(words[max(0, i - 1) : i + 2]) for i in range(len(words))])
    return [next(smooth) if s.text else s.score for s in segments]


def _mean_score(segments: Sequence[_Segment]) -> float:
    """Of the words alone, a frame."""
    words = [s for s in segments if s.text]
    return sum(s.score * s.frames for s in words) / sum(s.frames for s in words)


def _confidence(score: float, strange_score: float) -> float:
    """0..1: whether a word with this score was said, where strange words have that one."""
    distance = (score / max(strange_score, 1.0) - _CENTRE) / _WIDTH
    return 1.0 / (1.0 + math.exp(min(distance, 50.0)))


if __name__ == "__main__":
    serve(Matcher().match)
