"""How a command fails: one line on standard error and an exit code that means something."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rich_click as click
from click.exceptions import Abort, ClickException, Exit

from tickloom.cli.output import plain
from tickloom.errors import ConfigError, TickloomError, Unavailable
from tickloom.model import encode_json

OK = 0
FAILED = 1
MISCONFIGURED = 3
UNAVAILABLE = 4
BUG = 70
INTERRUPTED = 130

EXIT_CODES = {
    OK: "done",
    FAILED: "the request failed",
    2: "wrong usage",
    MISCONFIGURED: "wrong configuration",
    UNAVAILABLE: "a server, provider or database does not answer",
    BUG: "a bug in tickloom",
    INTERRUPTED: "interrupted",
}


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def exit_code(error: TickloomError) -> int:
    """Return the exit code that stands for ``error``."""
    if isinstance(error, ConfigError):
        return MISCONFIGURED
    return UNAVAILABLE if isinstance(error, Unavailable) else FAILED


def describe(error: TickloomError) -> dict[str, Any]:
    """Return what ``--json`` says of ``error``; absent details are left out."""
    details = {"found": error.found, "expected": error.expected, "fix": error.fix}
    return {"code": error.code, "message": error.message} | {
        name: str(value) for name, value in details.items() if value
    }


def print_error(error: TickloomError, *, as_json: bool, about: str = "") -> None:
    """Print one line about ``error`` on standard error; ``about`` is one of several things."""
    if as_json:
        named = {"id": about} if about else {}
        click.echo(encode_json(named | {"error": describe(error)}), err=True)
    else:
        click.echo(f"error: {plain(about)}: {error}" if about else f"error: {error}", err=True)


@contextmanager
def failing_clearly(ctx: click.Context) -> Iterator[None]:
    """Turn whatever a command raises into one line and an exit code."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has what it wanted. Python would flush once more at its end, and complain.
        _discard_stdout()
        ctx.exit(OK)
    except TickloomError as error:
        print_error(error, as_json=ctx.meta.get("tickloom.json", False))
        ctx.exit(exit_code(error))
    except KeyboardInterrupt:
        ctx.exit(INTERRUPTED)
    except (ClickException, Exit, Abort):
        raise
    except Exception as error:
        if ctx.meta.get("tickloom.debug"):
            raise
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            click.echo(f"error: nothing can be written: {error.strerror}. Make room.", err=True)
            _discard_stdout()
            ctx.exit(FAILED)
        click.echo(
            f"error: a bug in tickloom: {type(error).__name__}: {' '.join(str(error).split())}. "
            "Report it with what TICKLOOM_DEBUG=1 shows.",
            err=True,
        )
        ctx.exit(BUG)


def _discard_stdout() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    finally:
        os.close(nowhere)
