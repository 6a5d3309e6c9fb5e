"""Judges every quote before anybody sees it."""

from tickloom.quality.inspector import Inspector

__all__ = ["Inspector"]
