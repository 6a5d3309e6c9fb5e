"""The folder in which yfinance keeps the vendor's cookie."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from loguru import logger

from tickloom.errors import scrub


class CacheFolder:
    """A folder that only we can read: what yfinance finds there it unpickles.

    Args:
        wanted: The folder of the settings; ``None`` = ``~/.cache/tickloom/yahoo``.
    """

    def __init__(self, wanted: Path | None) -> None:
        self._wanted = wanted
        self._temporary: Path | None = None

    def open(self) -> Path:
        """Return the folder, made if need be.

        A temporary one takes its place where it cannot be written, or others can write it.
        """
        try:
            path = self._wanted or Path.home() / ".cache" / "tickloom" / "yahoo"
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _require_ours(path)
            with tempfile.TemporaryFile(dir=path):
                return path
        except (OSError, RuntimeError) as error:
            # A name that others cannot foresee, since they could put their pickle there.
            self._temporary = Path(tempfile.mkdtemp(prefix="tickloom-yahoo-"))
            logger.warning(
                "yahoo: its cookie is kept in a temporary folder, {} cannot be used: {}",
                self._wanted or "the one in the home folder",
                scrub(error),
            )
            return self._temporary

    def close(self) -> None:
        """Remove the temporary folder, if there is one."""
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None


def _require_ours(path: Path) -> None:
    """Raise ``PermissionError`` where somebody else could leave a pickle for us."""
    if not hasattr(os, "getuid"):
        # Windows: a folder in the profile of a user is that user's.
        return
    found = path.stat()
    if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError("others can write there")
