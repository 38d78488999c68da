"""Putting the contract on a chain and giving out its roles: done once, by hand or by a script."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from eth_abi import abi
from eth_utils.address import to_checksum_address

from ledger.chain.account import Account
from ledger.chain.calls import calldata, refusal
from ledger.chain.endpoint import RpcRefusal, endpoint
from ledger.chain.fees import FeePolicy
from ledger.chain.node import Node, TxReceipt
from ledger.contract import anchor
from ledger.errors import Refused, Rejected, Unavailable

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0


def deploy(
    url: str,
    account: Account,
    *,
    chain_id: int,
    authorise: Sequence[bytes] = (),
    guardian: str | None = None,
    timeout_s: float = 60.0,
) -> str:
    """Return the address of a new anchor contract, whose admin is the account.

    The logs in `authorise` are opened for the account as their submitter; `guardian`, by
    default the account too, may pause.

    Raises:
        Unavailable: the node is away, or a transaction found no block in time.
        Rejected: the node is of another chain.
        Refused: the node or the contract said no.
    """
    with _administration(url, account, chain_id=chain_id, timeout_s=timeout_s) as admin:
        contract = admin.create(guardian or account.address)
        for log_id in authorise:
            admin.run(contract, "setSubmitter(bytes32,address)", log_id, account.address)
    return to_checksum_address(contract)


def administer(
    url: str,
    account: Account,
    contract: bytes,
    call: tuple[object, ...],
    *,
    chain_id: int,
    timeout_s: float = 60.0,
) -> None:
    """Call a function of the contract, its signature first, and wait until it is in a block.

    Raises:
        Unavailable: the node is away, or the transaction found no block in time.
        Rejected: the node is of another chain, or has no such contract.
        Refused: the node or the contract said no.
    """
    with _administration(url, account, chain_id=chain_id, timeout_s=timeout_s) as admin:
        admin.check(contract)
        admin.run(contract, str(call[0]), *call[1:])


@contextmanager
def _administration(
    url: str, account: Account, *, chain_id: int, timeout_s: float
) -> Iterator["Administration"]:
    node = Node(endpoint(url, chain_id=chain_id, timeout_s=timeout_s, founder=account.address))
    try:
        found = node.chain_id()
        if found != chain_id:
            raise Rejected(
                f"is chain {found}, expected {chain_id}",
                where=node.url,
                remedy="name the right node or chain id",
                reason="other_chain",
            )
        yield Administration(node, account, chain_id=chain_id, timeout_s=timeout_s)
    finally:
        node.close()


class Administration:
    """What an account does to the contract by hand: each call returns once it is in a block."""

    def __init__(
        self, node: Node, account: Account, *, chain_id: int, timeout_s: float = 60.0
    ) -> None:
        self._node = node
        self._account = account
        self._chain_id = chain_id
        self._timeout_s = timeout_s
        self._sender = bytes.fromhex(account.address[2:])
        self._fees = FeePolicy()

    def create(self, guardian: str) -> bytes:
        """Return the address of a new contract."""
        data = anchor().bytecode + abi.encode(["address"], [guardian])
        contract = self._transact(None, data).contract
        if contract is None:
            raise Unavailable("the node made no contract", where=self._node.url)
        self.check(contract)
        return contract

    def check(self, contract: bytes) -> None:
        """Refuse an address where other code stands than ours.

        Raises:
            Rejected: `no_contract`.
        """
        if self._node.code(contract) != anchor().runtime:
            raise Rejected(
                f"has no anchor contract at 0x{contract.hex()}",
                where=self._node.url,
                remedy="name the address that `certiflex ledger chain deploy` printed",
                reason="no_contract",
            )

    def run(self, contract: bytes, function: str, *values: object) -> TxReceipt:
        """Call a function of the contract in a transaction and return its receipt.

        Raises:
            Refused: the contract said no; its word is the error's `reason`.
        """
        return self._transact(contract, calldata(function, *values))

    def _transact(self, to: bytes | None, data: bytes) -> TxReceipt:
        try:
            gas = self._node.estimated_gas(to, data, sender=self._sender)
        except RpcRefusal as error:
            said, _ = refusal(error.data)
            raise Refused(
                f"the contract refuses: {said}" if error.data else error.what,
                where=self._node.url,
                reason=said if error.data else error.reason,
            ) from error
        fees = self._fees.first(self._node.latest().base_fee_wei, self._node.tip_wei())
        transaction = {
            "type": 2,
            "chainId": self._chain_id,
            "nonce": self._node.nonce(self._sender),
            "value": 0,
            "data": data,
            "gas": gas + gas // 8,
            "maxFeePerGas": fees.max_fee_wei,
            "maxPriorityFeePerGas": fees.priority_fee_wei,
        }
        raw, tx_hash = self._account.sign(transaction | ({"to": to} if to else {}))
        self._node.send(raw)
        return self._awaited(tx_hash)

    def _awaited(self, tx_hash: bytes) -> TxReceipt:
        deadline_s = time.monotonic() + self._timeout_s
        pause_s = _FIRST_PAUSE_S
        while (receipt := self._node.receipt(tx_hash)) is None:
            if time.monotonic() > deadline_s:
                raise Unavailable(
                    f"transaction 0x{tx_hash.hex()} found no block in {self._timeout_s} s",
                    where=self._node.url,
                    remedy="see what the node says of it; do not deploy twice",
                )
            threading.Event().wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        if not receipt.succeeded:
            raise Refused(f"transaction 0x{tx_hash.hex()} failed", where=self._node.url)
        return receipt
