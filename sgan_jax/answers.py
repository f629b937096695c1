"""What is said of a pattern: candidates in order, how sure, and why not surer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from data_gen.symmetry import (
    bravais_lattice,
    crystal_system,
    extinction_group,
    extinction_groups,
    hermann_mauguin,
)
from sgan_jax.classifier import OutputClass

HOW_SURE = (
    (0.9, "sure"),
    (0.7, "fairly sure"),
    (0.4, "unsure"),
    (0.0, "little better than a guess"),
)
"""Words for the probability of the first candidate, with the least that each stands for."""

FEW_EXAMPLES = 50
"""Crystals of a class below which its name as the answer is a reason for doubt."""

_DIGITS = 6  # of a probability, so that JSON does not show what float32 adds


@dataclass(frozen=True)
class LatticeCandidate:
    """A Bravais lattice that a pattern may have.

    Attributes:
        symbol: Pearson letters; S stands for a lattice centred on one pair of faces.
        probability: From 0 to 1.
    """

    symbol: str
    probability: float


@dataclass(frozen=True)
class SpaceGroupCandidate:
    """A space group that a pattern may have.

    Attributes:
        number: In International Tables.
        symbol: After Hermann and Mauguin, of the standard setting.
        crystal_system: One of seven.
        extinction_group: Named by the symbol of its space group of the lowest number.
        same_extinction: Numbers of the other space groups in it.
        probability: From 0 to 1.
    """

    number: int
    symbol: str
    crystal_system: str
    extinction_group: str
    same_extinction: tuple[int, ...]
    probability: float


Candidate = LatticeCandidate | SpaceGroupCandidate


@dataclass(frozen=True)
class Answer:
    """The answer for one file.

    Attributes:
        file: As it was named.
        bravais_lattice: Candidates, the likeliest first; none without a usable answer, or if the
            lattice was not asked for.
        space_group: Likewise.
        wavelength: With which the pattern was read, in Å.
        radiation: `neutron` or `xray`.
        doubts: Reasons to trust the answer less, in plain words.
        notes: What was assumed or repaired on the way.
        error: Why there is no answer; None where there is one.
        mistake: Whether the reason is a file that cannot be read, or a wavelength or radiation
            that is missing.
        extinction_probability: Of all space groups in the extinction group of the first candidate.
    """

    file: str
    bravais_lattice: tuple[LatticeCandidate, ...] = ()
    space_group: tuple[SpaceGroupCandidate, ...] = ()
    wavelength: float | None = None
    radiation: str | None = None
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
    mistake: bool = False
    extinction_probability: float | None = None

    @property
    def answered(self) -> bool:
        """Whether there is a usable answer."""
        return self.error is None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Doubts and notes, as sentences."""
        return tuple(map(sentence, (*self.doubts, *self.notes)))

    def as_json(self) -> dict[str, Any]:
        """The object of `--json`: these fields, no others."""
        return {
            "file": self.file,
            "answered": self.answered,
            "bravais_lattice": [asdict(candidate) for candidate in self.bravais_lattice],
            "space_group": [
                asdict(candidate) | {"same_extinction": list(candidate.same_extinction)}
                for candidate in self.space_group
            ],
            "wavelength": self.wavelength,
            "radiation": self.radiation,
            "warnings": list(self.warnings),
            "error": self.error,
        }


def lattice_candidates(
    classes: Sequence[OutputClass], probabilities: Float[np.ndarray, " classes"], top: int
) -> tuple[LatticeCandidate, ...]:
    """The likeliest lattices, in order."""
    return tuple(
        LatticeCandidate(classes[index].name, _rounded(probabilities[index]))
        for index in _likeliest(probabilities, top)
    )


def space_group_candidates(
    classes: Sequence[OutputClass], probabilities: Float[np.ndarray, " classes"], top: int
) -> tuple[SpaceGroupCandidate, ...]:
    """The likeliest space groups, in order."""
    return tuple(
        _space_group(int(classes[index].name), _rounded(probabilities[index]))
        for index in _likeliest(probabilities, top)
    )


def _likeliest(probabilities: Float[np.ndarray, " classes"], top: int) -> list[int]:
    return np.argsort(-probabilities, kind="stable")[:top].tolist()


def _rounded(probability: float) -> float:
    return round(float(probability), _DIGITS)


def _space_group(number: int, probability: float) -> SpaceGroupCandidate:
    return SpaceGroupCandidate(number, *_facts(number), probability)


@cache
def _facts(number: int) -> tuple[str, str, str, tuple[int, ...]]:
    group = extinction_groups()[extinction_group(number)]
    others = tuple(other for other in group if other != number)
    return hermann_mauguin(number), crystal_system(number), hermann_mauguin(group[0]), others


def extinctions_of(classes: Sequence[OutputClass]) -> Int64[np.ndarray, " classes"]:
    """The extinction group of each class that is a space group."""
    return np.array([extinction_group(int(entry.name)) for entry in classes])


def disagreement(
    lattices: Sequence[LatticeCandidate], space_groups: Sequence[SpaceGroupCandidate]
) -> list[str]:
    """The doubt that the two answers contradict each other, if they do."""
    if not lattices or not space_groups:
        return []
    lattice, group = lattices[0].symbol, space_groups[0]
    own = bravais_lattice(group.number)
    if own == lattice:
        return []
    return [
        f"the answers contradict each other: lattice {lattice}, but space group {group.number} "
        f"({group.symbol}) has the lattice {own}"
    ]


def rarity(
    classes: Sequence[OutputClass], probabilities: Float[np.ndarray, " classes"]
) -> list[str]:
    """The doubt that the likeliest class had few examples in training, if it had."""
    entry = classes[int(probabilities.argmax())]
    if entry.n_labelled >= FEW_EXAMPLES:
        return []
    kind = "space group" if entry.name.isdecimal() else "lattice"
    return [f"training had few crystals of {kind} {entry.name}: only {entry.n_labelled}"]


def how_sure(probability: float) -> str:
    """A word for a probability, of `HOW_SURE`."""
    return next(word for least, word in HOW_SURE if probability >= least)


def honest_line(answer: Answer) -> str:
    """How sure the answer is, and why not surer; or why there is none."""
    doubts = "; ".join(answer.doubts)
    if not answer.answered:
        return f"No confident answer: {'; '.join(filter(None, (answer.error, doubts)))}."
    named = []
    if answer.bravais_lattice:
        named.append(f"Bravais lattice {_assured(answer.bravais_lattice[0])}")
    if answer.space_group:
        first = answer.space_group[0]
        named.append(f"space group {_assured(first, _of_its_like(answer, first))}")
    return f"How sure: {', '.join(named)}, if this is one phase. {_doubts(doubts)}"


def _assured(candidate: Candidate, more: str = "") -> str:
    return f"{how_sure(candidate.probability)} ({percent(candidate.probability)}{more})"


def _of_its_like(answer: Answer, first: SpaceGroupCandidate) -> str:
    if not first.same_extinction or answer.extinction_probability is None:
        return ""
    return f"; {percent(answer.extinction_probability)} for its extinction group"


def _doubts(doubts: str) -> str:
    return f"Doubts: {doubts}." if doubts else "No further doubts."


def sentence(text: str) -> str:
    """Text with a capital and a full stop."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def percent(probability: float) -> str:
    """A probability to a tenth of a per cent; the ends only where it is there."""
    if 0 < probability < 0.001:
        return "< 0.1 %"
    return "> 99.9 %" if 0.999 < probability < 1 else f"{100 * probability:.1f} %"
