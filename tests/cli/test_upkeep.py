"""cleanup and backfill: what is stored, by hand."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result

from cli.home import LIMIT_S, Home
from scripted import make_quote
from tickloom.store import migrate, open_backend, open_job_log

if TYPE_CHECKING:
    from databases import Database

Invoke = Callable[..., Result]
FIRST_TO_LAST = ("--from", "2016-01-01", "--to", "2025-12-31")


def url_of(home: Home) -> str:
    return f"sqlite:///{home.folder / 'tickloom.db'}"


def query(home: Home, sql: str) -> list[Any]:
    with closing(sqlite3.connect(home.folder / "tickloom.db")) as connection:
        return connection.execute(sql).fetchall()


def store_ticks(home: Home, *days_ago: int) -> None:
    async def store() -> None:
        backend = open_backend(url_of(home))
        await backend.open()
        now = datetime.now(UTC)
        await backend.write(
            [(make_quote(timestamp=now - timedelta(days=days)), "epoch") for days in days_ago]
        )
        await backend.aclose()

    asyncio.run(store())


def test_without_yes_a_cleanup_tells_and_changes_nothing(invoke: Invoke, home: Home) -> None:
    store_ticks(home, 400, 50, 2)

    result = invoke("cleanup")

    lines = [line.split() for line in result.stdout.splitlines()]
    assert lines[0][:4] == ["Kind", "Kept", "To", "remove"]
    assert lines[1][:4] == ["ticks", "30", "days", "2"]
    assert lines[2][:4] == ["intraday_bars", "for", "ever", "0"]
    assert "nothing was removed yet; --yes removes 2 rows" in result.stdout
    assert (result.exit_code, result.stderr) == (0, "")
    assert query(home, "SELECT count(*) FROM market_data") == [(3,)]


def test_with_yes_it_removes_and_records_the_run(invoke: Invoke, home: Home) -> None:
    store_ticks(home, 400, 50, 2)

    result = invoke("cleanup", "--yes", "--json")

    told = json.loads(result.stdout)
    [ticks] = [kind for kind in told["kinds"] if kind["kind"] == "ticks"]
    assert (told["removed"], ticks["rows"], ticks["error"]) == (True, 2, None)
    assert result.exit_code == 0
    assert query(home, "SELECT count(*) FROM market_data") == [(1,)]
    [(name, replica, outcome)] = query(home, "SELECT name, replica, result FROM jobs")
    assert (name, replica[:4], outcome) == ("cleanup", "cli ", "done")
    assert "there is nothing to remove" in invoke("cleanup").stdout


def test_the_settings_say_what_is_old(invoke: Invoke, home: Home) -> None:
    store_ticks(home, 400, 50, 2)
    result = invoke("cleanup", "--json", TICKLOOM_RETENTION__TICKS_DAYS="100")
    assert json.loads(result.stdout)["kinds"][0]["rows"] == 1
    result = invoke("cleanup", "--json", TICKLOOM_RETENTION__TICKS_DAYS="-1")
    assert "retention.ticks_days" in json.loads(result.stderr)["error"]["message"]
    assert result.exit_code == 3


def test_a_kind_that_fails_is_told_and_is_exit_code_1(invoke: Invoke, home: Home) -> None:
    store_ticks(home, 400)
    with closing(sqlite3.connect(home.folder / "tickloom.db")) as connection, connection:
        connection.execute("DROP TABLE quality_events")
        connection.execute("CREATE TABLE quality_events (id TEXT)")

    result = invoke("cleanup", "--yes", "--json")

    told = {kind["kind"]: kind for kind in json.loads(result.stdout)["kinds"]}
    assert (told["ticks"]["rows"], told["ticks"]["error"]) == (1, None)
    assert "no column at" in told["quality_events"]["error"]
    assert result.exit_code == 1


@pytest.mark.parametrize("args", [("cleanup",), ("backfill", "TICK.ONE", *FIRST_TO_LAST)])
def test_without_a_database_the_setting_is_named(
    invoke: Invoke, home: Home, args: tuple[str, ...]
) -> None:
    home.write("nothing.toml", '[database]\nurl = ""\n')
    result = invoke(*args, "--config", "nothing.toml")
    [line] = result.stderr.splitlines()
    assert "expected database.url" in line
    assert result.exit_code == 3


def test_a_cleanup_makes_no_file(invoke: Invoke, home: Home) -> None:
    result = invoke("cleanup")
    assert "no database file" in result.stderr
    assert result.exit_code == 4
    assert not (home.folder / "tickloom.db").exists()


def test_a_cleanup_while_another_process_does_upkeep_says_so(invoke: Invoke, home: Home) -> None:
    async def hold() -> Result:
        await migrate(url_of(home))
        log = open_job_log(url_of(home))
        assert log is not None
        async with log.claim("cleanup"):
            return await asyncio.to_thread(invoke, "cleanup", "--yes")

    result = asyncio.run(hold())
    assert "another process does upkeep" in result.stderr
    assert result.exit_code == 4


def test_a_backfill_stores_what_later_questions_need(invoke: Invoke, home: Home) -> None:
    command = ("backfill", "TICK.ONE", "tick.two", *FIRST_TO_LAST, "--json")
    first, second = (json.loads(invoke(*command).stdout) for _ in range(2))

    assert first["symbols"].keys() == {"TICK.ONE", "TICK.TWO"}
    assert first["symbols"]["TICK.ONE"] == {"bars": 3653, "pieces": 10, "empty": 0}
    assert (first["provider_requests"], second["provider_requests"]) == (20, 0)
    assert second["symbols"] == first["symbols"]
    assert query(home, "SELECT count(*) FROM bars") == [(2 * 3653,)]


def test_more_days_cost_only_the_pieces_that_are_new(invoke: Invoke) -> None:
    invoke("backfill", "TICK.ONE", "--from", "2020-01-01", "--to", "2022-12-31")
    more = invoke("backfill", "TICK.ONE", "--from", "2019-01-01", "--to", "2022-12-31", "--json")
    assert json.loads(more.stdout)["provider_requests"] == 1


def test_a_backfill_of_days_on_which_the_venue_is_closed_is_no_failure(invoke: Invoke) -> None:
    result = invoke("backfill", "AAPL", "--from", "2025-12-25", "--to", "2025-12-25", "--json")

    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["provider_requests"], found["errors"]) == (0, {})


def test_a_backfill_without_json_is_one_line(invoke: Invoke) -> None:
    result = invoke("backfill", "TICK.ONE", "--from", "2020-01-01", "--to", "2020-12-31")
    assert result.stdout.splitlines() == [
        "366 bars of 1 symbols are stored; providers were asked 1 times"
    ]
    assert (result.exit_code, result.stderr) == (0, "")


def test_symbols_come_from_a_file_too(invoke: Invoke, home: Home) -> None:
    home.write("symbols.txt", "TICK.ONE\n\n# a remark\nTICK.TWO  # the other\n")
    days = ("--from", "2020-01-01", "--to", "2020-01-31")
    result = invoke("backfill", "--file", "symbols.txt", *days, "--json")
    assert json.loads(result.stdout)["symbols"].keys() == {"TICK.ONE", "TICK.TWO"}


def test_an_error_of_one_symbol_is_told_at_the_end_and_the_rest_is_done(
    invoke: Invoke, home: Home
) -> None:
    days = ("--from", "2020-01-01", "--to", "2020-12-31")
    result = invoke("backfill", "TICK.NONE", "???", "TICK.ONE", *days)
    assert "366 bars of 1 symbols" in result.stdout
    told = result.stderr.splitlines()
    assert [line.split(":")[1].strip() for line in told] == ["???", "TICK.NONE"]
    assert result.exit_code == 1
    assert query(home, "SELECT DISTINCT symbol FROM bars") == [("TICK.ONE",)]


@pytest.mark.parametrize(
    ("args", "complaint", "code"),
    [
        (("--from", "2020-01-01"), "Name symbols", 2),
        (("TICK.ONE",), "--from", 2),
        (("TICK.ONE", "--from", "soon"), "--from is no date", 1),
        (("TICK.ONE", "--from", "2020-01-01", "--to", "2019-01-01"), "reversed", 1),
        (("TICK.ONE", "--from", "2020-01-01", "--interval", "1wk"), "are not stored", 1),
    ],
)
def test_a_wrong_backfill_says_what_is_wrong(
    invoke: Invoke, args: tuple[str, ...], complaint: str, code: int
) -> None:
    result = invoke("backfill", *args)
    assert complaint in result.stderr
    assert result.exit_code == code


# Answers slowly and counts its calls in a file, as no count of a killed process is left.
SLOW = """    async def get_history(self, request: HistoryRequest) -> HistoricalData:
        with open("calls.txt", "a") as calls:
            calls.write(f"{request.symbol} {request.start}\\n")
        await asyncio.sleep(0.15)
"""


def calls_of(home: Home) -> list[str]:
    file = Path(home.folder / "calls.txt")
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGINT])
def test_a_backfill_that_was_stopped_goes_on_where_it_was(home: Home, kind: signal.Signals) -> None:
    source = (home.site / "ticking.py").read_text(encoding="utf-8")
    head = "    async def get_history(self, request: HistoryRequest) -> HistoricalData:\n"
    (home.site / "ticking.py").write_text(source.replace(head, SLOW), encoding="utf-8")
    command = ("backfill", "TICK.ONE", "TICK.TWO", *FIRST_TO_LAST, "--json")
    process = home.popen(*command, "--concurrency", "2")
    deadline_s = time.monotonic() + LIMIT_S
    while len(calls_of(home)) < 10 and time.monotonic() < deadline_s:
        time.sleep(0.01)
    process.send_signal(kind)
    _, err = process.communicate(timeout=LIMIT_S)
    before = calls_of(home)
    stored = query(
        home, "SELECT count(*), count(DISTINCT symbol || substr(timestamp, 1, 4)) FROM bars"
    )

    done = home.run(*command)

    told = json.loads(done.stdout)
    again = calls_of(home)[len(before) :]
    # Of the answers that were under way at the end none, one or both were stored.
    years = stored[0][1]
    assert len(before) - 2 <= years <= len(before) < 20
    assert (done.returncode, told["provider_requests"]) == (0, 20 - years)
    assert len(again) == 20 - years
    assert query(home, "SELECT count(*) FROM bars") == [(2 * 3653,)]
    if kind is signal.SIGINT:
        assert (process.returncode, err) == (130, "")


async def test_what_was_removed_is_asked_for_again_and_nothing_else(
    home: Home, database: Database
) -> None:
    async def told(*args: str, **variables: str) -> Any:
        done = await asyncio.to_thread(home.run, *args, DATABASE_URL=database.url, **variables)
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    command = ("backfill", "TICK.ONE", *FIRST_TO_LAST, "--json")
    first = await told(*command)
    since = (datetime.now(UTC).date() - date(2020, 7, 1)).days
    setting = {"TICKLOOM_RETENTION__DAILY_BARS_DAYS": str(since)}
    removed = await told("cleanup", "--yes", "--json", **setting)
    again, last = await told(*command), await told(*command)

    calls = [found["provider_requests"] for found in (first, again, last)]
    # The years 2016 to 2020; of the last one only what is missing.
    assert calls == [10, 5, 0]
    bars = (date(2020, 7, 1) - date(2016, 1, 1)).days
    [daily] = [kind for kind in removed["kinds"] if kind["kind"] == "daily_bars"]
    assert daily["rows"] == bars
    assert last["symbols"] == first["symbols"]
