"""Whose customers points of delivery are: each one aggregator's at a time, the first to list it.

```
 aggregator-1   I-02  POD 1, 2          stands
 aggregator-2   I-02  POD 2, 3          refused: listed_by_another, POD 2 is aggregator-1's
 aggregator-1   I-02  POD 1, revision 2 stands; POD 2 is free
 aggregator-2   I-02  POD 2, 3          stands
```

A list is refused as a whole, and the one of its sender before it stays. Two lists may name one POD
where its owner goes from one aggregator to the other: where consents and validities share no
instant.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from central.documents.customers import CustomerList, ListedCustomer
from central.documents.header import Reference
from ledger.errors import Rejected


@dataclass(frozen=True, slots=True)
class Standing:
    """The lists that count.

    Args:
        portfolios: the list of each aggregator, by its party.
        refused: lists that do not count, and why.
    """

    portfolios: Mapping[str, CustomerList]
    refused: Mapping[Reference, Rejected]


def standing(lists: Iterable[CustomerList]) -> Standing:
    """Return the lists that count of all that were handed in.

    Args:
        lists: every revision, in the order in which they were stamped.
    """
    portfolios: dict[str, CustomerList] = {}
    refused: dict[Reference, Rejected] = {}
    for each in lists:
        known = portfolios.get(each.sender)
        if known is not None and known.mrid == each.mrid and known.revision >= each.revision:
            continue
        try:
            check_list(portfolios, each)
        except Rejected as error:
            refused[Reference(mrid=each.mrid, revision=each.revision)] = error
        else:
            portfolios[each.sender] = each
    return Standing(portfolios, refused)


def check_list(portfolios: Mapping[str, CustomerList], listed: CustomerList) -> None:
    """Check a list (I-02) beside those that count.

    Raises:
        Rejected: `listed_by_another`: another aggregator's names one of its PODs, for the same
            hours.
    """
    for party, other in sorted(portfolios.items()):
        theirs = {each.pod: each for each in other.customers} if party != listed.sender else {}
        for place, each in enumerate(listed.customers):
            if each.pod in theirs and _shared(listed, each, other, theirs[each.pod]):
                raise Rejected(
                    f"{each.pod} is a customer of another aggregator then",
                    where=f"$.customers[{place}].pod",
                    remedy="leave it out, or send it again when the other has dropped it",
                    reason="listed_by_another",
                )


def _shared(
    one: CustomerList, customer: ListedCustomer, other: CustomerList, same: ListedCustomer
) -> bool:
    """Tell whether two lists may offer a customer at the same time."""
    spans = (one.validity, customer.consent, other.validity, same.consent)
    return max(each.start_ms for each in spans) < min(each.end_ms for each in spans)
