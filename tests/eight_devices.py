"""Run by test_train_step in a process of its own: gradients on eight devices against one.

Prints a JSON object of the relative differences of every part, one for each noise key.
"""

import json
from collections import defaultdict

import jax
import numpy as np

from configs import base
from sgan_jax.devices import AXIS
from sgan_jax.gradients import make_gradients
from sgan_jax.state import create_state

BATCH, GRID, CLASSES, KEYS = 8, 3041, 14, 16


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
    """State whose generator makes patterns less flat than a fresh one's.

    Where a pattern is flat, rounding decides which point of a pooling window is the largest and
    so where the gradient goes.
    """
    params = dict(state.generator.params)
    params["pattern"] = jax.tree.map(lambda x: 3 * x, params["pattern"])
    return state.replace(generator=state.generator.replace(params=params))


def parts(gradients, metrics):
    return {
        "supervised": gradients.supervised,
        "unsupervised": gradients.adversarial.unsupervised,
        "generator": gradients.adversarial.generator,
        "batch_stats": gradients.adversarial.batch_stats,
        "metrics": metrics,
    }


def main():
    config = base.get_config()
    config.model.dropout = 0.0  # its masks may differ between devices
    config.data.relatives = True
    rng = np.random.default_rng(0)
    pattern = lambda: rng.random((BATCH, GRID), dtype=np.float32)  # noqa: E731
    label = rng.integers(0, CLASSES, BATCH).astype(np.int32)
    batch = {
        "labelled": {"pattern": pattern(), "label": label},
        "unlabelled": {"pattern": pattern()},
    }
    state = sharpened(create_state(config, CLASSES, GRID))
    function = make_gradients(config, CLASSES)
    on_eight = on(jax.devices(), function, state, batch)
    on_one = on(jax.devices()[:1], function, state, batch)
    found = defaultdict(list)
    previous = None
    for root in map(jax.random.key, range(KEYS)):
        eight, one = parts(*on_eight(root)), parts(*on_one(root))
        for name, part in one.items():
            found[name].append(relative_difference(eight[name], part))
        if previous is not None:
            found["other_noise"].append(relative_difference(one["generator"], previous))
        previous = one["generator"]
    print(json.dumps({"devices": len(jax.devices()), "differences": found}))


if __name__ == "__main__":
    main()
