"""Telling speakers apart with what is bundled: silero's speech, GE2E embeddings of short windows, agglomerative clustering.

Windows of 1.6 s are joined by average linkage until the nearest two groups are less alike than `_ALIKE`, without those that hold
a change between two, for these are like both; each frame of speech then goes to the speaker it resembles most, with a price on
every change (Viterbi). One speaker at a time: where two speak at once, it hears one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from voicekit.audio import resample
from voicekit.backends.device import one_thread
from voicekit.backends.speaker import Ge2eSpeakerEncoder
from voicekit.ports import VoiceActivityDetector
from voicekit.records import FloatArray, IntArray, SpeakerTurn, Waveform
from voicekit.timebase import seconds_to_samples

RATE_HZ = 16_000
_FRAME_S = 0.01  # of the encoder's spectrogram
_WINDOW_S, _HOP_S = 1.6, 0.4
_ALIKE = 0.63
_ONE_VOICE = 0.7  # groups of windows that nobody else's are in yet
_MIN_SPEAKER_S = 1.2
_STEP_S = 0.1
_CHANGE_COST = 0.6
_ROUNDS = 2
_BRIDGED_S = 0.5
_MAX_CLUSTERED = 3000
_LEVEL = 10 ** (-30 / 20)


class Ge2eDiarizer:
    """A `Diarizer`; 20 to 30 times real time on one busy core."""

    name = "ge2e clustering"

    def __init__(self, vad: VoiceActivityDetector, encoder: Ge2eSpeakerEncoder, threads: int = 1) -> None:
        from scipy.cluster.hierarchy import fcluster, linkage

        self._vad, self._encoder, self._threads = vad, encoder, threads
        self._linkage, self._fcluster = linkage, fcluster

    def diarize(
        self, wave: Waveform, num_speakers: int | None = None, speech: Sequence[tuple[float, float]] | None = None
    ) -> tuple[SpeakerTurn, ...]:
        mono = Waveform(wave.mono()[None], wave.sample_rate_hz)
        spans = self._vad.speech_spans(mono) if speech is None else speech
        if not spans:
            return ()
        middles_s, voices = self._windows(resample(mono, RATE_HZ).samples[0], spans)
        labels = self._clusters(voices, middles_s, num_speakers)
        frames = [(k, start_s, end_s) for k, span in enumerate(spans) for start_s, end_s in _steps(*span)]
        frame_s = np.array([(a + b) / 2 for _, a, b in frames])
        nearest = _mean_of_nearest(voices, middles_s, frame_s)
        for _ in range(_ROUNDS):
            labels = _viterbi(nearest @ _centroids(nearest if len(labels) == len(frames) else voices, labels).T)
        names: dict[int, str] = {}
        turns: list[SpeakerTurn] = []
        for (_, label), group in groupby(zip(frames, labels, strict=True), key=lambda item: (item[0][0], item[1])):
            parts = [frame for frame, _ in group]
            name = names.setdefault(int(label), f"speaker {len(names) + 1}")
            _add(turns, SpeakerTurn(name, round(parts[0][1], 3), round(parts[-1][2], 3)))
        return tuple(turns)

    def _windows(self, samples: FloatArray, spans: Sequence[tuple[float, float]]) -> tuple[FloatArray, FloatArray]:
        """Middles in seconds [N] and embeddings [N, 256] of windows inside the spans; short spans are repeated to fill one."""
        with one_thread(), ThreadPoolExecutor(self._threads) as threads:
            found = list(threads.map(partial(self._windows_of, samples), spans))
        return np.array([middle_s for middles_s, _ in found for middle_s in middles_s]), np.concatenate([v for _, v in found])

    def _windows_of(self, samples: FloatArray, span: tuple[float, float]) -> tuple[list[float], FloatArray]:
        """The same of one span."""
        start_s, end_s = span
        speech = samples[seconds_to_samples(start_s, RATE_HZ) : seconds_to_samples(end_s, RATE_HZ)]
        window = seconds_to_samples(_WINDOW_S, RATE_HZ)
        level = float(np.sqrt(np.mean(np.square(speech)))) if len(speech) else 0.0
        lifted = speech * np.float32(max(1.0, _LEVEL / max(level, 1e-6)))
        if len(lifted) < window:
            return [(start_s + end_s) / 2], self._encoder.windows(np.resize(lifted, window), [0])
        last_s = len(lifted) / RATE_HZ - _WINDOW_S
        starts_s = [*np.arange(0.0, last_s, _HOP_S), last_s]
        voices = self._encoder.windows(lifted, [int(s / _FRAME_S) for s in starts_s])
        return [start_s + s + _WINDOW_S / 2 for s in starts_s], voices

    def _clusters(self, voices: FloatArray, middles_s: FloatArray, num_speakers: int | None) -> IntArray:
        """A label for each window. Of very many, some are clustered and the others go to the nearest group."""
        chosen = np.linspace(0, len(voices) - 1, min(len(voices), _MAX_CLUSTERED)).astype(int)
        some = voices[chosen]
        if len(some) == 1:
            return np.zeros(len(voices), np.int64)
        tree = self._linkage(some, "average", metric="cosine")
        sure = self._fcluster(tree, 1 - _ONE_VOICE, criterion="distance")
        inner = ~_changing(middles_s, _assigned(voices, _centroids(some, sure)))[chosen]
        if 1 < inner.sum() < len(some):
            some = some[inner]
            tree = self._linkage(some, "average", metric="cosine")
        least = min(_MIN_SPEAKER_S / _HOP_S * len(some) / len(voices), len(some) / 2)
        if num_speakers is None:
            labels = self._fcluster(tree, 1 - _ALIKE, criterion="distance")
            kept = _large(labels, least, len(labels))
        else:
            # The first cuts of the tree may set single odd windows apart: go on until there are enough real groups.
            for count in range(num_speakers, len(some) + 1):
                labels = self._fcluster(tree, count, criterion="maxclust")
                kept = _large(labels, least, num_speakers)
                if len(kept) == num_speakers:
                    break
            else:
                labels = self._fcluster(tree, num_speakers, criterion="maxclust")
                kept = _large(labels, 1, num_speakers)
        inside = np.isin(labels, kept)
        return _assigned(voices, _centroids(some[inside], labels[inside]))


def _changing(middles_s: FloatArray, labels: IntArray) -> NDArray[np.bool_]:
    """Of each window whether the label changes inside it: neighbours of one stretch of speech lie at most _HOP_S apart."""
    change = np.flatnonzero((labels[1:] != labels[:-1]) & (np.diff(middles_s) < 1.01 * _HOP_S))
    at_s = (middles_s[change] + middles_s[change + 1]) / 2
    first = np.searchsorted(at_s, middles_s - _WINDOW_S / 2, side="right")
    after = np.searchsorted(at_s, middles_s + _WINDOW_S / 2, side="left")
    return after > first


def _large(labels: IntArray, least: float, most: int) -> IntArray:
    """The largest groups that hold at least `least` windows; at least one, at most `most`."""
    names, sizes = np.unique(labels, return_counts=True)
    order = np.argsort(-sizes, kind="stable")[:most]
    return names[[k for k in order if sizes[k] >= least] or order[:1]]


def _add(turns: list[SpeakerTurn], turn: SpeakerTurn) -> None:
    """A short silence inside what one speaker says is no end of the turn."""
    if turns and turns[-1].speaker == turn.speaker and turn.start_s - turns[-1].end_s < _BRIDGED_S:
        turn = SpeakerTurn(turn.speaker, turns.pop().start_s, turn.end_s)
    turns.append(turn)


def _steps(start_s: float, end_s: float) -> list[tuple[float, float]]:
    count = max(1, round((end_s - start_s) / _STEP_S))
    edges = np.linspace(start_s, end_s, count + 1)
    return [(float(a), float(b)) for a, b in pairwise(edges)]


def _mean_of_nearest(voices: FloatArray, middles_s: FloatArray, frame_s: FloatArray) -> FloatArray:
    """Embeddings [frames, 256]: those of the windows around each frame, the nearer the heavier; at least the nearest."""
    made = np.zeros((len(frame_s), voices.shape[1]), np.float32)
    for i, at_s in enumerate(frame_s):
        first, after = np.searchsorted(middles_s, [at_s - _WINDOW_S / 2, at_s + _WINDOW_S / 2])
        near = np.arange(first, after) if after > first else np.array([np.abs(middles_s - at_s).argmin()])
        weight = np.maximum(1.0 - np.abs(middles_s[near] - at_s) / (_WINDOW_S / 2), 0.0) ** 2 + 1e-6
        made[i] = weight @ voices[near] / weight.sum()
    return made


def _centroids(voices: FloatArray, labels: IntArray) -> FloatArray:
    """Unit-length means [K, 256] in the order of the labels."""
    means = np.stack([voices[labels == label].mean(axis=0) for label in np.unique(labels)])
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-8)


def _assigned(voices: FloatArray, centroids: FloatArray) -> IntArray:
    return (voices @ centroids.T).argmax(axis=1).astype(np.int64)


def _viterbi(scores: FloatArray) -> IntArray:
    """The best path through scores [T, K] where every change of speaker costs _CHANGE_COST."""
    total, back = scores[0].astype(np.float64), np.zeros(scores.shape, np.int64)
    for t in range(1, len(scores)):
        best = int(total.argmax())
        stays = total >= total[best] - _CHANGE_COST
        back[t] = np.where(stays, np.arange(scores.shape[1]), best)
        total = np.where(stays, total, total[best] - _CHANGE_COST) + scores[t]
    path = np.zeros(len(scores), np.int64)
    path[-1] = int(total.argmax())
    for t in range(len(scores) - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path
