"""Looks at a network while it trains: accuracy on each subset, and pictures, for TensorBoard."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int, UInt8
from ml_collections import ConfigDict

from sgan_jax import figures, metrics, processes
from sgan_jax.grids import NOT_MEASURED
from sgan_jax.inference import Predict, generate
from sgan_jax.input_pipeline import Dataset
from sgan_jax.scoring import predict_logits, system_of_class
from sgan_jax.state import SganState, averaged_params

PATTERNS_PER_SUBSET = 512
"""Patterns of each subset that are looked at; the report has the whole test set."""

_PATTERNS_COMPARED = 64
_PATTERNS_SHOWN = 6

Image = UInt8[np.ndarray, "height width 3"]


class Sample(NamedTuple):
    """Patterns of the generator, and as many of the test set to compare them with.

    Attributes:
        generated: Of the generator with its running statistics; what was not measured of the real
            pattern beside one is left out of it, as it is for the discriminator.
        real: Evenly from all sources.
    """

    generated: Float[np.ndarray, "n grid"]
    real: Float[np.ndarray, "n grid"]

    @property
    def shown(self) -> "Sample":
        """As many as fit in a picture."""
        return Sample(self.generated[:_PATTERNS_SHOWN], self.real[:_PATTERNS_SHOWN])

    def diversity(self) -> dict[str, float]:
        """`metrics.diversity` of both; next to nothing of `generated` means mode collapse."""
        return {name: metrics.diversity(rows) for name, rows in self._asdict().items()}


def sample(config: ConfigDict, dataset: Dataset, state: SganState) -> Sample | None:
    """What its generator makes, the same noise every time, beside real patterns; None without."""
    if state.generator is None:
        return None
    rows = dataset.split.test
    real = dataset.patterns[rows[:: -(-len(rows) // _PATTERNS_COMPARED)]]
    made = generate(config, state.generator, jax.random.key(config.seed), len(real))
    return Sample(np.where(real >= 0, made, NOT_MEASURED), real)


class Monitor:
    """Accuracies and pictures of a run, for its reader, and the one by which the best is chosen.

    Args:
        config: The run's config.
        dataset: The run's data.
        predict: The classifier.
    """

    def __init__(self, config: ConfigDict, dataset: Dataset, predict: Predict) -> None:
        self._config = config
        self._dataset = dataset
        self._predict = predict
        self._rows = {name: _spread(rows) for name, rows in dataset.subsets.items() if len(rows)}

    def look(self, state: SganState) -> tuple[dict[str, float], dict[str, Image]]:
        """Evaluates the averaged weights on some patterns of each subset.

        Returns:
            Accuracies and diversities of patterns, and pictures, by TensorBoard tag; what does not
            concern the accuracy in the main process alone.
        """
        logits = {name: self._logits(state, rows) for name, rows in self._rows.items()}
        accuracies = {
            f"accuracy/{name}": self._top1(logits[name], rows) for name, rows in self._rows.items()
        }
        if not processes.is_main():
            return accuracies, {}
        pictures = {"confusion_matrix": self._confusion(logits["test"])}
        found = sample(self._config, self._dataset, state)
        if found is None:
            return accuracies, pictures
        beside = figures.generated_patterns(self._dataset.axis, *found.shown)
        pictures["generated_patterns"] = figures.figure_to_image(beside)
        diversity = {f"diversity/{name}": value for name, value in found.diversity().items()}
        return accuracies | diversity, pictures

    def validation_top1(self, state: SganState) -> float | None:
        """Accuracy of the averaged weights on the whole validation set, None where it is empty."""
        rows = self._dataset.split.validation
        return self._top1(self._logits(state, rows), rows) if len(rows) else None

    def _logits(self, state: SganState, rows: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n k"]:
        params = averaged_params(state, self._config.ema_decay)
        return predict_logits(
            self._predict, params, self._dataset.patterns, rows, self._config.batch_size
        )

    def _top1(self, logits: Float[np.ndarray, "n k"], rows: Int[np.ndarray, " n"]) -> float:
        return metrics.top_k_accuracy(logits, self._dataset.labels[rows], 1)

    def _confusion(self, test_logits: Float[np.ndarray, "n k"]) -> Image:
        classes = self._dataset.class_list
        counts = metrics.confusion(test_logits, self._dataset.labels[self._rows["test"]])
        figure = figures.confusion_matrix(counts, classes.names, system_of_class(classes))
        return figures.figure_to_image(figure)


def _spread(rows: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """At most `PATTERNS_PER_SUBSET` of the rows, evenly from all sources."""
    return rows[:: -(-len(rows) // PATTERNS_PER_SUBSET)]
