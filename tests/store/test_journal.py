"""Rows on disk: what is kept comes back, whatever became of the files."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripted import NOON, make_quote
from tickloom.errors import BadRecord, ConfigError, StoreUnavailable
from tickloom.model import Quote, encode_json
from tickloom.settings import DatabaseSettings
from tickloom.store import Journal, Record, open_journal
from tickloom.store.journal_records import MAGIC, QUOTES, decode_record, encode_record, payloads

MUCH = 1_000_000
Make = Callable[..., Journal]
Again = Callable[..., Journal]


def records(count: int, first: int = 0, **fields: Any) -> list[Record]:
    return [
        (make_quote(timestamp=NOON + timedelta(seconds=n), **fields), f"e{n}")
        for n in range(first, first + count)
    ]


def all_of(journal: Journal, most: int = 3) -> list[Record]:
    """Take everything out of a journal."""
    found: list[Record] = []
    while journal.rows:
        found += journal.peek(most).records
        journal.advance()
    return found


def segments(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.log"))


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Journal] = []

    def make(limit_bytes: int = MUCH) -> Journal:
        made.append(Journal(tmp_path / "j", limit_bytes, QUOTES))
        return made[-1]

    yield make
    for journal in made:
        journal.close()


@pytest.fixture
def journal(make: Make) -> Journal:
    return make()


@pytest.fixture
def again(make: Make) -> Again:
    """Open the folder as the next process would."""

    def again(journal: Journal, limit_bytes: int = MUCH) -> Journal:
        journal.close()
        later = make(limit_bytes)
        later.open()
        return later

    return again


def test_what_is_kept_comes_back_whole_and_in_order(journal: Journal, full_quote: Quote) -> None:
    kept = [*records(4), (full_quote, "x"), *records(3, 9)]
    assert journal.append(kept[:2]) == (2, [])
    assert journal.append(kept[2:]) == (6, [])
    assert journal.rows == 8

    assert all_of(journal) == kept
    assert journal.bytes == 0
    assert segments(journal.folder) == []


def test_what_is_kept_comes_back_in_the_next_process(journal: Journal, again: Again) -> None:
    journal.append(records(7))

    later = again(journal)
    assert (later.rows, later.found) == (7, 7)
    assert all_of(later) == records(7)
    later.close()
    assert again(later).rows == 0


def test_what_was_not_forgotten_comes_again(journal: Journal, again: Again) -> None:
    journal.append(records(5))
    journal.peek(3)

    assert journal.peek(3).records == records(3)
    journal.advance()
    journal.advance()
    assert journal.peek(3).records == records(2, 3)
    # The place within a segment is not noted: to write a row twice is to write it once.
    assert all_of(again(journal)) == records(5)


def test_rows_that_are_older_are_put_before_all_others(journal: Journal, again: Again) -> None:
    journal.append(records(2, 4))
    assert journal.put_first(records(2, 2)) == []
    journal.append(records(1, 6))
    assert journal.put_first(records(2)) == []

    assert all_of(again(journal)) == records(7)


def test_rows_come_while_others_are_read(journal: Journal) -> None:
    journal.append(records(2))
    assert journal.peek(9).records == records(2)
    journal.append(records(2, 2))
    journal.advance()

    assert all_of(journal) == records(2, 2)


def test_digits_of_what_a_provider_added_are_kept(journal: Journal) -> None:
    text = b'{"a":1.10,"b":[12345678901234567890.123456789],"c":"x"}'
    quote, _ = decode_record(
        encode_record((make_quote(additional_data={"a": Decimal("1.10")}), ""))[8:]
    )
    assert encode_json(quote.additional_data) == b'{"a":1.10}'

    extra = {"a": Decimal("1.10"), "b": [Decimal("12345678901234567890.123456789")], "c": "x"}
    journal.append([(make_quote(additional_data=extra), "")])
    [(found, _)] = all_of(journal)
    assert encode_json(found.additional_data) == text


def test_a_full_journal_takes_the_first_rows_and_no_more(make: Make) -> None:
    journal = make(1_000)
    taken, unfit = journal.append(records(100))

    assert 0 < taken < 100
    assert unfit == []
    assert journal.bytes <= 1_000
    assert sum(path.stat().st_size for path in segments(journal.folder)) == journal.bytes
    assert journal.append(records(1)) == (0, [])
    assert journal.put_first(records(1)) is None
    assert all_of(journal) == records(taken)
    assert journal.append(records(1))[0] == 1
    journal.close()


def test_the_limit_counts_what_an_earlier_process_left(journal: Journal, again: Again) -> None:
    journal.append(records(9))
    size = journal.bytes

    later = again(journal, size + 10)
    assert later.append(records(1)) == (0, [])


def test_a_row_that_cannot_be_kept_is_handed_back(journal: Journal) -> None:
    bad = (make_quote("BAD", exchange="\ud800"), "")
    taken, [(record, reason)] = journal.append([*records(2), bad, *records(2, 2)])

    assert (taken, record) == (5, bad)
    assert isinstance(reason, BadRecord)
    assert "'BAD'" in str(reason)
    assert all_of(journal) == records(4)
    [(record, _)] = journal.put_first([*records(1), bad, *records(1, 1)]) or []
    assert record == bad
    assert all_of(journal) == records(2)


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_torn_tail_is_cut_off(journal: Journal, again: Again, cut: int) -> None:
    journal.append(records(3))
    journal.close()
    [path] = segments(journal.folder)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])

    later = again(journal)
    assert all_of(later) == records(2)
    later.append(records(1, 9))
    assert all_of(later) == records(1, 9)


@pytest.mark.parametrize("tail", [b"\0" * 4_096, b"\xff" * 9, b"\1", MAGIC], ids=repr)
def test_what_follows_the_last_record_is_not_taken_for_one(
    journal: Journal, again: Again, tail: bytes
) -> None:
    journal.append(records(3))
    journal.close()
    [path] = segments(journal.folder)
    path.write_bytes(path.read_bytes() + tail)

    later = again(journal)
    assert all_of(later) == records(3)


@pytest.mark.parametrize("length", range(len(MAGIC) + 1))
def test_a_segment_that_was_only_begun_is_nothing(
    journal: Journal, again: Again, length: int
) -> None:
    journal.append(records(1))
    all_of(journal)
    journal.close()
    path = journal.folder / "0" / "500000000007.log"
    path.write_bytes(MAGIC[:length])

    later = again(journal)
    assert later.rows == 0
    assert not path.exists()


def test_a_file_of_another_form_is_told_and_left_alone(
    journal: Journal, again: Again, warnings_told: list[str]
) -> None:
    journal.append(records(1))
    journal.close()
    path = journal.folder / "0" / "500000000007.log"
    path.write_bytes(b"tickloom journal 2\nwho knows")

    later = again(journal)
    assert all_of(later) == records(1)
    assert path.with_suffix(".unknown").read_bytes().endswith(b"who knows")
    assert "no journal of this version" in warnings_told[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.binary(max_size=300), count=st.integers(0, 3), headed=st.booleans())
def test_whatever_bytes_a_segment_has_its_whole_records_are_read(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, count: int, headed: bool
) -> None:
    slot = tmp_path_factory.mktemp("j") / "0"
    slot.mkdir()
    whole = b"".join(map(encode_record, records(count)))
    head = MAGIC if headed or count else b""
    (slot / "500000000000.log").write_bytes(head + whole + data)

    journal = Journal(slot.parent, MUCH, QUOTES)
    journal.open()
    assert all_of(journal)[:count] == records(count)
    journal.close()


@settings(deadline=None)
@given(data=st.data(), count=st.integers(1, 5))
def test_all_records_but_the_damaged_one_survive_a_damaged_byte(
    data: st.DataObject, count: int
) -> None:
    pieces = list(map(encode_record, records(count)))
    whole = bytearray(MAGIC + b"".join(pieces))
    place = data.draw(st.integers(len(MAGIC), len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))

    ends = [len(MAGIC) + sum(map(len, pieces[: n + 1])) for n in range(count)]
    damaged = sum(end <= place for end in ends)
    found = [payload and decode_record(payload) for payload, _ in payloads(bytes(whole))]
    expected: list[Any] = list(records(count))
    expected[damaged] = None
    # Behind the last one nothing tells damage from a record that was never finished.
    assert found == (expected[:-1] if damaged == count - 1 else expected)


def test_a_damaged_record_is_counted_as_lost_and_those_behind_it_are_not(
    journal: Journal, again: Again, warnings_told: list[str]
) -> None:
    journal.append(records(9))
    journal.close()
    [path] = segments(journal.folder)
    data = bytearray(path.read_bytes())
    data[len(MAGIC) + len(encode_record(records(1)[0])) + 20] ^= 0x40
    path.write_bytes(data)

    later = again(journal)
    assert later.rows == 9
    piece = later.peek(100)
    assert (piece.records, piece.lost) == ([*records(1), *records(7, 2)], 1)
    later.advance()
    assert later.rows == 0
    assert "damaged at 1 places" in warnings_told[0]


@given(st.binary(max_size=200))
def test_a_payload_that_is_none_is_a_bad_record(payload: bytes) -> None:
    try:
        decode_record(payload)
    except BadRecord:
        return


@given(
    st.dictionaries(
        st.sampled_from(["symbol", "timestamp", "volume", "bid", "additional_data"]),
        st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.binary(), st.datetimes()),
    )
)
def test_whatever_a_plugin_puts_into_a_quote_costs_at_most_its_record(
    fields: dict[str, Any],
) -> None:
    try:
        decode_record(encode_record((make_quote(**({"symbol": "A"} | fields)), "e"))[8:])
    except BadRecord:
        return


def test_a_segment_that_vanished_is_counted_as_lost(journal: Journal) -> None:
    journal.append(records(4))
    segments(journal.folder)[0].unlink()

    piece = journal.peek(3)
    assert (piece.records, piece.lost) == ([], 4)
    journal.advance()
    assert journal.rows == 0


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "j").write_text("a file")
    journal = Journal(tmp_path / "j", MUCH, QUOTES)
    assert journal.open() == 0

    with pytest.raises(StoreUnavailable, match="cannot be written") as caught:
        journal.append(records(1))
    assert "database.journal_path" in caught.value.fix
    with pytest.raises(StoreUnavailable):
        journal.put_first(records(1))
    assert journal.rows == 0
    journal.close()


def test_a_disk_that_is_full_keeps_what_was_there(
    journal: Journal, again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.append(records(2))

    def fail(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        with pytest.raises(StoreUnavailable, match="No space left"):
            journal.append(records(2, 2))
        with pytest.raises(StoreUnavailable, match="No space left"):
            journal.put_first(records(1))
    assert journal.rows == 2
    journal.append(records(1, 9))

    assert all_of(again(journal)) == [*records(2), *records(1, 9)]


def test_two_processes_never_have_the_same_rows(journal: Journal, make: Make) -> None:
    journal.append(records(2))
    other = make()

    assert other.open() == 0
    other.append(records(2, 5))
    assert all_of(journal) == records(2)
    assert all_of(other) == records(2, 5)


def test_what_ended_processes_left_is_taken_over_by_the_next(
    journal: Journal, make: Make, again: Again
) -> None:
    journal.append(records(2))
    other = make()
    other.append(records(2, 5))
    third = make()
    third.append(records(1, 8))
    other.close()

    later = again(journal)
    assert all_of(later) == [*records(2), *records(2, 5)]
    assert third.rows == 1
    third.close()
    later.close()


def test_a_lock_ends_with_its_process(journal: Journal) -> None:
    code = (
        "import os, sys; from pathlib import Path; from scripted import make_quote\n"
        "from tickloom.store import Journal\nfrom tickloom.store.journal_records import QUOTES\n"
        "journal = Journal(Path(sys.argv[1]), 10**6, QUOTES)\n"
        "journal.append([(make_quote(), 'e0')])\n"
        "os.kill(os.getpid(), 9)"
    )
    tests = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([tests, *filter(None, sys.path)])
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-c", code, str(journal.folder)]
    assert subprocess.run(command, env=environment, timeout=30, check=False).returncode == -9

    assert journal.open() == 1
    assert all_of(journal) == records(1)


@pytest.mark.parametrize(
    ("fields", "folder"),
    [
        ({"url": "sqlite:///some/quotes.db"}, "some/quotes.db.journal"),
        ({"url": "sqlite:////some/quotes.db"}, "/some/quotes.db.journal"),
        ({"url": "postgresql://me@db/quotes"}, "tickloom.journal"),
        ({"url": "postgresql://me@db/quotes", "journal_path": "/var/x"}, "/var/x"),
    ],
)
def test_the_journal_lies_where_the_settings_say(fields: dict[str, Any], folder: str) -> None:
    journal = open_journal(DatabaseSettings(**fields))

    assert journal is not None
    assert journal.folder == Path(folder)
    assert journal.limit_bytes == 268_435_456


def test_there_is_no_journal_without_a_database_or_bytes() -> None:
    assert open_journal(DatabaseSettings(url="")) is None
    assert open_journal(DatabaseSettings(journal_bytes=0)) is None
    with pytest.raises(ConfigError):
        open_journal(DatabaseSettings(url="nonsense"))
