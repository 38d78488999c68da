"""What each customer can move (DA-3b): devices within baseline, contract and their owner's word.

All devices of a customer can be moved at once, up, down and back, in any combination, without
breaking the contract: what baseline and contract leave is divided among them by their power.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from central.aggregator.baseline import Baselines, Ground
from central.aggregator.devices.battery import move_batteries
from central.aggregator.devices.declared import Battery, Device, Generation, Load, Vehicle
from central.aggregator.devices.generation import move_generation
from central.aggregator.devices.load import move_loads
from central.aggregator.devices.moving import UNLIMITED, Leeway, Movement
from central.aggregator.devices.vehicle import move_vehicles
from central.aggregator.history import Floats, Integers
from central.aggregator.portfolio import Portfolio
from central.documents.availability import DerAvailability, Resource
from central.documents.baseline import Baseline
from ledger.facts.interval import QUARTER_MS, Interval

_KINDS: tuple[type[Device], ...] = (Load, Battery, Vehicle, Generation)


@dataclass(frozen=True, slots=True)
class Room:
    """What baseline and contract leave to each customer, 0 or more, shape (customers, quarters).

    Args:
        take_w: how much more it may take.
        give_w: how much less it may take, or more give.
        running_w: what surely runs beyond its standing load.
        given_w: what it surely gives to the grid.
    """

    take_w: Floats
    give_w: Floats
    running_w: Floats
    given_w: Floats


@dataclass(frozen=True, slots=True)
class Movable:
    """What devices of one kind can do in one way, in whole watts.

    Args:
        resource: the kind.
        customer: position in the portfolio of each row.
        devices: of each row.
        movement: how; its powers are whole, and 0 where less is left than what is worth a call.
    """

    resource: Resource
    customer: Integers
    devices: tuple[Device, ...]
    movement: Movement


@dataclass(frozen=True, slots=True)
class _Rows:
    """Devices of one kind, and where their customers stand in the portfolio."""

    kind: type[Device]
    customer: Integers
    devices: tuple[Device, ...]


def movable(
    portfolio: Portfolio,
    baselines: Baselines,
    availabilities: Sequence[DerAvailability],
    *,
    filed: Sequence[Baseline] = (),
    least_w: int = 1,
    lasting: int = 1,
) -> Iterator[Movable]:
    """Yield what the devices of a portfolio can move.

    Args:
        portfolio: customers with their devices.
        baselines: of these customers.
        availabilities: what owners allow (I-13); without one, a device stays at rest. The last of
            several for one resource counts.
        filed: programmes (I-03) that are known: the market measures offers against these, so that
            the tighter of both baselines counts.
        least_w: what is worth a call.
        lasting: how long batteries can be called at the least [quarters].
    """
    room = room_of(portfolio, baselines, filed)
    allowed = latest(availabilities)
    for kind in _KINDS:
        rows = [
            (number, device)
            for number, customer in enumerate(portfolio.customers)
            for device in customer.devices
            if isinstance(device, kind)
        ]
        if not rows:
            continue
        position = np.array([number for number, _ in rows], dtype=np.int64)
        of_kind = _Rows(kind, position, tuple(device for _, device in rows))
        told = [allowed.get((baselines.pods[at], kind.resource)) for at in position]
        leeway = _leeway(portfolio, room, of_kind, told, baselines.interval)
        for movement in _moved(of_kind, leeway, baselines.interval, lasting):
            whole = _in_whole_watts(movement, least_w)
            if whole.power_w.any():
                yield Movable(kind.resource, position, of_kind.devices, whole)


def latest(
    availabilities: Sequence[DerAvailability],
) -> Mapping[tuple[str, Resource], DerAvailability]:
    """Return the last word on each resource of each POD."""
    ordered = sorted(availabilities, key=lambda each: (each.created_ms, each.revision, each.mrid))
    return {(each.pod.code, each.resource): each for each in ordered}


def room_of(portfolio: Portfolio, baselines: Baselines, filed: Sequence[Baseline]) -> Room:
    """Return what baseline and contract leave.

    Nothing where the baseline rests on nothing or the owner has not consented.
    """
    rests = np.array([each is not Ground.NOTHING for each in baselines.ground], dtype=np.bool_)
    own_w = np.where(rests[:, None], baselines.power_w, 0.0)
    error_w = np.where(rests[:, None], baselines.error_w, 0.0)
    filed_w = _filed_w(portfolio, baselines.interval, filed)
    high_w, low_w = (
        pick(own_w, np.where(np.isnan(filed_w), own_w, filed_w)) for pick in (np.fmax, np.fmin)
    )
    may = rests[:, None] & portfolio.consented(baselines.interval)
    contract_w, feed_in_w = (
        np.where(may, each[:, None], 0.0) for each in (portfolio.contract_w, portfolio.feed_in_w)
    )
    return Room(
        take_w=np.clip(contract_w - high_w, 0.0, contract_w),
        give_w=np.where(may, np.clip(feed_in_w + low_w, 0.0, contract_w), 0.0),
        running_w=np.clip(low_w - error_w - baselines.standing_w[:, None], 0.0, contract_w),
        given_w=np.clip(-high_w - error_w, 0.0, contract_w),
    )


def _filed_w(portfolio: Portfolio, interval: Interval, filed: Sequence[Baseline]) -> Floats:
    filed_w = np.full((len(portfolio.pods), interval.duration_ms // QUARTER_MS), np.nan)
    row = {pod: number for number, pod in enumerate(portfolio.pods)}
    for programme in sorted(filed, key=lambda each: (each.created_ms, each.revision, each.mrid)):
        number = row.get(programme.pod.code)
        for quarter in programme.quarters if number is not None else ():
            if quarter.start_ms in interval:
                at = (quarter.start_ms - interval.start_ms) // QUARTER_MS
                filed_w[number, at] = quarter.power_w
    return filed_w


def _leeway(
    portfolio: Portfolio,
    room: Room,
    rows: _Rows,
    told: Sequence[DerAvailability | None],
    interval: Interval,
) -> Leeway:
    """Return the leeway of devices of one kind: their part of the room, and their owners' word."""
    part = _part(portfolio, rows, _KINDS)
    take_w, give_w = room.take_w[rows.customer] * part, room.give_w[rows.customer] * part
    running_w = room.running_w[rows.customer]
    if rows.kind in {Load, Vehicle}:
        give_w = np.minimum(give_w, running_w * _part(portfolio, rows, (Load, Vehicle)))
    if rows.kind is Generation:
        take_w = np.minimum(take_w, room.given_w[rows.customer])
    up_w, down_w = _allowed_w(told, interval)
    return Leeway(
        take_w=take_w,
        give_w=give_w,
        running_w=running_w,
        up_w=up_w,
        down_w=down_w,
        longest=_figures(told, "longest_s", UNLIMITED * 900) // 900,
        rest=-(-_figures(told, "rest_s", 0) // 900),
        calls=_figures(told, "call_count", UNLIMITED),
    )


def _part(portfolio: Portfolio, rows: _Rows, kinds: tuple[type[Device], ...]) -> Floats:
    """Return each device's part of the power of all its customer's of some kinds, a column."""
    total_w = np.array(
        [
            sum(device.power_w for device in customer.devices if isinstance(device, kinds))
            for customer in portfolio.customers
        ],
        dtype=np.float64,
    )
    own_w = np.array([device.power_w for device in rows.devices], dtype=np.float64)
    part: Floats = (own_w / total_w[rows.customer])[:, None]
    return part


def _allowed_w(told: Sequence[DerAvailability | None], interval: Interval) -> tuple[Floats, Floats]:
    quarters = interval.duration_ms // QUARTER_MS
    allowed_w = np.zeros((2, len(told), quarters))
    for row, each in enumerate(told):
        if each is None or not each.quarters:
            continue
        table = np.array([(one.start_ms, one.up_w, one.down_w) for one in each.quarters])
        at = (table[:, 0] - interval.start_ms) // QUARTER_MS
        inside = (at >= 0) & (at < quarters)
        allowed_w[:, row, at[inside]] = table[inside, 1:].T
    return allowed_w[0], allowed_w[1]


def _figures(told: Sequence[DerAvailability | None], name: str, otherwise: int) -> Integers:
    figures = [otherwise if each is None else getattr(each, name) for each in told]
    return np.array([otherwise if one is None else one for one in figures], dtype=np.int64)


def _moved(rows: _Rows, leeway: Leeway, interval: Interval, lasting: int) -> Iterator[Movement]:
    devices = rows.devices
    if rows.kind is Load:
        return move_loads([each for each in devices if isinstance(each, Load)], leeway)
    if rows.kind is Battery:
        batteries = [each for each in devices if isinstance(each, Battery)]
        return move_batteries(batteries, leeway, lasting)
    if rows.kind is Vehicle:
        cars = [each for each in devices if isinstance(each, Vehicle)]
        return move_vehicles(cars, leeway, interval)
    return move_generation([each for each in devices if isinstance(each, Generation)], leeway)


def _in_whole_watts(movement: Movement, least_w: int) -> Movement:
    """Round down, and leave out what is less than can be moved, or than is worth a call."""
    power_w = np.floor(movement.power_w + 1e-9)
    enough = power_w >= np.maximum(np.ceil(movement.least_w), least_w)[:, None]
    able = (movement.longest > 0) & (movement.calls > 0)
    return replace(movement, power_w=np.where(enough & able[:, None], power_w, 0.0))
