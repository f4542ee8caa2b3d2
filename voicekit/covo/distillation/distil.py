"""`voicekit base distill-tokenizer`: from a base whose decoder runs to one that can tokenize recordings."""

from __future__ import annotations

from pathlib import Path

import torch

from voicekit.covo.base import Base
from voicekit.covo.distillation import measure
from voicekit.covo.distillation.learning import Course
from voicekit.covo.distillation.lessons import Learned, Lessons, distilled
from voicekit.covo.distillation.pairs import Source
from voicekit.covo.distillation.tokenizer import PEAK_RATE, PRETRAINED_RATE, READER_RATE, teach, teach_reader
from voicekit.covo.distilled_tokenizer import DistilledTokenizer, fresh
from voicekit.covo.layout import SPEECH_TOKENIZER
from voicekit.covo.tokenizers import AnyTokenizer
from voicekit.errors import UsageError
from voicekit.ports import OnProgress, Progress, Transcriber
from voicekit.records import Metric
from voicekit.results import DistilledPart
from voicekit.specs import DistilSpec

PROBED_VOICES = 8
TITLE = "Speech tokenizer, distilled from the decoder"
STORY = """This base's speech tokenizer was learned by `voicekit base distill-tokenizer` from speech of its own decoder:
{minutes:.0f} minutes in {voices} voices (own prompts and invented speakers), {steps} steps, WavLM with {parameters:.1f} M
parameters, seed {seed}. Measured on token sequences it never saw. "leakage" is how often a linear probe finds the speaker in the
tokens when all say the same; by chance it finds them {chance:.3f} of the time. WER is the embedded judge's of decoded texts;
after the round trip they were tokenized and decoded once more. "reader cer" is how wrong its reader is about the letters
of tokens that the chat model said; by it `create` chooses the answers that a voice goes on to learn from."""


def distil_tokenizer(
    folder: Path,
    out: Path | None,
    spec: DistilSpec,
    judge: Transcriber,
    device: str,
    report: OnProgress,
) -> DistilledPart:
    """Teach and measure a speech tokenizer for the base in `folder`; it becomes part of the base in `out`, or of `folder`.

    Killed and run again with the same options, it goes on; asked for what is finished, it tells the numbers again. A tokenizer
    that the base has serves for comparison alone.
    """
    return distilled(SPEECH_TOKENIZER, folder, out, spec, device, report, lambda lessons: _learned(lessons, judge, device))


def _learned(lessons: Lessons, judge: Transcriber, device: str) -> Learned:
    base, spec, work, report = lessons.base, lessons.spec, lessons.work, lessons.report
    pairs = lessons.pairs()
    tokenizer = fresh_for(base, spec).to(device)
    rate = PRETRAINED_RATE if spec.init else PEAK_RATE
    teach(tokenizer, pairs, Course("tokenizer", spec.steps, rate, spec.seed), work / "tokenizer.pt", report)
    reader = Course("reader", spec.reader_steps, READER_RATE, spec.seed)
    teach_reader(tokenizer, lessons.learned_from, reader, work / "reader.pt", report)
    tokenizer.eval()
    known, voices = lessons.known, lessons.voices
    apart = Source(base.decoder, lessons.held_out, voices, 0, spec.seed)
    numbers = _measured(base, tokenizer, apart, known, spec, judge, report)
    story = STORY.format(
        minutes=spec.minutes, voices=known, steps=spec.steps, seed=spec.seed, chance=1 / min(PROBED_VOICES, len(voices) - known),
        parameters=sum(p.numel() for p in tokenizer.wavlm.parameters()) / 1e6,
    )  # fmt: skip
    return Learned(tokenizer.save, TITLE, story, numbers)


def fresh_for(base: Base, spec: DistilSpec) -> DistilledTokenizer:
    """The untrained tokenizer of a spec, for a base's codebook."""
    decoder = base.decoder.decoder
    torch.manual_seed(spec.seed)
    try:
        return fresh(spec.size, decoder.config.num_codes, decoder.token_embedding.weight.detach().cpu(), spec.init)
    except (OSError, ValueError) as error:
        raise UsageError(f"{spec.init} cannot be loaded as a WavLM: {error}.", "Give the folder of a WavLMModel.") from None


def _measured(
    base: Base,
    tokenizer: DistilledTokenizer,
    source: Source,
    known: int,
    spec: DistilSpec,
    judge: Transcriber,
    report: OnProgress,
) -> dict[str, Metric]:
    """Every number of the card; those of the base's own tokenizer too, where it has one."""
    report(Progress("measure", 0.0, "decoding what was held out"))
    new = list(range(known, len(source.voices)))
    sets = {
        "token_accuracy": measure.held_out_pairs(source, range(known), spec.measured),
        "token_accuracy_unheard_voices": measure.held_out_pairs(source, new, spec.measured),
    }
    same = measure.same_words(source, new[:PROBED_VOICES], max(4, spec.measured // 3))
    tokenizers: dict[str, AnyTokenizer] = {"": tokenizer}
    if (own := base.own_tokenizer()) is not None:
        tokenizers["original_"] = own
    numbers: dict[str, Metric] = {}
    for done, (whose, one) in enumerate(tokenizers.items()):
        report(Progress("measure", 0.4 + 0.3 * done, "tokens, speakers and words"))
        for name, pairs in sets.items():
            numbers[whose + name] = measure.accuracy(one.encode, pairs, spec.seed)
        numbers[f"{whose}leakage"] = measure.speaker_leakage(one.encode, same, source.synthesis.decoder.config.num_codes)
        once, twice = measure.round_trip(one.encode, source, base.neutral_prompt(), judge, base.info.languages, spec.measured)
        numbers["decoded_wer"], numbers[f"{whose}round_trip_wer"] = once, twice
        if any(spoken.text for spoken in source.spoken):
            numbers[f"{whose}reader_cer"] = measure.reader_error(one.read, source.spoken, spec.seed)
    report(Progress("measure", 1.0))
    return numbers
