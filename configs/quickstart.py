"""Bravais lattices of measured minerals in ten minutes on two cores.

Paper: Lolla et al., J. Appl. Cryst. 55 (2022) 882; here on the open AMCSD instead of the ICSD.
Expected: top-1 about 50 %, the prior 20 % (always the most frequent lattice).
Command: python -m sgan_jax.main --config=configs/quickstart.py[:supervised]
"""

from ml_collections import ConfigDict

from configs import base


def get_config(arg: str = "") -> ConfigDict:
    """Builds the experiment; `arg` is [METHOD[,PRESET]]."""
    config = base.get_config(arg, task="bravais_lattice", label_fraction=0.25, num_steps=2_000)
    # Small batches: in this time more steps are worth more than smoother ones.
    config.batch_size = 16
    config.ema_decay = 0.99
    config.optimizer.warmup_steps = 100
    config.log_every = 50
    config.eval_every = 250
    config.checkpoint_every = 250
    return config
