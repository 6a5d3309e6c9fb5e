"""The newest quote per symbol, and history and company answers for a while."""

from tickloom.cache.answers import AnswerCache
from tickloom.cache.flight import SingleFlight
from tickloom.cache.manager import CacheManager
from tickloom.cache.quotes import QuoteCache
from tickloom.cache.shared import SharedStore, open_shared_store

__all__ = [
    "AnswerCache",
    "CacheManager",
    "QuoteCache",
    "SharedStore",
    "SingleFlight",
    "open_shared_store",
]
