"""What every distillation begins with and ends in: a base, its speech and many voices; a part with numbers in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicekit.covo.base import Base, load_base
from voicekit.covo.distillation.pairs import Pair, Source, made_pairs, num_pairs
from voicekit.covo.distillation.sequences import Spoken, gathered, parted, texts_of
from voicekit.covo.distillation.voices import given_prompts, voice_prompts
from voicekit.covo.distillation.work import carry_base, finished, place_part, target_of, workplace
from voicekit.ports import OnProgress
from voicekit.records import Metric, VoicePrompt
from voicekit.results import DistilledPart
from voicekit.specs import DistilSpec

HELD_OUT_VOICES = 10


@dataclass(frozen=True, eq=False)
class Lessons:
    """What is learned from and measured with. The first `known` voices are learned from, the first of them the `prompts`, which
    are no inventions; `work` keeps what a killed run goes on from."""

    base: Base
    spec: DistilSpec
    work: Path
    prompts: Sequence[VoicePrompt]
    learned_from: Sequence[Spoken]
    held_out: Sequence[Spoken]
    voices: Sequence[VoicePrompt]
    known: int
    report: OnProgress

    def pairs(self, varied: bool = True) -> list[Pair]:
        """Speech and tokens to learn from, in the known voices; as decoded unless `varied`."""
        own = min(self.known, len(self.prompts))
        neutral = self.base.neutral_prompt() if varied else None
        source = Source(self.base.decoder, self.learned_from, self.voices[: self.known], own, self.spec.seed, neutral)
        return made_pairs(source, num_pairs(self.spec.minutes), self.work / "pairs", self.report)


@dataclass(frozen=True, eq=False)
class Learned:
    """A part that was learned: what writes it into a folder, its section of the model card, and its numbers."""

    save: Callable[[Path], None]
    title: str
    story: str
    numbers: dict[str, Metric]


def distilled(
    part: str,
    folder: Path,
    out: Path | None,
    spec: DistilSpec,
    device: str,
    report: OnProgress,
    learn: Callable[[Lessons], Learned],
) -> DistilledPart:
    """The part (a folder's name) that `learn` makes for the base in `folder`, placed in `out`, or in `folder`.

    Killed and run again with the same options, it goes on; asked for what is finished, it tells the numbers again.
    """
    target = target_of(folder, out, part)
    numbers = finished(target, part, spec)
    if numbers is None:
        base = load_base(folder, device)
        base.neutral_prompt()  # asked for by name where it is missing
        prompts = [*base.stored_prompts(), *given_prompts(base, spec.prompts)]
        work = workplace(target, part, base, spec)
        carry_base(folder, target, part)
        spoken = gathered(base, texts_of(spec.texts), spec.replies, spec.seed, work / "tokens.npz", report)
        voices = voice_prompts(prompts, spec.voices, spec.seed)
        known = spec.voices - max(1, spec.voices // HELD_OUT_VOICES)
        made = learn(Lessons(base, spec, work, prompts, *parted(spoken, spec.seed), voices, known, report))
        place_part(target, part, spec, made.save, (made.title, made.story), made.numbers)
        numbers = made.numbers
    return DistilledPart(target, part.replace("_", " "), numbers)
