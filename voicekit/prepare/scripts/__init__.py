"""What is said in each recording, as the user wrote it down.

find       which file is the script of which recordings      script     the result: texts, and cues where times are given
tables     rows of files and texts, in any layout            columns    which column is which
objects    the same as JSON; kaldi: its data folders          sheets     XLSX
timed      what has times: subtitles, labels, textgrid        captions   what is shown -> what is said when
names      what a script calls a recording                   reading    bytes -> text

Besides, a text of its name for each recording, and for a single recording any text file.
"""

from voicekit.prepare.scripts.find import find_script as find_script
from voicekit.prepare.scripts.find import look_for_script as look_for_script
from voicekit.prepare.scripts.script import Cue as Cue
from voicekit.prepare.scripts.script import NotRead as NotRead
from voicekit.prepare.scripts.script import Script as Script
