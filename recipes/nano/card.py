"""Write the model card of a packed base from the numbers that bench.nano measured.

python -m recipes.nano.card --base voicekit/assets/nano
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

ROWS = {
    "text_exact_match": ("right answers to typed held-out questions, all speakers", ">= 0.95"),
    "spoken_exact_match": ("right answers to spoken questions, unseen voices", ">= 0.85"),
    "spoken_exact_match_natural": ("the same, unseen natural voices (rms, ked) alone", ""),
    "speech_cer": ("speech tokens against the reply's own text, CER", "<= 0.08"),
    "wer": ("replies heard by Whisper base, WER", "<= 0.18"),
    "wer_copy_synthesis": ("its ceiling: training voices through the vocoder, WER", ""),
    "wer_recordings": ("the same voices as rendered, WER", ""),
    "tokenizer_cer_synthetic": ("tokenizer on open text, 8 unseen espeak-ng voices, CER", "<= 0.12"),
    "tokenizer_cer_natural": ("tokenizer on open text, an unseen natural voice (rms), CER", "<= 0.25"),
    "tokenizer_cer_diphone": ("tokenizer on open text, an unseen diphone voice (ked), CER", ""),
    "tokenizer_cer_real_reader": ("tokenizer on a real reader (LJ Speech, 16 clips), CER", "<= 0.35"),
    "times_real_time": ("seconds of speech made in a second, one thread", ">= 4"),
    "first_audio_ms": ("wait for the first sound, one thread, ms", "<= 400"),
}

CARD = """# nano {version}

The Covo-Audio architecture in miniature: a Whisper encoder with an 8x adapter, a Qwen2 language model that speaks by
interleaving 5 text and 15 speech tokens, a speech tokenizer with one VQ layer at 25 Hz, a flow-matching decoder and WORLD as
vocoder. {size_mb:.0f} MB of float16 safetensors. It answers English questions about a small closed world (sums, opposites,
sizes, capitals, days, colours, animals, kindness) in 32 synthetic voices, and reads any English text. It is made to show,
test and measure how a voice is given to such a model; it is no assistant.

## Numbers

Measured by `python -m bench.nano` on a busy two-core machine ({machine}), on questions, phrasings and whole voices that
training never saw. In brackets: the 95 % interval. Aim: what the project set out to reach; a number that misses its aim is a
number still to be improved.

| what | value | aim | n |
|---|---|---|---|
{rows}

## Data

- Questions and answers: a grammar (`recipes/nano/world.py`), 1,218 facts in 23 domains, seven phrasings each; held out are 161
  questions of phrasings never trained, and 161 + 161 unseen pairs of fact and phrasing for choosing and reporting.
- Speech, about 30 hours: rendered with flite (voices slt, awb, kal16), festival (kal_diphone, cmu_us_slt_arctic_hts) and 56
  espeak-ng variants, varied in pitch, rate and vocal tract; for the last run of the ears also with RHVoice (alan, bdl, clb) and
  SVOX Pico (en-US, en-GB). Never used in training in any form: flite rms, festival ked_diphone, eight espeak-ng variants.
- Open text: sentences of the LJ Speech corpus, spoken by the synthesisers.
- 252 real readers (LibriSpeech, 52 minutes): tokenizer (30 minutes of runs that pocketsphinx is
  sure of), ears (the same runs) and decoder.

## Licences

The weights: Apache-2.0. LJ Speech texts: public domain. LibriSpeech: CC BY 4.0 (V. Panayotov, G. Chen, D. Povey, S.
Khudanpur). flite and festival voices: the permissive licences of Carnegie Mellon University and the University of Edinburgh.
RHVoice: LGPL 2.1; SVOX Pico: Apache-2.0. espeak-ng is a program under the GPL whose output is not. pocketsphinx: BSD.

## Training

`make nano SENTENCES=FILE READERS=FOLDER` builds it from nothing: `recipes/nano/build.py`, seed 0, AdamW in bfloat16 with
float32 masters.

{cost}
"""

COST = """
Trained in five runs, the second from the weights of the first (`--init`), the others of the ears alone, the fifth with more
natural voices:

| part | parameters | steps | minutes of one thread, the machine busy |
|---|---|---|---|
| speech tokenizer | 7.4 M | 3,500 + 3,000 | 44 + 47 |
| Whisper encoder and adapter | 2.8 M | 1,100 + 2,400 | 35 + 58 |
| decoder | 3.5 M | 3,000 + 2,400 | 22 + 26 |
| language model, words alone | 6.3 M | 1,000 | 22 |
| language model and adapter, speech | 7.1 M | 5,500 + 4,400 | 42 + 40 |
| encoder and adapter, behind the finished language model | 2.8 M | 1,750 + 2,800 + 3,000 | 37 + 35 + 42 |
"""


def render(base: Path, version: str) -> str:
    card = json.loads((base / "card.json").read_text())
    rows = []
    for name, (what, aim) in ROWS.items():
        if name in card:
            value, low, high, n = card[name]
            rows.append(f"| {what} | {value:.3g} ({low:.3g}-{high:.3g}) | {aim} | {n} |")
    size_mb = sum(f.stat().st_size for f in base.rglob("*") if f.is_file()) / 1e6
    return CARD.format(version=version, size_mb=size_mb, machine=card["machine"], rows="\n".join(rows), cost=COST.strip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=Path("voicekit/assets/nano"))
    args = parser.parse_args()
    from voicekit import __version__

    (args.base / "README.md").write_text(render(args.base, __version__))


if __name__ == "__main__":
    main()
