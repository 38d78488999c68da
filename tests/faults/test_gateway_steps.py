"""Each step of the gateway failed before and after it, then recovery by the same code.

The table is made by running once without faults and counting every call that leaves the
process: each of them is then lost once, and once done though reported failed; after each fault
the gateway goes on, or starts anew.
"""

from pathlib import Path

import pytest

from gateway.errors import OtherWindow
from ledger.errors import InvariantBroken, Unavailable
from tests.fakes.gateway_faults import FaultPlan
from tests.faults.gateway_world import World, told

MINUTES = 3


async def lived(world: World, *, restarts: bool) -> list[str]:
    """Let minutes pass; what fails is taken up again, by the same process or by the next.

    Return the calls that were made while it could fail.
    """
    for _ in range(MINUTES):
        try:
            await world.minute()
        except (Unavailable, OtherWindow):
            if restarts:
                world.start()
            await world.until_quiet()
    calls = list(world.plan.calls)
    # What came too late for its own window is in the next one.
    await world.work(closes=True)
    await world.until_quiet()
    return calls


async def points() -> list[str]:
    """Return every call that can fail, in the order of a run without faults."""
    world = World()
    calls = await lived(world, restarts=False)
    world.judge(MINUTES)
    return calls


async def test_nothing_fails() -> None:
    calls = await points()
    assert set(calls) >= {
        "batch", "settle", "stage", "append", "publish", "window", "window_told", "head",
        "advance", "begin_anchor", "end_anchor", "chain_part", "anchor", "certified", "segments",
        "registry", "registrations_offered", "registrations_delivered",
    }  # fmt: skip
    assert len(calls) >= 50


@pytest.mark.parametrize("restarts", [False, True], ids=["goes on", "restarts"])
@pytest.mark.parametrize("keeps", [False, True], ids=["lost", "kept"])
async def test_every_step_failed_once(*, keeps: bool, restarts: bool) -> None:
    count = len(await points())
    for point in range(1, count + 1):
        plan = FaultPlan(point, keeps=keeps)
        world = World(plan=plan)
        await lived(world, restarts=restarts)
        assert plan.failed, told(plan)
        try:
            world.judge(MINUTES)
        except AssertionError as error:
            raise AssertionError(told(plan)) from error


@pytest.mark.parametrize("keeps", [False, True], ids=["lost", "kept"])
async def test_every_step_failed_once_on_disk(tmp_path: Path, *, keeps: bool) -> None:
    count = len(await points())
    for point in range(1, count + 1, 5):
        plan = FaultPlan(point, keeps=keeps)
        folder = tmp_path / str(point)
        world = World(folder=folder, plan=plan)
        try:
            await lived(world, restarts=True)
            world.judge(MINUTES)
        except AssertionError as error:
            raise AssertionError(told(plan)) from error
        finally:
            world.close()


async def test_ledger_away_for_hours_is_caught_up_by_one_submission() -> None:
    world = World()
    await world.minute()
    before = len(world.chain.heads)
    world.chain.is_away = True
    for _ in range(40):
        with pytest.raises(Unavailable):
            await world.minute()
    assert len(world.chain.heads) == before
    assert not world.unreceipted, "receipts do not wait for the ledger"
    assert len(world.central.windows) == 41
    world.chain.is_away = False
    await world.until_quiet()
    world.judge(41)
    assert len(world.chain.heads) == before + 1


async def test_database_away_for_hours_loses_nothing() -> None:
    world = World()
    await world.minute()
    world.central.is_away = True
    for _ in range(20):
        with pytest.raises(Unavailable):
            await world.minute()
    assert len(world.unreceipted) == 20 * len(world.nodes), "no receipt without a row"
    world.central.is_away = False
    await world.until_quiet()
    await world.minute()
    world.judge(2)


async def test_a_log_that_is_not_the_ledgers_stops_the_gateway() -> None:
    world = World()
    await world.minute()
    forked = World(key=world.key)
    forked.chain = world.chain
    forked.start()
    forked.clock.wind(1)
    with pytest.raises(InvariantBroken):
        await forked.minute()


async def test_a_journal_older_than_its_log_stops_the_gateway() -> None:
    world = World()
    await world.minute()
    world.journal.kept.windows.clear()
    world.start()
    with pytest.raises(InvariantBroken):
        world.closer.begin()


async def test_a_database_restored_from_a_backup_gets_its_windows_again() -> None:
    world = World()
    for _ in range(3):
        await world.minute()
    del world.central.windows[1:]
    world.central.window_of = {
        digest: windows for digest, windows in world.central.window_of.items() if windows == [0]
    }
    await world.minute()
    world.judge(4)
