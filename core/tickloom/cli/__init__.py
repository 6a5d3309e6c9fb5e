"""The command line. Each command has its own module, imported when it is called."""

from tickloom.cli.root import main, tickloom

__all__ = ["main", "tickloom"]
