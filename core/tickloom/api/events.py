"""Messages as Server-Sent Events, with ids by which a client can come back."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tickloom.stream.connection import Message

_ID = re.compile(r"([0-9A-Za-z]{1,64})-(\d{1,18})", re.ASCII)


def write_events(messages: Sequence[Message], epoch: str) -> bytes:
    """Return each message as an event; one with a position has an id that names it."""
    return b"".join(
        b"data: %b\n\n" % data
        if position is None
        else b"id: %b-%d\ndata: %b\n\n" % (epoch.encode(), position, data)
        for data, position in messages
    )


def read_event_id(text: str) -> tuple[str, int | None]:
    """Return the epoch and the position of an id; ``None`` where it is none of ours."""
    found = _ID.fullmatch(text.strip())
    return (found[1], int(found[2])) if found is not None else ("", None)
