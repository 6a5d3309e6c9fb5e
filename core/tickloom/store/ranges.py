"""Which stored ranges are left when new ones come, and which of them answer a question. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from tickloom.store.bars import StoredRange
from tickloom.store.days import Days, merge, overlap, without

_ALONE = " alone"


def alone(provider: str) -> str:
    """Return whose the days are of which one provider says that it has no bar, nobody else asked.

    They count only for those who ask for the bars of this one: others may have some. No provider
    has a name with a space.
    """
    return provider + _ALONE


def of_provider(stored: Iterable[StoredRange], provider: str | None) -> list[StoredRange]:
    """Return the ranges that count for a question.

    Args:
        stored: Of all providers.
        provider: Whose bars are asked for; ``None`` = of whoever has them.
    """
    if provider is None:
        return [one for one in stored if not one.provider.endswith(_ALONE)]
    names = {provider, alone(provider)}
    return [replace(one, provider=provider) for one in stored if one.provider in names]


def put_over(stored: Iterable[StoredRange], new: Sequence[StoredRange]) -> list[StoredRange]:
    """Return the ranges of one series after ``new`` ones came, in order and without an overlap.

    Where both have a day the new one has it; touching ones that say the same are joined.
    """
    kept = list(stored)
    for range_ in new:
        kept = [
            replace(old, days=days) for old in kept for days in without(old.days, [range_.days])
        ]
        kept.append(range_)
    joined: list[StoredRange] = []
    for range_ in sorted(kept, key=lambda range_: range_.days):
        if joined and _are_joined(joined[-1], range_):
            before = joined.pop()
            joined.append(
                replace(
                    before,
                    days=Days(before.days.first, range_.days.last),
                    received_at=min(before.received_at, range_.received_at),
                )
            )
        else:
            joined.append(range_)
    return joined


def _are_joined(before: StoredRange, after: StoredRange) -> bool:
    touch = before.days.last.toordinal() + 1 == after.days.first.toordinal()
    same = replace(before, days=after.days, received_at=after.received_at)
    # What counts only on its day would be lost with an older neighbour.
    aged = before.is_rewritten and before.received_at.date() != after.received_at.date()
    return touch and same == after and not aged


def share_out(wanted: Days, stored: Iterable[StoredRange]) -> list[StoredRange]:
    """Return the stored ranges, cut to what each of them answers of ``wanted``, in order.

    No day is answered twice. The provider with the most of the days comes first, of two the one
    that answered last; others fill its gaps if their prices are in the same currency, since pence
    and pounds in one series would be a crash that never was.
    """
    cut = [
        replace(range_, days=days)
        for range_ in stored
        if (days := overlap(range_.days, wanted)) is not None
    ]
    by_unit: dict[tuple[str, str | None], list[StoredRange]] = {}
    for range_ in cut:
        by_unit.setdefault((range_.provider, range_.currency), []).append(range_)
    ranked = sorted(by_unit.values(), key=_worth, reverse=True)
    chosen: list[StoredRange] = []
    for ranges in ranked:
        if ranges[0].currency != ranked[0][0].currency:
            continue
        taken = [range_.days for range_ in chosen]
        chosen += [
            replace(range_, days=days) for range_ in ranges for days in without(range_.days, taken)
        ]
    return sorted(chosen, key=lambda range_: range_.days)


def _worth(ranges: list[StoredRange]) -> tuple[int, float, str]:
    days = sum(
        stretch.last.toordinal() - stretch.first.toordinal() + 1
        for stretch in merge(range_.days for range_ in ranges)
    )
    newest = max(range_.received_at.timestamp() for range_ in ranges)
    return days, newest, ranges[0].provider
