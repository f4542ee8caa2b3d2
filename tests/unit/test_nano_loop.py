"""The loop that nano's training programs share: killed and run again it goes on as if nothing had been."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from recipes.nano.loop import Run, rate
from recipes.nano.mixed import MasterAdamW

STEPS = 6


def trained(file: Path, until: int = STEPS) -> list[Tensor]:
    """The weights after training up to step `until` of STEPS; kept every second step."""
    torch.manual_seed(0)
    module, rng = nn.Linear(8, 8), np.random.default_rng(1)
    opt = MasterAdamW([module])
    run = Run(file, STEPS, opt, rng)
    while not run.over and run.step < until:
        loss = module(torch.from_numpy(rng.normal(size=(4, 8))).to(module.weight)).float().square().mean()
        loss.backward()
        opt.step(rate(run.step, STEPS, 1e-2, 2, floor=0.02))
        run.done({"loss": loss})
        if run.due(2):
            run.keep(told="more")
    return [m.detach() for m in opt.master]


def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole.pt")
    trained(tmp_path / "killed.pt", until=5)
    again = trained(tmp_path / "killed.pt")
    assert all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed.pt", "whole.pt"]


def test_what_was_kept_beside_comes_back_and_a_finished_run_does_nothing(tmp_path: Path) -> None:
    weights = trained(tmp_path / "run.pt")
    opt = MasterAdamW([nn.Linear(8, 8)])
    run = Run(tmp_path / "run.pt", STEPS, opt, np.random.default_rng(0))
    assert run.over and run.step == STEPS and run.kept["told"] == "more"
    assert all(torch.equal(a, b) for a, b in zip(weights, opt.master, strict=True))


def test_the_rate_warms_up_and_goes_down_to_its_floor() -> None:
    rates = [rate(step, 100, 1.0, 10, floor=0.02) for step in range(100)]
    assert rates[0] < 0.11 and max(rates) == max(rates[5:15]) <= 1.0 and rates[-1] == 0.02
