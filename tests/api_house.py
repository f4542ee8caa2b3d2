"""A server on a free loopback port, on fakes, with voices of two owners; used by the tests of the API."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np
from fastapi import FastAPI

from tests.fake_base import FakeBase, codes_of
from tests.fake_engines import fake_engines, fake_recipe, fake_recordings
from voicekit.api.factory import make_api
from voicekit.api.limits import Limits
from voicekit.api.running import ApiServer
from voicekit.app import App
from voicekit.audio import resample
from voicekit.audio_formats import decode
from voicekit.catalog.store import SqlCatalog
from voicekit.records import FloatArray, VoiceState, Waveform, Word
from voicekit.timebase import MODEL_RATE_HZ

ADA, BERT = "team-a", "team-b"


class StrictBase(FakeBase):
    """Its aligner reads the tones: the match is the share of words that are really there."""

    def align(self, wave: Waveform, text: str, language: str = "en") -> tuple[tuple[Word, ...], float] | None:
        heard = self.read_speech(self.encode_speech(wave)).split()
        words = text.split()
        said = [1.0 if i < len(heard) and heard[i] == word else 0.0 for i, word in enumerate(words)]
        step_s = wave.duration_s / max(len(words), 1)
        found = tuple(Word(w, i * step_s, (i + 1) * step_s, c) for i, (w, c) in enumerate(zip(words, said, strict=True)))
        return found, sum(said) / max(len(words), len(heard), 1)


@dataclass
class ApiHouse:
    """`ada` and `ada-draft` belong to team-a, `bert` to team-b, `home` to the machine's user: one voice under four names."""

    home: Path
    recordings: Path
    base: FakeBase = field(default_factory=StrictBase)

    @property
    def catalog(self) -> SqlCatalog:
        return SqlCatalog(f"sqlite:///{self.home / 'catalog.db'}")

    def app(self) -> App:
        return App(self.home, self.catalog, fake_engines(self.base), "fake")

    def furnish(self) -> None:
        made, catalog = self.app().create("ada", self.recordings, recipe=fake_recipe()).voice, self.catalog
        for name, owner, state in (
            ("ada", ADA, VoiceState.PUBLISHED),
            ("ada-draft", ADA, VoiceState.DRAFT),
            ("bert", BERT, VoiceState.PUBLISHED),
            ("home", "", VoiceState.PUBLISHED),
        ):
            catalog.add_voice(replace(made, slug=name, owner=owner, state=state))

    def key(self, owner: str = ADA, *scopes: str) -> str:
        return self.app().create_key("a test", owner, scopes or ("read", "write", "speak"))[1]


def furnished(folder: Path) -> ApiHouse:
    house = ApiHouse(folder / "home", fake_recordings(folder / "recordings"))
    house.furnish()
    return house


def copy_of(house: ApiHouse, folder: Path) -> ApiHouse:
    """The same voices in a home of its own."""
    shutil.copytree(house.home, folder / "home")
    return ApiHouse(folder / "home", house.recordings)


def spoken(text: str, pitch: int = 6) -> Waveform:
    return FakeBase().voice("mid").decode(np.array(codes_of(text, pitch), np.int64))


def samples_of(data: bytes, name: str) -> FloatArray:
    """What a file of that format holds, at the models' rate."""
    if name == "pcm":
        return (np.frombuffer(data, "<i2") / 32767).astype(np.float32)
    return resample(decode(data, f"x.{name}", 100.0), MODEL_RATE_HZ).mono()


@contextmanager
def serving(api: FastAPI, limits: Limits | None = None) -> Generator[str, None, None]:
    """The address of a live server of this API."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = ApiServer(api, "127.0.0.1", port, limits=limits)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def served(app: App, keys_required: bool = True, limits: Limits | None = None) -> Generator[str, None, None]:
    """The address of a live server."""
    with serving(make_api(app, keys_required, limits), limits) as address:
        yield address


def client(address: str, key: str = "") -> httpx.Client:
    return httpx.Client(base_url=address, headers={"Authorization": f"Bearer {key}"} if key else {}, timeout=60.0)
