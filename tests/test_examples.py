"""A crystal and its pattern as the bytes of a record, and back."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from data_gen.crystal import Crystal
from data_gen.examples import crystal_features, crystal_from_features, features, serialise

HALITE = (Path(__file__).parent / "data" / "halite.cif").read_text()
ANISO = """loop_
_atom_site_aniso_label
_atom_site_aniso_U_11
_atom_site_aniso_U_22
_atom_site_aniso_U_33
_atom_site_aniso_U_12
_atom_site_aniso_U_13
_atom_site_aniso_U_23
Na1 0.021 0.022 0.023 0.001 0.002 0.003
"""


def read_back(record: bytes, n_points: int) -> dict[str, Any]:
    return cast(dict[str, Any], features(n_points).deserialize_example_np(record))


def assert_same(crystal: Crystal, other: Crystal) -> None:
    assert crystal.setting == other.setting
    assert crystal.species == other.species
    for name in ("cell", "occupancies", "positions", "displacements"):
        np.testing.assert_array_equal(getattr(crystal, name), getattr(other, name))


@pytest.mark.parametrize("text", [HALITE, HALITE + ANISO])
def test_a_record_holds_everything(text: str) -> None:
    crystal = Crystal.from_cif_text(text)
    pattern = np.linspace(0, 1, 31, dtype=np.float32)
    example = read_back(serialise("halite", "test", crystal, pattern, "made up"), 31)
    assert example["id"] == b"halite"
    assert example["source"] == b"test"
    assert example["notes"] == b"made up"
    assert example["formula"] == b"ClNa"
    assert example["space_group"] == 225
    np.testing.assert_array_equal(example["pattern"], pattern)
    stored = crystal_from_features(example["crystal"])
    np.testing.assert_allclose(stored.displacements, crystal.displacements, rtol=1e-6)
    assert_same(stored, crystal_from_features(crystal_features(crystal)))
    assert_same(stored, crystal_from_features(crystal_features(stored)))


def test_a_record_is_what_tfds_writes() -> None:
    crystal = Crystal.from_cif_text(HALITE + ANISO)
    pattern = np.linspace(0, 1, 31, dtype=np.float32)
    spec = features(31)
    encoded = spec.encode_example(
        {
            "id": "hälite",
            "formula": crystal.formula,
            "source": "test",
            "notes": "",
            "pattern": pattern,
            "space_group": 225,
            "bravais_lattice": "cF",
            "crystal_system": "cubic",
            "crystal": crystal_features(crystal),
        }
    )
    message = ExampleSerializer(cast(Any, spec.get_serialized_info())).get_tf_example(encoded)
    expected = message.SerializeToString(deterministic=True)
    assert serialise("hälite", "test", crystal, pattern, "") == expected


def test_the_same_crystal_gives_the_same_bytes() -> None:
    pattern = np.zeros(31, np.float32)
    one, other = (
        serialise("halite", "test", Crystal.from_cif_text(HALITE), pattern, "") for _ in range(2)
    )
    assert one == other
