"""From a numbered quote to the buffers of those who subscribed."""

from tickloom.stream.connection import Connection
from tickloom.stream.demand import Demand
from tickloom.stream.hub import Hub
from tickloom.stream.protocol import Status, StatusState
from tickloom.stream.session import Session, SessionRules
from tickloom.stream.tick import Tick, WireFormat

__all__ = [
    "Connection",
    "Demand",
    "Hub",
    "Session",
    "SessionRules",
    "Status",
    "StatusState",
    "Tick",
    "WireFormat",
]
