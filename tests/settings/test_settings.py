from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tickloom.clock import FakeClock
from tickloom.errors import ConfigError
from tickloom.roles import Secret
from tickloom.settings import Settings, load_settings, redact_url, show


class PluginTable(msgspec.Struct, forbid_unknown_fields=True):
    speed: float = 1.0
    path: Path = Path()
    api_key: Secret | None = None


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_file(text: str) -> Path:
        file = tmp_path / "tickloom.toml"
        file.write_text(text)
        return file

    return write_file


def load(file: Path | None = None, **environment: str) -> Settings:
    return load_settings(file, environment)


def test_without_file_and_environment_every_setting_has_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert load().server.port == 8000
    assert load().server.stream_port == 8765
    assert load().cache.quote_ttl_s == 60


def test_a_file_named_tickloom_toml_in_the_working_directory_is_read(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("[server]\nport = 9001")
    monkeypatch.chdir(tmp_path)

    assert load().server.port == 9001


def test_the_proposed_settings_file_of_the_design_is_understood(tmp_path: Path) -> None:
    design = Path(__file__).resolve().parents[3] / "shared" / "design" / "settings.toml"
    if not design.is_file():
        pytest.skip("the design is not beside this checkout")

    assert load(design).stream.ring.count == 10_000


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[server]\nprot = 1", ["[server]", "found 'prot'", "Did you mean port?"]),
        ("[servr]\n", ["the top level", "found 'servr'", "Did you mean server?"]),
        ('[server]\nport = "x"', ["server.port", "found 'x'", "expected int"]),
        ("[server]\nport = 99999", ["server.port", "found 99999", "<= 65535"]),
        ("[stream]\nring = { counts = 1 }", ["[stream.ring]", "found 'counts'"]),
        ('[auth]\nmode = "kees"', ["auth.mode", "found 'kees'", "'keys'", "'none'"]),
        ("server = 1", ["server cannot be used", "expected a table"]),
        ("[plugins]\nstrct = true", ["[plugins]", "found 'strct'", "Did you mean strict?"]),
        ("x = [", ["is not TOML"]),
        ('[database]\nurl = "mysql://x"', ["database.url", "found 'mysql'", "sqlite:///"]),
        ('[server]\nhost = "0.0.0.0"', ["server.host", 'auth.mode = "keys"']),
        ('[auth]\nmode = "keys"', ["[auth.keys] is empty"]),
        ("[server]\nworkers = 2", ["workers", "Redis", "redis.url"]),
        ('[auth.keys]\nalice = "plain"', ["auth.keys", "plain text", "{ env ="]),
        (
            '[auth.keys]\nalice = { env = "NO_SUCH" }',
            ["auth.keys", "NO_SUCH is not set"],
        ),
        (
            '[auth.keys]\nalice = { file = "no/such" }',
            ["auth.keys", "no/such", "No such file"],
        ),
        ("[cache]\nwarm = [1]", ["cache.warm", "found 1", "expected str"]),
        (
            '[providers.budgets.yahoo]\nper_minute = "a"',
            ["providers.budgets", "per_minute", "expected int"],
        ),
        ("[providers.budgets.yahoo]\nper_minit = 5", ["providers.budgets.yahoo", "per_minit"]),
    ],
)
def test_a_mistake_names_the_file_the_key_what_was_found_and_what_was_expected(
    write: Any, text: str, parts: list[str]
) -> None:
    file = write(text)
    with pytest.raises(ConfigError) as caught:
        load(file)

    message = str(caught.value)
    assert str(file) in message
    for part in parts:
        assert part in message


def test_a_plain_secret_is_refused_without_printing_it(write: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write('[auth.keys]\nalice = "hunter2"'))

    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no/such\.toml cannot be read.*No such file"):
        load(Path("no/such.toml"))


def test_the_environment_lies_over_the_file(write: Any) -> None:
    file = write('[redis]\nurl = "redis://file"\n[logging]\nlevel = "ERROR"')
    loaded = load(
        file,
        REDIS_URL="redis://environment",
        DATABASE_URL="postgresql://u@h/d",
        LOG_LEVEL="debug",
        MARKET_DATA_LOG_FILE="/tmp/x.log",
    )

    assert loaded.redis.url == "redis://environment"
    assert loaded.database.url == "postgresql://u@h/d"
    assert loaded.logging.level == "DEBUG"
    assert loaded.logging.file == "/tmp/x.log"


def test_any_key_can_come_from_the_environment(tmp_path: Path) -> None:
    loaded = load(
        TICKLOOM_SERVER__PORT="9000",
        TICKLOOM_CACHE__WARM='["AAPL"]',
        TICKLOOM_PLUGINS__STRICT="true",
        TICKLOOM_PLUGINS__SIMULATED__SEED="3",
    )

    assert loaded.server.port == 9000
    assert loaded.cache.warm == ("AAPL",)
    assert loaded.plugins.strict is True
    assert loaded.plugins.tables["simulated"] == {"seed": 3}


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    with pytest.raises(ConfigError, match="environment variable TICKLOOM_SERVER__PORT"):
        load(TICKLOOM_SERVER__PORT="many")
    with pytest.raises(ConfigError, match="environment variable LOG_LEVEL"):
        load(LOG_LEVEL="loud")


def test_vendor_keys_of_the_environment_reach_their_plugins() -> None:
    loaded = load(ALPHA_VANTAGE_API_KEY="av-key", IEX_CLOUD_API_KEY="iex-key")
    table = loaded.plugin("alpha_vantage", FakeClock()).load(PluginTable)

    assert table.api_key == Secret("av-key")
    assert "av-key" not in repr(table)


def test_overrides_win_over_all() -> None:
    loaded = load_settings(
        None, {"TICKLOOM_SERVER__PORT": "9000"}, {"server": {"port": 9002, "host": "::1"}}
    )

    assert (loaded.server.port, loaded.server.host) == (9002, "::1")


def test_a_plugin_types_its_own_table(write: Any, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text("from-file\n")
    loaded = load(write('[plugins.mine]\nspeed = 2\npath = "data"\napi_key = { file = "key.txt" }'))
    table = loaded.plugin("mine", FakeClock()).load(PluginTable)

    assert table.speed == 2
    assert table.path == tmp_path / "data"
    assert table.api_key == Secret("from-file")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("sped = 2", ["[plugins.mine]", "found 'sped'", "Did you mean speed?"]),
        ('speed = "fast"', ["plugins.mine.speed", "found 'fast'", "expected float"]),
        ("path = 5", ["plugins.mine.path", "found 5"]),
        ('api_key = "plain"', ["plugins.mine", "plain text"]),
        ('api_key = { vault = "x" }', ["plugins.mine", "found 'vault'"]),
    ],
)
def test_a_mistake_in_a_plugins_table_names_the_table_and_the_key(
    write: Any, text: str, parts: list[str]
) -> None:
    loaded = load(write(f"[plugins.mine]\n{text}"))
    with pytest.raises(ConfigError) as caught:
        loaded.plugin("mine", FakeClock()).load(PluginTable)

    for part in parts:
        assert part in str(caught.value)


def test_no_secret_is_shown(write: Any) -> None:
    loaded = load(
        write(
            '[auth]\nmode = "keys"\n[auth.keys]\nalice = { env = "ALICE" }\n'
            '[plugins.mine]\napi_key = { env = "MINE" }\ntoken = "tok-plain"\n'
            '[database]\nurl = "postgresql://u:dbpass@h/d?password=qpass"'
        ),
        ALICE="alice-key",
        MINE="mine-key",
        REDIS_URL="redis://:redispass@h:1/0",
    )
    shown = repr(show(loaded)) + repr(loaded)

    for secret in ("alice-key", "mine-key", "tok-plain", "dbpass", "qpass", "redispass"):
        assert secret not in repr(show(loaded)), shown


def test_settings_can_be_handed_to_another_process(write: Any) -> None:
    loaded = load(write('[auth.keys]\nalice = { env = "ALICE" }'), ALICE="alice-key")

    assert pickle.loads(pickle.dumps(loaded)) == loaded


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:pw@h:1/0", "redis://:…@h:1/0"),
        ("postgresql://u:p@h/d", "postgresql://u:…@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("plain", "plain"),
        ("postgresql://user:pa/ss@w?o#rd@host/db", "postgresql://user:…@host/db"),
        ("http://h/?apikey=x", "http://h/?…"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert redact_url(url) == shown


@given(st.text())
def test_redacting_any_text_never_fails(text: str) -> None:
    redact_url(text)
    redact_url(f"redis://{text}")


TOML_VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
TABLES = ["server", "database", "redis", "cache", "feeds", "providers", "plugins", "stream", "auth"]
KEYS = ["port", "url", "warm", "primary", "enabled", "ring", "mode", "keys", "budgets", "x"]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(TABLES) | st.text(max_size=5),
        st.dictionaries(st.sampled_from(KEYS), TOML_VALUES) | TOML_VALUES,
    )
)
def test_any_tables_are_settings_or_a_configuration_error(tables: dict[str, Any]) -> None:
    try:
        load_settings(None, {}, tables)
    except ConfigError as error:
        assert str(error)


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_in_the_file_are_settings_or_a_configuration_error(
    tmp_path: Path, data: bytes
) -> None:
    file = tmp_path / "any.toml"
    file.write_bytes(data)
    try:
        load_settings(file, {})
    except ConfigError as error:
        assert str(file) in str(error)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "TICKLOOM_SERVER__PORT",
                "TICKLOOM_A__B",
                "TICKLOOM___",
                "REDIS_URL",
                "TICKLOOM_SERVER__PORT__X",
                "LOG_LEVEL",
            ]
        ),
        st.text(),
    )
)
def test_any_environment_gives_settings_or_a_configuration_error(
    environment: dict[str, str],
) -> None:
    try:
        load_settings(None, environment)
    except ConfigError as error:
        assert str(error)
