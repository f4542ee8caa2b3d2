"""The studio: a voice designer makes a voice in the browser and talks with it. Widgets only; everything is asked of the App."""

import voicekit as voicekit  # before any library: what those tell their makers is turned off there
