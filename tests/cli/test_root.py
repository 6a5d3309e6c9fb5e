"""What is true of every command: help, exit codes, one line for each error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import rich_click as click
from click.testing import CliRunner, Result

from cli.home import Home
from tickloom import __version__
from tickloom.cli import tickloom
from tickloom.cli.failures import EXIT_CODES, exit_code
from tickloom.cli.root import LazyGroup
from tickloom.errors import (
    CredentialsError,
    PluginError,
    PortInUse,
    RateLimited,
    ServerUnavailable,
    StoreUnavailable,
    TickloomError,
    UnknownSymbol,
)

Invoke = Callable[..., Result]
COMMANDS = list(tickloom.commands)


def all_errors(kind: type[TickloomError] = TickloomError) -> list[type[TickloomError]]:
    return [kind, *(error for inner in kind.__subclasses__() for error in all_errors(inner))]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_help_lists_is_there_and_explains_itself(name: str) -> None:
    command = getattr(import_module(f"tickloom.cli.{name}"), name)
    assert command.name == name
    assert command.help
    result = CliRunner().invoke(tickloom, [name, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


def test_help_says_what_each_exit_code_means(invoke: Invoke) -> None:
    text = " ".join(invoke("--help").stdout.split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in text


def test_the_version_is_that_of_the_package(invoke: Invoke) -> None:
    assert __version__ in invoke("--version").stdout


def test_help_imports_neither_the_server_nor_any_command() -> None:
    code = (
        "import sys\nfrom tickloom.cli import tickloom\n"
        "tickloom(['--help'], standalone_mode=False)\n"
        "heavy = {'litestar', 'uvicorn', 'httpx', 'redis', 'piccolo', 'tickloom.manager'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded []"


@pytest.mark.parametrize("args", [["nonsense"], ["quote"], ["quote", "--nonsense", "A"]])
def test_wrong_usage_is_exit_code_2(invoke: Invoke, args: list[str]) -> None:
    result = invoke(*args)
    assert result.exit_code == 2
    assert "Usage" in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownSymbol("x"), 1),
        (PluginError("x"), 1),
        (PortInUse("x"), 3),
        (CredentialsError("x"), 3),
        (StoreUnavailable("x"), 4),
        (ServerUnavailable("x"), 4),
        (RateLimited("x"), 4),
    ],
)
def test_an_exit_code_says_what_to_do_next(error: TickloomError, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_has_an_exit_code_that_help_names(kind: type[TickloomError]) -> None:
    assert exit_code(kind("x")) in EXIT_CODES


def failing(error: BaseException) -> LazyGroup:
    @click.group(cls=LazyGroup, sentences={})
    @click.option("--debug", is_flag=True)
    @click.pass_context
    def group(ctx: click.Context, *, debug: bool) -> None:
        ctx.meta["tickloom.debug"] = debug

    @click.command()
    def fail() -> None:
        raise error

    group.resolve_command = lambda ctx, args: ("fail", fail, args[1:])  # type: ignore[method-assign]
    return group


def test_a_bug_is_one_line_that_says_so_and_exit_code_70() -> None:
    result = CliRunner().invoke(failing(ValueError("two\nlines")), ["fail"])
    [line] = result.stderr.splitlines()
    assert line.startswith("error: a bug in tickloom: ValueError: two lines.")
    assert result.exit_code == 70


def test_a_bug_shows_its_traceback_where_that_is_asked_for() -> None:
    result = CliRunner().invoke(failing(ValueError("x")), ["--debug", "fail"])
    assert isinstance(result.exception, ValueError)


def test_an_interrupt_is_exit_code_130_without_a_word() -> None:
    result = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert (result.exit_code, result.output) == (130, "")


def test_a_settings_file_that_is_missing_is_exit_code_3(invoke: Invoke) -> None:
    result = invoke("quote", "TICK.ONE", "--config", "nowhere.toml", "--json")
    error = json.loads(result.stderr)["error"]
    assert error["code"] == "invalid-configuration"
    assert "nowhere.toml" in error["message"]
    assert error["expected"] == "a TOML file"
    assert result.exit_code == 3


def test_a_misspelt_key_names_file_key_and_the_nearest_right_one(
    invoke: Invoke, home: Home
) -> None:
    home.write("tickloom.toml", "[server]\nprot = 1\n")
    result = invoke("quote", "TICK.ONE")
    [line] = result.stderr.splitlines()
    for part in ("tickloom.toml", "[server]", "'prot'", "Did you mean port?"):
        assert part in line
    assert result.exit_code == 3


def test_a_reader_that_goes_away_ends_the_command_quietly(home: Home) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "tickloom", "config", "show"],
            cwd=home.folder,
            env=home.environment(),
            stdout=pipe,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_full_disk_is_told_as_what_it_is(home: Home) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "tickloom", "plugins", "--json"],
            cwd=home.folder,
            env=home.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )

    assert done.returncode == 1
    assert "nothing can be written: No space left on device" in done.stderr
    assert "bug" not in done.stderr
