"""Writes answers for history as JSON, CSV, Arrow or Parquet, in pieces, so that any length fits.

Bars that come straight from the database never become objects: it makes the text of JSON and CSV
itself, and Arrow reads its columns from the latter.
"""

from tickloom.history.formats.as_columns import load
from tickloom.history.formats.choices import (
    FORMATS,
    Decimals,
    Format,
    Style,
    check_style,
    find_format,
)
from tickloom.history.formats.encoding import encode

__all__ = [
    "FORMATS",
    "Decimals",
    "Format",
    "Style",
    "check_style",
    "encode",
    "find_format",
    "load",
]
