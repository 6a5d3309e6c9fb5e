"""Reads providers: who is asked for which symbol, polling, push, failover."""

from tickloom.feeds.budget import RequestBudget
from tickloom.feeds.feeds import Feeds
from tickloom.feeds.reader import Reader
from tickloom.feeds.router import Router
from tickloom.feeds.source import Source

__all__ = ["Feeds", "Reader", "RequestBudget", "Router", "Source"]
