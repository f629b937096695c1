"""What a symmetry setting means for diffraction, prepared once per setting for the kernels."""

from functools import lru_cache

import numpy as np
from jaxtyping import Int64

from data_gen.kernels.crystals import PreparedSetting
from data_gen.operations import DEN, primitive_operations
from data_gen.symmetry import group_operations


@lru_cache(maxsize=1024)
def prepare_setting(setting: str) -> PreparedSetting:
    """Prepares a setting.

    Args:
        setting: As in `data_gen.symmetry.group_operations`.

    Raises:
        StructureError: The setting is no crystallographic group.
    """
    basis, axes, laue, shifts = primitive_operations(group_operations(setting))
    rotations, translations = laue, shifts / DEN
    inversion = np.flatnonzero((laue == -np.eye(3)).all(axis=(1, 2)))
    if inversion.size:
        proper = np.linalg.det(laue) > 0
        rotations, translations = laue[proper], (translations - translations[inversion] / 2)[proper]
    else:
        laue, shifts = np.concatenate([laue, -laue]), np.concatenate([shifts, 0 * shifts])
    return PreparedSetting(
        basis,
        axes,
        bool(inversion.size),
        rotations.astype(np.float64),
        translations,
        laue,
        shifts,
        *_bounds_of_representatives(laue),
    )


def _bounds_of_representatives(
    laue: Int64[np.ndarray, "laue 3 3"],
) -> tuple[Int64[np.ndarray, "k_bounds 2"], Int64[np.ndarray, "l_bounds 3"]]:
    """Returns linear bounds on the lexicographically largest of equivalent reflections.

    No equivalent (h', k', l') is larger, so the first of its components that differs from its
    counterpart as a linear form in h, k, l does not exceed it. A bound on h alone can only say
    h ≥ 0, and that is where the enumeration starts.
    """
    differences = (laue - np.eye(3, dtype=np.int64)).transpose(0, 2, 1)
    bounds = set()
    for forms in differences:
        first = next((form for form in forms if form.any()), None)
        if first is not None:
            bounds.add(tuple(first // np.gcd.reduce(first)))
    on_k = [bound[:2] for bound in sorted(bounds) if bound[1] and not bound[2]]
    on_l = [bound for bound in sorted(bounds) if bound[2]]
    return (
        np.array(on_k, dtype=np.int64).reshape(-1, 2),
        np.array(on_l, dtype=np.int64).reshape(-1, 3),
    )
