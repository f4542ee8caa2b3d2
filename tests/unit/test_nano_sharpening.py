"""A finished base's speech tokenizer learns on: its ears change, what its tokens mean does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recipes.nano import sharpening
from recipes.nano.shape import Places
from recipes.nano.stored import save
from voicekit.covo.speech_tokenizer import SpeechTokenizer, SpeechTokenizerConfig

STEPS = 6
CLIPS, TOKENS = 12, 12


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharpening, "HEADS_ALONE", 2)
    monkeypatch.setattr(sharpening, "WARM_UP_STEPS", 1)


def base_in(folder: Path) -> Path:
    torch.manual_seed(3)
    SpeechTokenizer(SpeechTokenizerConfig(hidden=16, heads=2, ffn=16, encoder_layers=1, reader_layers=1, num_codes=24)).save(
        folder / "speech_tokenizer"
    )
    return folder


def work_in(folder: Path) -> Places:
    places, rng = Places(folder), np.random.default_rng(0)
    for name in ("open_train", "readers", "open_dev"):
        out = places.audio / name / "mel_0000.npz"
        out.parent.mkdir(parents=True)
        rows = [{"text": "a few words", "named": n % 2 == 0, "voice": "ada"} for n in range(CLIPS)]
        out.with_name("index_0000.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        mels = [rng.integers(0, 255, (4 * TOKENS, 80)).astype(np.uint8) for _ in rows]
        save(out, mels, [np.full(TOKENS, 120, np.float16) for _ in rows])
    return places


def sharpened(base: Path, places: Places) -> dict[str, torch.Tensor]:
    sharpening.write(base, *sharpening.train(places, base, STEPS, "cpu", 0))
    return load_file(base / "speech_tokenizer" / "model.safetensors")


def test_the_ears_learn_and_tokens_keep_their_meaning(tmp_path: Path) -> None:
    base, places = base_in(tmp_path / "base"), work_in(tmp_path / "work")
    before = load_file(base / "speech_tokenizer" / "model.safetensors")
    after = sharpened(base, places)
    assert set(after) == set(before)
    changed = {name for name in after if not torch.equal(after[name].half(), before[name].half())}
    assert changed == {n for n in before if n.startswith(("conv1", "conv2", "encoder.", "encoder_norm", "to_code"))}


def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = sharpened(base_in(tmp_path / "one"), work_in(tmp_path / "whole"))
    places, base, due = work_in(tmp_path / "killed"), base_in(tmp_path / "two"), sharpening.Run.due

    def killed(run: sharpening.Run, every: int) -> bool:
        if run.step == 5:
            raise KeyboardInterrupt
        return run.step == 3 or due(run, every)

    with monkeypatch.context() as patch:
        patch.setattr(sharpening.Run, "due", killed)
        with pytest.raises(KeyboardInterrupt):
            sharpening.train(places, base, STEPS, "cpu", 0)
    again = sharpened(base, places)
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_nothing_is_kept_of_voices_that_are_not_the_base_s(tmp_path: Path) -> None:
    made = sharpening.Sharpened(base_in(tmp_path / "base"), "cpu")
    batch = {"clean": torch.zeros(1, 4 * TOKENS, 80), "mask": torch.ones(1, TOKENS, dtype=torch.bool)}
    z = torch.randn(1, TOKENS, 32, requires_grad=True)
    assert made._kept(z, batch, torch.zeros(1, TOKENS, dtype=torch.bool)).item() == 0.0
    assert made._kept(z, batch, batch["mask"]).item() > 0.0
