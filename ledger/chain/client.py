"""The ledger as the gateway and verifiers see it: one contract behind one or more nodes.

Everything here waits at most its time-outs, so run it in a thread. Nodes are asked in turn:
each one is checked for chain id and contract code before anything it says is believed, and
again after it was away.
"""

import logging
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Self, TypeVar

from ledger.chain.account import Account
from ledger.chain.calls import anchored_topics, calldata, read_anchored, read_head
from ledger.chain.deployment import deploy
from ledger.chain.endpoint import endpoint
from ledger.chain.evidence import chain_part
from ledger.chain.fees import FeePolicy
from ledger.chain.node import HASH_BYTES, Node
from ledger.chain.settings import ChainConfig
from ledger.chain.values import Attempt, Head, Order, Step
from ledger.chain.writing import Writer
from ledger.contract import anchor
from ledger.errors import CertiflexError, Rejected, Unavailable

__all__ = ["AnchorLedger", "deploy"]

log = logging.getLogger("chain")

T = TypeVar("T")

_ADDRESS_BYTES = 20
DEFAULT_TIMEOUT_S = 10.0
DEFAULT_BUMP_AFTER_MS = 60_000
DEFAULT_CEILING_WEI = 500 * 10**9


class AnchorLedger:
    """The anchor contract on a chain; several threads may ask, one question at a time."""

    def __init__(
        self,
        nodes: Sequence[Node],
        *,
        contract: bytes,
        chain_id: int,
        writer: Writer | None,
    ) -> None:
        self._nodes = list(nodes)
        self._contract = contract
        self._chain_id = chain_id
        self._writer = writer
        self._checked: set[Node] = set()
        self._away: set[Node] = set()
        self._lock = Lock()

    @classmethod
    def connect(
        cls,
        urls: Sequence[str],
        *,
        contract: str,
        account: Account | None,
        chain_id: int,
        confirmations: int = 1,
        bump_after_ms: int = DEFAULT_BUMP_AFTER_MS,
        max_fee_ceiling_wei: int = DEFAULT_CEILING_WEI,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Self:
        """Return the ledger behind these addresses; nothing is sent before the first question.

        Without an account the ledger can only be read. An order is final when its block has
        `confirmations` blocks, itself included.

        Raises:
            Rejected: an address is malformed, or there is none.
        """
        if not urls:
            raise Rejected("no node of the chain is named", reason="configuration")
        if confirmations < 1:
            raise Rejected("finality needs at least 1 block", reason="configuration")
        address = address_of(contract)
        founder = account.address if account else None
        nodes = [
            Node(endpoint(url, chain_id=chain_id, timeout_s=timeout_s, founder=founder))
            for url in urls
        ]
        writer = None
        if account is not None:
            writer = Writer(
                account,
                contract=address,
                chain_id=chain_id,
                confirmations=confirmations,
                bump_after_ms=bump_after_ms,
                fees=FeePolicy(ceiling_wei=max_fee_ceiling_wei),
            )
        return cls(nodes, contract=address, chain_id=chain_id, writer=writer)

    @classmethod
    def named(cls, settings: ChainConfig, *, contract: str, account: Account) -> Self:
        """Return the ledger that a configuration names; it need not be up.

        Raises:
            Rejected: as `connect`.
        """
        return cls.connect(
            settings.urls,
            contract=contract,
            account=account,
            chain_id=settings.chain_id,
            confirmations=settings.confirmations,
            bump_after_ms=settings.bump_after_s * 1000,
            max_fee_ceiling_wei=settings.max_fee_gwei * 10**9,
            timeout_s=settings.timeout_s,
        )

    def close(self) -> None:
        """Let go of all nodes."""
        for node in self._nodes:
            node.close()

    def head(self, log_id: bytes) -> Head:
        """Return the head of a log as the latest block has it.

        Raises:
            Unavailable: no node answers.
            Rejected: every node is of another chain, or has no such contract.
        """
        asked = calldata("head(bytes32)", log_id)
        return self._ask(lambda node: read_head(node.call(self._contract, asked)))

    def newest_heads(self, log_id: bytes, count: int) -> list[tuple[int, bytes]]:
        """Return size and root of the last heads of a log, newest first; raises as `head`.

        The newest is what the contract holds; those before it are told by its events.
        """

        def ask(node: Node) -> list[tuple[int, bytes]]:
            newest = read_head(node.call(self._contract, calldata("head(bytes32)", log_id)))
            before = range(max(1, newest.sequence - count + 1), newest.sequence)
            events = node.events(self._contract, anchored_topics(log_id, before)) if before else []
            older = sorted(map(read_anchored, events), reverse=True)
            return [(newest.size, newest.root), *older]

        return self._ask(ask)

    def registry_root(self, log_id: bytes) -> bytes:
        """Return the registry root of a log, zeros if there is none; raises as `head`."""
        asked = calldata("registryRoot(bytes32)", log_id)
        return self._ask(lambda node: _word(node.call(self._contract, asked), node))

    def account_nonce(self) -> int:
        """Return how many transactions of the account the latest block knows; as `head`."""
        writer = self._need_writer()
        return self._ask(lambda node: node.nonce(writer.address))

    def advance(
        self, order: Order, attempts: Sequence[Attempt], *, next_nonce: int, now_ms: int
    ) -> Step:
        """Take an order one step further.

        `Prepared` is to be kept durably before the next call, which sends it. Attempts of the
        order are all those ever kept, oldest first; `next_nonce` follows the highest nonce
        ever kept for any order.

        Raises:
            Unavailable: no node answers; a later call finds whatever happened.
            Refused: the contract or the node said no: `fork`, `sequence`, `not_grown`,
                `not_submitter`, `paused`, `funds` or `rpc`.
            Rejected: every node is of another chain, or has no such contract.
        """
        writer = self._need_writer()
        return self._ask(
            lambda node: writer.advance(node, order, attempts, next_nonce=next_nonce, now_ms=now_ms)
        )

    def chain_part(self, tx_hash: bytes) -> bytes | None:
        """Return what an offline verifier needs of an anchoring transaction; None if unknown.

        None too if what the node tells does not add up to the block hash.

        Raises:
            Unavailable: no node answers.
        """

        def ask(node: Node) -> bytes | None:
            receipt = node.receipt(tx_hash)
            if receipt is None or not receipt.succeeded:
                return None
            return chain_part(node, receipt, self._contract)

        return self._ask(ask)

    def _need_writer(self) -> Writer:
        if self._writer is None:
            raise Rejected("no account to write with", reason="configuration")
        return self._writer

    def _ask(self, question: Callable[[Node], T]) -> T:
        """Return the first answer, from the node that answered last on."""
        with self._lock:
            return self._first_answer(question)

    def _first_answer(self, question: Callable[[Node], T]) -> T:
        faults: list[CertiflexError] = []
        for node in tuple(self._nodes):
            try:
                self._check(node)
                answer = question(node)
            except Unavailable as error:
                faults.append(error)
                self._note_away(node, error)
            except _WrongNode as error:
                faults.append(error.told)
            else:
                self._note_answer(node)
                return answer
        raise next((one for one in faults if isinstance(one, Unavailable)), faults[0])

    def _check(self, node: Node) -> None:
        if node in self._checked:
            return
        chain_id = node.chain_id()
        if chain_id != self._chain_id:
            raise _WrongNode(
                Rejected(
                    f"is chain {chain_id}, expected {self._chain_id}",
                    where=node.url,
                    remedy="correct the chain's urls or chain_id in the configuration",
                    reason="other_chain",
                )
            )
        if node.code(self._contract) != anchor().runtime:
            raise _WrongNode(
                Rejected(
                    f"has no anchor contract at 0x{self._contract.hex()}",
                    where=node.url,
                    remedy="correct the contract's address, or deploy: "
                    "certiflex ledger chain deploy --help",
                    reason="no_contract",
                )
            )
        self._checked.add(node)

    def _note_away(self, node: Node, error: Unavailable) -> None:
        self._checked.discard(node)
        if node not in self._away:
            self._away.add(node)
            log.warning("chain.away", extra={"node": node.url, "why": str(error)})

    def _note_answer(self, node: Node) -> None:
        if node in self._away:
            self._away.remove(node)
            log.info("chain.back", extra={"node": node.url})
        self._nodes.remove(node)
        self._nodes.insert(0, node)


class _WrongNode(Exception):
    """A node that must not be asked: it is of another chain, or lacks the contract."""

    def __init__(self, told: Rejected) -> None:
        super().__init__(str(told))
        self.told = told


def address_of(text: str) -> bytes:
    """Return the 20 bytes of an address in hexadecimal.

    Raises:
        Rejected: `configuration`.
    """
    try:
        address = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        address = b""
    if len(address) != _ADDRESS_BYTES:
        raise Rejected(
            f"{text!r} is no address: expected 0x and 40 hexadecimal digits",
            where="contract",
            reason="configuration",
        )
    return address


def _word(answer: bytes, node: Node) -> bytes:
    if len(answer) != HASH_BYTES:
        raise Unavailable("the node answers for the contract, but wrongly", where=node.url)
    return answer
