"""Loading is strict and says what does not fit; sharded and single files hold the same weights."""

from pathlib import Path

import pytest
import torch
from torch import nn

from voicekit.covo import checkpoint
from voicekit.covo.checkpoint import DTYPES, INDEX, SINGLE, load_folder, load_strict, read_weights, save_weights, stored
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


def test_what_was_loaded_does_not_hang_on_the_file(tmp_path: Path) -> None:
    weights = model().state_dict()
    save_weights(weights, tmp_path)
    read = read_weights(tmp_path)
    size = (tmp_path / SINGLE).stat().st_size
    with (tmp_path / SINGLE).open("r+b") as file:
        file.write(b"\xff" * size)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in read.items())


def test_every_kind_of_number_is_read_as_it_was_written(tmp_path: Path) -> None:
    weights = {str(dtype): torch.tensor([[0, 1], [1, 0]]).to(dtype) for dtype in DTYPES.values()}
    weights |= {"scalar": torch.tensor(3.5), "empty": torch.zeros(0, 4)}
    save_weights(weights, tmp_path)
    read = read_weights(tmp_path)
    assert {name: (t.dtype, t.tolist()) for name, t in read.items()} == {n: (t.dtype, t.tolist()) for n, t in weights.items()}
    assert stored(tmp_path)["empty"].shape == (0, 4) and stored(tmp_path)["scalar"].numel == 1


def test_faults_are_found_in_the_headers_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = dict(model().state_dict())
    weights["1.bias"] = torch.zeros(9)
    save_weights(weights, tmp_path, max_bytes=40)
    monkeypatch.setattr(checkpoint, "read_file", lambda *_: pytest.fail("a tensor was read"))
    with pytest.raises(BaseModelError, match=r"1\.bias \[9\] instead of \[2\]"):
        load_folder(model().to("meta"), tmp_path)


def test_a_shard_that_is_absent_or_torn_is_named(tmp_path: Path) -> None:
    save_weights(model().state_dict(), tmp_path, max_bytes=40)
    second = sorted(tmp_path.glob("model-00002-*.safetensors"))[0]
    whole = second.read_bytes()
    second.write_bytes(whole[:-1])
    with pytest.raises(BaseModelError, match=second.name):
        load_folder(model().to("meta"), tmp_path)
    second.unlink()
    with pytest.raises(BaseModelError, match=f"no {second.name}"):
        load_folder(model().to("meta"), tmp_path)
    second.write_bytes(whole)
    made = model().to("meta")
    load_folder(made, tmp_path, torch.bfloat16)
    assert {p.dtype for p in made.parameters()} == {torch.bfloat16}
