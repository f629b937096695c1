"""Weights on their way between JAX and PyTorch, by name; needs NumPy alone.

Both sides call a layer by the same path, `stage1_block1/conv1`. The last part of a name says what
it is: a `kernel` or `scale` of Flax is a `weight` in PyTorch, whose axes have another order.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

Arrays = dict[str, np.ndarray]

_KIND_IN_TORCH = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "mean": "running_mean",
    "var": "running_var",
}
_TRANSPOSED = ("up", "pattern")  # layers of the generator


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Arrays:
    """Returns the arrays of nested dictionaries by their paths."""
    flat: Arrays = {}
    for name, value in tree.items():
        path = f"{prefix}/{name}" if prefix else name
        flat |= flatten(value, path) if isinstance(value, Mapping) else {path: np.asarray(value)}
    return flat


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Writes arrays by name, as an .npz archive."""
    with path.open("wb") as file:
        np.savez(file, **cast(Any, arrays))


def read_arrays(path: Path) -> Arrays:
    """Reads what `write_arrays` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        return dict(archive)


def below(arrays: Arrays, prefix: str) -> Arrays:
    """Returns the arrays under a path, by the rest of their names."""
    start = f"{prefix}/"
    return {
        name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
    }


def torch_name(path: str) -> str:
    """Returns PyTorch's name of an array of Flax."""
    *layers, kind = path.split("/")
    return ".".join([*layers, _KIND_IN_TORCH[kind]])


def to_torch(path: str, array: np.ndarray) -> np.ndarray:
    """Puts the axes of a weight into PyTorch's order."""
    return array.transpose(_axes_in_torch(path, array.ndim))


def from_torch(path: str, array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Puts the axes of a weight of PyTorch into the order of Flax.

    Args:
        path: Its name in Flax.
        array: The weight, which may have further axes of length 1.
        shape: Its shape in Flax.
    """
    axes = _axes_in_torch(path, len(shape))
    return array.reshape([shape[axis] for axis in axes]).transpose(np.argsort(axes))


def _axes_in_torch(path: str, ndim: int) -> tuple[int, ...]:
    if ndim < 3:
        return tuple(reversed(range(ndim)))
    if path.split("/")[-2].startswith(_TRANSPOSED):
        return (1, 2, 0)  # kernel, inputs, outputs → inputs, outputs, kernel
    return (2, 1, 0)  # → outputs, inputs, kernel
