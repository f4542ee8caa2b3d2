"""Complete runs: settings for a voice, and the programs that train the embedded base."""
