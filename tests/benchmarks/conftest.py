"""What benchmarks of databases share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from databases import run_postgres
from tickloom.store import migrate

if TYPE_CHECKING:
    from databases import Template


@pytest.fixture(scope="module")
def run() -> Iterator[Callable[..., Any]]:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner.run


@pytest.fixture
def sqlite_url(tmp_path: Path, run: Callable[..., Any]) -> str:
    url = f"sqlite:///{tmp_path / 'bench.db'}"
    run(migrate(url))
    return url


@pytest.fixture
def postgres_url(run: Callable[..., Any], template: Template) -> Iterator[str]:
    with run_postgres(run, template) as url:
        yield url


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def tell(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", end="")  # noqa: T201 - what it is for

    return tell
