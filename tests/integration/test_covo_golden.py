"""The released layout gives the numbers that the released code gave (tests/golden/covo; VOICEKIT_GOLDEN names all of them)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.released import CLIPS, COMPLETE, golden, write_released
from voicekit.covo import Base, load_base
from voicekit.covo.config import read_chat_config

needs_all = pytest.mark.skipif(not COMPLETE, reason="VOICEKIT_GOLDEN names no folder")
WHICH = ["excerpt", pytest.param("complete", marks=needs_all)]


@pytest.fixture(scope="module", params=WHICH)
def which(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def base(which: str, tmp_path_factory: pytest.TempPathFactory) -> Base:
    return load_base(write_released(tmp_path_factory.mktemp("released")) if which == "excerpt" else Path(COMPLETE), "cpu")


def clips(which: str) -> list[dict[str, np.ndarray]]:
    return [dict(np.load(golden(which) / name)) for name in CLIPS[which]]


def decoded(base: Base, spoken: dict[str, np.ndarray]) -> np.ndarray:
    prompt = (spoken["prompt_token"], spoken["prompt_latent"], spoken["speaker_embed"])
    return base.decoder.decode(spoken["tokens"], prompt, noise=spoken["noise"])


def apart(made: np.ndarray, wanted: np.ndarray) -> float:
    """The greatest difference, of the greatest number."""
    return float(np.abs(made - wanted).max() / np.abs(wanted).max())


def test_what_is_heard_is_what_the_released_code_hears(base: Base, which: str) -> None:
    for clip in clips(which):
        heard = base.chat.audio_features(clip["wav"])
        assert heard.dtype == np.float32 and heard.shape == clip["audio_features"].shape
        assert len(heard) == int(clip["n_placeholders"]) == int((clip["input_ids"] == base.prompt.audio_pad).sum())
        assert apart(heard, clip["audio_features"]) < 1e-4


def test_what_is_said_is_what_the_released_code_says(base: Base, which: str) -> None:
    for clip in clips(which):
        rows = base.chat.logits(clip["input_ids"], clip["audio_features"])
        assert rows.shape == (len(clip["input_ids"]), base.prompt.audio_offset + base.prompt.num_codes)
        assert apart(rows[-1][clip["last_logits_ids"]], clip["last_logits_top"]) < 1e-4
        assert apart(rows[-8:, base.prompt.audio_offset :], clip["logits_audio"]) < 1e-4
        said = base.chat.generate(clip["input_ids"], clip["audio_features"], max_new_tokens=24, do_sample=False)
        assert said.dtype == np.int64 and said.tolist() == clip["generated"].tolist()


def test_speech_sounds_as_the_released_code_makes_it(base: Base, which: str) -> None:
    spoken = dict(np.load(golden(which) / "decoder.npz"))
    made = decoded(base, spoken)
    assert made.dtype == np.float32 and made.shape == spoken["wav"].shape
    assert np.abs(made - spoken["wav"]).max() < 1e-3
    loud = {name: value * np.float32(1.5) if name == "noise" else value for name, value in spoken.items()}
    assert np.abs(decoded(base, loud) - spoken["wav"]).max() > 0.1


@pytest.mark.parametrize("form", [{"flat": True}, {"under": ""}, {"prefix": "module."}, {"under": "", "prefix": "module."}])
def test_every_form_of_the_decoders_file_is_read(tmp_path: Path, form: dict) -> None:
    """With the release's configuration or with sizes from the weights alone; latents that differ would sound different."""
    spoken = dict(np.load(golden("excerpt") / "decoder.npz"))
    made = decoded(load_base(write_released(tmp_path, **form)), spoken)
    assert np.abs(made - spoken["wav"]).max() < 1e-3


def test_the_base_says_what_it_is(base: Base) -> None:
    assert "academic use only" in base.licence and base.info.licence == base.licence
    assert base.info.default_speaker == "default_female" and base.prompt.control.endswith("：{speaker}")
    assert base.prompt.audio_pad == base.prompt.audio_offset - 5
    assert read_chat_config(base.info.folder).num_codes == base.prompt.num_codes == 64
