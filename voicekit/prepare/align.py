"""Written words find their places in a sound: by the aligner that can, over the words as they are said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from voicekit.ports import Aligner
from voicekit.prepare.spans import Span
from voicekit.prepare.spoken import joined, spoken_tokens
from voicekit.records import Waveform, Word

Alignment = tuple[tuple[Word, ...], float]


def align(wave: Waveform, text: str, language: str, aligners: Sequence[Aligner], best: bool = False) -> Alignment | None:
    """The written words of `text` with times, and the script match; None if no aligner can tell.

    A written token may be several spoken words ("1984") or none (a dash, which goes to the word before it). The first aligner
    that can answer does; with `best` all are asked, and the one that finds the best match is believed.
    """
    tokens = spoken_tokens(text, language)
    spoken = [word for _, words in tokens for word in words]
    if not spoken:
        return None
    answer: Alignment | None = None
    for aligner in aligners:
        found = aligner.align(wave, " ".join(spoken), language)
        if found is None or len(found[0]) != len(spoken):
            continue
        if answer is None or found[1] > answer[1]:
            answer = _written(tokens, found[0]), found[1]
        if not best:
            break
    return answer


def _written(tokens: Sequence[tuple[str, tuple[str, ...]]], spoken: Sequence[Word]) -> tuple[Word, ...]:
    words: list[Word] = []
    waiting: list[str] = []
    position = 0
    for token, said in tokens:
        if not said:
            if words:
                words[-1] = replace(words[-1], text=joined([words[-1].text, token]))
            else:
                waiting.append(token)
            continue
        group = spoken[position : position + len(said)]
        position += len(said)
        confidence = sum(w.confidence for w in group) / len(group)
        text = joined([*waiting, token])
        words.append(Word(text, round(group[0].start_s, 3), round(group[-1].end_s, 3), round(confidence, 3)))
        waiting = []
    return tuple(words)


def within_speech(words: Sequence[Word], speech: Sequence[Span]) -> tuple[Word, ...]:
    """The last word ends with the speech: aligners tend to give it the silence behind it."""
    if not words or not speech:
        return tuple(words)
    last = words[-1]
    end_s = round(max(min(last.end_s, speech[-1][1]), last.start_s), 3)
    return (*words[:-1], replace(last, end_s=end_s))
