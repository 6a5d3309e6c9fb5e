"""What RFC 6455 asks of a server, byte by byte over raw sockets against the real server.

The cases are those of the Autobahn suite that a server without compression can get wrong.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from plugged import manager_of, serving
from scripted import EVERYTHING, ScriptedProvider
from tickloom.manager import MarketDataManager

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MASK = b"\x01\x02\x03\x04"
ASK = b'{"type":"ping","id":"\xc3\xa4"}'
LIMIT_S = 10

pytestmark = pytest.mark.timeout(60)


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, reserved: int = 0, mask: bytes = MASK
) -> bytes:
    """Return a client's frame; an empty mask leaves it unmasked, which is forbidden."""
    size = len(payload)
    head = bytes((fin << 7 | reserved << 4 | opcode,))
    flag = 0x80 if mask else 0
    if size < 126:
        head += bytes((flag | size,))
    elif size < 65_536:
        head += bytes((flag | 126,)) + size.to_bytes(2)
    else:
        head += bytes((flag | 127,)) + size.to_bytes(8)
    if mask:
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
    return head + mask + payload


def closing(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2) + reason)


class Peer:
    """A client that sends what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def dial(cls, address: str) -> Self:
        host, _, port = address.partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def shake(self) -> None:
        """Read the answer to the handshake."""
        async with asyncio.timeout(LIMIT_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head

    async def welcomed(self) -> None:
        await self.shake()
        assert (await self.message())["type"] == "welcome"

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def trickle(self, data: bytes) -> None:
        """Send each byte in a segment of its own."""
        for byte in data:
            await self.send(bytes((byte,)))
            await asyncio.sleep(0)

    async def frame(self) -> tuple[int, bytes]:
        """Return the next frame's opcode and payload."""
        async with asyncio.timeout(LIMIT_S):
            first, size = await self._reader.readexactly(2)
            assert first & 0xF0 == 0x80, "whole frames without reserved bits"
            assert size < 128, "a server does not mask"
            if size >= 126:
                size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8))
            return first & 0x0F, await self._reader.readexactly(size)

    async def message(self) -> Any:
        opcode, payload = await self.frame()
        assert opcode == TEXT, (opcode, payload)
        return json.loads(payload)

    async def ended(self) -> int | None:
        """Return the code with which the server closes, ``None`` where it names none."""
        opcode, payload = await self.frame()
        assert opcode == CLOSE, (opcode, payload)
        async with asyncio.timeout(LIMIT_S):
            assert await self._reader.read() == b"", "nothing follows a close frame"
        return int.from_bytes(payload[:2]) if payload else None

    def leave(self) -> None:
        self._writer.transport.abort()


@pytest.fixture
async def served() -> AsyncIterator[tuple[MarketDataManager, str]]:
    manager = manager_of(ScriptedProvider("sim", **EVERYTHING))
    async with serving(manager) as address:
        yield manager, address
        # Whatever a peer did, it is gone without a trace.
        for _ in range(200):
            if not manager.stream_manager.hub.connections:
                break
            await asyncio.sleep(0.01)
        assert not manager.stream_manager.hub.connections


@asynccontextmanager
async def peer_of(address: str) -> AsyncIterator[Peer]:
    peer = await Peer.dial(address)
    try:
        await peer.send(HANDSHAKE)
        await peer.welcomed()
        yield peer
    finally:
        peer.leave()


@pytest.fixture
async def peer(served: tuple[MarketDataManager, str]) -> AsyncIterator[Peer]:
    async with peer_of(served[1]) as peer:
        yield peer


async def answered(peer: Peer) -> None:
    assert await peer.message() == {"type": "pong", "id": "ä"}


async def test_section_5_4_a_message_may_come_in_fragments_even_empty_ones(peer: Peer) -> None:
    await peer.send(
        frame(TEXT, b"", fin=False),
        frame(CONT, ASK[:7], fin=False),
        frame(CONT, b"", fin=False),
        frame(CONT, ASK[7:]),
    )
    await answered(peer)


async def test_section_5_4_a_fragment_may_end_within_a_character(peer: Peer) -> None:
    cut = ASK.index(b"\xc3") + 1
    await peer.send(frame(TEXT, ASK[:cut], fin=False), frame(CONT, ASK[cut:]))
    await answered(peer)


async def test_section_5_4_pings_between_fragments_are_answered_at_once(peer: Peer) -> None:
    await peer.send(frame(TEXT, ASK[:5], fin=False), frame(PING, b"between"))

    assert await peer.frame() == (PONG, b"between")

    await peer.send(frame(PONG, b"unasked"), frame(CONT, ASK[5:]))
    await answered(peer)


async def test_frames_may_come_byte_by_byte(peer: Peer) -> None:
    await peer.trickle(frame(TEXT, ASK) + frame(PING, b"x"))
    got = [await peer.frame(), await peer.frame()]

    assert (PONG, b"x") in got
    assert any(opcode == TEXT for opcode, _ in got)


async def test_many_messages_may_come_in_one_segment(peer: Peer) -> None:
    await peer.send(frame(TEXT, ASK) * 20)
    for _ in range(20):
        await answered(peer)


async def test_section_5_3_any_mask_will_do(peer: Peer) -> None:
    for mask in (bytes(4), b"\xff" * 4, b"\x00\xff\x00\x01"):
        await peer.send(frame(TEXT, ASK, mask=mask))
        await answered(peer)


@pytest.mark.parametrize("payload", [b"", b"hello", bytes(range(125))])
async def test_section_5_5_2_a_pong_carries_what_the_ping_did(peer: Peer, payload: bytes) -> None:
    await peer.send(frame(PING, payload))

    assert await peer.frame() == (PONG, payload)


async def test_section_5_5_3_a_pong_that_nobody_asked_for_is_ignored(peer: Peer) -> None:
    await peer.send(frame(PONG), frame(PONG, b"x" * 125), frame(TEXT, ASK))
    await answered(peer)


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(frame(TEXT, ASK, mask=b""), id="5.1 without a mask"),
        pytest.param(frame(PING, mask=b""), id="5.1 a ping without a mask"),
        pytest.param(frame(TEXT, ASK, reserved=4), id="5.2 reserved bit 1"),
        pytest.param(frame(TEXT, ASK, reserved=2), id="5.2 reserved bit 2"),
        pytest.param(frame(PING, reserved=1), id="5.2 reserved bit 3 of a ping"),
        pytest.param(frame(0x3, ASK), id="5.2 reserved opcode 3"),
        pytest.param(frame(0x7), id="5.2 reserved opcode 7"),
        pytest.param(frame(0xB), id="5.2 reserved opcode 11"),
        pytest.param(frame(0xF, b"x"), id="5.2 reserved opcode 15"),
        pytest.param(frame(CONT, b"x"), id="5.4 continues nothing"),
        pytest.param(frame(CONT, b"x", fin=False), id="5.4 continues nothing and goes on"),
        pytest.param(frame(TEXT, b"x", fin=False) + frame(TEXT, ASK), id="5.4 begins anew"),
        pytest.param(frame(PING, b"x" * 126), id="5.5 a ping of 126 bytes"),
        pytest.param(frame(PONG, b"x" * 70_000), id="5.5 a pong of 70,000 bytes"),
        pytest.param(frame(CLOSE, b"\x03\xe8" + b"x" * 124), id="5.5 a close of 126 bytes"),
        pytest.param(frame(PING, fin=False), id="5.5 a ping in fragments"),
        pytest.param(frame(PONG, fin=False), id="5.5 a pong in fragments"),
        pytest.param(frame(CLOSE, fin=False), id="5.5 a close in fragments"),
        pytest.param(frame(CLOSE, b"\x03"), id="5.5.1 a close of one byte"),
        pytest.param(frame(TEXT, b"x", fin=False) + closing(1000), id="5.4 closes in between"),
        *(
            pytest.param(closing(code), id=f"7.4 the close code {code}")
            for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535)
        ),
    ],
)
async def test_a_breach_of_the_protocol_ends_the_connection_with_1002(
    peer: Peer, bad: bytes
) -> None:
    await peer.send(bad)

    assert await peer.ended() == 1002


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(frame(TEXT, b"\xff"), id="no first byte"),
        pytest.param(frame(TEXT, b'{"a":"\xce\xba\xe1\xbd"}'), id="too short"),
        pytest.param(frame(TEXT, b"\xed\xa0\x80"), id="a surrogate"),
        pytest.param(frame(TEXT, b"\xf4\x90\x80\x80"), id="above the last character"),
        pytest.param(frame(TEXT, b"\xc0\xaf"), id="too long a form"),
        pytest.param(frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"("), id="in two fragments"),
        pytest.param(closing(1000, b"\xff\xfe"), id="as the reason of a close"),
    ],
)
async def test_section_8_1_what_is_no_utf_8_ends_the_connection_with_1007(
    peer: Peer, bad: bytes
) -> None:
    await peer.send(bad)

    assert await peer.ended() == 1007


async def test_bytes_that_are_no_utf_8_are_answered_as_a_malformed_message(peer: Peer) -> None:
    await peer.send(frame(BINARY, b"\xff\xfe"), frame(TEXT, ASK))

    assert (await peer.message())["code"] == 400

    await answered(peer)


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 3999, 4999]
)
async def test_section_7_4_a_close_is_answered_with_its_own_code(peer: Peer, code: int) -> None:
    await peer.send(closing(code, b"x" * 123))

    assert await peer.ended() == code


async def test_section_5_5_1_a_close_without_a_code_is_answered_without_one(peer: Peer) -> None:
    await peer.send(frame(CLOSE))

    assert await peer.ended() is None


async def test_section_5_5_1_what_follows_a_close_is_ignored(peer: Peer) -> None:
    await peer.send(closing(1000) + frame(TEXT, ASK) + frame(PING, b"x"))

    assert await peer.ended() == 1000


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(frame(TEXT, b"x" * 300_000), id="in one frame"),
        pytest.param(frame(TEXT, b"x" * 300_000)[:14], id="before it is all there"),
        pytest.param(
            frame(TEXT, b"x" * 150_000, fin=False) + frame(CONT, b"x" * 150_000), id="in fragments"
        ),
    ],
)
async def test_section_7_4_1_a_message_far_too_long_ends_the_connection_with_1009(
    peer: Peer, bad: bytes
) -> None:
    # Sent by pieces: the server need not read all of it.
    try:
        await peer.send(*(bad[at : at + 10_000] for at in range(0, len(bad), 10_000)))
    except ConnectionError:
        return

    assert await peer.ended() == 1009


async def test_a_message_too_long_for_the_stream_is_answered_and_the_next_one_too(
    peer: Peer,
) -> None:
    await peer.send(frame(TEXT, b"x" * 70_000), frame(TEXT, ASK))

    assert (await peer.message())["code"] == 413

    await answered(peer)


@pytest.mark.parametrize("pause_s", [None, 0.0, 0.02], ids=["together", "at once", "later"])
async def test_a_client_that_does_not_wait_for_the_handshake_loses_nothing(
    served: tuple[MarketDataManager, str], pause_s: float | None
) -> None:
    for _ in range(20):
        peer = await Peer.dial(served[1])
        first = frame(PING, b"early") + frame(TEXT, ASK)
        if pause_s is None:
            await peer.send(HANDSHAKE + first)
        else:
            await peer.send(HANDSHAKE)
            await asyncio.sleep(pause_s)
            await peer.send(first)
        await peer.shake()
        got = [await peer.frame() for _ in range(3)]
        peer.leave()
        texts = [json.loads(payload)["type"] for opcode, payload in got if opcode == TEXT]

        assert (PONG, b"early") in got
        assert texts == ["welcome", "pong"]


async def test_a_client_that_is_refused_the_handshake_is_answered_once(
    served: tuple[MarketDataManager, str],
) -> None:
    reader, writer = await asyncio.open_connection(*served[1].split(":"))
    writer.write(HANDSHAKE.replace(b"-Version: 13", b"-Version: 12") + frame(TEXT, ASK))
    async with asyncio.timeout(LIMIT_S):
        answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1") == 1


@settings(max_examples=20)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.builds(
                frame,
                st.integers(0, 15),
                st.binary(max_size=140),
                fin=st.booleans(),
                reserved=st.integers(0, 7),
                mask=st.sampled_from([MASK, b""]),
            ),
        ),
        max_size=6,
    )
)
def test_whatever_a_client_sends_the_server_serves_the_others(pieces: list[bytes]) -> None:
    async def run() -> None:
        manager = manager_of(ScriptedProvider("sim", **EVERYTHING))
        async with serving(manager) as address:
            peer = await Peer.dial(address)
            await peer.send(HANDSHAKE)
            await peer.welcomed()
            try:
                await peer.send(*pieces)
            except ConnectionError:
                pass
            async with connect(f"ws://{address}/ws") as other:
                await other.recv()
                await other.send(ASK.decode())
                assert json.loads(await other.recv()) == {"type": "pong", "id": "ä"}
            peer.leave()

    asyncio.run(run())
