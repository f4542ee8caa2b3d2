"""Telling speakers apart with what comes along: silero's speech, GE2E embeddings of short windows, agglomerative clustering, and
pyannote's segmentation for where two speak at once.

Windows of 1.6 s are joined by average linkage until the nearest two groups are less alike than `_ALIKE`; those in which two speak
do not take part, nor do those that hold a change between two, for these are like both. Each frame of speech then goes to the
speaker it resembles most, with a price on every change (Viterbi). Where the segmentation hears more than one, the others who
speak there are those that its windows hear and the voices have named.
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
from voicekit.backends.segmentation import RATE_HZ, Activity, PyanNetSegmentation
from voicekit.backends.speaker import Ge2eSpeakerEncoder
from voicekit.ports import VoiceActivityDetector
from voicekit.prepare.acoustics import bandwidth_hz
from voicekit.prepare.band import NARROW_HZ
from voicekit.records import FloatArray, IntArray, SpeakerTurn, Waveform
from voicekit.timebase import seconds_to_samples

_FRAME_S = 0.01  # of the encoder's spectrogram
_WINDOW_S, _HOP_S = 1.6, 0.8
_ALIKE = 0.63
_ONE_VOICE = 0.7  # groups of windows that nobody else's are in yet
_ALIKE_THERE = 0.07  # by so much voices are more alike in a telephone's band
_MEASURED_S = 60.0
_MIN_SPEAKER_S = 1.2
_STEP_S = 0.1
_CHANGE_COST = 0.6
_ROUNDS = 2
_BRIDGED_S = 0.5
_SHORTEST_OVERLAP_S = 0.3
_TOUCHING_S = 0.1
_MAX_CLUSTERED = 3000
_FEWEST_ALONE = 4
_LEVEL = 10 ** (-30 / 20)


class EmbeddedDiarizer:
    """A `Diarizer`."""

    name = "ge2e clustering, pyannote overlaps"

    def __init__(
        self, vad: VoiceActivityDetector, encoder: Ge2eSpeakerEncoder, segmentation: PyanNetSegmentation, threads: int = 1
    ) -> None:
        from scipy.cluster.hierarchy import fcluster, linkage

        self._vad, self._encoder, self._segmentation, self._threads = vad, encoder, segmentation, threads
        self._linkage, self._fcluster = linkage, fcluster

    def diarize(
        self, wave: Waveform, num_speakers: int | None = None, speech: Sequence[tuple[float, float]] | None = None
    ) -> tuple[SpeakerTurn, ...]:
        mono = Waveform(wave.mono()[None], wave.sample_rate_hz)
        spans = self._vad.speech_spans(mono) if speech is None else speech
        if not spans:
            return ()
        samples = resample(mono, RATE_HZ).samples[0]
        activity = self._segmentation.activity(samples)
        spans = _heard(activity, spans)
        if not spans:
            return ()
        middles_s, voices = self._windows(samples, spans)
        labels = self._clusters(voices, middles_s, activity.alone(middles_s, _WINDOW_S), num_speakers, _likeness(samples, spans))
        frames = [(k, start_s, end_s) for k, span in enumerate(spans) for start_s, end_s in _steps(*span)]
        frame_s = np.array([(a + b) / 2 for _, a, b in frames])
        nearest = _mean_of_nearest(voices, middles_s, frame_s)
        for _ in range(_ROUNDS):
            labels = _viterbi(nearest @ _centroids(nearest if len(labels) == len(frames) else voices, labels).T)
        turns: list[tuple[int, float, float]] = []
        for (_, label), group in groupby(zip(frames, labels, strict=True), key=lambda item: (item[0][0], item[1])):
            parts = [frame for frame, _ in group]
            _add(turns, (int(label), parts[0][1], parts[-1][2]))
        return _named([*turns, *_others(activity, turns, spans)])

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

    def _clusters(
        self,
        voices: FloatArray,
        middles_s: FloatArray,
        alone: NDArray[np.bool_],
        num_speakers: int | None,
        more_alike: float,
    ) -> IntArray:
        """A label for each window. Those that are `alone` are clustered, of very many only some; all others go to the nearest
        group."""
        able = np.flatnonzero(alone) if alone.sum() >= _FEWEST_ALONE else np.arange(len(voices))
        chosen = able[np.linspace(0, len(able) - 1, min(len(able), _MAX_CLUSTERED)).astype(int)]
        some = voices[chosen]
        if len(some) == 1:
            return np.zeros(len(voices), np.int64)
        tree = self._linkage(some, "average", metric="cosine")
        sure = self._fcluster(tree, 1 - _ONE_VOICE - more_alike, criterion="distance")
        inner = ~_changing(middles_s, _assigned(voices, _centroids(some, sure)))[chosen]
        if 1 < inner.sum() < len(some):
            some = some[inner]
            tree = self._linkage(some, "average", metric="cosine")
        least = min(_MIN_SPEAKER_S / _HOP_S * len(some) / len(voices), len(some) / 2)
        if num_speakers is None:
            labels = self._fcluster(tree, 1 - _ALIKE - more_alike, criterion="distance")
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


def _heard(activity: Activity, spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without spans in which the segmentation hears nobody at all: silero takes some chords for a syllable."""
    counts, times_s = activity.counts(), activity.times_s()
    return [(a, b) for a, b in spans if counts[slice(*np.searchsorted(times_s, [a - _STEP_S, b + _STEP_S]))].any()]


def _likeness(samples: FloatArray, spans: Sequence[tuple[float, float]]) -> float:
    """By how much voices of this recording are more alike than in full band, as its first minute of speech says."""
    start_s = spans[0][0]
    first = samples[seconds_to_samples(start_s, RATE_HZ) : seconds_to_samples(start_s + _MEASURED_S, RATE_HZ)]
    spoken = [(a - start_s, b - start_s) for a, b in spans if a < start_s + _MEASURED_S]
    return _ALIKE_THERE if 0 < bandwidth_hz(first, RATE_HZ, spoken) <= NARROW_HZ else 0.0


def _add(turns: list[tuple[int, float, float]], turn: tuple[int, float, float]) -> None:
    """A short silence inside what one speaker says is no end of the turn."""
    if turns and turns[-1][0] == turn[0] and turn[1] - turns[-1][2] < _BRIDGED_S:
        turn = (turn[0], turns.pop()[1], turn[2])
    turns.append(turn)


def _others(
    activity: Activity, turns: Sequence[tuple[int, float, float]], spans: Sequence[tuple[float, float]]
) -> list[tuple[int, float, float]]:
    """Who else speaks in these turns of one speaker at a time: of a frame in which the segmentation hears N, the N - 1 that its
    windows hear most."""
    times_s = activity.times_s()
    count = 1 + max(label for label, _, _ in turns)
    known = np.zeros((len(times_s), count), np.bool_)
    for label, start_s, end_s in turns:
        known[slice(*np.searchsorted(times_s, [start_s, end_s])), label] = True
    spoken = np.zeros(len(times_s), np.bool_)
    for start_s, end_s in spans:
        spoken[slice(*np.searchsorted(times_s, [start_s, end_s]))] = True
    shares = np.where(known, 0.0, activity.shares(known))
    rank = np.argsort(np.argsort(-shares, axis=1, kind="stable"), axis=1, kind="stable")
    heard = (rank < activity.counts()[:, None] - 1) & (shares > 0) & spoken[:, None]
    made: list[tuple[int, float, float]] = []
    for label in range(count):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], heard[:, label], [False]]).astype(np.int8)))
        stretches = times_s[0] + activity.frame_s * (edges.reshape(-1, 2) - 0.5)
        made += [(label, float(a), float(b)) for a, b in stretches if b - a >= _SHORTEST_OVERLAP_S]
    return made


def _named(turns: Sequence[tuple[int, float, float]]) -> tuple[SpeakerTurn, ...]:
    """Turns of one speaker that touch are one; speakers are numbered in the order in which they begin to speak."""
    joined: dict[int, list[tuple[float, float]]] = {}
    for label, start_s, end_s in sorted(turns, key=lambda turn: turn[1:]):
        own = joined.setdefault(label, [])
        if own and start_s - own[-1][1] <= _TOUCHING_S:
            first_s, last_s = own.pop()
            start_s, end_s = first_s, max(last_s, end_s)
        own.append((start_s, end_s))
    order = {label: number for number, label in enumerate(joined, start=1)}
    made = [SpeakerTurn(f"speaker {order[k]}", round(a, 3), round(b, 3)) for k, own in joined.items() for a, b in own]
    return tuple(sorted(made, key=lambda turn: (turn.start_s, turn.end_s, turn.speaker)))


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
