"""One raw table to one typed struct, with errors that name the file, the key and the fix."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from tickloom.errors import ConfigError, verbatim
from tickloom.roles import Secret

_AT = re.compile(r" - at `(?:key in )?\$(?P<path>.*)`$")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]")


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the settings came from, for error messages and relative paths.

    Attributes:
        file: Name of the TOML file as given; empty = none.
        folder: Its folder, absolute; without a file the working directory.
        variables: The key path of each setting that the environment gave, and its variable.
        environment: The variables that secrets may name.
    """

    file: str = ""
    folder: Path = Path()
    variables: Mapping[tuple[str, ...], str] = {}
    environment: Mapping[str, str] = {}

    def __repr__(self) -> str:
        # The environment is full of secrets.
        return f"Origin(file={self.file!r})"

    def name(self, path: tuple[str, ...]) -> str:
        """Return the file, or the environment variable, that a setting stands in."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.variables:
                return f"environment variable {self.variables[path[:length]]}"
        return self.file or "settings"


def convert(raw: Any, kind: Any, path: tuple[str, ...], origin: Origin) -> Any:
    """Return ``raw`` as ``kind``; tables are walked here, so that every error knows its key.

    Raises:
        ConfigError: A key is unknown, a value has the wrong type or range, or a secret is missing.
    """
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _convert_struct(_table(raw, path, origin), kind, path, origin)
    if get_origin(kind) is dict:
        _, inner = get_args(kind)
        table = _table(raw, path, origin)
        return {key: convert(value, inner, (*path, key), origin) for key, value in table.items()}

    def decode(wanted: type, value: Any) -> Any:
        if wanted is Secret:
            return _secret(value, path, origin)
        if issubclass(wanted, Path):
            return _path(value, origin)
        raise NotImplementedError(wanted)

    try:
        return msgspec.convert(raw, type=kind, dec_hook=decode)
    except msgspec.ValidationError as error:
        raise _explained(error, raw, kind, path, origin) from error


def _table(raw: Any, path: tuple[str, ...], origin: Origin) -> dict[str, Any]:
    if isinstance(raw, dict):
        return raw
    name = ".".join(path)
    raise ConfigError(f"{origin.name(path)}: {name} cannot be used", found=raw, expected="a table")


def _convert_struct(
    raw: dict[str, Any], kind: type[msgspec.Struct], path: tuple[str, ...], origin: Origin
) -> msgspec.Struct:
    hints = get_type_hints(kind, include_extras=True)
    values = {}
    for key, value in raw.items():
        if key not in hints:
            raise unknown_key((*path, key), sorted(hints), origin)
        values[key] = convert(value, hints[key], (*path, key), origin)
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in values:
            name = ".".join((*path, field.name))
            raise ConfigError(f"{origin.name(path)}: {name} is missing", fix="Set it.")
    return kind(**values)


def unknown_key(path: tuple[str, ...], known: list[str], origin: Origin) -> ConfigError:
    """Return the error for a key that nobody knows, with the nearest known one."""
    close = difflib.get_close_matches(path[-1], known, n=1)
    where = f"[{'.'.join(path[:-1])}]" if len(path) > 1 else "the top level"
    return ConfigError(
        f"{origin.name(path)}: unknown key in {where}",
        found=path[-1],
        expected="one of " + (", ".join(known) or "no key at all"),
        fix=f"Did you mean {close[0]}?" if close else "",
    )


def _explained(
    error: msgspec.ValidationError, raw: Any, kind: Any, path: tuple[str, ...], origin: Origin
) -> ConfigError:
    text = str(error)
    match = _AT.search(text)
    value = raw
    if match:
        text = text[: match.start()]
        for name, index in _STEP.findall(match["path"]):
            value = _step(value, name or int(index))
            path = (*path, name or index)
    text = re.sub(r"Expected `([^`]*)`, got `[^`]*`", r"\1", text).removeprefix("Expected ")
    if get_origin(kind) is Literal:
        text = "one of " + ", ".join(repr(choice) for choice in get_args(kind))
    return ConfigError(
        f"{origin.name(path)}: {'.'.join(path)} cannot be used", found=value, expected=text
    )


def _step(value: Any, key: str | int) -> Any:
    try:
        return value[key]
    except (LookupError, TypeError):
        return None


def _secret(value: Any, path: tuple[str, ...], origin: Origin) -> Secret:
    where = f"{origin.name(path)}: the secret {'.'.join(path)}"
    wanted = '{ env = "NAME" } or { file = "path" }'
    if not isinstance(value, dict) or len(value) != 1:
        kind = verbatim("plain text" if isinstance(value, str) else type(value).__name__)
        raise ConfigError(f"{where} cannot be used", found=kind, expected=wanted)
    ((source, name),) = value.items()
    if source not in {"env", "file"} or not isinstance(name, str):
        raise ConfigError(f"{where} cannot be used", found=source, expected=wanted)
    text = (
        _from_variable(name, where, origin) if source == "env" else _from_file(name, where, origin)
    )
    if not text:
        raise ConfigError(f"{where} is empty", found=name, expected="a text in it")
    return Secret(text)


def _from_variable(name: str, where: str, origin: Origin) -> str:
    if name not in origin.environment:
        raise ConfigError(
            f"{where} is missing: the environment variable {name} is not set",
            fix=f"Set {name} or remove the key.",
        )
    return origin.environment[name].strip()


def _from_file(name: str, where: str, origin: Origin) -> str:
    try:
        return (origin.folder / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(
            f"{where} is missing: the file {name} cannot be read", found=reason
        ) from None


def _path(value: Any, origin: Origin) -> Path:
    if not isinstance(value, str):
        raise ValueError("Expected `path`, got `" + type(value).__name__ + "`")  # noqa: TRY004 - msgspec reports ValueError
    return origin.folder / os.path.expanduser(value)  # noqa: PTH111 - a str is at hand
