"""What a sample does to its pattern beyond its crystal structure."""

import math
from dataclasses import dataclass

from data_gen.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A powder; the default is the ideal one of the paper: large crystallites, atoms at rest.

    Attributes:
        size: Volume-weighted size of the crystallites in nm; it broadens by Scherrer's equation
            with K = 0.9 (P. Scherrer, Nachr. Ges. Wiss. Göttingen (1918) 98). None: no broadening.
        strain: Full width at half maximum of the distribution of Δd/d, of Lorentz shape.
        preferred_orientation: Indices (h, k, l) of the preferred direction and March coefficient
            r: below 1 for plates lying flat in symmetric reflection, above 1 for needles (W. A.
            Dollase, J. Appl. Cryst. 19 (1986) 267). None: all orientations alike.
        displacements: Whether atoms move as the displacement parameters of the crystal say.

    Raises:
        InputError: A value is impossible.
    """

    size: float | None = None
    strain: float = 0.0
    preferred_orientation: tuple[tuple[int, int, int], float] | None = None
    displacements: bool = False

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size < math.inf:
            raise InputError(f"size {self.size} nm: give a number from 1 nm")
        if not 0 <= self.strain < 0.1:
            raise InputError(f"strain {self.strain}: give a fraction Δd/d from 0 to below 0.1")
        if self.preferred_orientation is not None:
            axis, coefficient = self.preferred_orientation
            if len(axis) != 3 or not any(axis) or not all(abs(i) <= 100 for i in axis):
                raise InputError(f"preferred direction {axis}: give three indices, not all zero")
            if not 0.05 <= coefficient <= 20:
                raise InputError(f"March coefficient {coefficient}: give a number from 0.05 to 20")


IDEAL = Sample()
"""No broadening, no preferred orientation, atoms at rest: as in the paper."""
