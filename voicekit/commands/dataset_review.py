"""`voicekit dataset ...`: the clips of a prepared dataset, to be heard and decided on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from voicekit.commands.common import Json, opened
from voicekit.errors import UsageError

if TYPE_CHECKING:
    from voicekit.app import App
    from voicekit.curation import Comparison
    from voicekit.records import Clip, Dataset

review_app = typer.Typer(help="See and decide on the clips of a prepared dataset.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(metavar="DATASET", help="A folder that `voicekit prepare` made.")]
ClipId = Annotated[str, typer.Argument(metavar="CLIP", help="A clip's id, or the beginning of it.")]


@review_app.command("list")
def list_clips(
    dataset: Folder,
    verdict: Annotated[str, typer.Option(metavar="accepted|rejected", help="Only these.")] = "",
    json: Json = False,
) -> None:
    """List the clips with their verdicts."""
    from voicekit import terminal
    from voicekit.records import Verdict

    if verdict and verdict not in set(Verdict):
        raise UsageError(f"{verdict!r} is no verdict.", "Give accepted or rejected.")
    with terminal.stdout_for_results() as result:
        rows = [r for r in opened().clips(dataset) if verdict in ("", r.clip.verdict)]
        if json:
            result.json([{**clip_json(r.clip), "by_hand": r.by_hand, "changed_by_hand": r.changed} for r in rows])
        for row in [] if json else rows:
            hand = "  (by hand)" if row.by_hand else "  (changed by hand)" if row.changed else ""
            result.line(clip_line(row.clip) + hand)


@review_app.command("show")
def show_clip(dataset: Folder, clip: ClipId, json: Json = False) -> None:
    """Show a clip: its grades, its words and where script and ear disagree."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        found = opened().clip(dataset, clip)
        if json:
            result.json({**clip_json(found), "words": [asdict(w) for w in found.transcript.words]})
            return
        result.line(clip_line(found))
        if found.audio:
            result.line(f"  audio      {dataset / found.audio}")
        for name, value in asdict(found.grades).items():
            result.line(f"  {name:<19}{'not measured' if value is None else f'{value:g}'}")
        if found.transcript.heard:
            result.line(f"  heard      {found.transcript.heard}")
        for number, word in enumerate(found.transcript.words, 1):
            result.line(f"  {number:3d}  {word.start_s:7.2f} {word.end_s:7.2f} s  {word.text}")


@review_app.command()
def accept(dataset: Folder, clip: ClipId, json: Json = False) -> None:
    """Use a clip whatever the machine thinks of it."""
    _decide(lambda app: app.accept_clip(dataset, clip), json)


@review_app.command()
def reject(dataset: Folder, clip: ClipId, json: Json = False) -> None:
    """Leave a clip out."""
    _decide(lambda app: app.reject_clip(dataset, clip), json)


@review_app.command()
def edit(
    dataset: Folder,
    clip: ClipId,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is really said in it.")],
    json: Json = False,
) -> None:
    """Correct a clip's text; its words are found anew."""
    _decide(lambda app: app.edit_clip(dataset, clip, text), json)


@review_app.command()
def split(
    dataset: Folder,
    clip: ClipId,
    at: Annotated[float | None, typer.Option(metavar="SECONDS", help="In the pause nearest to this time in the clip.")] = None,
    word: Annotated[int | None, typer.Option(metavar="N", help="Before its N-th word; `show` counts them.")] = None,
    json: Json = False,
) -> None:
    """Make two clips of one, never inside a word."""
    _decide(lambda app: app.split_clip(dataset, clip, at, word), json)


@review_app.command()
def join(dataset: Folder, clip: ClipId, json: Json = False) -> None:
    """Make one clip of a clip and the next of its recording."""
    _decide(lambda app: app.join_clip(dataset, clip), json)


@review_app.command()
def realign(dataset: Folder, clip: ClipId, json: Json = False) -> None:
    """Look for a clip's words with every aligner and take the best match."""
    _decide(lambda app: app.realign_clip(dataset, clip), json)


@review_app.command()
def undo(dataset: Folder, json: Json = False) -> None:
    """Take the last decision back."""
    _take_back(lambda app: app.undo_decision(dataset), "undone", json)


@review_app.command()
def redo(dataset: Folder, json: Json = False) -> None:
    """Do again what was undone last."""
    _take_back(lambda app: app.redo_decision(dataset), "done again", json)


@review_app.command()
def compare(
    first: Annotated[Path, typer.Argument(metavar="DATASET_A", help="A dataset's folder, also that of a voice.")],
    second: Annotated[Path, typer.Argument(metavar="DATASET_B", help="Another version of it.")],
    json: Json = False,
) -> None:
    """Say what a dataset has other than another: clips, texts, verdicts, seconds."""
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        found = opened().compare_datasets(first, second)
        if json:
            result.json(comparison_json(found))
        for line in [] if json else comparison_lines(found):
            result.line(line)


def clip_json(clip: Clip) -> dict[str, Any]:
    """A clip without the times of its words."""
    said = clip.transcript
    return {
        "id": clip.id,
        "recording": clip.recording,
        "start_s": round(_start_s(clip), 3),
        "duration_s": clip.duration_s,
        "text": said.text,
        "source": said.source,
        "heard": said.heard,
        "differences": said.differences,
        "verdict": clip.verdict.value,
        "reason": clip.reason,
        "grades": asdict(clip.grades),
        "audio": clip.audio,
    }


def clip_line(clip: Clip) -> str:
    from voicekit.curation import reason_in_words

    verdict = f"{clip.verdict.value}: {reason_in_words(clip)}" if clip.reason else clip.verdict.value
    return f"{clip.id}  {clip.recording} +{_start_s(clip):.1f} s  {clip.duration_s:.1f} s  {verdict}  {clip.transcript.text}"


def comparison_json(found: Comparison) -> dict[str, Any]:
    """Clips by id; texts and verdicts before and after."""
    return {
        "first": found.first,
        "second": found.second,
        "same": found.same,
        "speech_s": found.speech_s,
        "added": [c.id for c in found.added],
        "removed": [c.id for c in found.removed],
        "text": [{"id": c.after.id, "before": c.before.transcript.text, "after": c.after.transcript.text} for c in found.text],
        "verdict": [
            {"id": c.after.id, "before": c.before.verdict.value, "after": c.after.verdict.value, "reason": c.after.reason}
            for c in found.verdict
        ],
    }


def comparison_lines(found: Comparison) -> list[str]:
    before_s, after_s = found.speech_s
    if found.same:
        return [f"The same dataset: {found.first[:12]}, {before_s:.1f} s of speech."]
    lines = [f"{found.first[:12]} -> {found.second[:12]}: {before_s:.1f} s -> {after_s:.1f} s of speech"]
    lines += [f"  added    {clip_line(c)}" for c in found.added]
    lines += [f"  removed  {clip_line(c)}" for c in found.removed]
    lines += [f"  text     {c.after.id}: {c.before.transcript.text!r} -> {c.after.transcript.text!r}" for c in found.text]
    lines += [
        f"  verdict  {c.after.id}: {c.before.verdict} -> {c.after.verdict} {c.after.reason}".rstrip() for c in found.verdict
    ]
    return lines if len(lines) > 1 else [*lines, "  the same clips and texts; sound, grades or settings differ"]


def _decide(decision: Callable[[App], Dataset], json: bool) -> None:
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        made = decision(opened())
        if json:
            result.json(_dataset_json(made))
        else:
            result.line(_dataset_line(made))


def _take_back(decision: Callable[[App], tuple[Dataset, Any]], how: str, json: bool) -> None:
    from voicekit import terminal

    with terminal.stdout_for_results() as result:
        made, about = decision(opened())
        if json:
            result.json({**_dataset_json(made), how.replace(" ", "_"): about.action.value})
        else:
            result.line(f"{about.action.value} of {about.recording} is {how}.  {_dataset_line(made)}")


def _dataset_json(made: Dataset) -> dict[str, Any]:
    accepted = len(made.train_ids) + len(made.held_out_ids)
    return {"dataset": made.id, "accepted": accepted, "rejected": len(made.clips) - accepted, "speech_s": made.speech_s}


def _dataset_line(made: Dataset) -> str:
    shown = _dataset_json(made)
    return (
        f"dataset {made.id[:12]}: {shown['accepted']} clips used, {shown['rejected']} left out, {made.speech_s:.1f} s of speech"
    )


def _start_s(clip: Clip) -> float:
    return clip.start_sample / clip.sample_rate_hz if clip.sample_rate_hz else 0.0
