"""Structure factors of a whole sphere of reflections, as cctbx computes them.

cctbx puts atoms on special positions, fills the cell, lists the indices and says which are
systematically absent; none of the project's code takes part.

cctbx crashes in a process that has loaded gemmi, numba or jax before it. This module therefore
imports it only where it is called, and `ask` calls it in processes of its own.
"""

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Content:
    """What a source says: cell and positions as written, operations as coordinate triplets.

    `motion` holds U of each site in Å2: a number, or U11, U22, U33, U12, U13, U23.
    """

    cell: np.ndarray
    triplets: tuple[str, ...]
    species: tuple[str, ...]
    occupancies: np.ndarray
    positions: np.ndarray
    motion: tuple[float | tuple[float, ...], ...]


@dataclass(frozen=True)
class Sphere:
    """All reflections with d of at least some value, Friedel mates and absent ones included."""

    hkl: np.ndarray
    d: np.ndarray
    f: np.ndarray
    absent: np.ndarray


def ask(function, arguments):
    """Results of a function of this module for a list of arguments, from two other processes."""
    with ThreadPoolExecutor(2) as threads:
        halves = threads.map(_ask, [function.__name__] * 2, [arguments[::2], arguments[1::2]])
    results = [None] * len(arguments)
    results[::2], results[1::2] = halves
    return results


def _ask(name, arguments):
    command = [sys.executable, __file__, name]
    answer = subprocess.run(
        command, input=pickle.dumps(arguments), stdout=subprocess.PIPE, check=True
    )
    return pickle.loads(answer.stdout)


def sphere(content, amplitudes, d_min, xray=False):
    """Structure factors.

    Args:
        content: The crystal; its species are elements if the form factors are wanted.
        amplitudes: Complex scattering amplitude of every site, without the form factor.
        d_min: In Å.
        xray: Whether to add the form factors of International Tables (1992), as cctbx has them.
    """
    from cctbx import crystal, miller

    structure = _structure(content, amplitudes, xray)
    cell = structure.unit_cell()
    plain = crystal.symmetry(unit_cell=cell, space_group_symbol="P1")
    indices = miller.build_set(plain, anomalous_flag=True, d_min=d_min).indices()
    everything = miller.set(structure.crystal_symmetry(), indices, anomalous_flag=True)
    f = everything.structure_factors_from_scatterers(structure, algorithm="direct").f_calc()
    return Sphere(
        np.rint(indices.as_vec3_double().as_numpy_array()).astype(int),
        cell.d(indices).as_numpy_array(),
        f.data().as_numpy_array(),
        structure.space_group().is_sys_absent(indices).as_numpy_array(),
    )


def _structure(content, amplitudes, xray_factors):
    from cctbx import adptbx, crystal, sgtbx, uctbx, xray
    from cctbx.eltbx import xray_scattering

    group = sgtbx.space_group()
    for triplet in content.triplets:
        group.expand_smx(triplet)
    cell = group.average_unit_cell(uctbx.unit_cell(tuple(content.cell)))
    structure = xray.structure(crystal_symmetry=crystal.symmetry(cell, space_group=group))
    sites = zip(content.species, content.occupancies, content.positions, strict=True)
    for (species, occupancy, position), amplitude, u in zip(
        sites, amplitudes, content.motion, strict=True
    ):
        atom = xray.scatterer(
            species,
            site=tuple(position),
            u=adptbx.u_cif_as_u_star(cell, u) if isinstance(u, tuple) else u,
            occupancy=occupancy,
            scattering_type=species,
            fp=amplitude.real,
            fdp=amplitude.imag,
        )
        near = 0.5 if occupancy > 0.5 else 0.1  # Å: images this close are one atom
        structure.add_scatterer(atom, sgtbx.site_symmetry(cell, group, atom.site, near, False))
    if xray_factors:
        structure.scattering_type_registry(table="it1992")
    else:
        nothing = xray_scattering.gaussian(0)
        structure.scattering_type_registry(custom_dict=dict.fromkeys(content.species, nothing))
    return structure


if __name__ == "__main__":
    import truth_cctbx  # the dataclasses of this name are those that the other side knows

    called = getattr(truth_cctbx, sys.argv[1])
    answers = [called(*row) for row in pickle.load(sys.stdin.buffer)]
    sys.stdout.buffer.write(pickle.dumps(answers))
