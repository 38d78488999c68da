"""Transformers of pandapower as power-grid-model has them, and what cannot be had.

pandapower calculates with a T by default and power-grid-model with a π: the two are the same
network for other figures, and those are put in (star-delta transformation).
"""

import cmath
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from power_grid_model import BranchSide, WindingType

from central.dso.grid.importing.report import ImportReport
from central.dso.grid.importing.tables import Net, Record, number, text

_GROUP = re.compile(r"(YN|Y|D|ZN|Z)(yn|y|d|zn|z)")
_WINDINGS = {"Y": WindingType.wye, "YN": WindingType.wye_n, "D": WindingType.delta,
             "Z": WindingType.zigzag, "ZN": WindingType.zigzag_n}  # fmt: skip
_DEGREES = 30.0
_LEAST_UK = 1e-3


@dataclass(frozen=True, slots=True)
class Windings:
    """A two-winding transformer of pandapower, all of its parallel units together.

    Args:
        name: as in the origin.
        z_pu: series impedance, on its own rating.
        y_pu: magnetising admittance, on its own rating.
        sn_va: rated power.
        high_v: rated voltage of the from side.
        low_v: rated voltage of the to side.
        shift_deg: by how much the to side lags.
        taps: columns `tap_…` of the origin.
        group: vector group, or nothing.
        limit: greatest loading over the rating (pandapower's `df`).
    """

    name: str
    z_pu: complex
    y_pu: complex
    sn_va: float
    high_v: float
    low_v: float
    shift_deg: float
    taps: Record
    group: str = ""
    limit: float = 1.0


def two_windings(record: Record, name: str) -> Windings:
    """Return a transformer of the table `trafo`."""
    parallel, unit_va = number(record, "parallel", 1.0), number(record, "sn_mva") * 1e6
    r_pu, z_pu = number(record, "vkr_percent", 0.0) / 100, number(record, "vk_percent") / 100
    return Windings(
        name,
        complex(r_pu, math.sqrt(max(z_pu**2 - r_pu**2, 0.0))),
        _magnetising(record, unit_va),
        unit_va * parallel,
        number(record, "vn_hv_kv") * 1e3,
        number(record, "vn_lv_kv") * 1e3,
        number(record, "shift_degree", 0.0),
        record,
        text(record, "vector_group"),
        number(record, "df", 1.0),
    )


def three_windings(record: Record, name: str) -> Iterator[tuple[str, Windings]]:
    """Return side and equivalent of each winding: from high to star, from star to the others.

    Source: IEC 60909-0:2016, 6.3.2: impedances between pairs of windings, each on the smaller
    rating of the pair, as a star.
    """
    rated_va = {side: number(record, f"sn_{side}_mva") * 1e6 for side in ("hv", "mv", "lv")}
    high_va = rated_va["hv"]
    pair = {
        key: _pair(record, key, high_va / min(rated_va[a], rated_va[b]))
        for key, a, b in (("hv", "hv", "mv"), ("mv", "mv", "lv"), ("lv", "lv", "hv"))
    }
    star = {
        "hv": (pair["hv"] + pair["lv"] - pair["mv"]) / 2,
        "mv": (pair["mv"] + pair["hv"] - pair["lv"]) / 2,
        "lv": (pair["lv"] + pair["mv"] - pair["hv"]) / 2,
    }
    loss_side, tapped = text(record, "loss_side", "hv"), text(record, "tap_side")
    for side, z_pu in star.items():
        taps = {key: value for key, value in record.items() if key.startswith("tap_")}
        taps["tap_side"] = ("hv" if side == "hv" else "lv") if side == tapped else ""
        yield (
            side,
            Windings(
                f"{name}.{side}",
                z_pu * rated_va[side] / high_va,
                _magnetising(record, rated_va[side]) if side == loss_side else 0j,
                rated_va[side],
                number(record, "vn_hv_kv") * 1e3,
                number(record, f"vn_{side}_kv") * 1e3,
                0.0 if side == "hv" else number(record, f"shift_{side}_degree", 0.0),
                taps,
            ),
        )


def _pair(record: Record, key: str, to_high: float) -> complex:
    r_pu = number(record, f"vkr_{key}_percent", 0.0) / 100 * to_high
    z_pu = number(record, f"vk_{key}_percent") / 100 * to_high
    return complex(r_pu, math.sqrt(max(z_pu**2 - r_pu**2, 0.0)))


def _magnetising(record: Record, unit_va: float) -> complex:
    g_pu = number(record, "pfe_kw", 0.0) * 1e3 / unit_va
    y_pu = number(record, "i0_percent", 0.0) / 100
    return complex(g_pu, -math.sqrt(max(y_pu**2 - g_pu**2, 0.0)))


def as_pi(windings: Windings) -> Windings:
    """Return the π that a T with half of its impedance at each side is; exact."""
    z_pu, y_pu = windings.z_pu, windings.y_pu
    return replace(windings, z_pu=z_pu + z_pu**2 * y_pu / 4, y_pu=2 * y_pu / (2 + z_pu * y_pu / 2))


def columns(windings: Windings, report: ImportReport, table: str) -> dict[str, Any] | None:
    """Return the columns of a transformer of power-grid-model, or None where it is refused."""
    taps = _taps(windings, report, table)
    clock = windings.shift_deg / _DEGREES
    if abs(clock - round(clock)) > 1e-6:  # noqa: PLR2004 -- noise of a decimal
        what = f"turns by {windings.shift_deg:g}°, and only multiples of 30° can be had"
        report.refused(table, windings.name, what)
        return None
    uk = abs(windings.z_pu)
    if windings.z_pu.imag < 0 or uk < _LEAST_UK:
        sign = "-" if windings.z_pu.imag < 0 else ""
        what = f"a short-circuit voltage of {sign}{100 * uk:g} % cannot be had"
        report.refused(table, windings.name, what)
        return None
    winding_from, winding_to = _group(windings, round(clock) % 12, report, table)
    sn_va = windings.sn_va * windings.limit
    return taps and {
        "u1": windings.high_v, "u2": windings.low_v, "sn": sn_va, "uk": uk * windings.limit,
        "pk": windings.z_pu.real * sn_va * windings.limit,
        "i0": abs(windings.y_pu) / windings.limit, "p0": windings.y_pu.real * windings.sn_va,
        "winding_from": winding_from, "winding_to": winding_to, "clock": round(clock) % 12, **taps,
    }  # fmt: skip


def _group(
    windings: Windings, clock: int, report: ImportReport, table: str
) -> tuple[WindingType, WindingType]:
    if found := _GROUP.match(windings.group):
        return _WINDINGS[found[1]], _WINDINGS[found[2].upper()]
    what = "no vector group: taken as Dyn or YNyn by its shift, which only asymmetry can tell"
    report.approximated(table, windings.name, what)
    return (WindingType.delta if clock % 2 else WindingType.wye_n), WindingType.wye_n


def _taps(windings: Windings, report: ImportReport, table: str) -> dict[str, Any] | None:
    """Return the columns of the tap changer, or None where it is refused."""
    taps, name = windings.taps, windings.name
    neutral = number(taps, "tap_neutral", 0.0)
    position, step_pct = number(taps, "tap_pos", neutral), number(taps, "tap_step_percent", 0.0)
    if why := _beyond(taps, position, neutral):
        if position != neutral or number(taps, "tap2_pos", 0.0) != number(
            taps, "tap2_neutral", 0.0
        ):
            report.refused(table, name, f"{why} cannot be had, and it is in use")
            return None
        report.dropped(table, name, f"{why}; it is not in use")
    side = text(taps, "tap_side")
    if side not in {"hv", "lv"} or step_pct == 0:
        return {"tap_side": BranchSide.from_side, "tap_pos": 0, "tap_min": 0, "tap_max": 0,
                "tap_nom": 0, "tap_size": 0.0}  # fmt: skip
    if not text(taps, "tap_changer_type") and position != neutral:
        what = "no tap_changer_type: its position counts here, and not in pandapower from 3 on"
        report.approximated(table, name, what)
    low, high = number(taps, "tap_min", min(position, neutral)), number(
        taps, "tap_max", max(position, neutral)
    )  # fmt: skip
    rated_v = windings.high_v if side == "hv" else windings.low_v
    first, last = (low, high) if step_pct > 0 else (high, low)
    return {
        "tap_side": BranchSide.from_side if side == "hv" else BranchSide.to_side,
        "tap_pos": round(position), "tap_nom": round(neutral),
        "tap_min": round(first), "tap_max": round(last),
        "tap_size": abs(step_pct) / 100 * rated_v,
    }  # fmt: skip


def _beyond(taps: Record, position: float, neutral: float) -> str:
    """Return what a tap changer has that power-grid-model has not."""
    if number(taps, "tap_step_degree", 0.0):
        return "a tap changer that turns the phase"
    if number(taps, "tap_dependency_table", 0.0):
        return "an impedance and ratio by table"
    if number(taps, "tap_at_star_point", 0.0):
        return "a tap changer at the star point"
    if text(taps, "tap2_side"):
        return "a second tap changer"
    if position % 1 or neutral % 1:
        return "a position between two taps"
    return ""


def leakage_is_even(record: Record) -> bool:
    """Tell whether a transformer's T has half of its impedance at each side."""
    ratios = ("leakage_resistance_ratio_hv", "leakage_reactance_ratio_hv")
    return all(cmath.isclose(number(record, ratio, 0.5), 0.5) for ratio in ratios)


def is_t(net: Net) -> bool:
    """Tell whether the origin calculates with a T, which is pandapower's default."""
    options = net.get("user_pf_options") or {}
    return str(options.get("trafo_model", "t")) == "t"
