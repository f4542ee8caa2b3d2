"""What there is to tell of a dataset's inputs: where each recording's text is from, what was not read, what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from voicekit.prepare.intake import Intake, shown
from voicekit.prepare.scripts import Script

_NAMED, _REASONS, _MARKS = 8, 6, 6


@dataclass(frozen=True)
class TextSources:
    """`of` is the file that says what is said in a recording, by its path, or what wrote it down; `without` are the recordings of
    which no file says it; `not_read` are files that might have said it (file, reason), `left_out` counts marks in texts that are
    not said."""

    of: dict[str, str] = field(default_factory=dict[str, str])
    without: tuple[str, ...] = ()
    not_read: tuple[tuple[str, str], ...] = ()
    left_out: dict[str, int] = field(default_factory=dict[str, int])

    @property
    def counts(self) -> dict[str, int]:
        """How many recordings each source has the text of, the most frequent first."""
        return dict(Counter(self.of.values()).most_common())


def sources_of(script: Script, intake: Intake, transcriber: str) -> TextSources:
    """Of usable recordings; `transcriber` writes down what is said where no file says it ("": nobody does)."""
    without = tuple(r.path for r in intake.recordings if r.id not in script.texts)
    return TextSources(
        of={r.path: script.sources.get(r.id, script.source) if r.id in script.texts else transcriber for r in intake.recordings},
        without=without,
        not_read=tuple((found.file, found.reason) for found in script.not_read),
        left_out=dict(script.left_out),
    )


def remarks_on(
    sources: TextSources, script: Script, intake: Intake, transcriber: str, aside: Sequence[str], chosen: bool = False
) -> tuple[str, ...]:
    """All of it in sentences for people; what is as expected is not mentioned.
    `chosen`: somebody said whose recordings are wanted."""
    return tuple(_remarks(sources, script, intake, transcriber, aside, chosen))


def _remarks(
    sources: TextSources, script: Script, intake: Intake, transcriber: str, aside: Sequence[str], chosen: bool
) -> Iterator[str]:
    yield from _on_texts(sources, script, transcriber)
    yield from _on_files_not_read(sources)
    if sources.left_out:
        marks = sorted(sources.left_out.items(), key=lambda m: -m[1])
        frequent = ", ".join(f"{mark} ({count})" if count > 1 else mark for mark, count in marks[:_MARKS])
        more = f" and {len(marks) - _MARKS} more" if len(marks) > _MARKS else ""
        yield f"Left out of the texts, because it is not said: {frequent}{more}."
    people = Counter(script.speakers.values()).most_common()
    if len(people) > 1 and not chosen:
        said = ", ".join(f"{shown(name)} ({count})" for name, count in people[:_NAMED])
        yield f"The texts name {len(people)} speakers, with so many recordings: {said}. Nobody was chosen (--speaker NAME)."
    yield from (f"{remark}." for remark in script.remarks[:_NAMED])
    yield from (f"{path}: {remark}." for path, remark in intake.remarks[:_NAMED])
    if len(intake.remarks) > _NAMED:
        yield f"There is more like it in {named([path for path, _ in intake.remarks[_NAMED:]])}."
    if intake.own:
        yield f"Left aside, because voicekit wrote it itself: {named(intake.own)}."
    if aside:
        yield f"Left aside as neither a sound nor a script: {named(aside)}."


def _on_texts(sources: TextSources, script: Script, transcriber: str) -> Iterator[str]:
    if not script.texts:
        yield f"There is no script: what is said was written down by {transcriber}, with its mistakes."
    elif sources.without:
        count = len(sources.without)
        lines, it = ("1 recording has no line", "it") if count == 1 else (f"{count} recordings have no line", "them")
        writer = f"{transcriber} wrote down what is said in {it}, with its mistakes" if transcriber else f"{it} cannot be used"
        yield f"{lines} in {script.source}; {writer}: {named(sources.without)}."
    if script.unused:
        what = "1 name in the script is" if len(script.unused) == 1 else f"{len(script.unused)} names in the script are"
        yield f"{what} of no recording, such as {shown(script.unused[0])}."


def _on_files_not_read(sources: TextSources) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for file, reason in sources.not_read:
        by_reason.setdefault(reason, []).append(file)
    for reason, files in list(by_reason.items())[:_REASONS]:
        yield f"Not read, because {reason}: {named(files)}."
    if rest := [f for files in list(by_reason.values())[_REASONS:] for f in files]:
        yield f"Not read either: {named(rest)}."


def named(names: Sequence[str]) -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(shown(name) for name in names[:_NAMED]) + more
