"""``tickloom serve``: the server."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NoReturn

import rich_click as click
from loguru import logger

from tickloom.cli.banner import Banner
from tickloom.cli.listing import Listing, list_plugins
from tickloom.cli.options import config_option, json_option
from tickloom.cli.output import make_console, print_json
from tickloom.errors import StoreUnavailable
from tickloom.monitoring.logs import set_up_logging
from tickloom.server import open_sockets, run_server
from tickloom.settings import Settings, load_settings, with_overrides
from tickloom.store import migrate


@click.command()
@config_option
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=int, help="Port of API, docs and stream; 0 = any free one.")
@click.option("--stream-port", type=int, help="Second port of the stream; 0 = none.")
@click.option("--workers", type=int, help="Processes; more than one needs Redis.")
@json_option
def serve(*, config_file: str | None, as_json: bool, **options: Any) -> None:
    """Run the server until Ctrl-C or SIGTERM.

    Options win over the environment, and that over the settings file. Once the server answers, it
    prints where it is found; with `--json` as one line that scripts can wait for.
    """
    given = {name: value for name, value in options.items() if value is not None}
    settings = load_settings(config_file, overrides={"server": given})
    set_up_logging(settings.logging)
    with ExitStack() as stack:
        sockets = open_sockets(settings.server)
        for listener in sockets:
            stack.callback(listener.close)
        settings = _with_ports(settings, sockets)
        trouble = _migrate(settings.database.url)
        with _stopping_quietly():
            _run(settings, sockets, trouble, as_json=as_json)


def _migrate(url: str) -> list[str]:
    try:
        report = asyncio.run(migrate(url))
    except StoreUnavailable as error:
        # The prices flow without it, and the writer tries again until it is there.
        logger.error("nothing is stored for now: {}", error)
        return [f"nothing is stored for now: {error}"]
    for name in report.applied:
        logger.info("the migration {} ran", name)
    return []


def _with_ports(settings: Settings, sockets: Sequence[socket.socket]) -> Settings:
    ports = [listener.getsockname()[1] for listener in sockets]
    return with_overrides(settings, {"server": {"port": ports[0]}})


def _run(
    settings: Settings, sockets: Sequence[socket.socket], trouble: list[str], *, as_json: bool
) -> None:
    def announce(listing: Listing) -> None:
        banner = Banner(settings, listing, trouble)
        if as_json:
            print_json(banner.as_json())
        else:
            console = make_console()
            banner.print(console)
            console.file.flush()

    if settings.server.workers > 1:
        # The workers load their own plugins, where nobody can ask them.
        announce(list_plugins(settings))
    run_server(settings, sockets, lambda manager: announce(Listing.of(manager.plugins)))


@contextmanager
def _stopping_quietly() -> Iterator[None]:
    """Make SIGTERM and Ctrl-C the ordinary end that they are for a server."""

    def stop(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        signal.signal(signal.SIGTERM, before)
