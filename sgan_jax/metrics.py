"""Figures of merit of a classifier, as pure functions of logits and labels.

Everything is a fraction in [0, 1] unless said otherwise. `n` counts test patterns, `k` classes.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import log_softmax

CALIBRATION_BINS = 15
TEMPERATURES = (0.05, 20.0)
"""Least and greatest temperature: with all answers right, or none, there would be no limit."""

Logits = Float[np.ndarray, "n k"]
Labels = Int[np.ndarray, " n"]


def log_probabilities(logits: Logits) -> Float[np.ndarray, "n k"]:
    """Natural logarithms of the class probabilities, in float64."""
    return log_softmax(np.asarray(logits, np.float64), axis=1)


def negative_log_likelihood(logits: Logits, labels: Labels) -> float:
    """Mean of −ln p(true class), in nats per pattern."""
    return float(-log_probabilities(logits)[np.arange(len(labels)), labels].mean())


def in_top_k(scores: Float[np.ndarray, "n k"], labels: Labels, k: int) -> np.ndarray:
    """Whether each true class is among the `k` highest scores; equal scores rank by class index.

    Args:
        scores: Logits or probabilities.
        labels: True classes.
        k: How many guesses are allowed; with `k` at or above the number of classes all are right.

    Returns:
        Booleans of shape (n,).
    """
    ranking = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return (ranking == labels[:, None]).any(axis=1)


def top_k_accuracy(scores: Float[np.ndarray, "n k"], labels: Labels, k: int) -> float:
    """Share of patterns whose true class is among the `k` highest scores."""
    return float(in_top_k(scores, labels, k).mean())


def prior_top_k(labelled_counts: Int[np.ndarray, " k"], labels: Labels, k: int) -> float:
    """Accuracy of naming, for every pattern, the `k` classes most frequent among the labels.

    Args:
        labelled_counts: Labelled training patterns per class; the test set has no say in the order.
        labels: True classes of the test patterns.
        k: How many guesses are allowed.
    """
    most_frequent = np.argsort(-labelled_counts, kind="stable")[:k]
    return float(np.isin(labels, most_frequent).mean())


def grouped_top1(logits: Logits, labels: Labels, group_of_class: Int[np.ndarray, " k"]) -> float:
    """Top-1 accuracy of a coarser label such as the crystal system.

    A group's probability is the sum over its classes, and the most probable group is the answer;
    that may differ from the group of the most probable class.

    Args:
        logits: Class logits.
        labels: True classes (not groups).
        group_of_class: The group, from 0, that each class belongs to.
    """
    membership = np.eye(group_of_class.max() + 1)[group_of_class]
    of_group = np.exp(log_probabilities(logits)) @ membership
    return top_k_accuracy(of_group, group_of_class[labels], 1)


class Reliability(NamedTuple):
    """Confidence against accuracy in equal-width bins of the confidence.

    Attributes:
        n_patterns: Patterns per bin.
        confidence: Mean probability of the most probable class; 0 in an empty bin.
        accuracy: Share of those answers that are right; 0 in an empty bin.
    """

    n_patterns: Int[np.ndarray, " bins"]
    confidence: Float[np.ndarray, " bins"]
    accuracy: Float[np.ndarray, " bins"]


def reliability(logits: Logits, labels: Labels, bins: int = CALIBRATION_BINS) -> Reliability:
    """Bins the patterns by the probability of their most probable class.

    Args:
        logits: Class logits.
        labels: True classes.
        bins: How many bins of equal width divide [0, 1].
    """
    probability = np.exp(log_probabilities(logits))
    confidence = probability.max(axis=1)
    right = probability.argmax(axis=1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(index, minlength=bins)
    occupied = np.maximum(count, 1)
    return Reliability(
        count,
        np.bincount(index, confidence, minlength=bins) / occupied,
        np.bincount(index, right, minlength=bins) / occupied,
    )


def expected_calibration_error(logits: Logits, labels: Labels) -> float:
    """Mean distance of confidence and accuracy, Σ (n_b/n) |accuracy_b − confidence_b|.

    Source: Guo, Pleiss, Sun & Weinberger, ICML 2017, equation 3, with 15 bins.
    """
    table = reliability(logits, labels)
    distance = np.abs(table.accuracy - table.confidence)
    return float((table.n_patterns * distance).sum() / table.n_patterns.sum())


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """The T for which the probabilities softmax(logits/T) have the least negative log-likelihood.

    Source: Guo, Pleiss, Sun & Weinberger, ICML 2017, section 4.2.

    Args:
        logits: Class logits of patterns that were neither trained on nor are tested on.
        labels: True classes.
    """
    from scipy.optimize import minimize_scalar  # only here: slow to import, as those below

    def loss(log_temperature: float) -> float:
        scaled = np.asarray(logits, np.float64) / np.exp(log_temperature)
        return negative_log_likelihood(scaled, labels)

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded")
    return float(np.exp(found.x))  # pyright: ignore[reportAttributeAccessIssue]


def accuracy_interval(right: Bool[np.ndarray, " n"]) -> tuple[float, float]:
    """Lower and upper end of the 95 % interval of an accuracy, over the test patterns.

    Where all answers are right, or none, it is no point: few patterns still tell little.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.

    Args:
        right: Whether each answer was right, of one pattern at least.
    """
    from scipy.stats import binomtest

    interval = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def confusion(logits: Logits, labels: Labels) -> Int[np.ndarray, "k k"]:
    """Counts of patterns by true class (row) and most probable class (column)."""
    from sklearn.metrics import confusion_matrix

    classes = np.arange(logits.shape[1])
    return confusion_matrix(labels, logits.argmax(axis=1), labels=classes)


def row_normalised(matrix: Int[np.ndarray, "k k"]) -> Float[np.ndarray, "k k"]:
    """Each row divided by its sum; the row of a class without patterns becomes NaN."""
    support = matrix.sum(axis=1, keepdims=True)
    return np.divide(matrix, support, out=np.full(matrix.shape, np.nan), where=support > 0)


def per_class_recall(matrix: Int[np.ndarray, "k k"]) -> Float[np.ndarray, " k"]:
    """Share of each true class that was recognised; NaN for a class without patterns."""
    return row_normalised(matrix).diagonal()


def diversity(patterns: Float[np.ndarray, "n grid"]) -> float:
    """How different patterns are from each other: the mean of 1 − cosine over all pairs.

    A generator that has collapsed to one pattern has 0; patterns without a peak in common have 1.

    Args:
        patterns: Intensities; negative where a pattern was not measured, which counts as zero.

    Returns:
        From 0 to 1; NaN for fewer than two patterns.
    """
    n = len(patterns)
    if n < 2:
        return math.nan
    counted = np.maximum(patterns, 0)
    lengths = np.linalg.norm(counted, axis=1, keepdims=True)
    unit = counted / np.maximum(lengths, np.finfo(lengths.dtype).tiny)
    # The cosines of all ordered pairs add up to |Σ u|², each with itself among them.
    return float(1 - (np.square(unit.sum(axis=0)).sum() - np.square(unit).sum()) / (n * (n - 1)))
