"""Recordings and script -> a dataset in a folder (voicekit.prepare.folder says what lies in it).

Everything is decided by content: the same recordings, script, spec and decisions make the same dataset with the same id.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from voicekit import manifest
from voicekit.errors import LanguageError, ScriptError, UsageError
from voicekit.ports import OnProgress, Progress, SpeakerEncoder, Transcriber
from voicekit.prepare import decisions, edits
from voicekit.prepare.clips import Tools, refused
from voicekit.prepare.cutting import cut_all
from voicekit.prepare.decisions import Decision
from voicekit.prepare.folder import (
    RECORDINGS,
    SOUNDS,
    WORK,
    DatasetFile,
    Made,
    load_made,
    load_recordings,
    made_of,
    write_dataset,
    write_made,
)
from voicekit.prepare.hearing import WHO_SPEAKS_MOST, Wanted, told_apart
from voicekit.prepare.intake import Intake, take_in
from voicekit.prepare.scripts import Script, look_for_script
from voicekit.prepare.split import held_out_recordings
from voicekit.prepare.spoken import primary
from voicekit.prepare.summary import too_little
from voicekit.prepare.text_sources import remarks_on, sources_of
from voicekit.prepare.track import forget_tracks
from voicekit.prepare.turns import FoundTurns, Turns, check_label, find_turns, spoken_turns, with_labels
from voicekit.prepare.workbench import METHOD, Instruments, Listening, Workbench, sha256_of
from voicekit.records import Clip, Dataset, Verdict
from voicekit.specs import PrepareSpec

_INTAKE_SHARE = 0.15


@dataclass(frozen=True)
class Given:
    """What was handed in: recordings, what files say of them (`script`, and `turns`: who talks when), and whose are wanted."""

    recordings: Path
    script: Path | None = None
    turns: Path | None = None
    whose: Wanted = WHO_SPEAKS_MOST


@dataclass(frozen=True)
class Means:
    """What makes a dataset here. `speaker` compares every clip with the rest, or with a reference; `listening` knows who talks
    when, from the turns that are told. `languages` are those of the base model that is to speak (None: of none, so any will do);
    `with_less` (what was missing) and the `models` of each step are kept with the dataset; how many `workers` make clips changes
    nothing."""

    tools: Tools
    speaker: SpeakerEncoder | None = None
    listening: Callable[[Turns], Listening] | None = None
    languages: Sequence[str] | None = ("en",)
    with_less: Sequence[str] = ()
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    workers: int = 1


def prepare_dataset(
    given: Given,
    spec: PrepareSpec,
    folder: Path,
    means: Means,
    report: OnProgress,
    strict: bool = True,
    taken: Intake | None = None,
) -> Dataset:
    """Make, or continue to make, the dataset of one speaker in `folder`.

    What a person decided is applied last. Without `strict` a dataset may be too small. `taken`: what `take_in` made of the
    recordings before. Raises InputError or UsageError, all kept.
    """
    recordings, whose = given.recordings, given.whose
    tools, speaker = means.tools.knowing(spec.language), means.speaker
    if means.languages is not None:
        _check_language(spec.language, means.languages)
    if not tools.aligners:
        problem = f"Nothing here can find words of {spec.language!r} in a sound."
        raise LanguageError(problem, "Give a language by its code, such as en, de or zh: voicekit prepare --help.")
    intake_part, cutting_part = _part(report, 0.0, _INTAKE_SHARE), _part(report, _INTAKE_SHARE, 1.0)
    intake = taken or take_in(recordings, spec.language, folder / WORK, spec.max_failed_ratio, intake_part)
    if given_out(folder, recordings, intake):
        raise _another_set(folder, recordings)
    found = _script_of(given.script, intake, spec, tools.transcriber)
    told = _turns_of(given, intake, found, spec)
    listening = means.listening and means.listening(told.of)
    instruments = Instruments(lambda: tools, None if speaker is None else lambda: speaker, listening)
    bench = Workbench(folder, recordings, intake.recordings, spec, instruments)
    clips = cut_all(intake, found, spec, instruments, bench, folder, cutting_part, means.workers)
    clips = _with_refused(clips, intake)
    manifest.write_records(folder / RECORDINGS, intake.everything())
    writer = tools.transcriber.name if tools.transcriber else ""
    texts = sources_of(found, intake, writer)
    aside = [name for name in intake.aside if intake.root / name not in told.files]
    unused = () if not told.unused else (_unused_turns(told.unused),)
    made = Made(
        recordings=str(recordings.absolute()),
        spec=spec.model_dump_json(),
        log=str(decisions.log_of(recordings.absolute())),
        before=() if intake.root == recordings else decisions.read_log(intake.root / decisions.FILE),
        notes=(*remarks_on(texts, found, intake, writer, aside, whose != WHO_SPEAKS_MOST), *unused),
        with_less=tuple(means.with_less),
        reference=str(whose.reference.absolute()) if whose.reference else "",
        label=whose.label,
        models=dict(means.models),
        turns=dict(told.of),
        texts=texts,
    )
    write_made(folder, made, tuple(clips))
    dataset = settle(folder, instruments, strict)
    report(Progress("prepare", 1.0, _summary(dataset)))
    return dataset


def settle(folder: Path, instruments: Instruments, strict: bool = False) -> Dataset:
    """The dataset of the clips in `folder` with what is decided about them by now; with `strict` too little speech raises."""
    made, machine = load_made(folder)
    spec, held = made.prepare_spec(), held_decisions(made)
    bench = Workbench(folder, Path(made.recordings), load_recordings(folder), spec, instruments)
    rows, unfit = edits.arranged(machine, held, bench)
    judged = bench.compare([row.clip for row in rows], made.reference)
    clips = [edits.final(row, clip) for row, clip in zip(rows, judged, strict=True)]
    dataset, notes = _assemble(clips, spec, folder, strict)
    if unfit:
        notes.append(f"{unfit} decisions in {Path(made.log).name} are about clips that are not there.")
    facts = DatasetFile(
        id=dataset.id,
        spec_hash=dataset.spec_hash,
        train_ids=dataset.train_ids,
        held_out_ids=dataset.held_out_ids,
        speech_s=dataset.speech_s,
        notes=(*notes, *made.notes),
        by_hand=tuple(clip.id for row, clip in zip(rows, clips, strict=True) if row.by_hand),
        decisions=decisions.digest(held),
        with_less=made.with_less,
        texts=made.texts,
        decided=tuple(c.id for row, c in zip(rows, clips, strict=True) if edits.decided_by_hand(row, c)),
    )
    write_dataset(folder, dataset, facts)
    _tidy(folder, [*machine, *clips])
    return dataset


def held_decisions(made: Made) -> tuple[Decision, ...]:
    """What holds of all that was decided, with the recordings and since."""
    return decisions.effective((*made.before, *decisions.read_log(Path(made.log))))


def _with_refused(clips: Sequence[Clip], intake: Intake) -> list[Clip]:
    """All that a dataset tells of, recording by recording."""
    everything = [*clips, *(refused(r.recording, r.reason) for r in intake.refused)]
    return sorted(everything, key=lambda c: (c.recording, c.start_sample))


def _unused_turns(unused: Sequence[str]) -> str:
    what = "1 name in the turns is" if len(unused) == 1 else f"{len(unused)} names in the turns are"
    return f"{what} of no recording, such as {unused[0]}."


def given_out(folder: Path, recordings: Path, intake: Intake) -> bool:
    """Whether a folder holds the dataset of other recordings: of another place, and none of them the same."""
    if not (folder / RECORDINGS).is_file() or _place(folder) == str(recordings.absolute()):
        return False
    known = {r.id for r in load_recordings(folder)}
    return bool(known) and not known & {r.id for r in intake.everything()}


def _place(folder: Path) -> str:
    """Where the recordings of a dataset lie; "" if that is not known any more."""
    return made_of(folder).recordings if (folder / WORK / "made.json").is_file() else ""


def _another_set(folder: Path, recordings: Path) -> UsageError:
    problem = f"{folder} holds the dataset of {_place(folder) or 'other recordings'}, and not of {recordings.absolute()}."
    return UsageError(problem, "Name another folder for this one, or remove that dataset first.")


def _check_language(language: str, languages: Sequence[str]) -> None:
    known = sorted({primary(tag) for tag in languages})
    if primary(language) not in known:
        remedy = f"Choose a base model that does, or one of its languages: {', '.join(known)}."
        raise LanguageError(f"The base model does not speak {language!r}.", remedy)


def _part(report: OnProgress, start: float, end: float) -> OnProgress:
    return lambda event: report(replace(event, step="prepare", fraction=start + (end - start) * event.fraction))


def _script_of(given: Path | None, intake: Intake, spec: PrepareSpec, transcriber: Transcriber | None) -> Script:
    """The script that goes with the recordings; an empty one if a transcriber will do."""
    recordings = intake.recordings
    script = look_for_script(given, intake.root, recordings, [r.recording for r in intake.refused], intake.texts)
    if not script.texts:
        if transcriber is not None:
            return replace(script, source=transcriber.name)
        remedy = (
            'Give --script FILE with a table "file,text", put a metadata.csv (id|text) or a .txt with the same name beside them.'
        )
        not_read = "; ".join(f"{found.file}: {found.reason}" for found in script.not_read[:3])
        raise ScriptError(
            "There is no script that says what is said in the recordings." + (f" Not read: {not_read}." if not_read else ""),
            remedy,
        )
    silent = [r.path for r in recordings if r.id not in script.texts]
    if len(silent) > spec.max_failed_ratio * len(recordings) and transcriber is None:
        problem = (
            f"The script {script.source} has no text for {len(silent)} of {len(recordings)} recordings, such as {silent[0]}."
        )
        unused = f" It names {', '.join(script.unused[:2])}, which are not there." if script.unused else ""
        raise ScriptError(problem + unused, "Complete it, or leave these recordings out.")
    return script


def _turns_of(given: Given, intake: Intake, script: Script, spec: PrepareSpec) -> FoundTurns:
    """Who speaks when: by files of turns, else by scripts that say it of each text."""
    told = find_turns(given.turns, intake.root, intake.recordings, [r.recording for r in intake.refused])
    label = given.whose.label
    told = replace(told, of={**spoken_turns(with_labels(script, label), intake.recordings, bool(label)), **told.of})
    rest = [r for r in intake.recordings if r.id not in told.of]
    heard = any(told_apart(r.num_samples / r.sample_rate_hz, spec) for r in rest)
    check_label(label, told.of, everywhere=not heard)
    if label and not told.of and not heard:
        problem = f"Nobody is called {label!r}: no file says who speaks, and in these recordings nobody is told apart"
        why = "because one speaker was said to be in them" if spec.num_speakers == 1 else "because all are too short for it"
        raise UsageError(
            f"{problem}, {why}.", "Leave the name out, give turns (--turns FILE.rttm), or a sample (--reference CLIP)."
        )
    return told


def _assemble(clips: Sequence[Clip], spec: PrepareSpec, folder: Path, strict: bool) -> tuple[Dataset, list[str]]:
    """The dataset of finished clips, and remarks."""
    accepted = [c for c in clips if c.verdict is Verdict.ACCEPTED]
    speech_s = round(sum(c.duration_s for c in accepted), 3)
    if strict and speech_s < spec.min_speech_s:
        raise too_little(clips, speech_s, spec)
    seconds: defaultdict[str, float] = defaultdict(float)
    for clip in accepted:
        seconds[clip.recording_id] += clip.duration_s
    held_out = held_out_recordings(seconds, spec.held_out_ratio)
    notes: list[str] = []
    if accepted and not held_out and spec.held_out_ratio > 0:
        notes.append(
            "All clips are of one recording, so none is held out: similarity is measured against clips that were learned."
        )
    digest = hashlib.sha256(f"{METHOD}\0{spec.digest()}\n".encode())
    for clip in clips:
        content = sha256_of(folder / clip.audio) if clip.audio else ""
        digest.update(f"{manifest.to_json(clip)}\0{content}\n".encode(errors="surrogatepass"))
    dataset = Dataset(
        id=digest.hexdigest(),
        spec_hash=spec.digest(),
        clips=tuple(clips),
        train_ids=tuple(c.id for c in accepted if c.recording_id not in held_out),
        held_out_ids=tuple(c.id for c in accepted if c.recording_id in held_out),
        speech_s=speech_s,
    )
    return dataset, notes


def _tidy(folder: Path, clips: Sequence[Clip]) -> None:
    """Remove the unpacked zip, what a killed process left, and audio of an earlier spec or script."""
    shutil.rmtree(folder / WORK / "unpacked", ignore_errors=True)
    forget_tracks(folder / WORK)
    ours = {c.audio for c in clips}
    for file in (folder / SOUNDS).glob("*.flac"):
        if f"{SOUNDS}/{file.name}" not in ours:
            file.unlink(missing_ok=True)


def _summary(dataset: Dataset) -> str:
    accepted = len(dataset.train_ids) + len(dataset.held_out_ids)
    return f"{accepted} clips accepted, {len(dataset.clips) - accepted} rejected, {dataset.speech_s:.0f} s of speech"
