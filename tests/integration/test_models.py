"""Models come here when somebody asks, or a clear error does, at once; what is there is used."""

import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.fake_base import FakeBase
from tests.fake_engines import FakeJudge, fake_engines, fake_recipe, fake_recordings
from tests.tiny_models import write_tiny_demucs
from voicekit import cli
from voicekit.app import App
from voicekit.backends import fetching
from voicekit.backends.denoise import DeepFilterNet
from voicekit.backends.diarization import EmbeddedDiarizer
from voicekit.backends.dnsmos import DnsmosQuality
from voicekit.backends.separation import DemucsSeparator
from voicekit.catalog.store import SqlCatalog
from voicekit.errors import MissingModel
from voicekit.models import KnownModel, known_model
from voicekit.ports import Progress
from voicekit.records import Waveform
from voicekit.settings import Settings
from voicekit.wiring import engines

CONTENT = bytes(range(256)) * 9_000
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


@contextmanager
def serving(cut_at: int = 0) -> Generator[tuple[str, list[str]], None, None]:
    """A server of one file that answers ranges; the first answer breaks off after `cut_at` bytes. The ranges it was asked for."""
    asked: list[str] = []

    class Files(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Range", ""))
            first = int(asked[-1].removeprefix("bytes=").rstrip("-") or 0)
            if not self.path.endswith("/big.th"):
                self.send_error(404)
                return
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(CONTENT) - first))
            self.end_headers()
            whole = CONTENT[first:]
            self.wfile.write(whole[:cut_at] if cut_at and len(asked) == 1 else whole)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def by_url(address: str, digest: str = DIGEST, file: str = "big.th") -> KnownModel:
    known = known_model("htdemucs")
    return replace(
        known, files=(file, "big.yaml"), urls=((f"{address}/{file}", digest),), texts=(("big.yaml", "models: [big]\n"),)
    )


def nothing(event: Progress) -> None:
    """Nobody watches."""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_file_is_fetched_checked_and_not_fetched_again(tmp_path: Path) -> None:
    with serving() as (address, asked):
        seen: list[Progress] = []
        folder = fetching.fetch(by_url(address), tmp_path / "big", seen.append)
        assert (folder / "big.th").read_bytes() == CONTENT and (folder / "big.yaml").read_text() == "models: [big]\n"
        assert seen[-1].fraction == 1.0 and [f.name for f in tmp_path.iterdir()] == ["big"]
        fetching.fetch(by_url(address), tmp_path / "big", nothing)
        assert asked == [""]


def test_what_broke_off_goes_on_where_it_was(tmp_path: Path) -> None:
    with serving(cut_at=1_000_000) as (address, asked):
        with pytest.raises(MissingModel) as caught:
            fetching.fetch(by_url(address), tmp_path / "big", nothing)
        assert "goes on" in caught.value.remedy and not (tmp_path / "big").exists()
        assert (fetching.fetch(by_url(address), tmp_path / "big", nothing) / "big.th").read_bytes() == CONTENT
        assert asked == ["", "bytes=1000000-"]


def test_what_arrives_damaged_or_is_not_there_is_not_kept(tmp_path: Path) -> None:
    with serving() as (address, _):
        with pytest.raises(MissingModel, match="arrived damaged"):
            fetching.fetch(by_url(address, digest="00000000"), tmp_path / "big", nothing)
        with pytest.raises(MissingModel, match="404"):
            fetching.fetch(by_url(address, file="other.th"), tmp_path / "big", nothing)
    assert not (tmp_path / "big").exists() and not list(tmp_path.rglob("*.th*"))


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize("name", ["htdemucs", "faster-whisper-tiny", "speaker-diarization-community-1"])
def test_without_a_network_it_says_within_a_second_what_to_put_where(
    name: str, closed_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = known_model(name)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    if known.urls:
        known = replace(
            known, urls=tuple((f"http://127.0.0.1:{closed_port}/{known.files[1]}", digest) for _, digest in known.urls)
        )
    began = time.monotonic()
    with pytest.raises(MissingModel, match="cannot be reached") as caught:
        fetching.fetch(known, tmp_path / name, nothing)
    assert time.monotonic() - began < 1.5
    assert str(tmp_path / name) in caught.value.remedy and all(f in caught.value.remedy for f in known.files)
    assert not (tmp_path / name).exists()


def test_a_name_that_nobody_looks_up_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: time.sleep(3) or [])
    began = time.monotonic()
    assert not fetching.reachable("https://example.invalid/x")
    assert time.monotonic() - began < 1.5


def test_from_the_hub_come_the_named_files_without_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    known, asked = known_model("faster-whisper-tiny"), {}

    def download(repository: str, local_dir: Path, allow_patterns: list[str], token: object) -> None:
        asked.update(repository=repository, patterns=allow_patterns, token=token)
        for file in (*known.files, "vocabulary.txt", ".cache/huggingface/x"):
            (local_dir / file).parent.mkdir(parents=True, exist_ok=True)
            (local_dir / file).write_text("x")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.setattr(fetching, "reachable", lambda url: True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    folder = fetching.fetch(known, tmp_path / "tiny", nothing)
    assert asked["repository"] == "Systran/faster-whisper-tiny" and set(known.files) < set(asked["patterns"])
    assert asked["token"] is False
    assert sorted(f.name for f in folder.iterdir()) == sorted([*known.files, "vocabulary.txt"])
    assert fetching.os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


def test_a_gate_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import httpx
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def refuse(*args: object, **options: object) -> None:
        raise GatedRepoError("401", response=httpx.Response(401, request=httpx.Request("GET", "https://huggingface.co")))  # type: ignore[arg-type]

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    monkeypatch.setattr(fetching, "reachable", lambda url: True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    known = known_model("speaker-diarization-community-1")
    with pytest.raises(MissingModel, match="conditions") as caught:
        fetching.fetch(known, tmp_path / known.name, nothing)
    assert known.page in caught.value.remedy and "HF_TOKEN" in caught.value.remedy


def test_without_models_everything_is_embedded_and_what_is_there_is_used(tmp_path: Path) -> None:
    parts = engines(Settings(home=tmp_path / "home", device="cpu"))
    assert isinstance(parts.separator("auto"), DeepFilterNet) and isinstance(parts.denoiser(), DeepFilterNet)
    assert isinstance(parts.diarizer("auto"), EmbeddedDiarizer) and parts.transcriber("auto") is parts.judge()
    assert isinstance(parts.quality(), DnsmosQuality)
    folder = tmp_path / "home" / "models" / "htdemucs"
    write_tiny_demucs(folder)
    (folder / "tiny.yaml").rename(folder / "htdemucs.yaml")
    folder.rename(folder.with_name("htdemucs-of-mine"))
    found = parts.separator("htdemucs-of-mine")
    assert isinstance(found, DemucsSeparator) and parts.separator("htdemucs-of-mine") is found
    assert isinstance(parts.separator("embedded"), DeepFilterNet)
    elsewhere = engines(Settings(home=tmp_path / "home", device="cpu", models=tmp_path / "elsewhere"))
    with pytest.raises(MissingModel):
        elsewhere.separator("htdemucs-of-mine")
    for choose, name in ((parts.separator, "htdemucs"), (parts.diarizer, "speaker-diarization-community-1")):
        with pytest.raises(MissingModel, match="is not there"):
            choose(name)


def test_a_recipe_may_leave_the_script_to_a_transcriber(tmp_path: Path) -> None:
    recordings = fake_recordings(tmp_path / "recordings")
    (recordings / "metadata.csv").unlink()
    base, asked = FakeBase(), []

    def chosen(choice: str) -> FakeJudge:
        asked.append(choice)
        return FakeJudge(base)

    parts = replace(fake_engines(base), transcriber=chosen)
    app = App(tmp_path / "home", SqlCatalog(f"sqlite:///{tmp_path / 'catalog.db'}"), parts, "fake")
    recipe = fake_recipe()
    heard = recipe.prepare.model_copy(update={"transcriber": "faster-whisper-tiny"})
    made = app.create("anna", recordings, recipe=recipe.model_copy(update={"prepare": heard}))
    assert set(asked) == {"faster-whisper-tiny"} and made.clips_accepted == 10
    app.create("berta", recordings, recipe=recipe)
    assert asked[-1] == "auto"


class Fair:
    name = "fair"

    def predict(self, wave: Waveform) -> float | None:
        return 1.5


def test_quality_is_predicted_wherever_it_can_be_and_rejects_nothing_unasked(tmp_path: Path) -> None:
    recordings, recipe = fake_recordings(tmp_path / "recordings"), fake_recipe()
    parts = replace(fake_engines(FakeBase()), quality=Fair)
    app = App(tmp_path / "home", SqlCatalog(f"sqlite:///{tmp_path / 'catalog.db'}"), parts, "fake")
    made = app.prepare(recordings, tmp_path / "d", recipe=recipe).dataset
    assert {(c.grades.predicted_mos, c.reason) for c in made.clips} == {(1.5, "")}
    strict = recipe.model_copy(update={"prepare": recipe.prepare.model_copy(update={"min_predicted_mos": 2.0})})
    assert {c.reason[:10] for c in app.prepare(recordings, tmp_path / "s", recipe=strict).dataset.clips} == {"sounds bad"}


def test_the_command_lists_them_and_says_why_one_cannot_come(
    voicekit_home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["models", "list", "--json"]) == 0
    found = {model["name"]: model for model in json.loads(capfd.readouterr().out)}
    gated = found["speaker-diarization-community-1"]
    assert gated["gated"] and gated["licence"] == "CC-BY-4.0" and not gated["ready"] and gated["missing"][0] == "config.yaml"
    assert gated["folder"] == str(voicekit_home / "models" / "speaker-diarization-community-1")
    assert "clustering" in gated["embedded"] and found["dnsmos"]["ready"] and found["dnsmos"]["folder"] is None
    assert cli.run(["models", "list"]) == 0
    shown = capfd.readouterr().out
    assert re.search(r"transcription\n +bundled +Whisper base, int8 +77 MB +MIT +99 languages", shown)
    assert re.search(r"htdemucs +84 MB +MIT +takes music away", shown)
    monkeypatch.setattr(fetching, "reachable", lambda url: False)
    assert cli.run(["models", "fetch", "htdemucs"]) == MissingModel.exit_code
    told = capfd.readouterr().err
    assert "cannot be reached" in told and str(voicekit_home / "models" / "htdemucs") in told
    assert cli.run(["models", "fetch", "nobody"]) == 2
