"""Readers of the files of powder diffractometers."""

from data_gen.errors import InputError
from sgan_jax.measured.pattern import Pattern
from sgan_jax.measured.reader import read_pattern, read_patterns

__all__ = ["InputError", "Pattern", "read_pattern", "read_patterns"]
