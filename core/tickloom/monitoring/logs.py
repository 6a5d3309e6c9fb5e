"""Where log lines go and what they look like."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from loguru import logger

from tickloom.errors import ConfigError, ProviderUnavailable, scrub_text
from tickloom.settings import LoggingSettings

if TYPE_CHECKING:
    from loguru import Record

_TEXT = (
    "<green>{time:YYYY-MM-DD HH:mm:ss.SSS}</green> <level>{level: <8}</level> "
    "<cyan>{name}</cyan> {message}"
)
_ROTATION = "50 MB"
_RETENTION = 5

# Filters are not inherited, so each logger of the HTTP client needs its own.
_HTTP = (
    "httpx",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
)

_level_name = ["INFO"]


def set_up_logging(settings: LoggingSettings) -> None:
    """Send log lines to standard error and to the file, ours and those of libraries alike.

    For a server process; a program that only uses the Python API keeps its own logging.

    Raises:
        ConfigError: The file cannot be written.
    """
    set_level(settings.level)
    logger.remove()
    serialize = settings.format == "json"
    logger.add(
        sys.stderr,
        format=_TEXT,
        serialize=serialize,
        filter=_passes,
        level=0,
        backtrace=False,
        diagnose=False,
    )
    if settings.file:
        try:
            logger.add(
                settings.file,
                format=_TEXT,
                serialize=serialize,
                rotation=_ROTATION,
                retention=_RETENTION,
                enqueue=True,
                filter=_passes,
                level=0,
                backtrace=False,
                diagnose=False,
            )
        except OSError as error:
            raise ConfigError(
                "logging.file cannot be written",
                found=settings.file,
                expected=f"a writable file ({error.strerror})",
            ) from None
    logging.basicConfig(handlers=[_Forward()], level=0, force=True)
    for noisy in ("httpx", "httpcore", "asyncio", "aiosqlite", "piccolo", "uvicorn.error"):
        # Below it they print every request or connection, some with keys in the URL.
        logging.getLogger(noisy).setLevel(logging.WARNING)


def guard_library_logs() -> None:
    """Keep what is nobody's business out of libraries' log lines; calling it again is allowed.

    httpx prints each URL at INFO, and most vendors want their key in the query: queries are cut
    out, for whoever uses httpx in this process. stamina warns of each retry without saying of
    what; those of ours are counted in a provider's status. asyncpg shows where in its own code it
    could not connect again, over a screen for each try; that and why is one line.
    """
    for name in _HTTP:
        logging.getLogger(name).addFilter(_hide_query)
    logging.getLogger("stamina").addFilter(_is_no_retry_of_ours)
    logging.getLogger("asyncpg.pool").addFilter(_cut_traceback)


def _hide_query(record: logging.LogRecord) -> bool:
    record.msg, record.args = scrub_text(record.getMessage()), ()
    return True


def _cut_traceback(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        said = scrub_text(f"{type(error).__name__}: {error}")
        record.msg, record.args = f"{record.getMessage()}: {said}", ()
        record.exc_info = record.exc_text = None
    return True


def _is_no_retry_of_ours(record: logging.LogRecord) -> bool:
    cause = str(getattr(record, "stamina.caused_by", ""))
    return not cause.startswith(ProviderUnavailable.__name__)


def set_level(level: str) -> None:
    """Change the least level that is shown, while running."""
    _level_name[0] = level


def _passes(record: Record) -> bool:
    return record["level"].no >= logger.level(_level_name[0]).no


class _Forward(logging.Handler):
    """Hands the standard library's records to loguru."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level: str | int = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        logger.patch(lambda line: line.update({"name": record.name})).opt(
            exception=record.exc_info
        ).log(level, "{}", record.getMessage())
