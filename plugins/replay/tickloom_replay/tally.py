"""Counts what cannot be read, and tells it once for each file."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from loguru import logger

from tickloom.errors import BadRecord, TickloomError

# What the standard library raises for files that are damaged, cut off, encrypted or gone.
_BREAKS = (
    TickloomError,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)


class Reading:
    """One pass over a file: where it is, and what was skipped."""

    def __init__(self, unit: str) -> None:
        self.line = 0
        self.bad_rows = 0
        self.first_fault = ""
        self._unit = unit

    def skip(self, error: Exception) -> None:
        """Count the row at ``line`` as unusable."""
        self.bad_rows += 1
        if not self.first_fault:
            reason = str(error) or type(error).__name__
            self.first_fault = f"{self._unit} {self.line}: {reason}"


class Tally:
    """The unusable rows of one file, over any number of passes.

    Args:
        name: The file as people are told of it.
        unit: What ``line`` counts.

    ``bad_rows`` is the count of the worst pass: a file that is played ten times has its bad row
    once.
    """

    def __init__(self, name: str, unit: str = "line") -> None:
        self.name = name
        self.bad_rows = 0
        self._unit = unit
        self._first_fault = ""

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """Go through the file once; where it breaks off, what came before it stands."""
        reading = Reading(self._unit)
        try:
            yield reading
        except _BREAKS as error:
            reading.skip(error)
        finally:
            self._take(reading)

    def _take(self, reading: Reading) -> None:
        if reading.bad_rows and not self.bad_rows:
            self._first_fault = reading.first_fault
            logger.warning(
                "replay: {} has rows that cannot be used and are skipped: {} in this reading, "
                "the first at {}",
                self.name,
                reading.bad_rows,
                reading.first_fault,
            )
        self.bad_rows = max(self.bad_rows, reading.bad_rows)

    def unusable(self, expected: str) -> BadRecord:
        """Return the error for a file in which nothing can be used."""
        reason = self._first_fault or "there is no row in it"
        return BadRecord(f"{self.name} cannot be used: {reason}", expected=expected)
