"""A measured pattern, and the checks that every pattern passes whatever file it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from sgan_jax.measured.limits import MAX_INTENSITY, MAX_POINTS, MIN_POINTS, WAVELENGTHS

NEUTRON = "neutron"
XRAY = "xray"

_MOST_DUPLICATES = 0.5  # of the points: more cannot come from the rounding of angles
_MOST_MISSING = 0.5  # of the points

_Values = Float64[np.ndarray, " points"]


class PatternError(Exception):
    """What is wrong with a file, for an error message that also names the file.

    Attributes:
        reason: What is wrong.
        remedy: What the user can do.
        line: Number of the line, from 1; None where there is none.
    """

    def __init__(self, reason: str, remedy: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.line = line


@dataclass(frozen=True, eq=False)
class Pattern:
    """A measured pattern.

    Attributes:
        two_theta: In degrees, between 0 and 180, strictly ascending, at least 50 points.
        intensity: In counts or in any other unit; may be zero or negative.
        sigma: Standard uncertainties, positive; None where the file neither has them nor defines
            them.
        wavelength: In Å; None where the file does not say.
        radiation: "neutron" or "xray"; None where the file does not say.
        background: Of a powder CIF that gives one; else None. Only kept: networks are shown all
            patterns without the background that `sgan_jax.preparation` finds, as in training.
        source: Name of the file.
        block: Name of the bank, data block or scan; empty where the file has only one.
        format: Name of the format, for messages.
        notes: What had to be assumed or repaired, in sentences.
        wavelength_guessed: Whether the wavelength is a bare length in the title.
        length: In Å, of a title, which may be the wavelength or another; else None.
    """

    two_theta: _Values
    intensity: _Values
    sigma: _Values | None
    wavelength: float | None
    radiation: str | None
    background: _Values | None
    source: str
    block: str
    format: str
    notes: tuple[str, ...]
    wavelength_guessed: bool = False
    length: float | None = None


@dataclass(frozen=True, eq=False)
class Scan:
    """Points as a file has them, not checked yet.

    Attributes:
        format: See `Pattern`.
        two_theta: In degrees, in any order.
        intensity: NaN where it is missing.
        sigma: NaN where it is missing; None where the file has none.
        background: None where the file has none.
        wavelength: See `Pattern`.
        radiation: See `Pattern`.
        block: See `Pattern`.
        notes: See `Pattern`.
        wavelength_guessed: See `Pattern`.
        length: See `Pattern`.
        lines: Numbers of the lines that the points come from; empty where that means nothing.
    """

    format: str
    two_theta: _Values
    intensity: _Values
    sigma: _Values | None = None
    background: _Values | None = None
    wavelength: float | None = None
    radiation: str | None = None
    block: str = ""
    notes: tuple[str, ...] = ()
    wavelength_guessed: bool = False
    length: float | None = None
    lines: Sequence[int] = ()

    def line(self, index: int) -> int | None:
        """Returns the number of the line of a point."""
        return self.lines[index] if self.lines else None

    def at(self, kept: Bool[np.ndarray, " points"] | slice, *notes: str) -> "Scan":
        """Returns the scan with some of its points only."""
        lines = np.asarray(self.lines)[kept].tolist() if self.lines else ()
        return replace(
            self,
            two_theta=self.two_theta[kept],
            intensity=self.intensity[kept],
            sigma=None if self.sigma is None else self.sigma[kept],
            background=None if self.background is None else self.background[kept],
            notes=(*self.notes, *notes),
            lines=lines,
        )


def checked(scan: Scan, source: str) -> Pattern:
    """Makes a pattern of a scan: points ascending, none without an angle or an intensity.

    Args:
        scan: The points of a file.
        source: Name of the file.

    Raises:
        PatternError: The points make no pattern.
    """
    _check_sizes(scan)
    _check_angles(scan)
    scan = _with_intensities(scan)
    scan = _with_uncertainties(scan)
    scan = _ascending(scan)
    scan = _at_positive_angles(scan)
    scan = _without_duplicates(scan)
    if len(scan.two_theta) < MIN_POINTS:
        count = len(scan.two_theta)
        raise PatternError(f"{count} points, fewer than {MIN_POINTS}", "give a whole pattern")
    return Pattern(
        scan.two_theta,
        scan.intensity,
        scan.sigma,
        _possible(scan.wavelength),
        scan.radiation,
        scan.background,
        source,
        scan.block,
        scan.format,
        scan.notes,
        scan.wavelength_guessed,
        _possible(scan.length),
    )


def _possible(wavelength: float | None) -> float | None:
    """Returns a wavelength; None for what some programs write where they know none."""
    if wavelength is None or not WAVELENGTHS[0] <= wavelength <= WAVELENGTHS[1]:
        return None
    return wavelength


def _check_sizes(scan: Scan) -> None:
    count = len(scan.two_theta)
    if count > MAX_POINTS:
        raise PatternError(f"{count:,} points, more than {MAX_POINTS:,}", "give a coarser pattern")
    columns = (scan.intensity, scan.sigma, scan.background)
    if any(column is not None and len(column) != count for column in columns):
        raise PatternError("its columns differ in length", "export the pattern again")


def _check_angles(scan: Scan) -> None:
    wrong = np.flatnonzero(~np.isfinite(scan.two_theta))
    if len(wrong):
        line = scan.line(wrong[0])
        raise PatternError("an angle is missing", "complete the line or leave it out", line)
    beyond = np.flatnonzero(np.abs(scan.two_theta) >= 180)
    if len(beyond):
        all_beyond = len(beyond) == len(scan.two_theta)
        raise PatternError(
            f"the first column reaches {scan.two_theta[beyond[0]]:g}, which is no 2θ in degrees"
            + (", but perhaps a time of flight" if all_beyond else ""),
            "give 2θ in degrees; a time-of-flight pattern cannot be used, and for 1/100 degree "
            "write 'centidegrees' into a comment line",
            scan.line(beyond[0]),
        )


def _with_intensities(scan: Scan) -> Scan:
    known = np.isfinite(scan.intensity)
    if not known.all():
        missing = int((~known).sum())
        if missing > _MOST_MISSING * len(known):
            raise PatternError(
                f"{missing} of {len(known)} intensities are missing", "export it again"
            )
        scan = scan.at(known, f"{_points(missing)} without an intensity left out.")
    huge = np.flatnonzero(np.abs(scan.intensity) > MAX_INTENSITY)
    if len(huge):
        value, line = scan.intensity[huge[0]], scan.line(huge[0])
        raise PatternError(f"an intensity of {value:g}", "give counts, or scale them down", line)
    return scan


def _with_uncertainties(scan: Scan) -> Scan:
    """Takes away points without weight: their uncertainty is 0, infinite or missing."""
    sigma = scan.sigma
    if sigma is None:
        return scan
    negative = np.flatnonzero(sigma < 0)
    if len(negative):
        line = scan.line(negative[0])
        remedy = "give standard uncertainties or leave the column out"
        raise PatternError(f"an uncertainty of {sigma[negative[0]]:g}", remedy, line)
    weighted = (sigma > 0) & np.isfinite(sigma)
    missing = int((~weighted).sum())
    if not missing:
        return scan
    if missing == len(sigma):
        return replace(scan, sigma=None, notes=(*scan.notes, "No point has an uncertainty."))
    if missing > _MOST_MISSING * len(sigma):
        note = "Uncertainties are not used: more than half of them are zero or missing."
        return replace(scan, sigma=None, notes=(*scan.notes, note))
    return scan.at(weighted, f"{_points(missing)} with zero or no uncertainty left out.")


def _ascending(scan: Scan) -> Scan:
    steps = np.diff(scan.two_theta)
    if len(steps) and (steps <= 0).all() and (steps < 0).any():
        return scan.at(slice(None, None, -1), "The angles were descending.")
    back = np.flatnonzero(steps < 0)
    if len(back):
        low, high = scan.two_theta[back[0] + 1], scan.two_theta[back[0]]
        raise PatternError(
            f"2θ goes back from {high:g}° to {low:g}°",
            "give one scan in the order of 2θ",
            scan.line(back[0] + 1),
        )
    return scan


def _at_positive_angles(scan: Scan) -> Scan:
    """Takes away what detectors see at the direct beam and on its other side."""
    positive = scan.two_theta > 0
    if positive.all():
        return scan
    return scan.at(positive, f"{_points(int((~positive).sum()))} at 2θ ≤ 0 left out.")


def _without_duplicates(scan: Scan) -> Scan:
    """Replaces points at the same angle by their mean."""
    new = np.diff(scan.two_theta, prepend=-1.0) > 0
    if new.all():
        return scan
    count = int((~new).sum())
    if count > _MOST_DUPLICATES * len(new):
        raise PatternError(f"{count} angles occur more than once", "give angles with more digits")
    first = np.flatnonzero(new)
    sizes = np.diff(first, append=len(new))

    def mean(values: _Values) -> _Values:
        return np.add.reduceat(values, first) / sizes

    merged = scan.at(new, f"{_points(count)} at the angle of the point before merged with it.")
    return replace(
        merged,
        intensity=mean(scan.intensity),
        sigma=None if scan.sigma is None else np.sqrt(mean(scan.sigma**2) / sizes),
        background=None if scan.background is None else mean(scan.background),
    )


def _points(count: int) -> str:
    return "1 point" if count == 1 else f"{count} points"
