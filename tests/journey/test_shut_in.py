"""The whole journey in processes that the kernel keeps from opening a socket: nobody is told anything, by any library, and
nothing is written but in the home, in the user's cache, and where somebody said."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.journey.test_voice import base as base
from tests.journey.test_voice import recordings as recordings

ROOT = Path(__file__).parents[2]
SHUT_IN = ROOT / "tests" / "shut_in.py"
CONSENT = ROOT / "tests" / "golden" / "voices" / "slt-consent.ogg"
# matplotlib lists the fonts of the machine once.
CACHES = ("matplotlib",)
PATIENCE_S = 300.0


class Machine:
    """A user's folders, and commands that run shut in."""

    def __init__(self, folder: Path) -> None:
        self.user, self.temporary, self.work = (folder / name for name in ("user", "tmp", "work"))
        for place in (self.user, self.temporary, self.work):
            place.mkdir()
        hidden = ("CI", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "VOICEKIT_HOME")
        self.environment = {k: v for k, v in os.environ.items() if k not in hidden and "TELEMETRY" not in k}
        self.environment |= {"HOME": str(self.user), "TMPDIR": str(self.temporary), "PYTHONPATH": str(ROOT)}

    def command(self, how: str, *program: str) -> list[str]:
        return [sys.executable, str(SHUT_IN), how, *program]

    def run(self, *program: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command("nobody", *program), capture_output=True, text=True, cwd=self.work, env=self.environment
        )
        assert done.returncode != -signal.SIGSYS, f"{program} opened a socket:\n{done.stderr[-3000:]}"
        return done

    def strewn(self) -> list[str]:
        """Files that are nowhere where they belong."""
        mine = (self.user / ".voicekit", *(self.user / ".cache" / name for name in CACHES))
        found = [p for place in (self.user, self.temporary) for p in place.rglob("*") if p.is_file()]
        return [str(p) for p in found if not any(p.is_relative_to(place) for place in mine)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_watch_sees_what_libraries_in_c_do(machine: Machine) -> None:
    """Else the tests below could not fail."""
    python = "import ctypes; ctypes.CDLL(None).socket(2, 1, 0)"
    (machine.work / "asks.py").write_text(python)
    done = subprocess.run(machine.command("nobody", "asks.py"), cwd=machine.work, env=machine.environment, capture_output=True)
    assert done.returncode == -signal.SIGSYS
    (machine.work / "calls.py").write_text(
        "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); socket.create_connection(s.getsockname())"
    )
    done = subprocess.run(
        machine.command("listening", "calls.py"), cwd=machine.work, env=machine.environment, capture_output=True
    )
    assert done.returncode == -signal.SIGSYS and b"create_connection" in done.stderr


@pytest.mark.parametrize(
    "first",
    [
        "import voicekit, onnxruntime",
        "from voicekit.backends.vad import SileroVad; SileroVad()",
        "from voicekit.backends.whisper import WhisperTranscriber; import faster_whisper",
        "import studio_app.theme, gradio",
        "import studio_app.app",
        "import recipes.embedded.denoiser, onnxruntime",
        "import bench.heard, onnxruntime",
    ],
)
def test_no_library_leaves_a_mark_whoever_imports_it_first(machine: Machine, first: str) -> None:
    """onnxruntime wrote a lasting device id into the user's cache when it was imported, and looked for Microsoft."""
    (machine.work / "first.py").write_text(f"{first}\nimport os; print(os.environ['ORT_DISABLE_TELEMETRY'])")
    done = machine.run("first.py")
    assert done.returncode == 0 and done.stdout.split() == ["1"], done.stderr[-3000:]
    assert machine.strewn() == []


JOURNEY = """
import sys
import voicekit
from voicekit import cli

manifest, recordings, base, sound = sys.argv[1:]
ways = (
    (4, "onboard", manifest),  # a worker and the process of its steps are shut in with it
    (0, "say", "newcomer", "good morning", "-o", "say.wav"),
    (0, "chat", "newcomer", "--audio", sound, "-o", "answer.wav"),
    (0, "consents", "add", sound, "--speaker", "Slt"),
    (0, "speakers", recordings, "-o", "who"),
    (0, "prepare", recordings, "-o", "dataset", "--cleaning", "denoise"),
    (0, "dataset", "export", "dataset", "--to", "hf", "-o", "hf"),
    (0, "doctor"),
    (0, "base", "check", base),
    (0, "models", "list"),
    (0, "keys", "create", "web"),
)
for code, *command in ways:
    assert cli.run(command) == code, command
app = voicekit.open_app()
assert app.show("newcomer").consent.kind == "synthetic"
assert cli.run(["remove", "newcomer"]) == 0
assert cli.run(["consents", "remove", app.consents()[0].id]) == 0
"""


def test_from_recordings_to_a_voice_and_its_end_nobody_is_told_anything(machine: Machine, base: Path, recordings: Path) -> None:
    manifest = machine.work / "many.csv"
    manifest.write_text(f"name,recordings,recipe,base\nnewcomer,{recordings},smoke,{base}\n")
    (machine.work / "journey.py").write_text(JOURNEY)
    done = machine.run("journey.py", str(manifest), str(recordings), str(base), str(CONSENT))
    assert done.returncode == 0, done.stderr[-3000:]
    assert machine.strewn() == []
    left = [p.name for p in (machine.user / ".voicekit").rglob("*") if p.is_file()]
    assert sorted(name.split(".db")[0] for name in left) == ["catalog", "catalog", "jobs"], left


@pytest.mark.parametrize("pages", [("serve", "/health", "/docs", "/studio/"), ("studio", "/")])
def test_a_server_calls_nobody(machine: Machine, pages: tuple[str, ...]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    command = machine.command("listening", "-m", "voicekit.cli", pages[0], "--port", str(port), "--no-worker")
    said = machine.work / "said.txt"
    with said.open("w") as err:
        server = subprocess.Popen(command, cwd=machine.work, env=machine.environment, stdout=err, stderr=err)
    try:
        for page in pages[1:]:
            assert answer(f"http://127.0.0.1:{port}{page}", server, said) == 200
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    finally:
        server.kill()
    assert server.returncode != -signal.SIGSYS, said.read_text()
    assert machine.strewn() == []


def answer(address: str, server: subprocess.Popen[bytes], said: Path) -> int:
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=60) as found:
                return int(found.status)
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline_s, said.read_text()
            time.sleep(0.2)
