"""A very small base is taught that a name changes nothing about the words."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recipes.nano import naming
from recipes.nano.bare import BareBase
from recipes.nano.names import name_pieces, random_name
from tests.tiny import write_tiny_base
from voicekit.storage import file_sha256

pytestmark = pytest.mark.integration


def arguments(work: Path, base: Path, steps: int) -> Namespace:
    return Namespace(work=work, base=base, steps=steps, device="cpu", seed=0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "LOOKED_AT", 96)
    monkeypatch.setattr(naming, "PEAK_RATE", 3e-3)


@torch.no_grad()
def harm_of_unseen_names(before: BareBase, after: BareBase) -> float:
    rng = np.random.default_rng(17)
    cases = naming.Cases(before, name_pieces(before.text))
    batch = [cases.probe([random_name(rng, cases.pieces)], rng)[0] for _ in range(60)]
    own = naming.words_of(before, before.chat("cpu", torch.float32), batch)
    return float(naming.words_kl(before, after.chat("cpu", torch.float32), batch, own).mean())


@pytest.mark.usefixtures("quick")
def test_unseen_names_do_less_harm_and_nothing_else_changes(tmp_path: Path) -> None:
    untouched, taught = (BareBase.read(write_tiny_base(tmp_path / name)) for name in ("untouched", "taught"))
    (tmp_path / "work").mkdir()
    naming.train(arguments(tmp_path / "work", taught.folder, 60))
    before, after = harm_of_unseen_names(untouched, untouched), harm_of_unseen_names(untouched, taught)
    assert after < 0.5 * before
    old, new = (load_file(base.folder / "model.safetensors") for base in (untouched, taught))
    changed = {name for name in old if not torch.allclose(old[name].float(), new[name].float(), atol=2e-3, rtol=2e-3)}
    assert changed and all(name.startswith("llm.") for name in changed)

    weights = file_sha256(taught.folder / "model.safetensors")
    naming.train(arguments(tmp_path / "work", taught.folder, 60))
    assert file_sha256(taught.folder / "model.safetensors") == weights


@pytest.mark.usefixtures("quick")
def test_a_state_of_another_base_is_not_gone_on_from(tmp_path: Path) -> None:
    base, other = write_tiny_base(tmp_path / "base"), write_tiny_base(tmp_path / "other", seed=1)
    naming.train(arguments(tmp_path, base, 2))
    weights = file_sha256(other / "model.safetensors")
    with pytest.raises(SystemExit, match="another base"):
        naming.train(arguments(tmp_path, other, 4))
    assert file_sha256(other / "model.safetensors") == weights
