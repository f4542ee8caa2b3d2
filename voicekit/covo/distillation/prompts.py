"""`voicekit base distill-prompts`: what makes the decoder's voice prompts of recordings, learned from its own speech."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from voicekit.covo.base import Base
from voicekit.covo.distillation.latents import other_latents, solve_directly
from voicekit.covo.distillation.learning import Course, learn
from voicekit.covo.distillation.lessons import Learned, Lessons, distilled
from voicekit.covo.distillation.measure import held_out_pairs
from voicekit.covo.distillation.pairs import Pair, Source, kept_pairs
from voicekit.covo.distillation.sound import disturbed
from voicekit.covo.layout import PROMPT_EXTRACTOR
from voicekit.covo.prompt_extractor import ExtractorConfig, PromptExtractor, fit_speaker, mel_24k
from voicekit.evaluate import statistics
from voicekit.ports import OnProgress, Progress
from voicekit.records import Metric, VoicePrompt
from voicekit.results import DistilledPart
from voicekit.specs import DistilSpec
from voicekit.timebase import LATENTS_PER_TOKEN, SAMPLES_PER_TOKEN

BATCH, CROP_TOKENS = 8, 50
PEAK_RATE = 1e-3
DISTURBED = 0.3
FITTED_VOICES, FITTED_CLIPS = 6, 4
SIZES = {"tiny": {}, "base": {"hidden": 512, "blocks": 12}}
TITLE = "Voice prompts, distilled from the decoder"
STORY = """This base's prompt extractor was learned by `voicekit base distill-prompts` from speech of its own decoder,
{minutes:.0f} minutes in {voices} voices, and as much of its vocoder's of latents nearby: {steps} steps, {parameters:.1f} M
parameters, seed {seed}. Measured on voices and token sequences it never saw: "latent error" is the root mean square error of
normalised latents (their variance is 1); the likeness of embeddings is their cosine to the true one, as first guessed and after
fitting through the frozen decoder."""


def distil_prompts(folder: Path, out: Path | None, spec: DistilSpec, device: str, report: OnProgress) -> DistilledPart:
    """Teach and measure a prompt extractor for the base in `folder`; it becomes part of the base in `out`, or of `folder`.

    It is used there from then on, instead of the vocoder's analysis if there is one. Goes on like `distil_tokenizer`.
    """
    return distilled(PROMPT_EXTRACTOR, folder, out, spec, device, report, lambda lessons: _learned(lessons, device))


def _learned(lessons: Lessons, device: str) -> Learned:
    base, spec, voices, known = lessons.base, lessons.spec, lessons.voices, lessons.known
    pairs = lessons.pairs(varied=False)
    pairs += kept_pairs(
        lambda number: other_latents(pairs[number], base.decoder, (spec.seed, number)),
        len(pairs),
        lessons.work / "other-latents",
        lessons.report,
    )
    extractor = fresh_extractor(base, lessons.prompts, spec)
    solve_directly(extractor, ((mel_24k(pair.wave), pair.latents) for pair in pairs if pair.latents is not None))
    extractor = extractor.to(device)
    course = Course("extractor", spec.steps, PEAK_RATE, spec.seed)
    teach(extractor, pairs, voices, course, lessons.work / "extractor.pt", lessons.report)
    apart = Source(base.decoder, lessons.held_out, voices[known:], 0, spec.seed)
    numbers = _measured(extractor, apart, spec, lessons.report)
    parameters = sum(p.numel() for p in extractor.parameters()) / 1e6
    story = STORY.format(minutes=spec.minutes, voices=known, steps=spec.steps, parameters=parameters, seed=spec.seed)
    return Learned(extractor.save, TITLE, story, numbers)


def fresh_extractor(base: Base, prompts: Sequence[VoicePrompt], spec: DistilSpec) -> PromptExtractor:
    """The untrained extractor of a spec, for the sizes of a base's decoder."""
    sizes = base.decoder.decoder.config
    torch.manual_seed(spec.seed)
    made = PromptExtractor(ExtractorConfig(sizes.latents, sizes.speaker_dim, **SIZES[spec.size], has_direct=True))
    known = np.stack([p.speaker for p in prompts])
    used = (known != 0).any(axis=0)
    if used.any():
        made.used.copy_(torch.from_numpy(used.astype(np.float32)))
        made.level.fill_(float(np.sqrt((known[:, used] ** 2).mean())))
    return made


def teach(
    extractor: PromptExtractor,
    pairs: Sequence[Pair],
    voices: Sequence[VoicePrompt],
    course: Course,
    file: Path,
    report: OnProgress,
) -> float:
    """Squared error of the latents and of the speaker embedding, the latter relative to its size; the last smoothed loss."""
    device = extractor.used.device
    speakers = torch.from_numpy(np.stack([v.speaker for v in voices])).to(device)
    size = (speakers**2).sum(-1).mean().clamp(min=1e-6)
    extractor.requires_grad_(True)

    def loss(step: int) -> Tensor:
        mel, latents, voice = batch(pairs, np.random.default_rng((course.seed, step)))
        made, speaker = extractor(mel.to(device))
        of_speaker = ((speaker.float() - speakers[voice.to(device)]) ** 2).sum(-1).mean() / size
        return ((made.float() - latents.to(device)) ** 2).mean() + of_speaker

    return learn(extractor, loss, course, file, report)


def batch(pairs: Sequence[Pair], rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """(log-mel, latents, voice) of BATCH crops, some of them disturbed: [B, 4N, 100], [B, 4N, L], int64 [B]."""
    mels, latents, voices = [], [], []
    for i in rng.choice(len(pairs), BATCH):
        pair = pairs[int(i)]
        if pair.latents is None:
            raise ValueError("pairs of another speed have no latents")
        start = int(rng.integers(len(pair.tokens) - CROP_TOKENS + 1))
        samples = pair.wave[SAMPLES_PER_TOKEN * start : SAMPLES_PER_TOKEN * (start + CROP_TOKENS)]
        mels.append(mel_24k(disturbed(samples, rng) if rng.random() < DISTURBED else samples))
        latents.append(pair.latents[LATENTS_PER_TOKEN * start :][: LATENTS_PER_TOKEN * CROP_TOKENS].astype(np.float32))
        voices.append(pair.voice)
    return torch.from_numpy(np.stack(mels)), torch.from_numpy(np.stack(latents)), torch.tensor(voices)


def _measured(extractor: PromptExtractor, source: Source, spec: DistilSpec, report: OnProgress) -> dict[str, Metric]:
    extractor.eval()
    report(Progress("measure", 0.0, "decoding what was held out"))
    pairs = held_out_pairs(source, range(len(source.voices)), spec.measured)
    errors = [float(((extractor.latents(p.wave) - p.latents) ** 2).mean()) for p in pairs if p.latents is not None]
    squared = statistics.mean(errors, spec.seed)
    numbers = {"latent_error": Metric(squared.value**0.5, squared.low**0.5, squared.high**0.5, squared.n)}
    first, fitted = [], []
    for i in range(min(FITTED_VOICES, len(source.voices))):
        only = Source(source.synthesis, source.spoken, [source.voices[i]], 0, spec.seed + i)
        clips = held_out_pairs(only, [0], FITTED_CLIPS)
        start = extractor.speaker([p.wave for p in clips])
        heard = [(p.tokens, extractor.latents(p.wave)) for p in clips]
        found = fit_speaker(source.synthesis.decoder, heard, start, extractor.used.cpu().numpy())
        first.append(statistics.cosine(start, source.voices[i].speaker))
        fitted.append(statistics.cosine(found, source.voices[i].speaker))
        report(Progress("measure", 0.5 + 0.5 * i / FITTED_VOICES, "fitting embeddings"))
    numbers["first_embedding_likeness"] = statistics.mean(first, spec.seed)
    numbers["fitted_embedding_likeness"] = statistics.mean(fitted, spec.seed)
    report(Progress("measure", 1.0))
    return numbers
