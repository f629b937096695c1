"""What the command lines of this package have in common."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from data_gen.errors import InputError


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, as every other error, instead of a page on usage."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit status 2."""
        self.exit(2, f"error: {message}; --help shows the options\n")


def exit_status(command: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Runs a command; returns its exit status: 0, or 2 with one line for bad input."""
    try:
        command(options)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def print_all(text: str) -> None:
    """Writes to standard output; a reader that has seen enough, such as `head`, is no mistake.

    Raises:
        InputError: It cannot be written for another reason, such as a full disk.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        # Python would try to write the rest once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise InputError(f"standard output: {error.strerror}: write elsewhere") from None
