"""Forced alignment of a text to CTC emissions: Viterbi over letters with blanks between them."""

from __future__ import annotations

import numpy as np

from voicekit.covo.speech_tokenizer import ALPHABET, BLANK, text_symbols
from voicekit.instrument_ports import Reading
from voicekit.records import FloatArray, IntArray, Word

FRAME_S = 0.02
SPACE = ALPHABET.index(" ") + 1


def viterbi(log_probs: FloatArray, symbols: list[int]) -> tuple[IntArray, float] | None:
    """State of each frame int64 [T] (2i + 1 = symbol i, even = blank) and the path's log probability; None if T is too short."""
    states = np.full(2 * len(symbols) + 1, BLANK)
    states[1::2] = symbols
    frames, n = log_probs.shape[0], len(states)
    score = np.full(n, -np.inf)
    score[:2] = log_probs[0, states[:2]]
    back = np.zeros((frames, n), np.int8)
    skippable = np.zeros(n, bool)
    skippable[3::2] = states[3::2] != states[1:-2:2]
    for t in range(1, frames):
        options = np.stack([score, np.r_[-np.inf, score[:-1]], np.where(skippable, np.r_[-np.inf, -np.inf, score[:-2]], -np.inf)])
        back[t] = options.argmax(0)
        score = options.max(0) + log_probs[t, states]
    last = n - 1 if score[n - 1] >= score[n - 2] else n - 2
    if not np.isfinite(score[last]):
        return None
    path = np.zeros(frames, np.int64)
    path[-1] = last
    for t in range(frames - 1, 0, -1):
        path[t - 1] = path[t] - back[t, path[t]]
    return path, float(score[last])


def align_words(log_probs: FloatArray, text: str) -> tuple[tuple[Word, ...], float] | None:
    """Words with times and a match in 0..1.

    The match compares the path's log probability with that of the best path without any text: 1 = as good as free reading,
    0 = two nats a letter worse.
    """
    symbols = text_symbols(text)
    if not symbols or log_probs.shape[0] < 2:
        return None
    found = viterbi(log_probs, symbols)
    if found is None:
        return None
    path, score = found
    loss = (float(log_probs.max(-1).sum()) - score) / len(symbols)
    words: list[Word] = []
    first = 0
    for i, symbol in enumerate([*symbols, SPACE]):
        if symbol != SPACE:
            continue
        frames = np.flatnonzero((path >= 2 * first + 1) & (path <= 2 * i - 1) & (path % 2 == 1))
        if len(frames):
            letters = "".join(ALPHABET[s - 1] for s in symbols[first:i])
            words.append(Word(letters, float(frames[0]) * FRAME_S, float(frames[-1] + 1) * FRAME_S))
        first = i + 1
    return tuple(words), float(np.clip(1.0 - loss / 2.0, 0.0, 1.0))


def read_words(log_probs: FloatArray, text: str) -> tuple[Reading, ...] | None:
    """How surely each word of `text` is what the emissions say where it fits them best; None if it cannot fit.

    A letter counts with what the path loses on it against the best one without any text; a word is parted from the one before
    it as surely as the space between them is heard in any frame.
    """
    words = [text_symbols(word) for word in text.split()]
    symbols = [symbol for word in words for symbol in (*word, SPACE)][:-1]
    if not words or not all(words) or len(log_probs) < 2:
        return None
    found = viterbi(log_probs, symbols)
    if found is None:
        return None
    path, _ = found
    taken = log_probs[np.arange(len(path)), np.where(path % 2, np.array([*symbols, BLANK])[path // 2], BLANK)]
    lost = log_probs.max(-1) - taken
    readings: list[Reading] = []
    first = 0
    for word in words:
        frames = np.flatnonzero((path > 2 * first) & (path < 2 * (first + len(word))))
        space = taken[path == 2 * first - 1]
        letters = float(np.exp(-lost[frames].sum() / len(word)))
        readings.append(Reading(letters, float(np.exp(space.max())) if first else 1.0))
        first += len(word) + 1
    return tuple(readings)
