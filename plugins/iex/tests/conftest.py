"""The recorded answers, where they are beside this checkout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Machines that run tests are busy with other things; the time of an example says nothing.
settings.register_profile("tickloom", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tickloom")

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "recorded"


@pytest.fixture
def recorded() -> Path:
    if not RECORDED.is_dir():
        pytest.skip("the folder of recorded vendor answers is not beside this checkout")
    return RECORDED / "iex_cloud"


@pytest.fixture
def cassette(recorded: Path) -> Callable[[str], tuple[int, bytes]]:
    """Gives status and body of a recording by its name."""

    def read(name: str) -> tuple[int, bytes]:
        import yaml

        tape: Any = yaml.safe_load((recorded / "vcr" / f"{name}.yml").read_text(encoding="utf-8"))
        response = tape["http_interactions"][0]["response"]
        body = response["body"]["string"]
        return response["status"]["code"], body if isinstance(body, bytes) else body.encode()

    return read
