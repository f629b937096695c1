"""What answers to measured patterns are worth: `python -m benchmarks.confidence --sources=…`.

Simulated measurements of crystals whose formulas were held back for the test: with the instruments
and noise of training, and with some never trained on. And patterns that are of no crystal at all,
which should get no answer.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from absl import logging
from jaxtyping import Float, Int

from benchmarks.tables import markdown
from configs import measured
from data_gen.command_line import Parser, exit_status
from data_gen.errors import InputError
from data_gen.instrument import Instrument
from data_gen.symmetry import extinction_group
from sgan_jax import agreement, command_line, figures, input_pipeline, metrics, trained
from sgan_jax.augmentation.effects import EVALUATED, UNSEEN_WAVELENGTHS, Draws, draw
from sgan_jax.augmentation.patterns import AugmentedPatterns
from sgan_jax.classifier import Classifier
from sgan_jax.measured import Pattern
from sgan_jax.panel import Panel
from sgan_jax.presentation import present

_EXTINCTION_GROUPS = [extinction_group(number) for number in range(1, 231)]
_SHARES = (1.0, 0.9, 0.75, 0.5, 0.25)
_SIZES = ("n_total", "n_labelled", "n_validation", "n_test")

_WIDTHS = ((0.10, -0.18, 0.15), (0.15, -0.35, 0.35), (0.6, -0.5, 0.4))  # U, V, W in degrees²
UNSEEN = tuple(
    Instrument(
        f"unseen_{number}",
        wavelength=wavelength,
        two_theta_min=3.0,
        two_theta_max=160.0,
        two_theta_step=0.05,
        u=u,
        v=v,
        w=w,
        eta=0.5,
    )
    for number, (wavelength, (u, v, w)) in enumerate(zip(UNSEEN_WAVELENGTHS, _WIDTHS, strict=True))
)
"""Three instruments at wavelengths that training keeps clear of."""


def draw_unseen(rng: np.random.Generator, count: int) -> Draws:
    """Measurements with instruments, peak shapes and noise that training never draws."""
    drawn = draw(rng, count, EVALUATED, UNSEEN)
    made, rows = drawn.measurements, drawn.conditions
    rows["eta"] = rng.uniform(0.35, 0.6, count)  # training: up to 0.3
    made["counts"] = np.exp(rng.uniform(np.log(50), np.log(150), count))  # training: from 150 on
    made["overdispersion"] = rng.uniform(1.3, 1.6, count)  # training: up to 1.3
    made["background"] *= 1 + 0.3 * np.sin(np.linspace(0, 12, made["background"].shape[1]))
    return drawn


class Tried(NamedTuple):
    """Answers to simulated measurements.

    Attributes:
        logits: Divided by the temperature.
        labels: True classes.
        prior_top1: Share of the most frequent class.
        prior_top5: Share of the five most frequent ones.
    """

    logits: Float[np.ndarray, "n k"]
    labels: Int[np.ndarray, " n"]
    prior_top1: float
    prior_top5: float


def dataset_of(classifier: Classifier, sources: str, data_dir: str) -> input_pipeline.Dataset:
    """The data set of the run that a classifier was trained in.

    It is known by the sizes of the parts of its split and the labelled patterns of each class. Its
    fingerprint would not do: that changes with the code that builds data sets, too.

    Raises:
        InputError: The sources are not those of that run.
    """
    training = classifier.description["training"]
    config = measured.get_config(classifier.task)
    for name, value in training["config"]["data"].items():
        config.data[name] = value
    for name in ("classes", "seed", "label_fraction", "validation_fraction"):
        config[name] = training["config"][name]
    config.data.sources, config.data.dir = sources, data_dir
    dataset = input_pipeline.load(config)
    found, expected = dataset.summary(), training["dataset"]
    labelled = [each.n_labelled for each in classifier.classes]
    if (
        any(found[count] != expected[count] for count in _SIZES)
        or dataset.class_counts["labelled"].tolist() != labelled
    ):
        raise InputError(
            f"--sources={sources}: these {found['n_total']:,} structures are not the "
            f"{expected['n_total']:,} that the model was trained on; name the sources of those"
        )
    return dataset


def tried(
    classifier: Classifier, dataset: input_pipeline.Dataset, patterns: AugmentedPatterns, count: int
) -> Tried:
    """Asks a classifier about crystals of the test set."""
    rows = np.random.default_rng(0).permutation(dataset.split.test)[:count]
    counts, labels = dataset.class_counts["labelled"], dataset.labels[rows]
    return Tried(
        classifier.logits(patterns[rows]) / (classifier.temperature or 1.0),
        labels,
        metrics.prior_top_k(counts, labels, 1),
        metrics.prior_top_k(counts, labels, 5),
    )


def together(lattices: Tried, groups: Tried, classifiers: Sequence[Classifier]) -> list[Tried]:
    """What both networks say once each has heard the other, as `python -m sgan_jax.predict`."""
    of_group = agreement.lattices_of(classifiers[1].classes, classifiers[0].classes)
    said = [np.exp(metrics.log_probabilities(each.logits)) for each in (lattices, groups)]
    agreed = agreement.agreed(said[0], said[1], of_group)
    return [
        found._replace(logits=np.log(probabilities + 1e-30))
        for found, probabilities in zip((lattices, groups), agreed, strict=True)
    ]


def accuracy_row(name: str, found: Tried, task: str) -> list[str]:
    """One line of the table of accuracies."""
    logits, labels = found.logits, found.labels
    extinction = "–"
    if task == "space_group":
        _, group = np.unique(_EXTINCTION_GROUPS, return_inverse=True)
        extinction = f"{100 * metrics.grouped_top1(logits, labels, group):.1f}"
    return [
        name,
        *(f"{100 * metrics.top_k_accuracy(logits, labels, k):.1f}" for k in (1, 3, 5)),
        extinction,
        f"{100 * found.prior_top1:.1f} / {100 * found.prior_top5:.1f}",
        f"{100 * metrics.expected_calibration_error(logits, labels):.1f}",
    ]


def share_row(name: str, found: Tried) -> list[str]:
    """Accuracy where only the surest answers are given."""
    probability = np.exp(metrics.log_probabilities(found.logits))
    order = np.argsort(-probability.max(axis=1))
    right = (probability.argmax(axis=1) == found.labels)[order]
    return [name, *(f"{100 * right[: round(share * len(right))].mean():.1f}" for share in _SHARES)]


# ---------------------------------------------------------------- what is no crystal's pattern

_ANGLES = 5 + 0.1 * np.arange(1450)
_WAVELENGTH = 1.5403
_INVERSE_D = 2 * np.sin(np.radians(_ANGLES / 2)) / _WAVELENGTH


def _noise(rng: np.random.Generator) -> Float[np.ndarray, " points"]:
    return np.full(len(_ANGLES), 10 ** rng.uniform(1.5, 4))


def _liquid(rng: np.random.Generator) -> Float[np.ndarray, " points"]:
    """A structure factor of damped waves, as of hard spheres, over incoherent scattering."""
    q, size = 2 * np.pi * _INVERSE_D, rng.uniform(2.2, 3.2)
    waves = np.sin(q * size) / (q * size) * np.exp(-((rng.uniform(0.05, 0.15) * q) ** 2))
    return 10 ** rng.uniform(2, 4) * (1.2 - rng.uniform(0.8, 1.1) * waves)


def _empty_can(rng: np.random.Generator) -> Float[np.ndarray, " points"]:
    """Vanadium: next to nothing but incoherent scattering, with traces of its bcc peaks."""
    level = 10 ** rng.uniform(2, 3.5)
    curve = level * (1 + rng.uniform(0, 0.2) * np.cos(np.radians(_ANGLES)))
    for squared in (2, 4, 6, 8, 10):
        sine = _WAVELENGTH * squared**0.5 / 3.03 / 2
        centre = 2 * np.degrees(np.arcsin(sine))
        curve += 0.02 * level * np.exp(-0.5 * ((_ANGLES - centre) / 0.15) ** 2)
    return curve


NO_CRYSTALS: dict[str, Callable[[np.random.Generator], Float[np.ndarray, " points"]]] = {
    "noise": _noise,
    "liquid": _liquid,
    "empty vanadium can": _empty_can,
}


def declined(panel: Panel, kind: str, count: int) -> float:
    """Share of patterns of no crystal that get no answer."""
    rng, terms = np.random.default_rng(0), panel.terms()
    shown = []
    for number in range(count):
        counts = rng.poisson(NO_CRYSTALS[kind](rng)).astype(np.float64)
        pattern = Pattern(
            two_theta=_ANGLES,
            intensity=counts,
            sigma=None,
            wavelength=_WAVELENGTH,
            radiation="neutron",
            background=None,
            source=f"{kind} {number}",
            block="",
            format="simulated",
            notes=(),
        )
        shown.append(present(pattern, terms))
    return float(np.mean([not answer.answered for answer in panel.answers(shown)]))


# ---------------------------------------------------------------- command line


def main(flags: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit status: 0, or 2 for bad input."""
    parser = Parser(prog="python -m benchmarks.confidence", description=__doc__)
    parser.add_argument("--sources", required=True, help="those that the models were trained on")
    parser.add_argument("--data_dir", default="data")
    parser.add_argument("--count", type=int, default=2_000, help="patterns of each kind")
    parser.add_argument("--out", type=Path, metavar="DIR", help="for pictures")
    arguments = parser.parse_args(flags)
    logging.set_verbosity(logging.ERROR)
    command_line.keep_compiled_programs()
    return exit_status(_run, arguments)


def _run(arguments: argparse.Namespace) -> None:
    """Prints the tables; draws the reliability of each classifier."""
    classifiers = trained.load(trained.TASKS)
    accuracies, shares = [], []
    for kind, measurements in {"as in training": None, "never trained on": draw_unseen}.items():
        found = [_tried(each, measurements, arguments) for each in classifiers]
        for classifier, alone, both in zip(
            classifiers, found, together(found[0], found[1], classifiers), strict=True
        ):
            for networks, each in (("its network", alone), ("both networks", both)):
                name = f"{classifier.task}, {networks}, {kind}"
                accuracies.append(accuracy_row(name, each, classifier.task))
                shares.append(share_row(name, each))
            if arguments.out:
                _draw(arguments.out / f"{classifier.task}_{kind.replace(' ', '_')}.png", both)
    heading = ["instruments and noise", "top-1, %", "top-3", "top-5"]
    heading += ["extinction group", "prior of top-1 / top-5", "calibration error"]
    print(markdown(f"{arguments.count} test crystals", heading, accuracies))
    heading = ["top-1, %, of the surest", *(f"{100 * share:.0f} %" for share in _SHARES)]
    print(markdown("Accuracy against share answered", heading, shares))
    panel = Panel(classifiers)
    rows = [[kind, f"{100 * declined(panel, kind, 200):.1f}"] for kind in NO_CRYSTALS]
    print(markdown("Patterns of no crystal", ["200 of each", "without an answer, %"], rows))


def _tried(
    classifier: Classifier,
    draw_measurements: Callable[[np.random.Generator, int], Draws] | None,
    arguments: argparse.Namespace,
) -> Tried:
    dataset = dataset_of(classifier, arguments.sources, arguments.data_dir)
    patterns = cast(AugmentedPatterns, dataset.patterns)
    if draw_measurements is not None:
        patterns = patterns.evaluated_under(draw_measurements)
    return tried(classifier, dataset, patterns, arguments.count)


def _draw(path: Path, found: Tried) -> None:
    table = metrics.reliability(found.logits, found.labels)
    error = metrics.expected_calibration_error(found.logits, found.labels)
    figures.save_figure(figures.reliability_diagram(table, error), path)


if __name__ == "__main__":
    sys.exit(main())
