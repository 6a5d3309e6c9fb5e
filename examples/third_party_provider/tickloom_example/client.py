"""Fetches the file of rates. Network and disk only: what is in it is not known here."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx

from tickloom.errors import CredentialsError, ProviderUnavailable, RateLimited


class RatesClient:
    """Reads one file of rates.

    Args:
        http: The host's client; it closes it.
        url: Where the file is. Empty = on the disk.
        path: Where the file is on the disk.
    """

    def __init__(self, http: httpx.AsyncClient, url: str, path: Path) -> None:
        self._http = http
        self._url = url
        self._path = path

    async def fetch(self) -> bytes:
        """Return the file as it stands.

        Raises:
            ProviderUnavailable: It cannot be had now.
            RateLimited: The server asks for patience.
            CredentialsError: The server refuses us.
        """
        if self._url:
            return await self._fetch_url()
        try:
            return await asyncio.to_thread(self._path.read_bytes)
        except OSError as error:
            raise ProviderUnavailable(
                f"the rates file {self._path} cannot be read",
                found=error.strerror,
                fix="Check path in [plugins.example].",
            ) from error

    async def _fetch_url(self) -> bytes:
        try:
            answer = await self._http.get(self._url, follow_redirects=True)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ProviderUnavailable(
                f"no rates from {self._url}", found=f"{type(error).__name__}: {error}"
            ) from error
        if answer.status_code == httpx.codes.OK:
            return answer.content
        found = f"HTTP {answer.status_code}"
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise RateLimited(f"too many requests for {self._url}", found=found)
        if answer.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
            raise CredentialsError(f"{self._url} refuses us", found=found)
        raise ProviderUnavailable(f"no rates from {self._url}", found=found)
