"""The command `wflow`: runs one command line, and tells what went wrong in one place."""

from __future__ import annotations

import io
import sys

from wflow.cli import failure


def main() -> int:
    """Run what stands on the command line; gives the exit code (see `wflow.cli.failure`)."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name that the terminal cannot show is no bug
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001  whatever it is, a person gets a sentence
        return failure.report(error)
    return code


def run(arguments: list[str]) -> int:
    """Run one command; what it raises is the caller's to tell."""
    if arguments in (["--version"], ["-v"]):
        from wflow import __version__
        from wflow.cli import output

        output.data(__version__)  # scripts ask often, and need not wait until the command line is built
        return failure.FINE

    from wflow.cli import tree

    result = tree.build(arguments)(args=arguments, prog_name="wflow", standalone_mode=False)
    return result if isinstance(result, int) else failure.FINE
