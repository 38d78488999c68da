"""The demo from the first key to the report, and the end of every program however it ends."""

import argparse
import asyncio
import contextlib
import signal
import sys
from typing import Any

from hil.demo import proof
from hil.demo.central import Central, gateway_status, instant_ms
from hil.demo.judge import judge
from hil.demo.market import Market, MarketDay, MarketSession
from hil.demo.merit import table_of
from hil.demo.operator import DsoDay, bring_history, dso_day
from hil.demo.play import Acts, Cast, Play
from hil.demo.real_time import Handed, line_fails
from hil.demo.report import Report
from hil.demo.screen import Screen
from hil.demo.setting import set_up
from hil.demo.stage import ORIGIN, Stage
from ledger.command import Exit
from ledger.errors import Rejected
from ledger.proving import Trust

_TAKEN_OUT, _FEWEST_HOUSES = 0, 6


def run(arguments: argparse.Namespace) -> int:
    """Run the demo and return its exit status: 0 if everything held, 1 if not.

    Raises:
        Rejected: too few houses, or no faster than the wall clock.
        CertiflexError: a program did not do what it is for.
    """
    if arguments.nodes < _FEWEST_HOUSES:
        raise Rejected(f"the demo needs {_FEWEST_HOUSES} houses or more", where="--nodes")
    stage = Stage(arguments.directory, arguments.nodes, arguments.rate)
    with Screen("certiflex demo", color=not arguments.no_color) as screen:
        report = asyncio.run(_finished(stage, screen, keep=arguments.keep))
    if report is None:
        print(f"interrupted: all has ended; logs in {stage.path('log')}", file=sys.stderr)
        return Exit.INTERRUPTED
    report.write(stage.path("report.json"))
    print(report.summary())
    print(f"  {'report':<18}{stage.path('report.json')}")
    return Exit.OK if report.holds() else Exit.FALSE


async def _finished(stage: Stage, screen: Screen, *, keep: bool) -> Report | None:
    """Return the report, or nothing if the demo was told to end before it had one."""
    performance = asyncio.create_task(_played(stage, screen, keep=keep))

    def end() -> None:
        if performance.done():
            stage.cut()
            return
        told = f"told to end: {stage.running()} programs are ending; once more kills them"
        screen.tell(stage.clock.now_ms(), "step", told)
        performance.cancel()

    for told in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(told, end)
    try:
        return await performance
    except asyncio.CancelledError:
        return None
    finally:
        await _left_alone()
        await stage.end()


async def _left_alone() -> None:
    """Let every other task end, so that the commands they wait for are ended and seen off."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        if not each.cancelling():
            each.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _played(stage: Stage, screen: Screen, *, keep: bool) -> Report:
    acts = Acts()
    screen.tell(stage.clock.now_ms(), "step", f"setting the stage in {stage.directory}")
    with acts("the stage is set"):
        chain = await set_up(stage)
    cast = Cast(
        chain=chain,
        broker=stage.broker(),
        central=stage.central(),
        gateway=stage.gateway(),
        bench=stage.bench(),
        nodes={house.number: stage.node(house) for house in stage.houses},
    )
    play = Play(stage, cast, screen)
    market = Market(stage, play.tell)
    play.tell("step", "keys made, contract deployed, nodes enrolled")
    async with asyncio.TaskGroup() as meanwhile:
        with acts("evidence and markets, and everything that fails"):
            _, traded = await asyncio.gather(
                play.play(), _traded(stage, play, market, acts, meanwhile)
            )
        report = await _judged(stage, play, market, traded, acts)
    if keep:
        with contextlib.suppress(asyncio.CancelledError):  # Ctrl-C is how it is meant to end
            await _stay(stage, play, report)
    await play.close()
    return report


async def _traded(
    stage: Stage, play: Play, market: Market, acts: Acts, meanwhile: asyncio.TaskGroup
) -> tuple[DsoDay, MarketSession, Handed]:
    """Bring the plant's past, go through the market of the day, and let a line fail."""
    with acts("history"):
        rows = await bring_history(stage, play.clock.now_ms())
    play.tell("step", f"{rows:,} quarter-hours of the past imported, marked so")
    await play.up.wait()
    with acts("day ahead: the grid"):
        dso = await dso_day(stage, rows, play.tell)
    with acts("day ahead: the market"):
        session = await market.day_ahead(dso.day)
    play.screen.lay_out(table_of(session.session, session.merit))
    await play.delivered.wait()
    with acts("the next hours, and their market"):
        handed = await line_fails(stage, market, play.clock, play.tell, meanwhile)
    play.screen.lay_out(table_of(handed.market.session, handed.market.merit))
    return dso, session, handed


async def _judged(
    stage: Stage, play: Play, market: Market, traded: tuple[DsoDay, MarketSession, Handed],
    acts: Acts,
) -> Report:  # fmt: skip
    dso, session, handed = traded
    await play.stop_writers()
    with acts("proofs"):
        evidence, (anchored_size, proven) = await asyncio.gather(
            _evidence(stage, play, acts),
            market.proved([session.session, handed.market.session]),
        )
    trading = MarketDay(
        day_ahead=session,
        real_time=handed.market,
        anchored_size=anchored_size,
        proven=proven,
    )
    with acts("waiting for SCADA"):
        real_time = await handed.moved()
    return Report(
        **evidence,
        nodes=len(stage.houses),
        gas_per_window=play.gas_per_window(),
        dso=dso,
        real_time=real_time,
        market=trading,
        simulated_s=play.span.duration_ms // 1000,
        acts_s=acts.taken_s,
        wall_s=acts.so_far_s(),
    )


async def _evidence(stage: Stage, play: Play, acts: Acts) -> dict[str, Any]:
    """Return what the proofs, the judge and the audit say of what was measured."""
    house = stage.houses[_TAKEN_OUT]
    trust_file = await proof.write_trust(stage, ORIGIN, stage.log_key, "trust.toml")
    central = Central(stage, "dso")
    readings = await central.rows(house.pod, "readings", play.span)
    taken_ms = instant_ms(readings[len(readings) // 2]["time"])
    bundle = await proof.fetch_proof(stage, house, taken_ms, "good.bundle")
    verdicts = {
        "good": (await proof.verified(stage, bundle, trust_file)).verdict,
        "tampered": (await proof.verified(stage, proof.tamper_bundle(bundle), trust_file)).verdict,
        "unknown": (await proof.verified(stage, play.unanchored, trust_file)).verdict,
    }
    told = ", ".join(f"{name} is {word}" for name, word in verdicts.items())
    play.tell("seen", f"one reading of {house.pod}, checked offline: {told}")
    try:
        with acts("the judge"):
            judgement = await judge(
                stage.houses, play.span, central, play.witness, Trust.load(trust_file)
            )
        counters, gaps = await central.figures()
    finally:
        await central.close()
    play.tell("seen", f"{judgement.slots_judged:,} slots judged, one by one")
    with acts("the audit, of the database and of a copy that was tampered with"):
        clean, named = await asyncio.gather(proof.audit(stage), _tampering(stage, play))
    return {
        "readings_stored": counters["readings"],
        "gaps": gaps,
        "windows_anchored": counters["anchored"],
        "invariants": judgement.counts(),
        "violations": tuple(judgement.told),
        "verify": verdicts,
        "proofs_checked": judgement.proofs_checked,
        "audit_clean_findings": len(clean["findings"]),
        "audit_tampered": named,
    }


async def _tampering(stage: Stage, play: Play) -> dict[str, Any]:
    """Change one stored reading in a copy of the database, and return what the audit names."""
    house = stage.houses[-1]
    row, document = await proof.tamper_database(stage, house)
    named = next((each["row"] for each in document["findings"] if each["row"] == row), "")
    told = f"the audit names {named or 'nothing'}"
    play.tell("seen", f"a reading of {house.name} changed in a copy: {told}")
    return {"row": row, "named": named, "findings": len(document["findings"])}


async def _stay(stage: Stage, play: Play, report: Report) -> None:
    """Start again what was stopped for the proofs, and stay until Ctrl-C."""
    file = stage.path("report.json")
    report.write(file)
    play.tell("back" if report.holds() else "fault", f"{report.verdict()}; every figure in {file}")
    await play.cast.gateway.start()
    await asyncio.gather(*(node.start() for node in play.cast.nodes.values()))
    status = await gateway_status(stage)
    play.tell("step", f"up again at window {status['windows_closed']}; Ctrl-C ends it")
    play.tell("step", f"API {stage.central_url}, tokens in {stage.path('central')}")
    await play.watch()
