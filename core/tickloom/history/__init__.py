"""Answers questions for history: from the store where it has it, else from a provider."""

from tickloom.history.answer import HistoryAnswer
from tickloom.history.filling import Histories
from tickloom.history.page import ALL, Order, Page, make_token, read_token

__all__ = [
    "ALL",
    "Histories",
    "HistoryAnswer",
    "Order",
    "Page",
    "make_token",
    "read_token",
]
