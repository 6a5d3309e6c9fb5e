"""Starts a PostgreSQL and a Redis for the whole run where none answers at their usual ports.

The programs have to be installed; where they are not, the tests that need a server say so and are
skipped.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import pytest

from outages import Server, find_programs

POSTGRES_PORT = 5432
REDIS_PORT = 6379
_LONGEST_S = 30.0


def pytest_configure(config: pytest.Config) -> None:
    # Workers find what the process that started them has started.
    if hasattr(config, "workerinput"):
        return
    stack = ExitStack()
    config.add_cleanup(stack.close)
    starts: list[tuple[int, Callable[[int], AbstractContextManager[None]]]] = [
        (POSTGRES_PORT, stand_in_postgres),
        (REDIS_PORT, stand_in_redis),
    ]
    for port, start in starts:
        if not answers(port):
            with suppress(pytest.skip.Exception):
                stack.enter_context(start(port))


def answers(port: int) -> bool:
    """True where somebody listens at a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def stand_in_postgres(port: int) -> Iterator[None]:
    """Run a PostgreSQL with a database ``test`` and without passwords."""
    programs = find_programs()
    user = "postgres" if os.getuid() == 0 else getpass.getuser()
    folder = Path(tempfile.mkdtemp(prefix="tickloom-postgres-"))
    if os.getuid() == 0:
        shutil.chown(folder, user, user)
    server = Server(folder, programs, user, port)
    data = str(folder / "data")
    try:
        server.run(
            *("initdb", "-D", data, "-U", "postgres", "-A", "trust"),
            *("--no-sync", "--no-locale", "-E", "UTF8"),
        )
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        server.run("pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            server.run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "test")
            yield
        finally:
            server.run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@contextmanager
def stand_in_redis(port: int) -> Iterator[None]:
    """Run a Redis that keeps nothing on disk."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    with tempfile.TemporaryDirectory(prefix="tickloom-redis-") as folder:
        process = subprocess.Popen(
            [program, *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            begin_s = monotonic()
            while not answers(port) and monotonic() - begin_s < _LONGEST_S:
                sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait(_LONGEST_S)
