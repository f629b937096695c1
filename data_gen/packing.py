"""Crystals and what scatters in them as arrays, which the kernels read without Python's help."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from jaxtyping import Float64, Int64

from data_gen.crystal import Crystal
from data_gen.kernels.crystals import PackedCrystals, PackedSettings, Scatterers
from data_gen.scattering import amplitudes, form_factors
from data_gen.setting import prepare_setting


@dataclass(frozen=True, eq=False)
class CrystalTable:
    """Many crystals in a few arrays: what is simulated again and again is packed once.

    Attributes:
        cells: Cell of each crystal, see `data_gen.crystal.Crystal`.
        species: All species that occur.
        crystals: Everything else.
        settings: The settings that occur.
    """

    cells: Float64[np.ndarray, "crystals 6"]
    species: tuple[str, ...]
    crystals: PackedCrystals
    settings: PackedSettings

    def __post_init__(self) -> None:
        """Lets nobody change what compiled code takes unchecked.

        Raises:
            ValueError: The fields do not belong together.
        """
        if self.cells.shape != (len(self.crystals.setting), 6):
            raise ValueError(f"cells {self.cells.shape}: give one for each crystal")
        if self.crystals.species.max(initial=-1) >= len(self.species):
            raise ValueError(f"{len(self.species)} species: the crystals have more")
        for array in (self.cells, *self.crystals, *self.settings):
            array.flags.writeable = False

    def __len__(self) -> int:
        return len(self.cells)

    @classmethod
    def of(cls, crystals: Iterable[Crystal]) -> "CrystalTable":
        """Packs crystals.

        Raises:
            ValueError: There are none.
        """
        crystals = list(crystals)
        if not crystals:
            raise ValueError("no crystals")
        settings = {c.setting: None for c in crystals}
        species = {symbol: None for c in crystals for symbol in c.species}
        number_of_setting = dict(zip(settings, range(len(settings)), strict=True))
        number_of_species = dict(zip(species, range(len(species)), strict=True))
        packed = PackedCrystals(
            setting=np.array([number_of_setting[c.setting] for c in crystals], np.int64),
            sites_from=_offsets(len(c.species) for c in crystals),
            species=np.array([number_of_species[s] for c in crystals for s in c.species], np.int64),
            occupancies=np.concatenate([c.occupancies for c in crystals]),
            positions=np.concatenate([c.positions for c in crystals]),
            displacements=np.concatenate([c.displacements for c in crystals]),
        )
        cells = np.array([c.cell for c in crystals])
        return cls(cells, tuple(species), packed, _pack_settings(tuple(settings)))

    def species_of(self, index: int) -> tuple[str, ...]:
        """Returns the species of each site of a crystal."""
        numbers = self.crystals.species[self._sites_of(index)]
        return tuple(self.species[number] for number in numbers)

    def displacements_of(self, index: int) -> Float64[np.ndarray, "sites 6"]:
        """Returns the displacement parameters of each site of a crystal."""
        return self.crystals.displacements[self._sites_of(index)]

    def _sites_of(self, index: int) -> slice:
        return slice(*self.crystals.sites_from[index : index + 2])


def scatterers(
    species: Sequence[str], radiation: str, table: str, wavelengths: Float64[np.ndarray, "n"]
) -> tuple[Scatterers, Int64[np.ndarray, "n"]]:
    """Returns what species scatter at some wavelengths, and which row holds each wavelength.

    Raises:
        InputError: There is no such radiation or table.
    """
    distinct, rows = wavelengths[:1], np.zeros(len(wavelengths), np.int64)
    if (wavelengths != distinct).any():
        distinct, rows = np.unique(wavelengths, return_inverse=True)
    powers = amplitudes(species, radiation, table, distinct)
    factors = form_factors(species, radiation).copy()
    powers[:, np.isnan(factors).any(axis=1)] = np.nan
    return Scatterers(powers, factors, radiation == "xray"), rows


@lru_cache(maxsize=256)
def _pack_settings(names: tuple[str, ...]) -> PackedSettings:
    settings = [prepare_setting(name) for name in names]
    return PackedSettings(
        index_basis=np.array([s.index_basis for s in settings]),
        axes=np.array([s.axes for s in settings]),
        centric=np.array([s.centric for s in settings]),
        operations_from=_offsets(len(s.rotations) for s in settings),
        rotations=np.concatenate([s.rotations for s in settings]),
        translations=np.concatenate([s.translations for s in settings]),
        laue_from=_offsets(len(s.laue) for s in settings),
        laue=np.concatenate([s.laue for s in settings]),
        shifts=np.concatenate([s.shifts for s in settings]),
        k_bounds_from=_offsets(len(s.k_bounds) for s in settings),
        k_bounds=np.concatenate([s.k_bounds for s in settings]),
        l_bounds_from=_offsets(len(s.l_bounds) for s in settings),
        l_bounds=np.concatenate([s.l_bounds for s in settings]),
    )


def _offsets(lengths: Iterable[int]) -> Int64[np.ndarray, "n+1"]:
    return np.array(list(accumulate(lengths, initial=0)), np.int64)
