"""``tickloom cleanup``: what the settings do not keep, told or removed."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

import rich_click as click
from msgspec.structs import asdict

from tickloom.cli import cells
from tickloom.cli.failures import FAILED
from tickloom.cli.options import config_option, json_option
from tickloom.cli.output import keep_logs, make_console, make_table, plain, print_json, waiting
from tickloom.clock import SystemClock
from tickloom.errors import ConfigError, StoreUnavailable
from tickloom.jobs import cleanup_now
from tickloom.settings import Settings, load_settings, redact_url
from tickloom.store import Expiry, Retention, migrate, schema_version
from tickloom.store.schema import version_of

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_STEP = 1_024
_SHOWN_PARTITIONS = 2


@click.command()
@click.option("--yes", is_flag=True, help="Remove it; without this it is only told.")
@config_option
@json_option
@click.pass_context
def cleanup(ctx: click.RichContext, *, yes: bool, config_file: str | None, as_json: bool) -> None:
    """Tell which rows are older than the settings keep, and with `--yes` remove them.

    A running server does so by itself, once a day. What `[retention]` keeps for ever is left alone.
    """
    # Every failure is part of the report.
    keep_logs(warnings=False)
    settings = load_settings(config_file)
    if not settings.database.url:
        raise ConfigError(
            "there is no database to clean up",
            found=settings.database.url,
            expected="database.url, or the variable DATABASE_URL",
        )
    with waiting("looking for old rows"):
        found = asyncio.run(_clean(settings) if yes else _plan(settings))
    if as_json:
        _print_json(settings, found, is_done=yes)
    else:
        _print_table(found, is_done=yes)
    if any(expiry.error is not None for expiry in found):
        ctx.exit(FAILED)


async def _plan(settings: Settings) -> Sequence[Expiry]:
    url = settings.database.url
    version = await schema_version(url)
    # A schema of a later version may keep other things in the same tables.
    version_of([] if version is None else [version])
    return await Retention(url, settings.retention, SystemClock()).plan()


async def _clean(settings: Settings) -> Sequence[Expiry]:
    await migrate(settings.database.url)
    found = await cleanup_now(settings, f"cli {secrets.token_hex(4)}", SystemClock())
    if found is None:
        raise StoreUnavailable(
            "another process does upkeep on this database now", fix="Try again when it is done."
        )
    return found


def _print_json(settings: Settings, found: Sequence[Expiry], *, is_done: bool) -> None:
    kinds = [asdict(expiry) for expiry in found]
    print_json({"database": redact_url(settings.database.url), "removed": is_done, "kinds": kinds})


def _print_table(found: Sequence[Expiry], *, is_done: bool) -> None:
    table = make_table(
        *("Kind", "Kept", "Removed" if is_done else "To remove", "Partitions", "About"),
        *("Oldest kept", "Error"),
        right=("Removed", "To remove", "About"),
    )
    for expiry in found:
        table.add_row(
            expiry.kind,
            f"{expiry.days} days" if expiry.days else "for ever",
            ("~" if expiry.is_about else "") + cells.count(expiry.rows),
            _shorten(expiry.partitions),
            _size(expiry.bytes),
            cells.moment(expiry.oldest_kept),
            plain(expiry.error or cells.NONE),
        )
    console = make_console()
    console.print(table)
    rows = sum(expiry.rows for expiry in found)
    if is_done:
        console.print(f"{rows:,} rows removed", style="dim")
    elif rows:
        console.print(f"nothing was removed yet; --yes removes {rows:,} rows", style="dim")
    else:
        console.print("there is nothing to remove", style="dim")


def _shorten(partitions: Sequence[str]) -> str:
    if len(partitions) <= _SHOWN_PARTITIONS:
        return ", ".join(partitions) or cells.NONE
    return f"{len(partitions)}, {partitions[0]} to {partitions[-1]}"


def _size(count: int) -> str:
    if not count:
        return cells.NONE
    size = float(count)
    for unit in _UNITS[:-1]:
        if size < _STEP:
            return f"{size:.0f} {unit}"
        size /= _STEP
    return f"{size:.0f} {_UNITS[-1]}"
