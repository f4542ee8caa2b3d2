"""Cuts the excerpt in this folder from the complete golden folder, whose numbers the released inference code gave.

python tests/golden/covo/make.py GOLDEN

Left out, because no recorded number depends on it: rows of the embeddings whose ids do not occur, units of the adapter that
are silent on this clip, and the second, longer clip. Ids are renumbered; the recorded numbers are as they were.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from voicekit.covo.chat import load_chat
from voicekit.covo.checkpoint import read_pickle, read_weights

HERE = Path(__file__).parent
SPECIAL_TEXT_IDS, AUDIO_PAD = 28, -5


def main(golden: Path) -> None:
    config = json.loads((golden / "config.json").read_text())
    offset, clip = config["audio_token_index"], dict(np.load(golden / "chat_short.npz"))
    weights = read_weights(golden)
    said = np.concatenate([clip[k] for k in ("input_ids", "generated", "last_logits_ids")])
    text = np.union1d(said[said < offset], np.arange(offset - SPECIAL_TEXT_IDS, offset))
    kept = np.concatenate([text, np.arange(offset, config["llm_config"]["vocab_size"])])
    for name in ("llm.model.embed_tokens.weight", "llm.lm_head.weight"):
        weights[name] = weights[name][torch.from_numpy(kept)].contiguous()
    for name in ("input_ids", "generated", "last_logits_ids"):
        clip[name] = np.searchsorted(kept, clip[name])
    cut_adapter(golden, weights, clip["wav"], offset + AUDIO_PAD)
    config["audio_token_index"] = len(text)
    config["llm_config"]["vocab_size"] = len(kept)
    save_file(weights, HERE / "model.safetensors")
    np.savez_compressed(HERE / "chat.npz", **clip)
    (HERE / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    save_file({k: v.contiguous() for k, v in read_pickle(golden / "model.pt")[0].items()}, HERE / "token2wav.safetensors")
    for name in ("decoder.npz", "global_mean_var.npy", "token2wav_config.json"):
        (HERE / name).write_bytes((golden / name).read_bytes())


@torch.inference_mode()
def cut_adapter(golden: Path, weights: dict[str, torch.Tensor], wav: np.ndarray, audio_pad: int) -> None:
    """Keep the units that are ever awake on this clip, as many in each stage."""
    chat = load_chat(golden, audio_pad)
    heard: list[torch.Tensor] = []
    for layer in [m for name, m in chat.audio_adapter.named_modules() if name.endswith("linear1")]:
        layer.register_forward_hook(lambda _, __, out: heard.append(F.relu(out)[0]))
    used = len(chat.audio_features(wav))
    # Of its 30 s only the clip's own frames are used: at stage i, 2^(2 - i) for each frame of the result, and a neighbour.
    awake = [frames[: (used << (2 - number)) + 1].amax(0) for number, frames in enumerate(heard)]
    most = max(int((peak > 0).sum()) for peak in awake)
    for number, peak in enumerate(awake):
        units = peak.argsort(descending=True)[:most].sort().values
        stem = f"audio_adapter.downsample_layers.{number}"
        for name in ("linear1.weight", "linear1.bias"):
            weights[f"{stem}.{name}"] = weights[f"{stem}.{name}"][units].contiguous()
        weights[f"{stem}.linear2.weight"] = weights[f"{stem}.linear2.weight"][:, units].contiguous()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
