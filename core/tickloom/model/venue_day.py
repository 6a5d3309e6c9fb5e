"""The day that a daily bar of a symbol stands for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from tickloom.model.symbol import SymbolKind, split_symbol, venue_mic

_NEW_YORK = ZoneInfo("America/New_York")
_FX_TURN = timedelta(hours=17)
_DAY = timedelta(days=1)
_ZONES = {
    "XNYS": "America/New_York",
    "XLON": "Europe/London",
    "XETR": "Europe/Berlin",
    "XFRA": "Europe/Berlin",
    "XPAR": "Europe/Paris",
    "XAMS": "Europe/Amsterdam",
    "XBRU": "Europe/Brussels",
    "XLIS": "Europe/Lisbon",
    "XDUB": "Europe/Dublin",
    "XMAD": "Europe/Madrid",
    "XMIL": "Europe/Rome",
    "XSWX": "Europe/Zurich",
    "XWBO": "Europe/Vienna",
    "XSTO": "Europe/Stockholm",
    "XOSL": "Europe/Oslo",
    "XCSE": "Europe/Copenhagen",
    "XHEL": "Europe/Helsinki",
    "XICE": "Atlantic/Reykjavik",
    "XWAR": "Europe/Warsaw",
    "XPRA": "Europe/Prague",
    "XBUD": "Europe/Budapest",
    "ASEX": "Europe/Athens",
    "XIST": "Europe/Istanbul",
    "XTAE": "Asia/Jerusalem",
    "XJSE": "Africa/Johannesburg",
    "XTSE": "America/Toronto",
    "XTSX": "America/Toronto",
    "BVMF": "America/Sao_Paulo",
    "XMEX": "America/Mexico_City",
    "XBUE": "America/Argentina/Buenos_Aires",
    "XSGO": "America/Santiago",
    "XASX": "Australia/Sydney",
    "XNZE": "Pacific/Auckland",
    "XTKS": "Asia/Tokyo",
    "XHKG": "Asia/Hong_Kong",
    "XSHG": "Asia/Shanghai",
    "XSHE": "Asia/Shanghai",
    "XTAI": "Asia/Taipei",
    "XKRX": "Asia/Seoul",
    "XKOS": "Asia/Seoul",
    "XBOM": "Asia/Kolkata",
    "XNSE": "Asia/Kolkata",
    "XSES": "Asia/Singapore",
    "XIDX": "Asia/Jakarta",
    "XKLS": "Asia/Kuala_Lumpur",
    "XBKK": "Asia/Bangkok",
}


def venue_day(symbol: str, moment: datetime) -> tuple[datetime, datetime]:
    """Return begin and end, aware UTC, of the venue's calendar day that ``moment`` lies in.

    Currencies turn at 17:00 in New York, and what is traded there after that counts to the next
    day. Crypto, and what has no venue that is known here, has days of UTC. A day in which clocks
    are changed has 23 or 25 hours.

    Args:
        symbol: Canonical.
        moment: Aware.
    """
    zone, turn = _zone_of(symbol)
    there = moment.astimezone(zone)
    day = there.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None, fold=0)
    if turn and there.replace(tzinfo=None) - day < turn:
        day -= _DAY
    # Added without a zone, so that the turn is at the same hour on the day of a clock change.
    begin, end = day + turn, day + _DAY + turn
    return begin.replace(tzinfo=zone).astimezone(UTC), end.replace(tzinfo=zone).astimezone(UTC)


def day_of(symbol: str, moment: datetime) -> date:
    """Return the date of the venue's calendar day that the aware ``moment`` lies in.

    A day of a currency is named after the date on which it ends.
    """
    zone, turn = _zone_of(symbol)
    there = moment.astimezone(zone).replace(tzinfo=None)
    return (there - turn + _DAY if turn else there).date()


def begin_of(symbol: str, day: date) -> datetime:
    """Return when the venue's calendar day begins, aware UTC; the inverse of :func:`day_of`."""
    zone, turn = _zone_of(symbol)
    midnight = datetime.combine(day, time())
    begin = midnight - _DAY + turn if turn else midnight
    return begin.replace(tzinfo=zone).astimezone(UTC)


@lru_cache(maxsize=10_000)
def _zone_of(symbol: str) -> tuple[ZoneInfo, timedelta]:
    if split_symbol(symbol).kind is SymbolKind.FX:
        return _NEW_YORK, _FX_TURN
    mic = venue_mic(symbol)
    return ZoneInfo(_ZONES.get(mic or "", "UTC")), timedelta(0)
