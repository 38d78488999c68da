"""Several nodes as one ledger: checked before believed, asked in turn, told of once."""

import logging

import pytest

from ledger.chain.account import Account
from ledger.chain.client import AnchorLedger, address_of
from ledger.chain.node import Node
from ledger.chain.values import RegistryRoot
from ledger.contract import anchor
from ledger.errors import Rejected, Unavailable
from tests.chains import Scripted

CONTRACT = b"c" * 20
HEAD = "0x" + "".join(word.to_bytes(32, "big").hex() for word in (3, 99, 5, 1_234))


def good(**changed: object) -> Scripted:
    answers: dict[str, object] = {
        "eth_chainId": "0x7",
        "eth_getCode": f"0x{anchor().runtime.hex()}",
        "eth_call": HEAD,
    }
    return Scripted(**(answers | changed))


class Away(Scripted):
    """A node that is away until it is brought back."""

    def __init__(self) -> None:
        super().__init__(**good().answers)
        self.is_away = True

    def request(self, method: str, params: list[object]) -> object:
        if self.is_away:
            raise Unavailable("nobody there", where="scripted")
        return super().request(method, params)


def ledger(*nodes: Scripted) -> AnchorLedger:
    return AnchorLedger(list(map(Node, nodes)), contract=CONTRACT, chain_id=7, writer=None)


def test_a_node_is_checked_once() -> None:
    node = good()
    asked = ledger(node)
    assert asked.head(bytes(32)).size == 99
    assert asked.head(bytes(32)).sequence == 3
    methods = [method for method, _ in node.asked]
    assert methods == ["eth_chainId", "eth_getCode", "eth_call", "eth_call"]


def test_a_node_that_came_back_is_checked_again() -> None:
    node = Away()
    asked = ledger(node)
    with pytest.raises(Unavailable):
        asked.head(bytes(32))
    node.is_away = False
    asked.head(bytes(32))
    node.is_away = True
    with pytest.raises(Unavailable):
        asked.head(bytes(32))
    node.is_away = False
    node.answers["eth_chainId"] = "0x8"
    with pytest.raises(Rejected, match="is chain 8, expected 7"):
        asked.head(bytes(32))


def test_the_next_node_is_asked_and_stays_first() -> None:
    away, second = Away(), good()
    asked = ledger(away, second)
    assert asked.head(bytes(32)).size == 99
    away.is_away = False
    asked.head(bytes(32))
    assert away.asked == [], "the one that answered is asked first"


def test_a_wrong_node_is_passed_over_but_never_believed() -> None:
    other_chain, other_code = good(eth_chainId="0x1"), good(eth_getCode="0x6001")
    assert ledger(other_chain, other_code, good()).head(bytes(32)).size == 99
    for wrong, reason in ((other_chain, "other_chain"), (other_code, "no_contract")):
        with pytest.raises(Rejected) as rejected:
            ledger(wrong).head(bytes(32))
        assert rejected.value.reason == reason
    with pytest.raises(Unavailable):
        ledger(other_chain, Away()).head(bytes(32))


def test_away_and_back_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    node = Away()
    asked = ledger(node)
    with caplog.at_level(logging.INFO, "chain"):
        for _ in range(3):
            with pytest.raises(Unavailable):
                asked.head(bytes(32))
        node.is_away = False
        for _ in range(3):
            asked.head(bytes(32))
    assert [record.message for record in caplog.records] == ["chain.away", "chain.back"]


def test_without_an_account_nothing_is_written() -> None:
    order = RegistryRoot(log_id=bytes(32), root=b"r" * 32)
    with pytest.raises(Rejected, match="no account"):
        ledger(good()).advance(order, [], next_nonce=0, now_ms=0)
    with pytest.raises(Rejected, match="no account"):
        ledger(good()).account_nonce()


def test_a_registry_root_of_another_length_counts_as_away() -> None:
    assert ledger(good(eth_call="0x" + "11" * 32)).registry_root(bytes(32)) == b"\x11" * 32
    with pytest.raises(Unavailable):
        ledger(good(eth_call="0x")).registry_root(bytes(32))


def test_settings_are_checked_before_anything_is_asked() -> None:
    settings = {"contract": "0x" + "11" * 20, "account": None, "chain_id": 1}
    url = "http://127.0.0.1:1"
    for urls, changed in (
        ([], {}),
        ([url], {"contract": "0x12"}),
        ([url], {"contract": "contract"}),
        ([url], {"confirmations": 0}),
        (["ftp://x"], {}),
    ):
        with pytest.raises(Rejected) as rejected:
            AnchorLedger.connect(urls, **(settings | changed))  # type: ignore[arg-type]
        assert rejected.value.reason == "configuration"
    assert address_of(Account.from_hex("11" * 32).address)
    AnchorLedger.connect([url], **settings).close()  # type: ignore[arg-type]
