"""Laws of the speech tokenizer of phonemes and melody."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from voicekit.covo import phonetic_tokenizer
from voicekit.covo.adapter import frames_of, whisper_frames
from voicekit.covo.features import num_tokens, speaker_vector
from voicekit.covo.phonetic_tokenizer import OVERLAP_TOKENS, WINDOW_TOKENS, PhoneticConfig, PhoneticTokenizer, melody_of
from voicekit.covo.tokenizers import load_tokenizer
from voicekit.covo.vocoder import LOG_F0, VOICING, analyse, quick_analyse
from voicekit.timebase import MODEL_RATE_HZ

pytestmark = pytest.mark.unit
SIZES = PhoneticConfig(num_codes=64, hidden=32, encoder_blocks=1, frame_width=32, reader_hidden=64, reader_layers=1)


@pytest.fixture
def audio_encoder() -> WhisperEncoder:
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=32, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=64, num_mel_bins=80, max_source_positions=1500
    )
    return WhisperEncoder(config).eval().requires_grad_(False)


@pytest.fixture
def tokenizer(audio_encoder: WhisperEncoder) -> PhoneticTokenizer:
    torch.manual_seed(1)
    return PhoneticTokenizer(SIZES, audio_encoder).eval().requires_grad_(False)


def voiced(seconds: float, pitch_hz: float = 120.0) -> np.ndarray:
    t = np.arange(int(seconds * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    glide = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.1 * np.sin(2 * t))) / MODEL_RATE_HZ
    tone = sum(np.sin(k * glide) / k for k in range(1, 20))
    return (0.1 * tone * (1 + 0.5 * np.sin(9 * t))).astype(np.float32)


@pytest.mark.parametrize("samples", [0, 1, 959, 960, 961, 24_000])
def test_a_token_covers_forty_milliseconds(tokenizer: PhoneticTokenizer, samples: int) -> None:
    codes = tokenizer.encode(voiced(1.0)[:samples])
    assert codes.dtype == np.int64 and len(codes) == num_tokens(samples)
    assert all(0 <= code < SIZES.num_codes for code in codes)


def test_long_sound_goes_through_windows_that_overlap(tokenizer: PhoneticTokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []

    def spied(encoder: WhisperEncoder, samples: np.ndarray) -> torch.Tensor:
        heard.append(num_tokens(len(samples)))
        return whisper_frames(encoder, samples)

    monkeypatch.setattr(phonetic_tokenizer, "whisper_frames", spied)
    sound = np.tile(voiced(8.0), 8)[: 60 * MODEL_RATE_HZ]
    assert len(tokenizer.encode(sound)) == 1500
    assert max(heard) <= WINDOW_TOKENS <= 750, "an encoder hears 30 s at most"
    assert sum(heard) == 1500 + (len(heard) - 1) * OVERLAP_TOKENS


def test_the_melody_is_relative_to_the_speaker() -> None:
    latents = quick_analyse(voiced(2.0))
    higher = latents.copy()
    higher[:, LOG_F0] += 0.7
    assert melody_of(higher) == pytest.approx(melody_of(latents), abs=1e-5)
    assert np.abs(melody_of(latents)[:, 0]).max() > 0.1, "it moves with the pitch"
    louder = quick_analyse(4 * voiced(2.0))
    assert np.median(np.abs(melody_of(louder)[:, 2] - melody_of(latents)[:, 2])) < 0.05


def test_the_quick_analysis_hears_the_same_pitch() -> None:
    quick, careful = quick_analyse(voiced(2.0)), analyse(voiced(2.0))
    both = (quick[:, VOICING] > 0.5) & (careful[:, VOICING] > 0.5)
    assert both.mean() > 0.8
    assert np.abs(quick[both, LOG_F0] - careful[both, LOG_F0]).mean() < 0.02
    assert quick_analyse(voiced(1.0), bands=False)[:, :3] == pytest.approx(quick_analyse(voiced(1.0))[:, :3])


def test_it_is_stored_without_the_audio_encoder(
    tokenizer: PhoneticTokenizer, audio_encoder: WhisperEncoder, tmp_path: Path
) -> None:
    tokenizer.save(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 4 * sum(p.numel() for p in tokenizer.parameters()) + 50_000
    again = load_tokenizer(tmp_path, audio_encoder)
    assert isinstance(again, PhoneticTokenizer)
    assert (again.encode(voiced(1.0)) == tokenizer.encode(voiced(1.0))).all()
    assert not [name for name in again.state_dict() if "audio_encoder" in name]


def test_frames_of_a_whole_segment_are_the_encoders_own(audio_encoder: WhisperEncoder) -> None:
    mel = torch.randn(1, 80, 3000)
    assert torch.allclose(frames_of(audio_encoder, mel), audio_encoder(mel).last_hidden_state, atol=1e-5)


def test_a_speaker_embedding_with_pitch_moves_with_it_alone() -> None:
    latents = quick_analyse(voiced(2.0))
    higher = latents.copy()
    higher[:, LOG_F0] += 0.3
    plain, moved = speaker_vector(latents, with_pitch=True), speaker_vector(higher, with_pitch=True)
    assert moved[LOG_F0] - plain[LOG_F0] == pytest.approx(0.3, abs=1e-5)
    assert np.delete(moved, LOG_F0) == pytest.approx(np.delete(plain, LOG_F0), abs=1e-6)
    assert speaker_vector(latents)[LOG_F0] == speaker_vector(higher)[LOG_F0] == 0.0
