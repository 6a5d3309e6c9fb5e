from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tickloom.cluster import View

SYMBOLS = [f"S{number}" for number in range(2_000)]
NAMES = st.sets(st.text("abcdef0123456789", min_size=4, max_size=8), min_size=1, max_size=6)


@given(NAMES)
def test_all_agree_on_one_owner_and_it_lives(members: set[str]) -> None:
    views = [View(member, members) for member in members]
    for symbol in SYMBOLS[:50]:
        owners = {view.owner_of(symbol) for view in views}
        assert len(owners) == 1
        assert owners <= members
        assert sum(view.owns(symbol) for view in views) == 1


@given(NAMES, st.text("xyz", min_size=4, max_size=4))
def test_only_what_the_newcomer_owns_changes_hands(members: set[str], newcomer: str) -> None:
    me = min(members)
    before, after = View(me, members), View(me, {*members, newcomer})
    for symbol in SYMBOLS[:200]:
        assert after.owner_of(symbol) in {before.owner_of(symbol), newcomer}


def test_the_work_is_shared_evenly() -> None:
    view = View("a", ["b", "c", "d"])
    counts = Counter(view.owner_of(symbol) for symbol in SYMBOLS)

    assert set(counts) == {"a", "b", "c", "d"}
    assert all(350 < count < 650 for count in counts.values())


def test_a_replica_alone_owns_everything() -> None:
    assert all(View("a").owns(symbol) for symbol in SYMBOLS)
