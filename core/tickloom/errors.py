"""The errors that tickloom raises, split by what the caller does next.

TickloomError
├── RequestError                the request is wrong: change it
│   ├── InvalidSymbol
│   ├── InvalidInterval
│   ├── InvalidDates
│   ├── TooManySymbols
│   ├── TooManyConnections
│   ├── InvalidMessage          a stream message that cannot be read
│   │   ├── UnknownMessage
│   │   └── MessageTooLarge
│   ├── NotAuthenticated
│   ├── AlreadyAuthenticated
│   ├── NotAllowed
│   └── NotAcceptable           no form of the answer is one that the caller takes
├── NotFound                    nothing is there: stop asking
│   ├── UnknownSymbol
│   ├── UnknownProvider         no provider of that name runs
│   ├── NoData
│   │   └── NoSession           the venue is closed on all of the days, or they are yet to come
│   └── NotSupported            no provider that serves the symbol can do this
├── Unavailable                 try again, after ``retry_after_s`` where it is known
│   ├── ProviderUnavailable
│   ├── RateLimited
│   ├── StoreUnavailable
│   └── ServerUnavailable
├── ConfigError                 fix the configuration, then start again
│   ├── CredentialsError        the provider refuses the key
│   │   └── NotEntitled         the key is good, but not for what was asked
│   ├── NotConfigured           a plugin without settings that it needs: it does not run
│   ├── PortInUse
│   └── MissingDependency
├── BadRecord                   drop the record: it is counted and told
└── PluginError                 report the plugin to its author; the others go on
"""

from __future__ import annotations

import re
from copy import copy
from typing import ClassVar, Self

_FOUND_LIMIT = 80


class TickloomError(Exception):
    """Base of everything that tickloom raises on purpose.

    Args:
        message: Who failed at what, without a full stop.
        found: What was there; shown escaped and cut to 80 characters. ``None`` = not shown.
        expected: What would have been right. Empty = not shown.
        fix: What to do now, a sentence. Empty = not shown.

    ``code`` is stable and public: problem documents, stream errors and ``--json`` carry it.
    """

    code: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, found: object = None, expected: str = "", fix: str = ""
    ) -> None:
        self.message = message
        self.found = None if found is None else _shown(found)
        self.expected = expected
        self.fix = fix
        super().__init__(self._text())

    def _text(self) -> str:
        parts = []
        if self.found is not None:
            parts.append(f"found {self.found}")
        if self.expected:
            parts.append(f"expected {self.expected}")
        text = self.message + (": " + ", ".join(parts) if parts else "")
        return f"{text}. {self.fix}" if self.fix else text

    def about(self, subject: str) -> Self:
        """Return the same error; its message says first what it is about."""
        told = copy(self)
        told.message = f"{subject}: {self.message}"
        told.args = (told._text(),)  # noqa: SLF001 - a copy of itself
        return told

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.__dict__.copy()))


def _rebuild(kind: type[TickloomError], state: dict[str, object]) -> TickloomError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (error._text(),)  # noqa: SLF001 - unpickling is part of the class
    return error


def _shown(found: object) -> str:
    text = found if isinstance(found, _Verbatim) else repr(found)
    return text if len(text) <= _FOUND_LIMIT else f"{text[:_FOUND_LIMIT]}… ({len(text)} characters)"


class _Verbatim(str):
    """Text that is shown as it stands, without quotes."""

    __slots__ = ()


def verbatim(text: str) -> str:
    """Mark ``found`` text as words of ours that need no quoting, such as "10001 symbols"."""
    return _Verbatim(text)


def scrub(error: BaseException) -> str:
    """Return the text of a foreign error without what may be a key in a URL, cut to 200 characters.

    Vendors take keys in the query or before the host, and HTTP errors print the whole URL.
    """
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - foreign code; the type must do
        text = ""
    text = scrub_text(text)
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__


def scrub_text(text: str) -> str:
    """Return a text with the queries of its URLs, and what stands before their hosts, cut out."""
    text = re.sub(r"\?[^\s'\"<>)]+", "?…", text)
    return re.sub(r"://[^\s/@]+@", "://…@", text)


class RequestError(TickloomError):
    """The request is wrong; the same request will fail again."""

    code = "invalid-request"


class InvalidSymbol(RequestError):
    """The text cannot be a symbol."""

    code = "invalid-symbol"


class InvalidInterval(RequestError):
    """The text names no bar interval."""

    code = "invalid-interval"


class InvalidDates(RequestError):
    """The date range is reversed, in the future, or no date at all."""

    code = "invalid-dates"


class TooManySymbols(RequestError):
    """More symbols were named than one request or connection may name."""

    code = "too-many-symbols"


class TooManyConnections(RequestError):
    """The server, user or address holds as many connections as it may."""

    code = "too-many-connections"


class InvalidMessage(RequestError):
    """A stream message could not be read."""

    code = "invalid-message"


class UnknownMessage(InvalidMessage):
    """A stream message has a ``type`` that the protocol does not know."""

    code = "unknown-message"


class MessageTooLarge(InvalidMessage):
    """A stream message is longer than ``stream.max_message_bytes``."""

    code = "message-too-large"


class NotAuthenticated(RequestError):
    """The request needs a key and has none, or one that is not known."""

    code = "not-authenticated"


class AlreadyAuthenticated(RequestError):
    """A second ``auth`` message came on an authenticated connection."""

    code = "already-authenticated"


class NotAllowed(RequestError):
    """The key is known, but may not do this."""

    code = "not-allowed"


class NotAcceptable(RequestError):
    """The answer has none of the forms that the caller says it takes."""

    code = "not-acceptable"


class NotFound(TickloomError):
    """What was asked for is not there; asking again does not help."""

    code = "not-found"


class UnknownSymbol(NotFound):
    """No provider that may serve the symbol knows it."""

    code = "unknown-symbol"


class UnknownProvider(NotFound):
    """No provider of the name that was asked for runs."""

    code = "unknown-provider"


class NoData(NotFound):
    """The symbol is known, but there is no data in the range."""

    code = "no-data"


class NoSession(NoData):
    """The symbol's venue is closed on all days of the range, or they are yet to come."""

    code = "no-session"


class NotSupported(NotFound):
    """No provider that serves the symbol offers this capability."""

    code = "not-supported"


class Unavailable(TickloomError):
    """The same request may succeed later.

    ``retry_after_s`` is the number of seconds after which to try again, ``None`` = not known.
    """

    code = "unavailable"

    def __init__(
        self,
        message: str,
        *,
        found: object = None,
        expected: str = "",
        fix: str = "",
        retry_after_s: float | None = None,
    ) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message, found=found, expected=expected, fix=fix)


class ProviderUnavailable(Unavailable):
    """A provider did not answer, or answered with a fault of its own."""

    code = "provider-unavailable"


class RateLimited(Unavailable):
    """A provider's request budget is used up."""

    code = "rate-limited"


class StoreUnavailable(Unavailable):
    """The database did not answer, or its schema does not fit."""

    code = "store-unavailable"


class ServerUnavailable(Unavailable):
    """No tickloom server answers at the address."""

    code = "server-unavailable"


class ConfigError(TickloomError):
    """The configuration is wrong; the message names the file or variable and the key."""

    code = "invalid-configuration"


class CredentialsError(ConfigError):
    """A provider refuses its key: no question will succeed before it is replaced."""

    code = "credentials-refused"


class NotEntitled(CredentialsError):
    """A provider knows the key, but it does not pay for this; other questions may succeed."""

    code = "not-entitled"


class NotConfigured(ConfigError):
    """A plugin lacks settings without which it has nothing to offer, and nobody asked for it.

    A hook raises it. The plugin is then reported as not configured, which is no failure, unless
    ``plugins.enabled`` names it.
    """

    code = "not-configured"


class PortInUse(ConfigError):
    """Another process listens on a port that the server needs."""

    code = "port-in-use"


class MissingDependency(ConfigError, ImportError):
    """An optional package is not installed; the message says how to install it."""

    code = "missing-dependency"


class BadRecord(TickloomError):
    """One record is unusable; the rest of its batch is not affected."""

    code = "bad-record"


class PluginError(TickloomError):
    """A plugin breaks its contract; the message names the plugin and the rule."""

    code = "plugin-failed"
