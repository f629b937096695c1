"""Checkpoints of a run: written in the background, whole or not at all, and checked when read."""

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policies

from data_gen.errors import InputError
from sgan_jax import processes
from sgan_jax.state import SganState
from sgan_jax.workdir import Identity

FOLDER = "checkpoints"
_STATE, _ABOUT = "state", "about"


class Choice(NamedTuple):
    """The checkpoint that is evaluated and exported.

    Attributes:
        step: Its step.
        reason: Why this one.
        validation_top1: Its accuracy on the validation set, None where it has not been judged.
    """

    step: int
    reason: str
    validation_top1: float | None


class _About(NamedTuple):
    """What is saved beside a state, as JSON: what run it is of, and how that run is doing."""

    config: dict[str, Any]
    dataset_fingerprint: str
    digest: str
    progress: dict[str, Any]
    pretrained: dict[str, Any] | None = None


class Checkpoints:
    """The checkpoints of one run: the last ones and the best.

    Orbax writes each into a temporary folder that is renamed when it is complete, so one that was
    interrupted is never read. With the state goes what run it is of and a digest of all its
    numbers, for Orbax would take a checkpoint of another run, or changed numbers, as they are.

    Args:
        workdir: The run's folder, locked.
        keep: How many to keep, the latest; the best is kept beside them.
        identity: What the run is.

    Raises:
        InputError: The folder cannot be used.
    """

    def __init__(self, workdir: Path, keep: int, identity: Identity) -> None:
        self._folder = (workdir / FOLDER).absolute()
        self._identity = identity
        options = ocp.CheckpointManagerOptions(
            best_fn=_validation_top1,
            preservation_policy=policies.AnyPreservationPolicy(
                [
                    policies.LatestN(keep),
                    policies.BestN(
                        get_metric_fn=_validation_top1, n=1, keep_checkpoints_without_metrics=False
                    ),
                ]
            ),
            cleanup_tmp_directories=True,
            # In the background one process may fail and the others wait for it for many minutes.
            enable_async_checkpointing=not processes.several(),
        )
        try:
            self._manager = ocp.CheckpointManager(
                self._folder, options=options, item_names=(_STATE, _ABOUT)
            )
        except Exception as error:  # Orbax and its storage raise errors of many kinds
            raise InputError(
                f"{self._folder} cannot be used ({_first_words(error)}); move away what is damaged "
                "in it, or name another --workdir=DIR"
            ) from error

    @property
    def steps(self) -> list[int]:
        """Steps of the checkpoints, in order; waits for the one that is being written.

        Raises:
            InputError: That one cannot be written.
        """
        with self._writing():
            self._manager.wait_until_finished()
        return sorted(self._manager.all_steps())

    @property
    def chosen(self) -> Choice:
        """The best by validation accuracy (the latest of equals), else the last.

        Raises:
            InputError: There is no checkpoint.
        """
        steps, best = self.steps, self._manager.best_step()
        if not steps:
            raise InputError(f"no checkpoint in {self._folder} yet; train first")
        if best is None:
            return Choice(steps[-1], "the last; none was judged on a validation set", None)
        top1 = _validation_top1(self._manager.metrics(best) or {})
        return Choice(best, "the best on the validation set", top1)

    def save(
        self, state: SganState, progress: Mapping[str, Any], validation_top1: float | None
    ) -> None:
        """Starts writing a state; returns as soon as training may go on.

        Args:
            state: What is saved, under the number of its step.
            progress: What else a restart needs to know, as JSON.
            validation_top1: By which the best is found; without it this one is not considered.

        Raises:
            InputError: This checkpoint or the one before cannot be written.
        """
        # Plain numbers, of which the main process writes all: a checkpoint does not know on how
        # many devices or processes it was made.
        state = jax.device_get(state)
        about = _About(**asdict(self._identity), digest=_digest(state), progress=dict(progress))
        items = {
            _STATE: ocp.args.StandardSave(state),
            _ABOUT: ocp.args.JsonSave(about._asdict()),
        }
        metrics = None if validation_top1 is None else {"validation_top1": validation_top1}
        with self._writing():
            step, arguments = int(state.step), ocp.args.Composite(**items)
            if not self._manager.save(step, args=arguments, metrics=metrics):
                last = self._manager.latest_step()
                raise RuntimeError(f"Orbax takes no step {step} after {last}")

    def progress(self, step: int) -> dict[str, Any]:
        """What was saved as `progress` at a step.

        Raises:
            InputError: As `restore`.
        """
        return self._about(step).progress

    def restore(self, like: SganState, step: int) -> SganState:
        """Reads a complete checkpoint.

        Args:
            like: A state of the same shapes.
            step: One of `steps`.

        Raises:
            InputError: It is damaged, or of another run.
        """
        about = self._about(step)
        with self._reading(step):
            state = self._read(step, _STATE, ocp.args.StandardRestore(jax.device_get(like)))
            if _shapes(state) != _shapes(like):  # Orbax takes them as they come
                raise ValueError("its arrays have other shapes")
            if int(state.step) != step or _digest(state) != about.digest:
                raise ValueError("its numbers are not those that were saved")
        return jax.tree.map(jnp.asarray, state)

    def close(self) -> None:
        """Waits until everything is on the disk.

        Raises:
            InputError: The last checkpoint could not be written.
        """
        with self._writing():
            self._manager.close()

    def _about(self, step: int) -> _About:
        with self._reading(step):
            about = _About(**self._read(step, _ABOUT, ocp.args.JsonRestore()))
            whose = Identity(dict(about.config), str(about.dataset_fingerprint), about.pretrained)
        self._identity.check(f"checkpoint {self._folder / str(step)}", whose)
        return about

    def _read(self, step: int, item: str, how: ocp.args.CheckpointArgs) -> Any:  # noqa: ANN401
        return self._manager.restore(step, args=ocp.args.Composite(**{item: how}))[item]

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # as above
            left = self._manager.all_steps(read=True)
            goes_on = f"the run goes on from step {max(left)}" if left else "nothing is saved yet"
            raise InputError(
                f"a checkpoint cannot be written to {self._folder} ({_first_words(error)}); make "
                f"room and start again: {goes_on}"
            ) from error

    @contextlib.contextmanager
    def _reading(self, step: int) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # as above
            raise InputError(
                f"checkpoint {self._folder / str(step)} is damaged or of another network "
                f"({_first_words(error)}); move it away to go on from the one before it, "
                "or name another --workdir=DIR to start anew"
            ) from error


def has_checkpoint(workdir: Path) -> bool:
    """Whether a run has a checkpoint that is whole, without opening any."""
    return bool(ocp.utils.checkpoint_steps(workdir / FOLDER))


@contextlib.contextmanager
def open_checkpoints(workdir: Path, keep: int, identity: Identity) -> Iterator[Checkpoints]:
    """Opens the checkpoints of a run and finishes writing at the end, whatever happens.

    Of several processes one that fails finishes nothing: it would wait for the others for ever.
    """
    checkpoints = Checkpoints(workdir, keep, identity)
    try:
        yield checkpoints
    except Exception:
        if not processes.several():
            checkpoints.close()
        raise
    except BaseException:
        checkpoints.close()
        raise
    checkpoints.close()


def _validation_top1(metrics: Mapping[str, float]) -> float:
    return metrics["validation_top1"]


def _shapes(state: SganState) -> list[tuple[Any, ...]]:
    return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(state)]


def _digest(state: SganState) -> str:
    """A number that differs wherever the states differ."""
    digest = hashlib.blake2b(digest_size=16)
    for path, leaf in jax.tree_util.tree_leaves_with_path(jax.device_get(state)):
        digest.update(f"{jax.tree_util.keystr(path)} {leaf.dtype} {leaf.shape} ".encode())
        digest.update(leaf.tobytes())
    return digest.hexdigest()


def _first_words(error: Exception) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:120]}"
