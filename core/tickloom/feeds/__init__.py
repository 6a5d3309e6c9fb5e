"""Reads providers: who is asked for which symbol, polling, push, failover."""

from tickloom.feeds.budget import RequestBudget, make_rates
from tickloom.feeds.feeds import Feeds
from tickloom.feeds.opening import open_sources
from tickloom.feeds.places import RedisPlaces
from tickloom.feeds.reader import Reader
from tickloom.feeds.router import Router
from tickloom.feeds.sessions import Sessions
from tickloom.feeds.source import Source

__all__ = [
    "Feeds",
    "Reader",
    "RedisPlaces",
    "RequestBudget",
    "Router",
    "Sessions",
    "Source",
    "make_rates",
    "open_sources",
]
