"""What commands print: tables for people, JSON for scripts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rich_click as click
from loguru import logger
from rich.console import Console
from rich.table import Table

from tickloom.model import encode_json

# A pipe has no width; lines that are cut at 80 columns would be of no use to grep.
_PIPE_WIDTH = 200


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Let the broken pipe rise to where every failure is handled."""
        raise BrokenPipeError


def make_console(*, stderr: bool = False) -> Console:
    """Return a console for standard output, or for standard error."""
    console = _Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def make_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return an empty table; the columns named in ``right`` hold numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def print_json(value: Any) -> None:
    """Print one JSON document on one line, and at once."""
    click.echo(encode_json(value))
    sys.stdout.flush()


def plain(text: str) -> str:
    """Return text of others without characters that would steer the terminal."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)


def print_fields(console: Console, fields: dict[str, str | None]) -> None:
    """Print names and values below each other; what is ``None`` is left out."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value is not None:
            table.add_row(name, plain(value))
    console.print(table)


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show a spinner on standard error while something takes time, if that is a terminal."""
    console = make_console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield


def keep_logs(*, warnings: bool) -> None:
    """Send the log's warnings to standard error, or nothing at all.

    For commands that end soon; a server sets up its log from the settings.
    """
    logger.remove()
    if warnings:
        logger.add(
            sys.stderr,
            level="WARNING",
            format=lambda record: record["level"].name.lower() + ": {message}\n",
            backtrace=False,
            diagnose=False,
        )
