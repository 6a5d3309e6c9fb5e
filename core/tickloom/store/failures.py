"""What the drivers raise, told as errors of ours: retry, fix the settings, or drop the record.

No text here holds a password: URLs are redacted, and of a driver's error only the server's own
message or the system's word is shown.
"""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from tickloom.errors import BadRecord, ConfigError, StoreUnavailable, TickloomError, verbatim
from tickloom.settings import redact_url

_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NO_ACCESS = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH,
}
_NO_DATABASE = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
_BAD_VALUE = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}
# What a driver raises of itself for a value that it cannot hand to the database.
_UNFIT = (ValueError, TypeError, ArithmeticError, sqlite3.ProgrammingError, sqlite3.InterfaceError)
_REFUSED = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    # Such as JSON that is nested too deeply: no retry would help.
    asyncpg.ProgramLimitExceededError,
)
_RETRY_S = 1.0
# What a server says in English; in other languages the advice is the general one.
_DENIED = re.compile(r"permission denied for (schema|database|table|relation|sequence) (\S+)")


def explain_sqlite(error: Exception, path: Path) -> TickloomError:
    """Return the error of ours that says what ``error`` means for the file ``path``."""
    if isinstance(error, TickloomError):
        return error
    # The low byte is the family: BUSY_SNAPSHOT is a BUSY.
    code = getattr(error, "sqlite_errorcode", None)
    family = None if code is None else code & 0xFF
    if family in _NO_ACCESS:
        return _no_access(error, path)
    if family in _NO_DATABASE:
        return ConfigError(
            f"the file {path} is not a sound SQLite database",
            found=verbatim(str(error)),
            fix="Name another file in database.url, or restore this one.",
        )
    if family in _BAD_VALUE or (family is None and isinstance(error, _UNFIT)):
        return BadRecord("SQLite refuses a row", found=verbatim(f"{type(error).__name__}: {error}"))
    if family in _LOCKED:
        return StoreUnavailable(
            f"the database file {path} is locked by another connection", retry_after_s=_RETRY_S
        )
    return StoreUnavailable(
        f"the database file {path} cannot be used now",
        found=verbatim(str(error)),
        retry_after_s=_RETRY_S,
    )


def _no_access(error: Exception, path: Path) -> ConfigError:
    found, fix = verbatim(str(error)), "Create the folder, or change database.url."
    if path.parent.is_dir():
        fix = "Let this user write both, or change database.url."
        for place in (path.parent, path):
            # SQLite says of a folder only that it cannot open a file in it.
            if place.exists() and not os.access(place, os.W_OK):
                kind = "file" if place == path else "folder"
                found = verbatim(f"a {kind} that is read-only for this user")
                break
    return ConfigError(
        f"the database file {path} cannot be opened or written",
        found=found,
        expected="a file in a folder that exists, both writable",
        fix=fix,
    )


def explain_postgres(error: Exception, url: str) -> TickloomError:
    """Return the error of ours that says what ``error`` means for the database at ``url``."""
    if isinstance(error, TickloomError):
        return error
    where = redact_url(url)
    if isinstance(error, asyncpg.PostgresError):
        return _explain_answer(error, url, where)
    # ClientConfigurationError is both an InterfaceError and a ValueError, and may quote the URL.
    if isinstance(error, asyncpg.ClientConfigurationError):
        return ConfigError("database.url cannot be used", found=where)
    if isinstance(error, OSError | TimeoutError):
        reason = error.strerror or type(error).__name__
        return StoreUnavailable(
            f"the database at {where} does not answer",
            found=verbatim(reason),
            fix="Check that PostgreSQL runs and that host and port are right.",
            retry_after_s=_RETRY_S,
        )
    if isinstance(error, _UNFIT):
        return BadRecord("PostgreSQL cannot take a row", found=verbatim(type(error).__name__))
    return StoreUnavailable(
        f"the database at {where} cannot be used now",
        found=verbatim(type(error).__name__),
        retry_after_s=_RETRY_S,
    )


def _explain_answer(error: asyncpg.PostgresError, url: str, where: str) -> TickloomError:
    said = verbatim(f"{error.sqlstate}: {error}" if error.sqlstate else str(error))
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return ConfigError(
            f"the database at {where} refuses the user or the password",
            found=said,
            expected="a role that may log in",
            fix="Check user and password in database.url.",
        )
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        name = urlsplit(url).path.lstrip("/")
        return ConfigError(
            f"the server at {where} has no such database",
            found=name,
            fix=f"Create it with createdb {name}, or change database.url.",
        )
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return ConfigError(
            f"the role may not do this in the database at {where}",
            found=said,
            fix=_grant(str(error)),
        )
    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        return StoreUnavailable(
            f"the database at {where} is read-only",
            found=said,
            expected="one that takes writes",
            fix="Name the primary server in database.url, or turn off "
            "default_transaction_read_only.",
            retry_after_s=_RETRY_S,
        )
    if isinstance(error, _REFUSED):
        return BadRecord("PostgreSQL refuses a row", found=said)
    return StoreUnavailable(
        f"the database at {where} cannot do this now", found=said, retry_after_s=_RETRY_S
    )


def _grant(said: str) -> str:
    found = _DENIED.search(said)
    if found is None or found[1] in {"schema", "database"}:
        return "Grant it CREATE and USAGE on the schema."
    kind, name = found.groups()
    if kind == "sequence":
        return f"Grant it USAGE on the sequence {name}."
    return f"Grant it SELECT, INSERT, UPDATE and DELETE on the table {name}, or make it the owner."
