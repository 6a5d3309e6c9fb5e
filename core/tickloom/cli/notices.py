"""What a person who watches a stream must hear beside the prices."""

from __future__ import annotations

from tickloom.cli.subscription import ServerMessage
from tickloom.stream.protocol import Failure, Gap, Status, Subscribed


def describe_notice(body: ServerMessage) -> list[str]:
    """Return a sentence for each thing in a message that is no price; none for most messages."""
    match body:
        case Subscribed():
            return [f"rejected {item.symbol}: {item.message}" for item in body.rejected]
        case Gap():
            last = body.last_sequence
            return [f"gap in {body.symbol}: {body.dropped} ticks up to sequence {last} left out"]
        case Status():
            symbols = ", ".join(body.symbols)
            reason = f": {body.reason}" if body.reason else ""
            return [f"provider {body.provider} is {body.state} for {symbols}{reason}"]
        case Failure():
            return [f"the server says: {body.message} ({body.code})"]
    return []
