"""A base model speaking in one voice: prompt, generation and synthesis put together (ports.SpeakingModel)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from voicekit.audio import resample
from voicekit.covo.chat import CovoChat, Prompt
from voicekit.covo.config import Card
from voicekit.covo.reading import pieces
from voicekit.covo.sampling import FreeReply, Reading
from voicekit.covo.synthesis import AudioStream, Synthesis
from voicekit.covo.text import Said, TextStream, TextTokenizer, dialogue_ids
from voicekit.errors import UsageError
from voicekit.ports import SpeechDelta
from voicekit.prompt import READ_REQUEST, PromptFormat
from voicekit.records import FloatArray, IntArray, Reply, Turn, VoicePrompt, Waveform
from voicekit.timebase import MODEL_RATE_HZ

# What a reply may need at least: older exchanges are left out of the prompt rather than go below it.
ROOM_FOR_REPLY = 384
HEARD_AT_MOST = 32
BATCH_ROWS = 24
FIRST_CHUNK, LATER_CHUNK = 15, 30


@dataclass(frozen=True, eq=False)
class Words:
    """How a base is spoken to: its tokenizer, prompt format and card; `heard` are frames of what users said aloud lately."""

    tokenizer: TextTokenizer
    prompt: PromptFormat
    card: Card
    heard: OrderedDict[str, Tensor] = field(default_factory=OrderedDict[str, Tensor])


def samples_24k(wave: Waveform) -> FloatArray:
    """Mono float32 [T] at the models' rate."""
    return resample(Waveform(wave.mono()[None], wave.sample_rate_hz), MODEL_RATE_HZ).samples[0]


class Speaking:
    """One voice of a base. `neutral` synthesises prompts that are not this voice's own, without its decoder weights."""

    def __init__(
        self, speaker: str, words: Words, chat: CovoChat, synthesis: Synthesis, prompt: VoicePrompt, neutral: Synthesis
    ) -> None:
        self.speaker = speaker
        self._words, self._chat = words, chat
        self._synthesis, self._prompt, self._neutral = synthesis, prompt, neutral

    def reply(self, user: str | Waveform, history: Sequence[Turn] = (), seed: int = 0) -> Reply:
        """Answer a question; spoken questions of the history are found again by `Turn.clip_id` = `Waveform.digest()`."""
        chooser = self._chooser(seed)
        return self._reply(list(self._tokens(user, history, chooser)), chooser.finished)

    def reply_many(self, questions: Sequence[str], seed: int = 0) -> list[Reply]:
        """The same as `reply` of each with this seed, many at once."""
        return self._said(questions, [self._chooser(seed) for _ in questions])

    def say_answers(self, questions: Sequence[str], answers: Sequence[str], seed: int = 0) -> list[Reply]:
        """Replies whose words are given: to each question its answer."""
        encode = self._words.tokenizer.encode
        return self._said(questions, [self._along(encode(answer), seed) for answer in answers])

    def _said(self, questions: Sequence[str], choosers: Sequence[FreeReply | Reading]) -> list[Reply]:
        replies: dict[int, Reply] = {}
        prompts = [self._ask(question, ()) for question in questions]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i].ids))
        for start in range(0, len(order), BATCH_ROWS):
            rows = order[start : start + BATCH_ROWS]
            some = [choosers[i] for i in rows]
            said = self._chat.batch([prompts[i] for i in rows], some, self._words.card.max_new_tokens)
            replies |= {i: self._reply(ids, c.finished) for i, ids, c in zip(rows, said, some, strict=True)}
        return [replies[i] for i in range(len(questions))]

    def speak(self, text: str, seed: int = 0) -> IntArray:
        """Speech tokens int64 [N] of a text, read sentence by sentence where it is long."""
        parts = self._parts(text)
        said: list[list[int]] = []
        for start in range(0, len(parts), BATCH_ROWS):
            prompts, readings = zip(*(self._reading(ids, seed) for ids in parts[start : start + BATCH_ROWS]), strict=True)
            said += self._chat.batch(prompts, readings, self._words.card.max_new_tokens)
        codes = [code for ids in said for code in self._words.prompt.split(ids)[1]]
        return np.array(codes, dtype=np.int64)

    def hear(self, wave: Waveform) -> str:
        """Remember a spoken question for the histories to come; HEARD_AT_MOST of them are kept."""
        self._hear(wave)
        return wave.digest()

    def speak_stream(self, text: str, seed: int = 0) -> Iterator[SpeechDelta]:
        """What `speak` of the same seed says, as it is made."""
        parts = self._parts(text)
        most = self._words.card.max_new_tokens
        readings = (self._reading(ids, seed) for ids in parts)
        return self._deltas(token for prompt, reading in readings for token in self._chat.stream(prompt, reading, most))

    def stream(self, user: str | Waveform, history: Sequence[Turn] = (), seed: int = 0) -> Iterator[SpeechDelta]:
        """The reply of the same seed as it is made; the question is looked at now, the first delta made when asked for."""
        return self._deltas(self._tokens(user, history, self._chooser(seed)))

    def decode(self, tokens: IntArray, prompt: VoicePrompt | None = None) -> Waveform:
        """24 kHz audio of tokens in this voice. With a prompt given, that prompt and the base's own decoder decide."""
        samples = self._neutral.audio(tokens, prompt) if prompt else self._synthesis.audio(tokens, self._prompt)
        return Waveform(samples[None], MODEL_RATE_HZ)

    def _parts(self, text: str) -> list[list[int]]:
        parts = pieces(text, self._words.tokenizer.encode, self._words.card.reading_tokens)
        if not parts:
            raise UsageError("There is nothing to say.", "Give a text.")
        return parts

    def _reading(self, ids: list[int], seed: int) -> tuple[Prompt, Reading]:
        request = READ_REQUEST.format(text=self._words.tokenizer.decode(ids))
        return self._ask(request, ()), self._along(ids, seed)

    def _along(self, ids: Sequence[int], seed: int) -> Reading:
        card = self._words.card
        return Reading(self._words.prompt, ids, card.sampling, seed, card.max_audio_per_text)

    def _chooser(self, seed: int) -> FreeReply:
        card = self._words.card
        return FreeReply(self._words.prompt, card.sampling, seed, card.max_audio_per_text)

    def _reply(self, ids: Sequence[int], finished: bool) -> Reply:
        text, codes = self._words.prompt.split(ids)
        return Reply(self._words.tokenizer.decode(text), np.array(codes, dtype=np.int64), finished)

    def _tokens(self, user: str | Waveform, history: Sequence[Turn], chooser: FreeReply) -> Iterator[int]:
        return self._chat.stream(self._ask(user, history), chooser, self._words.card.max_new_tokens)

    def _deltas(self, tokens: Iterator[int]) -> Iterator[SpeechDelta]:
        prompt = self._words.prompt
        text, audio = TextStream(self._words.tokenizer.decode), AudioStream(self._synthesis, self._prompt)
        waiting: list[int] = []
        wanted = FIRST_CHUNK
        nothing: FloatArray = np.zeros(0, np.float32)
        for token in tokens:
            if prompt.is_audio(token):
                waiting.append(token - prompt.audio_offset)
            elif prompt.split([token])[0] and (new := text.push(token)):
                yield SpeechDelta(new, (), nothing)
            if len(waiting) == wanted:
                yield SpeechDelta("", tuple(waiting), audio.push(waiting))
                waiting, wanted = [], LATER_CHUNK
        new = text.finish()
        samples = audio.finish(waiting)
        if new or waiting or len(samples):
            yield SpeechDelta(new, tuple(waiting), samples)

    def _ask(self, user: str | Waveform, history: Sequence[Turn]) -> Prompt:
        """The prompt of a question after what was said before; raises UsageError when it cannot be asked."""
        turns, frames = self._past(history)
        if isinstance(user, Waveform):
            heard = self._hear(user)
            turns.append(Said("user", frames=len(heard)))
            frames.append(heard)
        else:
            turns.append(Said("user", user))
        encode, most = self._words.tokenizer.encode, self._chat.config.max_positions
        ids = dialogue_ids(self._words.prompt, encode, self.speaker, turns)
        while len(ids) > most - ROOM_FOR_REPLY and len(turns) > 1:
            dropped = 1 + next((i for i, t in enumerate(turns[1:]) if t.role == "user"), 0)
            frames = frames[sum(1 for t in turns[:dropped] if t.frames) :]
            turns = turns[dropped:]
            ids = dialogue_ids(self._words.prompt, encode, self.speaker, turns)
        if len(ids) > most - ROOM_FOR_REPLY // 2:
            raise UsageError("The question is too long for this base model.", "Ask something shorter.")
        return Prompt(ids, torch.cat(frames) if frames else None)

    def _past(self, history: Sequence[Turn]) -> tuple[list[Said], list[Tensor]]:
        """Earlier turns as the model can see them. A spoken question nobody remembers is left out with its answer."""
        turns: list[Said] = []
        frames: list[Tensor] = []
        known = True
        for turn in history:
            if turn.role == "assistant":
                if known:
                    turns.append(Said("assistant", turn.text, speech=turn.speech))
                continue
            heard = self._words.heard.get(turn.clip_id)
            known = heard is not None or bool(turn.text)
            if heard is not None:
                turns.append(Said("user", frames=len(heard)))
                frames.append(heard)
            elif known:
                turns.append(Said("user", turn.text))
        return turns, frames

    def _hear(self, wave: Waveform) -> Tensor:
        """Frames [N, hidden] of a spoken question, remembered for the turns to come."""
        key, memory = wave.digest(), self._words.heard
        if key not in memory:
            heard = self._chat.audio_features(samples_24k(wave))
            if len(heard) == 0:
                raise UsageError("There is no sound in the question.", "Record it again.")
            memory[key] = heard
            while len(memory) > HEARD_AT_MOST:
                memory.popitem(last=False)
        memory.move_to_end(key)
        return memory[key]
