"""``tickloom quality`` against a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from cli.home import Home

PICKY = """
from tickloom.hookspecs import hookimpl
from tickloom.model import Quality
from tickloom.roles import Verdict

tickloom_api = (1,)


class Picky:
    name = "picky"

    def check(self, quote, previous):
        if quote.symbol == "TICK.TWO":
            return Verdict(Quality.QUARANTINED, "odd", "it is no good")
        return None


@hookimpl
def tickloom_validators():
    return [Picky()]
"""


@pytest.fixture(scope="module")
def picky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, str]]:
    """A server with some quotes of one symbol in quarantine, and its address."""
    home = Home(tmp_path_factory.mktemp("picky"))
    home.install("picky", PICKY)
    settings = (home.folder / "tickloom.toml").read_text(encoding="utf-8")
    home.write("tickloom.toml", settings.replace('["ticking"]', '["ticking", "picky"]'))
    with home.serving() as (_, banner):
        url = banner["api"]
        done = home.run("stream", "TICK.*", "--url", banner["stream"][0], "--count", "12")
        assert done.returncode == 0
        yield home, url


def listed(home: Home, url: str, *args: str) -> list[dict[str, object]]:
    done = home.run("quality", "list", "--json", "--url", url, *args)
    assert (done.returncode, done.stderr) == (0, "")
    rows: list[dict[str, object]] = json.loads(done.stdout)["rows"]
    return rows


def test_rows_are_listed_as_a_table(picky: tuple[Home, str]) -> None:
    home, url = picky
    done = home.run("quality", "--url", url, "--limit", "1")
    header, line, more = done.stdout.splitlines()
    assert header.split()[:3] == ["Id", "Kept", "Symbol"]
    assert "TICK.TWO" in line
    assert "it is no good" in line
    assert more.startswith("more with --page ")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_row_is_released_and_another_dropped(picky: tuple[Home, str]) -> None:
    home, url = picky
    one, other, *_ = listed(home, url)
    done = home.run("quality", "release", str(one["id"]), "--url", url)
    assert done.stdout.split() == [one["id"], "TICK.TWO", "by", "ticking:", "released"]
    done = home.run("quality", "drop", str(other["id"]), "--url", url, "--json")
    assert json.loads(done.stdout)["state"] == "dropped"
    assert [row["id"] for row in listed(home, url, "--state", "released")] == [one["id"]]


def test_a_row_that_is_not_there_is_an_error(picky: tuple[Home, str]) -> None:
    home, url = picky
    done = home.run("quality", "release", str(uuid4()), "--url", url)
    assert done.returncode == 1
    assert "no such row in quarantine" in done.stderr


@pytest.mark.parametrize("verb", ["release", "drop"])
def test_a_row_that_fails_does_not_stop_the_others(picky: tuple[Home, str], verb: str) -> None:
    home, url = picky
    one, other, *_ = (str(row["id"]) for row in listed(home, url))
    gone = str(uuid4())
    done = home.run("quality", verb, one, gone, "nonsense", other, "--url", url)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [one, other]
    first, second = done.stderr.splitlines()
    assert first.startswith(f"error: {gone}: no such row in quarantine")
    assert second.startswith("error: nonsense: not the id of a row in quarantine")
    assert done.returncode == 1


def test_for_scripts_a_failure_names_its_row(picky: tuple[Home, str]) -> None:
    home, url = picky
    one, *_ = (str(row["id"]) for row in listed(home, url))
    gone = str(uuid4())
    done = home.run("quality", "drop", gone, one, "--url", url, "--json")
    assert json.loads(done.stdout)["id"] == one
    told = json.loads(done.stderr)
    assert (told["id"], told["error"]["code"]) == (gone, "not-found")
    assert done.returncode == 1


def test_scores_are_printed_as_a_table(picky: tuple[Home, str]) -> None:
    home, url = picky
    done = home.run("quality", "scores", "--symbol", "tick.two", "--url", url)
    header, line = done.stdout.splitlines()
    assert header.split() == [
        *("Provider", "Symbol", "Hour", "Completeness", "Timeliness", "Agreement", "Validity")
    ]
    assert line.split() == ["ticking", "TICK.TWO", "since", "the", "start", *line.split()[-4:]]
    assert line.split()[-1] == "0.000"


def test_a_symbol_of_one_provider_cannot_be_compared(picky: tuple[Home, str]) -> None:
    home, url = picky
    done = home.run("quality", "compare", "TICK.ONE", "--url", url)
    assert done.returncode == 1
    assert "only provider ticking serves TICK.ONE" in done.stderr


def test_a_server_that_is_not_there_is_told(tmp_path: Path, free_port: int) -> None:
    home = Home(tmp_path)
    done = home.run("quality", "list", "--url", f"http://127.0.0.1:{free_port}")
    assert done.returncode == 4
    assert "no tickloom server answers" in done.stderr
