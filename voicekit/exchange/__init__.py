"""A prepared dataset in the forms of other programs, and back: what was written is read again exactly.

ljspeech      wavs/ and metadata.csv           audiofolder   Hugging Face: audio and metadata.jsonl, grades and all
textgrids     Praat: words and texts by time   rttm          who speaks when
"""

from voicekit.exchange.audiofolder import read_audiofolder as read_audiofolder
from voicekit.exchange.export import Exported as Exported
from voicekit.exchange.export import export_dataset as export_dataset
from voicekit.exchange.ljspeech import read_ljspeech as read_ljspeech
from voicekit.exchange.textgrids import read_textgrids as read_textgrids
from voicekit.prepare.rttm import read_rttm as read_rttm
from voicekit.prepare.rttm import write_rttm as write_rttm
