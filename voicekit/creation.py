"""The create job: a sequence of steps, each of which leaves its result in the job's folder and is never done twice.

Below VOICEKIT_HOME:

    work, <job id>, <step>, ...               what a step is making or has made
    work, <job id>, <step>, done.json         written last: the step is finished; facts for the later ones
    voices, <slug>, v<version>                the finished voice

The job id hashes everything the voice is made from: the same command finds its job again, another one does not.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from voicekit import __version__, audio, files, manifest, voice_files
from voicekit.adapt import F0OfCodes, adapt_chat
from voicekit.conversations import Item
from voicekit.crew import Crew
from voicekit.engines import Engines
from voicekit.errors import TrainingError
from voicekit.evaluate.run import f0_hz
from voicekit.measure import Subject, measure
from voicekit.ports import BaseModel, Catalog, OnProgress, Progress
from voicekit.prepare import load_dataset, load_recordings
from voicekit.prepare.folder import load_made, take_over
from voicekit.preparing import prepare_with
from voicekit.records import Clip, Dataset, Evaluation, IntArray, RunState, TrainingRun, Voice, VoiceState, Waveform
from voicekit.report import write_report
from voicekit.request import Request
from voicekit.storage import copy_file, copy_tree, read_json, read_prompt, write_json, write_prompt

Facts = dict[str, Any]

TOKENS = "tokens.npz"
STEPS = {
    "prepare": "Recordings",
    "tokens": "Speech tokens",
    "chat": "Chat model",
    "decoder": "Decoder",
    "evaluate": "Evaluation",
    "register": "Registration",
}
LAST_STEP = "register"
# What the voice said during training, in a job's folder and later beside the finished voice.
SAMPLES = "samples"


@dataclass(frozen=True)
class Job:
    """One request being carried out in `folder`; its finished steps are found there."""

    id: str
    folder: Path
    request: Request
    base: BaseModel
    engines: Engines
    report: OnProgress

    @property
    def run_id(self) -> str:
        return self.id[:32]

    def asked(self) -> Facts:
        """What is being made of what, for people and for measuring it again."""
        request = self.request
        recipe = request.recipe.model_dump(mode="json")
        return {
            "id": self.id,
            "name": request.slug,
            "recordings": str(request.recordings),
            "script": str(request.script or ""),
            "reference": str(request.reference or ""),
            "turns": str(request.turns or ""),
            "speaker": request.speaker,
            "base": request.base,
            "recipe": recipe,
        }

    @property
    def dataset_folder(self) -> Path:
        return self.folder / "prepare" / voice_files.DATASET

    def dataset(self) -> Dataset:
        return load_dataset(self.dataset_folder)

    def wave(self, clip: Clip) -> Waveform:
        return audio.read(self.dataset_folder / clip.audio)

    def facts(self, step: str) -> Facts:
        """What a finished step said; {} if it is not finished."""
        return read_json(self.folder / step / "done.json")


def carry_out(job: Job, catalog: Catalog, home: Path) -> Voice:
    """Do what is left of a job and register the voice as a draft."""
    for step in list(STEPS)[:-1]:
        carry_out_step(job, step)
    return finish(job, catalog, home)


def carry_out_step(job: Job, step: str) -> None:
    """One step before the registration; nothing if it is finished already."""
    work = {"prepare": prepare, "tokens": tokens, "chat": chat, "decoder": decoder, "evaluate": evaluate}[step]
    if job.facts(step):
        job.report(Progress(step, 1.0, "done before"))
        return
    write_json(job.folder / voice_files.JOB, job.asked())
    folder, began_s = job.folder / step, time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    job.report(Progress(step, 0.0))
    # The parts of a step report under names of their own; the outside sees one bar a step, full when it is finished.
    facts = work(job, folder, lambda event: job.report(replace(event, step=step, fraction=min(event.fraction, 0.999))))
    # Of this attempt alone: one that went on after a kill took longer.
    write_json(folder / "done.json", {"finished_at": now(), "took_s": round(time.monotonic() - began_s, 3), **facts})
    job.report(Progress(step, 1.0))


def finish(job: Job, catalog: Catalog, home: Path) -> Voice:
    """The last step: the voice stands on its shelf and in the catalog, and the job's folder is gone."""
    job.report(Progress("register", 0.0))
    voice = register(job, catalog, home)
    job.report(Progress("register", 1.0))
    shutil.rmtree(job.folder, ignore_errors=True)
    return voice


def code_revision() -> str:
    """This version, and the commit if it runs from a checkout."""
    git = Path(__file__).parents[1] / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        commit = (git / head.removeprefix("ref: ")).read_text(encoding="utf-8").strip() if head.startswith("ref: ") else head
    except OSError:
        return __version__
    return f"{__version__}+{commit[:12]}"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def prepare(job: Job, folder: Path, report: OnProgress) -> Facts:
    """Recordings and script become a dataset."""
    request, target = job.request, folder / voice_files.DATASET
    if request.prepared is not None:
        take_over(request.prepared, target)
    dataset = prepare_with(job.engines, job.base, request.given, request.recipe.prepare, target, report)
    return {"dataset": dataset.id, "speech_s": dataset.speech_s}


def tokens(job: Job, folder: Path, report: OnProgress) -> Facts:
    """The speech tokens of every accepted clip, in one file."""
    dataset = job.dataset()
    clips = [*dataset.held_out(), *dataset.train()]  # in the order in which an evaluation hears them
    codes: list[IntArray] = []
    for found in job.base.encode_clips((job.wave(clip), clip.transcript.text) for clip in clips):
        codes.append(found)
        report(Progress("tokens", len(codes) / len(clips)))
    lengths = np.array([len(c) for c in codes], np.int64)
    with files.beside(folder / TOKENS) as tmp, tmp.open("wb") as file:
        np.savez(file, ids=np.array([c.id for c in clips]), lengths=lengths, codes=np.concatenate(codes))
    return {"clips": len(clips), "tokens": int(lengths.sum())}


def read_tokens(file: Path) -> dict[str, tuple[int, ...]]:
    """Speech codes by clip id."""
    with np.load(file, allow_pickle=False) as stored:
        parts = np.split(stored["codes"], np.cumsum(stored["lengths"])[:-1])
        return {str(i): tuple(int(c) for c in part) for i, part in zip(stored["ids"], parts, strict=True)}


def chat(job: Job, folder: Path, report: OnProgress) -> Facts:
    """The chat model learns the voice from the training clips."""
    started_at = now()
    codes = read_tokens(job.folder / "tokens" / TOKENS)
    items = [Item(c.id, c.transcript.text, codes[c.id]) for c in job.dataset().train()]
    listen, spec = f0_of_codes(job.base, job.engines), job.request.recipe.train
    outcome = adapt_chat(job.base, items, job.request.slug, listen, spec, folder / "run", report)
    if not outcome.losses or not np.isfinite(outcome.losses[-1][1]):
        raise TrainingError("Training diverged: the loss is not a number.", "Lower learning_rate in the recipe.")
    return {
        "started_at": started_at,
        "adapter": outcome.adapter.relative_to(job.folder).as_posix(),
        "steps": outcome.steps,
        "seconds": outcome.seconds,
        "trainable_parameters": outcome.trainable_parameters,
        "losses": outcome.losses,
        "notes": outcome.notes,
    }


def f0_of_codes(base: BaseModel, engines: Engines) -> F0OfCodes:
    """Mean F0 in Hz of speech tokens, decoded with the neutral prompt: what the chat model alone decides. Several at once."""
    speaking, neutral, pitch = base.voice(base.info.default_speaker), base.neutral_prompt(), engines.pitch()

    def listen(replies: Sequence[IntArray]) -> list[float]:
        with Crew(engines.workers) as crew:
            return list(crew.each(lambda codes: f0_hz(pitch.track(speaking.decode(codes, neutral))), replies))

    return listen


def decoder(job: Job, folder: Path, report: OnProgress) -> Facts:
    """The voice prompt, and the few decoder weights that are fitted to the speaker."""
    codes = read_tokens(job.folder / "tokens" / TOKENS)
    clips = [(job.wave(clip), np.array(codes[clip.id], np.int64)) for clip in job.dataset().train()]
    file = folder / voice_files.PROMPT
    if not file.exists():
        write_prompt(file, job.base.extract_prompt(clips))
    prompt = read_prompt(file)
    started_s = time.monotonic()
    weights = job.base.adapt_decoder(clips, prompt, job.request.recipe.train, folder / "run", report)
    return {
        "weights": "" if weights is None else weights.relative_to(job.folder).as_posix(),
        "seconds": time.monotonic() - started_s,
    }


def evaluate(job: Job, folder: Path, report: OnProgress) -> Facts:
    """The voice measured, the gate's decision, and the report that shows both."""
    adapter = job.folder / job.facts("chat")["adapter"]
    weights = job.facts("decoder")["weights"]
    prompt = read_prompt(job.folder / "decoder" / voice_files.PROMPT)
    voice = job.base.voice(job.request.slug, prompt, adapter, job.folder / weights if weights else None)
    subject = Subject(job.run_id, job.base, voice, adapter, job.dataset_folder)
    spec = job.request.recipe.evaluate
    evaluation, rows = measure(subject, job.request.questions, spec, job.engines, job.run_id, report)
    manifest.write_record(folder / voice_files.EVALUATION, evaluation)
    losses = [(int(step), float(loss)) for step, loss in job.facts("chat")["losses"]]
    write_report(folder / voice_files.REPORT, job.request.slug, evaluation, rows, losses, _origin(job))
    return {"passed": evaluation.passed}


def _origin(job: Job) -> dict[str, str]:
    """What the report says about where the voice comes from."""
    dataset, info, run = job.dataset(), job.base.info, job.facts("chat")
    trained = f"{run['steps']} steps, {run['trainable_parameters']:,} parameters, {run['seconds']:.0f} s"
    accepted = len(dataset.train_ids) + len(dataset.held_out_ids)
    return {
        "Base model": f"{info.name} @ {info.revision[:12]}, licence {info.licence}",
        "Recordings": f"{len({c.recording_id for c in dataset.clips})} files, {dataset.speech_s / 60:.1f} min of speech",
        "Clips": f"{accepted} accepted, {len(dataset.clips) - accepted} rejected, {len(dataset.held_out_ids)} held out",
        "Recipe": f"{job.request.recipe.name}, {trained}",
        "Dataset": dataset.id[:12],
        "Made": now(),
    }


def register(job: Job, catalog: Catalog, home: Path) -> Voice:
    """Put the finished files in their place, then the voice with its lineage into the catalog. May be done again."""
    version, folder = _put_in_place(job, catalog, home)
    chat, finished = job.facts("chat"), job.facts("evaluate")
    evaluation = manifest.read_record(folder / voice_files.EVALUATION, Evaluation)
    dataset = job.dataset()
    info, recipe, seal = job.base.info, job.request.recipe, voice_files.seal_of(folder)
    run = TrainingRun(
        id=job.run_id,
        dataset_id=dataset.id,
        base_model=info.name,
        base_revision=info.revision,
        spec_hash=recipe.digest(),
        code_revision=code_revision(),
        seed=recipe.train.seed,
        state=RunState.FINISHED,
        steps=chat["steps"],
        seconds=chat["seconds"],
        loss_first=chat["losses"][0][1],
        loss_last=chat["losses"][-1][1],
        trainable_parameters=chat["trainable_parameters"],
        started_at=chat["started_at"],
        finished_at=chat["finished_at"],
    )
    voice = Voice(
        slug=job.request.slug,
        version=version,
        speaker=job.request.slug,
        run_id=run.id,
        evaluation_id=evaluation.id,
        dataset_id=dataset.id,
        base_model=job.request.base,
        folder=folder.relative_to(home).as_posix(),
        adapter_sha256=seal.adapter,
        prompt_sha256=seal.prompt,
        decoder_sha256=seal.decoder,
        state=VoiceState.DRAFT,
        created_at=finished["finished_at"],
        language=load_made(job.dataset_folder)[0].prepare_spec().language,
        job_id=job.id,
        owner=job.request.owner,
        consent_id=job.request.consent_id if catalog.consent(job.request.consent_id) else "",
        tags=job.request.tags,
    )
    catalog.add_recordings(load_recordings(job.dataset_folder))
    catalog.add_dataset(dataset, voice.slug)
    catalog.add_run(run)
    catalog.add_evaluation(evaluation)
    catalog.add_voice(voice)
    return voice


def _put_in_place(job: Job, catalog: Catalog, home: Path) -> tuple[int, Path]:
    """(version, folder) of the finished files. A folder that a killed attempt left is taken as it is."""
    shelf = home / "voices" / job.request.slug
    known = {v.version: v.job_id for v in catalog.versions(job.request.slug)}
    folders = {int(p.name[1:]): p for p in shelf.glob("v*") if p.name[1:].isdigit()}
    placed = next((n for n, p in folders.items() if read_json(p / voice_files.JOB).get("id") == job.id), None)
    source = folders[placed] if placed is not None else _collected(job, shelf / f".{job.id[:16]}.tmp")
    version = next((n for n, job_id in known.items() if job_id == job.id), None)
    if version is None:
        free = placed is not None and placed not in known
        version = placed if free and placed is not None else 1 + max((0, *known, *folders))
    target = shelf / f"v{version}"
    if source != target:
        os.replace(source, target)
    return version, target


def _collected(job: Job, folder: Path) -> Path:
    """The results of all steps together in one folder."""
    shutil.rmtree(folder, ignore_errors=True)
    copy_tree(job.folder / job.facts("chat")["adapter"], folder / voice_files.ADAPTER)
    copy_file(job.folder / "decoder" / voice_files.PROMPT, folder / voice_files.PROMPT)
    if weights := job.facts("decoder")["weights"]:
        copy_file(job.folder / weights, folder / voice_files.DECODER / Path(weights).name)
    copy_tree(job.dataset_folder, folder / voice_files.DATASET, without=("work",))
    if (samples := job.folder / "chat" / "run" / SAMPLES).exists():
        copy_tree(samples, folder / SAMPLES)
    for name in (voice_files.EVALUATION, voice_files.REPORT):
        copy_file(job.folder / "evaluate" / name, folder / name)
    copy_file(job.folder / voice_files.JOB, folder / voice_files.JOB)
    return folder
