"""Captures of IEX Exchange's TOPS and DEEP, played and read as history."""

from __future__ import annotations

from tickloom.clock import Clock
from tickloom.roles import Provider
from tickloom_iex.capture.options import CaptureOptions

__all__ = ["CaptureOptions", "make_capture_provider"]


def make_capture_provider(options: CaptureOptions, clock: Clock) -> Provider:
    """Return the provider ``iex_captures``; the captures are looked at when it is first asked."""
    raise NotImplementedError
