"""quote, history and company: answers of providers in this process."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from decimal import Decimal

import pytest
from click.testing import Result

from cli.home import Home

Invoke = Callable[..., Result]


def test_a_quote_is_printed_as_a_table(invoke: Invoke) -> None:
    result = invoke("quote", "tick.one")
    header, line = result.stdout.splitlines()
    assert header.split()[:3] == ["Symbol", "Price", "Change"]
    assert line.split()[:2] == ["TICK.ONE", "100.11"]
    assert "ticking, not real-time" in line
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_quote_as_json_is_one_document_with_every_digit(invoke: Invoke) -> None:
    result = invoke("quote", "TICK.ONE", "TICK.TWO", "--json")
    [first, second] = json.loads(result.stdout, parse_float=Decimal)
    assert first["current_price"] == Decimal("100.11")
    assert second["symbol"] == "TICK.TWO"
    assert result.exit_code == 0


def test_an_unknown_symbol_does_not_cost_the_others(invoke: Invoke) -> None:
    result = invoke("quote", "TICK.ONE", "NOPE", "--json")
    assert [quote["symbol"] for quote in json.loads(result.stdout)] == ["TICK.ONE"]
    error = json.loads(result.stderr)["error"]
    assert error["code"] == "unknown-symbol"
    assert "NOPE" in error["message"]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["quote", "NOPE"], "no provider serves NOPE"),
        (["quote", "???"], "not a symbol: found '???'"),
        (["quote", "A" * 10_000], "(10002 characters)"),
        (["quote", *(f"S{number}" for number in range(10_001))], "found 10001 symbols"),
        (["history", "TICK.ONE", "--from", "2026-11-03", "--to", "2026-11-01"], "reversed"),
        (["history", "TICK.ONE", "--to", "2999-01-01"], "in the future: found 2999-01-01"),
        (["history", "TICK.ONE", "--from", "tomorrow"], "--from is no date: found 'tomorrow'"),
        (["history", "TICK.ONE", "--interval", "7m"], "unknown interval: found '7m'"),
        (["history", "TICK.ONE", "--adjusted", "some"], "expected one of none, splits, all"),
        (["company", "NOPE"], "no provider serves NOPE"),
    ],
)
def test_a_wrong_question_is_one_line_and_exit_code_1(
    invoke: Invoke, args: list[str], complaint: str
) -> None:
    result = invoke(*args)
    [line] = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert complaint in line
    assert (result.exit_code, result.stdout) == (1, "")


def test_a_provider_that_is_away_is_exit_code_4(invoke: Invoke) -> None:
    result = invoke("quote", "TICK.ONE", "--json", TICKLOOM_PLUGINS__TICKING__AWAY="true")
    assert json.loads(result.stderr)["error"]["code"] == "provider-unavailable"
    assert result.exit_code == 4


def test_history_prints_bars_with_every_digit(invoke: Invoke) -> None:
    dates = ("--from", "2026-11-01", "--to", "2026-11-03")
    result = invoke("history", "TICK.ONE", *dates)
    lines = result.stdout.splitlines()
    assert lines[1].split() == [
        "2026-11-01", "00:00:00Z", "0.10", "123456789012.12345678", "0.10", "1.50", "-",
    ]  # fmt: skip
    assert lines[4].startswith("3 bars of TICK.ONE, 1d, by ticking (simulated)")


def test_history_of_one_provider_is_its_own_or_an_error(invoke: Invoke) -> None:
    dates = ("--from", "2026-01-01", "--to", "2026-01-05")
    found = invoke("history", "TICK.ONE", *dates, "--provider", "ticking", "--json")
    unknown = invoke("history", "TICK.ONE", *dates, "--provider", "nobody")

    assert json.loads(found.stdout)["provider"] == "ticking"
    assert unknown.exit_code != 0
    assert "expected one of live, ticking" in unknown.stderr


def test_history_can_be_cut_to_its_last_bars(invoke: Invoke) -> None:
    dates = ("--from", "2026-11-01", "--to", "2026-11-03")
    result = invoke("history", "TICK.ONE", *dates, "--limit", "2", "--json")
    found = json.loads(result.stdout, parse_float=Decimal)
    assert [bar["timestamp"][:10] for bar in found["data_points"]] == ["2026-11-02", "2026-11-03"]
    assert found["data_points"][0]["high_price"] == Decimal("123456789012.12345678")


@pytest.mark.parametrize("by_name", [True, False])
def test_history_can_be_written_into_a_file(invoke: Invoke, home: Home, by_name: bool) -> None:
    file = home.folder / ("bars.csv" if by_name else "bars")
    options = () if by_name else ("--format", "csv")
    dates = ("--from", "2026-11-01", "--to", "2026-11-03")
    result = invoke("history", "TICK.ONE", *dates, "--output", str(file), *options)

    assert (result.exit_code, result.stdout) == (0, "")
    lines = file.read_text().splitlines()
    assert lines[0].startswith("timestamp,open_price,")
    assert lines[1].startswith("2026-11-01T00:00:00Z,0.10,123456789012.12345678,0.10,1.50,")
    assert len(lines) == 4


def test_history_can_be_printed_in_a_format(invoke: Invoke) -> None:
    dates = ("--from", "2026-11-01", "--to", "2026-11-03")
    result = invoke("history", "TICK.ONE", *dates, "--format", "csv", "--limit", "1")
    assert [line[:10] for line in result.stdout.splitlines()] == ["timestamp,", "2026-11-03"]


def test_a_file_whose_name_tells_no_format_is_not_written(invoke: Invoke, home: Home) -> None:
    file = home.folder / "bars.xls"
    result = invoke("history", "TICK.ONE", "--output", str(file))
    assert result.exit_code == 2
    assert "parquet" in result.stderr
    assert not file.exists()


def test_a_company_is_printed_as_its_provider_writes_it(invoke: Invoke) -> None:
    assert "Name      [red]Ticking[/red] Inc." in invoke("company", "TICK.ONE").stdout
    found = json.loads(invoke("company", "TICK.ONE", "--json").stdout)
    assert found["provider"] == "ticking"


def test_asking_stores_nothing(invoke: Invoke, home: Home) -> None:
    assert invoke("quote", "TICK.ONE").exit_code == 0
    assert not (home.folder / "tickloom.db").exists()


def test_ctrl_c_while_a_provider_is_asked_is_exit_code_130(home: Home) -> None:
    variables = {"TICKLOOM_PLUGINS__TICKING__HANGING": "true", "TICKLOOM_DEBUG": "1"}
    source = (home.site / "ticking.py").read_text(encoding="utf-8")
    told = source.replace("if self._options.hanging:", "print(flush=True)\n        if True:")
    (home.site / "ticking.py").write_text(told, encoding="utf-8")
    process = home.popen("quote", "TICK.ONE", **variables)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")
