"""Classifiers that give every pattern the same logits, and patterns to ask them about."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from data_gen.instrument import instrument
from data_gen.symmetry import bravais_lattice
from sgan_jax.classifier import ARCHITECTURE, save_classifier, weight_shapes

LATTICES = {"oP": 4.0, "mP": 2.0, "tP": 1.0, "cF": 0.0}
GROUPS = {"62": 3.0, "33": 2.0, "14": 1.0, "225": 0.0}

FIRST = {
    "name": "first",
    "sha256": "0123456789abcdef" * 4,
    "sources": ["theirs.zip"],
    "n_labelled": 1000,
    "steps": 2000,
    "pretrained": None,
}
"""`Pretrained.summary` of weights that a training may have started from."""


def write_classifier(
    folder: Path,
    logits: Mapping[str, float],
    *,
    n_labelled: int = 1000,
    instrument_name: str = "bt1_ge311",
    grid: str | None = "inverse_d",
    energy_threshold: float | None = None,
) -> Path:
    """Writes a classifier whose weights are all 0 but the biases of its classes."""
    of_lattices = not next(iter(logits)).isdecimal()
    description = {
        "network": {
            "architecture": ARCHITECTURE,
            "stem_pool": True,
            "coverage_channel": grid is not None,
        },
        "task": "bravais_lattice" if of_lattices else "space_group",
        "classes": [
            {
                "name": name,
                "space_groups": [n for n in range(1, 231) if bravais_lattice(n) == name]
                if of_lattices
                else [int(name)],
                "n_labelled": n_labelled,
            }
            for name in logits
        ],
        "instrument": asdict(instrument(instrument_name)),
        "grid": grid,
        "normalisation": {
            "minimum": 0.0,
            "maximum": 1.0,
            "intensity": "linear" if grid is None else "root",
        },
        "calibration": {"temperature": 1.0, "energy_threshold": energy_threshold},
        "licence": {"data_sources": ["amcsd"]},
        "training": {
            "method": "supervised",
            "label_fraction": 0.9,
            "checkpoint": {"step": 1, "reason": "the last", "validation_top1": None},
            "test": None,
            "config": {"data": {"scattering_lengths": "periodictable", "check_symmetry": False}},
        },
    }
    weights = {
        name: np.zeros(shape, np.float32) for name, shape in weight_shapes(description).items()
    }
    weights["classes.bias"] = np.array(list(logits.values()), np.float32)
    save_classifier(folder, description, weights, card="")
    return folder


def write_classifiers(folder: Path, **settings: object) -> str:
    """Writes one classifier of each task; returns what `--model` is to be."""
    both = (("lattices", LATTICES), ("groups", GROUPS))
    return ",".join(str(write_classifier(folder / n, logits, **settings)) for n, logits in both)  # pyright: ignore[reportArgumentType]


def pattern_text(*, peaks: int = 12, end: float = 130.0, level: float = 100.0) -> str:
    """Columns of 2θ, counts and uncertainties, from 10° by 0.1°, with peaks at odd places."""
    rng = np.random.default_rng(peaks)
    angles = np.arange(10.0, end, 0.1)
    counts = np.full(len(angles), level)
    for centre in rng.uniform(20, 100, peaks):
        counts += 20 * level * np.exp(-(((angles - centre) / 0.4) ** 2))
    counts = rng.poisson(counts)
    rows = zip(angles, counts, np.sqrt(counts), strict=True)
    return "".join(f"{x:8.2f} {y:10.2f} {s:8.2f}\n" for x, y, s in rows)
