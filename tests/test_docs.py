"""The pages for users say what the code says, and the README's commands exist."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from tickloom import errors
from tickloom.api.problems import status_of
from tickloom.app import API, create_app
from tickloom.cli.root import tickloom
from tickloom.manager import MarketDataManager
from tickloom.model import Quote
from tickloom.settings import DatabaseSettings, Settings, load_settings
from tickloom.settings import load as loading
from tickloom.stream import protocol

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
    *sorted(ROOT.glob("examples/**/README.md")),
]


def shown(page: Path) -> str:
    return str(page.relative_to(ROOT))


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, *kinds: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [body for kind, body in found if kind in kinds]


def rows(text: str) -> dict[str, list[str]]:
    """The first column of all tables, without its ticks, and the other columns."""
    lines = [
        line.strip("| \n").split(" | ") for line in text.splitlines() if line.startswith("| `")
    ]
    return {first.strip("`"): rest for first, *rest in lines}


def toml(value: Any) -> str:
    if value is None:
        return "absent"
    if isinstance(value, tuple):
        return f"`[{', '.join(json.dumps(item) for item in value)}]`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{json.dumps(value)}`"


def defaults(table: msgspec.Struct, path: str) -> Iterator[tuple[str, str]]:
    for field in msgspec.structs.fields(table):
        value = getattr(table, field.name)
        if isinstance(value, msgspec.Struct):
            yield from defaults(value, f"{path}{field.name}.")
        elif f"{path}{field.name}" != "plugins.tables":
            yield f"{path}{field.name}", toml(value)


def test_every_setting_is_told_with_its_default() -> None:
    settings = Settings()
    tables = [name for name in settings.__struct_fields__ if name != "origin"]
    known = {
        key: default
        for name in tables
        for key, default in defaults(getattr(settings, name), f"{name}.")
    }
    told = {key: rest[0] for key, rest in rows(page("docs/settings.md")).items() if key.islower()}
    assert told == known


def test_every_variable_of_its_own_name_is_told_with_its_key() -> None:
    known = loading._VARIABLES | loading._SECRET_VARIABLES
    told = {key: rest[0] for key, rest in rows(page("docs/settings.md")).items() if key.isupper()}
    assert set(told) == set(known)
    for name, path in known.items():
        assert told[name].startswith(f"`{'.'.join(path)}`")


def test_every_message_of_the_stream_is_told() -> None:
    text = page("docs/stream-protocol.md")
    from_client = rows(text.partition("## From the client")[2].partition("\n## ")[0])
    from_server = rows(text.partition("## From the server")[2].partition("\n## ")[0])
    kinds = {
        value.__struct_config__.tag: value
        for value in vars(protocol).values()
        if isinstance(value, type) and issubclass(value, msgspec.Struct)
        if value.__struct_config__.tag
    }
    assert set(from_client) == {
        kind.__struct_config__.tag for kind in get_args(protocol.ClientMessage)
    }
    assert set(from_server) == set(kinds) - set(from_client)
    for name, columns in from_server.items():
        assert set(columns[0].replace("`", "").split(", ")) == set(kinds[name].__struct_fields__)


def test_the_samples_of_stream_messages_are_messages() -> None:
    subscribe, tick, subscribe_bars, bar = blocks(page("docs/stream-protocol.md"), "json")
    for text in (subscribe, subscribe_bars):
        decoded = protocol.decode_client_message(text.strip(), 65_536)
        assert isinstance(decoded, protocol.Subscribe)
    assert msgspec.json.decode(bar, type=protocol.LiveBar).state == "forming"
    assert isinstance(msgspec.json.decode(tick, type=protocol.MarketData).data, Quote)


def test_every_path_is_told_and_every_path_told_exists() -> None:
    manager = MarketDataManager(Settings(database=DatabaseSettings(url="")), entry_points=())
    schema = create_app(manager).openapi_schema.to_schema()
    known = {
        f"{method.upper()} {path.removeprefix(API)}"
        for path, methods in schema["paths"].items()
        for method in methods
    }
    told = {
        key for key in rows(page("docs/rest.md")) if key.split()[0] in {"GET", "POST", "DELETE"}
    }
    assert told == known


def test_every_code_of_an_error_is_told_with_its_status() -> None:
    told = {
        code: int(status)
        for status, codes in re.findall(r"^\| (\d{3}) \| (.*)$", page("docs/rest.md"), re.MULTILINE)
        for code in re.findall(r"`([a-z-]+)`", codes)
    }
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.TickloomError):
            status = status_of(kind("…"))
            if status < 500 or issubclass(kind, errors.Unavailable):
                is_ours = kind.code in {
                    "invalid-message",
                    "unknown-message",
                    "already-authenticated",
                }
                assert is_ours or told.get(kind.code) == status, name


def test_the_fields_of_a_quote_that_are_told_exist() -> None:
    section = page("docs/rest.md").partition("## Quotes")[2].partition("Many at once")[0]
    told = set(re.findall(r"`([a-z_]+)`", section))
    fields = {field.name: field for field in msgspec.structs.fields(Quote)}
    assert told <= set(fields)
    assert {name for name, field in fields.items() if field.required} <= told


@pytest.mark.parametrize("file", PAGES, ids=shown)
def test_every_link_to_a_file_leads_somewhere(file: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (file.parent / target).exists(), target


@pytest.mark.parametrize("file", PAGES, ids=shown)
def test_every_command_in_a_page_exists(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", page("Makefile"), re.MULTILINE))
    for line in "\n".join([*blocks(text, "", "sh"), *code_spans(text)]).splitlines():
        command = line.partition(" ")[0]
        if command == "make":
            words = shlex.split(line, comments=True)[1:]
            assert {word for word in words if "=" not in word} <= targets, line
        elif command == "tickloom":
            check_command(shlex.split(line, comments=True)[1:])


def code_spans(text: str) -> list[str]:
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`((?:make|tickloom) [a-z][^`]*)`", outside)
    return [" ".join(span.split()) for span in spans]


def check_command(words: list[str]) -> None:
    context = tickloom.make_context("tickloom", ["--help"], resilient_parsing=True)
    group: Any = tickloom
    while words and hasattr(group, "resolve_command"):
        assert words[0] in group.commands, f"{words[0]} is none of {', '.join(group.commands)}"
        _, group, words = group.resolve_command(context, words)
    options = {option for parameter in group.params for option in parameter.opts}
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in options | {"--help"}, word


async def test_what_is_told_of_each_provider_is_what_it_declares(tmp_path: Path) -> None:
    file = tmp_path / "tickloom.toml"
    file.write_text(
        '[database]\nurl = ""\n[plugins]\nstrict = true\n'
        '[plugins.iex]\nbase_url = "http://127.0.0.1:9"\nstream_url = "http://127.0.0.1:9"\n'
        '[plugins.iex.captures]\npath = "."\n'
        f"[plugins.replay]\npath = {json.dumps(str(ROOT / 'examples' / 'data'))}\n"
    )
    settings = load_settings(file, environment={"ALPHA_VANTAGE_API_KEY": "a"})
    async with MarketDataManager(settings) as manager:
        known = {name: source.info for name, source in manager.router.sources.items()}
    table = page("docs/providers.md").partition("## Who is asked")[0]
    told = {name: cells[1:] for name, cells in rows(table).items()}

    assert told.keys() == known.keys()
    for name, info in known.items():
        *cells, bars = told[name]
        limits = {"s": info.budget.per_second, "min": info.budget.per_minute}
        limits["day"] = info.budget.per_day
        budget = [f"{limit}/{period}" for period, limit in limits.items() if limit is not None]
        offers = (info.has_company, info.has_search, info.has_stream)
        assert cells == [
            f"`{info.timeliness}`",
            str(info.max_batch),
            ", ".join(budget) or "none",
            *("yes" if offered else "no" for offered in offers),
        ]
        if name != "replay":
            assert bars == " ".join(f"`{interval}`" for interval in info.intervals)


def test_the_shipped_settings_can_be_used(tmp_path: Path) -> None:
    settings = load_settings(ROOT / "examples" / "tickloom.toml", environment={})
    assert (settings.providers.primary, settings.redis.url) == ("yahoo", "")
    assert settings.database.url.startswith("sqlite:///")
    assert settings.plugins.enabled == ("simulated", "replay", "yahoo", "validators")
    assert set(settings.plugins.tables) == {"simulated", "replay"}


def test_the_settings_in_the_pages_can_be_used(tmp_path: Path) -> None:
    environment = {"ALICE_KEY": "a", "ALPHA_VANTAGE_API_KEY": "b"}
    for file in PAGES:
        for number, block in enumerate(blocks(file.read_text(encoding="utf-8"), "toml")):
            if "project" in tomllib.loads(block):
                continue
            sample = tmp_path / f"{file.parent.name}-{file.stem}-{number}.toml"
            sample.write_text(block, encoding="utf-8")
            load_settings(sample, environment=environment)
