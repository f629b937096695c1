"""What each network gains by hearing the other: `python -m benchmarks.both_networks --sources=…`.

On the crystals held back for validation, for several powers of the product of what both say of the
lattices. The best one, by the lattices' negative log-likelihood, is `sgan_jax.agreement.POWER`.
"""

import argparse
import sys
from collections.abc import Sequence

import numpy as np
from absl import logging
from jaxtyping import Float64, Int

from benchmarks.confidence import dataset_of
from benchmarks.tables import markdown
from data_gen.command_line import Parser, exit_status
from data_gen.errors import InputError
from sgan_jax import agreement, command_line, metrics, trained
from sgan_jax.classifier import Classifier

_POWERS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.8, 1.0)


def rows(
    said: Sequence[Float64[np.ndarray, "n classes"]],
    labels: Sequence[Int[np.ndarray, " n"]],
    lattice_of_group: Int[np.ndarray, " groups"],
) -> list[list[str]]:
    """Lines of the table.

    Args:
        said: Probabilities of the lattices and of the space groups, each by its own network.
        labels: True lattices and space groups.
        lattice_of_group: As by `agreement.lattices_of`.
    """
    lines = [["each by itself", *_figures(said, labels)]]
    for power in _POWERS:
        both = agreement.agreed(said[0], said[1], lattice_of_group, power)
        lines.append([f"power {power:.2f}", *_figures(both, labels)])
    return lines


def _figures(
    said: Sequence[Float64[np.ndarray, "n classes"]], labels: Sequence[Int[np.ndarray, " n"]]
) -> list[str]:
    columns = []
    for probabilities, truth in zip(said, labels, strict=True):
        logits = np.log(probabilities + 1e-30)
        columns += [
            f"{100 * metrics.top_k_accuracy(logits, truth, 1):.1f}",
            f"{metrics.negative_log_likelihood(logits, truth):.3f}",
            f"{100 * metrics.expected_calibration_error(logits, truth):.1f}",
        ]
    return columns


def main(flags: Sequence[str] | None = None) -> int:
    """Prints the table; returns the exit status: 0, or 2 for bad input."""
    parser = Parser(prog="python -m benchmarks.both_networks", description=__doc__)
    parser.add_argument("--sources", required=True, help="those that the models were trained on")
    parser.add_argument("--data_dir", default="data")
    arguments = parser.parse_args(flags)
    logging.set_verbosity(logging.ERROR)
    command_line.keep_compiled_programs()
    return exit_status(_run, arguments)


def _run(arguments: argparse.Namespace) -> None:
    lattices, groups = trained.load(trained.TASKS)
    of_group = agreement.lattices_of(groups.classes, lattices.classes)
    said, labels = _validation(groups, lattices, arguments.sources, arguments.data_dir)
    heading = ["", "lattice top-1, %", "nll", "calibration error, %"]
    heading += ["space group top-1, %", "nll", "calibration error, %"]
    title = f"{len(labels)} validation crystals"
    print(markdown(title, heading, rows(said, (of_group[labels], labels), of_group)))


def _validation(
    groups: Classifier, lattices: Classifier, sources: str, data_dir: str
) -> tuple[list[Float64[np.ndarray, "n classes"]], Int[np.ndarray, " n"]]:
    """What both networks say of the crystals held back, and their space-group classes.

    Raises:
        InputError: The networks did not hold back the same crystals, or the sources are others.
    """
    if _held_back(groups) != _held_back(lattices):
        raise InputError(
            "the networks of lattices and of space groups were trained on different splits, so one "
            "of them knows crystals that the other held back; train both alike"
        )
    dataset = dataset_of(groups, sources, data_dir)
    held_back = dataset.split.validation
    patterns = dataset.patterns[held_back]
    said = [each.probabilities(patterns).astype(np.float64) for each in (lattices, groups)]
    return said, dataset.labels[held_back]


def _held_back(classifier: Classifier) -> tuple[object, ...]:
    """All on which it depends which crystals a network has not seen."""
    training = classifier.description["training"]
    config, data = training["config"], training["config"]["data"]
    fields = ("seed", "label_fraction", "validation_fraction")
    return (
        training["dataset"]["fingerprint"],
        *(config[name] for name in fields),
        *(data[name] for name in ("split_by", "formulas_left_out", "limit")),
    )


if __name__ == "__main__":
    sys.exit(main())
