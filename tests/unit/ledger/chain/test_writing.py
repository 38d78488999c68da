"""The writer's decisions, on an embedded chain that answers as other nodes would."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.chain import calls
from ledger.chain.account import Account
from ledger.chain.client import AnchorLedger, deploy
from ledger.chain.endpoint import Endpoint, RpcRefusal, endpoint
from ledger.chain.hexadecimal import told
from ledger.chain.node import Node
from ledger.chain.values import Final, RegistryRoot, Waiting
from ledger.errors import Refused, Unavailable
from ledger.merkle import Tree
from tests.chains import LOG, Writing, submission

TREE = Tree([bytes([n]) * 32 for n in range(9)])
OWNER = Account.from_hex("11" * 32)
Odd = Callable[[list[Any]], Any]


class Odds:
    """An embedded chain, with odd answers to some methods as long as wanted."""

    def __init__(self, true: Endpoint) -> None:
        self.url = true.url
        self.odd: dict[str, Odd] = {}
        self._true = true

    def request(self, method: str, params: list[Any]) -> Any:  # noqa: ANN401 -- as Endpoint
        if method in self.odd:
            return self.odd[method](params)
        return self._true.request(method, params)

    def close(self) -> None:
        self._true.close()


def refusing(message: str, data: bytes = b"") -> Odd:
    def odd(_: list[Any]) -> None:
        raise RpcRefusal(message, code=-32000, data=data, where="odd")

    return odd


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Odds, AnchorLedger]]:
    url = f"embedded:{tmp_path}/chain"
    address = deploy(url, OWNER, chain_id=7, authorise=[LOG])
    ledger = AnchorLedger.connect(
        [url], contract=address, account=OWNER, chain_id=7, bump_after_ms=1_000
    )
    odds = Odds(endpoint(url, chain_id=7, timeout_s=5.0))
    ledger._nodes = [Node(odds)]
    with contextlib.closing(odds):
        yield odds, ledger


ORDER = submission(TREE, 1, 5)


@pytest.mark.parametrize(
    "said",
    ["already known", "ALREADY KNOWN", "nonce too low: next nonce 3", "known transaction: 0x"],
)
def test_a_transaction_the_node_has_already_is_no_fault(
    world: tuple[Odds, AnchorLedger], said: str
) -> None:
    odds, ledger = world
    gateway = Writing(ledger)
    gateway.step(ORDER)
    odds.odd["eth_sendRawTransaction"] = refusing(said)
    assert gateway.step(ORDER) == Waiting("pending")
    odds.odd.clear()
    assert isinstance(gateway.until_final(ORDER), Final)
    assert len(gateway.attempts) == 1


@pytest.mark.parametrize(
    "said",
    ["replacement transaction underpriced", "transaction underpriced",
     "max fee per gas less than block base fee: 9", "Gas price below configured minimum gas price"],
)  # fmt: skip
def test_a_transaction_that_is_too_cheap_is_raised_at_once(
    world: tuple[Odds, AnchorLedger], said: str
) -> None:
    odds, ledger = world
    gateway = Writing(ledger)
    gateway.step(ORDER)
    odds.odd["eth_sendRawTransaction"] = refusing(said)
    assert gateway.step(ORDER) is None
    first, second = gateway.attempts
    assert second.nonce == first.nonce
    assert second.max_fee_wei >= first.max_fee_wei * 9 / 8
    odds.odd.clear()
    assert gateway.until_final(ORDER).tx_hash == second.tx_hash


@pytest.mark.parametrize("method", ["eth_sendRawTransaction", "eth_estimateGas"])
def test_no_funds_is_told_with_the_account(world: tuple[Odds, AnchorLedger], method: str) -> None:
    odds, ledger = world
    gateway = Writing(ledger)
    odds.odd[method] = refusing("insufficient funds for gas * price + value")
    with pytest.raises(Refused) as refused:
        gateway.until_final(ORDER)
    assert refused.value.reason == "funds"
    assert OWNER.address in str(refused.value)


def test_a_refusal_nobody_knows_is_passed_on(world: tuple[Odds, AnchorLedger]) -> None:
    odds, ledger = world
    odds.odd["eth_estimateGas"] = refusing("the moon is full")
    with pytest.raises(Refused, match="moon") as refused:
        Writing(ledger).step(ORDER)
    assert refused.value.reason == "rpc"
    odds.odd = {"eth_sendRawTransaction": refusing("the moon is full")}
    gateway = Writing(ledger)
    gateway.step(ORDER)
    with pytest.raises(Refused, match="moon"):
        gateway.step(ORDER)


def test_pending_for_too_long_it_is_raised_up_to_the_ceiling(
    world: tuple[Odds, AnchorLedger],
) -> None:
    odds, ledger = world
    gateway = Writing(ledger)
    gateway.step(ORDER)
    odds.odd |= {
        "eth_getTransactionByHash": lambda _: {},
        "eth_maxPriorityFeePerGas": lambda _: "0x1",
    }
    for _ in range(80):
        assert gateway.step(ORDER) in (None, Waiting("pending"))
        gateway.now_ms += 500
    fees = [one.max_fee_wei for one in gateway.attempts]
    assert all(later >= earlier * 9 / 8 for earlier, later in itertools.pairwise(fees))
    assert 30 <= len(fees) <= 41
    assert max(fees) <= 500 * 10**9
    assert len({one.nonce for one in gateway.attempts}) == 1


def test_a_gap_before_the_nonce_is_closed(world: tuple[Odds, AnchorLedger]) -> None:
    """A reorganisation took earlier transactions of the account: nobody may wait for them."""
    _, ledger = world
    gateway = Writing(ledger, nonce=99)
    final = gateway.final(ORDER)
    assert final.gas_used
    assert gateway.attempts[0].nonce == 2


def test_transactions_before_it_on_their_way_are_waited_for(
    world: tuple[Odds, AnchorLedger],
) -> None:
    odds, ledger = world
    count = odds.request("eth_getTransactionCount", [OWNER.address, "latest"])
    pending = hex(int(count, 16) + 1)
    odds.odd["eth_getTransactionCount"] = lambda p: pending if p[1] == "pending" else count
    gateway = Writing(ledger, nonce=int(pending, 16))
    gateway.step(ORDER)
    assert gateway.attempts[0].nonce == int(pending, 16)
    odds.odd["eth_sendRawTransaction"] = lambda _: "0x"
    assert gateway.step(ORDER) == Waiting("sent")


def test_an_attempt_that_failed_is_followed_by_another(world: tuple[Odds, AnchorLedger]) -> None:
    """Too little gas in its block: the transaction fails and its nonce is used up."""
    odds, ledger = world
    gateway = Writing(ledger)
    gateway.step(ORDER)
    good = gateway.attempts[0]
    transaction = {
        "type": 2, "chainId": 7, "nonce": good.nonce, "to": ledger._contract, "value": 0,
        "data": calls.ordered(ORDER), "gas": 30_000, "maxFeePerGas": good.max_fee_wei,
        "maxPriorityFeePerGas": 1,
    }  # fmt: skip
    raw, tx_hash = OWNER.sign(transaction)
    gateway.attempts = [replace(good, raw=raw, tx_hash=tx_hash)]
    assert gateway.step(ORDER) == Waiting("sent")
    assert odds.request("eth_getTransactionReceipt", [told(tx_hash)])["status"] == "0x0"
    assert gateway.step(ORDER) is None
    assert gateway.attempts[1].nonce == good.nonce + 1
    assert gateway.until_final(ORDER).tx_hash == gateway.attempts[1].tx_hash


def test_the_receipt_must_hold_the_contracts_event(world: tuple[Odds, AnchorLedger]) -> None:
    odds, ledger = world
    gateway = Writing(ledger)
    gateway.final(ORDER)
    true = odds._true

    def without_events(params: list[Any]) -> Any:  # noqa: ANN401 -- as Endpoint
        return {**true.request("eth_getTransactionReceipt", params), "logs": []}

    odds.odd["eth_getTransactionReceipt"] = without_events
    with pytest.raises(Unavailable, match="event"):
        gateway.step(ORDER)


def test_an_event_the_node_does_not_find_is_waited_for(world: tuple[Odds, AnchorLedger]) -> None:
    odds, ledger = world
    Writing(ledger).final(ORDER)
    odds.odd["eth_getLogs"] = lambda _: []
    with pytest.raises(Unavailable, match="event"):
        Writing(ledger).step(ORDER)


def test_a_registry_root_set_back_is_told_by_its_newest_event(
    world: tuple[Odds, AnchorLedger],
) -> None:
    _, ledger = world
    one, two = (RegistryRoot(log_id=LOG, root=bytes([n]) * 32) for n in (1, 2))
    finals = [Writing(ledger).final(order) for order in (one, two, one)]
    assert len({final.tx_hash for final in finals}) == 3
    assert Writing(ledger).final(one) == finals[2]


def test_a_transaction_mined_between_two_questions_is_found_and_not_sent_again(
    world: tuple[Odds, AnchorLedger],
) -> None:
    """Receipt and head were asked for before the block came, the nonce after it."""
    odds, ledger = world
    gateway = Writing(ledger)
    gateway.step(ORDER)
    before = odds.request("eth_call", head_of(ledger))
    gateway.step(ORDER)

    def once(method: str, answer: object) -> Odd:
        def odd(_: list[Any]) -> object:
            del odds.odd[method]
            return answer

        return odd

    odds.odd["eth_getTransactionReceipt"] = once("eth_getTransactionReceipt", None)
    odds.odd["eth_call"] = once("eth_call", before)
    assert isinstance(gateway.step(ORDER), Final)
    assert len(gateway.attempts) == 1
    assert odds.odd == {}


def head_of(ledger: AnchorLedger) -> list[Any]:
    asked = calls.calldata("head(bytes32)", LOG)
    return [{"to": told(ledger._contract), "data": told(asked)}, "latest"]
