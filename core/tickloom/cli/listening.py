"""What ``stream`` and ``record`` share: where to listen, for what, and until when."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import rich_click as click
from msgspec import Struct

from tickloom.cli.options import config_option
from tickloom.cli.subscription import Message, Subscription, Target
from tickloom.client import Tick
from tickloom.clock import SystemClock
from tickloom.errors import ConfigError, RequestError
from tickloom.model import parse_glob
from tickloom.settings import ServerSettings, Settings, load_settings

F = TypeVar("F", bound=Callable[..., Any])

_KEY_VARIABLE = "TICKLOOM_API_KEY"


class Listening(Struct, frozen=True, kw_only=True):
    """What a command listens to.

    Attributes:
        target: The server.
        symbols: Symbols and patterns in canonical form, each once.
        seconds: For how long; ``None`` = until it is stopped.
        count: For how many prices; ``None`` = any number.
        snapshot: Whether to begin with the newest values that the server has, however old.
    """

    target: Target
    symbols: list[str]
    seconds: float | None
    count: int | None
    snapshot: bool = True


def listening_options(command: F) -> F:
    """Add the options of which :func:`read_options` makes a :class:`Listening`."""
    options = (
        click.option("--url", help="The server's stream. Default: from the settings."),
        click.option(
            "--seconds", type=click.FloatRange(min=0, min_open=True), help="Stop after this time."
        ),
        click.option("--count", type=click.IntRange(min=1), help="Stop after so many prices."),
        click.option(
            "--key-env",
            metavar="NAME",
            help=f"Variable that holds the API key. Default: {_KEY_VARIABLE}, if it is set.",
        ),
        config_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def read_options(
    symbols: Sequence[str], options: dict[str, Any], config_file: str | None
) -> Listening:
    """Return what the command line asks for.

    Raises:
        RequestError: A symbol is malformed, or the URL is none of a WebSocket.
        ConfigError: The settings are wrong, or the variable of the key is not set.
    """
    settings = load_settings(config_file)
    url = options["url"] or stream_url(settings.server)
    if not url.startswith(("ws://", "wss://")):
        raise RequestError("--url is no address of a stream", found=url, expected="ws://host:port/")
    return Listening(
        target=Target(url, find_key(settings, options["key_env"])),
        symbols=list(dict.fromkeys(parse_glob(symbol) for symbol in symbols)),
        seconds=options["seconds"],
        count=options["count"],
    )


def stream_url(server: ServerSettings) -> str:
    """Return where a client of this machine finds the stream."""
    host = reachable_host(server.host)
    if server.stream_port:
        return f"ws://{host}:{server.stream_port}/"
    return f"ws://{host}:{server.port}/ws"


def reachable_host(host: str) -> str:
    """Return ``host`` as it stands in a URL; an address that means "all" becomes loopback."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"[{host}]" if ":" in host else host


def find_key(settings: Settings, name: str | None) -> str | None:
    """Return the API key of the environment, ``None`` = there is none.

    Raises:
        ConfigError: A variable was named and is not set.
    """
    key = settings.origin.environment.get(name or _KEY_VARIABLE)
    if name and not key:
        raise ConfigError(
            f"the variable {name} that --key-env names is not set", fix=f"Set {name} to the key."
        )
    return key


@asynccontextmanager
async def listen(
    listening: Listening, tell: Callable[[str], None]
) -> AsyncIterator[AsyncIterator[list[Message]]]:
    """Subscribe, and yield what comes until it is enough, or SIGINT or SIGTERM arrives.

    Raises:
        TickloomError: The server cannot be reached or refuses.
    """
    subscription = Subscription(
        listening.target,
        listening.symbols,
        SystemClock(),
        random.Random(),  # noqa: S311 - scatters attempts, guards nothing
        tell,
        snapshot=listening.snapshot,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Where the loop cannot do this, Ctrl-C interrupts as it does elsewhere.
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, subscription.end)
    timer = listening.seconds and loop.call_later(listening.seconds, subscription.end)
    try:
        async with subscription:
            yield _batches(subscription, listening.count)
    finally:
        if timer:
            timer.cancel()


async def _batches(subscription: Subscription, count: int | None) -> AsyncIterator[list[Message]]:
    left = count
    while batch := await subscription.take():
        if left is not None:
            batch, left = _cut(batch, left)
        yield batch
        if left == 0:
            return


def _cut(batch: list[Message], left: int) -> tuple[list[Message], int]:
    for place, message in enumerate(batch, 1):
        if isinstance(message.body, Tick):
            left -= 1
            if left == 0:
                return batch[:place], 0
    return batch, left
