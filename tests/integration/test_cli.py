"""The command line's contract: one JSON object on stdout, all else on stderr, exit codes, clear errors."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.fake_base import FakeBase
from tests.fake_engines import fake_engines, fake_recipe, fake_recordings, told_turns
from voicekit import cli, wiring
from voicekit.app import App
from voicekit.catalog.store import SqlCatalog
from voicekit.evaluate import METRICS
from voicekit.ports import Progress
from voicekit.specs import Recipe

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("given") / "recordings")


@pytest.fixture
def recipes(tmp_path: Path) -> dict[str, str]:
    """Recipe files: one that passes the gate on fakes, one that cannot."""

    def write(name: str, recipe: Recipe) -> str:
        path = tmp_path / f"{name}.toml"
        lines = [f'name = "{name}"']
        for section in ("prepare", "train", "evaluate"):
            values = getattr(recipe, section).model_dump(exclude_defaults=True)
            harvest = values.pop("harvest", None)
            lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
            lines += ["[train.harvest]", "enabled = false"] if harvest else []
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    strict = fake_recipe().evaluate.model_copy(update={"min_retention": 2.0})
    return {
        "good": write("good", fake_recipe()),
        "strict": write("strict", fake_recipe().model_copy(update={"evaluate": strict})),
    }


class ChattyBase(FakeBase):
    """Prints where libraries print: to sys.stdout, and past it to the file itself."""

    def extract_prompt(self, *args: Any, **kwargs: Any) -> Any:
        print("a library says hello")
        os.write(1, b"and C says it too\n")
        return super().extract_prompt(*args, **kwargs)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], voicekit_home: Path) -> Run:
    """Runs a command on fakes: (exit code, stdout, stderr)."""
    base = ChattyBase()
    catalog = f"sqlite:///{voicekit_home / 'catalog.db'}"
    parts = fake_engines(base)
    monkeypatch.setattr(wiring, "open_app", lambda: App(voicekit_home, SqlCatalog(catalog), parts, "fake", require_consent=False))

    def command(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        code = cli.run([str(a) for a in arguments])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return command


def test_create_json_is_one_object_with_the_promised_keys(run: Run, recordings: Path, recipes: dict[str, str]) -> None:
    code, out, err = run("create", "anna", recordings, "--recipe", recipes["good"], "--json")
    assert code == 0
    shown = json.loads(out)
    assert out.count("\n") == 1
    assert set(shown) == {
        "voice", "version", "state", "clips", "speech_s", "training", "evaluation", "passed", "reasons", "advice", "warnings",
            "report", "consent", "notes",
    }  # fmt: skip
    assert shown["voice"] == "anna" and shown["version"] == 1 and shown["state"] == "published" and shown["passed"] is True
    assert shown["clips"] == {"accepted": 10, "rejected": 0} and shown["reasons"] == []
    assert set(shown["training"]) == {"steps", "seconds", "loss_first", "loss_last", "trainable_parameters"}
    assert set(shown["evaluation"]) == {*METRICS, *(f"{name}_ci" for name in METRICS)}
    for name in METRICS:
        low, high = shown["evaluation"][f"{name}_ci"]
        assert low is None or low <= shown["evaluation"][name] <= high
    assert Path(shown["report"]).read_text().startswith("<!doctype html>")
    assert "a library says hello" in err and "and C says it too" in err
    titles = [line.split(":")[0] for line in err.splitlines() if ": done" in line]
    assert titles == list(App.steps().values())


def test_of_several_speakers_the_wanted_ones_voice_is_made(
    run: Run, recordings: Path, recipes: dict[str, str], tmp_path: Path
) -> None:
    told, clip = tmp_path / "told.rttm", recordings / "000.wav"
    told.write_text(told_turns(recordings))
    common = ("create", "--recipe", recipes["good"], "--json", "--turns", told)
    code, out, err = run(*common, "anna", recordings, "--speaker", "ann")
    assert code == 0, err
    assert json.loads(out)["clips"] == {"accepted": 9, "rejected": 1}
    code, out, err = run(*common, "bea", recordings, "--reference", clip)
    assert code == 0 and json.loads(out)["clips"]["accepted"] >= 9, err
    code, out, err = run(*common, "cleo", recordings, "--speaker", "ann", "--reference", clip)
    assert code == 2 and not out and "given twice" in err
    code, out, err = run(*common, "cleo", recordings, "--speaker", "cy")
    assert code == 2 and not out and "There are: ann, ben." in err
    code, out, err = run(*common, "cleo", recordings, "--reference", tmp_path / "none.wav")
    assert code == 2 and not out and "none.wav" in err


def test_create_without_json_shows_numbers_to_people(run: Run, recordings: Path, recipes: dict[str, str]) -> None:
    code, out, _ = run("create", "anna", recordings, "--recipe", recipes["good"])
    assert code == 0 and "anna version 1: published" in out and "library" not in out
    assert all(name in out for name in METRICS) and "10 accepted, 0 rejected" in out


def test_a_refused_voice_is_exit_4_with_reasons_and_advice(run: Run, recordings: Path, recipes: dict[str, str]) -> None:
    code, out, _ = run("create", "anna", recordings, "--recipe", recipes["strict"], "--json")
    shown = json.loads(out)
    assert code == 4 and shown["state"] == "draft" and shown["passed"] is False
    assert "lost answers" in shown["reasons"][0] and shown["advice"]
    code, out, _ = run("show", "anna")
    assert code == 0 and "refused: The model has lost answers" in out and "advice:" in out


def test_a_voice_from_its_making_to_its_end(run: Run, recordings: Path, recipes: dict[str, str], tmp_path: Path) -> None:
    code, out, err = run("voices", "--json")
    assert (code, json.loads(out)) == (0, [])
    assert run("create", "anna", recordings, "--recipe", recipes["good"])[0] == 0

    code, out, err = run("say", "anna", "good morning", "-o", tmp_path / "new" / "say.wav")
    assert code == 0 and out == f"{tmp_path / 'new' / 'say.wav'}\n"
    info = soundfile.info(tmp_path / "new" / "say.wav")
    assert (info.samplerate, info.channels, info.subtype) == (24_000, 1, "PCM_16") and info.duration == pytest.approx(12 * 0.04)

    code, out, err = run("chat", "anna", "--text", "what is two plus three", "-o", tmp_path / "chat.wav", "--json")
    shown = json.loads(out)
    assert code == 0 and set(shown) == {"text", "audio", "first_audio_ms", "real_time_factor"}
    assert shown["text"] == "five" and shown["audio"] == str(tmp_path / "chat.wav") and shown["first_audio_ms"] > 0
    assert soundfile.info(tmp_path / "chat.wav").duration == pytest.approx(4 * 0.04)

    code, out, err = run("show", "anna", "--json")
    assert code == 0 and {r["path"] for r in json.loads(out)["lineage"]["recordings"]} == {
        p.name for p in recordings.glob("*.wav")
    }
    (listed,) = json.loads(run("voices", "--json")[1])
    assert listed["voice"] == "anna" and listed["state"] == "published"
    assert "anna" in run("voices")[1]

    questions = tmp_path / "q.csv"
    questions.write_text("text,answer\nwhat is one plus one,two\n")
    code, out, err = run("evaluate", "anna", "--questions", questions, "--json")
    assert code == 0 and json.loads(out)["evaluation"]["voice_accuracy"] == 1.0 and "Evaluation: done" in err

    code, out, err = run("remove", "anna")
    assert (code, out) == (0, "") and "1 version" in err
    assert run("voices")[1].startswith("No voices yet")
    assert run("show", "anna")[0] == 2


def test_a_conversation_is_typed_line_by_line(
    run: Run, recordings: Path, recipes: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    run("create", "anna", recordings, "--recipe", recipes["good"])
    monkeypatch.setattr(sys, "stdin", io.StringIO("what is one plus one\nwhat is two plus three\n\nnot asked\n"))
    code, out, _ = run("chat", "anna", "-o", tmp_path / "said")
    assert (code, out) == (0, "two\nfive\n")
    assert sorted(p.name for p in (tmp_path / "said").iterdir()) == ["anna-001.wav", "anna-002.wav"]


def test_the_demo_leaves_a_report_and_three_answers(
    run: Run, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from voicekit import app, request

    (tmp_path / "sample").mkdir()
    shutil.make_archive(str(tmp_path / "sample" / "recordings"), "zip", recordings)
    real = app.shipped
    monkeypatch.setattr(app, "shipped", lambda name: tmp_path / "sample" if name == "assets/sample" else real(name))
    monkeypatch.setattr(request, "read_recipe", lambda _: fake_recipe())
    code, out, err = run("demo", "-o", tmp_path / "out")
    assert code == 0 and "Try next" in out and "voicekit chat sample" in out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["answer-1.wav", "answer-2.wav", "answer-3.wav", "report.html"]
    assert all(str(tmp_path / "out" / f"answer-{i}.wav") in out for i in (1, 2, 3))
    again, _, err = run("demo", "-o", tmp_path / "out")
    assert again == 0 and "done before" in err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["create", "anna"], 2, "RECORDINGS"),
        (["frobnicate"], 2, "frobnicate"),
        (["create", "Anna", "{tmp}"], 2, "small letters"),
        (["create", "anna", "{tmp}/nowhere"], 2, "no recordings"),
        (["create", "anna", "{tmp}/empty"], 3, "no audio file"),
        (["create", "anna", "{tmp}/corrupt"], 3, "cannot be"),
        (["create", "anna", "{tmp}/silent"], 3, "silent"),
        (["create", "anna", "{recordings}", "--recipe", "lora"], 3, "at least 20 s"),
        (["create", "anna", "{recordings}", "--language", "xx"], 3, "'xx'"),
        (["create", "anna", "{recordings}", "--recipe", "nothing"], 2, "nothing"),
        (["create", "anna", "{recordings}", "--recipe", "{tmp}/bad.toml"], 2, "stepz"),
        (["create", "anna", "{recordings}", "--script", "{tmp}/other.csv"], 3, "script"),
        (["create", "anna", "{recordings}", "--questions", "{tmp}/other.csv"], 3, "no text"),
        (["say", "nobody", "hello", "-o", "{tmp}/x.wav"], 2, "no voice 'nobody'"),
        (["say", "nobody", "hello"], 2, "out"),
        (["say", "nobody", "hello", "-o", "{tmp}/x.mp3"], 2, ".wav or .flac"),
        (["chat", "nobody", "--text", "a", "--audio", "b", "-o", "{tmp}/x.wav"], 2, "not both"),
        (["chat", "nobody", "--text", "a"], 2, "-o OUT.wav"),
        (["chat", "nobody"], 2, "no voice 'nobody'"),
        (["evaluate", "nobody"], 2, "no voice 'nobody'"),
        (["remove", "nobody"], 2, "no voice 'nobody'"),
        (["show", "../x"], 2, "small letters"),
    ],
)
def test_mistakes_get_one_clear_error_and_no_output(
    run: Run, recordings: Path, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    import numpy as np

    (tmp_path / "empty").mkdir()
    for folder in ("corrupt", "silent"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "metadata.csv").write_text("a|one|one\n")
    (tmp_path / "corrupt" / "a.wav").write_bytes(b"RIFF nothing of the kind")
    soundfile.write(tmp_path / "silent" / "a.wav", np.zeros(240_000), 24_000)
    (tmp_path / "bad.toml").write_text("[train]\nstepz = 3\n")
    (tmp_path / "other.csv").write_text("file,words\nzzz.wav,nothing that fits\n")
    found, out, err = run(*(a.format(tmp=tmp_path, recordings=recordings) for a in arguments))
    assert (found, out) == (code, "") and says in err and "Traceback" not in err


def test_ctrl_c_is_exit_130_and_says_how_to_go_on(run: Run, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(App, "create", interrupted)
    code, out, err = run("create", "anna", recordings, "--json")
    assert (code, out) == (130, "") and "same command again" in err


def test_a_mistake_of_ours_is_no_traceback_either_but_leaves_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(App, "voices", broken)
    code, out, err = run("voices")
    assert (code, out) == (1, "") and "Traceback" not in err and "inside" in err
    path = Path(err.rsplit(" in ", 1)[1].strip().rstrip("."))
    assert "ZeroDivisionError" in path.read_text()
    path.unlink()


def test_plain_progress_is_a_line_at_the_beginning_and_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    from voicekit.terminal import progress

    with progress({"a": "First", "b": "Second"}) as report:
        for fraction in (0.0, 0.1, 0.2, 1.0):
            report(Progress("a", fraction, message="learning", values={"loss": 1.25, "seconds": 3}))
        report(Progress("b", 1.0, "done before"))
        report(Progress("unknown", 0.5))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "First: 0 % (learning, loss 1.25)" and lines[1].startswith("First: done in") and len(lines) == 3
    assert lines[2].startswith("Second: done in") and "done before" in lines[2]


def test_a_terminal_gets_one_bar_a_step(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from voicekit.terminal import progress

    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with progress(App.steps()) as report:
        report(Progress("prepare", 1.0, "61 clips accepted"))
        report(Progress("chat", 0.5, "learning", {"speech_loss": 2.5}))
    shown = capsys.readouterr()
    assert shown.out == "" and all(title in shown.err for title in App.steps().values())
    assert "61 clips accepted" in shown.err and "learning, speech loss 2.5" in shown.err


@pytest.mark.parametrize("arguments", [["--help"], ["create", "--help"], ["--version"]])
def test_help_imports_nothing_heavy_and_is_quick(arguments: list[str]) -> None:
    heavy = ["torch", "sqlalchemy", "numpy", "scipy", "soundfile", "av", "matplotlib", "transformers", "alembic"]
    code = (
        "import sys, time\nfrom voicekit.cli import run\n"
        f"code = run({arguments!r})\nfound = [m for m in {heavy!r} if m in sys.modules]\n"
        "print(code, found, time.process_time(), file=sys.stderr, sep='|')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    exit_code, found, cpu_s = done.stderr.splitlines()[-1].split("|")
    assert (exit_code, found) == ("0", "[]") and done.stdout
    assert float(cpu_s) < 1.0
