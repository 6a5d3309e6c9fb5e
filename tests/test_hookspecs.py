"""The page for authors of plugins says what the code says."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tickloom import errors, hookspecs, roles
from tickloom.model import Timeliness

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "plugins.md").read_text(encoding="utf-8")
HOOKS = [
    function
    for name, function in vars(hookspecs).items()
    if name.startswith("tickloom_") and inspect.isfunction(function)
]


def signature_of(hook: Callable[..., Any]) -> str:
    # The annotations are text, and stand in the signature in quotes.
    return f"def {hook.__name__}{inspect.signature(hook)}:".replace("'", "")


def test_there_are_hooks_to_document() -> None:
    assert len(HOOKS) >= 3


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook.__name__)
def test_every_hook_has_its_heading_signature_and_sentence_on_the_page(
    hook: Callable[..., Any],
) -> None:
    section = PAGE.partition(f"### {hook.__name__}\n")[2].partition("\n#")[0]
    assert signature_of(hook) in section
    assert (inspect.getdoc(hook) or "").splitlines()[0] in section


def test_the_page_names_no_hook_that_does_not_exist() -> None:
    headings = [line[4:] for line in PAGE.splitlines() if line.startswith("### tickloom_")]
    assert headings == [hook.__name__ for hook in HOOKS]


def test_every_field_of_the_info_and_every_timeliness_is_on_the_page() -> None:
    told = set(PAGE.split("`"))
    fields = {field.name for field in msgspec.structs.fields(roles.ProviderInfo)}
    assert fields - told == set()
    assert {"info.has_company", "info.has_search", "info.has_stream"} <= told
    assert {kind.name for kind in Timeliness} <= told


def test_the_version_that_the_page_tells_is_the_current_one() -> None:
    assert f"tickloom_api = ({hookspecs.API_VERSION},)" in PAGE
    assert f"Today there is version {hookspecs.API_VERSION}." in PAGE


def test_the_errors_that_the_page_tells_exist() -> None:
    table = PAGE.partition("## Errors")[2].partition("\n## ")[0]
    names = [part for part in table.split("`")[1::2] if part[:1].isupper()]
    assert "ProviderUnavailable" in names
    for name in names:
        assert hasattr(errors, name), name
