"""A plugin of somebody else: installed, found, used, and gone again; and broken ones beside it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from elsewhere import EXAMPLE, Environment

pytestmark = [pytest.mark.packaging, pytest.mark.timeout(300)]

HOOK = """
from tickloom.hookspecs import hookimpl
from tickloom.model import Timeliness
from tickloom.roles import Provider, ProviderInfo

tickloom_api = (1,)

class Mine(Provider):
    info = ProviderInfo(name={name!r}, title="Mine", timeliness=Timeliness.DELAYED)

@hookimpl
def tickloom_providers({arguments}):
    return [Mine()]
"""

# The plugin's name, its module, and what the report must say.
BROKEN = {
    "unimportable": ("import nowhere_at_all\n", "No module named 'nowhere_at_all'"),
    "leaving": ("import sys\nsys.exit('goodbye')\n", "SystemExit: goodbye"),
    "unversioned": (
        HOOK.format(name="unversioned", arguments="").replace("tickloom_api", "unused"),
        "does not state which plugin API it supports",
    ),
    "misfit": (
        HOOK.format(name="misfit", arguments="settings, database"),
        "does not fit its specification",
    ),
    "usurping": (
        HOOK.format(name="simulated", arguments=""),
        "the provider name simulated is taken by the plugin simulated",
    ),
    # The module sorts behind tickloom_simulated, whose plugin name it wants as well.
    "simulated": (
        HOOK.format(name="second", arguments=""),
        "the plugin name simulated is taken by tickloom-simulated",
    ),
}


def make_wheel(folder: Path, plugin: str, source: str) -> Path:
    """Return a wheel of one module with one entry point, as any author could publish it."""
    module, version = f"tickloom_zz_{plugin}", "1.0"
    info = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[tickloom]\n{plugin} = {module}\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    wheel = folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel


@contextmanager
def installed(clean: Environment, *wheels: Path) -> Iterator[None]:
    clean.install(*wheels)
    try:
        yield
    finally:
        clean.uninstall(*(wheel.name.partition("-")[0] for wheel in wheels))


@pytest.fixture(scope="module")
def example(wheels: dict[str, Path]) -> Path:
    return wheels["tickloom_example_provider"]


def test_the_example_is_found_used_and_gone_again(
    clean: Environment, example: Path, tmp_path: Path
) -> None:
    before = clean.plugins(tmp_path)
    assert "example" not in before
    with installed(clean, example):
        [line] = clean.plugins(tmp_path)["example"]
        assert (line["state"], line["distribution"], line["version"]) == (
            "active",
            "tickloom-example-provider",
            "0.1.0",
        )
        assert line["offers"] == ["provider example"]
        quote = clean.ask("quote", "EXA.EURUSD", cwd=tmp_path)
        assert '"provider":"example"' in str(quote).replace("'", '"').replace(": ", ":")
    assert clean.plugins(tmp_path) == before
    # Nobody is asked but who is here: yahoo would be, over the network.
    (tmp_path / "tickloom.toml").write_text('[plugins]\nenabled = ["simulated", "example"]\n')
    done = clean.run(clean.bin / "tickloom", "quote", "EXA.EURUSD", "--json", cwd=tmp_path)
    assert done.returncode == 1
    assert "unknown-symbol" in done.stderr


def test_the_example_takes_its_settings_from_its_own_table(
    clean: Environment, example: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.csv").write_text("Date,USD\n2026-01-05,1.25\n", encoding="utf-8")
    (tmp_path / "tickloom.toml").write_text(
        '[plugins.example]\npath = "mine.csv"\n', encoding="utf-8"
    )
    with installed(clean, example):
        assert "1.25" in str(clean.ask("quote", "EXA.EURUSD", cwd=tmp_path))


def test_the_example_passes_its_own_tests(
    clean: Environment, example: Path, tmp_path: Path
) -> None:
    with installed(clean, example):
        done = clean.run(
            clean.python, "-m", "pytest", "-p", "no:cacheprovider",
            "-c", EXAMPLE / "pyproject.toml", EXAMPLE / "tests",
            cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_broken_plugin_is_reported_by_name_while_the_rest_run(
    clean: Environment, example: Path, tmp_path: Path
) -> None:
    wheels = [make_wheel(tmp_path, name, source) for name, (source, _) in BROKEN.items()]
    with installed(clean, example, *wheels):
        plugins = clean.plugins(tmp_path)
        for name, (_, reason) in BROKEN.items():
            line = plugins[name][-1]
            assert line["distribution"] == f"tickloom_zz_{name}"
            assert line["state"] == "failed"
            assert reason in line["reason"]
        assert plugins["simulated"][0]["state"] == "active"
        assert plugins["example"][0]["state"] == "active"
        assert "EXA.EURUSD" in str(clean.ask("quote", "EXA.EURUSD", cwd=tmp_path))
        assert "SIM.ACME" in str(clean.ask("quote", "SIM.ACME", cwd=tmp_path))
    assert set(plugins) - set(clean.plugins(tmp_path)) == {"example", *BROKEN} - {"simulated"}
