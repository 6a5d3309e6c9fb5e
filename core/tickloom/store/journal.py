"""Rows on disk that the database could not take yet, oldest first, within a number of bytes.

The folder has a slot for each process that uses it, ``0``, ``1`` ..., and a slot has segments,
``500000000000.log`` and so on, in the order of their numbers. What ``append`` returns as kept was
forced to the disk. A crash may leave a torn record at the end of the last segment: it was never
reported as kept and is cut off. Of a segment that is damaged elsewhere the whole records are read.

A lock on the slot keeps other processes away; it ends with its process. Segments of processes that
ended are taken over by the next one that opens the folder.

Everything here blocks; :mod:`tickloom.store.spill` calls it from a thread.
"""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from loguru import logger
from msgspec import Struct

from tickloom.errors import BadRecord, StoreUnavailable, verbatim
from tickloom.store.journal_records import MAGIC, Form, payloads

R = TypeVar("R")
Unfit = list[tuple[R, BadRecord]]
"""Rows that cannot be kept in a journal at all, and why."""

_FIRST_NUMBER = 500_000_000_000
_LONGEST_SEGMENT = 8_388_608
_SHORTEST_SEGMENT = 4_096
_MOST_SLOTS = 64


class Piece(Struct, Generic[R], frozen=True):
    """What was read from the begin of a journal.

    Attributes:
        records: Oldest first.
        lost: How many records more were counted before and cannot be read now.
    """

    records: list[R]
    lost: int = 0


class _Segment(Struct):
    path: Path
    size: int
    rows: int
    done: int = len(MAGIC)


class Journal(Generic[R]):
    """Rows that wait on disk, within ``limit_bytes``; may be used from several threads.

    Nothing is made on disk before the first row.

    Args:
        folder: May be shared with other processes.
        limit_bytes: Most bytes of all segments of this process together.
        form: How the rows stand in it.

    Attributes:
        rows: How many wait.
        bytes: Size of all segments.
        found: How many of the rows earlier processes had left, since it was made.
    """

    def __init__(self, folder: Path, limit_bytes: int, form: Form[R]) -> None:
        self._form = form
        self.folder = folder
        self.limit_bytes = limit_bytes
        self.bytes = 0
        self.rows = 0
        self.found = 0
        self._segment_bytes = max(_SHORTEST_SEGMENT, min(_LONGEST_SEGMENT, limit_bytes // 8))
        self._slot: Path | None = None
        self._lock_file: BinaryIO | None = None
        self._segments: list[_Segment] = []
        self._tail: BinaryIO | None = None
        self._next = _FIRST_NUMBER
        self._head: bytes | None = None
        self._peeked: tuple[_Segment, int, int] | None = None
        self._guard = threading.Lock()

    def open(self) -> int:
        """Find what earlier processes left; return the number of rows. May be called again.

        Raises:
            StoreUnavailable: The folder cannot be read.
        """
        with self._guard, self._told("read"):
            if self._slot is None and self.folder.is_dir():
                self._claim()
            return self.rows

    def append(self, records: Sequence[R]) -> tuple[int, Unfit[R]]:
        """Force rows to the disk, behind all others.

        Returns:
            How many of them, from the first on, need not be kept by the caller any longer: fewer
            than all where the journal is full. With them those that cannot be kept at all.

        Raises:
            StoreUnavailable: The disk is full or cannot be written; nothing was kept.
        """
        with self._guard, self._told("written"):
            # A new segment may be begun for them.
            room = self.limit_bytes - self.bytes - len(MAGIC)
            pieces, unfit = _encoded(self._form, records, room)
            if pieces:
                self._write(pieces)
        return len(pieces) + len(unfit), unfit

    def put_first(self, records: Sequence[R]) -> Unfit[R] | None:
        """Force rows to the disk, before all others; return those that cannot be kept at all.

        ``None`` = there is no room for all of them, and nothing was kept.

        Raises:
            StoreUnavailable: The disk is full or cannot be written; nothing was kept.
        """
        pieces, unfit = _encoded(self._form, records)
        data = b"".join([MAGIC, *pieces])
        with self._guard, self._told("written"):
            if self.bytes + len(data) > self.limit_bytes:
                return None
            if not pieces:
                return unfit
            slot = self._claimed()
            first = _number(self._segments[0].path) if self._segments else self._next
            path = _path(slot, first - 1)
            with path.open("xb", buffering=0) as file:
                self._force(file, data, 0)
            self._segments.insert(0, _Segment(path, len(data), len(pieces)))
            self._head = self._peeked = None
            self.bytes += len(data)
            self.rows += len(pieces)
        return unfit

    def peek(self, most: int) -> Piece[R]:
        """Return the oldest rows; they stay until :meth:`advance`.

        Raises:
            StoreUnavailable: The disk cannot be read.
        """
        with self._guard, self._told("read"):
            if not self._segments:
                return Piece([])
            segment = self._segments[0]
            if len(self._segments) == 1:
                # What is read is not written to any more.
                self._end_tail()
            if self._head is None:
                self._head = segment.path.read_bytes() if segment.path.exists() else b""
            records: list[R] = []
            lost, position = 0, segment.done
            for payload, end in payloads(self._head, segment.done):
                record = self._read(payload)
                if record is None:
                    lost += 1
                else:
                    records.append(record)
                position = end
                if len(records) + lost >= most:
                    break
            else:
                lost = max(0, segment.rows - len(records))
            self._peeked = (segment, position, len(records) + lost)
            return Piece(records, lost)

    def advance(self) -> None:
        """Forget what the last :meth:`peek` returned; it is in the database.

        Raises:
            StoreUnavailable: The disk cannot be written.
        """
        with self._guard, self._told("written"):
            if self._peeked is None:
                return
            segment, end, rows = self._peeked
            self._peeked = None
            segment.done = end
            segment.rows -= rows
            self.rows -= rows
            if segment.rows <= 0:
                self._segments.remove(segment)
                self._head = None
                self.bytes -= segment.size
                segment.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let other processes have the slot; what is in it stays. May be called twice."""
        with self._guard:
            with suppress(OSError):
                self._end_tail()
            if self._lock_file is not None:
                self._lock_file.close()
            self._lock_file = self._slot = self._head = self._peeked = None
            self._segments.clear()
            self.rows = self.bytes = 0

    def _read(self, payload: bytes | None) -> R | None:
        if payload is None:
            return None
        try:
            return self._form.decode(payload)
        except BadRecord:
            return None

    def _write(self, pieces: list[bytes]) -> None:
        self._claimed()
        data = b"".join(pieces)
        tail = self._tail
        if tail is None or self._segments[-1].size >= self._segment_bytes:
            tail = self._begin()
        segment = self._segments[-1]
        try:
            self._force(tail, data, segment.size)
        except OSError:
            self._end_tail()
            if not segment.rows:
                self._segments.remove(segment)
                self.bytes -= segment.size
                segment.path.unlink(missing_ok=True)
            raise
        segment.size += len(data)
        segment.rows += len(pieces)
        self.bytes += len(data)
        self.rows += len(pieces)

    def _begin(self) -> BinaryIO:
        self._end_tail()
        path = _path(self._claimed(), self._next)
        file = path.open("xb", buffering=0)
        self._next += 1
        try:
            self._force(file, MAGIC, 0)
        except OSError:
            file.close()
            raise
        self._segments.append(_Segment(path, len(MAGIC), 0))
        self.bytes += len(MAGIC)
        self._tail = file
        return file

    def _force(self, file: BinaryIO, data: bytes, begin: int) -> None:
        """Write all and wait for the disk; where that fails the file is as long as before."""
        view = memoryview(data)
        try:
            while view:
                view = view[file.write(view) or 0 :]
            os.fdatasync(file.fileno())
            if not begin:
                _force_names(Path(file.name).parent)
        except OSError:
            with suppress(OSError):
                file.truncate(begin)
                if not begin:
                    Path(file.name).unlink()
            raise

    def _end_tail(self) -> None:
        tail, self._tail = self._tail, None
        if tail is not None:
            tail.close()

    def _claimed(self) -> Path:
        if self._slot is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._claim()
        if self._slot is None:
            raise StoreUnavailable(
                f"the journal in {self.folder} is used by too many processes",
                expected=f"at most {_MOST_SLOTS}",
            )
        return self._slot

    def _claim(self) -> None:
        """Take the first free slot, and what is left in the others that nobody holds."""
        for number in range(_MOST_SLOTS):
            slot = self.folder / str(number)
            if self._slot is not None and not slot.is_dir():
                continue
            slot.mkdir(exist_ok=True)
            lock = _lock(slot)
            if lock is None:
                continue
            if self._slot is None:
                self._slot, self._lock_file = slot, lock
                self._adopt(slot)
                continue
            with lock:
                self._adopt(slot)

    def _adopt(self, slot: Path) -> None:
        for path in sorted(slot.glob("*.log")):
            data = path.read_bytes()
            is_ours = MAGIC.startswith(data[: len(MAGIC)]) and path.stem.isdecimal()
            if not is_ours:
                logger.warning("{} is no journal of this version and is left alone", path)
                path.rename(path.with_suffix(".unknown"))
                continue
            found = [(payload is None, end) for payload, end in payloads(data)]
            ends = [end for _, end in found]
            cut = len(data) - ends[-1] if ends else max(0, len(data) - len(MAGIC))
            if cut:
                logger.warning("the last {} bytes of {} are torn or damaged", cut, path)
            damaged = sum(is_damaged for is_damaged, _ in found)
            if damaged:
                logger.warning("{} is damaged at {} places, whose rows are lost", path, damaged)
            if not ends:
                path.unlink()
                continue
            kept = path
            if slot != self._slot:
                kept = path.rename(_path(self._claimed(), self._next))
            self._next = max(self._next, _number(kept) + 1)
            self._segments.append(_Segment(kept, len(data), len(ends)))
            self.bytes += len(data)
            self.rows += len(ends)
            self.found += len(ends)

    @contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreUnavailable(
                f"the journal in {self.folder} cannot be {done}",
                found=verbatim(error.strerror or type(error).__name__),
                fix="Name another folder in database.journal_path, or make room on its disk.",
            ) from error


def _encoded(
    form: Form[R], records: Sequence[R], room: int = sys.maxsize
) -> tuple[list[bytes], Unfit[R]]:
    """Return the first records that fit into ``room`` bytes, and those that are none."""
    pieces: list[bytes] = []
    unfit: Unfit[R] = []
    for record in records:
        try:
            piece = form.encode(record)
        except BadRecord as error:
            unfit.append((record, error))
            continue
        room -= len(piece)
        if room < 0:
            break
        pieces.append(piece)
    return pieces, unfit


def _lock(slot: Path) -> BinaryIO | None:
    file = (slot / "lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except BaseException:
        file.close()
        raise
    return file


def _force_names(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _path(slot: Path, number: int) -> Path:
    return slot / f"{number:012}.log"


def _number(path: Path) -> int:
    return int(path.stem)
