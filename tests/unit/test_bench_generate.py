"""The generation bench runs to its end on a very small model, and both sides say the same."""

from dataclasses import replace

import pytest
import torch

from bench import generate
from voicekit.covo.bigvgan import BigVGANConfig
from voicekit.covo.decoder import DecoderConfig


@pytest.mark.parametrize("fixed", [False, True])
def test_both_sides_say_the_same_and_sound_comes(monkeypatch: pytest.MonkeyPatch, fixed: bool) -> None:
    tiny = replace(
        generate.SIZES["mid"],
        llm={
            "vocab_size": 400,
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
        },
        text_ids=300,
        decoder=DecoderConfig(num_codes=100, token_dim=16, hidden=32, heads=2, ffn=32, blocks=1, speaker_dim=16),
        vocoder=BigVGANConfig(channels=64),
    )
    real = generate.Lines
    monkeypatch.setitem(generate.SIZES, "mid", tiny)
    monkeypatch.setattr(generate, "TIMES", 1)
    monkeypatch.setattr(generate, "Lines", lambda llm, **_: real(llm, fixed=fixed))
    found = dict(generate.measured("mid", torch.device("cpu"), 12, 3))
    assert found["one stream, equal greedy tokens, %"] == found["3 streams, equal greedy tokens, %"] == "100.0"
    assert float(found["3 streams, tokens/s: ours"]) > 0
    assert any(name.startswith("first audio (390 ms") for name in found)
