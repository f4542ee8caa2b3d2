"""The studio: a voice designer makes a voice in the browser and talks with it. Widgets only; everything is asked of the App."""
