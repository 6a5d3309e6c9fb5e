"""``tickloom config``: whether the settings can be used, and what they come to."""

from __future__ import annotations

import rich_click as click

from tickloom.cli.failures import FAILED
from tickloom.cli.listing import list_plugins
from tickloom.cli.options import config_option, json_option
from tickloom.cli.output import keep_logs, print_json
from tickloom.cli.toml import write_toml
from tickloom.settings import Settings, load_settings, show


@click.group()
def config() -> None:
    """Check or print the settings."""


@config.command("check")
@config_option
@json_option
@click.pass_context
def check(ctx: click.Context, *, config_file: str | None, as_json: bool) -> None:
    """Say whether the settings can be used, those of the plugins too.

    Exits with 3 where the settings are wrong, with 1 where a plugin fails.
    """
    keep_logs(warnings=False)
    settings = load_settings(config_file, overrides={"plugins": {"strict": False}})
    found = list_plugins(settings)
    failed = {line.name: line.reason for line in found.failed}
    absent = found.absent_providers(settings.providers)
    if as_json:
        print_json(
            {
                "ok": not failed,
                "file": settings.origin.file or None,
                "variables": _variables(settings),
                "problems": [{"plugin": name, "message": text} for name, text in failed.items()],
                "warnings": absent,
            }
        )
    else:
        for sentence in absent:
            click.echo(f"warning: {sentence}", err=True)
        for name, text in failed.items():
            click.echo(f"error: plugin {name}: {text}", err=True)
        if not failed:
            click.echo(f"ok: {describe_origin(settings)}")
    ctx.exit(FAILED if failed else 0)


@config.command("show")
@config_option
@json_option
def show_settings(*, config_file: str | None, as_json: bool) -> None:
    """Print all settings as they are in effect, as TOML; secrets are not shown."""
    settings = load_settings(config_file)
    if as_json:
        print_json(show(settings))
    else:
        click.echo(f"# {describe_origin(settings)}\n{write_toml(show(settings))}", nl=False)


def describe_origin(settings: Settings) -> str:
    """Return which file and which environment variables the settings are from."""
    file = settings.origin.file or "no settings file"
    variables = _variables(settings)
    return f"{file}, and the variables {', '.join(variables)}" if variables else file


def _variables(settings: Settings) -> list[str]:
    return sorted(set(settings.origin.variables.values()))
