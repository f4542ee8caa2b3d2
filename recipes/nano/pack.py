"""Put the trained parts together as one base directory of float16 safetensors.

python -m recipes.nano.pack --work DIR --whisper model.bin --out voicekit/assets/nano
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

from recipes.nano.natural_sets import SPEAKERS
from recipes.nano.phonetic import Phonetic
from recipes.nano.shape import ADAPTER_HIDDEN, CONTROL, ENCODER, SEGMENT_POSITIONS, Places, llm_config
from recipes.nano.speech_features import Speech, load_speech
from recipes.nano.tokens import read
from recipes.nano.whisper_frames import load_whisper
from recipes.nano.world import Question, split
from voicekit.covo.features import speaker_vector
from voicekit.covo.layout import MOMENTS
from voicekit.covo.synthesis import Moments
from voicekit.covo.text import SPECIAL, TextTokenizer
from voicekit.files import beside
from voicekit.timebase import LATENTS_PER_TOKEN

REHEARSAL = 700
PROMPT_TOKENS = 25
PROMPT_CLIPS = 40
KEPT_FLOAT32 = ("inv_freq", "codebook.vectors")


def half(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """float16, but for the few numbers that are compared or multiplied up."""
    return {k: v.float().contiguous() if k.endswith(KEPT_FLOAT32) else v.half().contiguous() for k, v in weights.items()}


def chat_weights(places: Places, whisper: Path) -> dict[str, Tensor]:
    """The chat model with its adapter, and Whisper's encoder with as many positions as a segment has."""
    model = torch.load(places.chat / "last.pt", weights_only=False)["model"]
    encoder = load_whisper(whisper).state_dict()
    encoder["embed_positions.weight"] = encoder["embed_positions.weight"][:SEGMENT_POSITIONS]
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
        "speakers": [*SPEAKERS],
        "default_speaker": next(iter(SPEAKERS)),
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


def voice_prompts(places: Places) -> dict[str, dict[str, Tensor]]:
    """Of each of nano's speakers: a clip of middling length as known prefix, and the statistics of a minute of their speech."""
    tokenizer = Phonetic.load(places.phonetic / "model")
    moments = Moments.load(places.decoder / "token2wav" / MOMENTS)
    by_speaker: dict[str, list[Speech]] = {name: [] for name in SPEAKERS}
    for clip in load_speech(places.features / "answers"):
        by_speaker[clip.row["voice"]].append(clip)
    return {name: _voice_prompt(clips[:PROMPT_CLIPS], tokenizer, moments) for name, clips in by_speaker.items()}


def _voice_prompt(clips: list[Speech], tokenizer: Phonetic, moments: Moments) -> dict[str, Tensor]:
    normal = [moments.normalise(clip.latents.astype(np.float32)) for clip in clips]
    chosen = int(np.argsort([clip.tokens for clip in clips])[len(clips) // 2])
    codes = tokenizer.encode(clips[chosen].frames, clips[chosen].latents)[-PROMPT_TOKENS:]
    vector = speaker_vector(np.concatenate(normal), with_pitch=True)
    latents = normal[chosen][-LATENTS_PER_TOKEN * len(codes) :].copy()
    return {"tokens": torch.from_numpy(codes), "latents": torch.from_numpy(latents), "speaker": torch.from_numpy(vector)}


def write_material(places: Places, out: Path) -> None:
    """questions.jsonl and rehearsal.jsonl.gz: old dialogues in the base's own voices, as new voices will rehearse them."""
    train, dev, test = split()
    lines = [_line("train", q) for q in train] + [_line("dev", q) for q in dev] + [_line("test", q) for q in test]
    (out / "questions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    answers: dict[str, list[tuple[str, list[int]]]] = {}
    for codes, row in read(places.codes / "answers.npz"):
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


def pack(work: Path, out: Path, whisper: Path) -> None:
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
    save_file(chat_weights(places, whisper), out / "model.safetensors")
    for source, name in ((places.reading / "speech_tokenizer", "speech_tokenizer"), (places.decoder / "token2wav", "token2wav")):
        (out / name / "config.json").write_text((source / "config.json").read_text() + "\n")
        save_file(half(load_file(source / "model.safetensors")), out / name / "model.safetensors")
    (out / "token2wav" / MOMENTS).write_bytes((places.decoder / "token2wav" / MOMENTS).read_bytes())
    prompts = voice_prompts(places)
    prompts["neutral"] = prompts[base["default_speaker"]]
    for name, prompt in prompts.items():
        save_file(prompt, out / "voice_prompts" / f"{name}.safetensors")
    write_material(places, out)
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    print(f"{out}: {size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--whisper", type=Path, required=True, help="CTranslate2's float16 model.bin of Whisper base")
    args = parser.parse_args()
    pack(args.work, args.out, args.whisper)


if __name__ == "__main__":
    main()
