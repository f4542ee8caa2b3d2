"""What a dataset holds, what was left out and why, and what to record next: pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from voicekit.errors import InputError, RecordingsError, ScriptError
from voicekit.prepare.spoken import spoken_form
from voicekit.records import Clip, Verdict
from voicekit.specs import PrepareSpec

Phones = Callable[[str], Sequence[str] | None]
"""The phonemes of a word; None for one that cannot be pronounced."""

ENOUGH_S, GOOD_S = 60.0, 180.0
LENGTHS_S = (2.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0)
PHONEMES_EN = ("AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH").split()
_RARE = 3
_MIN_WORDS_FOR_PHONEMES = 60
_TELEPHONE_HZ, _WIDE_HZ = 4_500.0, 7_000.0
_SHORT_S, _MIN_CLIPS = 3.0, 20
_EXAMPLES = {
    "AA": "father", "AE": "cat", "AH": "but", "AO": "law", "AW": "cow", "AY": "my", "B": "big", "CH": "church", "D": "day",
    "DH": "this", "EH": "bed", "ER": "bird", "EY": "day", "F": "fish", "G": "go", "HH": "house", "IH": "sit", "IY": "see",
    "JH": "judge", "K": "cat", "L": "long", "M": "man", "N": "no", "NG": "sing", "OW": "go", "OY": "boy", "P": "pen", "R": "red",
    "S": "sun", "SH": "ship", "T": "ten", "TH": "think", "UH": "book", "UW": "moon", "V": "voice", "W": "water", "Y": "yes",
    "Z": "zoo", "ZH": "measure",
}  # fmt: skip
_CURES = {
    "too quiet against noise": "record in a quieter room, nearer to the microphone.",
    "clipped": "turn the recording level down; the loudest moments are cut off.",
    "script does not match": "listen to them and correct the text, or leave them out.",
    "too short": "read whole sentences in one go.",
    "too long": "leave a short pause between sentences.",
    "no speech in it": "these files are silent; leave them out.",
    "the script has no text for it": "write what is said in them.",
    "unclear text": "write what is really said in them, without brackets.",
    "another speaker": "listen to one; if it is the right voice, take it by hand or lower min_speaker_similarity.",
    "two people speak at once": "let one finish before the other begins.",
    "goes over into somebody else's speech": "let one finish before the other begins.",
    "too much echo": "record in a smaller room with soft things in it, nearer to the microphone.",
    "dull sound": "record at 24 kHz or more, not through a telephone.",
    "sounds bad": "listen to one, and record it again with another microphone.",
    "too fast": "read more slowly, or check that the text is the right one.",
}


@dataclass(frozen=True)
class Rejected:
    """How many clips one reason rejected, how long they are together, and one of them in full."""

    reason: str
    count: int
    seconds: float
    example: str


@dataclass(frozen=True)
class Length:
    """Accepted clips longer than the length before, up to this one."""

    up_to_s: float
    count: int


@dataclass(frozen=True)
class Coverage:
    """How often each phoneme of the language is said in the accepted clips; words of no known sound are `unknown`."""

    counts: dict[str, int]
    unknown: int

    @property
    def rare(self) -> tuple[str, ...]:
        """Phonemes said fewer than three times, the rarest first."""
        return tuple(sorted((p for p, n in self.counts.items() if n < _RARE), key=lambda p: (self.counts[p], p)))

    @property
    def share(self) -> float:
        """Of the phonemes, those that are said at all."""
        return sum(n > 0 for n in self.counts.values()) / max(len(self.counts), 1)


@dataclass(frozen=True)
class Summary:
    """`coverage` is None where nobody knows how the language sounds. `advice` says what helps most first, `with_less` what the
    dataset was made without."""

    clips: int
    accepted: int
    usable_s: float
    needed_s: float
    rejected: tuple[Rejected, ...]
    lengths: tuple[Length, ...]
    median_s: float
    coverage: Coverage | None
    advice: tuple[str, ...]
    with_less: tuple[str, ...] = ()

    @property
    def enough(self) -> bool:
        return self.usable_s >= self.needed_s


def summarise(clips: Sequence[Clip], spec: PrepareSpec, phones: Phones | None = None, with_less: Sequence[str] = ()) -> Summary:
    """The summary of a dataset's clips; `phones` pronounces words of its language."""
    accepted = [c for c in clips if c.verdict is Verdict.ACCEPTED]
    said = coverage([c.transcript.text for c in accepted], spec.language, phones) if phones else None
    usable_s = sum(c.duration_s for c in accepted)
    return Summary(
        clips=len(clips),
        accepted=len(accepted),
        usable_s=round(usable_s, 3),
        needed_s=spec.min_speech_s,
        rejected=_rejected(clips),
        lengths=_lengths([c.duration_s for c in accepted]),
        median_s=round(median(c.duration_s for c in accepted), 2) if accepted else 0.0,
        coverage=said,
        advice=tuple(_advice(clips, accepted, spec, said)),
        with_less=tuple(with_less),
    )


def coverage(texts: Sequence[str], language: str, phones: Phones) -> Coverage:
    """How often each English phoneme is said in texts."""
    counts: dict[str, int] = {p: 0 for p in PHONEMES_EN}
    unknown = 0
    for word, times in Counter(word for text in texts for word in spoken_form(text, language).split()).items():
        sounds = phones(word)
        unknown += times if sounds is None else 0
        for sound in sounds or ():
            if sound in counts:
                counts[sound] += times
    return Coverage(counts, unknown)


def too_little(clips: Sequence[Clip], speech_s: float, spec: PrepareSpec) -> InputError:
    """The error of a dataset with less speech than its spec asks for."""
    rejected = [c for c in clips if c.verdict is Verdict.REJECTED]
    if rejected and all(c.reason == "no speech in it" for c in clips):
        return RecordingsError(f"No speech was found in any of {len(clips)} recordings.", "Check that they are not silent.")
    why = "; ".join(f"{r.count} x {r.reason}" for r in _rejected(clips)[:3])
    problem = f"There are {speech_s:.1f} s of usable speech; at least {spec.min_speech_s:g} s are needed."
    if rejected:
        example = f"{rejected[0].recording}: {rejected[0].reason}"
        problem += f" {len(rejected)} of {len(clips)} clips were rejected ({why}), such as {example}."
    mismatched = sum(c.reason.startswith("script does not match") for c in rejected)
    if mismatched > len(clips) / 2:
        return ScriptError(problem, "Check that the script belongs to these recordings, line by line.")
    return RecordingsError(problem, "Record more, or better.")


def kind_of(reason: str) -> str:
    """What a reason is about, without its numbers and names."""
    kind = reason.split(":")[0]
    return "the same recording as another" if kind.startswith("the same recording as ") else kind


def _rejected(clips: Sequence[Clip]) -> tuple[Rejected, ...]:
    """The most frequent reason first."""
    by_kind: dict[str, list[Clip]] = {}
    for clip in clips:
        if clip.verdict is Verdict.REJECTED:
            by_kind.setdefault(kind_of(clip.reason), []).append(clip)
    rows = [
        Rejected(kind, len(those), round(sum(c.duration_s for c in those), 2), f"{those[0].recording}: {those[0].reason}")
        for kind, those in by_kind.items()
    ]
    return tuple(sorted(rows, key=lambda r: -r.count))


def _lengths(durations_s: Sequence[float]) -> tuple[Length, ...]:
    ends = [*LENGTHS_S, float("inf")]
    counts = Counter(next(end for end in ends if d <= end) for d in durations_s)
    last = max((i for i, end in enumerate(ends) if counts[end]), default=-1)
    return tuple(Length(end, counts[end]) for end in ends[: last + 1])


def _advice(clips: Sequence[Clip], accepted: Sequence[Clip], spec: PrepareSpec, said: Coverage | None) -> Iterator[str]:
    yield from _how_much(sum(c.duration_s for c in accepted), spec.min_speech_s)
    for row in _rejected(clips):
        if row.reason in _CURES:
            yield f"{row.count} × {row.reason}: {_CURES[row.reason]}"
    yield from _telephone(accepted)
    yield from _variety(accepted)
    if said and sum(said.counts.values()) >= _MIN_WORDS_FOR_PHONEMES and said.rare:
        words = ", ".join(f"{p} ({_EXAMPLES[p]})" for p in said.rare[:6])
        yield f"Some sounds are hardly said; add sentences with: {words}."


def _how_much(usable_s: float, needed_s: float) -> Iterator[str]:
    if usable_s < needed_s:
        yield f"Record at least {needed_s - usable_s:.0f} s more: {needed_s:.0f} s of usable speech are the least."
    elif usable_s < ENOUGH_S:
        yield f"It will work, but {GOOD_S / 60:.0f} minutes make a much better voice than {usable_s:.0f} s."
    elif usable_s < GOOD_S:
        yield f"{(GOOD_S - usable_s) / 60:.1f} minutes more would make the voice steadier."


def _telephone(accepted: Sequence[Clip]) -> Iterator[str]:
    """Some clips through a telephone among wide ones; clips of unknown or noise-covered bandwidth do not count."""
    reached = [c.grades.bandwidth_hz for c in accepted if c.grades.bandwidth_hz and c.grades.snr_db >= 15.0]
    narrow = sum(hz < _TELEPHONE_HZ for hz in reached)
    if narrow and median(reached) >= _WIDE_HZ:
        cure = f"min_bandwidth_hz = {_TELEPHONE_HZ:.0f} leaves them out."
        yield f"{narrow} × sound as through a telephone among better ones: {cure}"
    elif narrow > len(reached) / 2:
        yield "The recordings sound as through a telephone: record at 24 kHz or more."


def _variety(accepted: Sequence[Clip]) -> Iterator[str]:
    if len(accepted) < _MIN_CLIPS:
        return
    if sum(c.transcript.text.rstrip().endswith(("?", "？")) for c in accepted) < len(accepted) / 40:
        yield "There are hardly any questions among the sentences; a few let the voice learn how its speaker asks."
    if all(c.duration_s < _SHORT_S for c in accepted):
        yield f"All clips are shorter than {_SHORT_S:.0f} s: read some longer sentences, so that the voice learns to carry on."
