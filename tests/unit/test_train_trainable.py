"""Adapters: what is trained, on disk and back, and an llm that is given back untouched."""

import json
from pathlib import Path

import pytest
import torch

from tests.tiny_llm import tiny_llm, weights
from voicekit.errors import InputError
from voicekit.specs import Full, Lora
from voicekit.train.trainable import ADAPTER_CONFIG, ADAPTER_FILE, FULL_FILE, Trainable, attach, load, merged

IDS = torch.arange(12)[None]


def logits(trained: object) -> torch.Tensor:
    with torch.no_grad():
        return trained(input_ids=IDS).logits  # type: ignore[operator]


def disturbed(trainable: Trainable) -> Trainable:
    """As if trained: every trainable weight is moved a little."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in trainable.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return trainable


@pytest.mark.parametrize("method", [Lora(rank=4, alpha=8.0), Full()])
def test_saved_loaded_merged_and_taken_off(tmp_path: Path, method: Lora | Full) -> None:
    plain = logits(tiny_llm())
    trainable = disturbed(attach(tiny_llm(), method))
    adapted = logits(trainable.llm)
    assert (adapted - plain).abs().max() > 0.01
    trainable.save(tmp_path / "adapter")
    with trainable.reference() as base:
        torch.testing.assert_close(logits(base), plain)
    torch.testing.assert_close(logits(trainable.detach()), plain)

    llm = tiny_llm()
    torch.testing.assert_close(logits(merged(llm, tmp_path / "adapter")), adapted, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(logits(llm), plain)
    handle = load(llm, tmp_path / "adapter")
    torch.testing.assert_close(logits(llm), adapted)
    handle.detach()
    assert weights(llm).keys() == weights(tiny_llm()).keys()
    torch.testing.assert_close(logits(llm), plain)


def test_a_fresh_lora_changes_nothing_and_counts_its_weights() -> None:
    trainable = attach(tiny_llm(), Lora(rank=4, targets=("q_proj", "down_proj")))
    torch.testing.assert_close(logits(trainable.llm), logits(tiny_llm()))
    assert trainable.count() == 2 * (4 * (32 + 32) + 4 * (48 + 32))
    assert attach(tiny_llm(), Full()).count() == sum(p.numel() for p in tiny_llm().parameters())


def test_the_folder_is_pefts_own_format_and_equal_adapters_are_equal_files(tmp_path: Path) -> None:
    from peft import PeftModel

    trainable = disturbed(attach(tiny_llm(), Lora(rank=4)))
    adapted = logits(trainable.llm)
    trainable.save(tmp_path / "one")
    trainable.save(tmp_path / "two")
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == [ADAPTER_CONFIG, ADAPTER_FILE]
    for name in (ADAPTER_CONFIG, ADAPTER_FILE):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert json.loads((tmp_path / "one" / ADAPTER_CONFIG).read_text())["r"] == 4
    torch.testing.assert_close(logits(PeftModel.from_pretrained(tiny_llm(), tmp_path / "one")), adapted)


def test_saving_replaces_a_folder_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "old.txt").write_text("old")
    attach(tiny_llm(), Full()).save(tmp_path / "adapter")
    assert [p.name for p in tmp_path.rglob("*")] == ["adapter", FULL_FILE]


@pytest.mark.parametrize("damage", ["missing", "broken weights", "broken config", "other sizes"])
def test_a_bad_adapter_is_one_clear_error_and_leaves_the_llm_alone(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "adapter"
    if damage != "missing":
        attach(tiny_llm(), Lora(rank=4)).save(folder)
    if damage == "broken weights":
        (folder / ADAPTER_FILE).write_bytes(b"no")
    if damage == "broken config":
        (folder / ADAPTER_CONFIG).write_text("{}")
    if damage == "other sizes":
        (folder / ADAPTER_CONFIG).write_text((folder / ADAPTER_CONFIG).read_text().replace('"r": 4', '"r": 2'))
    llm = tiny_llm()
    with pytest.raises(InputError, match="Create the voice again"):
        load(llm, folder)
    assert weights(llm).keys() == weights(tiny_llm()).keys()
