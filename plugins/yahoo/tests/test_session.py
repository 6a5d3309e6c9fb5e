"""What yfinance keeps, where, and what happens when it is of no use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tickloom.clock import SystemClock
from tickloom.errors import MissingDependency, PluginError
from tickloom.roles import PluginSettings
from tickloom_yahoo import tickloom_providers
from tickloom_yahoo.folder import CacheFolder
from tickloom_yahoo.session import YahooSession

Serve = Callable[..., Any]


@contextmanager
def opened(folder: Path) -> Iterator[Path]:
    cache = CacheFolder(folder)
    try:
        yield cache.open()
    finally:
        cache.close()


async def test_the_hook_makes_one_provider_and_touches_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    options = {"cache_dir": folder, "threads": 2}
    settings = PluginSettings("yahoo", SystemClock(), lambda kind: kind(**options))
    [provider] = tickloom_providers(settings)

    assert (provider.info.name, provider.info.concurrency) == ("yahoo", 2)
    assert not folder.exists()
    await provider.aclose()


async def test_all_that_yfinance_keeps_is_in_the_folder_of_the_settings(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    async with serve(cache_dir=tmp_path / "ours") as (_, provider):
        await provider.get_quotes(["ACME"])
    assert list((tmp_path / "ours").iterdir())
    assert not home.exists()


def test_a_folder_that_is_made_is_for_us_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "a" / "b") as folder:
        assert folder == tmp_path / "a" / "b"
        assert folder.stat().st_mode & 0o077 == 0


def test_a_folder_that_others_can_write_gives_way_to_a_temporary_one(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    with opened(shared) as folder:
        assert folder != shared
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


@pytest.mark.skipif(os.name == "nt", reason="a file in the way is another error there")
def test_a_folder_that_cannot_be_made_gives_way_to_a_temporary_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with opened(tmp_path / "file" / "cache") as folder:
        assert folder.is_dir()
    assert not folder.exists()


async def test_a_cookie_that_yfinance_stumbles_over_is_dropped(
    serve: Serve, tmp_path: Path
) -> None:
    async with serve() as (_, provider):
        await provider.get_quotes(["ACME"])
        import yfinance.cache

        # As it stores one whose name or path it does not expect when it reads it again.
        yfinance.cache.get_cookie_cache().store("curlCffi", {".yahoo.com": {"/": {"B": 1}}})
        yfinance.cache._CookieDBManager.close_db()
    async with serve() as (_, provider):
        assert (await provider.get_quotes(["ACME"]))["ACME"].current_price


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + b"?" * 5_000])
async def test_a_file_of_cookies_that_is_damaged_costs_no_answer(
    serve: Serve, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "cookies.db").write_bytes(content)
    async with serve() as (_, provider):
        assert (await provider.get_quotes(["ACME"]))["ACME"].current_price


async def test_a_folder_that_goes_away_costs_no_answer(serve: Serve, tmp_path: Path) -> None:
    for number in range(2):
        folder = tmp_path / str(number)
        async with serve(cache_dir=folder) as (_, provider):
            await provider.search("acme", 3)
            if folder.exists():
                shutil.rmtree(folder)
            assert (await provider.get_quotes(["ACME"]))["ACME"].current_price


async def test_without_a_browsers_fingerprint_the_plugin_says_what_is_missing(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yfinance._http

    monkeypatch.setattr(yfinance._http, "HAS_CURL_CFFI", False)
    async with serve() as (_, provider):
        with pytest.raises(MissingDependency, match="curl_cffi"):
            await provider.get_quotes(["ACME"])


async def test_a_yfinance_that_cannot_be_used_is_the_plugins_fault(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    import yfinance._http

    monkeypatch.delattr(yfinance._http, "new_session")
    async with serve() as (_, provider):
        with pytest.raises(PluginError, match="yfinance"):
            await provider.get_quotes(["ACME"])


async def test_another_user_of_yfinance_does_not_get_our_session(tmp_path: Path) -> None:
    import yfinance.data

    with closing(YahooSession("", 1.0, tmp_path, SystemClock())) as session:
        shared = yfinance.data.SingletonMeta._instances.get(yfinance.data.YfData)
        assert session._data is not shared


def test_the_base_url_replaces_hosts_of_the_vendor_and_no_others(tmp_path: Path) -> None:
    with closing(YahooSession("http://proxy.test/y/", 1.0, tmp_path, SystemClock())) as session:
        placed = session._guard._placed
        assert placed("https://fc.yahoo.com") == "http://proxy.test/y"
        assert placed("https://query2.finance.yahoo.com/v7?a=1") == "http://proxy.test/y/v7?a=1"
        for other in ("https://notyahoo.com/x", "https://yahoo.com.evil.test/x"):
            assert placed(other) == other
