"""The prompt format of the Covo-Audio family, as data and pure functions on token ids.

Chat turns are Qwen's; the system prompt ends with a control sentence that names the speaker; a spoken reply alternates
`text_block` text tokens with `audio_block` audio tokens, and when one stream has ended the rest is the other
(technical report, arXiv 2602.09823; the released interleave is 5:15). Text ids are below `audio_offset`; speech code k
has id `audio_offset + k`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Encode = Callable[[str], Sequence[int]]

# What a user says to have a text spoken word for word: asked so in `speak` and in training of the TTS kind.
READ_REQUEST = "read this: {text}"


@dataclass(frozen=True)
class PromptFormat:
    """Everything about a base's prompt that is not a weight. `control` contains "{speaker}"."""

    control: str
    audio_offset: int
    num_codes: int
    im_start: int
    im_end: int
    end_of_text: int
    audio_begin: int
    audio_pad: int
    audio_end: int
    text_block: int = 5
    audio_block: int = 15

    def is_audio(self, token_id: int) -> bool:
        return self.audio_offset <= token_id < self.audio_offset + self.num_codes

    def system(self, encode: Encode, speaker: str, persona: str = "") -> list[int]:
        text = f"{persona}\n" if persona else ""
        text += self.control.format(speaker=speaker)
        return [self.im_start, *encode("system\n" + text), self.im_end, *encode("\n")]

    def user_text(self, encode: Encode, text: str) -> list[int]:
        return [self.im_start, *encode("user\n" + text), self.im_end, *encode("\n")]

    def user_audio(self, encode: Encode, num_frames: int) -> list[int]:
        """`num_frames` placeholders, replaced by the audio adapter's frames in order."""
        body = [self.audio_begin, *[self.audio_pad] * num_frames, self.audio_end]
        return [self.im_start, *encode("user\n"), *body, self.im_end, *encode("\n")]

    def assistant_open(self, encode: Encode) -> list[int]:
        return [self.im_start, *encode("assistant\n")]

    def interleave(self, text: Sequence[int], codes: Sequence[int]) -> list[int]:
        """Alternate blocks of text ids and of speech codes (given as 0..num_codes-1) until both have ended."""
        out: list[int] = []
        t = a = 0
        while t < len(text) or a < len(codes):
            out.extend(text[t : t + self.text_block])
            t += self.text_block
            out.extend(self.audio_offset + c for c in codes[a : a + self.audio_block])
            a += self.audio_block
        return out

    def split(self, ids: Sequence[int]) -> tuple[list[int], list[int]]:
        """The inverse of `interleave`: (text ids, speech codes); control tokens are dropped."""
        special = {self.im_start, self.im_end, self.end_of_text, self.audio_begin, self.audio_pad, self.audio_end}
        text = [i for i in ids if i < self.audio_offset and i not in special]
        codes = [i - self.audio_offset for i in ids if self.is_audio(i)]
        return text, codes
