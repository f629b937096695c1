"""Looks at a network while it trains: accuracy on each subset, and pictures, for TensorBoard."""

import jax
import numpy as np
from jaxtyping import Float, Int, UInt8
from ml_collections import ConfigDict

from sgan_jax import figures, metrics, processes
from sgan_jax.inference import Predict, generate
from sgan_jax.input_pipeline import Dataset
from sgan_jax.scoring import predict_logits, system_of_class
from sgan_jax.state import SganState, averaged_params

PATTERNS_PER_SUBSET = 512
"""Patterns of each subset that are looked at; the report has the whole test set."""

PATTERNS_SHOWN = 6
"""Real and generated patterns in a picture."""

Image = UInt8[np.ndarray, "height width 3"]


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
            Accuracies and pictures, by TensorBoard tag; pictures in the main process alone.
        """
        logits = {name: self._logits(state, rows) for name, rows in self._rows.items()}
        accuracies = {
            f"accuracy/{name}": self._top1(logits[name], rows) for name, rows in self._rows.items()
        }
        return accuracies, self._pictures(state, logits["test"]) if processes.is_main() else {}

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

    def _pictures(
        self, state: SganState, test_logits: Float[np.ndarray, "n k"]
    ) -> dict[str, Image]:
        classes = self._dataset.class_list
        counts = metrics.confusion(test_logits, self._dataset.labels[self._rows["test"]])
        confusion = figures.confusion_matrix(counts, classes.names, system_of_class(classes))
        pictures = {"confusion_matrix": figures.figure_to_image(confusion)}
        if state.generator is not None:
            root = jax.random.key(self._config.seed)
            real = self._dataset.patterns[self._rows["test"][:PATTERNS_SHOWN]]
            generated = np.asarray(generate(self._config, state.generator, root, len(real)))
            beside = figures.generated_patterns(self._dataset.axis, generated, real)
            pictures["generated_patterns"] = figures.figure_to_image(beside)
        return pictures


def _spread(rows: Int[np.ndarray, " n"]) -> Int[np.ndarray, " m"]:
    """At most `PATTERNS_PER_SUBSET` of the rows, evenly from all sources."""
    return rows[:: -(-len(rows) // PATTERNS_PER_SUBSET)]
