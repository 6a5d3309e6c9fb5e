"""The client library: live prices and single questions, without the server's code.

:class:`Client` is the way in. Streams come back by themselves after a disconnect, resume where
they were, and tell what is missing.
"""

from tickloom.client.client import Client
from tickloom.client.frames import History
from tickloom.client.messages import (
    Connected,
    Disconnected,
    Event,
    Gap,
    Message,
    PartialQuote,
    PartialTick,
    Tick,
    Unknown,
)
from tickloom.client.rest import Quotes
from tickloom.client.stream import Stream
from tickloom.stream.protocol import Failure, LiveBar, ResumePoint, Status

__all__ = [
    "Client",
    "Connected",
    "Disconnected",
    "Event",
    "Failure",
    "Gap",
    "History",
    "LiveBar",
    "Message",
    "PartialQuote",
    "PartialTick",
    "Quotes",
    "ResumePoint",
    "Status",
    "Stream",
    "Tick",
    "Unknown",
]
