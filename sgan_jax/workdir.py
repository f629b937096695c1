"""The folder of one run: it belongs to one config and one data set, and one process at a time."""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from data_gen.errors import InputError
from sgan_jax.wording import short

CONFIG_FILE = "config.json"

_OF_THE_MACHINE = {"data.dir", "data.workers", "data.streamed", "pretrained"}
_HARMLESS = _OF_THE_MACHINE | {
    "log_every",
    "eval_every",
    "checkpoint_every",
    "checkpoints_to_keep",
}
"""Fields that do not change what is trained, so that a run may go on with other values."""

_RATES_OF_A_GAME = {
    "optimizer.generator_learning_rate",
    "optimizer.unsupervised_learning_rate",
}

_OF_A_GAME = {
    *_RATES_OF_A_GAME,
    "loss.feature_matching",
    "loss.target_noise",
    "model.generator",
}
"""Fields that change nothing where no generator plays."""

_OF_AN_SGAN = {*_OF_A_GAME, "loss.contrast"}
"""Fields that change nothing in a run of the supervised method."""


@dataclass(frozen=True)
class Identity:
    """What a run is: two runs that agree in it end with the same parameters.

    Attributes:
        config: Its fields, as JSON gives them back.
        dataset_fingerprint: Identity of its data set, or of several, joined by +.
        pretrained: `Pretrained.summary` of the weights it starts from; None for random ones.
    """

    config: dict[str, Any]
    dataset_fingerprint: str
    pretrained: dict[str, Any] | None = None

    @property
    def weights(self) -> str:
        """What the weights that it starts from are called in messages."""
        return short(self.pretrained["sha256"]) if self.pretrained else "random ones"

    def fields(self) -> dict[str, Any]:
        """All that processes of one run must have alike; where their data lie they need not."""
        return {
            "data set": short(self.dataset_fingerprint),
            "weights to start from": self.weights,
            **{
                field: value
                for field, value in flatten(self.config).items()
                if field not in _OF_THE_MACHINE
            },
        }

    def check(self, name: str, other: "Identity") -> None:
        """Checks that something else is of the same run.

        Args:
            name: What the other thing is called in the message.
            other: Whose it is.

        Raises:
            InputError: It is of a run with another config, data set or beginning.
        """
        old, new = flatten(other.config), flatten(self.config)
        harmless = _HARMLESS
        if old.get("method") == new.get("method") == "supervised":
            harmless = _HARMLESS | _OF_AN_SGAN
        elif not any(fields.get(rate) for fields in (old, new) for rate in _RATES_OF_A_GAME):
            harmless = _HARMLESS | _OF_A_GAME
        changed = sorted(
            f"{field} (there {old.get(field)!r}, now {new.get(field)!r})"
            for field in (old.keys() | new.keys()) - harmless
            if (old.get(field) or None) != (new.get(field) or None)  # what is new was off before
        )
        if changed:
            raise InputError(
                f"{name} belongs to another config: {', '.join(changed)}; "
                "name another --workdir=DIR or use the same values"
            )
        then, now = other.dataset_fingerprint, self.dataset_fingerprint
        if then != now:
            raise InputError(
                f"{name} belongs to another data set (there {short(then)}, now {short(now)}): its "
                "sources or the code that simulates them have changed; restore them or name "
                "another --workdir=DIR"
            )
        if other.weights != self.weights:
            raise InputError(
                f"{name} started from other weights (there {other.weights}, now {self.weights}): "
                "leave config.pretrained as it was, name the same weights elsewhere or name "
                "another --workdir=DIR"
            )


def identity(
    config: ConfigDict, dataset_fingerprint: str, pretrained: dict[str, Any] | None = None
) -> Identity:
    """The identity of a run; see `Identity`."""
    return Identity(json.loads(config.to_json()), dataset_fingerprint, pretrained)


@contextlib.contextmanager
def lock(workdir: Path) -> Iterator[None]:
    """Holds a run's folder, which is made if need be, for this process alone.

    The lock is the operating system's: it ends with the process, however that ends. A folder that
    was made for nothing, since the run failed before it left anything there, is taken away again.

    Raises:
        InputError: The folder cannot be written, now or later, or another run is in it.
    """
    path = workdir / "lock"
    made = not workdir.exists()
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        raise InputError(
            f"workdir {workdir} cannot be written ({error.strerror}); name another by --workdir=DIR"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another run is working in {workdir}; wait for it or name another --workdir=DIR"
            ) from error
        try:
            yield
        except OSError as error:
            raise InputError(
                f"the run in {workdir} cannot read or write its files ({error}); mend this, such "
                "as a full disk, and start again: it goes on from its last checkpoint"
            ) from error
        finally:
            if made and list(workdir.iterdir()) == [path]:
                path.unlink()
                workdir.rmdir()


def check(workdir: Path, now: Identity) -> None:
    """Checks that a folder is free or bound to this run.

    Args:
        workdir: The run's folder, locked.
        now: What the run is.

    Raises:
        InputError: The folder belongs to another config or data set, or holds something else.
    """
    if (workdir / CONFIG_FILE).exists():
        now.check(str(workdir), read(workdir))
    elif (workdir / "checkpoints").exists():
        raise InputError(f"{workdir} has checkpoints but no {CONFIG_FILE}; name another workdir")


def bind(workdir: Path, now: Identity) -> None:
    """Binds a folder, locked and checked, to a run.

    This comes after the data have been read, so that a config whose data cannot be used does not
    bar the folder to the config that is put right.
    """
    write_atomically(workdir / CONFIG_FILE, json.dumps(asdict(now), indent=2) + "\n")


def read(workdir: Path) -> Identity:
    """The run that a folder is bound to.

    Raises:
        InputError: The folder is bound to none.
    """
    path = workdir / CONFIG_FILE
    try:
        content = json.loads(path.read_text())
        return Identity(
            dict(content["config"]),
            str(content["dataset_fingerprint"]),
            content.get("pretrained"),  # which older runs do not know
        )
    except FileNotFoundError as error:
        raise InputError(
            f"no network in {workdir}; train first with --mode=train_and_evaluate"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not the config of a run; name another --workdir=DIR"
        ) from error


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file, in a locked folder, so that readers find the old or the new one whole."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def flatten(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every leaf of nested dictionaries by its whole name, as `data.sources`."""
    flat = {}
    for name, value in tree.items():
        flat |= (
            flatten(value, f"{prefix}{name}.")
            if isinstance(value, dict)
            else {prefix + name: value}
        )
    return flat
