"""Recordings -> dataset with everything this machine has for it: the one way in for the terminal, the studio and every job."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from voicekit import audio, manifest
from voicekit.engines import Engines
from voicekit.errors import LanguageError, ScriptError, UsageError
from voicekit.models import AUTO, EMBEDDED, EMBEDDED_DEFAULTS, Step
from voicekit.ports import BaseModel, LanguageDetector, OnProgress, Progress, SpeakerEncoder
from voicekit.prepare import Given, Means, prepare_dataset
from voicekit.prepare.clips import Tools
from voicekit.prepare.diarized import summaries
from voicekit.prepare.folder import WORK, load_recordings, made_of
from voicekit.prepare.hearing import Ears, Hearing, Speaker, Wanted
from voicekit.prepare.intake import SPEAKERS, Intake, take_in
from voicekit.prepare.people import FoundVoice, people_of
from voicekit.prepare.review import Desk
from voicekit.prepare.scripts import look_for_script
from voicekit.prepare.spoken import primary
from voicekit.prepare.track import Track
from voicekit.prepare.turns import Turns, find_turns, spoken_turns
from voicekit.prepare.workbench import Instruments, sha256_of
from voicekit.records import Dataset, SpeakerTurn, Waveform
from voicekit.specs import PrepareSpec

TOLD = SPEAKERS
VOICES = "voices.jsonl"
UNKNOWN_LANGUAGE = "und"
LISTENED_TO_S = 60.0
_LISTENED_TO, _SURE_OF_LANGUAGE = 3, 0.7


def prepare_with(
    engines: Engines,
    base: BaseModel,
    given: Given,
    spec: PrepareSpec,
    folder: Path,
    report: OnProgress,
    strict: bool = True,
    must_speak: bool = True,
) -> Dataset:
    """Without `strict` a dataset may be too small. The language AUTO is found out from the recordings. See prepare_dataset.

    With `must_speak` the dataset is for a voice of `base`: LanguageError where that does not speak the language that is given,
    or that is surely heard.
    """
    spec, taken = _in_its_language(engines, base, given.recordings, spec, folder, report, must_speak)
    means = Means(
        _tools(engines, base, spec),
        speaker=engines.speaker_encoder(),
        listening=lambda told: Hearing(spec, _ears(engines, spec), folder, given.whose, told).listening(),
        languages=base.info.languages if must_speak else None,
        with_less=[f"{step.value}: {EMBEDDED_DEFAULTS[step]}" for step in _embedded(engines, spec)],
        models=_models(engines, base, spec),
        workers=engines.workers,
    )
    return prepare_dataset(given, spec, folder, means, report, strict, taken)


def _in_its_language(
    engines: Engines,
    base: BaseModel,
    recordings: Path,
    spec: PrepareSpec,
    folder: Path,
    report: OnProgress,
    must_speak: bool,
) -> tuple[PrepareSpec, Intake | None]:
    """The spec with the language that is spoken; and the recordings, if they had to be taken in to find out."""
    spoken = sorted({primary(tag) for tag in base.info.languages})
    detector = next((a for a in engines.aligners(base) if isinstance(a, LanguageDetector)), None)
    hears = Step.TRANSCRIPTION not in _embedded(engines, spec)
    if spec.language != AUTO:
        if not must_speak or detector is None or primary(spec.language) not in spoken:
            return spec, None
        intake = take_in(recordings, spec.language, folder / WORK, spec.max_failed_ratio, report)
        _refuse_other_language(detector, intake, folder / WORK, base)
        return spec, intake
    if len(spoken) == 1 and (must_speak or not (hears or detector)):
        return spec.model_copy(update={"language": spoken[0]}), None
    language, intake = "", None
    if hears or detector:
        intake = take_in(recordings, UNKNOWN_LANGUAGE, folder / WORK, spec.max_failed_ratio, report)
        for wave in _longest(intake, folder / WORK, 1):
            if hears:
                language = engines.transcriber(spec.transcriber).hear(wave).language
            elif detector:
                language = detector.detect_language(wave)[0]
    if not language:
        raise LanguageError("Nobody here can hear which language is spoken.", "Give it: --language, or a transcriber's model.")
    return spec.model_copy(update={"language": language}), intake and intake.spoken_in(language)


def _refuse_other_language(detector: LanguageDetector, intake: Intake, work: Path, base: BaseModel) -> None:
    """LanguageError if the longest recordings are all heard in one language, surely, that the base does not speak."""
    heard = [detector.detect_language(wave) for wave in _longest(intake, work, _LISTENED_TO)]
    languages = {language for language, _ in heard}
    known = sorted({primary(tag) for tag in base.info.languages})
    sure = sum(probability for _, probability in heard) / max(len(heard), 1)
    if len(languages) == 1 and sure >= _SURE_OF_LANGUAGE and not languages & set(known):
        problem = f"The recordings are in {languages.pop()!r}, and the base model {base.info.name} speaks {', '.join(known)}."
        raise LanguageError(problem, "Choose a base model that does, or record in one of its languages.")


def _longest(intake: Intake, work: Path, most: int) -> Iterator[Waveform]:
    """The beginnings of the longest recordings."""
    for recording in sorted(intake.recordings, key=lambda r: -r.num_samples / r.sample_rate_hz)[:most]:
        with Track(intake.root / recording.path, work, recording.sample_rate_hz) as track:
            yield track.heard(0.0, LISTENED_TO_S)


def desk_of(engines: Engines, open_base: Callable[[], BaseModel], folder: Path) -> Desk:
    """Where the clips of the dataset in `folder` are decided on. Nothing is opened before it is needed; a copy without what it
    was made of can only be looked at."""
    if not (folder / WORK).is_dir():
        return Desk(folder, Instruments(lambda: Tools(engines.vad(), ())))
    spec, hearing = _hearing_of(engines, folder)
    instruments = Instruments(
        lambda: _tools(engines, open_base(), spec).knowing(spec.language), engines.speaker_encoder, hearing.listening()
    )
    return Desk(folder, instruments)


def speakers_of(engines: Engines, folder: Path) -> list[Speaker]:
    """Who speaks in the recordings of the dataset in `folder`, as far as they hold several speakers."""
    return _hearing_of(engines, folder)[1].speakers(load_recordings(folder))


def _hearing_of(engines: Engines, folder: Path) -> tuple[PrepareSpec, Hearing]:
    made = made_of(folder)
    spec, whose = made.prepare_spec(), Wanted(Path(made.reference) if made.reference else None, made.label)
    return spec, Hearing(spec, _ears(engines, spec), folder, whose, made.turns)


def _tools(engines: Engines, base: BaseModel, spec: PrepareSpec) -> Tools:
    """A script is doubted by a model that somebody put there and that knows its language: the bundled one would take as much time
    as all other steps. Quality is predicted wherever there is something to predict it."""
    transcriber = engines.transcriber(spec.transcriber)
    hears = primary(spec.language) in getattr(transcriber, "languages", (primary(spec.language),))
    doubting = None if Step.TRANSCRIPTION in _embedded(engines, spec) or not hears else transcriber
    return Tools(engines.vad(), engines.aligners(base), transcriber, doubting, engines.quality())


@dataclass(frozen=True)
class SpeakerSample:
    """One speaker of a recording (path below what was given): how long they speak, their share of its speech, and the name of a
    wav with a stretch of them alone. `speaker` is what they are called in this recording, `person` in all of them."""

    recording: str
    speaker: str
    speech_s: float
    share: float
    sample: str
    person: str = ""


@dataclass(frozen=True)
class _Voice:
    """One journal line: how a sample sounds to an encoder."""

    key: str
    embedding: tuple[float, ...]


@dataclass(frozen=True)
class _Told:
    """One journal line: the speakers of a recording, the one who speaks most first: (speaker, speech_s, share)."""

    key: str
    speakers: tuple[tuple[str, float, float], ...]
    recording_id: str = ""


def find_speakers(
    engines: Engines,
    recordings: Path,
    folder: Path,
    spec: PrepareSpec,
    report: OnProgress,
    turns: Path | None = None,
    from_s: float = 0.0,
    of_one_set: bool = False,
) -> list[SpeakerSample]:
    """Who speaks in each recording of `from_s` and more, by a diarizer where nobody wrote turns; a stretch of each is written
    into `folder` as a wav. Who sounds alike in several recordings is one person. What was found in `folder` before is not looked
    for again. With `of_one_set` the folder may hold no samples of other recordings alone. Raises InputError, UsageError."""
    intake = take_in(recordings, spec.language, folder / WORK, spec.max_failed_ratio, report)
    others = [r.recording for r in intake.refused]
    written = {**_scripted(intake), **find_turns(turns, intake.root, intake.recordings, others).of}
    known = {told.key: told for told in manifest.read_journal(folder / TOLD, _Told)}
    before = {told.recording_id for told in known.values()} - {""}
    if of_one_set and before and not before & {r.id for r in intake.recordings}:
        shutil.rmtree(folder / WORK, ignore_errors=True)
        problem = f"{folder} holds samples of the speakers of other recordings."
        raise UsageError(problem, "Name another folder for these.")
    asked = [r for r in intake.recordings if r.id in written or r.num_samples >= from_s * r.sample_rate_hz]
    found: list[SpeakerSample] = []
    for number, recording in enumerate(asked):
        report(Progress("prepare", number / len(asked), recording.path))
        diarizer = None if recording.id in written else engines.diarizer(spec.diarizer)
        how = f"{diarizer.name} {spec.num_speakers}" if diarizer else repr(written[recording.id])
        key = hashlib.sha256(f"{recording.id}\0{recording.path}\0{how}".encode(errors="surrogatepass")).hexdigest()
        told = known.get(key)
        if told is None or not all((folder / _sample(recording.path, who)).is_file() for who, _, _ in told.speakers):
            with Track(intake.root / recording.path, folder / WORK, recording.sample_rate_hz) as track:
                spoken = diarizer.diarize(track.heard(), spec.num_speakers or None) if diarizer else written[recording.id]
                told = _Told(key, _sampled(track, spoken, recording.path, folder), recording.id)
            manifest.append_record(folder / TOLD, told)
        found += [SpeakerSample(recording.path, *who, _sample(recording.path, who[0])) for who in told.speakers]
    shutil.rmtree(folder / WORK, ignore_errors=True)
    paths = {recording.path for recording in asked if recording.id in written}
    return _as_people(found, paths, engines.speaker_encoder(), folder)


def _as_people(
    found: Sequence[SpeakerSample], told: Collection[str], encoder: SpeakerEncoder, folder: Path
) -> list[SpeakerSample]:
    """The same with who they are beyond their recording; in the recordings that are `told` their labels are names."""
    known = {voice.key: voice.embedding for voice in manifest.read_journal(folder / VOICES, _Voice)}
    voices: list[FoundVoice] = []
    for who in found:
        key = f"{encoder.name} {sha256_of(folder / who.sample)}"
        if key not in known:
            known[key] = tuple(round(float(x), 5) for x in encoder.embed(audio.read(folder / who.sample)))
            manifest.append_record(folder / VOICES, _Voice(key, known[key]))
        embedding = np.array(known[key], np.float32)
        voices.append(FoundVoice(who.recording, who.speaker, who.recording in told, who.speech_s, embedding))
    return [replace(who, person=person) for who, person in zip(found, people_of(voices), strict=True)]


def _scripted(intake: Intake) -> Turns:
    """Who speaks when, where a script says it of each of its texts; a script that cannot be read is no reason to stop here."""
    try:
        script = look_for_script(None, intake.root, intake.recordings, [r.recording for r in intake.refused], intake.texts)
    except ScriptError:
        return {}
    return spoken_turns(script, intake.recordings, wanted=True)


def _sampled(track: Track, turns: Sequence[SpeakerTurn], path: str, folder: Path) -> tuple[tuple[str, float, float], ...]:
    """Everybody who has turns in a recording, with a stretch of each written into `folder`."""
    found = summaries(turns)
    for who in found:
        heard = Waveform(track.between(*who.listen)[None], track.sample_rate_hz)
        audio.write_wav(folder / _sample(path, who.speaker), heard)
    return tuple((who.speaker, who.speech_s, who.share) for who in found)


def _sample(path: str, speaker: str) -> str:
    return f"{path.replace('/', '-')}-{speaker}.wav".replace(" ", "-")


def _ears(engines: Engines, spec: PrepareSpec) -> Ears:
    ready = [s.model.name for s in engines.models() if s.ready and s.chosen_automatically]
    return Ears(
        identity=" ".join(["ears", *ready]),
        vad=engines.vad,
        denoiser=engines.denoiser,
        separator=lambda: engines.separator(spec.separator),
        diarizer=lambda: engines.diarizer(spec.diarizer),
        speaker=engines.speaker_encoder,
    )


def _embedded(engines: Engines, spec: PrepareSpec) -> list[Step]:
    """The steps that what is bundled does, for want of a model or by choice."""
    there = {s.model.step for s in engines.models() if s.ready and not s.model.by_name_only}
    choices = {Step.SEPARATION: spec.separator, Step.DIARIZATION: spec.diarizer, Step.TRANSCRIPTION: spec.transcriber}
    return [step for step, choice in choices.items() if choice == EMBEDDED or (choice == AUTO and step not in there)]


def _models(engines: Engines, base: BaseModel, spec: PrepareSpec) -> dict[str, str]:
    """What does each step: a model's name or folder, or what is bundled."""
    ready = {s.model.step: s.model.name for s in reversed(engines.models()) if s.ready and not s.model.by_name_only}
    embedded = _embedded(engines, spec)
    choices = {Step.SEPARATION: spec.separator, Step.DIARIZATION: spec.diarizer, Step.TRANSCRIPTION: spec.transcriber}
    aligners = ", ".join(getattr(a, "name", base.info.name) for a in engines.aligners(base))
    used = {s.value: EMBEDDED if s in embedded else ready[s] if c == AUTO else c for s, c in choices.items()}
    return {**used, "alignment": aligners, "speaker": engines.speaker_encoder().name}
