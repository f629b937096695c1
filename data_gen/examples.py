"""One crystal and its pattern as a record of the data set, and the crystal back from it."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float32
from tensorflow_datasets.proto import tf_example_pb2

from data_gen.crystal import Crystal
from data_gen.symmetry import (
    BRAVAIS_LATTICES,
    CRYSTAL_SYSTEMS,
    bravais_lattice,
    crystal_system,
)

_Example: Any = cast(Any, tf_example_pb2).Example  # generated, and unknown to type checkers


def features(n_points: int) -> tfds.features.FeaturesDict:
    """Features of an example whose pattern has `n_points` intensities.

    Notes say where the pattern is less than exact (see `data_gen.scattering.notes`). Arrays are
    stored as raw bytes: numbers in a protocol buffer would cost ten times as long to write and to
    read, and it has no float64, which the cell needs.
    """
    return tfds.features.FeaturesDict(
        {
            "id": tfds.features.Text(),
            "formula": tfds.features.Text(),
            "source": tfds.features.Text(),
            "notes": tfds.features.Text(),
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
                "displacements": _array((None, 6), np.float32),
            },
        }
    )


def _array(shape: tuple[int | None, ...], dtype: type) -> tfds.features.Tensor:
    return tfds.features.Tensor(shape=shape, dtype=dtype, encoding=tfds.features.Encoding.BYTES)


def crystal_features(crystal: Crystal) -> dict[str, Any]:
    """The compact form of a crystal: 40 bytes per site beside its cell, setting and species."""
    return {
        "cell": np.asarray(crystal.cell, np.float64),
        "setting": crystal.setting,
        "species": " ".join(crystal.species),
        "occupancies": np.asarray(crystal.occupancies, np.float32),
        "positions": np.asarray(crystal.positions, np.float32),
        "displacements": np.asarray(crystal.displacements, np.float32),
    }


def crystal_from_features(stored: Mapping[str, Any]) -> Crystal:
    """The crystal of `example["crystal"]`, as `crystal_features` wrote it.

    Args:
        stored: The features as read back (text as bytes) or as made (text as str).

    Returns:
        The same crystal with occupancies, fractional coordinates and displacement parameters
        rounded to float32; coordinates of special positions are exact again.
    """
    return Crystal(
        cell=stored["cell"],
        setting=_text(stored["setting"]),
        species=tuple(_text(stored["species"]).split()),
        occupancies=stored["occupancies"],
        positions=stored["positions"],
        displacements=stored["displacements"],
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def serialise(
    structure_id: str,
    source: str,
    crystal: Crystal,
    pattern: Float32[np.ndarray, "n_points"],
    notes: str,
) -> bytes:
    """One example as the bytes of a record, exactly as TFDS itself would write it.

    TFDS takes three times as long, a notable part of the time of a data set.
    """
    number = crystal.space_group
    example = {
        "id": structure_id,
        "formula": crystal.formula,
        "source": source,
        "notes": notes,
        "pattern": np.asarray(pattern, np.float32),
        "space_group": number,
        "bravais_lattice": BRAVAIS_LATTICES.index(bravais_lattice(number)),
        "crystal_system": CRYSTAL_SYSTEMS.index(crystal_system(number)),
        **{f"crystal/{name}": value for name, value in crystal_features(crystal).items()},
    }
    message = _Example()
    for name, value in example.items():
        feature = message.features.feature[name]
        if isinstance(value, int):
            feature.int64_list.value.append(value)
        else:
            feature.bytes_list.value.append(
                value.encode() if isinstance(value, str) else value.tobytes()
            )
    return message.SerializeToString(deterministic=True)  # else features come in random order
