import re
import tomllib
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec
import pytest

import tickloom_replay
from tickloom.clock import FakeClock
from tickloom.errors import ConfigError
from tickloom.model import Timeliness
from tickloom.roles import PluginSettings, Provider
from tickloom_replay.options import ReplaySettings

_README = Path(__file__).parents[1] / "README.md"


def _settings(folder: Path, **table: Any) -> PluginSettings:
    def convert(kind: Any) -> Any:
        decode = lambda wanted, value: folder / value  # noqa: E731 - what the host does with paths
        return msgspec.convert(table, kind, dec_hook=decode)

    return PluginSettings("replay", FakeClock(), convert)


def _load(settings: PluginSettings) -> Any:
    (provider,) = tickloom_replay.tickloom_providers(settings)
    return provider


def test_the_entry_point_offers_a_provider(tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text("date,close\n2026-01-05,1\n")
    (point,) = entry_points(group="tickloom", name="replay")

    (provider,) = point.load().tickloom_providers(_settings(tmp_path, path="A.csv"))

    assert isinstance(provider, Provider)
    assert provider.info.name == "replay"
    assert provider.info.timeliness is Timeliness.REPLAYED
    assert provider.info.symbols == frozenset({"A"})
    assert provider.info.has_stream


def test_without_a_path_nothing_is_offered(tmp_path: Path) -> None:
    assert tickloom_replay.tickloom_providers(_settings(tmp_path)) == []


def test_a_namespace_keeps_other_symbols_out_and_is_declared(tmp_path: Path) -> None:
    (tmp_path / "AAPL.csv").write_text("date,close\n2026-01-05,1\n")
    (tmp_path / "DEMO.X.csv").write_text("date,close\n2026-01-05,1\n")

    (provider,) = tickloom_replay.tickloom_providers(
        _settings(tmp_path, path=".", namespace="DEMO.")
    )

    assert provider.info.symbols == frozenset({"DEMO.X"})
    assert provider.info.namespace == "DEMO."


@pytest.mark.parametrize("make", [lambda path: None, Path.mkdir])
def test_a_missing_or_empty_folder_says_what_was_looked_for(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "data")

    with pytest.raises(ConfigError, match=r"Lean zip, CSV, Parquet or a recording") as error:
        tickloom_replay.tickloom_providers(_settings(tmp_path, path="data"))

    assert "data" in str(error.value)


def test_a_bad_file_is_a_problem_and_the_others_play(tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text("date,close\n2026-01-05,1\n")
    (tmp_path / "B.csv").write_text("date,close\n2026-01-05,one\n2026-01-06,two\n")
    (tmp_path / "C.csv").write_text("what,is,this\n1,2,3\n")
    (tmp_path / "D.zip").write_bytes(b"PK\x03\x04 nothing")
    (tmp_path / "E.csv").touch()
    (tmp_path / "notes.txt").write_text("not data")
    (tmp_path / ".hidden.csv").write_text("not read")

    provider = _load(_settings(tmp_path, path="."))

    assert provider.info.symbols == {"A", "B"}
    told = [str(problem) for problem in provider.problems]
    assert [text.partition(" ")[0] for text in told] == ["C.csv", "D.zip", "E.csv"]
    assert "line 1" in told[0]


def test_subfolders_are_read(tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/A.csv").write_text("date,close\n2026-01-05,1\n")

    provider = _load(_settings(tmp_path, path="."))

    assert provider.info.symbols == {"A"}


def test_factor_and_map_files_are_not_taken_for_bars(tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text("date,close\n2026-01-05,1\n")
    (tmp_path / "map_files").mkdir()
    (tmp_path / "map_files/a.csv").write_text("19980102,a,Q\n20501231,a,Q\n")
    (tmp_path / "factor_files").mkdir()
    (tmp_path / "factor_files/a.csv").write_text("20140606,0.9,0.25,100\n20501231,1,1,0\n")

    provider = _load(_settings(tmp_path, path="."))

    assert provider.info.symbols == {"A"}
    assert not provider.problems


@pytest.mark.parametrize(
    "wrong", [{"speed": -1}, {"speed": float("nan")}, {"max_gap_s": -1}, {"sped": 1}, {"loop": 2}]
)
def test_a_wrong_setting_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        tickloom_replay.tickloom_providers(_settings(tmp_path, path=".", **wrong))


def test_an_unknown_time_zone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text("date,close\n2026-01-05,1\n")

    with pytest.raises(ConfigError, match=r"plugins\.replay\.timezone"):
        tickloom_replay.tickloom_providers(_settings(tmp_path, path=".", timezone="Mars/Base"))


def test_the_readme_lists_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `?([^|`]*)`? \|", _README.read_text(), re.MULTILINE))
    defaults = {name: getattr(ReplaySettings(), name) for name in ReplaySettings.__struct_fields__}

    assert rows.keys() == defaults.keys()
    for name, value in defaults.items():
        if value is not None:
            assert tomllib.loads(f"value = {rows[name]}")["value"] == value
