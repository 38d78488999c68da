"""Laws of the plant's power flow, on feeders and loads drawn at random."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.feeder.description import Description, LineEntry, NodeGroup, Source, SwitchEntry
from hil.feeder.elements import Complexes
from hil.feeder.flow import Wiring
from hil.feeder.network import built
from tests.hil.networks import KIND


@st.composite
def feeders(draw: st.DrawFn) -> tuple[Description, Complexes]:
    """Draw a feeder with some rings, some open, and loads and generation on each phase."""
    count = draw(st.integers(2, 12))
    nodes = ["S", *(f"N{number}" for number in range(1, count))]
    pairs = {(draw(st.integers(0, number - 1)), number) for number in range(1, count)}
    chords = draw(
        st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=4)
    )
    rings = {(min(pair), max(pair)) for pair in chords if pair[0] != pair[1]} - pairs
    lengths = st.integers(100, 3000)
    lines = tuple(
        LineEntry(f"L{a}-{b}", (nodes[a], nodes[b]), KIND.name, draw(lengths))
        for a, b in sorted(pairs | rings)
    )
    switches = tuple(
        SwitchEntry(f"Q{a}-{b}", f"L{a}-{b}", nodes[b], draw(st.booleans()))
        for a, b in sorted(rings)
    )
    description = Description(
        "drawn", Source("S", 20_000, 1.02), (KIND,), (NodeGroup(20_000, tuple(nodes[1:])),), lines,
        switch=switches,
    )  # fmt: skip
    part = st.integers(-100_000, 200_000)
    loads = np.array(
        [[complex(draw(part), draw(part)) for _ in range(3)] for _ in nodes], dtype=complex
    )
    return description, loads


@settings(max_examples=60, deadline=None)
@given(feeders())
def test_nothing_is_lost_but_heat(drawn: tuple[Description, Complexes]) -> None:
    description, loads = drawn
    network = built(description)
    flow = Wiring(network, network.normal_state()).solve(loads)
    assert flow.mismatch_va() < 1e-3
    assert flow.losses_w() >= 0
    # Branch by branch it is the same account.
    of_branches = sum(
        flow.branch_power_va(one.name, end).sum() for one in network.branches for end in one.ends
    )
    assert abs(of_branches.real - flow.losses_w()) < 1e-3
    taken_w = loads[1:].sum().real
    assert abs(flow.supplied_va().real - taken_w - flow.losses_w()) < 1e-2


@settings(max_examples=40, deadline=None)
@given(feeders())
def test_phases_are_alike(drawn: tuple[Description, Complexes]) -> None:
    """Loads turned by one phase turn the voltages by one phase."""
    description, loads = drawn
    network = built(description)
    wiring = Wiring(network, network.normal_state())
    turned = np.roll(wiring.solve(loads).voltages_v, 1, axis=1)
    again = wiring.solve(np.roll(loads, 1, axis=1)).voltages_v
    assert np.abs(np.abs(turned) - np.abs(again)).max() < 1e-6 * 20_000


@settings(max_examples=40, deadline=None)
@given(feeders(), st.data())
def test_a_line_out_and_back_is_as_if_nothing_had_been(
    drawn: tuple[Description, Complexes], data: st.DataObject
) -> None:
    description, loads = drawn
    network = built(description)
    normal = network.normal_state()
    before = Wiring(network, normal).solve(loads)
    line = data.draw(st.sampled_from([one.name for one in network.lines]))
    broken = Wiring(network, normal.without(line))
    between = broken.solve(loads, start=before)
    assert between.mismatch_va() < 1e-3
    assert all(not np.any(between.voltage_v(node)) for node in broken.unsupplied())
    after = Wiring(network, normal.without(line).restored(line)).solve(loads, start=between)
    assert np.abs(after.voltages_v - before.voltages_v).max() < 1e-6 * 20_000
