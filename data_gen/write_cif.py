"""Writes a crystal as CIF text that every reader understands."""

import numpy as np

from data_gen.crystal import Crystal
from data_gen.sites import TENSOR_COMPONENTS
from data_gen.species import element_of
from data_gen.symmetry import group_operations, hermann_mauguin

_CELL_TAGS = ("length_a", "length_b", "length_c", "angle_alpha", "angle_beta", "angle_gamma")
_SITE_TAGS = ("label", "type_symbol", "fract_x", "fract_y", "fract_z", "occupancy")


def cif_text(name: str, crystal: Crystal) -> str:
    """Returns a CIF of one block with the cell, all operations and the asymmetric unit.

    Displacement parameters are written as tensors, for the sites where they are known.

    Args:
        name: Of the data block; spaces are replaced.
        crystal: What to write.
    """
    number = crystal.space_group
    lines = [f"data_{'_'.join(name.split())}", f"_chemical_formula_sum '{_spaced(crystal)}'"]
    lines += [
        f"_cell_{tag} {value:.10g}" for tag, value in zip(_CELL_TAGS, crystal.cell, strict=True)
    ]
    lines += [
        f"_space_group_IT_number {number}",
        f"_space_group_name_H-M_alt '{hermann_mauguin(number)}'",
        "loop_",
        "_space_group_symop_operation_xyz",
        *(f"'{op.triplet()}'" for op in group_operations(crystal.setting)),
        "loop_",
        *(f"_atom_site_{tag}" for tag in _SITE_TAGS),
    ]
    labels = [f"{element_of(s)}{index}" for index, s in enumerate(crystal.species, start=1)]
    sites = zip(labels, crystal.species, crystal.positions, crystal.occupancies, strict=True)
    for label, species, (x, y, z), occupancy in sites:
        lines.append(f"{label} {species} {x:.10f} {y:.10f} {z:.10f} {occupancy:.6g}")
    lines += _displacement_loop(labels, crystal)
    return "\n".join(lines) + "\n"


def _displacement_loop(labels: list[str], crystal: Crystal) -> list[str]:
    known = [bool(np.isfinite(tensor).all()) for tensor in crystal.displacements]
    if not any(known):
        return []
    tags = ["_atom_site_aniso_label", *(f"_atom_site_aniso_U_{ij}" for ij in TENSOR_COMPONENTS)]
    rows = [
        " ".join([label, *(f"{value:.7g}" for value in tensor)])
        for label, tensor, given in zip(labels, crystal.displacements, known, strict=True)
        if given
    ]
    return ["loop_", *tags, *rows]


def _spaced(crystal: Crystal) -> str:
    """Returns the formula with a space between the elements, as CIF asks."""
    parts = "".join(f" {c}" if c.isupper() else c for c in crystal.formula)
    return parts.strip()
