"""Recordings and script -> graded clips -> a dataset.

intake    file, folder or zip -> recordings          unpack     a zip, without trusting it
scripts   what is said in each, as written            spoken     as said
sound     who talks when, where it is quiet           pieces     which stretches become clips
segment   where to cut (loudness, spans)              align      where each word is
grade     how good, good enough? (acoustics)          matching   where script and ear disagree
clips     one recording -> its clips                  speakers   is it one voice?
split     which recordings are held out               dataset    all of them, resumable, with an id
decisions what a person decided who heard the clips   edits      the clips after that (workbench: cut anew)
review    a prepared folder, to be decided on         summary    what there is, what to record next; compare
readings  a clip's grades for people
"""

from voicekit.prepare.dataset import Given, Means, prepare_dataset
from voicekit.prepare.folder import load_dataset, load_notes, load_recordings

__all__ = ["Given", "Means", "load_dataset", "load_notes", "load_recordings", "prepare_dataset"]
