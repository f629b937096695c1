"""The crystals of a data set, packed for simulation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int

from data_gen.crystal import Crystal
from data_gen.examples import crystal_from_features
from data_gen.packing import CrystalTable
from sgan_jax.records import Examples


def crystal_table(records: Examples, rows: Int[np.ndarray, " n"]) -> CrystalTable:
    """Reads crystals, in the order of the rows; 0.1 ms each.

    Args:
        records: The data set, or several.
        rows: Numbers of its examples.

    Raises:
        InputError: A file of the data set is damaged or gone.
    """
    return CrystalTable.of(_crystal(records.features(row)) for row in rows.tolist())


def _crystal(features: Mapping[str, Any]) -> Crystal:
    stored = {
        name: features[f"crystal/{name}"].bytes_list.value[0]
        for name in ("cell", "setting", "species", "occupancies", "positions", "displacements")
    }
    arrays = {
        "cell": np.frombuffer(stored["cell"], np.float64),
        "occupancies": np.frombuffer(stored["occupancies"], np.float32),
        "positions": np.frombuffer(stored["positions"], np.float32).reshape(-1, 3),
        "displacements": np.frombuffer(stored["displacements"], np.float32).reshape(-1, 6),
    }
    return crystal_from_features(stored | arrays)
