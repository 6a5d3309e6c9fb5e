"""Answers questions for history: from the store where it has it, else from a provider."""

from tickloom.history.filling import Histories, may_trade

__all__ = ["Histories", "may_trade"]
