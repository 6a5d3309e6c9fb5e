"""The rooms of the host may use only rooms above them; this reads the imports and says so."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CORE = ROOT / "core" / "tickloom"

# A room may import from rows above its own. Rooms of one row do not import each other.
ROWS: tuple[tuple[str, ...], ...] = (
    ("errors", "clock"),
    ("model", "fetch"),
    ("roles", "calendars"),
    ("hookspecs", "settings"),
    ("plugins", "cache", "store", "cluster"),
    ("stream", "quality", "alerts", "history"),
    ("client",),
    ("pipeline", "feeds", "relay", "questions", "monitoring", "jobs"),
    ("streaming", "config", "answers", "testing", "scaffold"),
    ("rooms",),
    ("manager",),
    ("security",),
    ("api",),
    ("app",),
    ("server",),
    ("cli",),
    ("__main__",),
)
ROW_OF = {room: row for row, rooms in enumerate(ROWS) for room in rooms}

# The package itself offers its version to everybody and the Python API to its users.
PACKAGE = "__init__"
# What users import without the server; it may not bring the server's rooms along.
CLIENT_DOORS = ("errors", "clock", "model", "stream.protocol")
PLUGIN_DOORS = {"errors", "clock", "model", "fetch", "roles", "hookspecs"}
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60


def room_of(file: Path, core: Path = CORE) -> str:
    return file.relative_to(core).parts[0].removesuffix(".py")


def imports_of(source: str, package: str) -> Iterator[tuple[int, str]]:
    """Yield line and absolute dotted name of everything that is imported, wherever it stands."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                kept = parts[: len(parts) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def room_violations(source: str, room: str, name: str) -> list[str]:
    """Return what a module of ``room`` imports although it may not."""
    found = []
    for line, imported in imports_of(source, f"tickloom.{room}"):
        parts = imported.split(".")
        if parts[0].startswith("tickloom_") and parts[0] != "tickloom_migrations":
            found.append(f"{name}:{line} imports the plugin {parts[0]}")
        if parts[0] != "tickloom" or imported == "tickloom.__version__":
            continue
        other = parts[1] if len(parts) > 1 else PACKAGE
        if other not in ROW_OF:
            found.append(f"{name}:{line} imports {imported}, which is no room")
        elif other != room and ROW_OF[other] >= ROW_OF[room]:
            found.append(f"{name}:{line} {room} imports {other}, which is not above it")
    return found


def plugin_violations(source: str, package: str, name: str, doors: set[str]) -> list[str]:
    """Return what a module of a plugin imports from the host beside the public doors."""
    found = []
    own = package.partition(".")[0]
    for line, imported in imports_of(source, package):
        parts = imported.split(".")
        foreign = parts[0].startswith("tickloom_") and parts[0] != own
        if foreign or (parts[0] == "tickloom" and (len(parts) < 2 or parts[1] not in doors)):
            found.append(f"{name}:{line} imports {imported}")
    return found


def client_violations(source: str, name: str) -> list[str]:
    """Return what a module of the client library imports beside the few doors that are its own."""
    doors = tuple(f"tickloom.{door}" for door in (*CLIENT_DOORS, "client"))
    return [
        f"{name}:{line} imports {imported}"
        for line, imported in imports_of(source, "tickloom.client")
        if imported.startswith("tickloom") and imported != "tickloom.__version__"
        # A module may be imported as a name of its package.
        if not any(imported == door or imported.startswith(f"{door}.") for door in doors)
    ]


def environment_violations(source: str, name: str) -> list[str]:
    """Return where a module reads or writes the environment of the process."""
    found = [
        f"{name}:{line} imports {imported}"
        for line, imported in imports_of(source, "")
        if imported in {"os.environ", "os.environb", "os.getenv", "os.putenv"}
    ]
    found += [
        f"{name}:{node.lineno} uses os.{node.attr}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in {"environ", "environb", "getenv", "putenv", "unsetenv"}
    ]
    return found


def size_violations(source: str, name: str) -> list[str]:
    """Return the module where it is too long, and its functions that are."""
    found = []
    lines = len(source.splitlines())
    if lines > MAX_MODULE_LINES:
        found.append(f"{name} has {lines} lines, at most {MAX_MODULE_LINES} are allowed")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                found.append(
                    f"{name}:{node.lineno} {node.name} has {length} lines, "
                    f"at most {MAX_FUNCTION_LINES} are allowed"
                )
    return found


def core_modules() -> list[Path]:
    return sorted(CORE.rglob("*.py"))


def plugin_modules() -> list[Path]:
    folders = [*(ROOT / "plugins").iterdir(), ROOT / "examples" / "third_party_provider"]
    files = [file for folder in folders for file in folder.rglob("*.py")]
    return sorted(file for file in files if "node_modules" not in file.parts)


def shown(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", core_modules(), ids=shown)
def test_a_room_imports_only_from_rows_above_it(file: Path) -> None:
    room = room_of(file)
    if room == PACKAGE:
        pytest.skip("the package itself is the door for users of the Python API")
    assert room in ROW_OF, f"give the new room {room} a row in {Path(__file__).name}"
    assert room_violations(file.read_text(encoding="utf-8"), room, shown(file)) == []


@pytest.mark.parametrize("file", plugin_modules(), ids=shown)
def test_a_plugin_uses_only_the_public_doors_of_the_host(file: Path) -> None:
    in_tests = "tests" in file.parts
    doors = PLUGIN_DOORS | {"testing"} if in_tests else PLUGIN_DOORS
    parts = (*file.relative_to(ROOT).parts, "")
    package = next(part for part in parts if part.startswith("tickloom_") or not part)
    if in_tests:
        home = file.parents[file.parts[::-1].index("tests")]
        package = next(folder.name for folder in home.glob("tickloom_*"))
    assert plugin_violations(file.read_text(encoding="utf-8"), package, shown(file), doors) == []


def test_the_client_library_uses_only_what_needs_no_server() -> None:
    found = [
        line
        for file in core_modules()
        if room_of(file) == "client"
        for line in client_violations(file.read_text(encoding="utf-8"), shown(file))
    ]
    assert found == []


def test_only_the_settings_read_the_environment() -> None:
    found = [
        line
        for file in core_modules()
        if room_of(file) != "settings"
        for line in environment_violations(file.read_text(encoding="utf-8"), shown(file))
    ]
    assert found == []


def test_no_module_and_no_function_is_too_long() -> None:
    files = [*core_modules(), *plugin_modules(), *(ROOT / "migrations").rglob("*.py")]
    found = [
        line
        for file in files
        if "tests" not in file.parts
        for line in size_violations(file.read_text(encoding="utf-8"), shown(file))
    ]
    assert found == []


def test_every_room_stands_in_one_row() -> None:
    rooms = [room for row in ROWS for room in row]
    assert len(rooms) == len(set(rooms))


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("import tickloom.manager", "cache imports manager, which is not above it"),
        ("from tickloom.stream import Hub", "cache imports stream, which is not above it"),
        ("from tickloom.store import writer", "cache imports store, which is not above it"),
        ("from tickloom import manager", "cache imports manager, which is not above it"),
        ("from ..api import quotes", "cache imports api, which is not above it"),
        ("from tickloom import MarketDataManager", "which is no room"),
        ("import tickloom", "which is no room"),
        ("import tickloom_simulated.walk", "imports the plugin tickloom_simulated"),
        ("def late():\n    from tickloom.app import create_app", "cache imports app"),
        ("if TYPE_CHECKING:\n    from tickloom.cli import main", "cache imports cli"),
    ],
)
def test_the_checker_finds_a_forbidden_import(source: str, complaint: str) -> None:
    [found] = room_violations(source, "cache", "sample.py")
    assert complaint in found


def test_the_checker_lets_allowed_imports_pass() -> None:
    source = (
        "import asyncio\nfrom tickloom import __version__\nfrom tickloom.model import Quote\n"
        "from tickloom.cache.flight import SingleFlight\nfrom . import answers\n"
        "from tickloom_migrations import app\n"
    )
    assert room_violations(source, "cache", "sample.py") == []


@pytest.mark.parametrize(
    "source",
    [
        "from tickloom.settings import Settings",
        "import tickloom",
        "from tickloom import Quote",
        "from tickloom_replay import parse",
    ],
)
def test_the_checker_finds_a_plugin_that_uses_another_door(source: str) -> None:
    assert len(plugin_violations(source, "tickloom_simulated", "sample.py", PLUGIN_DOORS)) == 1


@pytest.mark.parametrize(
    "source",
    ["from tickloom.stream import Hub", "import tickloom.settings", "from tickloom import Quote"],
)
def test_the_checker_finds_a_client_that_brings_the_server(source: str) -> None:
    assert len(client_violations(source, "sample.py")) == 1


@pytest.mark.parametrize(
    "source",
    ["import os\nos.environ['A']", "import os\nos.getenv('A')", "from os import environ"],
)
def test_the_checker_finds_a_look_at_the_environment(source: str) -> None:
    assert len(environment_violations(source, "sample.py")) == 1


def test_the_checker_finds_what_is_too_long() -> None:
    body = "    pass\n" * MAX_MODULE_LINES
    found = size_violations(f"def long():\n{body}", "sample.py")
    assert [line.split(" has ")[0] for line in found] == ["sample.py", "sample.py:1 long"]
