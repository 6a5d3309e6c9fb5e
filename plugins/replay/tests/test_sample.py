import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

from tickloom.errors import TickloomError

_DATA = Path(__file__).parents[3] / "examples" / "data"
_LIMIT_BYTES = 300_000


@pytest.fixture
def sample() -> Path:
    if not _DATA.is_dir():
        pytest.skip("the examples are not beside this distribution")
    return _DATA


def test_the_sample_is_small_and_can_be_read_in_full(
    sample: Path,
    open_library: Any,
    events_of: Any,
) -> None:
    library = open_library(sample)

    assert sum(file.stat().st_size for file in sample.iterdir() if file.is_file()) < _LIMIT_BYTES
    assert library.problems == []
    counts = {symbol: len(events_of(library, symbol)) for symbol in sorted(library.symbols)}
    assert counts == {"DEMO.AURORA": 780, "DEMO.BOREAL": 780, "DEMO.CIRRUS": 300}
    assert library.bad_rows == {}


def test_the_script_makes_the_same_bytes_again(sample: Path, tmp_path: Path) -> None:
    shutil.copy(sample / "make_sample.py", tmp_path)

    runpy.run_path(str(tmp_path / "make_sample.py"), run_name="__main__")

    for file in [*sample.glob("*.csv"), *sample.glob("*.jsonl")]:
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


async def test_every_symbol_of_the_sample_has_a_quote(sample: Path, make_provider: Any) -> None:
    provider = make_provider(sample)

    answers = await provider.get_quotes(sorted(provider.info.symbols))

    assert not [answer for answer in answers.values() if isinstance(answer, TickloomError)]
    assert all(answer.low_price <= answer.current_price for answer in answers.values())
