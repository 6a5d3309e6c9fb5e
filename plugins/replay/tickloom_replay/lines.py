"""Lines of files that may be packed, may be damaged, and may be of any size."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag
from typing import BinaryIO, cast

from tickloom.errors import BadRecord, verbatim
from tickloom_replay.tally import Reading

LINE_LIMIT = 262_144
_GZIP = b"\x1f\x8b"


def open_plain(path: Path) -> BinaryIO:
    """Open ``path`` for reading bytes, unpacked where it is gzip by its first bytes."""
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")


def read_lines(stream: BinaryIO, reading: Reading, halt: Flag) -> Iterator[bytes]:
    """Yield the lines that are not blank, without their ends, and count all in ``reading``.

    Raises:
        BadRecord: A line is longer than any row can be, as in a decompression bomb.
    """
    while not halt.is_set() and (line := stream.readline(LINE_LIMIT + 1)):
        reading.line += 1
        if len(line) > LINE_LIMIT:
            raise BadRecord(
                "the line is too long",
                found=verbatim(f"more than {LINE_LIMIT} bytes"),
                expected="text with a row on each line",
            )
        if not line.isspace():
            yield line.rstrip(b"\r\n")
