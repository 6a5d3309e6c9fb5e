"""Plays recorded market data as if it were live."""

from __future__ import annotations

from collections.abc import Sequence

from tickloom.hookspecs import hookimpl
from tickloom.roles import PluginSettings, Provider
from tickloom_replay.collection import load_library
from tickloom_replay.options import ReplaySettings, find_zone
from tickloom_replay.provider import ReplayProvider

tickloom_api = (1,)


@hookimpl
def tickloom_providers(settings: PluginSettings) -> Sequence[Provider]:
    """Return the one provider, over the files that ``path`` names; none where it is not set.

    Against the rule that hooks do no I/O, the files are indexed here: the host asks a provider
    once, at start, for its symbols, and only the files know them. Lean files are indexed by name;
    others are read through once, line by line, in bounded memory.

    Raises:
        ConfigError: ``path`` names nothing, or no file there can be used.
    """
    options = settings.load(ReplaySettings)
    if options.path is None:
        return []
    library = load_library(options.path, find_zone(options.timezone))
    return [ReplayProvider(library, options, settings.clock)]
