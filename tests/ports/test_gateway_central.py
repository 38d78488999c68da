"""The Shared Customer Database's guarantees, on the fake and over real HTTP."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from gateway.errors import CentralAway, OtherWindow
from gateway.ports import Central, StagedWindow
from gateway.scd import CentralHttp
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.codec import decode, encode_record
from ledger.errors import Refused, Unavailable
from ledger.merkle import leaf_hash, root
from ledger.signing import SigningKey
from tests.fakes.gateway_central import FakeCentral
from tests.fakes.gateway_central_http import CentralServer
from tests.fakes.gateway_forger import claiming, hash_of, records_of
from tests.segments import ORIGIN, TestLog, TestNode

KEY = SigningKey.generate("EdDSA")


class Rig:
    """A database, and what stands behind it."""

    def __init__(self, central: Central, behind: FakeCentral) -> None:
        self.central = central
        self.behind = behind
        self.node = TestNode(0)
        self.log = TestLog([self.node], key=KEY)

    async def window(self, *bodies: bytes) -> StagedWindow:
        """Return the next window over stored segments."""
        entry, members = decode(self.log.close(bodies))
        number = len(self.log.tree) - 1
        told = tuple((node, tuple(hashes)) for node, hashes in members)
        return StagedWindow(number=number, entry=entry, closed_ms=0, members=told)


@pytest.fixture(params=["fake", "http"])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    behind = FakeCentral(ORIGIN, KEY.public)
    if request.param == "fake":
        yield Rig(behind, behind)
        return
    async with AsyncExitStack() as stack:
        server = stack.enter_context(CentralServer(behind, token="let me in"))
        client = CentralHttp(server.url, token="let me in", timeout_s=5.0)
        yield Rig(await stack.enter_async_context(client), behind)


async def enrolled(rig: Rig) -> bytes:
    await rig.central.registry([rig.node.registration()])
    return rig.node.segment()


async def test_a_segment_is_stored_once(rig: Rig) -> None:
    body = await enrolled(rig)
    for outcome in ("stored", "duplicate"):
        (answer,) = await rig.central.segments([body])
        assert (answer.outcome, answer.header_hash) == (outcome, hash_of(body))
    assert rig.behind.stored(0) == list(range(15))


async def test_outcomes_come_in_order(rig: Rig) -> None:
    first = await enrolled(rig)
    other = claiming(first, rig.node.key, checkpoint=(1, bytes(32)))
    second = rig.node.segment()
    answers = await rig.central.segments([first, other, second])
    assert [one.outcome for one in answers] == ["stored", "conflict", "stored"]
    assert [one.header_hash for one in answers] == [hash_of(one) for one in (first, other, second)]


@pytest.mark.parametrize("how", ["lose", "keep"])
async def test_no_answer_means_nothing_and_the_same_call_folds(rig: Rig, how: str) -> None:
    body = await enrolled(rig)
    getattr(rig.behind, how).append("segments")
    with pytest.raises(Unavailable):
        await rig.central.segments([body])
    assert bool(rig.behind.bodies) == (how == "keep")
    (answer,) = await rig.central.segments([body])
    assert answer.outcome == ("duplicate" if how == "keep" else "stored")


async def test_windows_are_taken_in_order(rig: Rig) -> None:
    body = await enrolled(rig)
    await rig.central.segments([body])
    window, following = await rig.window(body), await rig.window()
    with pytest.raises(OtherWindow) as other:
        await rig.central.window(following)
    assert other.value.expected == 0
    await rig.central.window(window)
    with pytest.raises(OtherWindow) as other:
        await rig.central.window(window)
    assert other.value.expected == 1
    await rig.central.window(following)
    assert len(rig.behind.windows) == 2


async def test_a_window_that_does_not_add_up_is_refused(rig: Rig) -> None:
    body = await enrolled(rig)
    with pytest.raises(Refused):
        await rig.central.window(await rig.window(body))
    assert not rig.behind.windows


async def test_an_anchor_is_taken_after_its_windows(rig: Rig) -> None:
    await enrolled(rig)
    window = await rig.window()
    note = sign_checkpoint(Checkpoint(ORIGIN, 1, root([leaf_hash(window.entry)])), KEY)
    with pytest.raises(Refused):
        await rig.central.anchor(note, b"part")
    await rig.central.window(window)
    await rig.central.anchor(note, b"part")
    assert rig.behind.anchors == [(1, b"part")]


async def test_live_records_are_shown(rig: Rig) -> None:
    body = await enrolled(rig)
    shown = records_of(body)[:2]
    await rig.central.live([(0, encode_record(record)) for record in shown])
    assert [node for node, _ in rig.behind.live_records] == [0, 0]


async def test_away_is_away(rig: Rig) -> None:
    rig.behind.is_away = True
    with pytest.raises(CentralAway):
        await rig.central.registry([])
