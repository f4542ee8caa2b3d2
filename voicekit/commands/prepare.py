"""`voicekit prepare`: recordings become a dataset, and what is in it is said."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicekit.commands.common import Json, opened
from voicekit.errors import InputError
from voicekit.models import Cleaning

if TYPE_CHECKING:
    from voicekit import curation

_SHOWN_SOURCES = 4
NumSpeakers = Annotated[
    int | None, typer.Option("--speakers", metavar="N", min=1, help="How many people speak. Default: found out.")
]


Reference = Annotated[Path | None, typer.Option(metavar="CLIP", help="A sound of the wanted speaker; other voices are left out.")]
Speaker = Annotated[str, typer.Option(metavar="LABEL", help="Or what `voicekit speakers` or an RTTM file calls them.")]
Turns = Annotated[
    Path | None, typer.Option(metavar="FILE.rttm", help="Who speaks when. Default: RECORDING.rttm beside each, else found out.")
]


def add(cli: typer.Typer) -> None:
    """The command becomes part of `voicekit`."""
    cli.command()(prepare)
    cli.command()(speakers)


def prepare(
    recordings: Annotated[Path, typer.Argument(metavar="RECORDINGS", help="Folder, zip or file.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DATASET", help="The dataset's folder; made if missing.")],
    script: Annotated[Path | None, typer.Option(metavar="FILE", help="What is said. Default: found in RECORDINGS.")] = None,
    reference: Reference = None,
    speaker: Speaker = "",
    turns: Turns = None,
    language: Annotated[str, typer.Option(help="Language of the recordings (BCP-47, or auto). Default: the recipe's, en.")] = "",
    recipe: Annotated[str, typer.Option(metavar="NAME|FILE.toml", help="Whose [prepare] settings hold.")] = "lora",
    cleaning: Annotated[Cleaning | None, typer.Option(help="Default: by what sounds between the words.")] = None,
    num_speakers: NumSpeakers = None,
    json: Json = False,
) -> None:
    """Cut, align and grade recordings, without making a voice. Interrupted? Run it again: it continues.

    Exit code 3 says that there is less usable speech than a voice needs; the dataset is there all the same.
    """
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        app = opened()
        with terminal.progress(app.steps("prepare")) as report:
            made = app.prepare(
                recordings, out, script=script, reference=reference, speaker=speaker, turns=turns, language=language,
                recipe=recipe, cleaning=cleaning or "", num_speakers=num_speakers, report=report,
            )  # fmt: skip
        if json:
            result.json(prepared_json(made))
        else:
            for line in summary_lines(made):
                result.line(line)
    raise typer.Exit(0 if made.summary.enough else InputError.exit_code)


def speakers(
    recordings: Annotated[Path, typer.Argument(metavar="RECORDINGS", help="Folder, zip or file.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where a few seconds of each speaker are written.")],
    num_speakers: NumSpeakers = None,
    turns: Turns = None,
    json: Json = False,
) -> None:
    """Find out who speaks in recordings, to hear each and choose: voicekit prepare RECORDINGS --reference DIR/THAT.wav"""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        app, folder = opened(), out.expanduser().absolute()
        with terminal.progress(app.steps("prepare")) as report:
            found = app.speakers(recordings, folder, num_speakers, report, turns)
        if json:
            result.json([{**vars(f), "sample": str(folder / f.sample)} for f in found])
        for f in [] if json else found:
            who = f.speaker if f.person == f.speaker else f"{f.speaker} (of all recordings: {f.person})"
            told = f"{f.recording}  {who}  {f.speech_s:.0f} s, {100 * f.share:.0f} % of the speech"
            result.line(f"{told}  {folder / f.sample}")


def prepared_json(made: curation.Prepared) -> dict[str, Any]:
    """A dataset in one object."""
    s = made.summary
    return {
        "dataset": made.dataset.id,
        "folder": str(made.folder),
        "clips": {"accepted": s.accepted, "rejected": s.clips - s.accepted, "by_reason": {r.reason: r.count for r in s.rejected}},
        "speech_s": s.usable_s,
        "needed_s": s.needed_s,
        "enough": s.enough,
        "speakers": [asdict(who) for who in made.speakers],
        "models_used": made.models,
        "rejected": [asdict(r) for r in s.rejected],
        "lengths": [{"up_to_s": None if row.up_to_s == float("inf") else row.up_to_s, "count": row.count} for row in s.lengths],
        "median_s": s.median_s,
        "phonemes": None
        if s.coverage is None
        else {"counts": s.coverage.counts, "rare": s.coverage.rare, "share": s.coverage.share},
        "advice": s.advice,
        "with_less": s.with_less,
        "texts": {
            "counts": made.texts.counts,
            "by_recording": made.texts.of,
            "without": made.texts.without,
            "not_read": [{"file": file, "reason": reason} for file, reason in made.texts.not_read],
            "left_out": made.texts.left_out,
        },
        "notes": made.notes,
    }


def summary_lines(made: curation.Prepared) -> list[str]:
    """The same for people."""
    s = made.summary
    lines = [
        f"{made.folder}  dataset {made.dataset.id[:12]}",
        f"  usable     {s.usable_s / 60:.1f} min ({s.usable_s:.0f} s) in {s.accepted} of {s.clips} clips"
        + ("" if s.enough else f"; a voice needs {s.needed_s:g} s"),
    ]
    if made.texts.counts:
        lines.append(f"  texts      {_text_sources(made.texts.counts)}")
    if s.accepted:
        counts = "  ".join(f"{_length(row.up_to_s)}: {row.count}" for row in s.lengths)
        lines.append(f"  lengths    median {s.median_s:.1f} s;  {counts}")
    if s.coverage is not None:
        rare = f"; hardly said: {' '.join(s.coverage.rare)}" if s.coverage.rare else ""
        lines.append(f"  phonemes   {100 * s.coverage.share:.0f} % of them are said{rare}")
    lines += [_speaker_line(who) for who in made.speakers]
    width = max((len(r.reason) for r in s.rejected), default=0)
    lines += [f"  left out   {r.count:4d} × {r.reason:<{width}}  {r.seconds:6.1f} s  e.g. {r.example}" for r in s.rejected]
    lines += [f"  advice     {line}" for line in s.advice]
    lines += [f"  note       {line}" for line in made.notes]
    lines += [f"  with less  {line}" for line in s.with_less]
    return lines


def _text_sources(counts: dict[str, int]) -> str:
    """Where the recordings' texts are from; files beside them, one for each, are counted together."""
    several = {source: count for source, count in counts.items() if count > 1}
    single = sum(count for source, count in counts.items() if source not in several)
    if len(counts) <= _SHOWN_SOURCES:
        several, single = counts, 0
    parts = [f"{count} from {source}" for source, count in list(several.items())[:_SHOWN_SOURCES]]
    rest = sum(list(several.values())[_SHOWN_SOURCES:])
    return "  ".join(parts + ([f"{single + rest} from files of their own"] if single + rest else []))


def _speaker_line(who: curation.Speaker) -> str:
    like = "" if who.cosine is None else f", likeness {who.cosine:.2f}"
    return f"  speaker    {who.label} of {who.recording}: {who.speech_s:.0f} s{like}{' (wanted)' if who.wanted else ''}"


def _length(up_to_s: float) -> str:
    return "longer" if up_to_s == float("inf") else f"to {up_to_s:g} s"
