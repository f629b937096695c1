"""The classifier of a run by itself: `python -m sgan_jax.export --workdir=runs/NAME --out=DIR`."""

import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path, PurePath
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int
from ml_collections import ConfigDict

from data_gen.command_line import Parser
from data_gen.errors import InputError
from data_gen.instrument import DEFAULT_INSTRUMENT, instrument
from data_gen.sources import source_names
from sgan_jax import classifier, command_line, metrics, model_card, report, workdir
from sgan_jax.checkpoint import Choice
from sgan_jax.config import FURTHER_SOURCES, validate
from sgan_jax.inference import make_predict
from sgan_jax.pretrained import sources_before
from sgan_jax.run import Run, open_run
from sgan_jax.scoring import predict_logits
from sgan_jax.state import Params, averaged_params

_SOURCES = ("sources", *FURTHER_SOURCES)
_ANYWHERE = {"dir", "workers", "streamed", *_SOURCES, "unlabelled_measured"}
"""Fields of `config.data` that say something of the machine, or are given elsewhere."""

_MOST_CONFUSIONS = 5
_NO_CHANCE = 5
"""Test crystals of one class with the same wrong answer, from which on it is worth telling."""

_UNUSUAL = 0.01
"""Share of the validation patterns that would be taken for something else than patterns."""


def export(folder: Path, out: Path, data_licence: str | None = None) -> dict[str, Any]:
    """Writes the classifier of a run, for `classifier.load_classifier`.

    Args:
        folder: The run's.
        out: Made by this; if there already, it must be empty.
        data_licence: Under which its patterns may be used, if that is to be told.

    Returns:
        What `model.json` says of it.

    Raises:
        InputError: There is no such run, its data are not as they were, or `out` cannot be written.
    """
    classifier.check_free(out)
    config = _config_of(folder)
    with open_run(config, folder) as run:
        chosen, state = run.chosen_state()
        params = averaged_params(state, config.ema_decay)
        description = _description(run, chosen, params, data_licence)
    card = model_card.card(out.absolute().name, description)
    classifier.save_classifier(out, description, _weights(description, params), card)
    return description


def largest_confusions(per_class: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The few most frequent wrong answers of a report; none that may be chance.

    Args:
        per_class: Of the report.

    Returns:
        True class, answer, how many test crystals of the class got it, and how many there are; the
        greatest number first.
    """
    found = [
        {"class": entry["name"], "answer": answer, "n": n, "n_test": entry["n_test"]}
        for entry in per_class
        for answer, n in entry["predicted"].items()
        if answer != entry["name"] and n >= _NO_CHANCE
    ]
    return sorted(found, key=lambda confusion: -confusion["n"])[:_MOST_CONFUSIONS]


def _config_of(folder: Path) -> ConfigDict:
    # Older runs do not know of weights to start from.
    config = ConfigDict({"pretrained": "", **workdir.read(folder).config})
    try:
        validate(config)
    except (AttributeError, KeyError) as error:
        raise InputError(
            f"{folder} was trained by another version of this program, whose config lacks a field "
            f"({error}); export it with that version"
        ) from error
    return config


def _description(
    run: Run, chosen: Choice, params: Params, data_licence: str | None
) -> dict[str, Any]:
    config, dataset = run.config, run.dataset
    model = instrument(config.data.instrument)
    return {
        "network": {
            "architecture": classifier.ARCHITECTURE,
            "stem_pool": config.model.stem_pool,
            "coverage_channel": config.model.coverage_channel,
        },
        "task": config.task,
        "classes": _classes(run),
        "instrument": asdict(model),
        "grid": _grid(config),
        "normalisation": {
            "minimum": 0.0,
            "maximum": 1.0,
            "intensity": "root" if config.augmentation.enabled else "linear",
        },
        "calibration": _calibration(run, params),
        "licence": {
            "code": importlib.metadata.metadata("sgan_jax")["License-Expression"],
            "data_sources": _all_sources(run),
            "data": data_licence,
        },
        "training": {
            "method": config.method,
            "label_fraction": config.label_fraction,
            "pretrained": run.identity.pretrained,
            "steps": run.checkpoints.steps[-1],
            "checkpoint": chosen._asdict(),
            **_figures(run.folder, chosen),
            "dataset": dataset.summary(),
            "sources": _names(config, "sources"),
            "further_sources": {
                subset: _names(config, field) for field, subset in FURTHER_SOURCES.items()
            },
            "config": _portable(config),
            "versions": report.environment()["versions"],
        },
    }


def _all_sources(run: Run) -> list[str]:
    """Sources of all that the weights have learnt from, those they started from included."""
    names = [name for field in _SOURCES for name in _names(run.config, field)]
    return list(dict.fromkeys([*names, *sources_before(run.identity.pretrained)]))


def _names(config: ConfigDict, field: str) -> list[str]:
    """Sources that a field of `config.data` names, without the places where they lie."""
    sources = source_names(config.data[field]) if config.data[field] else []
    return [PurePath(source).name for source in sources]


def _grid(config: ConfigDict) -> str | None:
    """The axis on which measured patterns can be prepared for the network, if there is one."""
    usual = config.data.instrument == DEFAULT_INSTRUMENT
    return config.data.grid if config.augmentation.enabled or usual else None


def _classes(run: Run) -> list[dict[str, Any]]:
    dataset = run.dataset
    counts = dataset.class_counts["labelled"]
    members = dataset.class_list.index_of_space_group
    return [
        {
            "name": name,
            "space_groups": np.flatnonzero(members == index).tolist(),
            "n_labelled": int(counts[index]),
        }
        for index, name in enumerate(dataset.class_list.names)
    ]


def _calibration(run: Run, params: Params) -> dict[str, Any]:
    """The temperature, fitted on the validation set; the test set only tells what it is worth."""
    config, dataset = run.config, run.dataset
    validation, test = dataset.split.validation, dataset.split.test
    if len(validation) == 0:
        reason = f"no validation set (config.validation_fraction={config.validation_fraction})"
        return {"temperature": None, "energy_threshold": None, "reason": reason}
    predict = make_predict(config, dataset.num_classes)
    logits, tested = (
        predict_logits(predict, params, dataset.patterns, rows, config.batch_size)
        for rows in (validation, test)
    )
    temperature = metrics.fit_temperature(logits, dataset.labels[validation])
    return {
        "temperature": temperature,
        "energy_threshold": float(np.quantile(classifier.energies(logits), _UNUSUAL)),
        "n_validation": len(validation),
        **_sureness("", logits, dataset.labels[validation], temperature),
        **_sureness("test_", tested, dataset.labels[test], temperature),
    }


def _sureness(
    prefix: str,
    logits: Float[np.ndarray, "n k"],
    labels: Int[np.ndarray, " n"],
    temperature: float,
) -> dict[str, float]:
    """Calibration error and log-likelihood before and after the division by a temperature."""
    return {
        f"{prefix}{name}_{when}": metric(scaled, labels)
        for when, scaled in (("before", logits), ("after", logits / temperature))
        for name, metric in (
            ("ece", metrics.expected_calibration_error),
            ("nll", metrics.negative_log_likelihood),
        )
    }


def _figures(folder: Path, chosen: Choice) -> dict[str, Any]:
    """What the run's report says of the test set; None where there is none on these weights."""
    path = folder / report.JSON_FILE
    unknown = {"test": None, "confusions": None}
    if not path.exists():
        return unknown
    try:
        content = json.loads(path.read_text())
        if content["checkpoint"] != chosen._asdict():
            return unknown
        wrong = largest_confusions(content["per_class"])
        return {"test": dict(content["test"]), "confusions": wrong}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged, or not the report of a run ({type(error).__name__}: {error}); "
            "write it anew with --mode=evaluate"
        ) from error


def _portable(config: ConfigDict) -> dict[str, Any]:
    fields = config.to_dict()
    del fields["pretrained"]  # a place; what lay there is told elsewhere
    return fields | {
        "data": {name: value for name, value in fields["data"].items() if name not in _ANYWHERE}
    }


def _weights(description: Mapping[str, Any], params: Params) -> classifier.Weights:
    """The weights of the classifier, without those of a real/fake head."""
    flat = classifier.by_name(jax.device_get(params))
    return {name: flat[name] for name in classifier.weight_shapes(description)}


# ---------------------------------------------------------------- command line


def main() -> None:
    """Runs the command line."""
    parser = Parser(prog="python -m sgan_jax.export", description="Writes a run's classifier.")
    add = parser.add_argument
    add("--workdir", type=Path, required=True, metavar="DIR", help="folder of the run")
    add("--out", type=Path, required=True, metavar="DIR", help="where its files are written")
    add("--data_licence", metavar="TEXT", help="licence of the training data, to be told with them")
    options = parser.parse_args()
    command_line.log_to_screen()
    command_line.keep_compiled_programs()
    with command_line.errors():
        description = export(options.workdir, options.out, options.data_licence)
        print(_summary(options.out, description))


def _summary(out: Path, description: Mapping[str, Any]) -> str:
    calibration, checkpoint = description["calibration"], description["training"]["checkpoint"]
    calibrated = (
        f"not calibrated: {calibration['reason']}"
        if calibration["temperature"] is None
        else f"temperature {calibration['temperature']:.3f}"
    )
    return (
        f"{out}: {description['task']}, {len(description['classes'])} classes, step "
        f"{checkpoint['step']} ({checkpoint['reason']}), {calibrated}"
    )


if __name__ == "__main__":
    main()
