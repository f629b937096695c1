"""Runs that start from the weights of an exported classifier."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import safetensors.numpy

from configs import base
from data_gen.errors import InputError
from data_gen.symmetry import class_list
from sgan_jax import trained
from sgan_jax.classifier import DESCRIPTION_FILE, WEIGHTS_FILE, by_name
from sgan_jax.config import validate
from sgan_jax.pretrained import Pretrained, load_pretrained, sources_before
from sgan_jax.state import create_state
from sgan_jax.wording import beginning
from tests.fixed_classifier import FIRST

NAME = "bravais"
LATTICES = class_list("bravais_lattice", "bravais14").names


def config_of(**changes: object):
    """Of a run that may start from the lattices of the package."""
    config = base.get_config("supervised")
    config.pretrained = NAME
    config.data.split_by = "formula"
    config.update_from_flattened_dict(changes)
    validate(config)
    return config


def loaded(**changes: object) -> Pretrained:
    found = load_pretrained(config_of(**changes))
    assert found
    return found


def changed(folder: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """Copies the lattices of the package, with another description."""
    shutil.copytree(trained.packaged()[NAME], folder)
    path = folder / DESCRIPTION_FILE
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))
    return str(folder)


@pytest.mark.parametrize("method", ["supervised", "sgan"])
def test_only_the_weights_of_the_discriminator_are_set(method):
    config = config_of(method=method)
    random = create_state(config, len(LATTICES), 3041)
    started = loaded().start(random)
    saved = safetensors.numpy.load_file(trained.packaged()[NAME] / WEIGHTS_FILE)
    weights = by_name(started.params)
    assert weights.keys() == by_name(random.params).keys() == saved.keys()
    for name, array in saved.items():
        np.testing.assert_array_equal(weights[name], array)
    jax.tree.map(np.testing.assert_array_equal, started.replace(params=random.params), random)


def test_a_state_may_be_given_away():
    pretrained = loaded()
    random = create_state(config_of(), len(LATTICES), 3041)
    jax.tree.map(lambda leaf: leaf.delete(), pretrained.start(random).params)
    weights = pretrained.start(random).params
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(weights))


def test_nothing_named_is_nothing_loaded():
    assert load_pretrained(base.get_config()) is None


def test_the_summary_tells_no_place(tmp_path):
    (tmp_path / "deep").mkdir()
    folder = changed(tmp_path / "deep" / "mine", lambda _: None)
    summary = loaded(pretrained=folder).summary()
    assert summary == loaded().summary() | {"name": "mine"}
    assert str(tmp_path) not in json.dumps(summary)


def test_the_summary_tells_what_was_before(tmp_path):
    def gone_on(description: dict[str, Any]) -> None:
        description["training"] |= {
            "steps": 30,
            "sources": ["mine.zip"],
            "further_sources": {"labelled": ["more.zip"], "unlabelled": []},
            "pretrained": FIRST,
        }

    summary = loaded(pretrained=changed(tmp_path / "second", gone_on)).summary()
    assert summary["pretrained"] == FIRST
    assert summary["sources"] == ["mine.zip", "more.zip"]
    assert sources_before(summary) == ["mine.zip", "more.zip", "theirs.zip"]
    assert sources_before(None) == []
    told = beginning(summary)
    assert told.startswith(
        f"Training started from the weights of `second` (`{summary['sha256'][:12]}`"
    )
    assert (
        "of mine.zip, more.zip in 30 steps, starting from those of `first` (`0123456789ab`)" in told
    )
    assert told.endswith(
        "which had learnt from 1,000 labelled crystals of theirs.zip in 2,000 steps."
    )


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("pretrained", "lattices", "no model 'lattices'.*; name one by config.pretrained"),
        ("task", "space_group", r"task=bravais_lattice.*set config\.task=bravais_lattice"),
        ("model.stem_pool", False, r"set config\.model\.stem_pool=True"),
        ("seed", 1, r"split with seed=0.*test crystals.*set config\.seed=0"),
        ("data.split_by", "random", r"split with data\.split_by=formula.*=formula, or start"),
        ("validation_fraction", 0.1, r"validation_fraction=0\.1 holds back.*fraction=0, or start"),
        ("data.formulas_left_out", "NaCl, MgO", r"formulas_left_out=NaCl, MgO, since.* only none"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_field_and_the_remedy(field, value, words):
    with pytest.raises(InputError, match=rf"^config\.pretrained=.*{words}"):
        load_pretrained(config_of(**{field: value}))


def test_a_network_with_a_channel_for_coverage_needs_weights_for_it():
    changes = {"augmentation.enabled": True, "model.coverage_channel": True}
    with pytest.raises(InputError, match=r"set config\.model\.coverage_channel=False"):
        load_pretrained(config_of(**changes))


def test_a_real_fake_head_has_no_exported_weights():
    with pytest.raises(InputError, match=r"set config\.model\.real_fake_head=False"):
        config_of(**{"model.real_fake_head": True})


def test_where_ids_decide_only_the_own_sources_of_the_weights_will_do(tmp_path):
    def split_at_random(description: dict[str, Any]) -> None:
        description["training"]["config"]["data"]["split_by"] = "random"

    folder = changed(tmp_path / "model", split_at_random)
    fields = {"pretrained": folder, "data.split_by": "random"}
    assert loaded(**fields, **{"data.sources": "amcsd,somewhere/mp_icsd.tar.gz"})
    with pytest.raises(InputError, match=r"mine\.zip is none of them; .*start from random weights"):
        load_pretrained(config_of(**fields, **{"data.sources": "amcsd,mine.zip"}))


def without_config(description: dict[str, Any]) -> None:
    del description["training"]["config"]


def without_steps(description: dict[str, Any]) -> None:
    del description["training"]["steps"]


def with_other_training(description: dict[str, Any]) -> None:
    description["training"] = ["much"]


@pytest.mark.parametrize("change", [without_config, without_steps, with_other_training])
def test_weights_that_do_not_say_where_they_come_from_are_refused(tmp_path, change):
    folder = changed(tmp_path / "model", change)
    with pytest.raises(InputError, match=r"does not say how it was trained.*export it again"):
        load_pretrained(config_of(pretrained=folder))


def test_formulas_are_compared_as_compositions(tmp_path):
    def left_out(description: dict[str, Any]) -> None:
        description["training"]["config"]["data"]["formulas_left_out"] = "PbSO4, NaCl"

    folder = changed(tmp_path / "model", left_out)
    assert loaded(pretrained=folder, **{"data.formulas_left_out": "SO4Pb"})
    with pytest.raises(InputError, match="since its training left out only PbSO4, NaCl"):
        load_pretrained(config_of(pretrained=folder, **{"data.formulas_left_out": "MgO"}))


def learnt_from_labels_alone(description: dict[str, Any]) -> None:
    description["training"] |= {"sources": ["amcsd"], "further_sources": {}, "pretrained": None}


def learnt_more(description: dict[str, Any]) -> None:
    description["training"] |= {
        "sources": ["amcsd"],
        "further_sources": {"labelled": ["more.zip"], "unlabelled": []},
        "pretrained": None,
    }


def learnt_without_labels(description: dict[str, Any]) -> None:
    training = description["training"]
    training |= {"method": "sgan", "pretrained": None}
    training["config"]["label_fraction"] = 0.05


def learnt_before(description: dict[str, Any]) -> None:
    description["training"] |= {"sources": ["amcsd"], "further_sources": {}, "pretrained": FIRST}


@pytest.mark.parametrize(
    ("change", "fits", "does_not"),
    [
        (learnt_more, {"data.sources": "amcsd"}, {"data.sources": "more.zip"}),
        (learnt_more, {"data.sources": "amcsd"}, {"data.sources": "amcsd,mine.zip"}),
        (learnt_without_labels, {"label_fraction": 0.05}, {"label_fraction": 0.1}),
        (learnt_before, {"data.sources": "amcsd"}, {"data.sources": "mine.zip"}),
        (learnt_from_labels_alone, {"data.sources": "mine.zip"}, {"validation_fraction": 0.06}),
    ],
)
def test_crystals_held_back_for_validation_were_held_back_before(tmp_path, change, fits, does_not):
    fields = {"pretrained": changed(tmp_path / "model", change), "validation_fraction": 0.05}
    assert loaded(**fields | fits)
    with pytest.raises(
        InputError, match=r"set config\.validation_fraction=0, or start from random"
    ):
        load_pretrained(config_of(**fields | does_not))
    assert loaded(**fields | does_not | {"validation_fraction": 0.0})


def test_other_classes_are_refused():
    pretrained = loaded()
    pretrained.check_classes(LATTICES)
    with pytest.raises(InputError, match=r"has 14 classes and the run has 13, which differ in aP"):
        pretrained.check_classes(LATTICES[1:])
    with pytest.raises(InputError, match=r"in another order; name other weights"):
        pretrained.check_classes(LATTICES[::-1])
