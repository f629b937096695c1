import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from data_gen.errors import InputError
from data_gen.instrument import instrument
from sgan_jax.classifier import (
    ARCHITECTURE,
    DESCRIPTION_FILE,
    MOST_AT_ONCE,
    WEIGHTS_FILE,
    Classifier,
    energies,
    load_classifier,
    save_classifier,
    weight_shapes,
)
from sgan_jax.grids import GRIDS, NOT_MEASURED

POINTS = 3041
DESCRIPTION = {
    "network": {"architecture": ARCHITECTURE, "stem_pool": True, "coverage_channel": False},
    "task": "bravais_lattice",
    "classes": [
        {"name": "aP", "space_groups": [1, 2], "n_labelled": 7},
        {"name": "cP", "space_groups": [195, 198], "n_labelled": 0},
        {"name": "hR", "space_groups": [146, 148], "n_labelled": 3},
    ],
    "instrument": asdict(instrument("bt1_ge311")),
    "grid": "two_theta",
    "normalisation": {"minimum": 0.0, "maximum": 1.0, "intensity": "linear"},
    "calibration": {"temperature": 2.0, "energy_threshold": -1.5},
}
FOR_MEASURED = DESCRIPTION | {
    "network": {"architecture": ARCHITECTURE, "stem_pool": True, "coverage_channel": True},
    "grid": "log_d",
    "normalisation": {"minimum": 0.0, "maximum": 1.0, "intensity": "root"},
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A classifier with random weights."""
    return with_random_weights(tmp_path / "model", DESCRIPTION)


def with_random_weights(folder: Path, description: dict[str, Any]) -> Path:
    rng = np.random.default_rng(0)
    weights = {
        name: rng.normal(0, 0.1, shape).astype(np.float32)
        for name, shape in weight_shapes(description).items()
    }
    save_classifier(folder, description, weights, card="")
    return folder


@pytest.fixture
def patterns() -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 1, (5, POINTS)).astype(np.float32)


def test_a_classifier_says_what_it_is(folder):
    classifier = load_classifier(str(folder))
    assert classifier.task == "bravais_lattice"
    assert [entry.name for entry in classifier.classes] == ["aP", "cP", "hR"]
    assert classifier.classes[2].space_groups == (146, 148)
    assert classifier.classes[0].n_labelled == 7
    assert classifier.instrument == instrument("bt1_ge311")
    assert classifier.temperature == 2.0
    assert classifier.energy_threshold == -1.5
    assert classifier.grid is GRIDS["two_theta"]
    assert not classifier.coverage_channel
    assert not classifier.takes_roots


def test_a_classifier_for_measured_patterns_knows_what_was_not_measured(tmp_path, patterns):
    classifier = load_classifier(with_random_weights(tmp_path / "model", FOR_MEASURED))
    assert classifier.grid is GRIDS["log_d"]
    assert classifier.takes_roots
    hidden = patterns.copy()
    hidden[:, :1000] = NOT_MEASURED
    zero = np.maximum(hidden, 0)
    assert np.abs(classifier.logits(hidden) - classifier.logits(zero)).max() > 1e-3
    with pytest.raises(InputError, match="outside 0 to 1"):
        classifier.logits(hidden - 0.5)
    with pytest.raises(InputError, match=r"1/d from 0.04 to 0.94 Å⁻¹ .*log_d"):
        classifier.logits(hidden[:, :100])


def test_energies_are_sums_of_exponentials():
    logits = np.array([[0.0, 1.0, 2.0], [-800.0, -900.0, -1000.0]])
    wanted = [np.log(1 + np.e + np.e**2), -800.0]
    np.testing.assert_allclose(energies(logits), wanted, rtol=1e-6)


def test_temperature_is_applied_to_probabilities_alone(folder, patterns):
    classifier = load_classifier(folder)
    exponentials = np.exp(classifier.logits(patterns).astype(float) / 2.0)
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.probabilities(patterns), expected, rtol=1e-5)


def test_without_calibration_probabilities_are_those_of_the_network(folder, patterns):
    path = folder / DESCRIPTION_FILE
    content = json.loads(path.read_text())
    reason = "no validation set"
    content["calibration"] = {"temperature": None, "energy_threshold": None, "reason": reason}
    path.write_text(json.dumps(content))
    classifier = load_classifier(folder)
    assert classifier.temperature is None
    logits = classifier.logits(patterns)
    odds = np.log(classifier.probabilities(patterns))
    np.testing.assert_allclose(odds[:, 0] - odds[:, 1], logits[:, 0] - logits[:, 1], atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 3, MOST_AT_ONCE + 5])
def test_batches_of_any_size(folder, patterns, count):
    classifier = load_classifier(folder)
    many = np.tile(patterns, (count // len(patterns) + 1, 1))[:count]
    logits = classifier.logits(many)
    assert logits.shape == (count, 3)
    one_by_one = classifier.logits(patterns)
    for row, row_logits in enumerate(logits):
        np.testing.assert_allclose(row_logits, one_by_one[row % len(patterns)], atol=1e-5)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros((2, 3000)), r"shape \(2, 3000\).* \(n, 3041\), 2θ from 3° to 155° by 0.05°"),
        (np.zeros(POINTS), r"shape \(3041,\)"),
        ([[1.0, 2.0], [1.0]], "give one row of 3041 numbers each"),
        (np.full((1, POINTS), 1500.0), "divide each pattern by its maximum"),
        (np.full((1, POINTS), -0.1), "outside 0 to 1"),
        (np.full((1, POINTS), np.nan), "not a number"),
    ],
)
def test_patterns_that_the_network_does_not_know_are_refused(folder, bad, words):
    with pytest.raises(InputError, match=words):
        load_classifier(folder).logits(bad)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", [DESCRIPTION_FILE, WEIGHTS_FILE])
def test_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{name} cannot be read .*made by python -m"):
        load_classifier(folder)


@pytest.mark.parametrize("damage", [flip_a_bit, lambda path: os.truncate(path, 1000)])
def test_damaged_weights(folder, damage):
    damage(folder / WEIGHTS_FILE)
    with pytest.raises(InputError, match=f"{WEIGHTS_FILE} is damaged"):
        load_classifier(folder)


def with_hash_of(folder: Path, content: bytes) -> None:
    """Weights that are what the description says, whatever they are."""
    (folder / WEIGHTS_FILE).write_bytes(content)
    path = folder / DESCRIPTION_FILE
    description = json.loads(path.read_text())
    description["weights"]["sha256"] = hashlib.sha256(content).hexdigest()
    path.write_text(json.dumps(description))


def test_weights_in_another_format(folder):
    with_hash_of(folder, b"\x80\x04pickled")
    with pytest.raises(InputError, match="no safetensors file"):
        load_classifier(folder)


def test_weights_of_another_network(folder):
    with_hash_of(folder, safetensors.numpy.save({"stem.kernel": np.zeros((13, 1, 32), "f4")}))
    with pytest.raises(InputError, match=r"weight classes.bias is missing, expected \(3,\)"):
        load_classifier(folder)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format_version": 1}, r"version 1, and this program reads .* version 2; install"),
        ({"format": "onnx"}, "of format 'onnx'"),
        (
            {"network": DESCRIPTION["network"] | {"architecture": "transformer"}},
            "unknown architecture 'transformer'",
        ),
        ({"classes": None}, "is damaged"),
        ({"instrument": {"name": "d20"}}, "is damaged"),
        ({"instrument": DESCRIPTION["instrument"] | {"wavelength": -1}}, "is damaged.*wavelength"),
        ({"calibration": {"temperature": 0.0}}, "temperature 0"),
        ({"grid": "q"}, "is damaged"),
        ({"weights": {}}, "is damaged"),
    ],
)
def test_description_of_something_else(folder, changes, words):
    path = folder / DESCRIPTION_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(InputError, match=words) as caught:
        load_classifier(folder)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1}', "\xff"])
def test_description_that_is_no_json_object(folder, text):
    (folder / DESCRIPTION_FILE).write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="is damaged, or not the description"):
        load_classifier(folder)


def test_what_is_there_is_never_overwritten(folder):
    weights = safetensors.numpy.load((folder / WEIGHTS_FILE).read_bytes())
    with pytest.raises(InputError, match="exists already"):
        save_classifier(folder, DESCRIPTION, weights, card="")
    (folder.parent / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        save_classifier(folder.parent / "file" / "model", DESCRIPTION, weights, card="")


def test_half_a_classifier_is_never_seen(folder):
    """What an interrupted export left is taken away by the next."""
    weights = safetensors.numpy.load((folder / WEIGHTS_FILE).read_bytes())
    other = folder.with_name("other")
    left = folder.with_name(".other.incomplete_export")
    left.mkdir()
    (left / WEIGHTS_FILE).write_bytes(b"half")
    save_classifier(other, DESCRIPTION, weights, card="")
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model", "other"]
    assert isinstance(load_classifier(other), Classifier)


def test_nothing_of_the_training_code_is_needed(folder):
    program = (
        "import sys\n"
        "from sgan_jax.classifier import load_classifier\n"
        "classifier = load_classifier(sys.argv[1])\n"
        f"classifier.probabilities([[0.0] * {POINTS}])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
        "print(*(name for name in sys.modules if name.startswith('sgan_jax.')))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, folder],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    libraries, own = (set(line.split()) for line in done.stdout.splitlines())
    assert not libraries & {
        "optax",
        "orbax",
        "tensorflow_datasets",
        "grain",
        "sklearn",
        "tensorboard",
    }
    assert {name for name in own if ".models" not in name and ".kernels" not in name} == {
        "sgan_jax.classifier",
        "sgan_jax.grids",
    }
