"""Writes the package of a new provider: one that works, to be changed piece by piece."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from tickloom.errors import ConfigError
from tickloom.plugins import find_entry_points

_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_MOST_LETTERS = 40
_LONGEST_NAMESPACE = 15


def write_provider(name: str, folder: Path) -> tuple[Path, list[Path]]:
    """Write the folder ``tickloom-<name>`` into ``folder``; return it and its files.

    Args:
        name: Lower-case letters, digits, ``_`` or ``-``; the plugin's name has ``_``.
        folder: Made where it is not there.

    Raises:
        ConfigError: The name cannot be one or is that of an installed plugin, the folder is there
            already, or cannot be written.
    """
    plugin = name.replace("-", "_")
    if not _NAME.fullmatch(name) or len(name) > _MOST_LETTERS or keyword.iskeyword(plugin):
        raise ConfigError(
            "the name cannot be that of a plugin",
            found=name,
            expected=f"up to {_MOST_LETTERS} lower-case letters, digits and _, such as acme_data",
        )
    if plugin in {point.name for point in find_entry_points()}:
        # Its package would take the place of the installed one.
        raise ConfigError(f"a plugin {plugin} is installed already", fix="Choose another name.")
    home = folder / f"tickloom-{plugin.replace('_', '-')}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Fails where it exists, so nothing is ever overwritten.
        home.mkdir()
        written = [_write(home, plugin, one) for one in _templates()]
    except FileExistsError:
        raise ConfigError(f"{home} exists already", fix="Choose another name or --dir.") from None
    except OSError as error:
        raise ConfigError(f"{home} cannot be written", found=error.strerror) from error
    return home, sorted(written)


def _templates() -> list[Traversable]:
    found = files("tickloom.scaffold") / "template"
    return [one for one in found.iterdir() if one.name.endswith(".tmpl")]


def _write(home: Path, plugin: str, template: Traversable) -> Path:
    words = {
        "@PLUGIN@": plugin,
        "@DIST@": f"tickloom-{plugin.replace('_', '-')}",
        "@TITLE@": plugin.replace("_", " ").title(),
        "@CLASS@": "".join(part.capitalize() for part in plugin.split("_")),
        "@NAMESPACE@": f"{plugin.replace('_', '').upper()[:_LONGEST_NAMESPACE]}.",
    }
    text = template.read_text(encoding="utf-8")
    for mark, word in words.items():
        text = text.replace(mark, word)
    # A folder of the package is a part of the template's name, so that templates lie side by side.
    parts = template.name.removesuffix(".tmpl").split("__in__")
    file = home.joinpath(*(part.replace("PACKAGE", f"tickloom_{plugin}") for part in parts))
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file
