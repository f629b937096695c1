"""Run by test_distributed: ten steps of plain gradient descent, in double precision.

Writes by how much everything has moved, as one vector, into the file that it is given. Updates are
those of plain descent in place of Adam's, whose normalisation hides some differences and magnifies
others; all else is the real train step.

    python -m tests.sgd_steps FILE [COORDINATOR PROCESS_ID NUM_PROCESSES]
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

from configs import base
from sgan_jax import devices, processes, state, train_step
from sgan_jax.optimizers import Optimizers

BATCH, GRID, CLASSES, STEPS = 8, 3041, 14, 10


def plain_descent(_config):
    return Optimizers(optax.sgd(0.05), optax.sgd(0.05), optax.sgd(0.05))


def share_of_batch(step):
    """This process's rows of the step's batch."""
    rng = np.random.default_rng(step)
    labels = rng.integers(0, CLASSES, BATCH).astype(np.int32)
    labelled, unlabelled = rng.random((2, BATCH, GRID))
    size = BATCH // processes.count()
    own = slice(processes.index() * size, (processes.index() + 1) * size)
    return {
        "labelled": {"pattern": labelled[own], "label": labels[own]},
        "unlabelled": {"pattern": unlabelled[own]},
    }


def to_double(x):
    return x.astype(jnp.float64) if x.dtype == jnp.float32 else x


def main(file, coordinator=None, process_id=None, num_processes=None):
    if coordinator is not None:
        processes.initialize(coordinator, int(process_id), int(num_processes))
    state.make_optimizers = train_step.make_optimizers = plain_descent
    config = base.get_config()
    config.model.dropout = 0.0  # its masks may differ between devices
    started = state.create_state(config, CLASSES, GRID)
    jax.config.update("jax_enable_x64", True)
    now = before = jax.tree.map(to_double, started)
    step = devices.pmap_train_step(train_step.make_train_step(config, CLASSES))
    root = jax.random.key(config.seed)
    for number in range(STEPS):
        now, _ = step(now, devices.shard(share_of_batch(number)), root)
    moved = jax.tree.map(lambda a, b: np.ravel(a - b), *jax.device_get((now, before)))
    assert all(leaf.dtype == np.float64 for leaf in jax.tree.leaves(moved.params))
    if processes.is_main():
        np.save(file, np.concatenate(jax.tree.leaves(moved)))


if __name__ == "__main__":
    main(*sys.argv[1:])
