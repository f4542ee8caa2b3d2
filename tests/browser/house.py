"""A studio over the fake base, on a port of its own: whole ways from upload to talking in seconds.

The recordings are tones with silence around them, long enough for the shipped recipes; jobs are carried out by a thread,
as slowly as a test wants to watch. Where a test is not about consents, voices are published without.
"""

from __future__ import annotations

import csv
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tests.fake_base import FakeBase, codes_of
from tests.fake_engines import SENTENCES, FakePitch, FakeVad, fake_engines, with_syllables
from voicekit import audio
from voicekit.app import App
from voicekit.carrying import Carrier, fault_of
from voicekit.catalog.store import SqlCatalog
from voicekit.engines import Engines
from voicekit.errors import Cancelled
from voicekit.ports import JobSource, OnProgress, Progress, TrainOutcome
from voicekit.records import JobStatus, SpeakerTurn, TrainingExample, Waveform
from voicekit.specs import TrainSpec
from voicekit.timebase import MODEL_RATE_HZ

_SILENCE_S = 0.4
_LISTEN_EVERY_S = 0.1


class LoudVad(FakeVad):
    """Speech is what sounds, from one pause to the next."""

    def speech_spans(self, wave: Waveform) -> list[tuple[float, float]]:
        loud = np.flatnonzero(np.abs(wave.mono()) > 1e-3)
        parts = np.split(loud, np.flatnonzero(np.diff(loud) > _SILENCE_S / 2 * wave.sample_rate_hz) + 1)
        return [(float(p[0]) / wave.sample_rate_hz, float(p[-1]) / wave.sample_rate_hz) for p in parts if len(p)]


class ByPitch:
    """A diarizer to whom a voice is its pitch."""

    name = "by pitch"

    def diarize(
        self, wave: Waveform, num_speakers: int | None = None, speech: Sequence[tuple[float, float]] | None = None
    ) -> tuple[SpeakerTurn, ...]:
        names: dict[float, str] = {}
        turns: list[SpeakerTurn] = []
        for start_s, end_s in LoudVad().speech_spans(wave):
            a, b = (int(t * wave.sample_rate_hz) for t in (start_s, end_s))
            pitch_hz = float(np.median(FakePitch().track(Waveform(wave.samples[:, a:b], wave.sample_rate_hz))))
            turns.append(SpeakerTurn(names.setdefault(pitch_hz, f"speaker {len(names) + 1}"), start_s, end_s))
        return tuple(turns)


def speech(text: str, pitch: int, level: float = 0.5) -> Waveform:
    """A sentence of the fake speaker with silence around it."""
    spoken = with_syllables(FakeBase().voice("low").decode(np.array(codes_of(text, pitch), dtype=np.int64))).mono()
    rest = np.zeros(int(_SILENCE_S * MODEL_RATE_HZ), np.float32)
    return Waveform(level * np.concatenate([rest, spoken, rest])[None], MODEL_RATE_HZ)


def recordings(folder: Path, pitch: int = 6, count: int = 20) -> Path:
    """Enough for the shipped recipes: sentences in pairs, with their metadata.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = [f"{SENTENCES[i % 10]} and {SENTENCES[(i * 3 + 1 + i // 10) % 10]}" for i in range(count)]
    with (folder / "metadata.csv").open("w", newline="") as file:
        rows = csv.writer(file, delimiter="|")
        for number, text in enumerate(texts):
            audio.write_wav(folder / f"{number:03d}.wav", speech(text, pitch))
            rows.writerow([f"{number:03d}", text, text])
    return folder


def conversation(file: Path, turns: int = 12, host: int = 2, guest: int = 6) -> Path:
    """Two people in one recording, long enough to be told apart: the host has two turns for one of the guest."""
    said = [speech(SENTENCES[i % 10] + " and " + SENTENCES[(i + 3) % 10], guest if i % 3 == 2 else host) for i in range(turns)]
    audio.write_wav(file, Waveform(np.concatenate([s.samples for s in said], axis=1), MODEL_RATE_HZ))
    return file


class WatchedBase(FakeBase):
    """Shows every step of its training, `step_s` long; when `forgetful`, the recordings cost it most of its wits."""

    def __init__(self, step_s: float = 0.0) -> None:
        super().__init__()
        # The gate of the shipped recipes wants more questions than the other tests ask.
        self.material = replace(
            self.material, train=self.material.train[:40], test=(*self.material.train[40:], *self.material.test)
        )
        self.step_s, self.forgetful = step_s, False

    def finetune(
        self,
        examples: Sequence[TrainingExample],
        spec: TrainSpec,
        folder: Path,
        report: OnProgress,
        snapshots_at: Sequence[int] = (),
    ) -> TrainOutcome:
        noise = np.random.default_rng(0).normal(0, 0.15, spec.steps)
        for step in range(1, spec.steps + 1):
            loss = 1.6 + 2.6 * float(np.exp(-3 * step / spec.steps)) + float(noise[step - 1])
            time.sleep(self.step_s)
            report(Progress("train", step / spec.steps, "learning the voice", {"step": float(step), "loss": loss}))
        outcome = super().finetune(examples, spec, folder, report, snapshots_at)
        if self.forgetful:
            file = outcome.adapter / "adapter.json"
            file.write_text(json.dumps({**json.loads(file.read_text()), "wits": 0.2}))
        return outcome


class House:
    """An App with fakes and a worker thread. `hold` names a step before which every job waits until it is released."""

    def __init__(self, home: Path, step_s: float = 0.0, require_consent: bool = False) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.base = WatchedBase(step_s)
        self.engines: Engines = replace(fake_engines(self.base), vad=LoudVad, diarizer=lambda _: ByPitch())
        self.hold = ""
        catalog = SqlCatalog(f"sqlite:///{home / 'catalog.db'}")
        self.app = App(home, catalog, self.engines, "fake", self, require_consent)
        self._carrier = Carrier(home, catalog, self.engines, require_consent)
        self._closed = threading.Event()
        self._worker = threading.Thread(target=self.app.work, daemon=True)
        self._worker.start()

    def close(self) -> None:
        """Nobody works here any more: a worker left behind would ask its catalog through all tests to come."""
        self._closed.set()
        self._worker.join(60)
        assert not self._worker.is_alive()

    def run(self, jobs: JobSource, until_idle: bool = False) -> None:
        """ports.JobRunner: what waits, one job after the other, until the house is closed."""
        while not self._closed.wait(_LISTEN_EVERY_S):
            for job in jobs.waiting("cpu"):
                self._carry(jobs, job)

    def forget(self, jobs: Mapping[str, int]) -> None:
        """Nothing is kept here of what was carried out."""

    def _carry(self, jobs: JobSource, job: JobStatus) -> None:
        for step in jobs.steps():
            while self.hold == step and not self._closed.is_set() and not self.app.job(job.id).state.over:
                time.sleep(_LISTEN_EVERY_S)
            if not jobs.begin(job.id, job.attempt, step):
                return
            try:
                self._carrier.carry_out(job.id, job.attempt, step)
            except Cancelled:
                return
            except Exception as error:
                jobs.fail(job.id, job.attempt, fault_of(error, step))
                return
