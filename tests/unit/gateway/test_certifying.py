"""Telling registry, windows and anchors, in the one order that the database can check."""

import asyncio

import pytest

from gateway.bell import Bell
from gateway.certifying import Certifier
from gateway.errors import OtherWindow
from gateway.registry import registry_root
from gateway.windows import window_root
from ledger.chain.values import Final, Submission
from ledger.codec import encode_window_entry
from ledger.errors import Unavailable
from ledger.facts.window import WindowEntry
from ledger.merkle import leaf_hash, root
from ledger.signing import SigningKey
from tests.fakes.gateway_central import FakeCentral
from tests.fakes.gateway_clock import until
from tests.fakes.gateway_journal import FakeJournal
from tests.segments import ORIGIN, TestNode

KEY = SigningKey.generate("EdDSA")


class Rig:
    """A certifier over fakes."""

    def __init__(self, nodes: int = 1) -> None:
        self.nodes = [TestNode(index) for index in range(nodes)]
        self.journal, self.central = FakeJournal(), FakeCentral(ORIGIN, KEY.public)
        self.bell = Bell()
        for node in self.nodes:
            self.journal.put(node.registration())
        self.certifier = Certifier(
            windows=self.journal, registry=self.journal, central=self.central, key=KEY,
            origin=ORIGIN, bell=self.bell,
        )  # fmt: skip

    def close(self) -> bytes:
        """Stage an empty window under the registry that is delivered."""
        number = self.journal.next_window()
        registry = self.journal.delivered_registrations() or []
        entry = encode_window_entry(
            WindowEntry(
                origin=ORIGIN, window=number, closed_ms=number, node_count=len(registry),
                root=window_root(number, len(registry), []), registry_root=registry_root(registry),
            )
        )  # fmt: skip
        self.journal.stage(number, entry, number, [])
        return entry

    def anchor(self, size: int, part: bytes = b"part") -> None:
        """Let a submission over the first `size` windows be final."""
        head = root([leaf_hash(entry) for _, entry in self.journal.staged_from(0)[:size]])
        order = Submission(
            log_id=bytes(32), sequence=size, root=head, size=size, meta=bytes(32), proof=()
        )
        final = Final(
            tx_hash=bytes(32), gas_used=1, block_number=1, block_hash=bytes(32), block_time_s=1
        )
        self.journal.end_anchor(None, order, final, part)


async def test_the_registry_is_told_once() -> None:
    rig = Rig(nodes=3)
    for _ in range(2):
        await rig.certifier.tell_registry()
    assert rig.central.calls == ["registry"]
    assert rig.journal.delivered_registrations() == [one.registration() for one in rig.nodes]


async def test_windows_closed_before_a_change_are_told_before_it() -> None:
    rig = Rig()
    await rig.certifier.tell_registry()
    rig.close()
    rig.journal.put(TestNode(1).registration())
    await rig.certifier.tell_registry()
    rig.close()
    await rig.certifier.tell_windows()
    assert rig.central.calls == ["registry", "window", "registry", "window"]


@pytest.mark.parametrize("how", ["lose", "keep"])
async def test_while_nobody_knows_the_registry_no_window_is_closed(how: str) -> None:
    rig = Rig()
    getattr(rig.central, how).append("registry")
    with pytest.raises(Unavailable):
        await rig.certifier.tell_registry()
    assert rig.journal.delivered_registrations() is None
    await rig.certifier.tell_registry()
    assert rig.journal.delivered_registrations() == [rig.nodes[0].registration()]


@pytest.mark.parametrize("how", ["lose", "keep"])
async def test_a_window_whose_answer_was_lost_is_told_again(how: str) -> None:
    rig = Rig()
    await rig.certifier.tell_registry()
    entries = [rig.close(), rig.close()]
    getattr(rig.central, how).append("window")
    with pytest.raises(Unavailable):
        await rig.certifier.tell_windows()
    await rig.certifier.tell_windows()
    assert rig.central.windows == entries


async def test_a_database_that_expects_what_was_never_closed_is_not_believed() -> None:
    rig = Rig()
    await rig.certifier.tell_registry()
    rig.close()
    rig.central.windows = [b"x"] * 5
    with pytest.raises(OtherWindow):
        await rig.certifier.tell_windows()


async def test_anchors_are_told_after_their_windows_and_their_stage_is_dropped() -> None:
    rig = Rig()
    await rig.certifier.tell_registry()
    for _ in range(3):
        rig.close()
    rig.anchor(2)
    rig.anchor(3, b"")
    await rig.certifier.tell_anchors()
    assert rig.central.calls == ["registry", "window", "window", "window", "anchor", "anchor"]
    assert rig.central.anchors == [(2, b"part"), (3, b"")]
    assert all(window.certified for window in rig.journal.kept.windows)
    assert not rig.journal.uncertified_anchors()


@pytest.mark.parametrize("how", ["lose", "keep"])
async def test_an_anchor_whose_answer_was_lost_is_told_again(how: str) -> None:
    rig = Rig()
    await rig.certifier.tell_registry()
    rig.close()
    rig.anchor(1)
    getattr(rig.central, how).append("anchor")
    with pytest.raises(Unavailable):
        await rig.certifier.tell_anchors()
    assert rig.journal.uncertified_anchors()
    await rig.certifier.tell_anchors()
    assert set(rig.central.anchors) == {(1, b"part")}


async def test_it_tells_by_itself_when_the_bell_rings() -> None:
    rig = Rig()
    running = asyncio.ensure_future(rig.certifier.run())
    await until(lambda: bool(rig.journal.delivered_registrations()))
    rig.close()
    rig.bell.ring()
    await until(lambda: bool(rig.central.windows))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not rig.certifier.patience.is_away
