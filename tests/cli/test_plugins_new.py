"""`tickloom plugins new`: a package that works before anything in it is changed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from cli.home import Home
from elsewhere import ROOT, Environment, build

Invoke = Callable[..., Result]


def files_of(folder: Path) -> dict[str, str]:
    found = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_text(encoding="utf-8") for file in found}


def test_a_dash_in_the_name_is_an_underscore_in_the_package(invoke: Invoke, home: Home) -> None:
    result = invoke("plugins", "new", "acme-data")
    assert result.exit_code == 0
    files = files_of(home.folder / "tickloom-acme-data")
    assert {"tickloom_acme_data/provider.py", "tickloom_acme_data/py.typed"} <= set(files)
    assert 'acme_data = "tickloom_acme_data.provider"' in files["pyproject.toml"]
    assert "class AcmeDataProvider(Provider)" in files["tickloom_acme_data/provider.py"]
    assert 'NAMESPACE = "ACMEDATA."' in files["tickloom_acme_data/symbols.py"]


def test_no_mark_of_a_template_is_left(invoke: Invoke, home: Home) -> None:
    assert invoke("plugins", "new", "acme").exit_code == 0
    text = "".join(files_of(home.folder / "tickloom-acme").values())
    for mark in ("@PLUGIN@", "@DIST@", "@TITLE@", "@CLASS@", "@NAMESPACE@", "PACKAGE"):
        assert mark not in text


@pytest.mark.parametrize("name", ["", "Acme", "1st", "a b", "../up", "acme_", "class", "a" * 41])
def test_a_name_that_cannot_be_is_refused(invoke: Invoke, home: Home, name: str) -> None:
    before = sorted(home.folder.iterdir())
    result = invoke("plugins", "new", name)
    assert "the name cannot be that of a plugin" in result.stderr
    assert result.exit_code == 3
    assert sorted(home.folder.iterdir()) == before


def test_the_name_of_an_installed_plugin_is_refused(invoke: Invoke, home: Home) -> None:
    result = invoke("plugins", "new", "alpha-vantage")
    assert "a plugin alpha_vantage is installed already" in result.stderr
    assert result.exit_code == 3
    assert not (home.folder / "tickloom-alpha-vantage").exists()


def test_a_folder_that_exists_is_left_as_it_is(invoke: Invoke, home: Home) -> None:
    (home.folder / "sub" / "tickloom-acme").mkdir(parents=True)
    result = invoke("plugins", "new", "acme", "--dir", "sub")
    assert "exists already" in result.stderr
    assert result.exit_code == 3
    assert files_of(home.folder / "sub") == {}


@pytest.mark.packaging
@pytest.mark.timeout(300)
def test_the_package_passes_its_tests_linter_and_types_at_once(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    build([ROOT], wheels)
    environment = Environment(tmp_path / "elsewhere")
    environment.install(*wheels.glob("*.whl"))
    done = environment.run(environment.bin / "tickloom", "plugins", "new", "acme", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    home = tmp_path / "tickloom-acme"

    # The same as `pip install -e .` there, without the network. What makes an installation editable
    # is kept out of these environments.
    [editables] = importlib.util.find_spec("editables").submodule_search_locations
    (environment.home / "borrowed" / "editables").symlink_to(editables)
    environment._pip("install", "--no-index", "--no-deps", "--no-build-isolation", "-e", str(home))
    python = environment.python
    for command in (
        (python, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        # Its program is not among the borrowed packages.
        (Path(sys.prefix) / "bin" / "ruff", "check", "."),
        (python, "-m", "mypy", "--no-incremental"),
    ):
        done = environment.run(*command, cwd=home)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    [line] = environment.plugins(tmp_path)["acme"]
    assert (line["state"], line["offers"]) == ("active", ["provider acme"])
