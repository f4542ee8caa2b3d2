"""The released decoder's files: sizes from what is there, faults by name, nothing run that a pickle would run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.released import EXCERPT, write_released
from voicekit.covo.config import Card
from voicekit.covo.layout import RELEASED, card_of, decoder_files, is_released
from voicekit.covo.token2wav import load_token2wav
from voicekit.errors import BaseModelError


def changed(folder: Path, change: dict[str, Any], flat: bool = False) -> Path:
    """A released folder among whose decoder weights some are replaced (None: left out)."""
    write_released(folder, flat)
    weights = load_file(EXCERPT / "token2wav.safetensors")
    kept = {k: v for k, v in (weights | change).items() if v is not None}
    torch.save({"model": kept}, decoder_files(folder).weights)
    return folder


def test_the_weights_say_the_sizes_that_the_configuration_says(tmp_path: Path) -> None:
    silent, told = (load_token2wav(decoder_files(write_released(tmp_path / str(flat), flat))) for flat in (False, True))
    assert silent.decoder.config == told.decoder.config and told.wavegan is not None and silent.wavegan is not None
    assert silent.wavegan.config == told.wavegan.config
    assert (told.decoder.config.heads, told.decoder.config.grid_points, told.decoder.config.guidance) == (4, 10, 1.0)


def test_what_nothing_knows_is_listed_and_harmless(tmp_path: Path) -> None:
    folder = write_released(tmp_path, extra={"wavegan.encoder.weight": torch.ones(2), "step": 7})
    assert load_token2wav(decoder_files(folder)).extra == ("wavegan.encoder.weight", "step")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("token2latent.blocks.1.ffn.fc2.bias", None, "missing: token2latent.blocks.1.ffn.fc2.bias"),
        ("wavegan.resblocks.3.convs2.1.weight_v", torch.ones(16, 16, 4), r"weight_v \[16, 16, 4\] instead of \[16, 16, 3\]"),
        ("token2latent.token_embedding.weight", None, "no token2latent.token_embedding.weight"),
        ("wavegan.conv_pre.weight_v", torch.ones(()), "no wavegan.conv_pre.weight_v of the right shape"),
    ],
)
@pytest.mark.parametrize("flat", [False, True])
def test_missing_and_misshapen_weights_are_named(tmp_path: Path, name: str, value: object, said: str, flat: bool) -> None:
    with pytest.raises(BaseModelError, match=said):
        load_token2wav(decoder_files(changed(tmp_path, {name: value}, flat)))


def test_what_is_not_learned_may_be_left_out_but_not_what_tells_the_heads(tmp_path: Path) -> None:
    left_out = {f"token2latent.blocks.{i}.attn.rotary.inv_freq": None for i in range(2)}
    with pytest.raises(BaseModelError, match="how many heads"):
        load_token2wav(decoder_files(changed(tmp_path / "silent", left_out)))
    made = load_token2wav(decoder_files(changed(tmp_path / "told", left_out, flat=True))).decoder
    whole = load_token2wav(decoder_files(write_released(tmp_path / "whole"))).decoder
    for name, tensor in made.state_dict().items():
        assert torch.allclose(tensor, whole.state_dict()[name]), name


class Greedy:
    """A pickle that would run something."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (str(self.file),))


def test_a_pickle_that_would_run_something_is_not_opened(tmp_path: Path) -> None:
    files = decoder_files(write_released(tmp_path))
    torch.save({"model": {"token2latent.x": torch.ones(1)}, "trap": Greedy(tmp_path / "ran")}, files.weights)
    with pytest.raises(BaseModelError, match="more than weights") as caught:
        load_token2wav(files)
    assert not (tmp_path / "ran").exists() and "weights_only" not in str(caught.value)
    files.weights.write_bytes(files.weights.read_bytes()[:500])
    with pytest.raises(BaseModelError, match="damaged"):
        load_token2wav(files)
    torch.save([torch.ones(1)], files.weights)
    with pytest.raises(BaseModelError, match="not hold a dictionary"):
        load_token2wav(files)
    files.weights.unlink()
    with pytest.raises(BaseModelError, match=r"no model\.pt in .*token2wav"):
        load_token2wav(files)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("token2latent.upsample_factor", 2, "upsample_factor"),
        ("token2latent.transformer.qk_norm", True, "qk_norm"),
        ("wavegan.causal", False, "causal"),
        ("wavegan.upsample_kernel_sizes", [11, 6, 4, 4, 4, 4], "upsample_kernel_sizes"),
        ("token2latent.transformer.num_heads", 8, r"inv_freq \[8\] instead of \[4\]"),
        ("token2latent.transformer.num_layers", 3, "missing: token2latent.blocks.2"),
    ],
)
def test_a_configuration_of_another_model_is_refused(tmp_path: Path, path: str, value: object, said: str) -> None:
    files = decoder_files(write_released(tmp_path, flat=True))
    data = json.loads((tmp_path / "token2wav_config.json").read_text())
    inner = data["model"]
    *parents, key = path.split(".")
    for parent in parents:
        inner = inner[parent]
    inner[key] = value
    (tmp_path / "token2wav_config.json").write_text(json.dumps(data))
    with pytest.raises(BaseModelError, match=said):
        load_token2wav(files)


def test_a_folder_without_a_card_is_released_unless_it_is_one_of_ours(tmp_path: Path) -> None:
    folder = write_released(tmp_path / "released")
    (folder / "speech_tokenizer").mkdir()  # somebody trained one
    assert is_released(folder) and card_of(folder) is RELEASED
    (folder / "token2wav" / "model.pt").unlink()
    assert not is_released(folder)
    with pytest.raises(BaseModelError, match=r"no base\.json"):
        card_of(folder)
    (folder / "speech_tokenizer").rmdir()
    assert is_released(folder)
    assert Card.vocoder == "world" and RELEASED.vocoder == "bigvgan"
