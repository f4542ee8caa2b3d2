"""Shared builders for tests: small, deterministic, without files or weights unless a folder is given."""

from tests.fake_base import FakeBase as FakeBase
from tests.fake_base import codes_of as codes_of
from tests.fake_base import pitch_hz as pitch_hz
