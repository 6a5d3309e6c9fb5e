"""The recorded answers, where they are beside this checkout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

RECORDED = Path(__file__).resolve().parents[4] / "shared" / "recorded"


@pytest.fixture
def recorded() -> Path:
    if not RECORDED.is_dir():
        pytest.skip("the folder of recorded vendor answers is not beside this checkout")
    return RECORDED / "yahoo"


@pytest.fixture
def answer(recorded: Path) -> Callable[[str], tuple[int, bytes]]:
    """Return status and body of a recording, whichever of the forms it has."""

    def read(name: str) -> tuple[int, bytes]:
        raw = (recorded / name).read_bytes()
        try:
            whole = json.loads(raw)
        except ValueError:
            return 200, raw
        response = whole.get("response") if isinstance(whole, dict) else None
        if response is None:
            return 200, raw
        body = response.get("bodyJson", response.get("body"))
        text = body if isinstance(body, str) else json.dumps(body)
        return response["status"], text.encode()

    return read


@pytest.fixture
def body(answer: Callable[[str], tuple[int, bytes]]) -> Callable[[str], bytes]:
    return lambda name: answer(name)[1]
