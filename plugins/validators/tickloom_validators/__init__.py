"""Checks of quotes and of series of bars."""

from __future__ import annotations

from collections.abc import Sequence

from tickloom.clock import Clock
from tickloom.hookspecs import hookimpl
from tickloom.roles import PluginSettings, SeriesValidator, Validator
from tickloom_validators.jump import SpikeValidator, SplitValidator, UnitValidator
from tickloom_validators.level import LevelBook
from tickloom_validators.moment import TimeValidator
from tickloom_validators.options import ValidatorOptions
from tickloom_validators.order import DuplicateValidator, OrderValidator
from tickloom_validators.price import PriceValidator
from tickloom_validators.series.dividends import DividendValidator
from tickloom_validators.series.levels import LevelValidator
from tickloom_validators.series.shape import ShapeValidator
from tickloom_validators.session import SessionValidator
from tickloom_validators.spread import SpreadValidator
from tickloom_validators.volume import VolumeValidator

tickloom_api = (1,)


@hookimpl
def tickloom_validators(settings: PluginSettings) -> Sequence[Validator]:
    """Return the checks of quotes that are switched on, the one that keeps back first."""
    return make_validators(settings.load(ValidatorOptions), settings.clock)


@hookimpl
def tickloom_series_validators(settings: PluginSettings) -> Sequence[SeriesValidator]:
    """Return the checks of series of bars that are switched on."""
    return make_series_validators(settings.load(ValidatorOptions))


def make_validators(options: ValidatorOptions, clock: Clock) -> list[Validator]:
    """Return the checks of quotes that ``options`` switch on."""
    book = LevelBook(options.level)
    units, splits = options.unit.enabled, options.split.enabled
    checks: list[tuple[bool, Validator]] = [
        (options.price.enabled, PriceValidator(options.price)),
        (options.session.enabled, SessionValidator(options.session)),
        (options.spread.enabled, SpreadValidator(options.spread)),
        (units, UnitValidator(book)),
        (splits, SplitValidator(book)),
        (options.spike.enabled, SpikeValidator(book, units=units, splits=splits)),
        (options.volume.enabled, VolumeValidator(options.volume)),
        (options.time.enabled, TimeValidator(options.time, clock)),
        (options.order.enabled, OrderValidator(options.order)),
        (options.duplicate.enabled, DuplicateValidator()),
    ]
    return [check for enabled, check in checks if enabled]


def make_series_validators(options: ValidatorOptions) -> list[SeriesValidator]:
    """Return the checks of series of bars that ``options`` switch on."""
    checks: list[tuple[bool, SeriesValidator]] = [
        (options.bar_shape.enabled, ShapeValidator(options.bar_shape, options.price)),
        (options.bar_level.enabled, LevelValidator(options.bar_level)),
        (options.dividend.enabled, DividendValidator(options.dividend)),
    ]
    return [check for enabled, check in checks if enabled]
