"""What is measured against what."""

import voicekit as voicekit  # before any library: what those tell their makers is turned off there
