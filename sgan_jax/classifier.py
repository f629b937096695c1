"""A trained classifier by itself, in two files, read without the code that trains.

`model.safetensors` holds its weights as float32 arrays, under the names of the network's layers:
`stem.kernel`, `stage1_block1.conv1.kernel`, `stage1_block1.norm1.scale`, …, `classes.kernel`,
`classes.bias`. Kernels of convolutions are (kernel, inputs, channels), that of `classes` is
(inputs, classes). `model.json` says all else: the network, its classes, the instrument and
normalisation of the patterns, the calibration of its probabilities, and where it comes from.
Both are plain data; nothing in them is executed. `CARD.md` beside them is for people.
"""

import contextlib
import functools
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flax.traverse_util
import jax
import numpy as np
import safetensors.numpy
import scipy.special
from jaxtyping import Array, Float, Float32, PyTree
from safetensors import SafetensorError

from data_gen.errors import InputError
from data_gen.instrument import Instrument
from sgan_jax import kernels
from sgan_jax.grids import GRIDS, NOT_MEASURED, POINTS
from sgan_jax.models.resnet import ResNet, apply_discriminator

DESCRIPTION_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "CARD.md"
FORMAT = "sgan_jax classifier"
VERSION = 2
"""Of the format; raised with every change after which older programs would misread a model."""

ARCHITECTURE = "resnet18_1d"
MOST_AT_ONCE = 128
"""Patterns per call of the network: more are no faster, and take memory."""

Weights = dict[str, Float32[np.ndarray, "..."]]


@dataclass(frozen=True)
class OutputClass:
    """One of the classes that a classifier tells apart.

    Attributes:
        name: A Bravais lattice (Pearson letters) or a space group (its number).
        space_groups: Numbers of the space groups in it.
        n_labelled: Patterns of it that were trained on with their label.
    """

    name: str
    space_groups: tuple[int, ...]
    n_labelled: int


class Classifier:
    """A network with all that is needed to ask it.

    Args:
        description: The content of `model.json`.
        weights: Those of `model.safetensors`.

    Raises:
        KeyError: A field is missing.
        TypeError: A field is of the wrong type.
        ValueError: A field has an impossible value, or the weights are of another network.

    Attributes:
        description: As given.
        task: `bravais_lattice` or `space_group`.
        classes: What it tells apart, in the order of its answers.
        instrument: For whose patterns it was trained, unless for those of all.
        points: Number of points of a pattern.
        grid: On which a measured pattern is prepared for it; None where it knows the 2θ of its
            instrument alone.
        coverage_channel: Whether it is told where a pattern was not measured.
        takes_roots: Whether it is shown square roots of intensities.
        params: Weights of its network.
        temperature: By which logits are divided before they become probabilities; None where it
            was not calibrated.
        energy_threshold: Least energy of all but one in a hundred of the patterns it was calibrated
            on; None as before.
    """

    def __init__(self, description: Mapping[str, Any], weights: Weights) -> None:
        self.description = description
        self.task = str(description["task"])
        self.classes = tuple(
            OutputClass(entry["name"], tuple(entry["space_groups"]), entry["n_labelled"])
            for entry in description["classes"]
        )
        self.instrument = Instrument(**description["instrument"])
        axis = description["grid"]
        self.grid = None if axis is None else GRIDS[axis]
        self.coverage_channel = bool(description["network"]["coverage_channel"])
        self.points = _points(description)
        calibration = description["calibration"]
        self.temperature: float | None = calibration["temperature"]
        if self.temperature is not None and not self.temperature > 0:
            raise ValueError(f"temperature {self.temperature}")
        self.energy_threshold: float | None = calibration["energy_threshold"]
        scale = description["normalisation"]
        self._range = float(scale["minimum"]), float(scale["maximum"])
        self.takes_roots = {"linear": False, "root": True}[scale["intensity"]]
        _check_shapes(weight_shapes(description), weights)
        network = _network(len(self.classes), description["network"])
        self.params: PyTree[Array] = jax.device_put(
            flax.traverse_util.unflatten_dict(weights, sep=".")
        )

        def apply(params: PyTree[Array], x: Float[Array, "n grid"]) -> Float[Array, "n classes"]:
            return apply_discriminator(network, params, x).logits

        self._apply = jax.jit(apply)
        quickly = {"xla_backend_optimization_level": 0}
        self._apply_to_one = jax.jit(apply, compiler_options=quickly)

    def logits(self, patterns: Float[np.ndarray, "n grid"]) -> Float32[np.ndarray, "n classes"]:
        """Class logits of patterns.

        Args:
            patterns: Any number of them, on the classifier's grid, each without background, from 0
                to 1: divided by its maximum, and then the square root, if it takes roots. With a
                channel for coverage, points that were not measured are `grids.NOT_MEASURED`.

        Raises:
            InputError: They are on another grid, or not normalised.
        """
        checked = self._checked(patterns)
        starts = range(0, len(checked), MOST_AT_ONCE)
        nothing = np.zeros((0, len(self.classes)), np.float32)
        return np.concatenate(
            [nothing, *(self._few(checked[start : start + MOST_AT_ONCE]) for start in starts)]
        )

    def probabilities(
        self, patterns: Float[np.ndarray, "n grid"]
    ) -> Float32[np.ndarray, "n classes"]:
        """Class probabilities of patterns, calibrated where the classifier is.

        Args:
            patterns: As for `logits`.

        Raises:
            InputError: As `logits`.
        """
        return calibrated(self.logits(patterns), self.temperature)

    def _axis(self) -> str:
        if self.coverage_channel and self.grid is not None:
            ends = self.grid.centres[[0, -1]]
            return f"1/d from {ends[0]:.3g} to {ends[1]:.3g} Å⁻¹ (sgan_jax.grids, {self.grid.axis})"
        angles, step = self.instrument.two_theta, self.instrument.two_theta_step
        return f"2θ from {angles[0]:g}° to {angles[-1]:g}° by {step:g}°"

    def _few(self, patterns: Float32[np.ndarray, "n grid"]) -> Float32[np.ndarray, "n classes"]:
        """Pads to a power of two, so that the network is compiled for few shapes.

        For a single pattern in plain JAX and without much optimisation: compiling takes longer than
        all else, and on a new machine our kernels would take seconds more.
        """
        if len(patterns) == 1:
            with kernels.unused():
                return np.asarray(self._apply_to_one(self.params, patterns))
        padding = (1 << (len(patterns) - 1).bit_length()) - len(patterns)
        padded = np.pad(patterns, ((0, padding), (0, 0)))
        return np.asarray(self._apply(self.params, padded))[: len(patterns)]

    def _checked(self, patterns: Float[np.ndarray, "n grid"]) -> Float32[np.ndarray, "n grid"]:
        try:
            array = np.asarray(patterns, np.float32)
        except ValueError as error:
            raise InputError(
                f"patterns: {error}; give one row of {self.points} numbers each"
            ) from error
        if array.ndim != 2 or array.shape[1] != self.points:
            raise InputError(
                f"patterns of shape {array.shape}: this classifier takes (n, {self.points}), "
                f"{self._axis()}; interpolate to that grid"
            )
        low, high = self._range
        good = (array >= low) & (array <= high)  # NaN fails every comparison
        if self.coverage_channel:
            good |= array == NOT_MEASURED
        if not good.all():
            raise InputError(
                f"intensities outside {low:g} to {high:g}, or not a number: subtract the "
                "background and divide each pattern by its maximum"
            )
        return array


def calibrated(
    logits: Float[np.ndarray, "n classes"], temperature: float | None
) -> Float32[np.ndarray, "n classes"]:
    """Probabilities by logits; of temperature 1 where there is none."""
    return scipy.special.softmax(np.asarray(logits, np.float32) / (temperature or 1.0), axis=1)


def energies(logits: Float[np.ndarray, "n classes"]) -> Float32[np.ndarray, " n"]:
    """How much patterns look like those trained on: the logarithm of the sum of exp(logits).

    In an SGAN it is the log-odds that a pattern is real. As a score of any classifier: W. Liu, X.
    Wang, J. Owens and Y. Li, NeurIPS 33 (2020) 21464; there with the opposite sign.
    """
    return np.asarray(scipy.special.logsumexp(logits, axis=1))


def load_classifier(folder: Path | str) -> Classifier:
    """Reads a classifier that `python -m sgan_jax.export` has written.

    Args:
        folder: Where its two files are.

    Raises:
        InputError: A file is missing, damaged or changed, or of another version of the format.
    """
    path = Path(folder) / DESCRIPTION_FILE
    content = _read(path)
    with _understanding(path):
        description = json.loads(content)
        kind, version = description["format"], description["format_version"]
    if (kind, version) != (FORMAT, VERSION):
        raise InputError(
            f"{path} is of format {kind!r}, version {version!r}, and this program reads "
            f"{FORMAT!r}, version {VERSION}; install the sgan_jax that wrote it, or export again"
        )
    with _understanding(path):
        sha256 = description["weights"]["sha256"]
    weights = _read_weights(path.with_name(WEIGHTS_FILE), sha256)
    with _understanding(path):
        return Classifier(description, weights)


def check_free(folder: Path) -> None:
    """Checks that a classifier can be written to a folder.

    Raises:
        InputError: There is something already.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError(f"{folder} exists already; name another --out=DIR, or remove it")


def save_classifier(
    folder: Path, description: Mapping[str, Any], weights: Weights, card: str
) -> None:
    """Writes a classifier, all files or none.

    Args:
        folder: Made by this; if there already, it must be empty.
        description: What `model.json` is to say.
        weights: As `weight_shapes` wants them.
        card: What people are told of it.

    Raises:
        InputError: The folder cannot be written.
    """
    check_free(folder)
    content = safetensors.numpy.save(weights)
    described = {
        "format": FORMAT,
        "format_version": VERSION,
        **description,
        "weights": {"sha256": hashlib.sha256(content).hexdigest()},
    }
    text = json.dumps(described, indent=2, ensure_ascii=False, allow_nan=False)
    folder = folder.resolve()
    incomplete = folder.with_name(f".{folder.name}.incomplete_export")
    try:
        shutil.rmtree(incomplete, ignore_errors=True)
        incomplete.mkdir(parents=True)
        (incomplete / WEIGHTS_FILE).write_bytes(content)
        (incomplete / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")
        (incomplete / CARD_FILE).write_text(card, encoding="utf-8")
        incomplete.replace(folder)
    except OSError as error:
        shutil.rmtree(incomplete, ignore_errors=True)
        raise InputError(
            f"{folder} cannot be written ({error.strerror}); make room or name another --out=DIR"
        ) from error


def weight_shapes(description: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of the network that a description names.

    Raises:
        ValueError: The network is of a kind that is not known here.
    """
    fields, classes = description["network"], description["classes"]
    return dict(_weight_shapes(_points(description), len(classes), **fields))


@functools.cache  # tracing takes most of the time that reading a classifier takes
def _weight_shapes(
    points: int, num_classes: int, **fields: bool | str
) -> dict[str, tuple[int, ...]]:
    pattern = jax.ShapeDtypeStruct((1, points), np.float32)
    with kernels.unused():
        variables = jax.eval_shape(_network(num_classes, fields).init, jax.random.key(0), pattern)
    return {name: leaf.shape for name, leaf in by_name(variables["params"]).items()}


def by_name(params: PyTree[Array]) -> dict[str, Any]:
    """Weights by the names under which they are saved."""
    return dict(flax.traverse_util.flatten_dict(params, sep="."))


def _points(description: Mapping[str, Any]) -> int:
    if description["network"]["coverage_channel"]:
        return POINTS
    return len(Instrument(**description["instrument"]).two_theta)


def _network(num_classes: int, fields: Mapping[str, Any]) -> ResNet:
    others = dict(fields)
    if (kind := others.pop("architecture")) != ARCHITECTURE:
        raise ValueError(f"unknown architecture {kind!r}")
    return ResNet(num_classes=num_classes, dropout=0.0, **others)


def _check_shapes(expected: Mapping[str, tuple[int, ...]], weights: Weights) -> None:
    narrow = [name for name, array in weights.items() if array.dtype != np.float32]
    if narrow:
        raise ValueError(f"weight {narrow[0]} is {weights[narrow[0]].dtype}, expected float32")
    found = {name: array.shape for name, array in weights.items()}
    different = sorted(
        name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)
    )
    if different:
        name = different[0]
        raise ValueError(
            f"weight {name} is {found.get(name, 'missing')}, expected {expected.get(name, 'none')}"
        )


@contextlib.contextmanager
def _understanding(path: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise InputError(
            f"{path} is damaged, or not the description of a classifier ({type(error).__name__}: "
            f"{error}); export the model again"
        ) from error


def _read_weights(path: Path, sha256: str) -> Weights:
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InputError(
            f"{path} is damaged, or of another model than the {DESCRIPTION_FILE} beside it: its "
            "SHA-256 differs; copy both files again, or export the model again"
        )
    try:
        return safetensors.numpy.load(content)
    except SafetensorError as error:
        raise InputError(f"{path} is no safetensors file ({error}); export again") from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); a classifier is a folder with "
            f"{DESCRIPTION_FILE} and {WEIGHTS_FILE}, made by python -m sgan_jax.export"
        ) from error
