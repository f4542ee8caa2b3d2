"""Loading is strict and says what does not fit; sharded and single files hold the same weights."""

from pathlib import Path

import pytest
import torch
from torch import nn

from voicekit.covo.checkpoint import INDEX, SINGLE, load_strict, read_weights, save_weights
from voicekit.errors import BaseModelError


def model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


@pytest.mark.parametrize("max_bytes", [10**9, 40])
def test_what_is_saved_is_loaded_in_the_wanted_dtype(tmp_path: Path, max_bytes: int) -> None:
    weights = model().half().state_dict()
    save_weights(weights, tmp_path, max_bytes)
    assert (tmp_path / INDEX).exists() == (max_bytes == 40)
    assert (tmp_path / SINGLE).exists() == (max_bytes != 40)
    other = model()
    load_strict(other, read_weights(tmp_path, torch.float32), tmp_path)
    for name, tensor in other.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, weights[name].float())


def test_missing_extra_and_misshapen_weights_are_named(tmp_path: Path) -> None:
    weights = dict(model().state_dict())
    weights["0.scale"] = weights.pop("0.bias")
    weights["1.weight"] = torch.zeros(5, 5)
    with pytest.raises(BaseModelError) as caught:
        load_strict(model(), weights, tmp_path)
    for part in ("1 missing: 0.bias", "1 not known: 0.scale", "1.weight [5, 5] instead of [2, 4]", str(tmp_path)):
        assert part in caught.value.problem


def test_files_that_are_absent_torn_or_elsewhere_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no model\.safetensors"):
        read_weights(tmp_path)
    (tmp_path / SINGLE).write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{torn")
    with pytest.raises(BaseModelError, match="cannot be read"):
        read_weights(tmp_path)
    (tmp_path / INDEX).write_text('{"weight_map": {"a": "../outside.safetensors"}}')
    with pytest.raises(BaseModelError, match="outside its folder"):
        read_weights(tmp_path)
