"""Own means on their way to SCADA (DA-6a, RT-4a): taken before anything is asked of the market."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from central.documents.configuration import GridConfiguration
from central.dso.grid.model import Grid
from central.dso.powerflow import Setting
from central.dso.remedies.stepped import devices
from ledger.errors import CertiflexError

log = logging.getLogger("central")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where devices stand, by their names.

    Args:
        taps: position of each tap changer.
        steps: steps in service of each capacitor bank.
    """

    taps: Mapping[str, int]
    steps: Mapping[str, int]


class Scada(Protocol):
    """Moves what a configuration says, each move at its time, and each configuration once.

    A configuration is named by mRID and revision. When it has been taken the moves that are due
    are made, and the later ones take the place of what still waited within its validity. The same
    again moves nothing, so a call that raised `Unavailable` is safely made again. What is refused
    has moved nothing.
    """

    def standing(self) -> Standing:
        """Return where everything stands now.

        Raises:
            Unavailable: nobody can say for now.
            Refused: nobody wants to say.
        """
        ...

    def configure(self, configuration: GridConfiguration) -> int:
        """Return how many moves wait for their time.

        Raises:
            Unavailable: it may or may not have been taken.
            Refused: it cannot be done, and nothing was; `reason` says why.
        """
        ...


def setting_of(grid: Grid, standing: Standing) -> Setting:
    """Return how a grid is run, as SCADA says; what SCADA does not know stands as in its file."""
    tap_pos, steps = grid.tap_pos.copy(), grid.capacitor_steps.copy()
    told = {"tap_pos": (standing.taps, tap_pos), "capacitor_steps": (standing.steps, steps)}
    unknown = []
    for device in devices(grid):
        said, positions = told[device.field]
        if device.name in said:
            positions[device.column] = said[device.name]
        else:
            unknown.append(device.name)
    if unknown:
        log.warning("session.scada_knows_not", extra={"devices": unknown})
    return Setting(tap_pos=tap_pos, capacitor_steps=steps)


def hand_over(scada: Scada | None, configuration: GridConfiguration) -> str:
    """Return what became of a configuration, in words; without SCADA, that nobody has it.

    The caller has kept the document: what could not be handed over is handed over again.

    Raises:
        Unavailable: SCADA may or may not have taken it.
        Refused: SCADA will not do it, and has moved nothing.
    """
    told = {
        "mrid": configuration.mrid,
        "revision": configuration.revision,
        "moves": sum(map(len, (configuration.taps, configuration.switches,
                               configuration.capacitors))),
        "because": configuration.because,
    }  # fmt: skip
    if scada is None:
        log.warning("session.no_scada", extra=told)
        return "no SCADA is configured: nobody was told to move anything"
    try:
        waiting = scada.configure(configuration)
    except CertiflexError as error:
        log.warning("session.scada_failed", extra={**told, "why": str(error)})
        raise
    log.info("session.scada_took", extra={**told, "waiting": waiting})
    return f"SCADA took it; {waiting} moves wait for their time"
