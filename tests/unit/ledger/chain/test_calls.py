"""Calls of the contract: the shipped ABI and ours say the same."""

import pytest
from eth_abi import abi

from ledger.chain import calls
from ledger.chain.values import RegistryRoot, Submission
from ledger.contract import anchor
from ledger.errors import Unavailable
from ledger.keccak import keccak256

ORDER = Submission(
    log_id=b"l" * 32, sequence=2, root=b"r" * 32, size=9, meta=bytes(32), proof=(b"p" * 32,) * 3
)
REGISTRY = RegistryRoot(log_id=b"l" * 32, root=b"g" * 32)


def shipped(name: str) -> str:
    (found,) = [one for one in anchor().abi if one.get("name") == name and one["type"] != "event"]
    return f"{name}({','.join(field['type'] for field in found['inputs'])})"


@pytest.mark.parametrize(("order", "name"), [(ORDER, "submit"), (REGISTRY, "setRegistryRoot")])
def test_orders_call_what_is_shipped(order: Submission | RegistryRoot, name: str) -> None:
    assert calls.ordered(order)[:4] == keccak256(shipped(name).encode())[:4]


def test_arguments_are_where_the_abi_puts_them() -> None:
    types = ["bytes32", "uint64", "bytes32", "uint64", "bytes32", "bytes32[]"]
    assert abi.decode(types, calls.ordered(ORDER)[4:]) == (
        ORDER.log_id, 2, ORDER.root, 9, ORDER.meta, ORDER.proof
    )  # fmt: skip
    assert calls.calldata("acceptAdmin()") == keccak256(b"acceptAdmin()")[:4]


def test_longer_proofs_get_more_gas() -> None:
    assert calls.needed_gas(ORDER) == 89_000
    assert calls.needed_gas(REGISTRY) == 80_000


def test_a_head_is_read() -> None:
    answer = abi.encode(["uint64", "uint64", "bytes32", "uint64"], [3, 99, b"r" * 32, 1_234])
    head = calls.read_head(answer)
    assert (head.sequence, head.size, head.root, head.block_time_s) == (3, 99, b"r" * 32, 1_234)


@pytest.mark.parametrize("answer", [b"", bytes(31), b"\xff" * 128])
def test_an_answer_of_no_such_contract_is_no_head(answer: bytes) -> None:
    with pytest.raises(Unavailable):
        calls.read_head(answer)


@pytest.mark.parametrize(
    ("said", "reason"),
    [("consistency", "fork"), ("not grown", "not_grown"), ("sequence", "sequence"),
     ("paused", "paused"), ("not submitter", "not_submitter"), ("something", "rpc")],
)  # fmt: skip
def test_refusals_have_names(said: str, reason: str) -> None:
    data = keccak256(b"Error(string)")[:4] + abi.encode(["string"], [said])
    assert calls.refusal(data) == (said, reason)


@pytest.mark.parametrize("data", [b"", b"\x00" * 36, keccak256(b"Error(string)")[:4] + b"\xff"])
def test_a_refusal_without_words(data: bytes) -> None:
    assert calls.refusal(data) == ("without a reason", "rpc")
