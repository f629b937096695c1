"""All mapping over devices: the only module that knows how many there are.

State and parameters go in and come out as plain, unstacked arrays; batches are split along their
leading axis. Moving from `jax.pmap` to another mapping touches this file alone.

Where a run has several processes, `jax.pmap` maps over the devices of all, those of process 0
first; each process puts in its own share of the batch and the same state as the others, and gets
the state back on its own devices.
"""

from collections import Counter
from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

from data_gen.errors import InputError
from sgan_jax import processes

AXIS = "batch"
Step = Callable[[PyTree, PyTree, Array], tuple[PyTree, PyTree]]


def check_divisible(batch_size: int) -> None:
    """Checks that a batch splits evenly over the devices of all processes.

    Raises:
        InputError: If it does not, or some processes have more devices than others.
    """
    of_process = Counter(device.process_index for device in jax.devices())
    if len(set(of_process.values())) > 1:
        raise InputError(
            f"the processes have different numbers of devices, {dict(sorted(of_process.items()))} "
            "by their number; give each as many"
        )
    devices = jax.device_count()
    if batch_size % devices:
        where = f" of {processes.count()} processes" if processes.count() > 1 else ""
        raise InputError(
            f"batch_size {batch_size} does not divide over {devices} devices{where}; "
            f"choose a multiple of {devices}"
        )


def shard(batch: PyTree) -> PyTree:
    """Splits the leading axis of every array over the local devices, B → (devices, B/devices)."""
    devices = jax.local_device_count()
    return jax.tree.map(lambda x: x.reshape(devices, x.shape[0] // devices, *x.shape[1:]), batch)


def replicate(tree: PyTree) -> PyTree:
    """Copies arrays to every local device, unstacked; what is there already stays as it is."""
    mesh = Mesh(np.array(jax.local_devices()), (AXIS,))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def pmap_train_step(step: Step) -> Step:
    """Maps a train step over all devices of all processes.

    Args:
        step: (state, batch, root key) → (state, metrics), averaging over `AXIS` itself.

    Returns:
        The same function of a sharded batch, this process's share; compiled. State, key and
        metrics stay unstacked.
    """
    mapped = jax.pmap(step, axis_name=AXIS, in_axes=(None, 0, None), out_axes=(None, None))
    # Without the replication the first and the second call would differ in where the state
    # lies, and the step would be compiled twice.
    return lambda state, batch, root: mapped(replicate(state), batch, replicate(root))


def pmap_apply(function: Callable[[PyTree, PyTree], PyTree]) -> Callable[[PyTree, PyTree], PyTree]:
    """Maps a function of (parameters, batch) over the local devices, each process by itself.

    Args:
        function: Acts on the leading axis of its second argument, example by example.

    Returns:
        Function of parameters and a whole batch, which it splits and whose result it joins.
    """
    mapped = jax.pmap(function, axis_name=AXIS, in_axes=(None, 0), devices=jax.local_devices())

    def apply(parameters: PyTree, batch: PyTree) -> PyTree:
        result = mapped(parameters, shard(batch))
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), result)

    return apply
