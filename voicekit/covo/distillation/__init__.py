"""The parts a released base lacks, learned from its decoder: pairs of speech and tokens are made without limit."""
