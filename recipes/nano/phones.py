"""Phonemes by frame: labels uint8 at 50 Hz (a Whisper frame each), out of known times or by aligning a known text.

Letters are Kokoro's (`recipes.nano.kokoro.phonemes`). Stress marks are no sounds: their time belongs to the letter after them.
A space between words is no sound either, so that its time is left open; punctuation is silence.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voicekit.records import FloatArray
from voicekit.timebase import MODEL_RATE_HZ

SILENCE, UNKNOWN = 0, 255
PHONES = "_AIOQTWYbdfhijklmnpstuvwzæðŋɑɔəɛɜɡɪɹʃʊʌʒʤʧθᵊᵻ"
FRAMES_HZ = 50
_STRESS = "ˈˌ"
_PUNCTUATION = frozenset(".,?!;:—…")
_NUMBER = {letter: number for number, letter in enumerate(PHONES)}
_IMPOSSIBLE = -1e9


def from_times(letters: str, ends: Sequence[int], frames: int) -> np.ndarray:
    """Labels uint8 [frames] of letters of which each ends at a sample (24 kHz) of the clip."""
    labels = [_label(letters, place) for place in range(len(letters))]
    moments = np.arange(frames) * (MODEL_RATE_HZ // FRAMES_HZ)
    places = np.minimum(np.searchsorted(np.asarray(ends), moments, side="right"), len(letters) - 1)
    return np.array(labels, np.uint8)[places]


def _label(letters: str, place: int) -> int:
    letter = letters[place]
    if letter in _STRESS and place + 1 < len(letters):
        return _label(letters, place + 1)
    if letter != " ":
        return SILENCE if letter in _PUNCTUATION else _NUMBER.get(letter, UNKNOWN)
    around = letters[max(0, place - 1) : place + 2]
    at_the_edge = place in (0, len(letters) - 1)
    return SILENCE if at_the_edge or any(one in _PUNCTUATION for one in around) else UNKNOWN


def states(letters: str) -> tuple[np.ndarray, np.ndarray]:
    """What an alignment may pass through: labels int64 [S], and bool [S] for those that may be left out (pauses)."""
    labels, optional = [SILENCE], [True]
    for letter in letters:
        if letter in _NUMBER:
            labels.append(_NUMBER[letter])
            optional.append(False)
        elif letter not in _STRESS and labels[-1] != SILENCE:
            labels.append(SILENCE)
            optional.append(True)
    if labels[-1] != SILENCE:
        labels.append(SILENCE)
        optional.append(True)
    return np.array(labels), np.array(optional)


def align(log_probs: FloatArray, letters: str) -> tuple[np.ndarray, float] | None:
    """Labels uint8 [M] of the likeliest way through the letters, and its mean log-probability; None if the letters do not fit.

    log_probs [M, len(PHONES)] at 50 Hz.
    """
    labels, optional = states(letters)
    emitted = log_probs[:, labels]
    count = len(labels)
    skip = np.concatenate([[False, False], optional[1:-1]])[:count]  # the state two before, if a pause lies between
    score = np.full(count, _IMPOSSIBLE)
    score[0] = emitted[0, 0]
    if count > 1:
        score[1] = emitted[0, 1]
    back = np.zeros((len(log_probs), count), np.int8)
    for t in range(1, len(log_probs)):
        one = np.concatenate([[_IMPOSSIBLE], score[:-1]])
        two = np.where(skip, np.concatenate([[_IMPOSSIBLE, _IMPOSSIBLE], score[:-2]])[:count], _IMPOSSIBLE)
        ways = np.stack([score, one, two])
        back[t] = ways.argmax(0)
        score = ways.max(0) + emitted[t]
    last = count - 1 if count < 2 or score[-1] >= score[-2] else count - 2
    if score[last] <= _IMPOSSIBLE / 2:
        return None
    path = np.empty(len(log_probs), np.int64)
    state = last
    for t in range(len(log_probs) - 1, -1, -1):
        path[t] = state
        state -= int(back[t, state])
    return labels[path].astype(np.uint8), float(score[last] / len(log_probs))
