"""Runs the application on its ports."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
from collections.abc import Callable, Sequence
from functools import partial

import uvicorn
from litestar import Litestar
from uvicorn.supervisors import multiprocess

from tickloom.app import create_app
from tickloom.errors import ConfigError, PortInUse
from tickloom.history.formats import load
from tickloom.manager import MarketDataManager
from tickloom.monitoring.logs import set_up_logging
from tickloom.settings import ServerSettings, Settings
from tickloom.stream.transport import StreamProtocol, UpgradingProtocol, patient

Announce = Callable[[MarketDataManager], None]

# The manager needs what is left of ten seconds.
_GRACE_S = 3
_BACKLOG = 2_048
_SOCKET_MESSAGES = 4
_COLLECTED_AFTER = (10_000, 20, 20)


def open_sockets(settings: ServerSettings) -> list[socket.socket]:
    """Listen on the API port and, where it is on, on the stream port; in this order.

    Raises:
        PortInUse: Another process listens there.
        ConfigError: The address is not this machine's.
    """
    sockets: list[socket.socket] = []
    try:
        sockets.append(_listen(settings.host, settings.port, "server.port"))
        if settings.stream_port and settings.stream_port != settings.port:
            sockets.append(_listen(settings.host, settings.stream_port, "server.stream_port"))
    except BaseException:
        for opened in sockets:
            opened.close()
        raise
    return sockets


def _listen(host: str, port: int, key: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"another process listens on {host}:{port}",
                fix=f"Stop it, or set {key} to another port.",
            ) from None
        raise ConfigError(
            f"cannot listen on {host}:{port}", found=error.strerror, expected="an address of here"
        ) from None
    listener.set_inheritable(True)
    return listener


class _Server(uvicorn.Server):
    """Says when it serves, and ends the endless responses before it waits for requests to finish.

    Args:
        config: What to serve.
        announce: Called once when the server answers.
    """

    def __init__(self, config: uvicorn.Config, announce: Announce | None) -> None:
        super().__init__(config)
        self._announce = announce
        self._loading: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        calm_collector()
        app = self._app()
        if self._announce is not None and app is not None:
            self._announce(app.state.manager)
        # The first answer in a format of columns would wait for it. In a thread, and only now, so
        # that nobody waits for it at the start.
        self._loading = asyncio.create_task(asyncio.to_thread(load), name="load formats")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self._app()
        if app is not None and hasattr(app.state, "stream_server"):
            app.state.stream_server.closing.set()
        if self._loading is not None:
            # A thread that imports cannot be stopped; the end of the loop waits for it.
            self._loading.cancel()
        await super().shutdown(sockets)

    def _app(self) -> Litestar | None:
        app = self.config.loaded_app
        while app is not None and not isinstance(app, Litestar):
            app = getattr(app, "app", None)
        return app


def calm_collector() -> None:
    """Let the garbage collector look less often, and never at what the start has made.

    Looking through all of that would hold up every client for 50 ms, and almost all that a stream
    makes afterwards dies by itself.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AFTER)


class _Worker(multiprocess.Process):
    """A process of several, with our server in it."""

    @property
    def server(self) -> uvicorn.Server:
        if self._server is None:
            self._server = _Server(self.config, None)
        return self._server


def run_server(
    settings: Settings, sockets: Sequence[socket.socket], announce: Announce | None = None
) -> None:
    """Serve until SIGINT or SIGTERM; clients are told to come back (1012) and have 3 s to leave.

    Args:
        settings: All settings; with several workers each process makes its own manager of them.
        sockets: As from :func:`open_sockets`.
        announce: Called once with the manager when the server answers; never with several workers,
            whose managers are in other processes.
    """
    config = uvicorn.Config(
        partial(build, settings),
        factory=True,
        loop="auto",
        http=patient(UpgradingProtocol, settings.stream.write_timeout_s),
        ws=patient(StreamProtocol, settings.stream.write_timeout_s),
        ws_max_size=_SOCKET_MESSAGES * settings.stream.max_message_bytes,
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=_GRACE_S,
        workers=settings.server.workers,
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
    )
    if settings.server.workers > 1:
        # Uvicorn has no other place for a server of one's own; the version is pinned exactly.
        multiprocess.Process = _Worker  # type: ignore[misc]
        multiprocess.Multiprocess(config, list(sockets)).run()
    else:
        _Server(config, announce).run(sockets=list(sockets))


def build(settings: Settings) -> Litestar:
    """Return the application of one process."""
    set_up_logging(settings.logging)
    manager = MarketDataManager(settings)
    app = create_app(manager)
    app.state.manager = manager
    return app
