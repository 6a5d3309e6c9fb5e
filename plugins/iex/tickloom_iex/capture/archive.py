"""Which captures there are, which of them are read, and in what order."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from threading import Event as Flag

from loguru import logger
from msgspec import Struct

from tickloom.errors import BadRecord, ProviderUnavailable, TickloomError
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.days import Days
from tickloom_iex.capture.segments import Protocol, Segment, SegmentReader

_MAX_FILES = 10_000
_TURN_SEGMENTS = 64
_PAUSE_S = 0.000_05
# Quotes of TOPS are the venue's own, and 1.6 tells more than 1.5.
_PREFERENCE = (Protocol.TOPS_1_6, Protocol.TOPS_1_5, Protocol.DEEP_1_0)


class Capture(Struct, frozen=True, kw_only=True):
    """One capture that can be read.

    Attributes:
        path: The file.
        protocol: What it carries.
        begin_ns: When its first message was sent.
        day: The venue's day of that.
    """

    path: Path
    protocol: int
    begin_ns: int
    day: date


def find_captures(path: Path, halt: Flag) -> list[Capture]:
    """Return the captures at ``path``, oldest first.

    Of a day that is there in several protocols one is read, so that no trade counts twice: TOPS
    before DEEP. Files that are no capture are left out and told.

    Args:
        path: A capture, or a folder of captures without its subfolders.
        halt: Once set, the search ends early.

    Raises:
        ProviderUnavailable: There is none that can be read, or ``halt`` is set.
    """
    found: list[Capture] = []
    problem: TickloomError | None = None
    for file in _list_files(path):
        try:
            found.append(_look_at(file, halt))
        except TickloomError as error:
            if halt.is_set():
                raise ProviderUnavailable("the captures are closed") from error
            problem = problem or error
            logger.warning("iex_captures: {}", error)
    if not found:
        raise ProviderUnavailable(
            "there is no capture of IEX Exchange to play",
            found=path.name if problem is None else str(problem),
            expected="a capture of TOPS 1.5, TOPS 1.6 or DEEP 1.0, or a folder of them",
            fix="Check plugins.iex.captures.path.",
        ) from problem
    chosen: dict[date, int] = {}
    for one in found:
        best = min(chosen.get(one.day, one.protocol), one.protocol, key=_place_of)
        chosen[one.day] = best
    for one in found:
        if one.protocol != chosen[one.day]:
            logger.warning(
                "iex_captures: {} is left out, there is {} of the same day",
                one.path.name,
                Protocol(chosen[one.day]).name,
            )
    kept = (one for one in found if one.protocol == chosen[one.day])
    return sorted(kept, key=lambda one: (one.begin_ns, one.path.name))


def _place_of(protocol: int) -> int:
    return _PREFERENCE.index(Protocol(protocol))


def _list_files(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        files = [one for one in path.iterdir() if one.is_file() and not one.name.startswith(".")]
    except OSError as error:
        raise ProviderUnavailable(
            f"the captures in {path.name} cannot be read",
            found=error.strerror,
            fix="Check plugins.iex.captures.path.",
        ) from error
    return sorted(files)[:_MAX_FILES]


def _look_at(path: Path, halt: Flag) -> Capture:
    segments = SegmentReader(CaptureCounts(), halt).read(path)
    try:
        first = next(segments, None)
    finally:
        segments.close()
    if first is None:
        raise BadRecord(f"the capture {path.name} has no message")
    day = Days().find(first.sent_ns).day
    return Capture(path=path, protocol=first.protocol, begin_ns=first.sent_ns, day=day)


def read_captures(
    captures: Sequence[Capture], counts: CaptureCounts, halt: Flag
) -> Iterator[Segment]:
    """Yield the segments of all captures; what cannot be read any more is left out and told."""
    reader = SegmentReader(counts, halt)
    for capture in captures:
        try:
            for number, segment in enumerate(reader.read(capture.path)):
                if number % _TURN_SEGMENTS == _TURN_SEGMENTS - 1:
                    # Python takes 5 ms to take its lock from a busy thread, at every turn of the
                    # event loop; a thread that pauses hands it over at once.
                    time.sleep(_PAUSE_S)
                yield segment
        except TickloomError as error:
            logger.warning("iex_captures: {}", error)
