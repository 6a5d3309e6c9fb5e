"""What a client in a room with bars hears."""

from __future__ import annotations

from typing import Any

from barroom import BarRoom


def hear(room: BarRoom, outlet: Any) -> list[Any]:
    room.hub.flush()
    messages: list[Any] = outlet.messages()
    return messages
