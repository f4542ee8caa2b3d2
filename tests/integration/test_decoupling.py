"""The benchmark on the fake base: whose masked training keeps the answers and whose text in the loss halves them."""

import json
import math
from pathlib import Path

import pytest

from bench import decoupling, verdict
from bench.cells import Cell
from tests.fake_base import FakeBase
from tests.fake_engines import fake_engines, fake_recordings
from voicekit.records import Metric
from voicekit.specs import HarvestSpec, PrepareSpec, Recipe, TrainSpec

RECIPES = {"tts": "tts", "pseudo_text": "pseudo_text", "pseudo_masked": "pseudo_masked", "harvest": "pseudo_masked"}


def small(name: str) -> Recipe | None:
    if name == "untuned":
        return None
    train = TrainSpec(
        strategy=RECIPES[name],  # type: ignore[arg-type]
        steps=40,
        batch_tokens=200,
        decoder_steps=0,
        harvest=HarvestSpec(enabled=False),
    )
    loose = PrepareSpec(min_speech_s=5.0, min_clip_s=0.3, min_snr_db=-100.0, max_clipped_ratio=1.0, min_srmr_db=-100.0)
    return Recipe(prepare=loose, train=train)


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoupling, "_recipe", small)
    speakers = [str(fake_recordings(tmp_path / name, 6, pitch)) for name, pitch in (("ann", 6), ("bob", 0))]
    return decoupling._options(
        [
            "--base",
            "fake",
            "--speakers",
            *speakers,
            "--seeds",
            "2",
            "--questions",
            "12",
            "--spoken",
            "4",
            "--out",
            str(tmp_path / "out"),
        ]
    )


def test_the_comparison_runs_goes_on_where_it_was_and_speaks_plainly(options, tmp_path: Path) -> None:
    base = FakeBase()
    cells, speakers, _ = decoupling.run_with(fake_engines(base), options)
    assert len(cells) == 5 * 2 * 2 == len(list((options.out / "cells").glob("*.json")))
    assert [s.name for s in speakers] == ["ann", "bob"]
    trained = len(base.fine_tunings)
    assert trained == 4 * 2 * 2

    (options.out / "cells" / "tts-ann-1.json").unlink()
    again, speakers, _ = decoupling.run_with(fake_engines(base), options)
    assert len(base.fine_tunings) == trained + 1
    timeless = [{k: v for k, v in c.metrics.items() if k != "real_time_factor"} for c in cells]
    assert timeless == [{k: v for k, v in c.metrics.items() if k != "real_time_factor"} for c in again]

    text = decoupling.section(again, decoupling.CONDITIONS, speakers, base, options)
    assert all(title in text for title in decoupling.CONDITIONS.values()) and "ann (" in text
    verdict.plot(again, decoupling.CONDITIONS, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert verdict.difference(again, "pseudo_masked", "pseudo_text", "retention").value > 0.2
    assert "Confirmed" in text


def cell(condition: str, seed: int, **metrics: float) -> Cell:
    values = dict.fromkeys(verdict.COLUMNS, 0.5) | metrics
    return Cell(condition, "ann", seed, {n: Metric(v, v, v, 1) for n, v in values.items()})


def test_a_verdict_follows_the_interval_of_the_paired_difference() -> None:
    def said(masked: tuple[float, float, float], text: tuple[float, float, float]) -> str:
        runs = [("pseudo_masked", masked), ("pseudo_text", text), ("untuned", text), ("harvest", masked)]
        cells = [cell(name, seed, retention=v) for name, values in runs for seed, v in enumerate(values)]
        return verdict.verdict(cells, "pseudo_masked", "pseudo_text", "untuned", "harvest")[0]

    assert "Confirmed" in said((0.9, 0.7, 0.8), (0.5, 0.31, 0.4))
    assert "Refuted" in said((0.5, 0.31, 0.4), (0.9, 0.7, 0.8))
    assert "Undecided" in said((0.9, 0.2, 0.8), (0.5, 0.6, 0.4))


def test_the_interval_over_runs_is_students() -> None:
    found = verdict.over_runs([1.0, 2.0, 3.0, math.nan])
    assert (found.value, found.n) == (2.0, 3)
    assert found.high - found.value == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)
    assert math.isnan(verdict.over_runs([1.0]).low) and math.isnan(verdict.over_runs([]).value)


def test_the_section_replaces_itself_and_leaves_the_rest_of_the_page(tmp_path: Path) -> None:
    picture = tmp_path / "plot.png"
    picture.write_bytes(b"png")
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "benchmarks.md").write_text("# Benchmarks\n\nOther numbers.\n")
    decoupling.publish("first\n", picture, docs)
    decoupling.publish("second \\1\n", picture, docs)
    page = (docs / "benchmarks.md").read_text()
    assert "Other numbers." in page and "second \\1" in page and "first" not in page
    assert page.count("decoupling:begin") == 1 and (docs / "images" / "decoupling.png").exists()


def test_a_cell_file_is_plain_json(options) -> None:
    options.conditions, options.seeds, options.speakers = ["untuned", "tts"], 1, options.speakers[:1]
    decoupling.run_with(fake_engines(FakeBase()), options)
    stored = json.loads((options.out / "cells" / "untuned-ann-0.json").read_text())
    assert stored["condition"] == "untuned" and stored["metrics"]["retention"]["n"] == 12
