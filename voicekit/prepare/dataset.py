"""Recordings and script -> a dataset in a folder:

    DATASET/dataset.json       id, split, seconds, notes
    DATASET/clips.jsonl        one line a clip, rejected ones with their reason
    DATASET/recordings.jsonl   the files they come from
    DATASET/clips/*.flac       24 kHz mono, at the target loudness
    DATASET/work/              what makes a second call continue: unpacked zip, journals

Everything is decided by content: the same recordings, script and spec make the same dataset with the same id.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voicekit import audio, manifest
from voicekit.errors import InputError, LanguageError, RecordingsError, ScriptError
from voicekit.ports import Aligner, OnProgress, Progress, Transcriber, VoiceActivityDetector
from voicekit.prepare import decisions
from voicekit.prepare.clips import CLIPS, Tools, align, clips_of, refused
from voicekit.prepare.intake import Intake, take_in
from voicekit.prepare.scripts import Script, find_script
from voicekit.prepare.split import held_out_recordings
from voicekit.prepare.spoken import primary
from voicekit.records import Clip, Dataset, Recording, Verdict
from voicekit.specs import PrepareSpec

_METHOD = "1"  # part of every journal key: raise it when the same input would make other clips
_INTAKE_SHARE = 0.15


@dataclass(frozen=True)
class DatasetFile:
    """dataset.json: a Dataset without its clips, and remarks for people."""

    id: str
    spec_hash: str
    train_ids: tuple[str, ...]
    held_out_ids: tuple[str, ...]
    speech_s: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Done:
    """One journal line: a recording's clips under the key of all that they depend on."""

    key: str
    clips: tuple[Clip, ...]


def prepare_dataset(
    recordings: Path,
    script: Path | None,
    spec: PrepareSpec,
    folder: Path,
    vad: VoiceActivityDetector,
    aligners: Sequence[Aligner],
    report: OnProgress,
    transcriber: Transcriber | None = None,
    languages: Sequence[str] = ("en",),
    by_hand: bool = True,
) -> Dataset:
    """Make, or continue to make, the dataset of one speaker in `folder`.

    `languages` are those the base model speaks. Without a script, given or found beside the recordings, `transcriber` says
    what is said. Without `by_hand`, what a person decided about the clips is left aside. Raises RecordingsError, ScriptError
    or LanguageError, all before anything is lost.
    """
    _check_language(spec.language, languages)
    work = folder / "work"
    intake = take_in(recordings, spec.language, work, spec.max_failed_ratio, _part(report, 0.0, _INTAKE_SHARE))
    found = _script_of(script, intake, spec, transcriber)
    able = [a for a in aligners if primary(spec.language) in getattr(a, "languages", (primary(spec.language),))]
    tools = Tools(vad, able, transcriber)
    clips = _all_clips(intake, found, spec, tools, folder, _part(report, _INTAKE_SHARE, 1.0))
    clips += [refused(r.recording, r.reason) for r in intake.refused]
    clips.sort(key=lambda c: (c.recording, c.start_sample))
    chosen = decisions.read_decisions(intake.root) if by_hand else ()
    clips, unfit = decisions.decided(clips, chosen, realigning(folder, spec.language, able))
    dataset, notes = _assemble(clips, spec, folder)
    if unfit:
        notes.append(f"{unfit} decisions in {decisions.FILE} are about clips that are not there.")
    if found.unused:
        notes.append(f"{len(found.unused)} names in the script are of no recording, such as {found.unused[0]}.")
    manifest.write_records(folder / "recordings.jsonl", intake.everything())
    manifest.write_records(folder / "clips.jsonl", clips)
    facts = DatasetFile(dataset.id, dataset.spec_hash, dataset.train_ids, dataset.held_out_ids, dataset.speech_s, tuple(notes))
    manifest.write_record(folder / "dataset.json", facts)
    _tidy(folder, clips)
    report(Progress("prepare", 1.0, _summary(dataset)))
    return dataset


def load_dataset(folder: Path) -> Dataset:
    """The dataset that prepare_dataset left in `folder`; raises InputError if it is not complete."""
    facts = _facts(folder)
    clips = manifest.read_records(folder / "clips.jsonl", Clip)
    return Dataset(facts.id, facts.spec_hash, clips, facts.train_ids, facts.held_out_ids, facts.speech_s)


def load_recordings(folder: Path) -> tuple[Recording, ...]:
    """The recordings behind a dataset's clips, each once; unreadable ones have no samples."""
    return manifest.read_records(folder / "recordings.jsonl", Recording)


def load_notes(folder: Path) -> tuple[str, ...]:
    """Remarks on a dataset for people: a split that was impossible, names in the script that fit nothing."""
    return _facts(folder).notes


def realigning(folder: Path, language: str, aligners: Sequence[Aligner]) -> decisions.Realign:
    """Finds the words of another text in a clip of the dataset in `folder`."""
    return lambda clip, text: align(audio.read(folder / clip.audio), text, language, aligners)


def _facts(folder: Path) -> DatasetFile:
    if not (folder / "dataset.json").exists():
        raise InputError(f"There is no dataset in {folder}.", "Prepare the recordings first.")
    return manifest.read_record(folder / "dataset.json", DatasetFile)


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
    script = find_script(given, intake.root, recordings, [r.recording for r in intake.refused])
    if script is None:
        if transcriber is not None:
            return Script({}, transcriber.name)
        remedy = (
            'Give --script FILE with a table "file,text", put a metadata.csv (id|text) or a .txt with the same name beside them.'
        )
        raise ScriptError("There is no script that says what is said in the recordings.", remedy)
    silent = [r.path for r in recordings if r.id not in script.texts]
    if len(silent) > spec.max_failed_ratio * len(recordings) and transcriber is None:
        problem = (
            f"The script {script.source} has no text for {len(silent)} of {len(recordings)} recordings, such as {silent[0]}."
        )
        unused = f" It names {', '.join(script.unused[:2])}, which are not there." if script.unused else ""
        raise ScriptError(problem + unused, "Complete it, or leave these recordings out.")
    return script


def _all_clips(intake: Intake, script: Script, spec: PrepareSpec, tools: Tools, folder: Path, report: OnProgress) -> list[Clip]:
    journal = folder / "work" / "clips.jsonl"
    done = {entry.key: entry.clips for entry in manifest.read_journal(journal, _Done)}
    clips: list[Clip] = []
    for number, recording in enumerate(intake.recordings):
        report(Progress("prepare", number / len(intake.recordings), recording.path))
        text = script.texts.get(recording.id)
        key = _key(recording, text, spec, tools)
        known = done.get(key)
        if known is None or not all((folder / c.audio).is_file() for c in known):
            wave = audio.read(intake.root / recording.path, mono=True)
            known = tuple(clips_of(recording, wave, text, spec, tools, folder))
            manifest.append_record(journal, _Done(key, known))
        clips.extend(known)
    return clips


def _key(recording: Recording, text: str | None, spec: PrepareSpec, tools: Tools) -> str:
    engines = [getattr(tool, "name", type(tool).__name__) for tool in (tools.vad, *tools.aligners, tools.transcriber)]
    parts = [_METHOD, manifest.to_json(recording), repr(text), spec.digest(), *engines]
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()


def _assemble(clips: Sequence[Clip], spec: PrepareSpec, folder: Path) -> tuple[Dataset, list[str]]:
    """The dataset of finished clips, and remarks."""
    accepted = [c for c in clips if c.verdict is Verdict.ACCEPTED]
    speech_s = round(sum(c.duration_s for c in accepted), 3)
    if speech_s < spec.min_speech_s:
        raise _too_little(clips, speech_s, spec)
    seconds: defaultdict[str, float] = defaultdict(float)
    for clip in accepted:
        seconds[clip.recording_id] += clip.duration_s
    held_out = held_out_recordings(seconds, spec.held_out_ratio)
    notes: list[str] = []
    if not held_out and spec.held_out_ratio > 0:
        notes.append(
            "All clips are of one recording, so none is held out: similarity is measured against clips that were learned."
        )
    digest = hashlib.sha256(f"{_METHOD}\0{spec.digest()}\n".encode())
    for clip in clips:
        content = hashlib.sha256((folder / clip.audio).read_bytes()).hexdigest() if clip.audio else ""
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


def _too_little(clips: Sequence[Clip], speech_s: float, spec: PrepareSpec) -> InputError:
    rejected = [c for c in clips if c.verdict is Verdict.REJECTED]
    if rejected and all(c.reason == "no speech in it" for c in clips):
        return RecordingsError(f"No speech was found in any of {len(clips)} recordings.", "Check that they are not silent.")
    counted = Counter(c.reason.split(":")[0] for c in rejected).most_common(3)
    why = "; ".join(f"{count} x {reason}" for reason, count in counted)
    problem = f"There are {speech_s:.1f} s of usable speech; at least {spec.min_speech_s:g} s are needed."
    if rejected:
        example = f"{rejected[0].recording}: {rejected[0].reason}"
        problem += f" {len(rejected)} of {len(clips)} clips were rejected ({why}), such as {example}."
    mismatched = sum(c.reason.startswith("script does not match") for c in rejected)
    if mismatched > len(clips) / 2:
        return ScriptError(problem, "Check that the script belongs to these recordings, line by line.")
    return RecordingsError(problem, "Record more, or better.")


def _tidy(folder: Path, clips: Sequence[Clip]) -> None:
    """Remove the unpacked zip, and audio of an earlier spec or script, which is no part of this dataset."""
    shutil.rmtree(folder / "work" / "unpacked", ignore_errors=True)
    ours = {c.audio for c in clips}
    for file in (folder / CLIPS).glob("*.flac"):
        if f"{CLIPS}/{file.name}" not in ours:
            file.unlink(missing_ok=True)


def _summary(dataset: Dataset) -> str:
    accepted = len(dataset.train_ids) + len(dataset.held_out_ids)
    return f"{accepted} clips accepted, {len(dataset.clips) - accepted} rejected, {dataset.speech_s:.0f} s of speech"
