"""The tree of commands: a file below ``commands`` is a command, a folder a group, a docstring the help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from wflow import __version__, catalogue
from wflow.cli import commands, output

if TYPE_CHECKING:
    from types import ModuleType


def build() -> typer.Typer:
    """Build the whole command line."""
    app = _mount(commands)
    app.callback()(_root)
    return app


def _mount(package: ModuleType) -> typer.Typer:
    group = typer.Typer(
        help=package.__doc__,
        callback=_help,
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # rich takes longer to import than all the rest of `--help`
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    for name, module in catalogue.modules(package):
        spoken = name.replace("_", "-")
        if hasattr(module, "__path__"):
            group.add_typer(_mount(module), name=spoken)
        else:
            group.command(spoken, help=module.__doc__, epilog=_examples(module))(module.command)
    return group


def _help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        output.data(context.get_help())


def _root(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", "-v", help="Print the version.")] = False,
) -> None:
    if version:
        output.data(__version__)
        raise typer.Exit
    _help(context)


def _examples(module: ModuleType) -> str | None:
    """Keep the lines of the examples as they are (the first line tells typer so)."""
    lines = getattr(module, "EXAMPLES", "").strip().splitlines()
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)]) if lines else None
