"""What an experiment's config may say, checked before anything is read or written."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int
from ml_collections import ConfigDict

from data_gen.errors import InputError
from data_gen.instrument import DEFAULT_INSTRUMENT, instrument
from data_gen.sources import source_names
from data_gen.symmetry import ClassList, class_list
from sgan_jax.grids import GRIDS, POINTS
from sgan_jax.models.generator import LAYERS, output_length

METHODS = ("sgan", "supervised")
PRESETS = ("tuned", "paper", "released_code")
DEFAULT_METHOD, DEFAULT_PRESET = METHODS[0], PRESETS[0]

DEFAULT_CLASSES = "default"
_CLASSES_OF_TASK = {"bravais_lattice": "bravais14", "space_group": "paper144"}

LARGEST_LABEL_FRACTION = 0.9
"""The other tenth of the patterns is the test set."""

_CHOICES = {
    "task": tuple(_CLASSES_OF_TASK),
    "method": METHODS,
    "preset": PRESETS,
    "data.split_by": ("random", "formula"),
    "data.grid": tuple(GRIDS),
    "data.scattering_lengths": ("periodictable", "sears1992"),
    "model.generator": tuple(LAYERS),
    "optimizer.schedule": ("constant", "cosine"),
}

_AT_LEAST_ONE = (lambda value: 1 <= value < 2**31, "at least 1 and below 2^31")
_NOT_NEGATIVE = (lambda value: 0 <= value < math.inf, "0 or more, and finite")
_POSITIVE = (lambda value: 0 < value < math.inf, "more than 0 and finite")
_BELOW_ONE = (lambda value: 0 <= value < 1, "at least 0 and below 1")
_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "label_fraction": (lambda value: 0 < value <= LARGEST_LABEL_FRACTION, "in (0, 0.9]"),
    "validation_fraction": _BELOW_ONE,
    "seed": (lambda value: 0 <= value < 2**32, "in [0, 2^32)"),
    "num_steps": _AT_LEAST_ONE,
    "batch_size": _AT_LEAST_ONE,
    "ema_decay": _BELOW_ONE,
    "log_every": _AT_LEAST_ONE,
    "eval_every": _AT_LEAST_ONE,
    "checkpoint_every": _AT_LEAST_ONE,
    "checkpoints_to_keep": _AT_LEAST_ONE,
    "data.limit": _AT_LEAST_ONE,
    "data.workers": _AT_LEAST_ONE,
    "model.dropout": _BELOW_ONE,
    "optimizer.supervised_learning_rate": _POSITIVE,
    "optimizer.unsupervised_learning_rate": _NOT_NEGATIVE,
    "optimizer.generator_learning_rate": _NOT_NEGATIVE,
    "optimizer.adam_b1": _BELOW_ONE,
    "optimizer.adam_eps": _POSITIVE,
    "optimizer.weight_decay": _NOT_NEGATIVE,
    "optimizer.clip_norm": _NOT_NEGATIVE,
    "optimizer.warmup_steps": _NOT_NEGATIVE,
    "loss.contrast": _NOT_NEGATIVE,
    "loss.target_noise": (lambda value: 0 <= value <= 0.5, "in [0, 0.5]"),
}


FURTHER_SOURCES = {"labelled_sources": "labelled", "unlabelled_sources": "unlabelled"}
"""The set of the split to which all structures belong that a field of `config.data` names."""

_FURTHER_UNLABELLED = ("unlabelled_measured", "unlabelled_sources")
"""Fields of `config.data` that name unlabelled patterns beside those of the data set."""


def parse_argument(arg: str, method: str, preset: str) -> tuple[str, str]:
    """Reads `[METHOD[,PRESET]]`, the part after the colon of `--config=FILE:…`.

    Args:
        arg: The text; an empty part stands for its default.
        method: The default method.
        preset: The default preset.

    Raises:
        InputError: An unknown method or preset, or more than two parts.
    """
    parts = arg.split(",")
    if len(parts) > 2:
        raise InputError(f"config argument {arg!r} has too many parts; use METHOD or METHOD,PRESET")
    method = parts[0] or method
    preset = (parts[1] if len(parts) == 2 else "") or preset
    _check_choice("method", method, METHODS)
    _check_choice("preset", preset, PRESETS)
    return method, preset


def validate(config: ConfigDict) -> None:
    """Checks every value that a user may have changed.

    Raises:
        InputError: The first field at fault, with its value and what it may be.
    """
    for name, choices in _CHOICES.items():
        _check_choice(name, _field(config, name), choices)
    for name, (holds, wanted) in _RANGES.items():
        value = _field(config, name)
        if value is not None and not holds(value):  # NaN fails every comparison
            raise InputError(f"config.{name}={value}: must be {wanted}")
    instrument(config.data.instrument)
    classes_of(config, np.full(231, np.iinfo(np.int64).max))
    _check_combinations(config.to_dict())


def classes_of(config: ConfigDict, counts: Int[np.ndarray, "231"]) -> ClassList:
    """The classes that a config's network tells apart.

    Args:
        config: Of which `task` and `classes` are read.
        counts: Structures per space group number, for `at_least_N` and `most_frequent_N`.

    Raises:
        InputError: The classes are unknown or do not fit the task.
    """
    return class_list(config.task, name_of_classes(config), counts)


def name_of_classes(config: ConfigDict) -> str:
    """The name of a config's class list, with the task's own for `default`."""
    return _CLASSES_OF_TASK[config.task] if config.classes == DEFAULT_CLASSES else config.classes


def patterns_per_step(config: Mapping[str, Any] | ConfigDict) -> int:
    """Real patterns, labelled and unlabelled, that a step trains on."""
    return config["batch_size"] * (2 if config["method"] == "sgan" else 1)


def has_game(config: Mapping[str, Any] | ConfigDict) -> bool:
    """Whether a generator plays against the discriminator: in an SGAN, unless neither may learn."""
    rates = config["optimizer"]
    return config["method"] == "sgan" and bool(
        rates["unsupervised_learning_rate"] or rates["generator_learning_rate"]
    )


def _check_combinations(config: dict[str, Any]) -> None:
    _check_sources(config["data"])
    if config["pretrained"] and config["model"]["real_fake_head"]:
        raise InputError(
            f"config.pretrained={config['pretrained']}: exported classifiers have no real/fake "
            "head; set config.model.real_fake_head=False"
        )
    further = [name for name in _FURTHER_UNLABELLED if config["data"][name]]
    all_labelled = config["label_fraction"] >= LARGEST_LABEL_FRACTION
    if config["method"] == "sgan" and all_labelled and not further:
        raise InputError(
            f"config.label_fraction={config['label_fraction']} leaves no unlabelled patterns for "
            "an SGAN; lower it or train with METHOD supervised (--config=FILE:supervised)"
        )
    if config["method"] != "sgan" and further:
        raise InputError(
            f"config.data.{further[0]}={config['data'][further[0]]}: only an SGAN learns from "
            "unlabelled patterns; train with METHOD sgan (--config=FILE:sgan)"
        )
    learns = config["optimizer"]["unsupervised_learning_rate"] or config["loss"]["contrast"]
    if config["method"] == "sgan" and not learns:
        raise InputError(
            "config.optimizer.unsupervised_learning_rate=0 without config.loss.contrast leaves "
            "nothing to learn from unlabelled patterns; raise the rate or train with METHOD "
            "supervised (--config=FILE:supervised)"
        )
    _check_augmentation(config)
    points = len(instrument(config["data"]["instrument"]).two_theta)
    points = POINTS if config["augmentation"]["enabled"] else points
    made = output_length(config["model"]["generator"])
    if has_game(config) and points != made:
        raise InputError(
            f"config.data.instrument={config['data']['instrument']} has patterns of {points} "
            f"points and the generator of an SGAN makes {made}; choose another or "
            "METHOD supervised (--config=FILE:supervised)"
        )


def _check_sources(data: dict[str, Any]) -> None:
    """No source may be named in two fields: its structures would belong to the first alone."""
    named: dict[Path, str] = {}
    for field in ("sources", *FURTHER_SOURCES):
        sources = source_names(data[field]) if data[field] else []
        for path in map(Path, sources):
            if (other := named.get(path, field)) != field:
                raise InputError(
                    f"config.data.{field}={data[field]}: {path} is named by config.data.{other} as "
                    "well; name each source once"
                )
        named |= dict.fromkeys(map(Path, sources), field)


def _check_augmentation(config: dict[str, Any]) -> None:
    data = config["data"]
    if not config["augmentation"]["enabled"]:
        for name, value in (("grid", "two_theta"), ("unlabelled_measured", None)):
            if data[name] != value:
                raise InputError(
                    f"config.data.{name}={data[name]} needs simulated measurements; set "
                    "config.augmentation.enabled=True, as configs/measured.py does"
                )
        if config["model"]["coverage_channel"]:
            raise InputError(
                "config.model.coverage_channel=True is for simulated measurements, which alone "
                "have parts that were not measured; set config.augmentation.enabled=True"
            )
    elif not config["model"]["coverage_channel"]:
        raise InputError(
            "config.augmentation.enabled=True makes patterns with parts that were not measured; "
            "set config.model.coverage_channel=True"
        )
    elif data["instrument"] != DEFAULT_INSTRUMENT:
        raise InputError(
            f"config.data.instrument={data['instrument']}: simulated measurements are drawn over "
            f"all neutron instruments; leave it at {DEFAULT_INSTRUMENT}"
        )
    elif data["relatives"] or config["loss"]["contrast"]:
        raise InputError(
            "config.data.relatives and config.loss.contrast change stored patterns, and "
            "simulated measurements are made anew; set them to False and 0"
        )


def _field(config: Any, name: str) -> Any:  # noqa: ANN401 - fields have several types
    for part in name.split("."):
        config = config[part]
    return config


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"unknown {name} {value!r}; choose from {', '.join(choices)}")
