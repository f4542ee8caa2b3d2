"""`voicekit base distill-tokenizer` and `distill-prompts` on very small random bases: what was learned belongs to the base."""

from __future__ import annotations

import gzip
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.makers import tiny_base, tokenized
from tests.released import write_released
from tests.tiny import hum
from voicekit import audio
from voicekit.cli import run
from voicekit.covo import distilled_tokenizer, load_base, prompt_extractor
from voicekit.covo.distillation import prompts
from voicekit.covo.distillation.distil import distil_tokenizer
from voicekit.covo.distillation.prompts import distil_prompts
from voicekit.errors import BaseModelError, UsageError
from voicekit.ports import Progress
from voicekit.records import Heard, VoicePrompt, Waveform
from voicekit.results import DistilledPart
from voicekit.settings import Settings
from voicekit.shipped import shipped
from voicekit.specs import DistilSpec, PrepareSpec, Recipe, read_recipe
from voicekit.storage import base_revision, write_prompt
from voicekit.timebase import SAMPLES_PER_TOKEN
from voicekit.wiring import open_app

LITTLE = DistilSpec(minutes=0.2, steps=6, reader_steps=2, voices=10, replies=2, measured=2)


class Deaf:
    """A judge that hears nothing."""

    name = "deaf"

    def transcribe(self, wave: Waveform, language: str | None = None) -> str:
        return ""

    def hear(self, wave: Waveform, language: str | None = None) -> Heard:
        return Heard("", language="en")


def silent(event: Progress) -> None:
    pass


def tokenizer_of(folder: Path, out: Path | None, spec: DistilSpec = LITTLE, report: object = silent) -> DistilledPart:
    return distil_tokenizer(folder, out, spec, Deaf(), "cpu", report)  # type: ignore[arg-type]


@pytest.fixture(scope="module", autouse=True)
def very_small() -> Iterator[None]:
    """Networks of a few thousand weights; what hears a waveform is tested by itself."""
    with pytest.MonkeyPatch.context() as patch:
        sizes = {
            "hidden_size": 16,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 16,
            "conv_dim": [16] * 7,
        }
        rest = {"num_conv_pos_embeddings": 3, "num_conv_pos_embedding_groups": 2}
        patch.setitem(distilled_tokenizer.SIZES, "tiny", sizes | rest)
        patch.setitem(prompts.SIZES, "tiny", {"hidden": 16, "blocks": 1})
        patch.setattr(prompt_extractor, "FIT_STEPS", 3)
        yield


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that has everything, and so can be compared with."""
    return tiny_base(tmp_path_factory.mktemp("whole") / "tiny")


@pytest.fixture(scope="module")
def distilled(base: Path, tmp_path_factory: pytest.TempPathFactory) -> DistilledPart:
    return tokenizer_of(base, tmp_path_factory.mktemp("made") / "out")


def wave(seconds: float = 1.3) -> Waveform:
    return Waveform(hum(seconds)[None], 24_000)


def test_a_distilled_tokenizer_is_the_bases_own(base: Path, distilled: DistilledPart) -> None:
    loaded = load_base(distilled.folder)
    codes = loaded.encode_speech(wave())
    assert codes.dtype == np.int64 and len(codes) == -(-int(1.3 * 24_000) // SAMPLES_PER_TOKEN)
    assert codes.min() >= 0 and codes.max() < loaded.prompt.num_codes
    assert isinstance(loaded.read_speech(codes), str)
    assert len(loaded.extract_prompt(tokenized(loaded, wave())).tokens) > 0
    assert base_revision(distilled.folder) != base_revision(base)
    assert np.array_equal(load_base(base).neutral_prompt().speaker, loaded.neutral_prompt().speaker)


def test_its_numbers_are_on_the_card(distilled: DistilledPart, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {"token_accuracy", "token_accuracy_unheard_voices", "leakage", "decoded_wer", "round_trip_wer", "reader_cer"}
    assert wanted | {f"original_{name}" for name in wanted - {"decoded_wer"}} == set(distilled.metrics)
    card = (distilled.folder / "README.md").read_text()
    assert all(name.replace("_", " ") in card for name in distilled.metrics)
    capsys.readouterr()
    assert run(["base", "check", str(distilled.folder), "--json"]) == 0
    parts = {part["name"]: part for part in json.loads(capsys.readouterr().out)["parts"]}
    assert "Distilled" in parts["speech tokenizer"]["note"]


def test_asked_again_it_tells_its_numbers_and_leaves_no_work(base: Path, distilled: DistilledPart) -> None:
    assert tokenizer_of(base, distilled.folder).as_json() == distilled.as_json()
    assert not [p for p in distilled.folder.iterdir() if p.name.startswith(".")]
    with pytest.raises(UsageError, match="was learned with other options"):
        tokenizer_of(base, distilled.folder, LITTLE.model_copy(update={"steps": 7}))


def test_killed_and_run_again_it_makes_the_same_weights(base: Path, distilled: DistilledPart, tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill_in(step: str, fraction: float) -> object:
        def report(event: Progress) -> None:
            if event.step == step and event.fraction >= fraction:
                raise Killed

        return report

    for step, fraction in (("pairs", 1.0), ("tokenizer", 1.0), ("reader", 1.0), ("measure", 0.4)):
        with pytest.raises(Killed):
            tokenizer_of(base, tmp_path / "out", report=kill_in(step, fraction))
        assert not (tmp_path / "out" / "speech_tokenizer").exists()
    again = tokenizer_of(base, tmp_path / "out")
    one, two = (p.folder / "speech_tokenizer" / "model.safetensors" for p in (again, distilled))
    assert one.read_bytes() == two.read_bytes() and again.as_json()["metrics"] == distilled.as_json()["metrics"]


def test_the_bases_own_tokenizer_teaches_nothing(base: Path, distilled: DistilledPart, tmp_path: Path) -> None:
    """Thrown away before, the same one is learned; in place, for there is room."""
    stripped = tmp_path / "stripped"
    shutil.copytree(base, stripped, ignore=shutil.ignore_patterns("speech_tokenizer"))
    made = tokenizer_of(stripped, None)
    assert made.folder == stripped and not any(name.startswith("original") for name in made.metrics)
    one, two = (p.folder / "speech_tokenizer" / "model.safetensors" for p in (made, distilled))
    assert one.read_bytes() == two.read_bytes()


def test_other_options_do_not_go_on_with_it(base: Path, tmp_path: Path) -> None:
    def stop(event: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tokenizer_of(base, tmp_path / "out", report=stop)
    with pytest.raises(UsageError, match="other options") as caught:
        tokenizer_of(base, tmp_path / "out", LITTLE.model_copy(update={"seed": 1}))
    assert ".distill-speech_tokenizer" in caught.value.remedy


def without_decoder(folder: Path) -> None:
    shutil.rmtree(folder / "token2wav")


def without_prompts(folder: Path) -> None:
    shutil.rmtree(folder / "voice_prompts")


def with_damaged_weights(folder: Path) -> None:
    (folder / "token2wav" / "model.safetensors").write_bytes(b"nothing")


@pytest.mark.parametrize("distil", ["tokenizer", "prompts"])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [(without_decoder, "token2wav"), (without_prompts, r"neutral\.safetensors"), (with_damaged_weights, r"model\.safetensors")],
)
def test_a_base_that_cannot_decode_is_told_so(tmp_path: Path, distil: str, spoil: object, said: str) -> None:
    folder = tiny_base(tmp_path / "tiny")
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(BaseModelError, match=said):
        _distil(distil, folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _distil(part: str, folder: Path, out: Path | None, spec: DistilSpec = LITTLE) -> DistilledPart:
    return tokenizer_of(folder, out, spec) if part == "tokenizer" else distil_prompts(folder, out, spec, "cpu", silent)


def test_what_is_there_is_not_written_over(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, said in (
        (["distill-tokenizer", str(base)], "has its own speech tokenizer"),
        (["distill-tokenizer", str(base), "-o", str(base / "in")], "lies in the base itself"),
        (["distill-tokenizer", "nano"], "embedded base is not changed"),
        (["distill-tokenizer", str(base), "-o", "x", "--steps", "0"], "--steps cannot be 0"),
        (["distill-tokenizer", str(base), "-o", "x", "--size", "huge"], "--size cannot be 'huge'"),
        (["distill-tokenizer", str(base), "-o", "x", "--texts", "/nowhere.txt"], "no /nowhere.txt"),
        (["distill-prompts", str(base / "nothing")], "no base model"),
    ):
        capsys.readouterr()
        assert run(["base", *arguments]) in (2, 7)
        assert said in capsys.readouterr().err


def released(folder: Path) -> Path:
    """The released layout with a voice prompt, and words to speak to it."""
    base = write_released(folder)
    spoken = np.load(Path(__file__).parents[1] / "golden" / "covo" / "decoder.npz")
    (base / "voice_prompts").mkdir()
    prompt = VoicePrompt(spoken["prompt_token"][0], spoken["prompt_latent"][0], spoken["speaker_embed"][0])
    write_prompt(base / "voice_prompts" / "neutral.safetensors", prompt)
    return base


def test_the_released_layout_gets_both_and_can_make_voices(tmp_path: Path) -> None:
    """No analysis, no tokenizer: with the two learned parts recordings become tokens, latents and a voice prompt."""
    folder = released(tmp_path / "covo")
    turns = [[{"role": "assistant", "text": "so", "speech": [i % 64] * 30}] for i in range(9)]
    lines = "".join(json.dumps({"speaker": "default_female", "turns": turn}) + "\n" for turn in turns)
    (folder / "rehearsal.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    spec = LITTLE.model_copy(update={"replies": 0, "steps": 2})
    with pytest.raises(BaseModelError, match="not latents of sound"):
        load_base(folder).copy_synthesis(wave())
    tokenizer_of(folder, None, spec)
    distil_prompts(folder, None, spec, "cpu", silent)
    base = load_base(folder)
    prompt = base.extract_prompt(tokenized(base, wave(), wave(0.9)))
    assert prompt.latents.shape == (4 * len(prompt.tokens), 8) and prompt.speaker.shape == (16,)
    assert np.isfinite(prompt.speaker).all() and base.copy_synthesis(wave()).num_samples == wave().num_samples
    assert len(base.decoder.decode([1, 2, 3], prompt)) > 0


def test_a_learned_extractor_is_used_once_it_is_there(base: Path, tmp_path: Path) -> None:
    made = distil_prompts(base, tmp_path / "out", LITTLE, "cpu", silent)
    assert {"latent_error", "first_embedding_likeness", "fitted_embedding_likeness"} == set(made.metrics)
    clips = tokenized(load_base(base), wave())
    own, learned = load_base(base).extract_prompt(clips), load_base(made.folder).extract_prompt(clips)
    assert np.array_equal(own.tokens, learned.tokens) and own.latents.shape == learned.latents.shape
    assert not np.allclose(own.latents, learned.latents)
    assert np.array_equal(learned.speaker, load_base(made.folder).extract_prompt(clips).speaker)


def test_texts_and_more_voices_are_used(base: Path, tmp_path: Path) -> None:
    (tmp_path / "said.txt").write_text("hello, my friend.\n\nthe sky is blue.\n")
    audio.write_wav(tmp_path / "voices" / "someone.wav", wave(2.0))
    spec = LITTLE.model_copy(update={"texts": tmp_path / "said.txt", "prompts": (tmp_path / "voices",)})
    heard: list[str] = []

    def listen(event: Progress) -> None:
        heard.append(event.message)

    tokenizer_of(base, tmp_path / "out", spec, listen)
    assert any("4 of 4" in message for message in heard)  # two replies and two sentences
    with pytest.raises(UsageError, match="no voice in"):
        tokenizer_of(base, tmp_path / "other", spec.model_copy(update={"prompts": (tmp_path / "said.txt",)}))


def test_create_takes_a_distilled_base(distilled: DistilledPart, base: Path, tmp_path: Path) -> None:
    """Without a tokenizer nothing can be made, and the error says how to get one; with the learned ones there is a voice."""
    made = distil_prompts(distilled.folder, tmp_path / "both", LITTLE, "cpu", silent)
    assert (made.folder / "speech_tokenizer" / "distilled.json").is_file()
    lacking = tmp_path / "lacking"
    shutil.copytree(base, lacking, ignore=shutil.ignore_patterns("speech_tokenizer"))
    recordings = few_sentences(tmp_path / "recordings")
    app = open_app(Settings(home=tmp_path / "home", threads=1))
    with pytest.raises(BaseModelError, match="no speech tokenizer") as caught:
        app.create("anna", recordings, recipe=as_little_as_possible(), base=str(lacking))
    assert "distill-tokenizer" in caught.value.remedy
    voice = app.create("anna", recordings, recipe=as_little_as_possible(), base=str(made.folder)).voice
    assert voice.base_model == str(made.folder) and app.say("anna", "hello", tmp_path / "x.wav").is_file()


def few_sentences(folder: Path) -> Path:
    """Five of the bundled speaker."""
    with zipfile.ZipFile(shipped("assets/sample") / "recordings.zip") as sample:
        names = sorted(name for name in sample.namelist() if name.endswith(".ogg"))[:5]
        sample.extractall(folder, [*names, *(name for name in sample.namelist() if name.endswith("metadata.csv"))])
    table = next(folder.rglob("metadata.csv"))
    rows = table.read_text().splitlines()
    table.write_text("\n".join(row for row in rows if row.partition("|")[0] in {Path(name).stem for name in names}) + "\n")
    return folder


def as_little_as_possible() -> Recipe:
    few = PrepareSpec(min_speech_s=5.0, cleaning="none", num_speakers=1)
    return read_recipe(shipped("recipes") / "smoke.toml").model_copy(update={"prepare": few})
