"""What is made of the segmentation's windows, on numbers that can be counted by hand; and its program, on a tiny checkpoint."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recipes.embedded.segmentation import read_checkpoint, write
from voicekit.backends.segmentation import Activity


def activity(*windows: list[list[float]]) -> Activity:
    """Windows of 4 frames of 1 s, 2 s apart."""
    return Activity(np.array(windows, np.float32), 2.0, 1.0, 0.5)


def test_speakers_are_counted_over_the_windows_that_hold_a_frame() -> None:
    found = activity([[0, 0], [0.9, 0], [0.9, 0.8], [0.9, 0.9]], [[0.9, 0.8], [0, 0.2], [0, 0], [0.9, 0.9]])
    assert list(found.counts()) == [0, 1, 2, 1, 0, 2]
    assert list(found.times_s()) == [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]


def test_a_windows_speakers_get_the_names_of_those_who_speak_then() -> None:
    swapped = activity([[0.9, 0], [0.9, 0], [0.9, 0.6], [0, 0.9]], [[0.6, 0.9], [0.9, 0], [0.9, 0], [0.9, 0]])
    known = np.array([[1, 0], [1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], np.bool_)
    shares = swapped.shares(known)
    assert shares[:2, 1] == pytest.approx(0.0) and shares[4:, 0] == pytest.approx(0.0)
    assert shares[2] == pytest.approx([1.8, 1.2])


def test_a_stretch_in_which_a_second_speaks_is_not_alone() -> None:
    found = activity([[0.9, 0], [0.9, 0], [0.9, 0.9], [0.9, 0.9]])
    assert list(found.alone(np.array([1.0, 3.0], np.float32), 2.0)) == [True, False]


class Harmful:
    """Runs code when an ordinary unpickler makes it."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(Path(os.environ["HARMED"])),)


def test_of_a_checkpoint_only_tensors_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARMED", str(tmp_path / "harmed"))
    sizes = {"sincnet": {"stride": 10}, "lstm": {"num_layers": 4}, "linear": {"num_layers": 2}}
    weights = {"a.weight": torch.arange(6.0).reshape(2, 3)}
    file = io.BytesIO()
    torch.save({"state_dict": weights, "hyper_parameters": sizes, "callbacks": Harmful()}, file)
    write(file.getvalue(), tmp_path / "model")
    assert not (tmp_path / "harmed").exists()
    assert torch.equal(load_file(tmp_path / "model" / "model.safetensors")["a.weight"], weights["a.weight"])
    assert read_checkpoint(file.getvalue())["hyper_parameters"] == sizes
