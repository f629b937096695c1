"""Weights that have learnt before, from which the training of a run starts: `config.pretrained`."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from data_gen.errors import InputError
from data_gen.sources import source_names
from sgan_jax import trained
from sgan_jax.classifier import Classifier, load_classifier
from sgan_jax.compositions import listed_compositions
from sgan_jax.config import name_of_classes
from sgan_jax.splits import split_of_training
from sgan_jax.state import SganState

_NETWORK = ("stem_pool", "coverage_channel")
"""Fields of `config.model` that weights are made for."""

_REMEDY = "start from random weights"


@dataclass(frozen=True, eq=False)
class Pretrained:
    """An exported classifier from whose weights a run starts.

    Attributes:
        named: As `config.pretrained` names it.
        name: Of its folder.
        classifier: It.
    """

    named: str
    name: str
    classifier: Classifier

    def start(self, state: SganState) -> SganState:
        """A state whose discriminator has these weights; all else stays as it is.

        Args:
            state: Before the first step.
        """
        # Copies, since the train step gives the memory of its arguments away.
        return state.replace(params=jax.tree.map(jnp.array, self.classifier.params))

    def check_classes(self, names: tuple[str, ...]) -> None:
        """Checks that its answers are those of a run.

        Args:
            names: Of the run's classes.

        Raises:
            InputError: They are others.
        """
        own = tuple(entry.name for entry in self.classifier.classes)
        if own == names:
            return
        differing = sorted(set(own) ^ set(names))
        raise InputError(
            f"config.pretrained={self.named} has {len(own)} classes and the run has {len(names)}, "
            + (f"which differ in {', '.join(differing[:5])}" if differing else "in another order")
            + f"; name other weights, or {_REMEDY}"
        )

    def summary(self) -> dict[str, Any]:
        """What the weights have learnt from, without the place where they lie.

        Returns:
            `name` and `sha256`; `sources`, `n_labelled` and `steps` of their last training; and
            `pretrained`, the same of the weights that it started from, None for random ones.
        """
        description = self.classifier.description
        training = description["training"]
        return {
            "name": self.name,
            "sha256": description["weights"]["sha256"],
            "sources": own_sources(description),
            "n_labelled": sum(entry.n_labelled for entry in self.classifier.classes),
            "steps": training["steps"],
            "pretrained": training.get("pretrained"),
        }


def own_sources(description: Mapping[str, Any]) -> list[str]:
    """Sources of the crystals of a classifier's last training.

    Args:
        description: Its `model.json`.
    """
    training = description["training"]
    if "sources" not in training:  # older ones started from random weights
        return list(description["licence"]["data_sources"])
    return [*training["sources"], *further_sources(description)]


def further_sources(description: Mapping[str, Any]) -> list[str]:
    """Those of them that were trained on alone, never tested on; older classifiers do not say.

    Args:
        description: As for `own_sources`.
    """
    further = description["training"].get("further_sources", {})
    return [name for names in further.values() for name in names]


def sources_before(pretrained: Mapping[str, Any] | None) -> list[str]:
    """Sources of all that weights have learnt from, and those before them.

    Args:
        pretrained: Their `Pretrained.summary`.
    """
    if pretrained is None:
        return []
    return [*pretrained["sources"], *sources_before(pretrained["pretrained"])]


def load_pretrained(config: ConfigDict) -> Pretrained | None:
    """Reads the weights from which a config wants to start, if it names any.

    Raises:
        InputError: They cannot be read, are of another task or network, or have learnt what the run
            holds back.
    """
    named = config.pretrained
    if not named:
        return None
    try:
        folder = trained.find(named, by="config.pretrained")
        found = Pretrained(named, folder.absolute().name, load_classifier(folder))
        _check_network(found.classifier, config)
        _check_test_set(found.classifier.description, config)
        _check_validation(found.classifier.description, config)
        found.summary()  # all of it is there
    except InputError as error:
        raise InputError(f"config.pretrained={named}: {error}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(
            f"config.pretrained={named} does not say how it was trained ({type(error).__name__}: "
            f"{error}); export it again"
        ) from error
    return found


def _check_network(classifier: Classifier, config: ConfigDict) -> None:
    description = classifier.description
    before = ConfigDict(description["training"]["config"])
    has = {"task": classifier.task, "classes": name_of_classes(before)}
    wanted = {"task": config.task, "classes": name_of_classes(config)}
    has |= {f"model.{name}": description["network"][name] for name in _NETWORK}
    wanted |= {f"model.{name}": config.model[name] for name in _NETWORK}
    for field, value in wanted.items():
        if has[field] != value:
            raise InputError(
                f"these weights are of {field}={has[field]}, and the run is of {value}; set "
                f"config.{field}={has[field]}, name other weights, or {_REMEDY}"
            )


def _check_test_set(description: Mapping[str, Any], config: ConfigDict) -> None:
    """No test crystal may have been trained on, nor a composition that no network may see."""
    own = split_of_training(description, config.data.sources, _REMEDY)
    for field, had, value in (
        ("seed", own.seed, config.seed),
        ("data.split_by", own.split_by, config.data.split_by),
    ):
        if had != value:
            raise InputError(
                f"its crystals were split with {field}={had}, so it has seen test crystals of a "
                f"run with {value}; set config.{field}={had}, or {_REMEDY}"
            )
    left_out = description["training"]["config"]["data"]["formulas_left_out"]
    if not listed_compositions(config.data.formulas_left_out) <= listed_compositions(left_out):
        raise InputError(
            f"it may have seen some of config.data.formulas_left_out="
            f"{config.data.formulas_left_out}, since its training left out only "
            f"{left_out or 'none'}; shorten the list, or {_REMEDY}"
        )


def _check_validation(description: Mapping[str, Any], config: ConfigDict) -> None:
    """No crystal may have been trained on that is held back to find the best checkpoint."""
    if not config.validation_fraction or _was_held_back(description, config):
        return
    raise InputError(
        f"it may have seen crystals that config.validation_fraction={config.validation_fraction} "
        "holds back: that takes a training with at least the same validation_fraction and "
        "label_fraction and with all sources of the run among its own, further ones aside; set "
        f"config.validation_fraction=0, or {_REMEDY}"
    )


def _was_held_back(description: Mapping[str, Any], config: ConfigDict) -> bool:
    """Whether the crystals of a run's validation set were held back from a classifier.

    Where its own validation set holds them all, whatever it learnt from was kept clear of them.
    Where it learnt from labels alone, of sources that were split, the hashes that hold crystals
    back see to that, in whatever sources.
    """
    training = description["training"]
    before = training["config"]
    if config.validation_fraction > before["validation_fraction"]:
        return False
    sources = {PurePath(name).name for name in source_names(config.data.sources)}
    further = further_sources(description)
    split_there = sources <= set(own_sources(description)) - set(further)
    if split_there and config.label_fraction <= before["label_fraction"]:
        return True
    return training["method"] == "supervised" and not further and not training.get("pretrained")
