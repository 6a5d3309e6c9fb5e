"""History as the client gives it, with the way to data frames."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal, TypeAlias

from tickloom.errors import MissingDependency, RequestError
from tickloom.model import Bar, HistoricalData

Decimals: TypeAlias = Literal["decimal", "string", "float"]

_TIME = "timestamp"
_COUNTS = ("volume", "trade_count")
_PRICES = tuple(name for name in Bar.__struct_fields__ if name not in {_TIME, *_COUNTS})
_MAKE: dict[str, Callable[[Any], Any]] = {
    "decimal": lambda price: price,
    "string": lambda price: None if price is None else str(price),
    "float": lambda price: None if price is None else float(price),
}
# As many places as an answer in Arrow has.
_PRECISION, _SCALE = 38, 18


class History(HistoricalData, frozen=True, kw_only=True, omit_defaults=True):
    """Bars, as :class:`HistoricalData`, and where they go on.

    Attributes:
        next_page: The token of the page that follows; ``None`` = these are all.
    """

    next_page: str | None = None

    def to_pandas(self, decimals: Decimals = "decimal") -> Any:
        """Return a ``pandas.DataFrame`` with a row for each bar and every field as a column.

        Its index is ``timestamp``, in UTC with microseconds. Counts are ``Int64``, and what is not
        known is missing.

        Args:
            decimals: ``decimal`` = prices are ``Decimal`` objects with all their digits,
                ``string`` = text with all digits, ``float`` = 64-bit floats.

        Raises:
            MissingDependency: pandas is not installed.
            RequestError: ``decimals`` is unknown.
        """
        make = _make_of(decimals)
        pandas = _imported("pandas")
        kind = {"decimal": "object", "string": "str", "float": "float64"}[decimals]
        columns = {
            name: pandas.array(self._column(name), dtype="Int64")
            if name in _COUNTS
            else pandas.Series([make(price) for price in self._column(name)], dtype=kind).array
            for name in Bar.__struct_fields__
            if name != _TIME
        }
        index = pandas.DatetimeIndex(self._column(_TIME), dtype="datetime64[us, UTC]", name=_TIME)
        return pandas.DataFrame(columns, index=index)

    def to_polars(self, decimals: Decimals = "decimal") -> Any:
        """Return a ``polars.DataFrame`` with a row for each bar and every field as a column.

        ``timestamp`` is in UTC with microseconds, counts are ``Int64``, and what is not known is
        null.

        Args:
            decimals: ``decimal`` = prices are ``Decimal(38, 18)``, ``string`` = text with all
                digits, ``float`` = 64-bit floats.

        Raises:
            MissingDependency: polars is not installed.
            RequestError: ``decimals`` is unknown, or a price does not fit into a column of them.
        """
        make = _make_of(decimals)
        polars = _imported("polars")
        price = {
            "decimal": polars.Decimal(_PRECISION, _SCALE),
            "string": polars.String,
            "float": polars.Float64,
        }[decimals]
        kinds = {_TIME: polars.Datetime("us", "UTC")} | dict.fromkeys(_COUNTS, polars.Int64)
        kinds |= dict.fromkeys(_PRICES, price)
        if decimals == "decimal":
            self._check_places()
        return polars.DataFrame(
            [
                polars.Series(
                    name,
                    [make(value) if name in _PRICES else value for value in self._column(name)],
                    dtype=kinds[name],
                )
                for name in Bar.__struct_fields__
            ]
        )

    def _column(self, name: str) -> list[Any]:
        return [getattr(bar, name) for bar in self.data_points]

    def _check_places(self) -> None:
        for name in _PRICES:
            for value in self._column(name):
                if value is None or not value:
                    continue
                # Zeros at the end take no place.
                exponent = value.normalize().as_tuple().exponent
                if exponent < -_SCALE or value.adjusted() >= _PRECISION - _SCALE:
                    raise RequestError(
                        f"a price does not fit into Decimal({_PRECISION}, {_SCALE})",
                        found=str(value),
                        fix="Ask with decimals='string', or 'float'.",
                    )


def _make_of(decimals: str) -> Callable[[Any], Any]:
    make = _MAKE.get(decimals)
    if make is None:
        raise RequestError(
            "unknown form of decimals", found=decimals, expected=f"one of {', '.join(_MAKE)}"
        )
    return make


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingDependency(
            f"a data frame of {name} needs {name}, which is not installed",
            fix=f"pip install 'tickloom[{name}]'",
        ) from error
