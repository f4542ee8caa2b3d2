"""Letters from speech tokens alone: an embedding of the tokens, a short stack of blocks, CTC."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from voicekit.covo.speech_tokenizer import SYMBOLS, Block, SpeechTokenizerConfig, greedy_text, text_symbols
from voicekit.records import FloatArray, IntArray


class TokenReader(nn.Module):
    """Tokens int64 [B, N] -> CTC logits [B, 2N, SYMBOLS]: two letter slots a token."""

    def __init__(self, num_codes: int, hidden: int, layers: int) -> None:
        super().__init__()
        sizes = SpeechTokenizerConfig(hidden=hidden, ffn=2 * hidden, heads=max(1, hidden // 64))
        self.embedding = nn.Embedding(num_codes, hidden)
        self.blocks = nn.ModuleList(Block(sizes) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.ctc = nn.Linear(hidden, 2 * SYMBOLS)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """mask bool [B, N]: True = a token, not padding."""
        x = self.embedding(tokens)
        for block in self.blocks:
            x = block(x, mask)
        return self.ctc(self.norm(x)).view(len(tokens), -1, SYMBOLS)

    @torch.inference_mode()
    def emissions(self, tokens: IntArray) -> FloatArray:
        """Log probabilities float32 [2N, SYMBOLS] of letters at 50 Hz; symbol 0 is the CTC blank."""
        ids = torch.as_tensor(tokens, device=self.ctc.weight.device)[None]
        return self(ids, torch.ones_like(ids, dtype=torch.bool))[0].float().log_softmax(-1).cpu().numpy()

    def read(self, tokens: IntArray) -> str:
        """Lower-case letters, apostrophes and single spaces."""
        return greedy_text(self.emissions(tokens).argmax(-1)) if len(tokens) else ""


def reading_loss(reader: TokenReader, spoken: Sequence[tuple[IntArray, str]]) -> Tensor:
    """CTC loss a letter, in nats, of (tokens [N], text) pairs; a text that does not fit counts as nothing."""
    device = reader.ctc.weight.device
    ids = nn.utils.rnn.pad_sequence([torch.from_numpy(codes) for codes, _ in spoken], batch_first=True, padding_value=-1)
    texts = [torch.tensor(text_symbols(text), dtype=torch.long) for _, text in spoken]
    mask = (ids >= 0).to(device)
    logits = reader(ids.clamp(min=0).to(device), mask)
    lengths, letters = 2 * mask.sum(1).cpu(), torch.tensor([len(t) for t in texts])
    log_probs = logits.float().log_softmax(-1).transpose(0, 1).cpu()
    losses = F.ctc_loss(log_probs, torch.cat(texts), lengths, letters, reduction="none", zero_infinity=True)
    return losses.sum() / letters.sum().clamp(min=1)


def with_errors(codes: IntArray, num_codes: int, share: float, rng: np.random.Generator) -> IntArray:
    """A `share` of the tokens replaced by any others: what is read later was heard, with faults."""
    wrong = rng.random(len(codes)) < share
    return np.where(wrong, rng.integers(num_codes, size=len(codes)), codes)
