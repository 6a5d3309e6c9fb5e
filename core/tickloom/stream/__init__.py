"""From a numbered quote to the buffers of those who subscribed."""

from tickloom.stream.bars import Bars
from tickloom.stream.connection import Connection
from tickloom.stream.demand import Demand
from tickloom.stream.hub import Hub
from tickloom.stream.item import WireFormat
from tickloom.stream.protocol import LiveBar, Status, StatusState
from tickloom.stream.ring import Ring
from tickloom.stream.rules import SessionRules
from tickloom.stream.session import Session
from tickloom.stream.stalled import Stalled
from tickloom.stream.tick import Tick

__all__ = [
    "Bars",
    "Connection",
    "Demand",
    "Hub",
    "LiveBar",
    "Ring",
    "Session",
    "SessionRules",
    "Stalled",
    "Status",
    "StatusState",
    "Tick",
    "WireFormat",
]
