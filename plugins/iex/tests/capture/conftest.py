"""Makes captures of every kind, and listens to streams."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from threading import Event as Flag

import pytest

from tickloom.clock import FakeClock
from tickloom.model import Quote
from tickloom.roles import Provider, QuoteStream
from tickloom_iex.capture import CaptureOptions, make_capture_provider
from tickloom_iex.capture.counts import CaptureCounts
from tickloom_iex.capture.messages import Message, decode_segment
from tickloom_iex.capture.segments import SegmentReader
from tickloom_iex.capture.symbols import Names

RECORDED = Path(__file__).resolve().parents[5] / "shared" / "recorded"
SECOND = 1_000_000_000
# 2024-03-05, a Tuesday, 9:30 in New York.
OPEN_NS = 1_709_649_000 * SECOND
_WAIT_S = 20


class Forge:
    """Writes what the venue and a capturing machine would write; prices in ten-thousandths."""

    open_ns = OPEN_NS

    def quote(self, symbol, bid, ask, *, sizes=(100, 100), at=0.0, flags=0, more=b""):
        return (
            struct.pack(
                "<BBq8sIqqI",
                0x51,
                flags,
                self.ns(at),
                self.raw(symbol),
                sizes[0],
                bid,
                ask,
                sizes[1],
            )
            + more
        )

    def trade(self, symbol, price, size=100, *, key=1, at=0.0, flags=0, kind="T", more=b""):
        head = struct.pack("<BBq8s", ord(kind), flags, self.ns(at), self.raw(symbol))
        return head + struct.pack("<Iqq", size, price, key) + more

    def level(self, symbol, price, size, *, buy=True, at=0.0, done=True):
        return struct.pack(
            "<BBq8sIq", 0x38 if buy else 0x35, done, self.ns(at), self.raw(symbol), size, price
        )

    def event(self, letter, *, at=0.0):
        return struct.pack("<BBq", ord("S"), ord(letter), self.ns(at))

    def status(self, symbol, letter, *, at=0.0):
        head = struct.pack("<BBq8s", ord("H"), ord(letter), self.ns(at), self.raw(symbol))
        return head + b"    "

    def halt(self, symbol, letter, *, at=0.0):
        return struct.pack("<BBq8s", ord("O"), ord(letter), self.ns(at), self.raw(symbol))

    def ns(self, at: float) -> int:
        return OPEN_NS + round(at * SECOND)

    def raw(self, symbol: str) -> bytes:
        return symbol.encode().ljust(8)

    def segment(
        self,
        *messages: bytes,
        sequence=1,
        at=0.0,
        protocol=0x8003,
        channel=1,
        session=7,
        count=None,
        length=None,
        version=1,
    ) -> bytes:
        body = b"".join(struct.pack("<H", len(one)) + one for one in messages)
        return (
            struct.pack(
                "<BxHIIHHqqq",
                version,
                protocol,
                channel,
                session,
                len(body) if length is None else length,
                len(messages) if count is None else count,
                0,
                sequence,
                self.ns(at),
            )
            + body
        )

    def segments(self, batches: Iterable[Sequence[bytes]], *, step=1.0, **options) -> list[bytes]:
        """Segments of consecutive numbers, ``step`` seconds apart."""
        sequence, made = 1, []
        for place, messages in enumerate(batches):
            made.append(self.segment(*messages, sequence=sequence, at=place * step, **options))
            sequence += len(messages)
        return made

    def udp(self, payload: bytes) -> bytes:
        return struct.pack(">4H", 10_378, 10_378, len(payload) + 8, 0) + payload

    def ipv4(self, payload: bytes, *, fragment=0, options=b"", kind=17) -> bytes:
        inner = self.udp(payload)
        size = 20 + len(options)
        head = struct.pack(
            ">BBHHHBBH4s4s",
            0x40 | size // 4, 0, size + len(inner), 0, fragment, 64, kind, 0, b"\x17\xe2\x9b\x84",
            b"\xe9\xd7\x15\x04",
        )  # fmt: skip
        return head + options + inner

    def ipv6(self, payload: bytes, *, extensions=0) -> bytes:
        inner = self.udp(payload)
        kinds = [0] * extensions + [17]
        body = b"".join(bytes([kind, 0]) + b"\0" * 6 for kind in kinds[1:]) + inner
        return struct.pack(">IHBB", 0x6 << 28, len(body), kinds[0], 64) + b"\x01" * 32 + body

    def frame(self, payload: bytes, *, packet: bytes | None = None, tags=(), kind=0x0800) -> bytes:
        head = b"\x01\x00\x5e\x57\x15\x04" + b"\0" * 6
        head += b"".join(struct.pack(">HH", tag, 12) for tag in tags) + struct.pack(">H", kind)
        return head + (self.ipv4(payload) if packet is None else packet)

    def pcap(
        self, frames: Iterable[bytes], *, order="<", nano=False, link=1, at_ns=OPEN_NS
    ) -> bytes:
        magic = 0xA1B23C4D if nano else 0xA1B2C3D4
        parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65_535, link)]
        for frame in frames:
            seconds, rest = divmod(at_ns, SECOND)
            rest = rest if nano else rest // 1_000
            parts += (struct.pack(f"{order}4I", seconds, rest, len(frame), len(frame)), frame)
        return b"".join(parts)

    def block(self, kind: int, body: bytes, *, order="<") -> bytes:
        body += b"\0" * (-len(body) % 4)
        size = struct.pack(f"{order}I", len(body) + 12)
        return struct.pack(f"{order}I", kind) + size + body + size

    def section(self, *, order="<") -> bytes:
        return self.block(
            0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order=order
        )

    def interface(self, *, order="<", link=1, options: dict[int, bytes] | None = None) -> bytes:
        body = struct.pack(f"{order}HHI", link, 0, 65_535)
        for code, value in (options or {}).items():
            body += struct.pack(f"{order}HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
        return self.block(1, body + b"\0" * 4, order=order)

    def packet(self, frame: bytes, *, order="<", interface=0, ticks=OPEN_NS // 1_000) -> bytes:
        head = struct.pack(
            f"{order}5I", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)
        )
        return self.block(6, head + frame, order=order)

    def pcapng(self, frames: Iterable[bytes], *, order="<") -> bytes:
        packets = b"".join(self.packet(frame, order=order) for frame in frames)
        return self.section(order=order) + self.interface(order=order) + packets

    def capture(self, *segments: bytes) -> bytes:
        return self.pcap([self.frame(one) for one in segments])


@pytest.fixture(scope="session")
def forge() -> Forge:
    return Forge()


class Reading:
    """A file that was read wholly."""

    def __init__(self, path: Path, namespace: str | None = None) -> None:
        self.counts = CaptureCounts()
        names = Names(namespace)
        self.segments = list(SegmentReader(self.counts, Flag()).read(path))
        self.messages: list[Message] = [
            message
            for segment in self.segments
            for message in decode_segment(segment, self.counts, names)
        ]


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Reading]:
    """Writes bytes to a file, or takes one, and reads it."""

    def run(content: bytes | Path, name: str = "capture", namespace: str | None = None) -> Reading:
        path = content if isinstance(content, Path) else tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        return Reading(path, namespace)

    return run


@pytest.fixture
def recorded() -> Path:
    if not RECORDED.is_dir():
        pytest.skip("the folder of recorded vendor answers is not beside this checkout")
    return RECORDED / "iex_exchange"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Listener:
    """Takes all that a stream gives."""

    def __init__(self, stream: QuoteStream) -> None:
        self.quotes: list[Quote] = []
        self.task = asyncio.create_task(self._listen(stream))
        self._changed = asyncio.Condition()

    async def _listen(self, stream: QuoteStream) -> None:
        async for batch in stream:
            async with self._changed:
                self.quotes.extend(batch)
                self._changed.notify_all()

    async def reach(self, count: int) -> list[Quote]:
        """Wait until so many quotes have come; files are read in threads, in real time."""
        async with asyncio.timeout(_WAIT_S), self._changed:
            await self._changed.wait_for(lambda: len(self.quotes) >= count)
        return self.quotes


@pytest.fixture
def listen() -> Callable[[QuoteStream], Listener]:
    return Listener


@pytest.fixture
def asleep(clock: FakeClock) -> Callable[[], Awaitable[None]]:
    """Waits, in real time, until somebody sleeps by the clock."""

    async def wait() -> None:
        async with asyncio.timeout(_WAIT_S):
            while not clock._calls:
                await asyncio.sleep(0.001)

    return wait


@pytest.fixture
def play(
    tmp_path: Path, clock: FakeClock, listen: Callable[[QuoteStream], Listener]
) -> Callable[..., Awaitable[tuple[Provider, QuoteStream, Listener]]]:
    """Plays a capture of these segments; gives the provider, the stream and its listener."""

    async def start(symbols, *segments, **options):
        (tmp_path / "play.pcap").write_bytes(Forge().capture(*segments))
        usual = {"path": tmp_path / "play.pcap", "speed": 1.0, "loop": False}
        provider = make_capture_provider(CaptureOptions(**(usual | options)), clock)
        stream = await provider.open_stream()
        await stream.subscribe(symbols)
        return provider, stream, listen(stream)

    return start
