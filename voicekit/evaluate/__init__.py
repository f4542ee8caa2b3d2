"""How good a voice is, and whether it may be registered. Pure: models and instruments come in through ports.

Two things are kept apart, because the decoder's voice prompt alone makes any reply sound like the speaker: how the finished
waveform sounds (similarity, word error rate), and how the chat model speaks (F0, rate and histogram of its speech tokens,
decoded with one neutral prompt). A ceiling (recordings through the vocoder) and the un-tuned base stand beside each.
"""

from voicekit.evaluate.gate import Decision as Decision
from voicekit.evaluate.gate import gate as gate
from voicekit.evaluate.gate import too_little as too_little
from voicekit.evaluate.run import METRICS as METRICS
from voicekit.evaluate.run import Instruments as Instruments
from voicekit.evaluate.run import evaluate_voice as evaluate_voice
from voicekit.evaluate.text import same_answer as same_answer
from voicekit.evaluate.text import spoken_words as spoken_words
from voicekit.evaluate.text import text_errors as text_errors
from voicekit.evaluate.text import wer as wer
from voicekit.evaluate.text import word_errors as word_errors
