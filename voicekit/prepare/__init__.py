"""Recordings and script -> graded clips -> a dataset.

intake    file, folder or zip -> recordings          unpack    a zip, without trusting it
scripts   what is said in each, as written            spoken    as said
segment   where to cut                                grade     how good, good enough?
clips     one recording -> its clips                  split     which recordings are held out
decisions what a person decided who heard the clips    dataset   all of them, resumable, with an id
"""

from voicekit.prepare.dataset import load_dataset, load_notes, load_recordings, prepare_dataset

__all__ = ["load_dataset", "load_notes", "load_recordings", "prepare_dataset"]
