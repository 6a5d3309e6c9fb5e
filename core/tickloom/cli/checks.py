"""The single checks of ``tickloom doctor``; each one answers instead of raising."""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from msgspec import Struct

from tickloom import __version__
from tickloom.cli.inquiry import ALONE
from tickloom.cli.listing import Listing
from tickloom.errors import PortInUse, TickloomError
from tickloom.feeds import Source
from tickloom.manager import MarketDataManager
from tickloom.server import open_sockets
from tickloom.settings import Settings, load_settings, redact_url
from tickloom.store import known_migrations, schema_version
from tickloom.store.address import kind_of, sqlite_path

CheckState = Literal["ok", "warning", "failed"]

_LEAST_FREE_BYTES = 100 * 1_048_576


class Check(Struct, frozen=True):
    """What one check found.

    Attributes:
        name: What was checked.
        state: ``warning`` = it works, but not as it could.
        detail: What was found.
        fix: What to do; empty = nothing.
    """

    name: str
    state: CheckState
    detail: str
    fix: str = ""


def run_checks(config_file: str | None) -> Iterator[Check]:
    """Yield the checks as they are done; wrong settings end them, as all else rests on these."""
    yield Check("python", "ok", f"{platform.python_version()}, {sys.executable}")
    yield Check("tickloom", "ok", __version__)
    yield _check_loop()
    overrides = {"plugins": {"strict": False}}
    try:
        settings = load_settings(config_file, overrides=overrides)
        alone = load_settings(config_file, overrides=overrides | ALONE)
    except TickloomError as error:
        yield _failed("settings", error)
        return
    yield Check("settings", "ok", settings.origin.file or "defaults and environment, no file")
    yield from _check_ports(settings)
    yield from _check_disk(settings.database.url)
    yield asyncio.run(_check_database(settings.database.url))
    try:
        yield from asyncio.run(_check_answers(alone))
    except TickloomError as error:
        yield _failed("start", error)


def _failed(name: str, error: TickloomError) -> Check:
    return Check(name, "failed", str(error).removesuffix(f". {error.fix}"), error.fix)


def _check_loop() -> Check:
    try:
        return Check("event loop", "ok", f"uvloop {version('uvloop')}")
    except PackageNotFoundError:
        return Check("event loop", "warning", "asyncio", "Install uvloop: it is twice as fast.")


def _check_ports(settings: Settings) -> Iterator[Check]:
    server = settings.server
    where = f"{server.host}:{server.port}" + (
        f" and {server.stream_port}" if server.stream_port else ""
    )
    try:
        for listener in open_sockets(server):
            listener.close()
    except PortInUse as error:
        yield Check("ports", "warning", error.message, "Fine if that is tickloom. " + error.fix)
    except TickloomError as error:
        yield _failed("ports", error)
    else:
        yield Check("ports", "ok", f"{where} are free")


def _check_disk(url: str) -> Iterator[Check]:
    if kind_of(url) != "sqlite":
        return
    path = sqlite_path(url).resolve()
    target = path if path.exists() else path.parent
    if not os.access(target, os.W_OK):
        fix = "Change its owner or mode, or database.url."
        yield Check("disk", "failed", f"{target} is not there or not writable", fix)
        return
    free = shutil.disk_usage(path.parent).free
    detail = f"{free // 1_048_576:,} MiB free at {path.parent}"
    if free < _LEAST_FREE_BYTES:
        yield Check("disk", "warning", detail, "Make room: quotes are stored there.")
    else:
        yield Check("disk", "ok", detail)


async def _check_database(url: str) -> Check:
    if not url:
        return Check("database", "ok", "none: database.url is empty, nothing is stored")
    where, newest = redact_url(url), known_migrations()[-1]
    try:
        found = await schema_version(url)
    except TickloomError as error:
        return _failed("database", error)
    if found == newest:
        return Check("database", "ok", f"{where}, schema {found}")
    if found is not None and found > newest:
        detail = f"{where} has schema {found}, newer than {newest} of this version"
        return Check("database", "failed", detail, "Upgrade tickloom.")
    detail = f"{where} has schema {found or 'none'}, this version has {newest}"
    return Check("database", "warning", detail, "Run tickloom migrate, or tickloom serve does it.")


def _check_plugins(settings: Settings, listing: Listing) -> Iterator[Check]:
    states: dict[str, CheckState] = dict.fromkeys(("active", "disabled", "not configured"), "ok")
    for line in listing.report:
        detail = f"{line.state} {line.version}".rstrip()
        if line.offers:
            detail += f", {', '.join(line.offers)}"
        state = states.get(line.state, "failed")
        fix = (
            ""
            if state == "ok"
            else "Install it, correct its settings, or leave it out of [plugins]."
        )
        yield Check(
            f"plugin {line.name}", state, f"{detail}: {line.reason}" if line.reason else detail, fix
        )
    if not listing.providers:
        yield Check("providers", "failed", "no provider is running", "Install a provider plugin.")
    for sentence in listing.absent_providers(settings.providers):
        fix = "Install it, or change [providers]."
        yield Check("providers", "warning", sentence, fix)


async def _check_answers(settings: Settings) -> list[Check]:
    """Load the plugins, and ask Redis and each provider for one answer."""
    async with MarketDataManager(settings) as manager:
        checks = list(_check_plugins(settings, Listing.of(manager.plugins)))
        if settings.redis.url:
            checks.append(await _ask_redis(manager))
        checks += [await _ask_provider(source) for source in manager.router.sources.values()]
    return checks


async def _ask_redis(manager: MarketDataManager) -> Check:
    store = manager.cache_manager.redis_cache
    where = redact_url(manager.settings.redis.url)
    if await store.health_check():
        return Check("redis", "ok", where)
    detail = f"{where} does not answer: {store.last_error}"
    return Check("redis", "failed", detail, "Start Redis, or change redis.url.")


async def _ask_provider(source: Source) -> Check:
    name, info = f"provider {source.name}", source.info
    notice = f" ({info.notice})" if info.notice else ""
    if not info.symbols:
        detail = f"{info.timeliness}, lists no symbols, so it was not asked{notice}"
        return Check(name, "ok", detail)
    symbol = min(info.symbols)
    answer = (await source.quotes([symbol]))[symbol]
    if isinstance(answer, TickloomError):
        return _failed(name, answer)
    detail = f"{info.timeliness}, {symbol} at {answer.current_price:f}, {len(info.symbols)} symbols"
    return Check(name, "ok", detail + notice)
