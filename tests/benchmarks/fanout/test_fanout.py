"""The stream beside the least that a server can do, in rounds that take turns.

The servers' CPU is that of their processes; the clients are in others.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from redis import Redis
from redis.exceptions import RedisError

from benchmarks.fanout.peers import installed, peer
from benchmarks.fanout.processes import Fan, Line, Worker, fan, paired, reading, serving
from benchmarks.fanout.sending import QUOTE, REDIS, frame_of_quote

CLIENTS = 100
IDLE = 5_000
RATE = 20_000 / CLIENTS
KIB = 1_024

pytestmark = [pytest.mark.timeout(300), pytest.mark.benchmark(group="fan-out")]
Tell = Callable[[Line], None]


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Callable[[Callable[[], Any]], Any]:
    """Run what measures by itself, once, where measuring was asked for."""
    options = request.config.option
    if options.benchmark_disable and not options.benchmark_enable:
        pytest.skip("measures for a minute; see make bench")
    benchmark: BenchmarkFixture = request.getfixturevalue("benchmark")
    return lambda call: benchmark.pedantic(call, rounds=1)


@pytest.fixture
def redis() -> str:
    """Return a prefix of its own in the Redis of this machine."""
    try:
        with Redis.from_url(REDIS) as client:
            client.ping()
    except (RedisError, OSError):
        pytest.skip(f"no Redis at {REDIS}")
    return f"bench-{secrets.token_hex(4)}"


def costs(
    ours: Fan, beside: Fan, burst: int, messages: int, rounds: int
) -> list[tuple[float, float]]:
    """Return pairs of costs; the one beside sends one message at a time."""
    return [(ours.cost_us(messages, burst), beside.cost_us(1_000, 1)) for _ in range(rounds)]


@pytest.mark.parametrize(
    ("what", "burst", "messages", "wanted"),
    [
        ("one message at a time", 1, 1_000, "≤ 1.3"),
        ("50 ticks a flush, each tick", 50, 20_000, "≤ 0.05"),
    ],
)
def test_the_cost_of_a_delivery(
    measure: Any, tell: Tell, what: str, burst: int, messages: int, wanted: str
) -> None:
    with fan("ours", CLIENTS) as ours, fan("raw", CLIENTS) as raw:
        costs(ours, raw, burst, messages, 1)
        pairs = measure(lambda: costs(ours, raw, burst, messages, 11))
    tell(paired(f"{what}: CPU, raw write", "µs", pairs, wanted))


class Follower:
    """A replica with clients, of a symbol that another one owns and publishes."""

    def __init__(self, replica: Worker, owner: Worker) -> None:
        self._replica = replica
        self._owner = owner

    def cost_us(self, messages: int, burst: int) -> float:
        """Return the microseconds of its CPU for each message delivered."""
        before = self._replica.ask(do="cost", clients=CLIENTS)
        self._owner.ask(do="burst", clients=0, messages=messages, burst=burst, pause_s=0.001)
        wanted = before["deliveries"] + messages * CLIENTS
        until = time.monotonic() + 10
        while (after := self._replica.ask(do="cost", clients=CLIENTS))["deliveries"] < wanted:
            assert time.monotonic() < until, f"{after} instead of {wanted} deliveries"
            time.sleep(0.02)
        return float((after["cpu_s"] - before["cpu_s"]) / (messages * CLIENTS) * 1e6)


@pytest.mark.parametrize(
    ("what", "burst", "messages"),
    [("one message at a time", 1, 1_000), ("50 ticks a flush, each tick", 50, 20_000)],
)
def test_the_cost_of_a_delivery_by_another_replica(
    measure: Any, tell: Tell, redis: str, what: str, burst: int, messages: int
) -> None:
    with (
        serving("replica", redis) as replica,
        serving("owner", redis, replica.first["name"]) as owner,
        reading("ours", replica.first["port"], CLIENTS),
        fan("raw", CLIENTS) as raw,
    ):
        follower = Follower(replica, owner)
        replica.ask(do="cost", clients=CLIENTS)
        # Until both know each other and what is wanted.
        time.sleep(2)
        follower.cost_us(200, 1)
        pairs = measure(
            lambda: [(follower.cost_us(messages, burst), raw.cost_us(1_000, 1)) for _ in range(7)]
        )
    tell(paired(f"{what}, over Redis: CPU of the replica, raw write", "µs", pairs))


def test_idle_connections(measure: Any, tell: Tell) -> None:
    def resident(kind: str) -> float:
        with serving(kind) as server, reading(kind, server.first["port"], CLIENTS):
            # What a process needs once is not the connections'.
            before = server.ask(do="memory", clients=CLIENTS)["resident_bytes"]
            with reading(kind, server.first["port"], IDLE):
                after = server.ask(do="memory", clients=CLIENTS + IDLE)["resident_bytes"]
        return float((after - before) / IDLE / KIB)

    pairs = measure(lambda: [(resident("ours"), resident("raw"))])
    tell(paired(f"{IDLE:,} idle connections: memory of each", "KiB", pairs, "≤ 30 KiB"))


def test_the_time_to_the_clients(measure: Any, tell: Tell) -> None:
    def run() -> list[tuple[float, float]]:
        return [(ours.delays_ms(RATE, 3)["p99"], raw.delays_ms(RATE, 3)["p99"]) for _ in range(7)]

    with fan("ours", CLIENTS) as ours, fan("raw", CLIENTS) as raw:
        for warm in (ours, raw):
            warm.delays_ms(RATE, 1)
        pairs = measure(run)
    tell(paired("p99 to the socket, 20,000 deliveries/s, raw write", "ms", pairs, "≤ 5 ms"))


def test_clients_that_do_not_read(measure: Any, tell: Tell) -> None:
    tenth = CLIENTS // 10

    def run() -> list[tuple[float, float]]:
        return [(lame.delays_ms(RATE, 3)["p99"], sound.delays_ms(RATE, 3)["p99"]) for _ in range(9)]

    with fan("ours", CLIENTS, tenth) as lame, fan("ours", CLIENTS) as sound:
        lame.fill(tenth)
        for warm in (lame, sound):
            warm.delays_ms(RATE, 1)
        pairs = measure(run)
    tell(paired("p99 with a tenth not reading, with all reading", "ms", pairs, "≤ 1.2"))


# Only NATS joins what it writes.
@pytest.mark.parametrize(
    ("name", "burst", "messages"),
    [("nginx + nchan", 1, 2_000), ("ws", 1, 2_000), ("NATS", 1, 2_000), ("NATS", 50, 20_000)],
)
def test_other_servers(
    measure: Any, tell: Tell, tmp_path: Path, name: str, burst: int, messages: int
) -> None:
    at_a_time = "one message" if burst == 1 else f"{burst} messages"
    what = f"{name}, {at_a_time} at a time: CPU, raw write"
    if not installed(name):
        tell(Line(what, "not installed"))
        pytest.skip(f"{name} is not installed")
    frame_bytes = len(frame_of_quote(QUOTE))
    with peer(name, tmp_path, CLIENTS, frame_bytes) as other, fan("raw", CLIENTS) as raw:
        other.cost_us(messages, burst)
        pairs = measure(
            lambda: [(other.cost_us(messages, burst), raw.cost_us(1_000, 1)) for _ in range(5)]
        )
    tell(paired(what, "µs", pairs))
