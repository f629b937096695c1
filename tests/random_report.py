"""A report of random answers, for the tests of what is made from one."""

from typing import Any

import numpy as np
from ml_collections import ConfigDict

from configs import base
from sgan_jax import report
from sgan_jax.config import classes_of, has_game

_GAME = {
    "diversity": {"generated": 0.125, "untrained": 0.25, "real": 0.875},
    "discriminator": {"real": 0.75, "generated": 0.375},
}


def random_report(
    task: str = "bravais_lattice", config: ConfigDict | None = None, **changes: object
) -> dict[str, Any]:
    """What `report.assemble` makes of random answers; `changes` are to its `dataset`."""
    config = config or base.get_config(task=task)
    classes = classes_of(config, np.ones(231, int))
    rng = np.random.default_rng(0)
    k = len(classes.names)
    labels = rng.integers(0, k - 1, 12 * k)  # the last class has no test pattern
    counts = {name: np.full(k, n) for name, n in (("labelled", 9), ("unlabelled", 70))}
    counts["test"] = np.bincount(labels, minlength=k)
    dataset = {
        "n_total": 1000,
        "n_labelled": 100,
        "n_validation": 0,
        "n_unlabelled": 800,
        "n_test": len(labels),
        "n_left_out": 3,
        "n_known": 2,
        "n_classes": k,
        "n_classes_present": k,
        "classes_without_label": [],
        "fingerprint": "0123456789abcdef",
        "rejected_by_reason": {"missing hydrogen": 1234},
    }
    return report.assemble(
        config,
        classes,
        dataset=dataset | changes,
        counts=counts,
        logits=rng.normal(size=(len(labels), k)),
        labels=labels,
        steps=500,
        checkpoint={"step": 500, "reason": "the last", "validation_top1": None},
        throughput={"train_patterns_per_s": 123.4, "input_wait_fraction": None},
        game=_GAME if has_game(config) else None,
    )
