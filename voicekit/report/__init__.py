"""The HTML page that shows what a voice is worth: numbers, plots and clips to play, in one file without outside parts."""

from voicekit.report.page import write_report as write_report
