"""The cases of a notifier, in order of their numbers."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import Any

from tickloom.errors import ConfigError, TickloomError
from tickloom.roles import Notification
from tickloom.testing.cases import Broken, Case, Need, Tier, case, require, shown
from tickloom.testing.cases_closing import (
    require_no_secret,
    require_no_task,
    require_no_thread,
)
from tickloom.testing.cases_trial import PATIENCE_S, NotifierTrial, turns

_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_AWKWARD = "Ä <b>1 < 2</b> & *3* _4_ \\5 {6} %7\nsecond line"

_RECIPIENT = Need[NotifierTrial](
    "a recipient of test messages",
    lambda trial: None if trial.recipient else "no recipient of test messages is told",
    withholds=True,
)
_BAD_RECIPIENT = Need[NotifierTrial](
    "an address that cannot be",
    lambda trial: None if trial.bad_recipient else "no address that cannot be is told",
    withholds=True,
)
_INBOX = Need[NotifierTrial](
    "a look at what arrives",
    lambda trial: None if trial.received else "nobody can look at what arrives",
    withholds=True,
)
_TELLS_TWINS = Need[NotifierTrial](
    "a channel that can tell twins",
    lambda trial: None if trial.tells_twins else "the channel cannot tell twins",
)
_SECRETS = Need[NotifierTrial](
    "a secret that is known", lambda trial: None if trial.secrets else "no secret is set"
)


def _message(trial: NotifierTrial, key: str, body: str = "a test of tickloom") -> Notification:
    return Notification(recipient=trial.recipient, title=f"Test {key}", body=body, key=key)


@case(
    "N01",
    "A notifier has a proper name, and the same each time",
    Tier.BRONZE,
    "It is text of lower-case letters, digits, _ and -.",
)
async def name_is_proper(trial: NotifierTrial) -> None:
    """Ask for the name twice."""
    name: Any = trial.notifier.name
    require(isinstance(name, str) and _NAME.fullmatch(name), f"the name is {shown(name)}")
    require(trial.notifier.name == name, "the name was another one the second time")


@case(
    "N02",
    "A notification is sent",
    Tier.BRONZE,
    "Nothing is raised.",
    _RECIPIENT,
)
async def sends(trial: NotifierTrial) -> None:
    """Send a notification to the recipient of test messages."""
    await trial.notifier.send(_message(trial, "n02"))


@case(
    "N03",
    "A recipient that cannot be is told as such",
    Tier.BRONZE,
    "It raises ConfigError, so that nobody tries again.",
    _BAD_RECIPIENT,
)
async def refuses_a_bad_recipient(trial: NotifierTrial) -> None:
    """Send a notification to an address that the channel cannot have."""
    message = Notification(recipient=trial.bad_recipient, title="Test", body="n03", key="n03")
    try:
        await trial.notifier.send(message)
    except ConfigError:
        return
    except TickloomError as error:
        raise Broken(f"an address that cannot be raised {shown(error)}") from None
    raise Broken("an address that cannot be was taken")


@case(
    "N04",
    "A notifier can be closed twice",
    Tier.BRONZE,
    "Neither time raises anything.",
)
async def closes_twice(trial: NotifierTrial) -> None:
    """Close it twice."""
    await trial.notifier.aclose()
    await trial.notifier.aclose()


@case(
    "N10",
    "What arrives is what was sent",
    Tier.SILVER,
    "One text arrives, with the title and the body in it.",
    _RECIPIENT,
    _INBOX,
)
async def arrives(trial: NotifierTrial) -> None:
    """Send a notification and look at what arrives."""
    await trial.notifier.send(_message(trial, "n10", "the price of EXA.ONE is 10.50"))
    texts = await trial.arrived(1)
    require(len(texts) == 1, f"{len(texts)} texts arrived, not one")
    for part in ("Test n10", "the price of EXA.ONE is 10.50"):
        require(part in texts[0], f"{part!r} is not in {shown(texts[0])}")


@case(
    "N11",
    "Plain text arrives as plain text",
    Tier.SILVER,
    "Letters of other alphabets, line ends and signs of markup are all there.",
    _RECIPIENT,
    _INBOX,
)
async def keeps_plain_text(trial: NotifierTrial) -> None:
    """Send a body full of signs that some channel takes for markup."""
    await trial.notifier.send(_message(trial, "n11", _AWKWARD))
    texts = await trial.arrived(1)
    require(any(_AWKWARD in text for text in texts), f"it arrived as {shown(texts)}")


@case(
    "N12",
    "Notifications at the same time all arrive",
    Tier.SILVER,
    "All five arrive, each with its own title.",
    _RECIPIENT,
    _INBOX,
)
async def concurrent_sends(trial: NotifierTrial) -> None:
    """Send five notifications at once."""
    keys = [f"n12-{number}" for number in range(5)]
    await asyncio.gather(*(trial.notifier.send(_message(trial, key)) for key in keys))
    texts = await trial.arrived(len(keys))
    for key in keys:
        require(any(f"Test {key}" in text for text in texts), f"{key} did not arrive")


@case(
    "N13",
    "The same key does not reach anybody twice",
    Tier.SILVER,
    "One text arrives.",
    _TELLS_TWINS,
    _RECIPIENT,
    _INBOX,
)
async def tells_twins(trial: NotifierTrial) -> None:
    """Send the same notification twice, then another one."""
    for key in ("n13", "n13", "n13-other"):
        await trial.notifier.send(_message(trial, key))
    texts = await trial.arrived(2)
    count = sum("n13-other" not in text for text in texts)
    require(count <= 1, f"the same key arrived {count} times")


@case(
    "N14",
    "A cancelled send ends at once and does no harm",
    Tier.SILVER,
    f"It ends within {PATIENCE_S:g} s of being cancelled, and the next one is sent.",
    _RECIPIENT,
)
async def cancelled_send(trial: NotifierTrial) -> None:
    """Cancel a send on its way, then send again."""
    call = asyncio.ensure_future(trial.notifier.send(_message(trial, "n14-cancelled")))
    await turns(2)
    call.cancel()
    _, waiting = await asyncio.wait({call}, timeout=PATIENCE_S)
    require(not waiting, f"a cancelled send still ran after {PATIENCE_S:g} s")
    if not call.cancelled():
        call.exception()
    await trial.notifier.send(_message(trial, "n14"))


@case(
    "N20",
    "A closed notifier sends or fails in a typed way",
    Tier.GOLD,
    f"Within {PATIENCE_S:g} s it has sent or raised an error of tickloom.errors.",
    _RECIPIENT,
)
async def sends_when_closed(trial: NotifierTrial) -> None:
    """Close it, then send."""
    await trial.notifier.aclose()
    try:
        async with asyncio.timeout(PATIENCE_S):
            await trial.notifier.send(_message(trial, "n20"))
    except TickloomError:
        return
    except Exception as error:  # noqa: BLE001 - this is the case
        raise Broken(f"a closed notifier raised {shown(error)}") from None


@case(
    "N21",
    "A closed notifier leaves no task and no thread behind",
    Tier.GOLD,
    f"Within {PATIENCE_S:g} s of closing it all that it started has ended.",
    _RECIPIENT,
)
async def leaves_nothing(trial: NotifierTrial) -> None:
    """Send a notification and close it."""
    before = set(threading.enumerate())
    await trial.notifier.send(_message(trial, "n21"))
    await require_no_task(trial.notifier.aclose())
    await require_no_thread(before)


@case(
    "N22",
    "A secret is not shown anywhere",
    Tier.GOLD,
    "It is in no repr of the notifier and in no error.",
    _SECRETS,
)
async def shows_no_secret(trial: NotifierTrial) -> None:
    """Print the notifier and what a recipient that cannot be brings."""
    texts = [repr(trial.notifier)]
    message = Notification(
        recipient=trial.bad_recipient or "nobody", title="Test", body="n22", key="n22"
    )
    try:
        await trial.notifier.send(message)
    except TickloomError as error:
        texts.append(f"{error!r} {error}")
    require_no_secret(trial, texts)


NOTIFIER_CASES: tuple[Case[NotifierTrial], ...] = (
    name_is_proper,
    sends,
    refuses_a_bad_recipient,
    closes_twice,
    arrives,
    keeps_plain_text,
    concurrent_sends,
    tells_twins,
    cancelled_send,
    sends_when_closed,
    leaves_nothing,
    shows_no_secret,
)
