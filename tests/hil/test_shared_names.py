"""Plant and operator share names and the register of customers, and nothing else."""

from central.dso.grid.demo.building import built as operators_grid
from hil.feeder.customers import customers_of
from hil.feeder.description import read_description
from hil.feeder.network import built

GRID = operators_grid()
DESCRIPTION = read_description()
NETWORK = built(DESCRIPTION)


def test_nodes_and_branches_are_called_the_same() -> None:
    assert {node.name for node in GRID.nodes} == set(NETWORK.nodes)
    assert {branch.name for branch in GRID.branches} == {one.name for one in NETWORK.branches}
    assert {bank.name for bank in GRID.capacitors} == {one.name for one in NETWORK.capacitors}


def test_the_register_of_customers_is_one() -> None:
    theirs = {
        one.pod: (GRID.nodes[one.node].name, one.phases, one.contract_w) for one in GRID.connections
    }
    ours = {
        one.pod: (one.node, "".join("abc"[phase] for phase in one.phases), one.contract_w)
        for one in customers_of(DESCRIPTION)
    }
    assert len(ours) > 200
    assert theirs == ours


def test_what_the_operator_moves_is_there() -> None:
    branches = [branch.name for branch in GRID.branches]
    changers = {one.name: one for one in NETWORK.transformers}
    moved = [changers[branches[means.branch]] for means in GRID.taps]
    assert moved
    assert all(one.on_load and one.tap_span == 9 for one in moved)
    switched = {branch.name for branch in GRID.branches if branch.switch}
    assert switched == {one.branch for one in NETWORK.switches if not one.closed}


def test_every_device_in_the_field_is_one_that_the_operator_knows() -> None:
    """What flows is told away from the node that both say it sits at."""
    known = {sensor.name: sensor for sensor in GRID.sensors}
    assert len(NETWORK.sensors) >= 10
    for place in NETWORK.sensors:
        sensor = known[place.name]
        if sensor.branch is None:
            assert sensor.node is not None
            assert GRID.nodes[sensor.node].name == place.node
        else:
            assert GRID.branches[sensor.branch].name == place.branch
            assert GRID.nodes[int(GRID.branch_from[sensor.branch])].name == place.node
    assert {place.name for place in NETWORK.sensors} <= known.keys()


def test_every_breaker_in_the_field_is_one_that_the_operator_knows() -> None:
    branches = {branch.name for branch in GRID.branches}
    sensors = {sensor.name: sensor for sensor in GRID.sensors}
    assert {"S1", "LV3G-3", "L-2-3", "TR-1", "TS-10"} <= NETWORK.breakers.keys()
    for breaker, branch in NETWORK.breakers.items():
        sensor = sensors.get(breaker)
        at = sensor.branch if sensor is not None else GRID.branch(breaker)
        assert at is not None
        assert GRID.branches[at].name == branch
    above = {one.name for one in NETWORK.branches if not one.ends[0].startswith("LV")}
    assert above <= set(NETWORK.breakers.values()) <= branches
