"""`voicekit prepare` and the review commands, from the command line, over the fake base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.browser.house import House, recordings
from tests.fake_engines import told_turns
from voicekit import cli, wiring
from voicekit.commands import dataset_review
from voicekit.errors import InputError, UsageError
from voicekit.prepare.decisions import FILE

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return recordings(tmp_path / "given", count=8)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Generator[Run, None, None]:
    """Runs a command with --json and returns its exit code with what it printed."""

    datasets = typer.Typer()
    datasets.add_typer(dataset_review.review_app, name="dataset")
    whole = cli.cli

    def command(*arguments: object) -> tuple[int, Any]:
        capfd.readouterr()
        monkeypatch.setattr(cli, "cli", datasets if arguments[0] == "dataset" else whole)
        code = cli.run([str(a) for a in arguments])
        out, err = capfd.readouterr()
        return code, json.loads(out) if out and "--json" in arguments else out or err

    with closing(House(tmp_path / "home")) as house:
        monkeypatch.setattr(wiring, "open_app", lambda: house.app)
        yield command


def test_recordings_become_a_dataset_and_what_is_in_it_is_said(run: Run, given: Path, tmp_path: Path) -> None:
    code, made = run("prepare", given, "-o", tmp_path / "d", "--json")
    assert code == 0 and made["enough"] and made["clips"] == {"accepted": 8, "rejected": 0, "by_reason": {}}
    assert made["rejected"] == [] and made["phonemes"] is None and len(made["with_less"]) == 3
    assert made["speakers"] == [] and {"separation", "diarization", "transcription"} <= set(made["models_used"])
    lines = [json.loads(line) for line in (tmp_path / "d" / "clips.jsonl").read_text().splitlines()]
    wanted = {
        "recording",
        "sample_rate_hz",
        "start_sample",
        "num_samples",
        "text",
        "words",
        "snr_db",
        "verdict",
        "reason",
        "audio",
    }
    assert len(lines) == 8 and all(wanted <= set(line) for line in lines)
    assert sum(row["count"] for row in made["lengths"]) == 8
    again = run("prepare", given, "-o", tmp_path / "d", "--json")
    assert again == (0, made)
    code, shown = run("prepare", given, "-o", tmp_path / "d")
    assert code == 0 and "8 of 8 clips" in shown and made["dataset"][:12] in shown


def test_too_little_speech_is_shown_with_its_reasons_and_exit_code(run: Run, given: Path, tmp_path: Path) -> None:
    for number in range(2, 8):
        (given / f"{number:03d}.wav").unlink()
    (given / "000.wav").write_bytes((given / "001.wav").read_bytes())
    code, made = run("prepare", given, "-o", tmp_path / "d", "--json")
    assert code == InputError.exit_code and not made["enough"]
    assert [(r["reason"], r["count"]) for r in made["rejected"]] == [("the same recording as another", 1)]
    assert made["advice"][0].startswith("Record at least")
    code, shown = run("prepare", given, "-o", tmp_path / "d")
    assert code == InputError.exit_code and "left out" in shown and "a voice needs 20 s" in shown


def test_turns_in_a_file_say_whose_recordings_they_are(run: Run, given: Path, tmp_path: Path) -> None:
    rows = told_turns(given).splitlines(keepends=True)
    told = tmp_path / "told.rttm"
    told.write_text("".join(rows))
    (given / "stray.rttm").write_text(rows[0])
    code, made = run("prepare", given, "-o", tmp_path / "d", "--turns", told, "--speaker", "ann", "--json")
    assert code == 0 and made["clips"] == {"accepted": 7, "rejected": 1, "by_reason": {"another speaker": 1}}
    assert [(s["recording"], s["wanted"]) for s in made["speakers"] if s["label"] == "ben"] == [("001.wav", False)]
    assert any("stray.rttm" in note for note in made["notes"])
    assert run("prepare", given, "-o", tmp_path / "d", "--json")[1]["clips"]["accepted"] == 8, "without them everybody is meant"
    for row in rows:
        (given / f"{row.split()[1]}.rttm").write_text(row)
    assert run("prepare", given, "-o", tmp_path / "d", "--speaker", "ann", "--json")[1]["clips"] == made["clips"]
    code, said = run("prepare", given, "-o", tmp_path / "d", "--speaker", "cy")
    assert code == UsageError.exit_code and "No speaker is called 'cy'" in said and "There are: ann, ben." in said
    code, said = run("prepare", given, "-o", tmp_path / "d", "--turns", tmp_path / "none.rttm")
    assert code == UsageError.exit_code and "none.rttm" in said
    code, found = run("speakers", given, "-o", tmp_path / "who", "--json")
    assert code == 0 and {f["recording"] for f in found if f["speaker"] == "ben"} == {"001.wav"} and len(found) == 8


def test_clips_are_listed_decided_on_and_compared(run: Run, given: Path, tmp_path: Path) -> None:
    d, before = tmp_path / "d", tmp_path / "before"
    run("prepare", given, "-o", before, "--json")
    _, made = run("prepare", given, "-o", d, "--json")
    _, clips = run("dataset", "list", d, "--json")
    assert len(clips) == 8 and {c["verdict"] for c in clips} == {"accepted"} and not any(c["by_hand"] for c in clips)
    first, second, third = (c["id"] for c in clips[:3])
    _, shown = run("dataset", "show", d, first[:6], "--json")
    assert shown["id"] == first and [w["text"] for w in shown["words"]] == shown["text"].split()
    assert run("dataset", "reject", d, first, "--json")[1]["accepted"] == 7
    assert run("dataset", "accept", d, first, "--json")[1]["accepted"] == 8
    assert run("dataset", "edit", d, second, "another text", "--json")[0] == 0
    split = run("dataset", "split", d, third, "--word", 3, "--json")[1]
    assert split["accepted"] + split["rejected"] == 9
    _, found = run("dataset", "compare", before, d, "--json")
    assert found["first"] == made["dataset"] and found["second"] == split["dataset"] and not found["same"]
    assert len(found["added"]) == 2 and found["removed"] == [third]
    assert [(t["id"], t["after"]) for t in found["text"]] == [(second, "another text")]
    halves = [c["id"] for c in run("dataset", "list", d, "--json")[1] if c["id"] in found["added"]]
    assert run("dataset", "join", d, halves[0], "--json")[0] == 0
    assert run("dataset", "realign", d, first, "--json")[0] == 0
    assert [run("dataset", "undo", d, "--json")[1]["undone"] for _ in range(3)] == ["realign", "join", "split"]
    assert run("dataset", "redo", d, "--json")[1] == {**split, "done_again": "split"}
    assert "text" in run("dataset", "compare", before, d)[1]
    assert len(run("dataset", "list", d, "--verdict", "accepted")[1].splitlines()) == split["accepted"]
    shutil.copytree(d, tmp_path / "copy", ignore=shutil.ignore_patterns("work"))
    assert run("dataset", "list", tmp_path / "copy", "--json") == run("dataset", "list", d, "--json")
    assert run("dataset", "undo", tmp_path / "copy")[0] == InputError.exit_code
    assert (given / FILE).is_file()
    _, again = run("prepare", given, "-o", tmp_path / "again", "--json")
    assert again["dataset"] == split["dataset"], "decisions hold wherever the recordings are prepared"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("prepare", "{tmp}/nothing", "-o", "{tmp}/d"), 2, "no recordings"),
        (("prepare", "{tmp}/given", "-o", "{tmp}/given/000.wav"), 2, "is a file"),
        (("prepare", "{tmp}/given", "-o", "{tmp}/d", "--reference", "{tmp}/who.wav"), 2, "no sound of the speaker"),
        (("prepare", "{tmp}/given", "-o", "{tmp}/d", "--language", "xx"), 3, "can find words of 'xx'"),
        (("dataset", "list", "{tmp}/nothing"), 3, "There is no dataset"),
        (("dataset", "list", "{tmp}/nothing", "--verdict", "good"), 2, "no verdict"),
        (("dataset", "compare", "{tmp}/nothing", "{tmp}/nothing"), 3, "There is no dataset"),
        (("dataset", "undo", "{tmp}/nothing"), 3, "There is no dataset"),
    ],
)
def test_a_mistake_is_one_clear_error(
    arguments: tuple[str, ...], code: int, said: str, run: Run, given: Path, tmp_path: Path
) -> None:
    got, printed = run(*(a.format(tmp=tmp_path) for a in arguments))
    assert got == code and said in printed and "Traceback" not in printed
