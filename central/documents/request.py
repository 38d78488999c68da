"""I-06: how much flexibility is asked for, when, and where on the grid it helps."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from central.documents.elements import Bound, GridElement, Unsolved, Violation, need_elements
from central.documents.forms import Instant, Quarter, Whole, Words
from central.documents.header import (
    FULL_PERMILLE,
    MAX_W,
    Buyer,
    Direction,
    Document,
    Horizon,
    need,
)
from central.documents.offer import MAX_PRICE_UEUR_PER_MWH
from central.documents.shapes import Each


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedQuarter:
    """What is asked for in a quarter-hour, at the node where it helps most."""

    start_ms: Annotated[int, Quarter()]
    power_w: Annotated[int, Whole("in the request's direction", least=1, most=MAX_W)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """The effect of every node on one element in one quarter-hour: a row of the table.

    In 1e-9 of a volt or ampere per watt and per var *taken* at the node, load convention: the
    magnitude at the element changes by `p_nano_per_w[i] × ΔP + q_nano_per_var[i] × ΔQ` [nV, nA],
    `i` the position of the node in `nodes`.
    """

    position: Annotated[int, Whole("of the element in `elements`", least=0)]
    start_ms: Annotated[int, Quarter()]
    p_nano_per_w: Annotated[
        tuple[Annotated[int, Whole("")], ...], Each("per W, one for each of `nodes`")
    ]
    q_nano_per_var: Annotated[
        tuple[Annotated[int, Whole("")], ...], Each("per var, one for each of `nodes`")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlexRequest(Document):
    """I-06. A request of the TSO may name no element: then any power at the substation helps."""

    ii: ClassVar[str] = "I-06"

    session: Annotated[str, Words("the market session it is made for")]
    horizon: Annotated[Horizon, "which market"]
    expires_ms: Annotated[int, Instant("when the request ends, unless it was met")]
    buyer: Annotated[Buyer, "who asks"]
    primary_substation: Annotated[str, Words("the grid it is about")]
    direction: Annotated[Direction, "what is asked for"]
    reason: Annotated[Bound, "what most of it is asked for"]
    quarters: Annotated[
        tuple[RequestedQuarter, ...], Each("how much, and when", by=("start_ms",), least=1)
    ]
    elements: Annotated[tuple[GridElement, ...], Each("the limits that must hold")]
    violations: Annotated[
        tuple[Violation, ...],
        Each(
            "what it relieves, or nothing asked for, as forecast",
            by=("position", "start_ms", "scenario"),
        ),
    ]
    nodes: Annotated[
        tuple[Annotated[str, Words("")], ...], Each("the nodes that the sensitivities speak of")
    ]
    sensitivities: Annotated[
        tuple[Sensitivity, ...], Each("what each node can do", by=("position", "start_ms"))
    ]
    maximum_price_ueur_per_mwh: Annotated[
        int, Whole("the most that is paid", least=0, most=MAX_PRICE_UEUR_PER_MWH)
    ]
    reliability_permille: Annotated[
        int, Whole("how sure delivery must be", least=0, most=FULL_PERMILLE)
    ]
    confidence_permille: Annotated[
        int, Whole("the quantile of the forecast that it rests on", least=0, most=FULL_PERMILLE)
    ]
    unsolved: Annotated[
        tuple[Unsolved, ...],
        Each("what no flexibility known can solve", by=("start_ms", "scenario", "position")),
    ]

    def __post_init__(self) -> None:
        """Refuse a table that does not fit its elements and nodes."""
        need_elements(self.elements, self.violations, self.sensitivities, self.unsolved)
        need(len(set(self.nodes)) == len(self.nodes), "nodes names one twice")
        need(
            all(len(row) == len(self.nodes) for row in self._rows()),
            f"a row of sensitivities does not have the length of nodes, {len(self.nodes)}",
        )
        need(self.buyer is Buyer.TSO or bool(self.sensitivities), "sensitivities are missing")

    def _rows(self) -> Iterator[tuple[int, ...]]:
        for row in self.sensitivities:
            yield row.p_nano_per_w
            yield row.q_nano_per_var
