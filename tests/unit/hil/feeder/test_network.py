"""The network as it is built from its description."""

from hil.feeder.description import read_description
from hil.feeder.network import SensorKind, built


def test_every_low_voltage_copy_stands() -> None:
    network = built(read_description())
    assert len(network.nodes) == 1 + 14 + 5 * 18
    assert network.nodes[0] == network.source == "HV-0"
    assert network.nominal_v["LV-10-R18"] == 400
    assert {one.name for one in network.transformers} == {
        "TR-1", "TR-2", "TS-3", "TS-5", "TS-6", "TS-8", "TS-10",
    }  # fmt: skip
    by_name = {line.name: line for line in network.lines}
    assert by_name["L-3-R4-R12"].ends == ("LV-3-R4", "LV-3-R12")
    assert len(network.lines) == 15 + 5 * 17


def test_the_breaker_stands_where_the_low_voltage_leaves_its_busbar() -> None:
    network = built(read_description())
    (breaker,) = (one for one in network.switches if one.name == "LV3G-8")
    assert (breaker.branch, breaker.node, breaker.closed) == ("L-8-R1-R2", "LV-8-R1", True)
    (sensor,) = (one for one in network.sensors if one.name == "LV3G-8")
    assert sensor.kind is SensorKind.BREAKER
    assert (sensor.branch, sensor.node) == (breaker.branch, breaker.node)


def test_the_normal_state_is_radial_and_untapped() -> None:
    state = built(read_description()).normal_state()
    assert {name for name, closed in state.closed.items() if not closed} == {"S1", "S2", "S3"}
    assert set(state.taps.values()) == {0}
    assert not state.out


def test_a_state_changes_into_another_and_stays_itself() -> None:
    normal = built(read_description()).normal_state()
    changed = normal.tapped("TR-1", -2).switched("S1", closed=True).without("L-3-4")
    assert (changed.taps["TR-1"], changed.closed["S1"], changed.out) == (
        -2,
        True,
        frozenset({"L-3-4"}),
    )
    assert changed.restored("L-3-4").out == frozenset()
    assert (normal.taps["TR-1"], normal.closed["S1"], normal.out) == (0, False, frozenset())


def test_more_turns_above_is_less_voltage_below() -> None:
    (tr1, *_) = built(read_description()).transformers
    assert tr1.turns_at(3) > tr1.turns_at(0) > tr1.turns_at(-3)
    assert tr1.turns_at(-9) == tr1.turns * (1 - 9 * 0.0167)
