"""Bravais lattice (14 classes) from all labels but the test set's: the supervised reference.

Paper: Lolla et al., J. Appl. Cryst. 55 (2022) 882.
Expected: the paper has top-1 88 % on the ICSD, supervised.
    On open data, which are other crystals: RESULTS.md, by python -m benchmarks.table4.
Command: python -m sgan_jax.main --config=configs/bravais_90pct.py
"""

from ml_collections import ConfigDict

from configs import base


def get_config(arg: str = "") -> ConfigDict:
    """Builds the experiment; `arg` is [METHOD[,PRESET]]."""
    return base.get_config(
        arg, task="bravais_lattice", label_fraction=0.9, num_steps=40_000, method="supervised"
    )
