"""Disks and servers of a test's own, that can be filled, frozen and killed."""

from __future__ import annotations

import asyncio
import getpass
import os
import resource
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

import asyncpg  # type: ignore[import-untyped]
import pytest

PASSWORD = "right-one"


class Disk(Protocol):
    """A folder that soon holds no more, and what is said of that."""

    folder: Path
    sqlite_says: str
    system_says: str

    def change(self, options: str) -> None:
        """Let it hold more, as ``size=9m``, or be read only, as ``ro``, or no more, as ``rw``."""
        ...


class MountedDisk:
    """A file system in memory."""

    sqlite_says = "full"
    system_says = "No space left"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def change(self, options: str) -> None:
        """Mount it again with other options."""
        command = ["mount", "-o", f"remount,{options}", str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)


class SmallFiles:
    """For who may not mount: no file of this process may grow further.

    It says other words than a full disk, and counts each file by itself, also those elsewhere.
    """

    sqlite_says = "disk I/O error"
    system_says = "File too large"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def change(self, options: str) -> None:
        name, _, size = options.partition("=")
        if name == "size":
            _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(size.removesuffix("m")) << 20, most))
        elif os.geteuid() == 0:
            pytest.skip("this user may not mount a file system, and no folder is read only to root")
        else:
            for path in (self.folder, *self.folder.iterdir()):
                path.chmod(path.stat().st_mode & ~0o222 if name == "ro" else 0o755)


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk]:
    """Yield a folder that holds about a mebibyte."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        with _small_files(folder) as files:
            yield files
        return
    try:
        yield MountedDisk(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


@contextmanager
def _small_files(folder: Path) -> Iterator[Disk]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    files = SmallFiles(folder)
    files.change("size=1m")
    try:
        yield files
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        folder.chmod(0o755)


class Server:
    """A PostgreSQL of the test's own, which asks for a password."""

    def __init__(self, folder: Path, programs: Path, user: str, port: int) -> None:
        self._folder = folder
        self._programs = programs
        self._user = user
        self.port = port
        self.url = f"postgresql://keeper:{PASSWORD}@127.0.0.1:{port}/postgres"

    def run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        user = self._user if os.getuid() == 0 else None
        subprocess.run(
            command,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=self._folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=60,
        )

    async def ctl(self, *arguments: str) -> None:
        """Run ``pg_ctl`` and wait until it is done."""
        data = str(self._folder / "data")
        await asyncio.to_thread(
            self.run, "pg_ctl", "-D", data, "-w", "-l", str(self._folder / "log"), *arguments
        )

    async def start(self) -> None:
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        await self.ctl("-o", options, "start")


def find_programs() -> Path:
    """Return the folder of the server's programs, which few systems have on the path."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip("no programs of a PostgreSQL server are installed")
    return folders[-1]


@asynccontextmanager
async def own_server() -> AsyncIterator[Server]:
    programs = find_programs()
    user = "postgres" if os.getuid() == 0 else getpass.getuser()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Not below the folder of the test, which only its own user may enter.
    folder = Path(tempfile.mkdtemp(prefix="tickloom-postgres-"))
    server = Server(folder, programs, user, port)
    try:
        (folder / "password").write_text(PASSWORD)
        if os.getuid() == 0:
            for path in (folder, folder / "password"):
                shutil.chown(path, user, user)
        arguments = ["-D", str(folder / "data"), "-U", "keeper", "-A", "scram-sha-256"]
        arguments += [
            "--pwfile",
            str(folder / "password"),
            "--no-sync",
            "--no-locale",
            "-E",
            "UTF8",
        ]
        await asyncio.to_thread(server.run, "initdb", *arguments)
        await server.start()
        try:
            yield server
        finally:
            await server.ctl("-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


async def count_rows(url: str, table: str = "market_data") -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await connection.close()
