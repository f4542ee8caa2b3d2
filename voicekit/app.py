"""class App: one method for each thing a user can do. It knows ports and records; wiring.py gives it the parts."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np

from voicekit import __version__, audio, creation, files, voice_files
from voicekit.creation import Job, Request
from voicekit.dialogue import AudioDelta, Dialogue, Done, Failed, UserAudio, UserText
from voicekit.doctor import examine
from voicekit.drafts import Drafts
from voicekit.engines import Engines
from voicekit.errors import IntegrityError, NameTaken, UsageError, VoiceNotFound, error_of
from voicekit.lessons import Lesson, sample_lessons
from voicekit.measure import Subject, measure
from voicekit.ports import BaseModel, Catalog, OnProgress, Progress, SpeakingModel
from voicekit.presets import Preset, presets
from voicekit.questions import read_questions
from voicekit.records import FloatArray, Question, Turn, Verdict, Voice, VoiceState, Waveform
from voicekit.results import Answer, Check, DemoAnswer, DemoShown, VoiceDetails
from voicekit.review import Reviewer
from voicekit.shipped import shipped
from voicekit.specs import Recipe, read_recipe
from voicekit.storage import enough_room, locked, read_json
from voicekit.timebase import MODEL_RATE_HZ

DEMO_VOICE = "sample"
PREVIEW_TEXT = "hello, this is how i sound. what would you like to talk about?"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{1,39}")
_AGAIN = "run the same command again: it continues after the last finished step."


def silent(_: Progress) -> None:
    """The report for who does not watch."""


class App:
    """Everything lies under `home`. `base` is the base model for new voices: a name or a folder."""

    def __init__(self, home: Path, catalog: Catalog, engines: Engines, base: str) -> None:
        self._home = home
        self._catalog = catalog
        self._engines = engines
        self._base_wanted = base
        self.drafts = Drafts(home)
        self.reviewer = Reviewer(self.drafts, engines, self._base)

    @staticmethod
    def steps(action: str = "create") -> dict[str, str]:
        """The steps whose progress an action reports, in order: key -> title."""
        match action:
            case "evaluate":
                return {"evaluate": creation.STEPS["evaluate"]}
            case "demo":
                return {**creation.STEPS, "answers": "Answers"}
            case _:
                return dict(creation.STEPS)

    def create(
        self,
        name: str,
        recordings: Path | str,
        *,
        script: Path | str | None = None,
        language: str = "",
        recipe: str | Recipe = "lora",
        base: str = "",
        questions: Path | str | None = None,
        new_version: bool = False,
        report: OnProgress = silent,
    ) -> VoiceDetails:
        """Make a voice of recordings; a draft if the gate refuses it. The same call again continues, or finds it finished.

        Raises UsageError (NameTaken: the name has a published voice of other inputs and `new_version` is False),
        InputError, ResourceError, TrainingError, MissingModel; nothing that was finished is lost.
        """
        slug = _checked_name(name)
        reference = self._engines.find_base(base or self._base_wanted)
        request = Request(
            slug=slug,
            recordings=_existing(recordings, "recordings"),
            script=None if script is None else _existing(script, "script"),
            recipe=self._recipe(recipe, language),
            base=reference,
            questions=() if questions is None else read_questions(Path(questions)),
        )
        with self._alone(slug):
            versions = self._catalog.versions(slug)
            model = self._engines.open_base(reference)
            job_id = request.job_id(model.info.revision)
            work = self._home / "work" / job_id[:16]
            made = next((v for v in versions if v.job_id == job_id and (self._home / v.folder).exists()), None)
            if made is None:
                if not new_version and any(v.state is VoiceState.PUBLISHED and v.job_id != job_id for v in versions):
                    raise NameTaken(
                        f"There is a voice {slug!r} already, made from other recordings or with other settings.",
                        f"Choose another name, add --new-version, or remove it first: voicekit remove {slug}.",
                    )
                job = Job(job_id, work, request, model, self._engines, report)
                made = creation.carry_out(job, self._catalog, self._home)
            else:
                shutil.rmtree(work, ignore_errors=True)
                for step in creation.STEPS:
                    report(Progress(step, 1.0, "done before"))
            return self._details(made)

    def say(self, name: str, text: str, out: Path | str) -> Path:
        """Speak a text in a voice; the file written (wav or flac, 24 kHz mono)."""
        if not text.strip():
            raise UsageError("There is nothing to say.", "Give a text.")
        write = _writer(Path(out))
        model = self._speaking(self._voice(name))
        write(model.decode(model.speak(text)))
        return Path(out)

    def chat(
        self, name: str, text: str | None = None, audio_file: Path | str | None = None, out: Path | str | None = None
    ) -> Answer:
        """Ask one question, typed or spoken; the answer's audio is written to `out` if that is given."""
        if (text is None) == (audio_file is None):
            raise UsageError("A question is either typed or spoken.", "Give a text or an audio file.")
        write = _writer(Path(out)) if out else None
        question = UserText(text or "") if audio_file is None else UserAudio(audio.read(Path(audio_file)))
        dialogue = self.dialogue(name)
        dialogue.send(question)
        answer = collect(dialogue)
        if write is not None:
            write(answer.wave)
        return Answer(answer.text, answer.wave, Path(out) if out else None, answer.first_audio_ms, answer.real_time_factor)

    def dialogue(
        self, name: str, version: int = 0, history: Sequence[Turn] = (), heard: Sequence[Waveform] = (), seed: int = 0
    ) -> Dialogue:
        """A conversation with a voice that remembers its turns. It may begin with a `history`; `heard` is what its
        spoken turns sounded like (`Turn.clip_id` is a wave's digest)."""
        model = self._speaking(self._voice(name, version))
        for wave in heard:
            model.hear(wave)
        return Dialogue(model.stream, time.perf_counter, history, seed=seed)

    def speech(self, name: str, text: str, version: int = 0, seed: int = 0) -> Iterator[FloatArray]:
        """A text spoken in a voice: samples at 24 kHz as they are made."""
        deltas = self._speaking(self._voice(name, version)).speak_stream(text, seed)
        return (delta.samples for delta in deltas if len(delta.samples))

    def voices(self) -> list[Voice]:
        """Of each name, the newest published version, or the newest draft."""
        return self._catalog.voices()

    def versions(self, name: str) -> list[Voice]:
        """Every version of a voice, the oldest first."""
        return self._catalog.versions(self._voice(name).slug)

    def show(self, name: str, version: int = 0) -> VoiceDetails:
        """A voice with its numbers and lineage; version 0 is the one that speaks."""
        return self._details(self._voice(name, version))

    def preview(self, name: str, version: int = 0) -> Path:
        """A sentence in a voice, spoken once and then kept (wav)."""
        voice = self._voice(name, version)
        file = self._home / voice.folder / voice_files.PREVIEW
        if not file.exists():
            model = self._speaking(voice)
            save(model.decode(model.speak(PREVIEW_TEXT)), file)
        return file

    def evaluate(self, name: str, questions: Path | str | None = None, report: OnProgress = silent) -> VoiceDetails:
        """Measure a voice again, with its base's test questions or with a file of others. Its state stays as it is."""
        voice = self._voice(name)
        asked: tuple[Question, ...] = () if questions is None else read_questions(Path(questions))
        folder = self._home / voice.folder
        spec = Recipe.model_validate(read_json(folder / voice_files.JOB)["recipe"]).evaluate
        with enough_room(self._home, "run the same command again."):
            base = self._engines.open_base(voice.base_model)
            adapter, dataset = folder / voice_files.ADAPTER, folder / voice_files.DATASET
            subject = Subject(voice.run_id, base, self._speaking(voice), adapter, dataset)
            evaluation, _ = measure(subject, asked, spec, self._engines, uuid4().hex, report)
            self._catalog.add_evaluation(evaluation)
        report(Progress("evaluate", 1.0))
        return self._details(voice, evaluation.id)

    def remove(self, name: str) -> int:
        """Forget all versions of a voice, their files and unfinished work; returns how many versions there were."""
        slug = _checked_name(name)
        with self._alone(slug):
            shelf = self._home / "voices" / slug
            jobs = [p.parent for p in (self._home / "work").glob(f"*/{voice_files.JOB}") if read_json(p).get("name") == slug]
            count = self._catalog.remove_voice(slug)
            if not count and not shelf.exists() and not jobs:
                raise self._not_found(slug)
            for folder in (shelf, *jobs):
                shutil.rmtree(folder, ignore_errors=True)
            return count

    def hear(self, file: Path | str) -> Waveform:
        """A sound file as the models hear it."""
        return audio.read(Path(file))

    def lessons(self, draft_id: str, clips: int = 4) -> tuple[Lesson, ...]:
        """Samples of what the model will learn of a draft's clips, token by token."""
        accepted = [r.clip for r in self.reviewer.show(draft_id).clips if r.clip.verdict is Verdict.ACCEPTED][:clips]
        speaker, spec = self.drafts.get(draft_id).name or "voice", self.reviewer.recipe(draft_id).train
        return sample_lessons(self._base(), [(c, self.reviewer.sound(draft_id, c)) for c in accepted], speaker, spec)

    def presets(self, clips: int) -> tuple[Preset, ...]:
        """The ways to train, with what each takes on this machine for so many clips."""
        base = self._base()
        known = [self._catalog.run(v.run_id) for v in self._catalog.voices() if v.base_model == self._base_wanted]
        runs = [r for r in known if r is not None and r.base_revision == base.info.revision]
        return presets(base.info.folder, runs, clips, "cuda" in self._engines.device().lower())

    def languages(self) -> tuple[str, ...]:
        """Those that the base for new voices speaks."""
        return tuple(self._base().info.languages)

    def doctor(self) -> list[Check]:
        """What works on this machine, and what to do about the rest."""
        engines = self._engines
        return list(
            examine(
                self._home,
                self._catalog,
                self._base,
                engines.device,
                __version__,
            )
        )

    def demo(self, out: Path | str, report: OnProgress = silent) -> DemoShown:
        """Create the voice of the bundled speaker, ask it three questions, put report and answers into `out`."""
        out = Path(out)
        details = self.create(DEMO_VOICE, shipped("assets/sample") / "recordings.zip", new_version=True, report=report)
        model = self._engines.open_base(details.voice.base_model)
        answers: list[DemoAnswer] = []
        for number, question in enumerate(_three(model.material.test), 1):
            report(Progress("answers", (number - 1) / 3, question.text))
            answers.append(DemoAnswer(question.text, self.chat(DEMO_VOICE, question.text, out=out / f"answer-{number}.wav")))
        files.write_bytes(out / voice_files.REPORT, details.report.read_bytes())
        report(Progress("answers", 1.0))
        return DemoShown(details, tuple(answers), out / voice_files.REPORT)

    def _base(self) -> BaseModel:
        """The base for new voices."""
        return self._engines.open_base(self._engines.find_base(self._base_wanted))

    def _voice(self, name: str, version: int = 0) -> Voice:
        """That version, or for 0 the newest published one, else the newest draft."""
        slug = _checked_name(name)
        versions = self._catalog.versions(slug)
        if not versions:
            raise self._not_found(slug)
        if version:
            wanted = next((v for v in versions if v.version == version), None)
            if wanted is None:
                known = ", ".join(str(v.version) for v in versions)
                raise VoiceNotFound(f"The voice {slug!r} has no version {version}.", f"There are: {known}.")
            return wanted
        published = [v for v in versions if v.state is VoiceState.PUBLISHED]
        return (published or versions)[-1]

    def _not_found(self, slug: str) -> VoiceNotFound:
        names = ", ".join(v.slug for v in self._catalog.voices()[:20])
        return VoiceNotFound(
            f"There is no voice {slug!r}.", f"There are: {names}." if names else f"Make it: voicekit create {slug} RECORDINGS."
        )

    def _speaking(self, voice: Voice) -> SpeakingModel:
        run = self._catalog.run(voice.run_id)
        if run is None:
            raise IntegrityError(f"The catalog does not know how {voice.slug} was made.", "Create the voice again.")
        base = self._engines.open_base(voice.base_model)
        return voice_files.speaking(voice, run, self._home / voice.folder, base)

    def _details(self, voice: Voice, evaluation_id: str = "") -> VoiceDetails:
        run = self._catalog.run(voice.run_id)
        evaluation = self._catalog.evaluation(evaluation_id or voice.evaluation_id)
        summary = self._catalog.summary_of(voice.dataset_id)
        if run is None or evaluation is None or summary is None:
            raise IntegrityError(f"The catalog's entry of {voice.slug} is incomplete.", "Create the voice again.")
        return VoiceDetails(
            voice=voice,
            run=run,
            evaluation=evaluation,
            recordings=tuple(self._catalog.recordings_of(voice.dataset_id)),
            clips_accepted=summary.accepted,
            clips_rejected=summary.rejected,
            speech_s=summary.speech_s,
            report=self._home / voice.folder / voice_files.REPORT,
        )

    def _recipe(self, recipe: str | Recipe, language: str) -> Recipe:
        if isinstance(recipe, str):
            given = Path(recipe)
            named = shipped("recipes") / f"{recipe}.toml"
            recipe = read_recipe(named if given.suffix != ".toml" and named.exists() else given)
        language = language or recipe.prepare.language
        return recipe.model_copy(update={"prepare": recipe.prepare.model_copy(update={"language": language})})

    @contextmanager
    def _alone(self, slug: str) -> Generator[None, None, None]:
        """Nobody else makes or removes this voice meanwhile, and a full disk is a clear error."""
        work = self._home / "work"
        lock = work / f"{slug}.lock"
        busy = f"Another process is working on the voice {slug!r} right now."
        try:
            work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"The home folder {self._home} cannot be used: {error.strerror}."
            raise UsageError(problem, "Set VOICEKIT_HOME to a folder of yours.") from None
        with enough_room(self._home, _AGAIN), locked(lock, busy, "Wait for it, or stop it."):
            yield


def collect(dialogue: Dialogue) -> Answer:
    """All that a dialogue says to what was sent, as one answer; its failure as the error it was."""
    pieces: list[FloatArray] = []
    done: Done | None = None
    for event in dialogue.events():
        match event:
            case AudioDelta(samples):
                pieces.append(samples)
            case Failed(code, problem, remedy):
                raise error_of(code, problem, remedy)
            case Done():
                done = event
            case _:
                pass
    if done is None:
        raise UsageError("Nothing was asked.", "Send a question first.")
    samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
    return Answer(done.text, Waveform(samples[None], MODEL_RATE_HZ), None, done.first_audio_ms, done.real_time_factor)


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a voice.",
            "A name has 2 to 40 small letters, digits, - or _, and begins with a letter or a digit.",
        )
    return name


def _existing(path: Path | str, what: str) -> Path:
    found = Path(path).expanduser().absolute()
    if not found.exists():
        raise UsageError(
            f"There are no {what} at {path}." if what == "recordings" else f"There is no {what} {path}.", "Check the path."
        )
    return found


def save(wave: Waveform, out: Path) -> None:
    """Write a .wav or .flac file, whole or not at all."""
    _writer(out)(wave)


def _writer(out: Path) -> Callable[[Waveform], None]:
    """Checked before any work is done: what is made must have a place to go."""
    kinds = {".wav": audio.write_wav, ".flac": audio.write_flac}
    kind = kinds.get(out.suffix.lower())
    if kind is None:
        raise UsageError(f"{out} is not a kind of audio that is written.", "Name a .wav or .flac file.")
    if out.is_dir():
        raise UsageError(f"{out} is a folder.", "Name a file.")
    return lambda wave: kind(out, wave)


def _three(questions: Sequence[Question]) -> list[Question]:
    """Three of domains far apart in the list, or simply the first three."""
    firsts = list({q.domain: q for q in reversed(questions)}.values())[::-1]
    if len(firsts) < 3:
        return list(questions[:3])
    return [firsts[i * len(firsts) // 3] for i in range(3)]
