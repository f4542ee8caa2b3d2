"""One file for each outside model or engine, behind a Protocol of `voicekit.ports`; libraries are imported when one is made."""
