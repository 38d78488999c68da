"""What a transaction offers for its place in a block, and how that is raised when it waits."""

from dataclasses import dataclass

from ledger.chain.values import Fees

_GWEI = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class FeePolicy:
    """How much is offered.

    At first twice the base fee plus the proposer's tip: enough for six full blocks in a row.
    A replacement offers at least 12.5 % more on both fields: nodes want 10 %. Nothing above the
    ceiling is ever signed [wei per unit of gas].
    """

    ceiling_wei: int = 500 * _GWEI

    def first(self, base_fee_wei: int, tip_wei: int) -> Fees:
        """Return the first offer of a transaction, at most the ceiling."""
        max_fee_wei = min(2 * base_fee_wei + tip_wei, self.ceiling_wei)
        return Fees(max_fee_wei=max_fee_wei, priority_fee_wei=min(tip_wei, max_fee_wei))

    def raised(self, offered: Fees, base_fee_wei: int, tip_wei: int) -> Fees | None:
        """Return a replacement's offer, None if it would have to be above the ceiling."""
        now = self.first(base_fee_wei, tip_wei)
        raised = Fees(
            max_fee_wei=max(_raised_wei(offered.max_fee_wei), now.max_fee_wei),
            priority_fee_wei=max(_raised_wei(offered.priority_fee_wei), now.priority_fee_wei),
        )
        return raised if raised.max_fee_wei <= self.ceiling_wei else None


def _raised_wei(offered_wei: int) -> int:
    """Return 12.5 % more, rounded up, and at least one wei."""
    return offered_wei + max(1, -(-offered_wei // 8))
