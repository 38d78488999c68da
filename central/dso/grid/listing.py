"""A grid's elements as rows for people and spreadsheets, each column with its unit."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # command lines list what can be listed, and need no grid for it
    from collections.abc import Callable, Mapping

    from central.dso.grid.model import Grid

Row = dict[str, Any]


def node_rows(grid: "Grid") -> list[Row]:
    """Return one row for each node."""
    return [
        {
            "node": node.name,
            "area": node.area,
            "rated_v": float(rated_v),
            "low_pu": node.low_pu,
            "high_pu": node.high_pu,
        }
        for node, rated_v in zip(grid.nodes, grid.rated_v, strict=True)
    ]


def branch_rows(grid: "Grid") -> list[Row]:
    """Return one row for each branch, its rating the current at the from side."""
    kinds = {n: kind for kind, span in grid.spans.items() for n in range(span.start, span.stop)}
    return [
        {
            "branch": branch.name,
            "kind": kinds[n],
            "from": grid.nodes[grid.branch_from[n]].name,
            "to": grid.nodes[grid.branch_to[n]].name,
            "closed": bool(grid.closed[n]),
            "switch": branch.switch,
            "rating_a": round(float(grid.rating_a[0][n]), 3) if kinds[n] != "link" else None,
        }
        for n, branch in enumerate(grid.branches)
    ]


def pod_rows(grid: "Grid") -> list[Row]:
    """Return one row for each point of delivery."""
    return [
        {
            "pod": one.pod,
            "node": grid.nodes[one.node].name,
            "contract_w": one.contract_w,
            "phases": one.phases,
            "tan_phi": one.tan_phi,
            "profile": one.profile,
        }
        for one in grid.connections
    ]


def sensor_rows(grid: "Grid") -> list[Row]:
    """Return one row for each field sensor."""
    return [
        {
            "sensor": one.name,
            "kind": one.kind,
            "node": None if one.node is None else grid.nodes[one.node].name,
            "branch": None if one.branch is None else grid.branches[one.branch].name,
            "sigma_pct": one.sigma_pct,
        }
        for one in grid.sensors
    ]


LISTS: "Mapping[str, Callable[[Grid], list[Row]]]" = {
    "nodes": node_rows,
    "branches": branch_rows,
    "pods": pod_rows,
    "sensors": sensor_rows,
}


def summary(grid: "Grid") -> Row:
    """Return what there is, what is open, and where the operator's own means stand."""
    start = grid.spans["transformer"].start
    made = grid.network.get("transformer", ())
    return {
        "name": grid.name,
        "source": grid.source,
        "counts": {
            "nodes": len(grid.nodes),
            **{f"{kind}s": span.stop - span.start for kind, span in grid.spans.items()},
            "pods": len(grid.connections),
            "sensors": len(grid.sensors),
        },
        "substations": {
            each.name: [grid.branches[t].name for t in each.transformers]
            for each in grid.substations
        },
        "open": [row["branch"] for row in branch_rows(grid) if not row["closed"]],
        "taps": {
            grid.branches[means.branch].name: {
                column: int(made[means.branch - start][f"tap_{column}"])
                for column in ("pos", "min", "max")
            }
            for means in grid.taps
        },
        "capacitors": {
            means.name: {"steps_in": int(steps), "steps": means.steps, "step_var": means.step_var}
            for means, steps in zip(grid.capacitors, grid.capacitor_steps, strict=True)
        },
    }


def node_detail(grid: "Grid", name: str) -> Row:
    """Return a node with all that hangs on it.

    Raises:
        Rejected: `unknown_node`.
    """
    row = node_rows(grid)[grid.node(name)]
    return row | {
        "branches": [each for each in branch_rows(grid) if name in {each["from"], each["to"]}],
        "pods": [each for each in pod_rows(grid) if each["node"] == name],
        "sensors": [each for each in sensor_rows(grid) if each["node"] == name],
    }


def branch_detail(grid: "Grid", name: str) -> Row:
    """Return a branch with what the network says of it, in the units of power-grid-model.

    Raises:
        Rejected: `unknown_branch`.
    """
    position = grid.branch(name)
    row = branch_rows(grid)[position]
    span, values = grid.spans[row["kind"]], grid.network[row["kind"]]
    given = values[position - span.start]
    network = {column: given[column].item() for column in values.dtype.names or ()}
    return row | {
        "network": {column: value for column, value in network.items() if value == value},  # noqa: PLR0124 -- NaN: not given
        "sensors": [each for each in sensor_rows(grid) if each["branch"] == name],
    }


def pod_detail(grid: "Grid", code: str) -> Row:
    """Return a point of delivery with its node.

    Raises:
        Rejected: `unknown_pod`.
    """
    row = pod_rows(grid)[grid.pod(code)]
    return row | {"at": node_rows(grid)[grid.node(row["node"])]}
