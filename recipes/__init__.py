"""Complete runs: settings for a voice, and the programs that train the embedded base."""

import voicekit as voicekit  # before any library: what those tell their makers is turned off there
