"""The networks that are asked about a pattern, and the answer that their probabilities make."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from data_gen.errors import InputError
from data_gen.symmetry import extinction_group
from sgan_jax import agreement, answers, priors
from sgan_jax.answers import Answer
from sgan_jax.classifier import (
    MOST_AT_ONCE,
    Classifier,
    OutputClass,
    calibrated,
    energies,
)
from sgan_jax.presentation import Presented, Terms


@dataclass(frozen=True, eq=False)
class _Opinion:
    """What one network says of one pattern."""

    classifier: Classifier
    probabilities: Float64[np.ndarray, " classes"]
    energy: float

    @property
    def ranking(self) -> tuple[tuple[OutputClass, ...], Float64[np.ndarray, " classes"]]:
        """Classes with their probabilities."""
        return self.classifier.classes, self.probabilities

    @property
    def unfamiliar(self) -> bool:
        """Whether the pattern looks unlike anything that the network was trained on."""
        threshold = self.classifier.energy_threshold
        return threshold is not None and self.energy < threshold


class Panel:
    """Classifiers to be asked together.

    Args:
        classifiers: At most one per task.
        top: Candidates in an answer.
        prior: Of `priors.PRIORS`.

    Raises:
        InputError: An argument is impossible.

    Attributes:
        classifiers: As given.
    """

    def __init__(
        self, classifiers: Sequence[Classifier], top: int = 5, prior: str = "training"
    ) -> None:
        if top < 1:
            raise InputError(f"top {top}: give at least 1")
        priors.check(prior)
        self.classifiers = classifiers
        self._top = top
        self._prior = prior
        groups = [each.classes for each in classifiers if each.task == "space_group"]
        self._extinctions = answers.extinctions_of(groups[0] if groups else ())

    def terms(self, wavelength: float | None = None, radiation: str | None = None) -> Terms:
        """How patterns are prepared for these classifiers.

        Args:
            wavelength: In Å; in place of that of the file.
            radiation: `neutron` or `xray`; in place of that of the file.

        Raises:
            InputError: There is no such wavelength or radiation.
        """
        grids = dict.fromkeys(_axis(each) for each in self.classifiers)
        trained = set.intersection(*({each.instrument.radiation} for each in self.classifiers))
        return Terms(tuple(grids), frozenset(trained), wavelength, radiation)

    def answers(self, patterns: Sequence[Presented]) -> list[Answer]:
        """One answer per pattern, in their order."""
        shown = [pattern for pattern in patterns if not pattern.error]
        opinions = zip(*self._opinions(shown), strict=True)
        return [
            _unanswered(pattern, pattern.error)
            if pattern.error
            else self._answer(pattern, next(opinions))
            for pattern in patterns
        ]

    def _opinions(self, patterns: Sequence[Presented]) -> list[list[_Opinion]]:
        """By classifier, what it says of each pattern, after it has heard the other."""
        if not patterns:
            return [[] for _ in self.classifiers]
        logits = [_logits(each, patterns) for each in self.classifiers]
        probabilities = [
            priors.with_prior(calibrated(own, each.temperature), each.classes, self._prior)
            for each, own in zip(self.classifiers, logits, strict=True)
        ]
        self._agree(probabilities)
        return [
            [_Opinion(classifier, *row) for row in zip(p, energies(own).tolist(), strict=True)]
            for classifier, p, own in zip(self.classifiers, probabilities, logits, strict=True)
        ]

    def _agree(self, probabilities: list[Float64[np.ndarray, "n classes"]]) -> None:
        """Makes one answer of a lattice's and a space group's network.

        Only where both are asked, and tell the same crystals apart: every lattice has a space group
        and every space group a lattice.
        """
        place = {each.task: n for n, each in enumerate(self.classifiers)}
        if len(place) < 2:
            return
        lattices, groups = place["bravais_lattice"], place["space_group"]
        of_group = agreement.lattices_of(
            self.classifiers[groups].classes, self.classifiers[lattices].classes
        )
        if set(of_group.tolist()) == set(range(len(self.classifiers[lattices].classes))):
            probabilities[lattices], probabilities[groups] = agreement.agreed(
                probabilities[lattices], probabilities[groups], of_group
            )

    def _answer(self, pattern: Presented, opinions: Sequence[_Opinion]) -> Answer:
        unfamiliar = [each.classifier.task for each in opinions if each.unfamiliar]
        if unfamiliar:
            names = " and ".join(task.replace("_", " ") for task in unfamiliar)
            return _unanswered(pattern, f"it looks unlike anything trained on (for: {names})")
        asked = {each.classifier.task: each for each in opinions}
        lattices = groups = ()
        alike = None
        if lattice := asked.get("bravais_lattice"):
            lattices = answers.lattice_candidates(*lattice.ranking, self._top)
        if group := asked.get("space_group"):
            groups = answers.space_group_candidates(*group.ranking, self._top)
            same = self._extinctions == extinction_group(groups[0].number)
            alike = float(group.probabilities[same].sum())
        rare = [doubt for each in opinions for doubt in answers.rarity(*each.ranking)]
        return Answer(
            file=pattern.file,
            bravais_lattice=lattices,
            space_group=groups,
            wavelength=pattern.wavelength,
            radiation=pattern.radiation,
            doubts=(*pattern.doubts, *rare, *answers.disagreement(lattices, groups)),
            notes=pattern.notes,
            extinction_probability=alike,
        )


def _axis(classifier: Classifier) -> str:
    """Of the grid on which measured patterns are prepared for a classifier."""
    if classifier.grid is None:
        raise InputError(
            f"the {classifier.task} model knows the patterns of its own instrument alone; give one "
            "trained for measured patterns by --model"
        )
    return classifier.grid.axis


def _logits(
    classifier: Classifier, patterns: Sequence[Presented]
) -> Float32[np.ndarray, "n classes"]:
    """Class logits; many are filled up to a full batch, so that few programs are compiled."""
    axis = _axis(classifier)
    inputs = np.stack([pattern.inputs[axis] for pattern in patterns])
    if not classifier.takes_roots:
        inputs = np.where(inputs >= 0, inputs**2, inputs)
    if not classifier.coverage_channel:
        inputs = np.maximum(inputs, 0)
    missing = 0 if len(inputs) == 1 else -len(inputs) % MOST_AT_ONCE
    return classifier.logits(np.pad(inputs, ((0, missing), (0, 0))))[: len(inputs)]


def _unanswered(pattern: Presented, error: str) -> Answer:
    return Answer(
        pattern.file,
        wavelength=pattern.wavelength,
        radiation=pattern.radiation,
        doubts=pattern.doubts,
        notes=pattern.notes,
        error=error,
        mistake=pattern.mistake,
    )
