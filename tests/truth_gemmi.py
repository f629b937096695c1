"""Structure factors of a whole sphere of reflections, as gemmi computes them."""

import gemmi
import numpy as np
from truth_cctbx import Sphere


def sphere(content, d_min, dispersion=None):
    """Structure factors by gemmi, with its own scattering lengths or form factors.

    gemmi puts no atoms on special positions, so the positions must lie there.

    Args:
        content: The crystal.
        d_min: In Å.
        dispersion: f' + i f'' of every site for X-rays; None for neutrons (Sears 1992).

    Returns:
        The sphere; None where gemmi does not have the setting in its table.
    """
    operations = gemmi.GroupOps([gemmi.Op(triplet) for triplet in content.triplets])
    group = gemmi.find_spacegroup_by_ops(operations)
    if group is None:
        return None
    structure = _structure(content, group)
    hkl = _indices(structure.cell, d_min)
    return Sphere(
        hkl,
        structure.cell.calculate_d_array(hkl),
        _factors(structure, hkl, dispersion),
        operations.systematic_absences(hkl),
    )


def _factors(structure, hkl, dispersion):
    if dispersion is None:
        return _sums(gemmi.StructureFactorCalculatorN(structure.cell), structure, hkl)
    calculator = gemmi.StructureFactorCalculatorX(structure.cell)
    parts = []
    for addend in (np.real(dispersion), np.real(dispersion) + np.imag(dispersion)):
        for site, value in zip(structure.sites, addend, strict=True):
            calculator.addends.set(site.element, value)
        parts.append(_sums(calculator, structure, hkl))
    return parts[0] + 1j * (parts[1] - parts[0])  # the difference is what f'' alone gives


def _sums(calculator, structure, hkl):
    of_one = calculator.calculate_sf_from_small_structure
    return np.array([of_one(structure, row) for row in hkl.tolist()])


def _structure(content, group):
    """The crystal as gemmi sees it; images of a site are merged only where they coincide."""
    structure = gemmi.SmallStructure()
    structure.cell = gemmi.UnitCell(*content.cell)
    structure.spacegroup = group
    structure.setup_cell_images()
    sites = zip(
        content.species, content.occupancies, content.positions, content.motion, strict=True
    )
    for species, occupancy, position, u in sites:
        site = gemmi.SmallStructure.Site()
        site.label = site.type_symbol = species
        site.element = gemmi.Element(species)
        site.fract = gemmi.Fractional(*position)
        site.occ = occupancy
        if isinstance(u, tuple):
            site.aniso = gemmi.SMat33d(*_of_site_symmetry(u, position, structure.cell, group))
        else:
            site.u_iso = u
        structure.add_site(site)
    structure.change_occupancies_to_crystallographic(1e-3)
    return structure


def _of_site_symmetry(u, position, cell, group):
    """The mean of a tensor over the operations that leave its site in place."""
    reciprocal = cell.reciprocal()
    lengths = np.diag([reciprocal.a, reciprocal.b, reciprocal.c])
    tensor = lengths @ np.array(gemmi.SMat33d(*u).as_mat33().tolist()) @ lengths
    turned = []
    for op in group.operations():
        shift = np.array(op.apply_to_xyz(list(position))) - position
        if np.abs(shift - np.rint(shift)).max() < 1e-4:
            rotation = np.array(op.rot) / op.DEN
            turned.append(rotation @ tensor @ rotation.T)
    mean = np.linalg.inv(lengths) @ np.mean(turned, axis=0) @ np.linalg.inv(lengths)
    return mean[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]


def _indices(cell, d_min):
    limits = cell.get_hkl_limits(d_min)
    grid = np.meshgrid(*(np.arange(-limit, limit + 1) for limit in limits), indexing="ij")
    hkl = np.stack([axis.ravel() for axis in grid], axis=1).astype(np.int32)
    hkl = hkl[np.any(hkl != 0, axis=1)]
    return hkl[cell.calculate_d_array(hkl) >= d_min]
