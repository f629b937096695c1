"""Reflections computed the slow and plain way, as a reference: all atoms, all indices."""

import gemmi
import numpy as np

from data_gen.crystal import Crystal
from data_gen.orbits import cell_of_metric, metric_tensor, unit_cell_sites
from data_gen.scattering import scattering_length
from data_gen.symmetry import average_metric, group_operations


def make(cell, setting, species, occupancies, positions):
    """A crystal of lists of numbers."""
    arrays = (np.array(values, dtype=float) for values in (cell, occupancies, positions))
    cell, occupancies, positions = arrays
    return Crystal(cell, setting, species, occupancies, positions)


def crystal_of_setting(setting, positions, species="Na", lengths=(6.1235, 7.3717, 8.1939)):
    """A crystal of any setting, its cell near the lengths and 83, 97 and 102°."""
    metric = metric_tensor(np.array([*lengths, 83.0, 97.0, 102.0]))
    cell = cell_of_metric(average_metric(metric, setting))
    names = (species,) * len(positions) if isinstance(species, str) else species
    return make(cell, setting, names, np.linspace(1.0, 0.5, len(positions)), positions)


def atoms(crystal, table, wavelength):
    """All atoms of the conventional cell and their scattering lengths times occupancies."""
    cell = unit_cell_sites(crystal.setting, crystal.positions)
    lengths = [scattering_length(species, table, wavelength) for species in crystal.species]
    return cell.positions, (np.array(lengths) * crystal.occupancies)[cell.site]


def sphere(crystal, d_min, d_max):
    """All indices, absent ones left out (gemmi says which), with d from d_min to d_max."""
    cell = gemmi.UnitCell(*crystal.cell)
    limits = [int(length / d_min) + 1 for length in crystal.cell[:3]]
    grid = np.meshgrid(*(np.arange(-m, m + 1) for m in limits), indexing="ij")
    hkl = np.stack([axis.ravel() for axis in grid], axis=1).astype(np.int32)
    hkl = hkl[np.any(hkl != 0, axis=1)]
    d = cell.calculate_d_array(hkl)
    hkl = hkl[(d >= d_min) & (d <= d_max)]
    return hkl[~group_operations(crystal.setting).systematic_absences(hkl)]


def f_squared(crystal, hkl, table, wavelength):
    """|F|², the mean over Friedel mates, by a sum over all atoms."""
    positions, lengths = atoms(crystal, table, wavelength)
    phases = np.exp(2j * np.pi * (hkl @ positions.T))
    return (np.abs(phases @ lengths) ** 2 + np.abs(phases.conj() @ lengths) ** 2) / 2


def laue_group(setting):
    """Rotations of the Laue group; they act on rows of indices from the right."""
    rotations = np.array([op.rot for op in group_operations(setting).sym_ops]) / gemmi.Op.DEN
    return np.concatenate([rotations, -rotations])


def members(hkl, rotations):
    """All reflections that rows of indices stand for, and the number of the row of each."""
    images = np.rint(np.einsum("ni,oij->noj", hkl, rotations)).astype(int)
    number = np.broadcast_to(np.arange(len(hkl))[:, None, None], (*images.shape[:2], 1))
    rows = np.unique(np.concatenate([number, images], axis=2).reshape(-1, 4), axis=0)
    return rows[:, 1:], rows[:, 0]
