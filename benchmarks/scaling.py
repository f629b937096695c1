"""How training grows with devices: measured on this host, and estimated for GPUs.

    python -m benchmarks.scaling [--method=supervised] [--devices=1,2,4,8] [--estimate_only]

The host's devices share its cores, so the first table tells what mapping and averaging cost rather
than what more hardware gives. The second is arithmetic from the figures printed above it.
"""

import argparse
import dataclasses
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.scaling_estimate import Assumptions, bottleneck, rows_of
from benchmarks.tables import markdown
from data_gen.parallel import available_cores

_BATCH = 64


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns the exit code."""
    arguments = _arguments(argv)
    if not arguments.estimate_only:
        devices = [int(number) for number in arguments.devices.split(",")]
        print(_measured(arguments.method, devices, arguments.steps))
    assumptions = Assumptions(
        **{field.name: getattr(arguments, field.name) for field in dataclasses.fields(Assumptions)}
    )
    print(_estimated(assumptions))
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--method", choices=("sgan", "supervised"), default="supervised")
    parser.add_argument("--devices", default="1,2,4,8", help="forced devices to measure")
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each")
    parser.add_argument("--estimate_only", action="store_true", help="measure nothing")
    for field in dataclasses.fields(Assumptions):
        kind = int if isinstance(field.default, int) else float
        parser.add_argument(
            f"--{field.name}", type=kind, default=field.default, help=field.metadata["help"]
        )
    return parser.parse_args(argv)


def _measured(method: str, devices: Sequence[int], steps: int) -> str:
    speeds = {f"1 process, {n} device{'s' * (n > 1)}": _run(method, steps, n, 1) for n in devices}
    speeds["2 processes, 1 device each"] = _run(method, steps, 1, 2)
    first = next(iter(speeds.values()))
    rows = [[name, f"{speed:.0f}", f"{speed / first:.2f}"] for name, speed in speeds.items()]
    title = f"Measured: {method}, batch {_BATCH} over all devices, {available_cores()} cores"
    return markdown(title, ["devices", "real patterns/s", "× the first"], rows)


def _run(method: str, steps: int, devices: int, processes: int) -> float:
    """Real patterns per second of a run in processes of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    command = [sys.executable, "-m", "benchmarks.scaling_run", method, str(_BATCH), str(steps)]
    children = [
        subprocess.Popen(
            [*command, address, str(number), str(processes)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(processes)
    ]
    outputs = [child.communicate()[0] for child in children]
    if any(child.returncode for child in children):
        raise SystemExit(f"error: the run on {devices} devices failed (see above)")
    return float(json.loads(outputs[0].splitlines()[-1])["patterns_per_s"])


def _estimated(assumptions: Assumptions) -> str:
    lines = [f"- {what}" for what in assumptions.described()]
    tables = [
        markdown(
            f"Estimate, not measured: {gpus} GPUs, {assumptions.patterns:,} patterns",
            ["in every step of the SGAN", "bytes", "ms", "of the step"],
            rows_of(assumptions, gpus),
        )
        + f"\nSaturates first: {bottleneck(assumptions, gpus)}.\n"
        for gpus in (assumptions.gpus_per_machine, 8 * assumptions.gpus_per_machine)
    ]
    return "\n".join(["## What the estimate assumes", "", *lines, "", *tables])


if __name__ == "__main__":
    sys.exit(main())
