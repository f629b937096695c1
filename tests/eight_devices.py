"""Run by test_train_step in a process of its own: gradients on eight devices against one.

Prints a JSON object of the largest relative difference of every part.
"""

import json

import jax
import numpy as np

from configs import base
from sgan_jax.devices import AXIS
from sgan_jax.gradients import make_gradients
from sgan_jax.state import create_state

BATCH, GRID, CLASSES = 8, 3041, 14


def on(devices, function, state, batch):
    """The gradient function on some devices, of the root key alone."""
    mapped = jax.pmap(
        function, axis_name=AXIS, in_axes=(None, 0, None), out_axes=None, devices=devices
    )
    count = len(devices)
    sharded = jax.tree.map(lambda x: x.reshape(count, BATCH // count, *x.shape[1:]), batch)
    return lambda root: jax.device_get(mapped(state, sharded, root))


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


def main():
    config = base.get_config()
    config.model.dropout = 0.0  # its masks may differ between devices
    # Among the 10^5 windows of the pool after the stem a few have two maxima that differ by less
    # than the rounding of float32, which then decides where the gradient goes.
    config.model.stem_pool = False
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
    eight, metrics = on(devices, function, state, batch)(root)
    on_one = on(devices[:1], function, state, batch)
    one, metrics_of_one = on_one(root)
    other, _ = on_one(jax.random.key(4))
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
                "generator_of_other_noise": relative_difference(
                    other.adversarial.generator, one.adversarial.generator
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
