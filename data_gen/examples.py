"""One crystal and its pattern as a record of the data set, and the crystal back from it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float32
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from data_gen.crystal import Crystal
from data_gen.symmetry import (
    BRAVAIS_LATTICES,
    CRYSTAL_SYSTEMS,
    bravais_lattice,
    crystal_system,
)


def features(n_points: int) -> tfds.features.FeaturesDict:
    """Features of an example whose pattern has `n_points` intensities.

    Arrays are stored as raw bytes: numbers in a protocol buffer would cost ten times as long to
    write and to read, and it has no float64, which the cell needs.
    """
    return tfds.features.FeaturesDict(
        {
            "id": tfds.features.Text(),
            "formula": tfds.features.Text(),
            "source": tfds.features.Text(),
            "pattern": _array((n_points,), np.float32),
            "space_group": np.int32,
            "bravais_lattice": tfds.features.ClassLabel(names=BRAVAIS_LATTICES),
            "crystal_system": tfds.features.ClassLabel(names=CRYSTAL_SYSTEMS),
            "crystal": {
                "cell": _array((6,), np.float64),
                "setting": tfds.features.Text(),
                "species": tfds.features.Text(),
                "occupancies": _array((None,), np.float32),
                "positions": _array((None, 3), np.float32),
            },
        }
    )


def _array(shape: tuple[int | None, ...], dtype: type) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=shape, dtype=dtype, encoding=tfds.features.Encoding.BYTES)


def crystal_features(crystal: Crystal) -> dict[str, Any]:
    """The compact form of a crystal: 16 bytes per site beside its cell, setting and species."""
    return {
        "cell": np.asarray(crystal.cell, np.float64),
        "setting": crystal.setting,
        "species": " ".join(crystal.species),
        "occupancies": np.asarray(crystal.occupancies, np.float32),
        "positions": np.asarray(crystal.positions, np.float32),
    }


def crystal_from_features(stored: Mapping[str, Any]) -> Crystal:
    """The crystal of `example["crystal"]`, as `crystal_features` wrote it.

    Args:
        stored: The features as read back (text as bytes) or as made (text as str).

    Returns:
        The same crystal with occupancies and fractional coordinates rounded to float32;
        those on special positions are exact again.
    """
    return Crystal(
        cell=stored["cell"],
        setting=_text(stored["setting"]),
        species=tuple(_text(stored["species"]).split()),
        occupancies=stored["occupancies"],
        positions=stored["positions"],
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def serialise(
    structure_id: str, source: str, crystal: Crystal, pattern: Float32[np.ndarray, "n_points"]
) -> bytes:
    """One example as the bytes of a record, exactly as the data set holds it."""
    spec, serializer = _encoders(len(pattern))
    number = crystal.space_group
    example = {
        "id": structure_id,
        "formula": crystal.formula,
        "source": source,
        "pattern": pattern,
        "space_group": number,
        "bravais_lattice": bravais_lattice(number),
        "crystal_system": crystal_system(number),
        "crystal": crystal_features(crystal),
    }
    message = serializer.get_tf_example(spec.encode_example(example))
    return message.SerializeToString(deterministic=True)  # else features come in random order


@lru_cache
def _encoders(n_points: int) -> tuple[tfds.features.FeaturesDict, ExampleSerializer]:
    spec = features(n_points)
    return spec, ExampleSerializer(cast(Any, spec.get_serialized_info()))
