"""Run by `benchmarks.scaling`: times the train step on patterns in memory; prints JSON.

python -m benchmarks.scaling_run METHOD BATCH STEPS COORDINATOR PROCESS_ID NUM_PROCESSES
"""

import json
import sys
import time

import jax
import numpy as np

from configs import base
from sgan_jax import command_line, devices, processes
from sgan_jax.state import create_state
from sgan_jax.train_step import make_train_step

_GRID, _CLASSES, _WARM_UP = 3041, 14, 2


def main(
    method: str, batch: str, steps: str, coordinator: str, process_id: str, num_processes: str
) -> None:
    """Times a run."""
    if int(num_processes) > 1:
        processes.initialize(coordinator, int(process_id), int(num_processes))
    command_line.keep_compiled_programs()
    config = base.get_config(method)
    config.batch_size = int(batch)
    state = create_state(config, _CLASSES, _GRID)
    step = devices.pmap_train_step(make_train_step(config, _CLASSES))
    share = devices.shard(_share(method, config.batch_size // processes.count()))
    root = jax.random.key(0)
    begin = 0.0
    for number in range(_WARM_UP + int(steps)):
        if number == _WARM_UP:
            jax.block_until_ready(state)
            begin = time.perf_counter()
        state, _ = step(state, share, root)
    jax.block_until_ready(state)
    seconds = time.perf_counter() - begin
    patterns = config.batch_size * int(steps) * (2 if method == "sgan" else 1)
    print(json.dumps({"patterns_per_s": patterns / seconds}))


def _share(method: str, count: int) -> dict[str, dict[str, np.ndarray]]:
    random = np.random.default_rng(0)

    def patterns() -> np.ndarray:
        return random.random((count, _GRID), np.float32)

    labels = random.integers(0, _CLASSES, count).astype(np.int32)
    labelled = {"pattern": patterns(), "label": labels}
    return {"labelled": labelled} | (
        {"unlabelled": {"pattern": patterns()}} if method == "sgan" else {}
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
