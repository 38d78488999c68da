"""I-02: the points of delivery that an aggregator brings to the market, and since when it may."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from central.documents.availability import Resource
from central.documents.forms import Instant, Whole, party
from central.documents.header import MAX_W, Document, need
from central.documents.shapes import Each
from ledger.facts.interval import Interval
from ledger.facts.pod import Pod


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCustomer:
    """A point of delivery in the market, with whom it concerns. Its consent is half-open."""

    pod: Annotated[Pod, "who takes part"]
    contract_w: Annotated[int, Whole("what its contract lets it take", least=1, most=MAX_W)]
    feed_in_w: Annotated[int, Whole("what its contract lets it give", least=0, most=MAX_W)]
    owner: Annotated[str, party("who owns what moves, and is told what is reserved")]
    balance_party: Annotated[str, party("the balance responsible party that files its programme")]
    resources: Annotated[
        tuple[Annotated[Resource, ""], ...],
        Each("what moves there, as in I-13", by=("value",), least=1),
    ]
    consent_start_ms: Annotated[int, Instant("from when its owner lets the aggregator offer it")]
    consent_end_ms: Annotated[int, Instant("from when on no more; withdrawn by a next revision")]

    def __post_init__(self) -> None:
        """Refuse a consent that ends before it starts."""
        need(self.consent_start_ms < self.consent_end_ms, "the consent ends before it starts")

    @property
    def consent(self) -> Interval:
        """Return when its owner lets the aggregator offer it."""
        return Interval(self.consent_start_ms, self.consent_end_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerList(Document):
    """I-02. Whoever is not in the newest revision does not take part; it may name nobody."""

    ii: ClassVar[str] = "I-02"

    customers: Annotated[tuple[ListedCustomer, ...], Each("who takes part", by=("pod",))]

    def __post_init__(self) -> None:
        """Refuse to name somebody who consents to nothing that the list speaks of."""
        for each in self.customers:
            need(
                each.consent.overlaps(self.validity),
                f"the consent of {each.pod} lies outside the validity",
            )
