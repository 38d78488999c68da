"""Following the registry: what commands change holds at once for the running gateway."""

import asyncio

from gateway.following import RegistryFollower
from gateway.registry import Keyring
from tests.fakes.gateway_clock import until
from tests.fakes.gateway_journal import FakeJournal
from tests.segments import TestNode


class Rig:
    """A follower over a fake journal."""

    def __init__(self) -> None:
        self.journal, self.keyring, self.changes = FakeJournal(), Keyring(), 0
        self.follower = RegistryFollower(
            journal=self.journal, keyring=self.keyring, changed=self.change
        )

    def change(self) -> None:
        self.changes += 1


def test_only_changes_are_taken_over() -> None:
    rig = Rig()
    rig.follower.follow()
    assert rig.changes == 0
    rig.journal.put(TestNode(0).registration())
    rig.follower.follow()
    rig.follower.follow()
    assert (rig.changes, len(rig.keyring)) == (1, 1)


def test_a_revocation_holds_with_the_next_look() -> None:
    rig = Rig()
    rig.journal.put(TestNode(0).registration())
    rig.follower.follow()
    assert rig.keyring.admits(0, 50)
    rig.journal.put(TestNode(0).registration(valid_to_ms=40))
    rig.follower.follow()
    assert not rig.keyring.admits(0, 50)


async def test_it_looks_by_itself_within_a_second() -> None:
    rig = Rig()
    running = asyncio.ensure_future(rig.follower.run())
    await until(lambda: not running.done())
    rig.journal.put(TestNode(3).registration())
    await until(lambda: rig.keyring.knows(3), timeout_s=1.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
