"""One base model: everything in its directory, loaded and used together (ports.BaseModel)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from voicekit.covo.chat import CovoChat, load_chat
from voicekit.covo.config import REMEDY, first_line, read_chat_config
from voicekit.covo.direct import DirectChat
from voicekit.covo.features import speaker_vector
from voicekit.covo.finetune import finetune, forecast, text_kl
from voicekit.covo.known_words import KnownWords, Utterance
from voicekit.covo.layout import PROMPT_EXTRACTOR, PROMPTS, SPEECH_TOKENIZER, card_of, decoder_files
from voicekit.covo.material import read_material
from voicekit.covo.prompt_extractor import PromptExtractor, Spoken, fit_speaker
from voicekit.covo.speaking import Speaking, Words, samples_24k
from voicekit.covo.synthesis import WORLD, Moments, Synthesis
from voicekit.covo.text import TextTokenizer, prompt_format
from voicekit.covo.token2wav import Token2Wav, load_token2wav
from voicekit.covo.vocoder import Vocoder
from voicekit.errors import BaseModelError, RecordingsError
from voicekit.ports import BaseInfo, BaseMaterial, Forecast, OnProgress, Reading, Tokenized, TrainOutcome
from voicekit.records import FloatArray, IntArray, Question, TrainingExample, VoicePrompt, Waveform, Word
from voicekit.specs import HarvestSpec, TrainSpec
from voicekit.storage import base_revision, file_sha256, tree_sha256
from voicekit.timebase import LATENTS_PER_TOKEN, MODEL_RATE_HZ, SAMPLES_PER_TOKEN

if TYPE_CHECKING:
    from voicekit.covo.tokenizers import AnyTokenizer

T = TypeVar("T")
NEUTRAL = "neutral"
VOICES_AT_HAND = 4
CLIPS_AT_HAND = 512
SPEAKER_S = 60.0
SILENCE_RATIO = 0.02
_KEEPING = RLock()


def load_base(path: Path, device: str = "cpu", dtype: torch.dtype | None = None) -> Base:
    """Load the base directory at `path`, voicekit's own layout or the released one.

    `dtype` is the chat model's; by default bfloat16 if config.json says so, else float32. BaseModelError names the file and
    key at fault.
    """
    return Base(Path(path), device, dtype)


class Base:
    """Speech tokenizer, decoder and material are read when first needed; whatever is made from a base leaves it unchanged.

    `chat` and `decoder` are called with arrays, and do not need a text tokenizer.
    """

    def __init__(self, folder: Path, device: str = "cpu", dtype: torch.dtype | None = None) -> None:
        if not folder.is_dir():
            raise BaseModelError(f"There is no base directory {folder}.", "Give the folder of a base model.")
        card, config = card_of(folder), read_chat_config(folder)
        tokenizer = TextTokenizer(folder, at_once=not card.released)
        self.prompt = prompt_format(tokenizer, card, config)
        self._folder, self._device, self._card = folder, device, card
        self._words = Words(tokenizer, self.prompt, card)
        self._chat = load_chat(folder, self.prompt.audio_pad, device, dtype)
        self.chat = DirectChat(self._chat, self.prompt)
        self._forecasts: dict[str, Forecast] = {}
        self._adapted: OrderedDict[str, CovoChat] = OrderedDict()
        self._decoders: OrderedDict[str, Synthesis] = OrderedDict()
        self._codes: OrderedDict[str, IntArray] = OrderedDict()
        self._sounds: OrderedDict[str, FloatArray] = OrderedDict()

    @property
    def info(self) -> BaseInfo:
        return self._info

    @property
    def tokenizer(self) -> TextTokenizer:
        """Of text. Where a released folder has none, using it says which file is missing."""
        return self._words.tokenizer

    @property
    def licence(self) -> str:
        return self._card.licence

    @property
    def decoder(self) -> Synthesis:
        """`decode(tokens, voice_prompt, noise)` makes sound at once; `audio` in windows, as replies are spoken."""
        return self._synthesis

    @property
    def material(self) -> BaseMaterial:
        return self._material

    @cached_property
    def _info(self) -> BaseInfo:
        card = self._card
        return BaseInfo(
            name=card.name,
            revision=base_revision(self._folder),
            licence=card.licence,
            languages=card.languages,
            speakers=card.speakers,
            default_speaker=card.default_speaker,
            folder=self._folder,
        )

    @cached_property
    def _material(self) -> BaseMaterial:
        return replace(read_material(self._folder, self.prompt.num_codes), default_speaker=self._card.default_speaker)

    def own_tokenizer(self) -> AnyTokenizer | None:
        """The speech tokenizer, None where the base has none."""
        return self._tokenizer if (self._folder / SPEECH_TOKENIZER).exists() else None

    @cached_property
    def _tokenizer(self) -> AnyTokenizer:
        place = self._folder / SPEECH_TOKENIZER
        if not place.exists():
            raise BaseModelError(
                "This base has no speech tokenizer: it cannot turn recordings into tokens (the release brings none).",
                "Learn one from its decoder (voicekit base distill-tokenizer), or put one with the same codes into "
                f"{place} (config.json and model.safetensors).",
            )
        from voicekit.covo.tokenizers import load_tokenizer

        made = _part(place, lambda folder: load_tokenizer(folder, self._chat.encoder, self._device))
        return self._fitting(SPEECH_TOKENIZER, made, made.config.num_codes)

    @cached_property
    def _extractor(self) -> PromptExtractor | None:
        """What was learned to take voice prompts, where the base has that; else its vocoder analyses sound."""
        place = self._folder / PROMPT_EXTRACTOR
        if not place.exists():
            return None
        made, sizes = _part(place, lambda folder: PromptExtractor.load(folder, self._device)), self._synthesis.decoder.config
        if (made.config.latents, made.config.speaker_dim) != (sizes.latents, sizes.speaker_dim):
            raise BaseModelError(f"{place} does not fit the decoder.", REMEDY)
        return made

    @cached_property
    def _synthesis(self) -> Synthesis:
        files = decoder_files(self._folder)
        made = _part(files.weights.parent, lambda _: load_token2wav(files, self._device))
        moments = Moments.load(files.moments)
        if len(moments.mean) != made.decoder.config.latents:
            raise BaseModelError(f"{files.moments} does not fit the decoder's latents.", REMEDY)
        self._fitting("token2wav", made, made.decoder.config.num_codes)
        return Synthesis(made.decoder, moments, self._card.decoder_window_tokens, self._vocoder(made, files.weights))

    def _vocoder(self, made: Token2Wav, file: Path) -> Vocoder:
        match self._card.vocoder:
            case "world":
                return WORLD
            case "bigvgan":
                if made.wavegan is None:
                    raise BaseModelError(f"{file} has no weights of a vocoder (wavegan.*).", REMEDY)
                return made.wavegan
            case other:
                raise BaseModelError(
                    f'"vocoder" in base.json is {other!r}, which is not known.', 'Known are "world" and "bigvgan".'
                )

    def encode_text(self, text: str) -> list[int]:
        return self._words.tokenizer.encode(text)

    def decode_text(self, ids: Sequence[int]) -> str:
        return self._words.tokenizer.decode(ids)

    def encode_speech(self, wave: Waveform) -> IntArray:
        """Speech tokens int64 [N] at 25 Hz, N = ceil(samples at 24 kHz / 960)."""
        return _at_hand(self._codes, wave.digest(), lambda: self._tokenizer.encode(samples_24k(wave)))

    def encode_clips(self, clips: Iterable[tuple[Waveform, str]]) -> Iterator[IntArray]:
        """Speech tokens of each utterance of one speaker, given with what is said in it, in order; a few are held at a time.

        A tokenizer learned from the decoder is helped by the words (voicekit.covo.known_words).
        """
        from voicekit.covo.distilled_tokenizer import DistilledTokenizer

        tokenizer = self._tokenizer
        if not isinstance(tokenizer, DistilledTokenizer):
            return (self.encode_speech(wave) for wave, _ in clips)
        heard = (Utterance(self.encode_text(text), tokenizer.log_probs(samples_24k(wave))) for wave, text in clips)
        return KnownWords(self._chat, self._words).tokens(heard)

    def read_speech(self, tokens: IntArray) -> str:
        return self._tokenizer.read(tokens)

    def align(self, wave: Waveform, text: str, language: str = "en") -> tuple[tuple[Word, ...], float] | None:
        return self._tokenizer.align(samples_24k(wave), text)

    def read_words(self, wave: Waveform, text: str) -> tuple[Reading, ...] | None:
        """As a Reader; None without a tokenizer and with a distilled one, which reads only what its texts reached."""
        tokenizer = self.own_tokenizer()
        return tokenizer.read_words(samples_24k(wave), text) if tokenizer else None

    def copy_synthesis(self, wave: Waveform) -> Waveform:
        """The wave analysed and synthesised again, as long as the wave was."""
        synthesis = self._synthesis
        made = synthesis.sound.synthesise(synthesis.moments.denormalise(self._latents_of(wave)))
        return Waveform(made[None, : len(samples_24k(wave))], MODEL_RATE_HZ)

    def extract_prompt(self, clips: Sequence[Tokenized]) -> VoicePrompt:
        """Tokens and latents of the last second of one ordinary clip, and the speaker vector of a minute of them all."""
        used = _first_seconds(clips, SPEAKER_S)
        if not used:
            raise RecordingsError("There is no speech to take a voice from.", "Give recordings with accepted clips.")
        spoken = self._spoken(used)
        ends = [(codes[: _speech_tokens(wave)], latents) for (wave, _), (codes, latents) in zip(used, spoken, strict=True)]
        lengths = [len(codes) for codes, _ in ends]
        chosen = int(np.argmin(np.abs(np.array(lengths) - np.median(lengths))))
        codes, latents = ends[chosen]
        first = max(0, len(codes) - self._card.prompt_tokens)
        return VoicePrompt(
            tokens=codes[first:],
            latents=latents[LATENTS_PER_TOKEN * first : LATENTS_PER_TOKEN * len(codes)].copy(),
            speaker=self._speaker([wave for wave, _ in used], spoken),
        )

    def speaker_of(self, waves: Sequence[Waveform]) -> FloatArray:
        """The speaker embedding float32 [S] of recordings by their sound alone, without their tokens."""
        if self._extractor is not None:
            return self._extractor.speaker([samples_24k(wave) for wave in waves])
        return self._statistics(np.concatenate([self._latents_of(wave) for wave in waves]))

    def _speaker(self, waves: Sequence[Waveform], spoken: Sequence[Spoken]) -> FloatArray:
        """The same by tokens and latents; a learned extractor's is fitted through the decoder."""
        if self._extractor is None:
            return self._statistics(np.concatenate([latents for _, latents in spoken]))
        return fit_speaker(self._synthesis.decoder, spoken, self.speaker_of(waves), self._extractor.used.cpu().numpy())

    def _statistics(self, latents: FloatArray) -> FloatArray:
        return speaker_vector(latents, with_pitch=self._synthesis.decoder.config.speaker_pitch)

    @cached_property
    def _neutral(self) -> VoicePrompt:
        return self._stored_prompt(NEUTRAL)

    def neutral_prompt(self) -> VoicePrompt:
        return self._neutral

    def finetune(
        self,
        examples: Sequence[TrainingExample],
        spec: TrainSpec,
        folder: Path,
        report: OnProgress,
        snapshots_at: Sequence[int] = (),
    ) -> TrainOutcome:
        return finetune(self._chat, self.prompt, examples, spec, folder, report, snapshots_at)

    def forecast(self, spec: TrainSpec) -> Forecast:
        """One step of a spec is weighed once."""
        step = spec.model_copy(update={"steps": 1, "harvest": HarvestSpec(), "decoder_steps": 0})
        if (key := step.digest()) not in self._forecasts:
            self._forecasts[key] = forecast(self._chat, self.prompt, step)
        return replace(self._forecasts[key], seconds=spec.steps * self._forecasts[key].seconds)

    def adapt_decoder(
        self, clips: Sequence[Tokenized], prompt: VoicePrompt, spec: TrainSpec, folder: Path, report: OnProgress
    ) -> Path | None:
        from voicekit.covo.decoder_adaptation import adapt_decoder, drawn_from_s

        used = _first_seconds(clips, drawn_from_s(spec.decoder_steps)) if spec.decoder_steps else []
        return adapt_decoder(self._synthesis.decoder, self._spoken(used), prompt, spec, folder, report)

    def voice(
        self,
        speaker: str,
        prompt: VoicePrompt | None = None,
        adapter: Path | None = None,
        decoder_weights: Path | None = None,
    ) -> Speaking:
        """The base speaking as `speaker`. Adapted weights are kept by their content, so equal names never mix."""
        chat = self._adapted_chat(adapter) if adapter else self._chat
        synthesis = self._adapted_synthesis(decoder_weights) if decoder_weights else self._synthesis
        own = prompt or (self._stored_prompt(speaker) if self._has_prompt(speaker) else self._neutral)
        return Speaking(speaker, self._words, chat, synthesis, own, self._synthesis)

    def text_kl(self, adapter: Path, speaker: str, questions: Sequence[Question]) -> list[float]:
        adapted = self._adapted_chat(adapter).llm
        names = self._card.default_speaker, speaker
        return text_kl(self._chat, adapted, self._words.tokenizer, self.prompt, names, questions)

    def _adapted_chat(self, adapter: Path) -> CovoChat:
        from voicekit.train.trainable import merged

        return _kept(self._adapted, tree_sha256(adapter), lambda: self._chat.with_llm(merged(self._chat.llm, adapter)))

    def _adapted_synthesis(self, file: Path) -> Synthesis:
        from voicekit.covo.decoder_adaptation import with_weights

        own = self._synthesis
        return _kept(
            self._decoders,
            file_sha256(file),
            lambda: replace(own, decoder=with_weights(own.decoder, file)),
        )

    def _spoken(self, clips: Sequence[Tokenized]) -> list[Spoken]:
        """Codes [N] and normalised latents [4N, 64] of each clip."""
        return [(codes, self._latents_of(wave)) for wave, codes in clips]

    def _latents_of(self, wave: Waveform) -> FloatArray:
        """Normalised latents [4N, 64] of a clip; making a voice asks several times for the same ones."""
        return _at_hand(self._sounds, wave.digest(), lambda: self._latents(samples_24k(wave)))

    def _latents(self, samples: FloatArray) -> FloatArray:
        """Normalised latents [4N, 64] of samples [T] at 24 kHz."""
        if self._extractor is not None:
            return self._extractor.latents(samples)
        return self._synthesis.moments.normalise(self._synthesis.sound.analyse(samples))

    def stored_prompts(self) -> list[VoicePrompt]:
        """Every voice prompt that the base brings, the neutral one among them."""
        return [self.read_prompt(file) for file in sorted((self._folder / PROMPTS).glob("*.safetensors"))]

    def _has_prompt(self, name: str) -> bool:
        return name in self._card.speakers and (self._folder / PROMPTS / f"{name}.safetensors").is_file()

    def _stored_prompt(self, name: str) -> VoicePrompt:
        file = self._folder / PROMPTS / f"{name}.safetensors"
        if not file.is_file():
            parts = "tokens int64 [N], latents float32 [~4N, latents], speaker float32 [S]"
            remedy = f"Put a voice prompt there ({parts})." if self._card.released else REMEDY
            raise BaseModelError(f"There is no {file.name} in {file.parent}.", remedy)
        return self.read_prompt(file)

    def read_prompt(self, file: Path) -> VoicePrompt:
        """A voice prompt's file; BaseModelError if it is damaged or of other sizes than the decoder's."""
        try:
            arrays = load_file(file)
            tokens, latents, speaker = arrays["tokens"], arrays["latents"], arrays["speaker"]
        except (SafetensorError, OSError, KeyError) as error:
            raise BaseModelError(f"{file} cannot be read: {error}.", REMEDY) from None
        config = self._synthesis.decoder.config
        if latents.shape[1:] != (config.latents,) or speaker.shape != (config.speaker_dim,) or tokens.ndim != 1:
            raise BaseModelError(f"{file} does not fit the decoder.", REMEDY)
        return VoicePrompt(tokens.astype(np.int64), latents.astype(np.float32), speaker.astype(np.float32))

    def _fitting(self, part: str, made: T, num_codes: int) -> T:
        if num_codes != self.prompt.num_codes:
            raise BaseModelError(f"{part} has {num_codes} codes, the chat model {self.prompt.num_codes}.", REMEDY)
        return made


def _part(folder: Path, load: Callable[[Path], T]) -> T:
    """One part of a base, whatever its library says when a file or a weight is wrong turned into BaseModelError."""
    try:
        return load(folder)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise BaseModelError(f"{folder} cannot be loaded: {first_line(error)}", REMEDY) from None


def _kept(cache: OrderedDict[str, T], key: str, make: Callable[[], T], at_most: int = VOICES_AT_HAND) -> T:
    """The value of `key`, made if it is not at hand; the one unused for longest goes when there are too many."""
    with _KEEPING:  # two sessions that open a voice at once make it once
        if key not in cache:
            cache[key] = make()
            while len(cache) > at_most:
                cache.popitem(last=False)
        cache.move_to_end(key)
        return cache[key]


def _at_hand(cache: OrderedDict[str, T], key: str, make: Callable[[], T]) -> T:
    """The value of `key` for a clip. Several clips may be worked on at once: nobody waits for another's."""
    with _KEEPING:
        if key in cache:
            return _kept(cache, key, make, CLIPS_AT_HAND)
    made = make()
    return _kept(cache, key, lambda: made, CLIPS_AT_HAND)


def _first_seconds(clips: Sequence[Tokenized], most_s: float) -> list[Tokenized]:
    """Whole clips until they are `most_s` long; empty ones are left out."""
    chosen: list[Tokenized] = []
    held_s = 0.0
    for wave, codes in clips:
        if wave.num_samples and held_s < most_s:
            chosen.append((wave, codes))
            held_s += wave.duration_s
    return chosen


def _speech_tokens(wave: Waveform) -> int:
    """Tokens up to the end of the last sound, at least one."""
    samples = np.abs(samples_24k(wave))
    loud = np.flatnonzero(samples > SILENCE_RATIO * samples.max(initial=0.0))
    return max(1, -(-int(loud[-1] + 1) // SAMPLES_PER_TOKEN)) if len(loud) else 1
