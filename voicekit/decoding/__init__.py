"""Sound files as samples, without ever holding a whole file: in blocks from the beginning, or any stretch."""

from voicekit.decoding.blocks import BLOCK_S as BLOCK_S
from voicekit.decoding.blocks import Losses as Losses
from voicekit.decoding.blocks import blocks as blocks
from voicekit.decoding.blocks import expected_samples as expected_samples
from voicekit.decoding.reader import Reader as Reader
