"""The bytes of a capture in blocks of bounded size, packed with gzip or not."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag
from typing import BinaryIO

from tickloom_iex.capture.counts import CaptureCounts

BLOCK_BYTES = 1 << 20
_PACKED_BYTES = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31


def read_blocks(path: Path, counts: CaptureCounts, halt: Flag) -> Iterator[bytes]:
    """Yield the content of ``path``; ends early once ``halt`` is set.

    A packed file that is cut or damaged ends with what came before, and counts as truncated.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as stream:
        is_packed = stream.peek(len(_GZIP_MAGIC)).startswith(_GZIP_MAGIC)
        for block in _unpack(stream, counts) if is_packed else _read(stream):
            if halt.is_set():
                return
            counts.bytes_read += len(block)
            yield block


def _read(stream: BinaryIO) -> Iterator[bytes]:
    while block := stream.read(BLOCK_BYTES):
        yield block


def _unpack(stream: BinaryIO, counts: CaptureCounts) -> Iterator[bytes]:
    # gzip.open would lose the last piece of a file that is cut.
    packed = stream.read(_PACKED_BYTES)
    while packed:
        member = zlib.decompressobj(_GZIP_WINDOW)
        while not member.eof:
            try:
                block = member.decompress(packed, BLOCK_BYTES)
            except zlib.error:
                counts.truncated += 1
                return
            if block:
                yield block
            packed = member.unconsumed_tail
            if not packed and not member.eof:
                packed = stream.read(_PACKED_BYTES)
                if not packed:
                    counts.truncated += 1
                    yield member.flush()
                    return
        packed = member.unused_data or stream.read(_PACKED_BYTES)
        # Some writers fill the file up with zeros.
        packed = packed if packed.startswith(_GZIP_MAGIC[:1]) else b""
