"""Patterns that are measured anew whenever they are asked for."""

import copy
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
from jaxtyping import Float32, Int64

from data_gen.errors import InputError
from data_gen.packing import CrystalTable
from data_gen.simulate import Patterns, simulate_under
from sgan_jax.augmentation.compiled import measure
from sgan_jax.augmentation.effects import (
    MOST_SPECIES,
    NOISE_NUMBERS,
    Draws,
    Effects,
    draw,
    widen,
)
from sgan_jax.grids import Grid
from sgan_jax.preparation import FIRST, LENGTH, STEP

_EVALUATION = 0x5EED
"""Sets the draws of evaluation apart from those of any training."""

_WORKING = FIRST + STEP * np.arange(LENGTH)
_SINES, _COSINES = np.sin(np.radians(_WORKING / 2)), np.cos(np.radians(_WORKING / 2))


class AugmentedPatterns:
    """Simulated measurements of the crystals of a data set. Threads may share them.

    `patterns[rows]` measures for evaluation: with all effects but that on the elements, and always
    the same pattern of a crystal. `drawn` measures for training: with the effects that are wanted,
    and never the same.

    Args:
        table: The crystals.
        second_phases: Rows of those that may be impurities.
        grid: On which the patterns are wanted.
        effects: In training.
        scattering_lengths: Table, see `data_gen.scattering`.

    Raises:
        InputError: The crystals are of too many species.
    """

    def __init__(
        self,
        table: CrystalTable,
        second_phases: Int64[np.ndarray, " m"],
        grid: Grid,
        effects: Effects,
        scattering_lengths: str,
    ) -> None:
        if len(table.species) > MOST_SPECIES:
            raise InputError(
                f"the crystals have {len(table.species)} species, and {MOST_SPECIES} can be "
                "simulated as measurements; name fewer sources"
            )
        self._table = table
        self._second_phases = second_phases
        self._edges = grid.edges.copy()  # for read-only ones `measure` is compiled once more
        self._effects = effects
        self._scattering_lengths = scattering_lengths
        self._draw_for_evaluation = draw

    def evaluated_under(
        self, draw: Callable[[np.random.Generator, int], Draws]
    ) -> "AugmentedPatterns":
        """The same crystals, but measured otherwise for evaluation.

        Args:
            draw: Draws so many measurements.
        """
        other = copy.copy(self)
        other._draw_for_evaluation = draw
        return other

    def trained_with(self, effects: Effects) -> "AugmentedPatterns":
        """The same crystals, but with other effects in training."""
        other = copy.copy(self)
        other._effects = effects
        return other

    @property
    def shape(self) -> tuple[int, int]:
        """Number of crystals and of points."""
        return len(self._table), len(self._edges) - 1

    def __getitem__(self, rows: Int64[np.ndarray, " n"], /) -> Float32[np.ndarray, "n grid"]:
        """Measures crystals for evaluation."""
        patterns = np.empty((len(rows), self.shape[1]), np.float32)
        for pattern, row in zip(patterns, rows.tolist(), strict=True):
            draws = self._draw_for_evaluation(np.random.default_rng((_EVALUATION, row)), 1)
            pattern[:] = self._measured(np.array([row]), draws)[0]
        return patterns

    def drawn(
        self,
        rows: Int64[np.ndarray, " n"],
        seeds: Sequence[int],
        share: slice = slice(None),
        total: int | None = None,
    ) -> Float32[np.ndarray, "n grid"]:
        """Measures crystals for training.

        Args:
            rows: The crystals.
            seeds: Other seeds give other measurements of them.
            share: Where in a larger batch the crystals stand.
            total: Size of that batch; without it there is none.
        """
        draws = draw(np.random.default_rng(tuple(seeds)), total or len(rows), self._effects)
        return self._measured(rows, draws[share])

    def _measured(
        self, rows: Int64[np.ndarray, " n"], draws: Draws
    ) -> Float32[np.ndarray, "n grid"]:
        patterns = self._seen(rows, draws)
        impure = np.flatnonzero(draws.impurity >= 0)
        chosen = (draws.impurity[impure] * len(self._second_phases)).astype(np.int64)
        others = draws[impure]
        others.conditions["march"] = 1.0  # its texture is not that of the first phase
        impurities = self._simulated(self._second_phases[chosen], others).patterns
        number = np.full(len(rows), -1)
        number[impure] = np.arange(len(impure))
        out = np.empty((len(rows), self.shape[1]), np.float32)
        measure(
            patterns,
            impurities,
            number,
            draws.measurements,
            _noise(),
            draws.noise_from,
            _SINES,
            _COSINES,
            self._edges,
            out,
        )
        return out

    def _seen(
        self, rows: Int64[np.ndarray, " n"], draws: Draws
    ) -> Float32[np.ndarray, "n working"]:
        """Patterns on the working grid.

        A crystal without a reflection in the range drawn for it is seen with the shortest
        wavelength and a wide range, to which its draws are changed.

        Raises:
            StructureError: It has none there either.
        """
        made = self._simulated(rows, draws)
        hidden = np.array(list(made.errors), np.int64)
        if len(hidden):
            widen(draws, hidden)
            again = self._simulated(rows[hidden], draws[hidden])
            for error in again.errors.values():
                raise error
            made.patterns[hidden] = again.patterns
        return made.patterns

    def _simulated(self, rows: Int64[np.ndarray, " n"], draws: Draws) -> Patterns:
        return simulate_under(
            self._table,
            rows,
            draws.conditions,
            _WORKING,
            scattering_lengths=self._scattering_lengths,
            cells=self._table.cells[rows] * draws.cell_factors,
            exchanged=np.argsort(draws.exchange[:, : len(self._table.species)], axis=1),
            threads=1,
        )


@cache
def _noise() -> Float32[np.ndarray, " numbers"]:
    """Normally distributed numbers, the same in every process."""
    return np.random.default_rng(0).standard_normal(NOISE_NUMBERS, np.float32)
