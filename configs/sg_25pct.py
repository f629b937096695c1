"""Space group (the paper's 144) from 25 % of the labels.

Paper: Lolla et al., J. Appl. Cryst. 55 (2022) 882, Table 4.
Expected: the paper has top-1 72 % (SGAN) and 68 % (supervised) on the ICSD.
    On open data, which are other crystals: RESULTS.md, by python -m benchmarks.table4.
Command: python -m sgan_jax.main --config=configs/sg_25pct.py[:supervised]
"""

from ml_collections import ConfigDict

from configs import base


def get_config(arg: str = "") -> ConfigDict:
    """Builds the experiment; `arg` is [METHOD[,PRESET]]."""
    return base.get_config(arg, task="space_group", label_fraction=0.25, num_steps=25_000)
