"""Phonemes by frame, and the shapes and promises of the tokenizer that learns them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from recipes.nano.phones import PHONES, SILENCE, UNKNOWN, align, from_times, states

FRAME = 480  # samples at 24 kHz


def names(labels: np.ndarray) -> str:
    return "".join("?" if label == UNKNOWN else PHONES[label] for label in labels)


def test_stress_belongs_to_the_next_sound_and_spaces_are_open() -> None:
    letters = " hˈI, ju "
    ends = [FRAME * n for n in (1, 3, 4, 6, 8, 9, 11, 12, 13)]
    assert names(from_times(letters, ends, 14)) == "_hhIII___jju__"
    assert names(from_times(" ab d ", [FRAME * n for n in (1, 2, 3, 4, 5, 6)], 6)) == "_?b?d_"


def test_pauses_may_be_left_out() -> None:
    labels, optional = states("hI ju")
    assert names(labels) == "_hI_ju_"
    assert optional.tolist() == [True, False, False, True, False, False, True]


@pytest.mark.parametrize("said", ["__hhhII__jjuuu_", "hhhIIjjuu", "_hIju"])
def test_alignment_finds_what_was_said(said: str) -> None:
    log_probs = np.full((len(said), len(PHONES)), -6.0, np.float32)
    for frame, letter in enumerate(said):
        log_probs[frame, PHONES.index(letter)] = -0.1
    found = align(log_probs, "hˈI ju")
    assert found is not None
    assert names(found[0]) == said
    assert found[1] == pytest.approx(-0.1)


def test_too_few_frames_do_not_fit() -> None:
    assert align(np.zeros((3, len(PHONES)), np.float32), "hIju") is None


def test_silence_alone_has_no_phoneme() -> None:
    assert (from_times(" . ", [480, 960, 1440], 4) == SILENCE).all()


@pytest.fixture
def latents() -> np.ndarray:
    raw = np.random.default_rng(0).standard_normal((40, 64)).astype(np.float32)
    raw[:, 62], raw[:, 63] = np.log(120.0) + 0.1 * raw[:, 62], raw[:, 63] > 0
    return raw


def test_codes_and_latents_have_their_rates(latents: np.ndarray, tmp_path: Path) -> None:
    from recipes.nano.phonetic import Phonetic, PhoneticConfig, describe

    torch.manual_seed(0)
    config = PhoneticConfig(num_codes=32, hidden=16, encoder_blocks=1, reader_blocks=1, speaking_blocks=1)
    Phonetic(config).save(tmp_path)
    model = Phonetic.load(tmp_path)
    codes = model.encode(np.zeros((20, 512), np.float32), latents)
    assert codes.shape == (10,)
    assert model.decode(codes, describe(latents)).shape == (40, 64)
