"""Run by test_train_step in a process of its own: gradients on eight devices against one.

Prints a JSON object of the largest relative difference of every part.
"""

import json
import sys

import jax
import numpy as np

from configs import base
from sgan_jax.devices import AXIS
from sgan_jax.gradients import make_gradients
from sgan_jax.state import create_state

BATCH, GRID, CLASSES = 16, 3041, 14


def gradients_on(devices, function, state, batch, root):
    mapped = jax.pmap(
        function, axis_name=AXIS, in_axes=(None, 0, None), out_axes=None, devices=devices
    )
    count = len(devices)
    sharded = jax.tree.map(lambda x: x.reshape(count, BATCH // count, *x.shape[1:]), batch)
    return jax.device_get(mapped(state, sharded, root))


def relative_difference(first, second):
    """‖a − b‖ / ‖b‖ of two trees taken as vectors."""
    flat = lambda tree: np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])  # noqa: E731
    a, b = flat(first), flat(second)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def sharpened(state):
    """State whose generator makes patterns with pronounced peaks.

    A fresh one makes nearly flat patterns, where rounding decides which point of a pooling
    window is the largest and so where the gradient goes.
    """
    params = dict(state.generator.params)
    params["pattern"] = jax.tree.map(lambda x: 30 * x, params["pattern"])
    return state.replace(generator=state.generator.replace(params=params))


def main(dropout):
    config = base.get_config()
    config.model.dropout = dropout
    rng = np.random.default_rng(0)
    pattern = lambda: rng.random((BATCH, GRID), dtype=np.float32)  # noqa: E731
    label = rng.integers(0, CLASSES, BATCH).astype(np.int32)
    batch = {
        "labelled": {"pattern": pattern(), "label": label},
        "unlabelled": {"pattern": pattern()},
    }
    state = sharpened(create_state(config, CLASSES, GRID))
    function = make_gradients(config, CLASSES)
    root = jax.random.key(3)
    devices = jax.devices()
    eight, metrics = gradients_on(devices, function, state, batch, root)
    one, metrics_of_one = gradients_on(devices[:1], function, state, batch, root)
    print(
        json.dumps(
            {
                "devices": len(devices),
                "supervised": relative_difference(eight.supervised, one.supervised),
                "unsupervised": relative_difference(
                    eight.adversarial.unsupervised, one.adversarial.unsupervised
                ),
                "generator": relative_difference(
                    eight.adversarial.generator, one.adversarial.generator
                ),
                "batch_stats": relative_difference(
                    eight.adversarial.batch_stats, one.adversarial.batch_stats
                ),
                "metrics": relative_difference(metrics, metrics_of_one),
            }
        )
    )


if __name__ == "__main__":
    main(float(sys.argv[1]))
