"""One order at a time, from signed to final, whatever the chain does meanwhile.

```
 not on the contract ─► simulate ─► Prepared ─► (kept by the caller) ─► sent ─► in a block ─► Final
        ▲                                │ waits too long: same nonce, more fees     │
        │                                ▼                                           │
        └── nonce used by another ── Prepared again          reorganised: send again ┘
```

Nothing is remembered here that matters: every call finds out anew from the chain what became
of the attempts. The contract takes each sequence once, so no answer of a node can make an
order happen twice; a node that lies can only delay.
"""

import logging
from collections.abc import Sequence

from ledger.chain import calls, evidence
from ledger.chain.account import Account
from ledger.chain.endpoint import RpcRefusal
from ledger.chain.fees import FeePolicy
from ledger.chain.node import Node, TxReceipt
from ledger.chain.values import (
    Attempt,
    Fees,
    Final,
    Order,
    Prepared,
    RegistryRoot,
    Step,
    Submission,
    Waiting,
)
from ledger.errors import Refused, Unavailable

log = logging.getLogger("chain")

# What nodes say, in their different words, of a transaction they have or that came too late.
_TAKEN_BEFORE = ("already known", "already imported", "known transaction", "nonce too low")
_TOO_CHEAP = ("underpriced", "less than block base fee", "fee too low", "fee cap", "gas price")
_NO_FUNDS = ("insufficient funds", "insufficient balance", "upfront cost")


class Writer:
    """Carries out orders with one account, whose nonces are nobody else's business."""

    def __init__(
        self,
        account: Account,
        *,
        contract: bytes,
        chain_id: int,
        confirmations: int,
        bump_after_ms: int,
        fees: FeePolicy,
    ) -> None:
        self.address = bytes.fromhex(account.address[2:])
        self._account = account
        self._contract = contract
        self._chain_id = chain_id
        self._confirmations = confirmations
        self._bump_after_ms = bump_after_ms
        self._fees = fees
        self._included: dict[bytes, bytes] = {}

    def advance(
        self,
        node: Node,
        order: Order,
        attempts: Sequence[Attempt],
        *,
        next_nonce: int,
        now_ms: int,
    ) -> Step:
        """Take an order one step further on one node; see `AnchorLedger.advance`."""
        receipt = self._receipt(node, order, attempts)
        if receipt is not None:
            return self._settled(node, receipt)
        newest = self._newest_usable(node, attempts)
        if newest is None:
            # The nonce is used up: maybe by ours, mined since the receipts were asked for.
            receipt = self._receipt(node, order, attempts) if attempts else None
            if receipt is not None:
                return self._settled(node, receipt)
            return self._fresh(node, order, next_nonce=next_nonce, now_ms=now_ms)
        if not node.knows(newest.tx_hash):
            return self._sent(node, order, newest, now_ms=now_ms)
        if now_ms - newest.prepared_ms < self._bump_after_ms:
            return Waiting("pending")
        return self._raised(node, order, newest, now_ms=now_ms)

    def _receipt(self, node: Node, order: Order, attempts: Sequence[Attempt]) -> TxReceipt | None:
        """Return the receipt of the transaction that carried out the order, ours or lost ones."""
        for attempt in reversed(attempts):
            receipt = node.receipt(attempt.tx_hash)
            self._note_block(attempt.tx_hash, receipt)
            if receipt is not None and receipt.succeeded:
                if evidence.tells_of(receipt, order, self._contract):
                    return receipt
                raise Unavailable("the node's receipt lacks the contract's event", where=node.url)
        return self._receipt_of_lost(node, order) if self._is_done(node, order) else None

    def _is_done(self, node: Node, order: Order) -> bool:
        """Tell whether the contract holds what the order wants, or something beyond it.

        Raises:
            Refused: `fork`: something else stands in the order's place.
        """
        if isinstance(order, RegistryRoot):
            asked = calls.calldata("registryRoot(bytes32)", order.log_id)
            return node.call(self._contract, asked) == order.root
        asked = calls.calldata("head(bytes32)", order.log_id)
        head = calls.read_head(node.call(self._contract, asked))
        if head.sequence == order.sequence and (head.size, head.root) != (order.size, order.root):
            raise _fork(order)
        return head.sequence >= order.sequence

    def _receipt_of_lost(self, node: Node, order: Order) -> TxReceipt | None:
        """Return the receipt of a transaction that nobody here remembers, found by its event."""
        events = node.events(self._contract, [[topic] for topic in calls.topics(order)])
        ours = [event for event in events if evidence.is_of(event, order, self._contract)]
        if events and not ours and isinstance(order, Submission):
            raise _fork(order)
        if not ours:
            raise Unavailable("the node does not find the contract's event", where=node.url)
        return node.receipt(ours[-1].tx_hash)

    def _note_block(self, tx_hash: bytes, receipt: TxReceipt | None) -> None:
        before = self._included.pop(tx_hash, None)
        if receipt is not None:
            self._included[tx_hash] = receipt.block_hash
        if before is not None and (receipt is None or receipt.block_hash != before):
            log.warning("chain.reorganised", extra={"transaction": tx_hash.hex()})

    def _settled(self, node: Node, receipt: TxReceipt) -> Waiting | Final:
        """Return whether a block is still part of the chain and deep enough."""
        block = node.block(receipt.block_number)
        depth = node.latest().number - receipt.block_number + 1
        if block is None or block.block_hash != receipt.block_hash or depth < self._confirmations:
            return Waiting("included")
        self._included.pop(receipt.tx_hash, None)
        return Final(
            tx_hash=receipt.tx_hash,
            gas_used=receipt.gas_used,
            block_number=receipt.block_number,
            block_hash=receipt.block_hash,
            block_time_s=block.time_s,
        )

    def _newest_usable(self, node: Node, attempts: Sequence[Attempt]) -> Attempt | None:
        """Return the newest attempt whose nonce can still be the account's next one."""
        if not attempts:
            return None
        newest = attempts[-1]
        count = node.nonce(self.address)
        if newest.nonce == count or (
            # Transactions before it are on their way.
            newest.nonce > count and node.nonce(self.address, "pending") >= newest.nonce
        ):
            return newest
        return None

    def _fresh(self, node: Node, order: Order, *, next_nonce: int, now_ms: int) -> Prepared:
        """Return a first attempt, or one with a new nonce since the old one is used up."""
        gas = self._needed_gas(node, order)
        count = node.nonce(self.address)
        if count < next_nonce <= node.nonce(self.address, "pending"):
            count = next_nonce
        base_fee_wei, tip_wei = node.latest().base_fee_wei, node.tip_wei()
        fees = self._fees.first(base_fee_wei, tip_wei)
        return Prepared(self._signed(order, nonce=count, gas=gas, fees=fees, now_ms=now_ms))

    def _raised(
        self, node: Node, order: Order, stuck: Attempt, *, now_ms: int
    ) -> Prepared | Waiting:
        """Return a replacement that offers more, unless the ceiling is reached."""
        offered = Fees(max_fee_wei=stuck.max_fee_wei, priority_fee_wei=stuck.priority_fee_wei)
        fees = self._fees.raised(offered, node.latest().base_fee_wei, node.tip_wei())
        if fees is None:
            return Waiting("pending")
        gas = self._needed_gas(node, order)
        attempt = self._signed(order, nonce=stuck.nonce, gas=gas, fees=fees, now_ms=now_ms)
        log.info("chain.bumped", extra={"nonce": stuck.nonce, "max_fee_wei": fees.max_fee_wei})
        return Prepared(attempt)

    def _sent(self, node: Node, order: Order, attempt: Attempt, *, now_ms: int) -> Step:
        """Send an attempt that the node does not know; what a node says of it is not final."""
        try:
            node.send(attempt.raw)
        except RpcRefusal as refusal:
            said = refusal.what.lower()
            if any(words in said for words in _TAKEN_BEFORE):
                return Waiting("pending")
            if any(words in said for words in _NO_FUNDS):
                raise _no_funds(self._account.address, refusal) from refusal
            if any(words in said for words in _TOO_CHEAP):
                return self._raised(node, order, attempt, now_ms=now_ms)
            raise
        log.info("chain.sent", extra={"transaction": attempt.tx_hash.hex()})
        return Waiting("sent")

    def _needed_gas(self, node: Node, order: Order) -> int:
        """Return a gas limit, having asked whether the contract would take the order now."""
        data = calls.ordered(order)
        try:
            estimated = node.estimated_gas(self._contract, data, sender=self.address)
        except RpcRefusal as refusal:
            if any(words in refusal.what.lower() for words in _NO_FUNDS):
                raise _no_funds(self._account.address, refusal) from refusal
            said, reason = calls.refusal(refusal.data)
            raise Refused(
                f"the contract refuses: {said}" if refusal.data else refusal.what,
                where=node.url,
                reason=reason,
            ) from refusal
        return max(calls.needed_gas(order), estimated + estimated // 4)

    def _signed(self, order: Order, *, nonce: int, gas: int, fees: Fees, now_ms: int) -> Attempt:
        raw, tx_hash = self._account.sign(
            {
                "type": 2,
                "chainId": self._chain_id,
                "nonce": nonce,
                "to": self._contract,
                "value": 0,
                "data": calls.ordered(order),
                "gas": gas,
                "maxFeePerGas": fees.max_fee_wei,
                "maxPriorityFeePerGas": fees.priority_fee_wei,
            }
        )
        return Attempt(
            tx_hash=tx_hash,
            raw=raw,
            nonce=nonce,
            max_fee_wei=fees.max_fee_wei,
            priority_fee_wei=fees.priority_fee_wei,
            prepared_ms=now_ms,
        )


def _fork(order: Submission) -> Refused:
    return Refused(
        f"another head stands on the ledger at sequence {order.sequence}",
        remedy="stop: two gateways write one log, or the log was restored from a backup",
        reason="fork",
    )


def _no_funds(address: str, refusal: RpcRefusal) -> Refused:
    return Refused(
        f"the account {address} cannot pay ({refusal.what})",
        where=refusal.where,
        remedy="send ether to the account",
        reason="funds",
    )
