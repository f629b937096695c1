"""From a trained network and patterns to the `test` block of the report.

`predict_logits` runs the network over any number of patterns, `score` turns the logits into
figures of merit. Neither knows where the patterns come from, so any structures can be scored.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from data_gen.errors import InputError
from data_gen.symmetry import ClassList, crystal_system, extinction_group
from sgan_jax import metrics, processes
from sgan_jax.inference import Predict
from sgan_jax.prefetch import ahead
from sgan_jax.records import Patterns
from sgan_jax.state import Params

_LATTICE_SYSTEM = {
    "a": "triclinic",
    "m": "monoclinic",
    "o": "orthorhombic",
    "t": "tetragonal",
    "h": "hexagonal",
    "c": "cubic",
}


def predict_logits(
    predict: Predict,
    params: Params,
    patterns: Patterns,
    rows: Int[np.ndarray, " m"],
    batch_size: int,
) -> Float[np.ndarray, "m k"]:
    """Class logits of some patterns, each passed through the network exactly once.

    Of several processes each takes its share of the rows, and all get the logits of all.

    The last batch is filled up with empty patterns, so that the network is compiled for one shape,
    and what they give is dropped. A few batches at a time are in memory.

    Args:
        predict: The network; called with batches of exactly `batch_size` patterns.
        params: Its parameters.
        patterns: Patterns in float32, in memory or not.
        rows: Which of them, in the order wanted.
        batch_size: Patterns per call, divisible by the number of devices.

    Raises:
        InputError: The network's answers are not finite.
    """
    own = processes.share(rows)

    def batch(number: int) -> Float[np.ndarray, "batch grid"]:
        taken = patterns[own[number * batch_size : (number + 1) * batch_size]]
        return np.pad(taken, ((0, batch_size - len(taken)), (0, 0)))

    batches = ahead(batch, range(max(math.ceil(len(own) / batch_size), 1)))
    made = np.concatenate([np.array(predict(params, each)) for each in batches])[: len(own)]
    result = processes.join(made, len(rows))
    if not np.isfinite(result).all():
        raise InputError(
            "the network gives values that are not finite: train again from an earlier checkpoint, "
            "or with a smaller learning rate"
        )
    return result


def system_of_class(class_list: ClassList) -> tuple[str, ...]:
    """The crystal system of each class; for Bravais lattices the lattice system.

    A primitive hexagonal lattice (hP) holds trigonal and hexagonal crystals alike, so lattices can
    only be sorted into lattice systems: hR is rhombohedral, hP hexagonal (International Tables A,
    section 1.3.4).
    """
    if class_list.task == "space_group":
        return tuple(crystal_system(int(name)) for name in class_list.names)
    return tuple(
        "rhombohedral" if name == "hR" else _LATTICE_SYSTEM[name[0]] for name in class_list.names
    )


def extinction_group_of_class(class_list: ClassList) -> tuple[int, ...] | None:
    """The extinction group of each class; None for Bravais lattices, which hold several each."""
    if class_list.task != "space_group":
        return None
    return tuple(extinction_group(int(name)) for name in class_list.names)


def score(
    logits: Float[np.ndarray, "n k"],
    labels: Int[np.ndarray, " n"],
    class_list: ClassList,
    labelled_counts: Int[np.ndarray, " k"],
) -> dict[str, Any]:
    """The figures of merit that stand in `report.json` under `test`.

    Args:
        logits: Class logits of the test patterns.
        labels: Their true classes.
        class_list: What the classes are.
        labelled_counts: Labelled training patterns per class, from which the prior is taken.

    Returns:
        Fractions `top1`, `top5`, `crystal_system_top1`, `extinction_group_top1` and `ece`; the
        same four of the prior, that is of naming the classes (or the system, or the extinction
        group) most frequent among the labels: `prior_top1`, `prior_top5`,
        `prior_crystal_system_top1`, `prior_extinction_group_top1`; `nll` in nats; `top1_ci95` as
        [low, high], see `metrics.accuracy_interval`. What concerns extinction groups is None for
        Bravais lattices.

    Raises:
        InputError: There is no test pattern.
    """
    if len(labels) == 0:
        raise InputError("there is no test pattern: name more structures or raise the limit")
    right = metrics.in_top_k(logits, labels, 1)
    return {
        "top1": float(right.mean()),
        "top5": metrics.top_k_accuracy(logits, labels, 5),
        "top1_ci95": list(metrics.accuracy_interval(right)),
        "nll": metrics.negative_log_likelihood(logits, labels),
        "ece": metrics.expected_calibration_error(logits, labels),
        "prior_top1": metrics.prior_top_k(labelled_counts, labels, 1),
        "prior_top5": metrics.prior_top_k(labelled_counts, labels, 5),
        **_coarser("crystal_system", logits, labels, labelled_counts, system_of_class(class_list)),
        **_coarser(
            "extinction_group",
            logits,
            labels,
            labelled_counts,
            extinction_group_of_class(class_list),
        ),
    }


def _coarser(
    name: str,
    logits: Float[np.ndarray, "n k"],
    labels: Int[np.ndarray, " n"],
    labelled_counts: Int[np.ndarray, " k"],
    group_of_class: tuple[str, ...] | tuple[int, ...] | None,
) -> dict[str, float | None]:
    """Top-1 of groups of classes and of its prior; None where classes do not fall into groups."""
    if group_of_class is None:
        return {f"{name}_top1": None, f"prior_{name}_top1": None}
    _, group = np.unique(group_of_class, return_inverse=True)
    group_counts = np.bincount(group, weights=labelled_counts)
    return {
        f"{name}_top1": metrics.grouped_top1(logits, labels, group),
        f"prior_{name}_top1": metrics.prior_top_k(group_counts, group[labels], 1),
    }
