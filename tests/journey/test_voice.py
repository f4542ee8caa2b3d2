"""A newcomer's way with nothing faked: recordings in, a killed process, a voice that talks, and its end.

The base is complete but very small and random: everything runs, nothing it says makes sense, and the gate says so.
"""

import csv
import io
import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import soundfile

from tests.makers import tiny_base
from voicekit import cli
from voicekit.evaluate import METRICS
from voicekit.shipped import shipped

SPOKEN = Path(__file__).parents[1] / "golden" / "voices" / "slt-1.ogg"
CREATE = ("create", "newcomer", "{recordings}", "--recipe", "smoke", "--base", "{base}", "--json")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight sentences of the bundled speaker as a zip, half a minute."""
    path = tmp_path_factory.mktemp("given") / "eight.zip"
    with zipfile.ZipFile(shipped("assets/sample") / "recordings.zip") as sample, zipfile.ZipFile(path, "w") as few:
        table = next(name for name in sample.namelist() if name.endswith("metadata.csv"))
        rows = list(csv.reader(io.StringIO(sample.read(table).decode()), delimiter="|"))[:8]
        few.writestr(table, "\n".join("|".join(row) for row in rows))
        wanted = {row[0] for row in rows}
        for name in sample.namelist():
            if Path(name).stem in wanted:
                few.writestr(name, sample.read(name))
    return path


def command(base: Path, recordings: Path) -> list[str]:
    return [sys.executable, "-m", "voicekit.cli", *(part.format(base=base, recordings=recordings) for part in CREATE)]


def kill_in(step: str, base: Path, recordings: Path) -> None:
    """Start the job and kill it, as a power cut would, when `step` has begun."""
    process = subprocess.Popen(command(base, recordings), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(step):
            process.send_signal(signal.SIGKILL)
            break
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_from_recordings_to_a_voice_that_talks(
    base: Path, recordings: Path, voicekit_home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kill_in("Chat model", base, recordings)
    assert cli.run(["voices", "--json"]) == 0 and json.loads(capfd.readouterr().out) == []

    code = cli.run(command(base, recordings)[3:])
    out, err = capfd.readouterr()
    assert code == 4, err
    made = json.loads(out)
    assert made["state"] == "draft" and made["reasons"] and made["clips"] == {"accepted": 8, "rejected": 0}
    assert made["training"]["steps"] == 6 and {*METRICS} <= set(made["evaluation"])
    assert made["evaluation"]["text_kl_nats"] > 0
    lines = err.splitlines()
    for title in ("Recordings", "Speech tokens"):
        assert any(line.startswith(f"{title}: done") and "done before" in line for line in lines)
    assert not any(p.is_dir() for p in (voicekit_home / "work").iterdir())
    page = Path(made["report"]).read_text()
    assert "draft" in page and "<audio" in page and "http://" not in page.replace("http://www.w3.org", "")

    assert cli.run(["say", "newcomer", "good morning", "-o", str(tmp_path / "say.wav")]) == 0
    assert soundfile.info(tmp_path / "say.wav").samplerate == 24_000
    capfd.readouterr()
    answered = ["chat", "newcomer", "--audio", str(SPOKEN), "-o", str(tmp_path / "answer.wav"), "--json"]
    assert cli.run(answered) == 0
    answer = json.loads(capfd.readouterr().out)
    assert set(answer) == {"text", "audio", "first_audio_ms", "real_time_factor"}
    assert soundfile.info(tmp_path / "answer.wav").duration > 0

    weights = next((voicekit_home / "voices" / "newcomer" / "v1" / "adapter").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x00\x01")
    assert cli.run(["say", "newcomer", "good morning", "-o", str(tmp_path / "say.wav")]) == 9
    assert cli.run(["remove", "newcomer"]) == 0
    assert not (voicekit_home / "voices" / "newcomer").exists()


@pytest.mark.parametrize(
    ("wanted", "code", "says"),
    [("nowhere", 7, "no base model 'nowhere'"), ("{tmp}/broken", 3, "config.json")],
)
def test_a_base_that_cannot_be_used_is_a_clear_error(
    base: Path, recordings: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], wanted: str, code: int, says: str
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "base.json").write_text((base / "base.json").read_text())
    found = cli.run(["create", "newcomer", str(recordings), "--base", wanted.format(tmp=tmp_path)])
    err = capfd.readouterr().err
    assert (found, says in err, "Traceback" in err) == (code, True, False)
