"""Which prices are missing and which came twice, against the server's own hub and session."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.json import encode

from scripted import make_quote
from tickloom.client.asking import Options
from tickloom.client.conversation import Conversation
from tickloom.client.ledger import Ledger, Verdict, fits
from tickloom.client.messages import Gap, Message, Tick
from tickloom.clock import FakeClock
from tickloom.model import Quote
from tickloom.stream import (
    Connection,
    Demand,
    Hub,
    Ring,
    Session,
    SessionRules,
    WireFormat,
    protocol,
)

SYMBOLS = ("A", "B", "SIM.A", "SIM.B", "SIM.C")


class Server:
    """A hub with what it published, as long as its process lives."""

    def __init__(self, epoch: str, ring: int) -> None:
        self.clock = FakeClock()
        keeps = Ring(self.clock, ring, 1_000_000, 1e9) if ring else None
        self.hub = Hub(epoch, Demand(), keeps)
        self.newest: dict[str, Quote] = {}

    def publish(self, symbol: str) -> tuple[str, int]:
        quote = self.hub.number(make_quote(symbol))
        self.newest[symbol] = quote
        # Without an event loop nothing is flushed by itself.
        self.hub._flushing = self.hub._flushing or _Never()
        self.hub.publish(quote)
        return self.hub.epoch, quote.sequence

    def connect(self, max_bytes: int) -> tuple[Connection, Session]:
        connection = Connection(WireFormat.JSON, max_bytes, clock=self.clock)
        rules = SessionRules(
            server="x",
            clock=self.clock,
            snapshot=self.newest.get,
            known=lambda: list(self.newest),
            refuse=lambda _: None,
            troubles=lambda _: [],
            authenticate=None,
            max_user_connections=9,
            max_symbols=99,
            max_message_bytes=65_536,
            messages_per_s=10_000,
        )
        session = Session(self.hub, connection, rules)
        session.open()
        return connection, session


class _Never:
    def cancel(self) -> None: ...


class Following(RuleBasedStateMachine):
    """A client through cuts, restarts, a short ring and a small buffer of its server."""

    def __init__(self) -> None:
        super().__init__()
        self.published: dict[str, list[tuple[str, int]]] = {name: [] for name in SYMBOLS}
        self.told: dict[str, list[Tick | Gap]] = {name: [] for name in SYMBOLS}
        self.wanted: dict[str, int] = {}
        self.epochs = 0
        self.is_cut = False
        self.wire: list[bytes] = []

    @initialize(ring=st.sampled_from([0, 3, 50]), max_bytes=st.sampled_from([900, 100_000]))
    def begin(self, ring: int, max_bytes: int) -> None:
        self.ring, self.max_bytes = ring, max_bytes
        self.client: Conversation[str] = Conversation(Options(), "json")
        self.restart_server()

    def restart_server(self) -> None:
        self.epochs += 1
        self.server = Server(f"e{self.epochs}", self.ring)
        self.connect()

    def connect(self) -> None:
        self.wire.clear()
        self.connection, self.session = self.server.connect(self.max_bytes)
        self.ask(self.client.greeted())

    def ask(self, requests: Iterable[Any]) -> None:
        for request in requests:
            assert self.session.handle(encode(request).decode())

    def pump(self) -> None:
        """Move what the server has into the wire."""
        self.server.hub.flush()
        self.server.hub._flushing = _Never()
        self.connection._absorb()
        while self.connection._controls or self.connection._backlog:
            self.wire += [data for data, _ in self.connection._messages()]

    def hear(self, count: int) -> None:
        frames, self.wire = self.wire[:count], self.wire[count:]
        for frame in frames:
            for _, parcel in self.client.take(frame):
                self.note(parcel)

    def note(self, parcel: Any) -> None:
        body = parcel.body if isinstance(parcel, Message) else parcel
        if isinstance(body, Tick):
            self.told[body.symbol].append(body)
        elif isinstance(body, protocol.Gap):
            values = (body.symbol, body.dropped, body.last_sequence)
            symbol, dropped, last = values
            self.told[symbol].append(
                Gap(symbol=symbol, dropped=dropped, last_sequence=last, cause="server")
            )
        elif isinstance(body, Gap):
            self.told[body.symbol].append(body)

    @rule(pattern=st.sampled_from([*SYMBOLS, "SIM.*", "*"]))
    def subscribe(self, pattern: str) -> None:
        for symbol in SYMBOLS:
            if fits(symbol, pattern):
                self.wanted.setdefault(symbol, len(self.published[symbol]))
        requests, _ = self.client.join("me", [pattern])
        self.ask(requests)

    @rule(symbol=st.sampled_from(SYMBOLS), count=st.integers(1, 6))
    def publish(self, symbol: str, count: int) -> None:
        for _ in range(count):
            self.published[symbol].append(self.server.publish(symbol))

    @rule()
    def read_all(self) -> None:
        self.pump()
        self.hear(len(self.wire))

    @rule(heard=st.integers(0, 6))
    def cut(self, heard: int) -> None:
        self.pump()
        self.hear(heard)
        self.session.close()
        self.client.lost()
        self.is_cut = True
        self.connect()

    @rule(heard=st.integers(0, 6), before=st.integers(0, 2))
    def restart(self, heard: int, before: int) -> None:
        self.pump()
        self.hear(heard)
        self.client.lost()
        self.is_cut = True
        self.epochs += 1
        self.server = Server(f"e{self.epochs}", self.ring)
        for _ in range(before):
            self.publish("SIM.A", 1)
        self.connect()

    @rule()
    @precondition(lambda self: not self.connection._backlog)
    def cut_while_away(self) -> None:
        self.session.close()
        self.client.lost()
        self.is_cut = True
        for symbol in SYMBOLS:
            self.publish(symbol, 1)
        self.connect()

    @invariant()
    def no_price_comes_twice_and_none_is_missing_without_a_word(self) -> None:
        for symbol, items in self.told.items():
            numbers = [(one.epoch, one.sequence) for one in items if isinstance(one, Tick)]
            assert len(numbers) == len(set(numbers))
            places = [self.published[symbol].index(number) for number in numbers]
            assert places == sorted(places)
            self.check_holes(symbol, items)

    def check_holes(self, symbol: str, items: list[Tick | Gap]) -> None:
        last: Tick | None = None
        told, is_told = 0, False
        for item in items:
            if isinstance(item, Gap):
                told, is_told = told + item.dropped, True
                continue
            if last is not None and last.epoch == item.epoch:
                assert told >= item.sequence - last.sequence - 1, (symbol, items)
            elif last is not None:
                assert is_told, (symbol, items)
                assert told >= item.sequence - 1
            last, told, is_told = item, 0, False

    def teardown(self) -> None:
        if not hasattr(self, "client"):
            return
        self.read_all()
        # What was seen of a symbol last is the newest of it, or a gap tells why not.
        for symbol, items in self.told.items():
            if items and self.published[symbol]:
                epoch, sequence = self.published[symbol][-1]
                if epoch == self.server.hub.epoch:
                    told = [one for one in items if isinstance(one, Gap)]
                    ticks = [(one.epoch, one.sequence) for one in items if isinstance(one, Tick)]
                    assert (epoch, sequence) in ticks or sequence in {
                        gap.last_sequence for gap in told
                    }
            if not self.is_cut:
                self.check_all(symbol, items)

    def check_all(self, symbol: str, items: list[Tick | Gap]) -> None:
        """On one connection each price since the subscription came or is counted."""
        begin = self.wanted.get(symbol, len(self.published[symbol]))
        later = self.published[symbol][begin:]
        came = sum((one.epoch, one.sequence) in later for one in items if isinstance(one, Tick))
        dropped = sum(one.dropped for one in items if isinstance(one, Gap))
        assert came + dropped >= len(later), (symbol, items)


def test_no_cut_and_no_gap_doubles_or_hides_a_price() -> None:
    run_state_machine_as_test(Following)


numbers = st.tuples(st.sampled_from(["e1", "e2", "e3"]), st.integers(-1, 12), st.integers(-3, 3))


@given(st.lists(numbers | st.integers(0, 4)))
def test_no_lie_of_a_server_doubles_or_hides_a_number(story: list[Any]) -> None:
    ledger = Ledger(sees_start=True)
    taken: dict[str, list[int]] = {}
    told, is_told = 0, False
    for one in story:
        if isinstance(one, int):
            ledger.note("A", one)
            told, is_told = told + one, True
            continue
        epoch, sequence, skipped = one
        verdict = ledger.take("A", epoch, sequence, skipped)
        if not verdict.is_news or sequence <= 0:
            continue
        found = sum(gap.dropped for gap in verdict.gaps)
        before = taken.setdefault(epoch, [])
        assert sequence not in before
        if before:
            assert found + told + max(0, skipped) >= sequence - before[-1] - 1
        elif len(taken) > 1:
            assert verdict.gaps or is_told
        before.append(sequence)
        told, is_told = 0, False


@pytest.mark.parametrize(
    ("numbers", "dropped"),
    [([(1, 0), (2, 0)], 0), ([(1, 0), (5, 0)], 3), ([(1, 0), (5, 3)], 0), ([(1, 0), (5, 1)], 2)],
)
def test_a_hole_is_what_neither_a_gap_nor_an_interval_explains(
    numbers: list[tuple[int, int]], dropped: int
) -> None:
    ledger = Ledger(sees_start=True)
    found = [
        gap for number, skipped in numbers for gap in ledger.take("A", "e", number, skipped).gaps
    ]

    assert sum(gap.dropped for gap in found) == dropped
    assert {gap.cause for gap in found} <= {"hole"}


def test_a_symbol_that_returns_to_an_old_epoch_is_not_seen_twice() -> None:
    ledger = Ledger(sees_start=True)
    for epoch in ("e1", "e2"):
        ledger.take("A", epoch, 1, 0)

    assert not ledger.take("A", "e1", 1, 0).is_news
    assert ledger.take("A", "e1", 2, 0) == Verdict()
    assert ledger.duplicates == 1


def test_the_first_price_after_a_cut_tells_those_that_came_meanwhile() -> None:
    ledger = Ledger(sees_start=True)
    ledger.lost({"SIM.*"})

    assert ledger.take("AAPL", "e", 7, 0) == Verdict()
    [gap] = ledger.take("SIM.A", "e", 7, 0).gaps

    assert (gap.dropped, gap.last_sequence) == (6, 6)


def test_what_was_told_before_a_cut_explains_nothing_after_it() -> None:
    ledger = Ledger(sees_start=True)
    ledger.take("A", "e1", 1, 0)
    ledger.note("A", 2)
    ledger.lost({"A"})

    [same] = ledger.take("A", "e1", 4, 0).gaps
    ledger.note("A", 2)
    ledger.lost({"A"})
    [other] = ledger.take("A", "e2", 1, 0).gaps

    assert (same.cause, same.dropped) == ("hole", 2)
    assert (other.cause, other.dropped) == ("restart", 0)


def test_a_price_that_a_snapshot_overtook_is_told_and_not_handed_over() -> None:
    ledger = Ledger(sees_start=True)
    ledger.take("A", "e1", 3, 0)

    verdict = ledger.take("A", "e1", 2, 0)

    assert not verdict.is_news
    assert [(gap.dropped, gap.last_sequence) for gap in verdict.gaps] == [(1, 2)]
