"""What distillation rests on: tokens keep to their sound, voices and pairs are what their seed says, resuming is exact."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from torch import nn

from voicekit.commands.base import distill_prompts, distill_tokenizer
from voicekit.covo.decoder import DecoderConfig, Token2Latent, flow_loss
from voicekit.covo.distillation import pairs
from voicekit.covo.distillation.latents import other_latents, solve_directly
from voicekit.covo.distillation.learning import Course, learn
from voicekit.covo.distillation.measure import speaker_leakage
from voicekit.covo.distillation.pairs import PAIR_TOKENS, Pair, Source, decoded, made_pairs, one_pair
from voicekit.covo.distillation.sequences import Spoken, parted
from voicekit.covo.distillation.sound import at_speed, disturbed, mean_f0_hz, other_speaker, tempo
from voicekit.covo.distillation.voices import voice_prompts, without_prefix
from voicekit.covo.distilled_tokenizer import DistilledConfig, DistilledTokenizer, fresh
from voicekit.covo.prompt_extractor import EARLY, ExtractorConfig, PromptExtractor, _crops, fit_speaker, mel_24k
from voicekit.covo.synthesis import Moments, Synthesis
from voicekit.covo.token_reader import TokenReader, reading_loss
from voicekit.ports import Progress
from voicekit.records import FloatArray, IntArray, VoicePrompt
from voicekit.specs import DistilSpec
from voicekit.timebase import MODEL_RATE_HZ, SAMPLES_PER_TOKEN

SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
WAVLM = {**SMALL, "conv_dim": [8] * 7, "num_conv_pos_embeddings": 3, "num_conv_pos_embedding_groups": 2}


def silent(event: Progress) -> None:
    pass


def tones(tokens: IntArray) -> FloatArray:
    """Each token as 40 ms of a tone of its own: 500 Hz + 300 Hz a code, phase running on."""
    hz = np.repeat(500.0 + 300.0 * tokens, SAMPLES_PER_TOKEN)
    return (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / MODEL_RATE_HZ)).astype(np.float32)


def heard(samples: FloatArray, shift: float) -> IntArray:
    """The token whose tone is loudest in each 40 ms."""
    frames = samples.reshape(-1, SAMPLES_PER_TOKEN) * np.hanning(SAMPLES_PER_TOKEN)
    peak_hz = np.abs(np.fft.rfft(frames, axis=1)).argmax(1) * MODEL_RATE_HZ / SAMPLES_PER_TOKEN
    return np.rint((peak_hz / shift - 500.0) / 300.0).astype(np.int64)


@pytest.mark.parametrize(("speed", "shift"), [(0.8, 1.0), (1.25, 1.0), (1.0, 1.0), (1.05, 1.05), (0.9, 0.95), (1.2, 1.04)])
def test_tokens_keep_to_their_sound_at_any_speed(speed: float, shift: float) -> None:
    tokens = np.repeat(np.random.default_rng(0).integers(0, 12, 40), 3)
    samples, kept = at_speed(tones(tokens), tokens, speed, shift)
    assert len(kept) == int(len(tokens) / speed) and len(samples) == SAMPLES_PER_TOKEN * len(kept)
    # Tokens at an edge between two tones may be heard as either.
    steady = np.r_[False, (kept[1:-1] == kept[:-2]) & (kept[1:-1] == kept[2:]), False]
    assert steady.sum() > 15
    assert (heard(samples, shift)[steady] == kept[steady]).mean() > 0.95


def test_tempo_leaves_pitch_and_level_alone() -> None:
    time_s = np.arange(MODEL_RATE_HZ) / MODEL_RATE_HZ
    tone = (0.3 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32)
    for speed in (0.8, 1.3):
        made = tempo(tone, speed)
        middle = made[2000:-2000]
        assert abs(len(made) - len(tone) / speed) <= 1
        peak_hz = np.abs(np.fft.rfft(middle)).argmax() * MODEL_RATE_HZ / len(middle)
        assert peak_hz == pytest.approx(220, abs=4)
        assert np.sqrt((middle**2).mean()) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)


@pytest.mark.parametrize(("tract", "f0"), [(0.82, 1.0), (1.0, 1.0), (1.22, 1.0), (1.0, 1.4), (1.22, 0.8)])
def test_another_speaker_has_other_formants_or_another_pitch_at_the_same_tempo(tract: float, f0: float) -> None:
    made = other_speaker(vowel(125.0, (700.0, 2100.0)), tract, f0)
    assert made.shape == (MODEL_RATE_HZ,) and made.dtype == np.float32
    assert mean_f0_hz(made) == pytest.approx(125 * f0, rel=0.02)
    spectrum = np.abs(np.fft.rfft(made[4000:-4000] * np.hanning(len(made) - 8000)))
    hz = np.arange(len(spectrum)) * MODEL_RATE_HZ / (len(made) - 8000)
    step_hz = 125 * f0
    harmonics = np.array([spectrum[np.abs(hz - step_hz * k) < step_hz / 4].max() for k in range(1, int(3200 / step_hz))])
    first = int(1300 / step_hz)
    assert step_hz * (1 + harmonics[:first].argmax()) == pytest.approx(700 * tract, abs=step_hz / 2 + 20)
    assert step_hz * (1 + first + harmonics[first:].argmax()) == pytest.approx(2100 * tract, abs=step_hz / 2 + 60)


def vowel(f0_hz: float, formants_hz: tuple[float, ...]) -> FloatArray:
    """A second of pulses through resonances of 80 Hz width."""
    made = np.zeros(MODEL_RATE_HZ)
    made[:: int(MODEL_RATE_HZ / f0_hz)] = 1.0
    for formant_hz in formants_hz:
        radius = np.exp(-np.pi * 80 / MODEL_RATE_HZ)
        made = np.asarray(lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * formant_hz / MODEL_RATE_HZ), radius**2], made))
    return (0.3 * made / np.abs(made).max()).astype(np.float32)


def test_disturbed_speech_is_as_long_and_another_each_time() -> None:
    samples = tones(np.arange(30) % 7)
    made = [disturbed(samples, np.random.default_rng(seed)) for seed in range(12)]
    assert all(m.shape == samples.shape and m.dtype == np.float32 and np.isfinite(m).all() for m in made)
    assert len({m.tobytes() for m in made}) == 12


NEUTRAL = VoicePrompt(np.arange(6), np.zeros((24, 64), np.float32), np.r_[np.ones(3), 0.0].astype(np.float32))


def test_invented_voices_differ_and_leave_unused_entries_alone() -> None:
    voices = voice_prompts([NEUTRAL], 20, seed=0)
    assert voices[0] is NEUTRAL and len(voices) == 20
    assert len({v.speaker.tobytes() for v in voices}) == 20
    assert all(v.speaker[3] == 0 and len(v.tokens) == len(v.latents) == 0 for v in voices[1:])
    assert max(float(np.linalg.norm(v.speaker)) for v in voices) < 2 * float(np.linalg.norm(NEUTRAL.speaker))
    again = voice_prompts([NEUTRAL], 20, seed=0)
    assert all(np.array_equal(a.speaker, b.speaker) for a, b in zip(voices, again, strict=True))


@pytest.fixture(scope="module")
def source() -> Source:
    torch.manual_seed(0)
    config = DecoderConfig(
        num_codes=32, token_dim=8, hidden=32, heads=2, ffn=32, blocks=1, conv_groups=4, time_dim=16, speaker_dim=4, grid_points=2
    )
    moments = Moments(np.r_[np.full(59, -1.0), np.full(3, -5.0), 4.8, 0.5].astype(np.float32), np.full(64, 0.1, np.float32))
    synthesis = Synthesis(Token2Latent(config).eval(), moments, 40)
    spoken = [Spoken(np.random.default_rng(i).integers(0, 32, 20 + i), f"number {i}", "low") for i in range(24)]
    return Source(synthesis, spoken, voice_prompts([NEUTRAL], 10, 0), 1, 0, NEUTRAL)


def test_a_pair_is_what_its_number_says(source: Source, tmp_path: Path) -> None:
    known = made_pairs(source, 23, tmp_path, silent)
    assert len(known) == 23 and len(list(tmp_path.glob("*.npz"))) == 2
    last = one_pair(source, 22)
    assert np.array_equal(last.samples, known[22].samples) and np.array_equal(last.tokens, known[22].tokens)
    assert all(len(p.samples) == SAMPLES_PER_TOKEN * len(p.tokens) for p in known)
    assert {len(p.tokens) for p in known} != {PAIR_TOKENS} and len({p.voice for p in known}) > 3
    (tmp_path / "00001-3.npz").unlink()
    again = made_pairs(source, 23, tmp_path, silent)
    assert all(np.array_equal(a.samples, b.samples) and a.voice == b.voice for a, b in zip(known, again, strict=True))


def test_latents_are_kept_where_the_speech_is_as_decoded(source: Source) -> None:
    plain = Source(source.synthesis, source.spoken, source.voices, source.own, source.seed)
    pair = one_pair(plain, 3)
    assert pair.latents is not None and pair.latents.shape == (4 * PAIR_TOKENS, 64) and len(pair.tokens) == PAIR_TOKENS
    samples, latents = decoded(source.synthesis, pair.tokens, source.voices[0], place=7)
    other = decoded(source.synthesis, pair.tokens, source.voices[0], place=8)[1]
    assert len(samples) == SAMPLES_PER_TOKEN * PAIR_TOKENS and not np.allclose(latents, other)


def test_varied_speech_is_as_high_as_in_the_neutral_voice(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitch belongs to the tokens; made-up voices moved it, and a deep speaker's tokens were heard as another's."""

    def decoded_at(_: Synthesis, tokens: IntArray, voice: VoicePrompt, place: int) -> tuple[FloatArray, FloatArray]:
        sound = vowel(125.0 if voice is NEUTRAL else 180.0, (700.0, 2100.0))
        return np.resize(sound, SAMPLES_PER_TOKEN * len(tokens)), np.zeros((4 * len(tokens), 64), np.float32)

    monkeypatch.setattr(pairs, "decoded", decoded_at)
    monkeypatch.setattr(pairs, "SPED", 0.0)
    made = [one_pair(source, number) for number in range(6)]
    assert len({pair.voice for pair in made} - {0}) > 2
    assert [mean_f0_hz(pair.wave) for pair in made] == pytest.approx([125.0] * 6, rel=0.02)


def test_what_is_held_out_is_never_learned_from() -> None:
    spoken = [Spoken(np.array([i % 20, 1, 2, 3]), "", "low") for i in range(60)]
    known, out = parted(spoken, 0)
    assert len(out) == 5 and known
    assert not {s.codes.tobytes() for s in known} & {s.codes.tobytes() for s in out}


def test_resumed_training_is_the_uninterrupted_one(tmp_path: Path) -> None:
    def trained(file: Path, killed_at: int) -> nn.Module:
        for last in (killed_at, 9):
            torch.manual_seed(99)
            module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Linear(8, 1))

            def loss(step: int, module: nn.Module = module, last: int = last) -> torch.Tensor:
                if step == last and last == killed_at < 9:
                    raise KeyboardInterrupt
                return (module(torch.full((4, 3), float(step))) ** 2).mean()

            try:
                learn(module, loss, Course("x", 9, 0.01, 0, checkpoint_every=2), file, silent)
            except KeyboardInterrupt:
                torch.manual_seed(5)
                continue
            return module
        raise AssertionError

    whole, resumed = trained(tmp_path / "a.pt", 9), trained(tmp_path / "b.pt", 5)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_leakage_is_chance_for_true_tokens_and_certain_for_a_speaker_code() -> None:
    rng = np.random.default_rng(0)
    said = [rng.integers(0, 16, 100) for _ in range(12)]
    sounds = [[np.r_[codes, voice].astype(np.float32) for codes in said] for voice in range(4)]
    true = speaker_leakage(lambda x: x[:-1].astype(np.int64), sounds, 20)
    told = speaker_leakage(lambda x: np.r_[x[:-1], 16 + x[-1:]].astype(np.int64), sounds, 20)
    assert true.value == pytest.approx(0.25, abs=0.01) and told.value == 1.0 and told.n == 48


@pytest.mark.parametrize("front", ["mel", "wave"])
def test_a_token_comes_of_every_40_ms_however_long(front: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DistilledTokenizer(DistilledConfig(32, 8, front, WAVLM, reader_hidden=16, reader_layers=1)).eval()
    for count in (0, 1, 960, 961, 3 * 24_000 + 5, 12 * 24_000):
        codes = model.encode(np.random.default_rng(0).normal(0, 0.1, count).astype(np.float32))
        assert len(codes) == -(-count // SAMPLES_PER_TOKEN) and codes.dtype == np.int64
    sound = tones(np.arange(60) % 9)
    model.save(tmp_path)
    assert np.array_equal(DistilledTokenizer.load(tmp_path).encode(sound), model.encode(sound))
    assert not np.array_equal(model.encode(sound), model.encode(sound[::-1].copy()))


def test_a_pretrained_wavlm_is_taken_with_its_weights(tmp_path: Path) -> None:
    from transformers import WavLMConfig, WavLMModel

    torch.manual_seed(0)
    given = WavLMModel(WavLMConfig(**WAVLM)).eval()
    given.save_pretrained(tmp_path / "wavlm")
    made = fresh("tiny", 32, torch.randn(32, 8), tmp_path / "wavlm").eval()
    made.save(tmp_path / "made")
    for model in (made, DistilledTokenizer.load(tmp_path / "made")):
        sound = torch.randn(1, 6400)
        with torch.no_grad():
            assert torch.allclose(model.wavlm(sound).last_hidden_state, given(sound).last_hidden_state, atol=1e-6)


def test_a_reader_learns_to_spell() -> None:
    torch.manual_seed(0)
    reader = TokenReader(8, 32, 1)
    spoken = [(np.repeat([1, 2, 3], 3), "abc"), (np.repeat([3, 1], 4), "ca"), (np.repeat([2, 3], 4), "bc")]
    adam = torch.optim.Adam(reader.parameters(), 0.003)
    for _ in range(250):
        adam.zero_grad()
        reading_loss(reader, spoken).backward()
        adam.step()
    reader.eval()
    assert [reader.read(codes) for codes, _ in spoken] == ["abc", "ca", "bc"] and reader.read(np.zeros(0, np.int64)) == ""


def test_fitting_finds_the_speaker_and_leaves_the_decoder_alone(source: Source) -> None:
    decoder = source.synthesis.decoder
    before = {k: v.clone() for k, v in decoder.state_dict().items()}
    rng = np.random.default_rng(0)
    clips = [(rng.integers(0, 32, 60), rng.normal(0, 1, (240, 64)).astype(np.float32)) for _ in range(3)]
    start = np.array([0.5, -0.5, 0.2, 0.0], np.float32)
    used = np.array([1.0, 1.0, 1.0, 0.0], np.float32)
    one, two = (fit_speaker(decoder, clips, start, used, seed=0) for _ in range(2))
    batch = _crops(clips, np.random.default_rng(5), decoder.cond_proj.weight)
    with torch.no_grad():
        losses = [float(flow_loss(decoder, {**batch, "speaker": torch.from_numpy(s).expand(8, -1)})) for s in (start, one)]
    assert losses[1] < losses[0] and float(batch["t"].max()) <= EARLY
    assert np.array_equal(one, two) and one[3] == 0 and not np.allclose(one, start)
    assert all(torch.equal(v, before[k]) for k, v in decoder.state_dict().items())


def test_mel_frames_lie_under_their_latents() -> None:
    silence = np.zeros(24_000, np.float32)
    silence[12_000:12_240] = 0.5 * np.sin(np.arange(240))
    mel = mel_24k(silence)
    assert mel.shape == (100, 100) and abs(int(mel.sum(1).argmax()) - 50) <= 1
    assert mel_24k(np.zeros(961, np.float32)).shape == (8, 100)


def test_a_voice_without_prefix_has_its_embedding_alone() -> None:
    made = without_prefix(np.ones(4, np.float32), NEUTRAL)
    assert made.tokens.shape == (0,) and made.latents.shape == (0, 64) and made.speaker.dtype == np.float32


def test_what_is_typed_without_options_is_what_was_measured() -> None:
    """`bench.distillation` measures the spec's defaults; the commands repeat them for their help."""
    for command in (distill_tokenizer, distill_prompts):
        defaults = {name: p.default for name, p in inspect.signature(command).parameters.items()}
        for name in ("minutes", "steps", "size", "texts", "seed"):
            assert defaults[name] == getattr(DistilSpec(), name), name
    typed = inspect.signature(distill_tokenizer).parameters
    assert (typed["replies"].default, typed["invented"].default) == (DistilSpec().replies, DistilSpec().voices)


@pytest.fixture(scope="module")
def plain_pairs(source: Source) -> list[Pair]:
    plain = Source(source.synthesis, source.spoken, source.voices, source.own, source.seed)
    return [one_pair(plain, number) for number in range(4)]


def test_other_latents_come_with_their_own_sound(source: Source, plain_pairs: list[Pair]) -> None:
    first = plain_pairs[0]
    assert first.latents is not None
    made = other_latents(first, source.synthesis, (0, 1))
    again, another = (other_latents(first, source.synthesis, (0, n)) for n in (1, 2))
    assert made.latents is not None and another.latents is not None
    assert np.array_equal(made.samples, again.samples) and not np.array_equal(made.latents, another.latents)
    raw = source.synthesis.moments.denormalise(made.latents.astype(np.float32))
    assert np.corrcoef(made.wave, source.synthesis.sound.synthesise(raw))[0, 1] > 0.99
    assert np.corrcoef(made.wave, first.wave)[0, 1] < 0.5
    assert np.array_equal(made.tokens, first.tokens) and made.voice == first.voice
    moved = (made.latents.astype(np.float32) - first.latents.astype(np.float32)).mean(0)
    assert 0.3 < float(np.abs(moved).mean()) < 3.0 and (moved > 0).any() and (moved < 0).any()


def test_what_is_linear_in_the_sound_is_found_without_learning() -> None:
    """A network alone knew the voices it had heard; of a real speaker's envelope it was as wrong as a guess."""
    rng = np.random.default_rng(0)
    truth = rng.standard_normal((100, 8))
    lessons = [4 * rng.standard_normal((400, 100)).astype(np.float32) - 6 for _ in range(25)]
    torch.manual_seed(0)
    extractor = PromptExtractor(ExtractorConfig(8, 4, hidden=16, blocks=1, has_direct=True))
    solve_directly(extractor, [(mel, (mel @ truth).astype(np.float16)) for mel in lessons])
    far = 8 * rng.standard_normal((1, 40, 100)).astype(np.float32)
    found = extractor(torch.from_numpy(far))[0].detach().numpy()[0]
    assert found == pytest.approx(far[0] @ truth, abs=0.05 * np.abs(far[0] @ truth).max())


def test_an_extractor_learned_without_the_direct_way_is_still_read(tmp_path: Path) -> None:
    PromptExtractor(ExtractorConfig(8, 4, hidden=16, blocks=1)).save(tmp_path)
    known = json.loads((tmp_path / "config.json").read_text())
    del known["has_direct"]
    (tmp_path / "config.json").write_text(json.dumps(known))
    assert PromptExtractor.load(tmp_path).latents(np.zeros(960, np.float32)).shape == (4, 8)
