"""The contract that every provider keeps, over a capture of our own."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tickloom.clock import SystemClock
from tickloom.testing import ProviderContract
from tickloom_iex.capture import CaptureOptions, make_capture_provider


class TestCaptures(ProviderContract):
    clock = SystemClock()
    known = ("A", "BRK.B")
    unknown = "NOSUCH9"
    days = (date(2024, 3, 5), date(2024, 3, 5))

    @pytest.fixture(autouse=True)
    def _capture(self, forge, tmp_path) -> None:
        batches = [
            [
                forge.trade("A", 10_000 + n, key=2 * n, at=n),
                forge.trade("BRK.B", 20_000 + n, key=2 * n + 1, at=n),
                forge.quote("A", 9_000, 11_000, at=n),
            ]
            for n in range(400)
        ]
        self.path = tmp_path / "capture.pcap"
        self.path.write_bytes(forge.capture(*forge.segments(batches)))

    def make(self) -> Any:
        return make_capture_provider(CaptureOptions(path=self.path, speed=50), self.clock)
