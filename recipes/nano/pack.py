"""Put the trained parts together as one base directory of float16 safetensors.

python -m recipes.nano.pack --work DIR --out voicekit/assets/nano
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from recipes.nano.shape import ADAPTER_HIDDEN, CONTROL, ENCODER, Places, llm_config
from recipes.nano.tokens import read
from recipes.nano.voices import NAMED, default_female
from recipes.nano.world import Question, split
from voicekit.covo.features import speaker_vector
from voicekit.covo.text import SPECIAL, TextTokenizer
from voicekit.files import beside

REHEARSAL = 700
PROMPT_TOKENS = 75
KEPT_FLOAT32 = ("inv_freq", "codebook")


def half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """float16, but for the few numbers that are compared or multiplied up."""
    return {k: v.float().contiguous() if k.endswith(KEPT_FLOAT32) else v.half().contiguous() for k, v in weights.items()}


def chat_weights(places: Places) -> dict[str, Tensor]:
    model = torch.load(places.chat / "last.pt", weights_only=False)["model"]
    encoder = torch.load(places.hearing / "last.pt", weights_only=False)["encoder"]
    return half({**model, **{f"encoder.{k}": v for k, v in encoder.items()}})


def put(base: Path, weights: dict[str, Tensor]) -> None:
    """These weights in place of the packed base's own of the same names, beside and renamed."""
    file = base / "model.safetensors"
    with beside(file) as tmp:
        save_file(load_file(file) | half(weights), tmp)
        tmp.chmod(file.stat().st_mode)


def configs(text_tokens: int) -> tuple[dict, dict]:
    """(base.json, config.json)."""
    base = {
        "name": "nano",
        "kind": "covo_audio",
        "licence": "Apache-2.0",
        "languages": ["en"],
        "speakers": [v.name for v in NAMED],
        "default_speaker": default_female.name,
        "control": CONTROL,
        "vocoder": "world",
        "max_new_tokens": 500,
        "sampling": {"temperature": 0.3, "top_k": 20, "repetition_penalty": 1.0},
    }
    llm = {k: v for k, v in llm_config(text_tokens).items() if k != "rope_theta"}
    llm["rope_parameters"] = {"rope_type": "default", "rope_theta": llm_config(text_tokens)["rope_theta"]}
    config = {"model_type": "covo_audio", "dtype": "float16", "audio_token_index": text_tokens, "adapter_downsample": 8,
              "adapter_hidden": ADAPTER_HIDDEN, "llm_config": llm, "encoder_config": ENCODER}  # fmt: skip
    return base, config


def neutral_prompt(work: Path) -> dict[str, Tensor]:
    """The default speaker's: the longest of their clips as known prefix, statistics over all of them."""
    data = np.load(work / "latents.npz")
    moments = np.load(Places(work).decoder / "token2wav" / "global_mean_var.npy")
    normal = (data["latents"].astype(np.float32) - moments[:64]) / np.sqrt(moments[64:])
    frames = [row["frames"] for row in json.loads(str(data["rows"]))]
    parts = np.split(normal, np.cumsum(frames)[:-1])
    pairs = zip(parts, read(Places(work).codes / "latents.npz"), strict=True)
    own = [(x, codes) for x, (codes, row) in pairs if row["voice"] == default_female.name]
    latents, codes = max(own, key=lambda pair: len(pair[1]))
    vector = speaker_vector(np.concatenate([x for x, _ in own]))
    count = min(PROMPT_TOKENS, len(codes))
    return {"tokens": torch.from_numpy(codes[:count]), "latents": torch.from_numpy(latents[: 4 * count]).contiguous(),
            "speaker": torch.from_numpy(vector)}  # fmt: skip


def write_material(places: Places, out: Path) -> None:
    """questions.jsonl and rehearsal.jsonl.gz: old dialogues in the base's own voices, as new voices will rehearse them."""
    train, dev, test = split()
    lines = [_line("train", q) for q in train] + [_line("dev", q) for q in dev] + [_line("test", q) for q in test]
    (out / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    answers: dict[str, list[tuple[str, list[int]]]] = {}
    for codes, row in read(places.codes / "answers_train.npz"):
        answers.setdefault(row["text"], []).append((row["voice"], codes.tolist()))
    rng = np.random.default_rng(0)
    spoken = [q for q in train if q.fact.answer in answers]
    weights = np.array([q.fact.weight for q in spoken])
    with gzip.GzipFile(out / "rehearsal.jsonl.gz", "wb", mtime=0) as sink:
        for i in rng.choice(len(spoken), min(REHEARSAL, len(spoken)), replace=False, p=weights / weights.sum()):
            question = spoken[int(i)]
            voice, speech = answers[question.fact.answer][int(rng.integers(len(answers[question.fact.answer])))]
            turns = [{"role": "user", "text": question.text},
                     {"role": "assistant", "text": question.fact.answer, "speech": speech}]  # fmt: skip
            sink.write((json.dumps({"speaker": voice, "turns": turns}) + "\n").encode())


def _line(part: str, question: Question) -> dict[str, str]:
    return {"split": part, "text": question.text, "answer": question.fact.answer, "domain": question.fact.domain}


def pack(work: Path, out: Path) -> None:
    places = Places(work)
    for folder in ("speech_tokenizer", "token2wav", "voice_prompts"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    text = TextTokenizer(places.text.parent)
    base, config = configs(len(text))
    (out / "base.json").write_text(json.dumps(base, indent=1) + "\n")
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (out / "tokenizer.json").write_bytes(places.text.read_bytes())
    special = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": SPECIAL[1], "pad_token": SPECIAL[2]}
    (out / "tokenizer_config.json").write_text(json.dumps(special, indent=1) + "\n")
    save_file(chat_weights(places), out / "model.safetensors")
    for source, name in ((places.tokenizer, "speech_tokenizer"), (places.decoder / "token2wav", "token2wav")):
        (out / name / "config.json").write_text((source / "config.json").read_text() + "\n")
        save_file(half(load_file(source / "model.safetensors")), out / name / "model.safetensors")
    (out / "token2wav" / "global_mean_var.npy").write_bytes((places.decoder / "token2wav" / "global_mean_var.npy").read_bytes())
    save_file(neutral_prompt(work), out / "voice_prompts" / "neutral.safetensors")
    write_material(places, out)
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(f"{out}: {size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    pack(args.work, args.out)


if __name__ == "__main__":
    main()
