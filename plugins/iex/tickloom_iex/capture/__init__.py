"""Captures of IEX Exchange's TOPS and DEEP, played as if live and read as history.

IEX publishes captures of its feeds, a file for each day. The provider ``iex_captures`` plays TOPS
1.5, TOPS 1.6 and DEEP 1.0, as pcap or pcapng in either byte order, packed with gzip or not; what a
file is, its content decides, not its name. TOPS gives the venue's own best bid and ask; those of
DEEP come of its price levels, whenever an event is complete. DEEP+ is refused.

Nothing is read before the provider is first asked. Then all captures are looked through once, in
the background: that tells the first quote of every symbol, and puts the trades into an unnamed
temporary file (33 bytes each), from which history is answered. Until the end of that, history
waits 8 s and then says when to ask again. Memory does not grow with the size of a capture.

Sale conditions decide what a trade counts for: an odd lot counts to the volume alone, a trade in
extended hours makes prices of bars below a day only, and there only where the regular session has
none. Broken trades are no part of history. Lost messages are counted and followed by what the venue
sends next; what comes twice is read once; what comes late fills its gap.
"""

from __future__ import annotations

from tickloom.clock import Clock
from tickloom.roles import Provider
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.options import CaptureOptions
from tickloom_iex.capture.provider import CaptureProvider
from tickloom_iex.capture.trades import read_trades

__all__ = ["CaptureCounts", "CaptureOptions", "make_capture_provider", "read_trades"]


def make_capture_provider(options: CaptureOptions, clock: Clock) -> Provider:
    """Return the provider ``iex_captures``; the captures are looked at when it is first asked."""
    return CaptureProvider(options, clock)
