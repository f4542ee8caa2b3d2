"""A studio over the fake base, on a port of its own: whole ways from upload to talking in seconds.

The recordings are tones with silence around them, long enough for the shipped recipes; jobs are carried out by a thread,
as slowly as a test wants to watch.
"""

from __future__ import annotations

import csv
import threading
import time
from pathlib import Path

import numpy as np

from tests.fake_base import FakeBase, codes_of
from tests.fake_engines import SENTENCES, FakeVad, fake_engines
from voicekit import audio
from voicekit.app import App
from voicekit.carrying import Carrier, fault_of
from voicekit.catalog.store import SqlCatalog
from voicekit.creation import STEPS
from voicekit.engines import Engines
from voicekit.errors import Cancelled
from voicekit.jobs import OPEN
from voicekit.records import JobState, JobStatus, Waveform
from voicekit.timebase import MODEL_RATE_HZ

_SILENCE_S = 0.4
_LISTEN_EVERY_S = 0.1


class LoudVad(FakeVad):
    """Speech lies between the first and the last sound."""

    def speech_spans(self, wave: Waveform) -> list[tuple[float, float]]:
        loud = np.flatnonzero(np.abs(wave.mono()) > 1e-3)
        return [(float(loud[0]) / wave.sample_rate_hz, float(loud[-1]) / wave.sample_rate_hz)] if len(loud) else []


def speech(text: str, pitch: int, level: float = 0.5) -> Waveform:
    """A sentence of the fake speaker with silence around it."""
    spoken = FakeBase().voice("low").decode(np.array(codes_of(text, pitch), dtype=np.int64)).mono()
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


class House:
    """An App with fakes and a worker thread. `pause_s` is waited before every step; `hold` stops it there until released."""

    def __init__(self, home: Path, base: FakeBase | None = None, pause_s: float = 0.0) -> None:
        from dataclasses import replace

        self.engines: Engines = replace(fake_engines(base or FakeBase()), vad=LoudVad)
        self.catalog = SqlCatalog(f"sqlite:///{home / 'catalog.db'}")
        home.mkdir(parents=True, exist_ok=True)
        self.app = App(home, self.catalog, self.engines, "fake")
        self.pause_s = pause_s
        self.hold: str = ""
        self._carrier = Carrier(home, self.catalog, self.engines)
        self._closed = threading.Event()
        threading.Thread(target=self._work, daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _work(self) -> None:
        while not self._closed.wait(_LISTEN_EVERY_S):
            for job in self.app.jobs(state=JobState.QUEUED):
                self._carry(job)

    def _carry(self, job: JobStatus) -> None:
        from dataclasses import replace

        for step in STEPS:
            time.sleep(self.pause_s)
            while self.hold == step and not self._closed.is_set() and self.app.job(job.id).state in OPEN:
                time.sleep(_LISTEN_EVERY_S)
            try:
                self._carrier.carry_out(job.id, job.attempt, step)
            except Cancelled:
                return
            except Exception as error:
                now = self.app.job(job.id)
                self.catalog.save_job(replace(now, state=JobState.FAILED, fault=fault_of(error, step)), job.attempt, OPEN)
                return
