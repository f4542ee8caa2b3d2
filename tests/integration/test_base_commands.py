"""`voicekit base`: what a folder holds and lacks, and the same base without pickles."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.makers import tiny_base
from tests.released import EXCERPT, write_released
from voicekit.cli import run
from voicekit.covo import load_base
from voicekit.covo.checkpoint import read_weights, save_weights
from voicekit.errors import BaseModelError, InputError
from voicekit.records import Waveform


def told(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run([str(a) for a in ("base", *arguments)])
    said = capsys.readouterr()
    return code, said.out, said.err


def parts(out: str) -> dict[str, dict[str, Any]]:
    return {part["name"]: part for part in json.loads(out)["parts"]}


def test_a_released_folder_is_told_with_what_it_lacks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_released(tmp_path / "covo", extra={"discriminator.x": torch.ones(1)})
    code, out, _ = told(capsys, "check", folder, "--json")
    assert code == 0
    said = json.loads(out)
    assert said["layout"] == "released" and "academic use only" in said["licence"] and said["usable"]
    found = parts(out)
    assert [name for name, part in found.items() if not part["there"]] == [
        "text tokenizer", "speech tokenizer", "prompt extractor", "voice prompts", "material"]  # fmt: skip
    assert all(part["means"] and str(folder) in part["remedy"] for part in found.values() if not part["there"])
    assert found["chat model"]["sizes"]["speech_tokens"] == 64 and found["chat model"]["sizes"]["adapter_hidden"] == 1705
    assert found["chat model"]["parameters"] == sum(t.numel() for t in read_weights(folder).values())
    assert found["decoder"]["extra"] == ["discriminator.x"] and found["decoder"]["sizes"]["heads"] == 4
    code, out, _ = told(capsys, "check", folder)
    assert code == 0 and "discriminator.x" in out and "speech tokenizer missing" in out and "academic use only" in out


def test_a_damaged_part_is_said_and_the_others_still_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_released(tmp_path / "covo")
    weights = read_weights(folder)
    del weights["llm.model.norm.weight"]
    save_weights(weights, folder, max_bytes=600_000)
    (folder / "token2wav" / "global_mean_var.npy").unlink()
    code, out, _ = told(capsys, "check", folder, "--json")
    assert code == 3
    assert "llm.model.norm.weight" in parts(out)["chat model"]["fault"]
    assert "global_mean_var.npy" in parts(out)["decoder"]["fault"]
    assert "DAMAGED" in told(capsys, "check", folder)[1]


def test_our_own_layout_and_no_base_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "check", tiny_base(tmp_path / "tiny"), "--json")
    assert code == 0 and all(part["there"] for part in parts(out).values()) and json.loads(out)["layout"] == "voicekit"
    code, _, err = told(capsys, "check", tmp_path / "nowhere")
    assert code == 7 and "no base model" in err and "config.json" in err


def decoded(folder: Path) -> np.ndarray:
    spoken = np.load(EXCERPT / "decoder.npz")
    prompt = (spoken["prompt_token"], spoken["prompt_latent"], spoken["speaker_embed"])
    return load_base(folder).decoder.decode(spoken["tokens"], prompt, spoken["noise"])


@pytest.mark.parametrize("flat", [False, True])
def test_a_converted_base_is_the_same_without_pickles(tmp_path: Path, capsys: pytest.CaptureFixture[str], flat: bool) -> None:
    extra = {"discriminator.x": torch.ones(3), "step": 7}
    folder, out = write_released(tmp_path / "covo", flat, prefix="module.", extra=extra), tmp_path / "out"
    (folder / "LICENSE").write_text("academic")
    code, text, _ = told(capsys, "convert", folder, out, "--json")
    assert code == 0 and json.loads(text)["not_kept"] == ["step"] and json.loads(text)["layout"] == "voicekit"
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == {
        "base.json", "config.json", "model.safetensors", "LICENSE", "token2wav/config.json", "token2wav/model.safetensors",
        "token2wav/global_mean_var.npy"}  # fmt: skip
    assert parts(text)["decoder"]["extra"] == ["discriminator.x"]
    assert np.array_equal(decoded(out), decoded(folder))
    assert load_base(out).licence == load_base(folder).licence and load_base(out).prompt == load_base(folder).prompt
    code, _, err = told(capsys, "convert", folder, out)
    assert code == 2 and "holds a base already" in err
    assert told(capsys, "convert", folder, folder / "in")[0] == 2


def test_an_interrupted_conversion_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, out = write_released(tmp_path / "covo"), tmp_path / "out"
    assert told(capsys, "convert", folder, out)[0] == 0
    (out / "base.json").unlink()  # the last thing written
    (out / "config.json").write_text("{")
    assert told(capsys, "convert", folder, out)[0] == 0
    assert (out / "config.json").read_bytes() == (folder / "config.json").read_bytes()


def test_a_missing_part_is_an_error_when_it_is_used(tmp_path: Path) -> None:
    base = load_base(write_released(tmp_path))
    for use, said in (
        (lambda: base.encode_text("hello"), r"no tokenizer\.json"),
        (lambda: base.voice("anna"), r"no neutral\.safetensors in .*voice_prompts"),
        (lambda: base.extract_prompt([]), "no speech"),
        (lambda: base.read_speech(np.arange(3)), "no speech tokenizer"),
    ):
        with pytest.raises(InputError, match=said):
            use()
    assert base.read_words(Waveform(np.zeros((1, 24_000), np.float32), 24_000), "hello") is None, "it is asked, not needed"
    with pytest.raises(BaseModelError, match=r"speech_tokenizer") as caught:
        base.read_speech(np.arange(3))
    assert str(tmp_path / "speech_tokenizer") in caught.value.remedy


def test_arrays_that_do_not_fit_are_refused_by_their_sizes(tmp_path: Path) -> None:
    base = load_base(write_released(tmp_path))
    pad = base.prompt.audio_pad
    good = (np.arange(4), np.zeros((16, 8), np.float32), np.zeros(16, np.float32))
    for use, said in (
        (lambda: base.chat.logits([pad, pad], np.zeros((3, 32))), "2 placeholders"),
        (lambda: base.chat.logits([10**6]), "input ids from 1000000"),
        (lambda: base.chat.logits([]), "no input ids"),
        (lambda: base.chat.audio_features(np.zeros((2, 3, 4))), r"shape \[2, 3, 4\]"),
        (lambda: base.decoder.decode([64], good), "speech tokens from 64"),
        (lambda: base.decoder.decode([1], good[:2]), "2 parts"),
        (lambda: base.decoder.decode([1], (good[0], good[1], np.zeros(3))), "embedding of 3"),
        (lambda: base.decoder.decode([1], good, noise=np.zeros((19, 8))), r"\[19, 8\]; it must be \[20, 8\]"),
    ):
        with pytest.raises(InputError, match=said):
            use()
    assert base.decoder.decode([1, 2], good).shape == (240 * 8,)
    assert base.chat.logits(torch.tensor([[1, 2, 3]])).shape == (3, pad + 5 + 64)
    half = torch.zeros(2, 32, dtype=torch.bfloat16, requires_grad=True)
    assert base.chat.logits([pad, pad], half).shape == (2, pad + 5 + 64)


@pytest.mark.parametrize(
    ("file", "content", "part"),
    [
        ("voice_prompts/neutral.safetensors", b"junk", "voice prompts"),
        ("questions.jsonl", b"\xff\n", "material"),
        ("questions.jsonl", b'{"split": "test"}\n', "material"),
        ("rehearsal.jsonl.gz", b"no gzip", "material"),
        ("speech_tokenizer/config.json", b"null", "speech tokenizer"),
        ("token2wav/config.json", b'{"hidden": "x"}', "decoder"),
        ("model.safetensors", b"", "chat model"),
    ],
)
def test_a_damaged_part_is_named_whatever_is_wrong_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: bytes, part: str
) -> None:
    """Prompts, questions and dialogues that nobody could read were "there", and one wrong size was a fault of voicekit."""
    base = tiny_base(tmp_path / "base")
    (base / file).write_bytes(content)
    assert run(["base", "check", str(base)]) == 3
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "DAMAGED" in line]
    assert line.startswith(part) and "build it again" in line


def test_a_name_that_is_no_unicode_is_printed_as_an_escape(tmp_path: Path) -> None:
    base = tiny_base(tmp_path / "base", name="a\ud800b")
    done = subprocess.run([sys.executable, "-m", "voicekit.cli", "base", "check", str(base)], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("a\\ud800b")
