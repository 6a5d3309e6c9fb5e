from __future__ import annotations

import pytest
from websockets.frames import Frame, Opcode

from tickloom.stream.frames import BINARY, TEXT, frame_of


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
@pytest.mark.parametrize(("opcode", "known"), [(TEXT, Opcode.TEXT), (BINARY, Opcode.BINARY)])
def test_a_frame_is_what_the_library_makes_of_the_same_payload(
    size: int, opcode: int, known: Opcode
) -> None:
    payload = b"x" * size

    assert frame_of(opcode, payload) == Frame(known, payload).serialize(mask=False)
