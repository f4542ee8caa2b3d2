"""Files of outside models: a folder each, with its licence and origin in a README.md. There is no code here."""

from pathlib import Path

__version__ = "0.1.0"
FOLDER = Path(__file__).parent
