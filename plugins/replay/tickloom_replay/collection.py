"""Finds the recorded files, tells their formats apart and knows what is in them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from datetime import tzinfo
from pathlib import Path

from loguru import logger

from tickloom.errors import BadRecord, ConfigError, InvalidSymbol, TickloomError
from tickloom.model import parse_symbol
from tickloom_replay import factors, lean, parquet
from tickloom_replay.event import Series, Source
from tickloom_replay.lines import open_plain
from tickloom_replay.recording import RecordingSource
from tickloom_replay.table import TableSource
from tickloom_replay.tally import Tally

_HEAD_BYTES = 4_096
_KINDS = "Lean zip, CSV, Parquet or a recording in JSON Lines"
_PACKED = ".gz"


class Library:
    """What was found below the path.

    Attributes:
        series: Everything that can be played or asked for.
        factors: Factor files by symbol.
        problems: Files that cannot be used at all, and why.
        ignored: Files of other kinds.
    """

    def __init__(self) -> None:
        self.series: list[Series] = []
        self.factors: dict[str, factors.Factors] = {}
        self.problems: list[TickloomError] = []
        self.ignored: list[str] = []
        self._tallies: list[Tally] = []

    @property
    def symbols(self) -> frozenset[str]:
        """All symbols of which there is a series."""
        return frozenset(series.symbol for series in self.series)

    @property
    def bad_rows(self) -> dict[str, int]:
        """How many rows of each file cannot be used, as far as it has been read."""
        return {tally.name: tally.bad_rows for tally in self._tallies if tally.bad_rows}

    def add(self, path: Path, name: str, zone: tzinfo) -> None:
        """Take in one file; what is wrong with it becomes a problem, not an exception."""
        try:
            self._add(path, name, zone)
        except TickloomError as error:
            self.problems.append(error)
            logger.warning("replay: {}", error)
        except OSError as error:
            self.problems.append(BadRecord(f"{name} cannot be read", found=error.strerror))
            logger.warning("replay: {}", self.problems[-1])

    def _add(self, path: Path, name: str, zone: tzinfo) -> None:
        head, suffix = _read_head(path), _suffix(path)
        tally = Tally(name, unit="row" if suffix == ".parquet" else "line")
        self._tallies.append(tally)
        sources: list[Source] = []
        if head.startswith(b"PK\x03\x04") or suffix == ".zip":
            sources.extend(lean.list_sources(path, tally))
        elif head.startswith(b"PAR1") or suffix == ".parquet":
            parquet.require_pyarrow(name)
            rows = parquet.read_parquet_rows
            sources.append(TableSource(path, _symbol_of(path), zone, tally, rows))
        elif head.lstrip().startswith(b"{") and (suffix == ".jsonl" or b'"recording"' in head):
            sources.append(RecordingSource(path, zone, tally))
        elif suffix in {".csv", ".tsv"}:
            what = factors.tell_apart(head)
            if what == "factor":
                symbol, found = factors.read_factor_file(path, tally)
                self.factors[symbol] = found
            elif what is None:
                sources.append(TableSource(path, _symbol_of(path), zone, tally))
        elif suffix == ".jsonl":
            raise BadRecord(f"{name} is no recording", found=head[:40], expected="JSON Lines")
        else:
            self.ignored.append(name)
        self._tallies.extend(source.tally for source in sources if source.tally is not tally)
        for source in sources:
            self.series.extend(source.scan())


def load_library(path: Path, zone: tzinfo) -> Library:
    """Return what is in the file or folder ``path``; subfolders count, hidden files do not.

    Raises:
        ConfigError: There is no such path, or nothing that can be played below it.
    """
    library = Library()
    for file in _walk(path):
        library.add(file, str(file.relative_to(path)) if file != path else path.name, zone)
    if library.series:
        return library
    if library.problems:
        raise ConfigError(
            f"plugins.replay.path: none of the recorded files in {path} can be used",
            fix=str(library.problems[0]),
        )
    raise ConfigError(
        f"plugins.replay.path: there is no recorded data in {path}",
        found=f"{len(library.ignored)} other files" if path.exists() else "no such path",
        expected=_KINDS,
        fix="Set it to a file or folder; it counts from the folder of the settings file.",
    )


def _walk(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(folder, name)
            if not name.startswith(".") and file.is_file():
                yield file


def _read_head(path: Path) -> bytes:
    try:
        with open_plain(path) as stream:
            return stream.read(_HEAD_BYTES)
    except (EOFError, zlib.error) as error:
        raise BadRecord(f"{path.name} cannot be unpacked", found=str(error)) from None


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == _PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _symbol_of(path: Path) -> str:
    stem = path.name.removesuffix(_PACKED).rpartition(".")[0]
    try:
        return parse_symbol(stem)
    except InvalidSymbol:
        return ""
