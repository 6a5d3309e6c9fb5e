"""The wheels of this checkout, and an environment that has them installed; made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from elsewhere import SOURCES, Environment, build


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every wheel of this checkout by the name of its distribution."""
    folder = tmp_path_factory.mktemp("wheels")
    build(SOURCES, folder)
    return {wheel.name.partition("-")[0]: wheel for wheel in folder.glob("*.whl")}


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, Path]) -> Environment:
    """An environment with the wheels of the host and of its own plugins."""
    environment = Environment(tmp_path_factory.mktemp("clean"))
    environment.install(*(wheel for name, wheel in wheels.items() if "example" not in name))
    return environment
