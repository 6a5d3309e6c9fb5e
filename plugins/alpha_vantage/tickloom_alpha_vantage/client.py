"""Requests to Alpha Vantage: address, key, and what each answer means. Returns bytes."""

from __future__ import annotations

import httpx

from tickloom.clock import Clock
from tickloom.errors import ProviderUnavailable
from tickloom.fetch import check_status, fetch
from tickloom.roles import Secret
from tickloom_alpha_vantage.refusals import check_refusal

PROVIDER = "alpha_vantage"


class AlphaVantageClient:
    """Asks for one function at a time.

    Args:
        http: The host's client.
        base_url: Without the path.
        api_key: Goes into the query, and nowhere else.
        entitlement: Goes into the query where it is not empty.
        clock: For the time of the daily limit.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        base_url: str,
        api_key: Secret,
        entitlement: str,
        clock: Clock,
    ) -> None:
        self._http = http
        self._url = f"{base_url.rstrip('/')}/query"
        self._api_key = api_key
        self._entitlement = entitlement
        self._clock = clock

    async def ask(self, function: str, **params: str) -> bytes:
        """Return the body that answers ``function``.

        Raises:
            TickloomError: The vendor refuses, or did not answer.
        """
        query = {"function": function, **params}
        if self._entitlement:
            query["entitlement"] = self._entitlement
        query["apikey"] = self._api_key.reveal()
        answer = await fetch(self._http, PROVIDER, self._url, query)
        error = check_status(answer, PROVIDER, self._clock)
        if error is not None:
            raise error
        if not answer.body.strip():
            raise ProviderUnavailable(f"provider {PROVIDER} answered {function} with nothing")
        check_refusal(answer.body, self._clock.now(), self._api_key.reveal())
        return answer.body
