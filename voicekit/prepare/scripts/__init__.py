"""What is said in each recording, as the user wrote it down.

find       which file is the script of which recordings      script     the result: texts, and cues where times are given
tables     LJSpeech, CSV, TSV, JSONL; sheets: XLSX            timed      subtitles (srt, vtt) and textgrid (Praat)
names      what a script calls a recording                   reading    bytes -> text

Besides, a .txt or .lab beside each recording, and for a single recording any text file.
"""

from voicekit.prepare.scripts.find import find_script as find_script
from voicekit.prepare.scripts.script import Cue as Cue
from voicekit.prepare.scripts.script import Script as Script
