"""Judges every quote before anybody sees it, and series of bars on demand."""

from tickloom.quality.inspector import Inspector
from tickloom.quality.series import SeriesInspector

__all__ = ["Inspector", "SeriesInspector"]
