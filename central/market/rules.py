"""By which rules a market clears; the operator's choice, the same for everybody."""

from dataclasses import dataclass
from enum import StrEnum


class Pricing(StrEnum):
    """What is paid: what was asked, or what the dearest offer taken was worth."""

    PAY_AS_BID = "pay_as_bid"
    PAY_AS_CLEARED = "pay_as_cleared"


class ReserveRule(StrEnum):
    """How many offers are taken beyond the need, paid only if they are called."""

    NONE = "none"
    LARGEST_OFFER = "largest_offer"
    DELIVERY_HISTORY = "delivery_history"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules.

    Args:
        pricing: what is paid.
        price_cap_ueur_per_mwh: no request may pay more.
        reserve: how many offers are taken beyond the need.
        most_rounds: how often the list goes to the DSO's validation before the rest is unmet.
    """

    pricing: Pricing = Pricing.PAY_AS_BID
    price_cap_ueur_per_mwh: int = 3_000_000_000
    reserve: ReserveRule = ReserveRule.LARGEST_OFFER
    most_rounds: int = 4
