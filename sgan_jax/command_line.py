"""What commands need around their work, that of a run above all: flags, messages, caches."""

import argparse
import contextlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import absl.logging
import jax
from absl import flags
from ml_collections import ConfigDict, config_flags

import data_gen.command_line
from data_gen.errors import InputError
from sgan_jax import preemption, processes, supervisor

_ROOT = Path(__file__).resolve().parents[1]


def fail(message: str) -> NoReturn:
    """Ends the program with a short error and exit code 2."""
    # Reads that a failed one left behind, on threads of their own, have no more to say.
    sys.unraisablehook = threading.excepthook = lambda _: None
    print(error := f"error: {message}", file=sys.stderr)
    supervisor.note(error)
    _leave(supervisor.FAILED)


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """Ends the program with a line and an exit code where the block ends early."""
    try:
        yield
    except InputError as error:
        if processes.lost_touch(error):
            _leave(supervisor.LOST_TOUCH)
        fail(str(error))
    except preemption.Preempted as request:
        print(request, file=sys.stderr)
        sys.exit(preemption.EXIT_CODE)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        _leave(1)
    except Exception as error:
        if processes.lost_touch(error):
            _leave(supervisor.LOST_TOUCH)
        if not processes.several():
            raise
        traceback.print_exc()
        _leave(1)


def exit_status(command: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Runs a command that leaves no checkpoints; returns its exit status.

    Returns:
        0, 2 with one line for bad input, or 1 if interrupted, with what the interruption says.
    """
    try:
        return data_gen.command_line.exit_status(command, options)
    except KeyboardInterrupt as interruption:
        print(": ".join(filter(None, ("interrupted", str(interruption)))), file=sys.stderr)
        return 1


def parse_flags(argv: list[str], config: flags.FlagHolder[ConfigDict]) -> list[str]:
    """Reads the command line; whatever is wrong with it ends in one line of `error: …`.

    Args:
        argv: The program's name and its arguments.
        config: The flag that names the config file.

    Returns:
        The program's name alone.
    """
    sys.path.insert(0, str(_ROOT))  # config files import `configs.base`
    try:
        rest = flags.FLAGS(argv)
        if config.value is None:
            fail(f"no config; choose one by --config=configs/NAME.py, NAME: {_config_names()}")
        _ = config.value.task  # a file that could not be read fails only when it is looked at
    except OSError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        fail(f"the config file cannot be read ({reason}); configs/ has {_config_names()}")
    except (SyntaxError, ImportError) as error:
        fail(f"the config file is no Python that runs ({error}); configs/ has {_config_names()}")
    except (AttributeError, KeyError) as error:
        name = str(error.args[0]).strip("'\"")
        fail(f"the config has no field {name!r}; configs/base.py lists all fields")
    except (InputError, flags.Error) as error:
        fail(f"{error}; --help shows the options")
    if rest[1:]:
        fail(f"unexpected argument {rest[1]!r}; options begin with --")
    return rest


def default_workdir(config: flags.FlagHolder[ConfigDict]) -> Path:
    """`runs/NAME`, with METHOD and PRESET where they were given, so that runs do not mix."""
    file, _, arg = config_flags.get_config_filename(flags.FLAGS[config.name]).partition(":")
    return Path("runs", "-".join([Path(file).stem, *filter(None, arg.split(","))]))


def log_to_screen() -> None:
    """Shows the main process's own messages, with the time, and none of the libraries'."""
    absl.logging.set_verbosity(absl.logging.FATAL)  # Orbax logs at length what it also raises
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("sgan_jax")
    logger.setLevel(logging.INFO if processes.is_main() else logging.ERROR)
    logger.addHandler(handler)
    logger.propagate = False
    sys.unraisablehook = _without_late_answers


def _without_late_answers(unraisable: Any) -> None:  # noqa: ANN401 - a private type of `sys`
    """Says nothing of writes that end after another one has failed, which is what is said."""
    if "Event loop is closed" not in str(unraisable.exc_value):
        sys.__unraisablehook__(unraisable)


def keep_compiled_programs() -> None:
    """Keeps what JAX compiles for later runs, in JAX_COMPILATION_CACHE_DIR if that is set.

    The many small programs as well: together they take a second or two at each start.
    """
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(caches / "sgan_jax" / "compiled"))


def _leave(code: int) -> NoReturn:
    """Exits; one of several processes at once, since at a regular exit JAX waits for all."""
    if processes.several():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _config_names() -> str:
    return ", ".join(sorted(path.stem for path in (_ROOT / "configs").glob("[!_]*.py")))
