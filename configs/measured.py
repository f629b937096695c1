"""Networks for measured patterns: every simulated pattern is measured anew in every epoch.

Paper: none; it stays with simulated patterns.
Expected: README, "Measured patterns".
Command: python -m sgan_jax.main --config=configs/measured.py[:TASK[,METHOD[,PRESET]]]
"""

from ml_collections import ConfigDict

from configs import base
from data_gen.errors import InputError

_CLASSES = {"bravais_lattice": "bravais14", "space_group": "all230"}
# Compositions of the measured patterns on which these networks are tried.
_TRIED = (
    "PbSO4,LaMnO3,Cr2WO6,Ba6Co6ClO16,Er2Ge2O7,LaBaCo2O6,Dy3Al5O12,Al2O3,CuF2,Fe3O4,Fe2O3,ZnC4HO3"
)


def get_config(arg: str = "bravais_lattice") -> ConfigDict:
    """Builds the experiment; `arg` is TASK[,METHOD[,PRESET]]."""
    task, _, rest = arg.partition(",")
    if task not in _CLASSES:
        raise InputError(f"unknown task {task!r}; choose from {', '.join(_CLASSES)}")
    config = base.get_config(
        rest, task=task, label_fraction=0.9, num_steps=40_000, method="supervised"
    )
    config.classes = _CLASSES[task]  # a measured pattern may be of any space group
    config.data.formulas_left_out = _TRIED
    return base.for_measured_patterns(config)
