"""Networks for measured patterns: every simulated pattern is measured anew in every epoch.

Paper: none; the authors' own weights name 1 of 26 measured patterns rightly.
Expected: README, "Measured patterns".
Command: python -m sgan_jax.main --config=configs/measured.py[:TASK[,METHOD]] \
    --config.data.sources=amcsd,mp_icsd.tar.gz
"""

from ml_collections import ConfigDict

from configs import base
from data_gen.errors import InputError

_TASKS = {"bravais_lattice": "bravais14", "space_group": "all230"}

# Compositions of the measured patterns on which these networks are tried.
_TRIED = (
    "PbSO4,LaMnO3,Cr2WO6,Ba6Co6ClO16,Er2Ge2O7,LaBaCo2O6,Dy3Al5O12,Al2O3,CuF2,Fe3O4,Fe2O3,ZnC4HO3"
)


def get_config(arg: str = "") -> ConfigDict:
    """Builds the experiment; `arg` is [TASK[,METHOD[,PRESET]]]."""
    task, _, rest = arg.partition(",")
    task = task or "bravais_lattice"
    if task not in _TASKS:
        raise InputError(f"unknown task {task!r}; choose from {', '.join(_TASKS)}")
    config = base.get_config(
        rest, task=task, label_fraction=0.9, num_steps=30_000, method="supervised"
    )
    config.classes = _TASKS[task]  # a measured pattern may be of any of the 230
    config.validation_fraction = 0.05
    config.batch_size = 64
    config.log_every = 100
    config.eval_every = 2_000
    config.checkpoint_every = 1_000
    config.augmentation.enabled = True
    config.model.coverage_channel = True
    # Patterns never come again, so nothing is learnt by heart. At full speed from the first step on
    # the network stays at the prior for thousands of steps.
    config.model.dropout = 0.0
    config.optimizer.warmup_steps = 1_000
    config.data.split_by = "formula"
    config.data.grid = "log_d"
    config.data.formulas_left_out = _TRIED
    return config
