"""From a file to what networks are shown, or to the reason why they are not asked.

Nothing here needs JAX: worker processes that read many files start quickly.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32

from data_gen.errors import InputError
from data_gen.scattering import RADIATIONS
from sgan_jax.grids import GRIDS
from sgan_jax.measured import Pattern, read_pattern
from sgan_jax.preparation import Prepared, prepare

LEAST_SIGNAL = 7.0
"""Of `Prepared.signal`: noise alone reaches 5, rarely more."""
LEAST_SHARPNESS = 0.3
"""Of `Prepared.sharpness`: liquids and glasses are below 0.25, fine crystallites above."""
LEAST_COVERAGE = 0.3
"""Share of a network's range below which it is not asked."""
FULL_COVERAGE = 0.6
"""Share of a network's range below which the answer is said to be of a cut range."""

WIDE_GAPS = 0.1
"""Share of the measured range beyond which gaps in it are a doubt."""

RADIATION_WORDS = {"neutron": "neutrons", "xray": "X-rays"}

_LARGEST_DEVIATION = 0.005
"""By how much a given wavelength may differ from that of the file without a word."""
_LONGEST_WAVELENGTH = 20.0  # Å


@dataclass(frozen=True)
class Terms:
    """What is known of patterns beside their files, and for which networks they are prepared.

    Attributes:
        grids: Axes of the networks' grids, as in `sgan_jax.grids.GRIDS`.
        radiations: For which all of these networks were trained.
        wavelength: In Å; in place of that of the file.
        radiation: `neutron` or `xray`; in place of that of the file.
    """

    grids: tuple[str, ...]
    radiations: frozenset[str]
    wavelength: float | None = None
    radiation: str | None = None

    def __post_init__(self) -> None:
        if self.wavelength is not None and not 0 < self.wavelength <= _LONGEST_WAVELENGTH:
            raise InputError(
                f"wavelength {self.wavelength:g}: give Å, up to {_LONGEST_WAVELENGTH:g}"
            )
        if self.radiation not in (None, *RADIATIONS):
            raise InputError(f"radiation {self.radiation!r}: choose {' or '.join(RADIATIONS)}")


@dataclass(frozen=True, eq=False)
class Presented:
    """A pattern on its way from the file to the networks.

    Attributes:
        file: As it was named.
        wavelength: In Å, None where it is not known.
        radiation: `neutron` or `xray`, None where it is not known.
        inputs: What a network sees, by the axis of its grid.
        stages: The same at every stage of the preparation, where they are to be drawn.
        doubts: Reasons to trust the answer less.
        notes: What was assumed or repaired, in plain sentences.
        error: Why no network can be asked; None where they can.
        mistake: Whether that is something to be mended: a file that cannot be read or fails
            unexpectedly, or a wavelength or radiation that is missing.
    """

    file: str
    wavelength: float | None = None
    radiation: str | None = None
    inputs: Mapping[str, Float32[np.ndarray, " grid"]] = field(default_factory=dict)
    stages: Mapping[str, Prepared] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
    mistake: bool = False


def present_file(file: str, terms: Terms, many: bool = False) -> Presented:
    """Reads and prepares the pattern of a file; whatever is wrong with it becomes its `error`.

    Args:
        file: Its path.
        terms: How.
        many: Whether many patterns are prepared, so that it pays to compile what takes longest.
    """
    try:
        pattern = read_pattern(file, many)
    except InputError as error:
        return Presented(file, error=str(error), mistake=True)
    except Exception as error:  # one strange file must not end the work on all the others
        return Presented(file, error=_unexpected(file, error), mistake=True)
    return present(pattern, terms, file, many)


def present_files(files: list[str], terms: Terms, keep_stages: bool, many: bool) -> list[Presented]:
    """As `present_file` for each; without stages they are a seventh of the size."""
    presented = [present_file(file, terms, many) for file in files]
    return presented if keep_stages else [replace(each, stages={}) for each in presented]


def present(
    pattern: Pattern, terms: Terms, file: str | None = None, many: bool = False
) -> Presented:
    """Prepares a pattern; whatever is wrong with it becomes its `error`.

    Args:
        pattern: The measurement.
        terms: How.
        file: How it is called in the answer; its own name if not given.
        many: See `present_file`.
    """
    begun = _settled(pattern, terms, pattern.source if file is None else file)
    if begun.error or begun.wavelength is None:
        return begun
    try:
        stages = {
            axis: prepare(pattern, begun.wavelength, GRIDS[axis], many) for axis in terms.grids
        }
    except InputError as error:
        return replace(begun, error=str(error))
    except Exception as error:  # again: one strange file
        return replace(begun, error=_unexpected(begun.file, error), mistake=True)
    return _judged(begun, stages)


def _unexpected(file: str, error: Exception) -> str:
    return f"{file}: unexpected failure ({error!r:.200}); please report it with the file"


def _settled(pattern: Pattern, terms: Terms, file: str) -> Presented:
    """With wavelength and radiation, given or of the file, or with the error that they lack."""
    wavelength = terms.wavelength or pattern.wavelength
    radiation = terms.radiation or pattern.radiation
    missing = [
        f"--{name}={example}"
        for name, value, example in (
            ("wavelength", wavelength, "1.5403"),
            ("radiation", radiation, "neutron"),
        )
        if value is None
    ]
    error = None
    if radiation not in (None, *terms.radiations):
        error = f"no model trained for {RADIATION_WORDS[radiation]}"
        missing = []
    elif missing:
        error = f"the file does not say it: give {' and '.join(missing)}, with the true value"
        if wavelength is None and pattern.length is not None:
            length = f"{pattern.length:g}"
            error += f"; it mentions {length} Å: if that is the wavelength, --wavelength={length}"
    return Presented(
        file,
        wavelength,
        radiation,
        doubts=tuple(_doubts(pattern, terms)),
        notes=pattern.notes,
        error=error,
        mistake=bool(missing),
    )


def _doubts(pattern: Pattern, terms: Terms) -> list[str]:
    """Why wavelength and radiation may be other ones."""
    doubts = []
    given, stated = terms.wavelength, pattern.wavelength
    if stated and not given and pattern.wavelength_guessed:
        doubts.append(f"the wavelength {stated:g} Å is guessed from the title")
    if given and stated and abs(given / stated - 1) > _LARGEST_DEVIATION:
        source = "title suggests" if pattern.wavelength_guessed else "file states"
        doubts.append(f"taken with the given {given:g} Å, while the {source} {stated:g} Å")
    given, stated = terms.radiation, pattern.radiation
    if given and stated and given != stated:
        said, other = RADIATION_WORDS[given], RADIATION_WORDS[stated]
        doubts.append(f"taken for {said} as given, while the file says {other}")
    return doubts


def _judged(begun: Presented, stages: Mapping[str, Prepared]) -> Presented:
    """With what the networks see, or the error that this is too little."""
    any_stage = next(iter(stages.values()))
    coverage = min(stage.coverage for stage in stages.values())
    measured = f"only {100 * coverage:.0f} % of the range that the networks look at was measured"
    error, doubts, notes = None, begun.doubts, (*begun.notes, *any_stage.notes)
    gaps = f"gaps are {100 * any_stage.missing:.0f} % of the measured range"
    if any_stage.missing > WIDE_GAPS:
        doubts = (*doubts, gaps)
    elif any_stage.missing > 0:
        notes = (*notes, gaps)
    if coverage < LEAST_COVERAGE:
        error = f"{measured}; give a wider range of 2θ, or correct the wavelength"
    elif not any_stage.signal >= LEAST_SIGNAL:
        error = f"no clear peaks: the clearest rises by {any_stage.signal:.1f} times the noise"
    elif any_stage.sharpness < LEAST_SHARPNESS:
        error = "no sharp peaks: only humps, as of a liquid or a glass"
    elif coverage < FULL_COVERAGE:
        doubts = (*doubts, measured)
    return replace(
        begun,
        inputs={} if error else {axis: stage.network_input for axis, stage in stages.items()},
        stages=stages,
        doubts=doubts,
        notes=notes,
        error=error,
    )
