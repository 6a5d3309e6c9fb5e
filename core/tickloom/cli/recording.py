"""The file that ``tickloom record`` writes: JSON Lines, packed with gzip where the name says so."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

from msgspec.json import encode

from tickloom.clock import Clock
from tickloom.errors import ConfigError, RequestError, verbatim

VERSION = 1
_FLUSH_AGE_S = 1.0


class Recording:
    """A recording that is being written; there is no file before there is something to write.

    Its methods block: call them in a thread.

    Args:
        path: The file.
        source: Where the messages come from.
        clock: For the times.
        overwrite: Whether the file may be there already.

    Raises:
        RequestError: It is there, and may not be.
        ConfigError: It cannot be written.
    """

    def __init__(self, path: Path, source: str, clock: Clock, *, overwrite: bool) -> None:
        self._path = path
        self._source = source
        self._clock = clock
        self._overwrite = overwrite
        self._file: IO[bytes] | None = None
        self._flushed_s = clock.monotonic()
        if path.exists() and not overwrite:
            raise self._taken()
        if not path.parent.is_dir():
            raise ConfigError(f"{path} cannot be written", found="no such folder")

    def write(self, lines: Sequence[bytes]) -> None:
        """Append lines; they are in the file after a second at the latest while more come.

        Raises:
            RequestError: Meanwhile somebody else made the file.
            ConfigError: It cannot be written.
        """
        if not lines:
            return
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(b"\n".join(lines) + b"\n")
            if self._clock.monotonic() - self._flushed_s >= _FLUSH_AGE_S:
                self._file.flush()
                self._flushed_s = self._clock.monotonic()
        except FileExistsError:
            raise self._taken() from None
        except OSError as error:
            raise ConfigError(
                f"{self._path} cannot be written", found=verbatim(error.strerror or str(error))
            ) from None

    def _open(self) -> IO[bytes]:
        plain = self._path.open("wb" if self._overwrite else "xb")
        file = cast("IO[bytes]", _Packed(plain)) if self._path.suffix == ".gz" else plain
        started_at = self._clock.now().isoformat().replace("+00:00", "Z")
        header = {
            "type": "recording",
            "version": VERSION,
            "started_at": started_at,
            "source": self._source,
        }
        file.write(encode(header) + b"\n")
        return file

    def _taken(self) -> RequestError:
        return RequestError(
            f"there is a file {self._path} already", fix="Choose another, or use --force."
        )

    def close(self) -> None:
        """Finish the file; calling it twice is allowed."""
        if self._file is not None:
            self._file.close()
            self._file = None


class _Packed(gzip.GzipFile):
    """Closes the file below it too, which ``GzipFile`` leaves to whoever opened that."""

    def __init__(self, plain: IO[bytes]) -> None:
        super().__init__(fileobj=plain, mode="wb")
        self._plain = plain

    def close(self) -> None:
        """Write the end of the archive and close the file."""
        try:
            super().close()
        finally:
            self._plain.close()
