"""The contract's roles and views: the same on the embedded EVM and on a foreign one."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi import abi

from ledger import codec, merkle
from ledger.chain.calls import calldata
from ledger.chain.hexadecimal import octets, told
from ledger.chain.values import RegistryRoot
from ledger.contract import log_id
from ledger.errors import Refused
from ledger.keccak import keccak256
from ledger.signing import payload_of
from tests.chains import LOG, LedgerChain, Writing, account, closed_after, stranger, submission
from tests.segments import ORIGIN, TestLog, TestNode
from tests.servers import Anvil

TREE = merkle.Tree([merkle.leaf_hash(bytes([n])) for n in range(40)])
INVALID, VALID, INDETERMINATE = 0, 1, 2

_PATH = "(uint256,uint256,bytes32[])"
_EVIDENCE = (
    f"({_PATH},bytes,bytes32,bytes32,bytes,uint256,{_PATH},bytes,{_PATH},bytes,{_PATH},"
    "uint256,bytes32,bytes32)"
)


def test_only_the_admin_gives_out_roles(ledger_chain: LedgerChain) -> None:
    ledger_chain.deployed()
    for function, values in {
        "setSubmitter(bytes32,address)": (LOG, stranger().address),
        "setGuardian(address)": (stranger().address,),
        "proposeAdmin(address)": (stranger().address,),
        "resume(bytes32)": (LOG,),
    }.items():
        with pytest.raises(Refused) as refused:
            ledger_chain.administer(function, *values, by=stranger())
        assert refused.value.reason == "not admin"


def test_the_admin_changes_in_two_steps(ledger_chain: LedgerChain) -> None:
    ledger_chain.deployed()
    with pytest.raises(Refused):
        ledger_chain.administer("acceptAdmin()", by=stranger())
    ledger_chain.administer("proposeAdmin(address)", stranger().address)
    assert view(ledger_chain, "admin()", "address") == account().address.lower()
    with pytest.raises(Refused):
        ledger_chain.administer("acceptAdmin()")
    ledger_chain.administer("acceptAdmin()", by=stranger())
    assert view(ledger_chain, "admin()", "address") == stranger().address.lower()
    with pytest.raises(Refused):
        ledger_chain.administer("setGuardian(address)", account().address)
    with pytest.raises(Refused):
        ledger_chain.administer("acceptAdmin()", by=stranger())


def test_the_guardian_stops_a_log_but_cannot_start_it(ledger_chain: LedgerChain) -> None:
    ledger_chain.deployed()
    with pytest.raises(Refused):
        ledger_chain.administer("pause(bytes32)", LOG, by=stranger())
    ledger_chain.administer("setGuardian(address)", stranger().address)
    ledger_chain.administer("pause(bytes32)", LOG, by=stranger())
    assert view(ledger_chain, "writer(bytes32)", "(address,bool)", LOG)[1]
    with pytest.raises(Refused) as refused:
        Writing(ledger_chain.ledger()).final(submission(TREE, 1, 1))
    assert refused.value.reason == "paused"
    with pytest.raises(Refused):
        ledger_chain.administer("resume(bytes32)", LOG, by=stranger())
    ledger_chain.administer("setSubmitter(bytes32,address)", LOG, stranger().address)
    with pytest.raises(Refused) as still:
        Writing(ledger_chain.ledger(by=stranger())).final(submission(TREE, 1, 1))
    assert still.value.reason == "paused", "another submitter does not lift the pause"
    ledger_chain.administer("resume(bytes32)", LOG)
    assert Writing(ledger_chain.ledger(by=stranger())).final(submission(TREE, 1, 1)).gas_used


def test_a_log_has_one_submitter(ledger_chain: LedgerChain) -> None:
    other_log = b"o" * 32
    ledger_chain.deployed(LOG, other_log)
    Writing(ledger_chain.ledger()).final(submission(TREE, 1, 4))
    ledger_chain.administer("setSubmitter(bytes32,address)", LOG, stranger().address)
    head = ledger_chain.ledger().head(LOG)
    assert (head.sequence, head.size) == (1, 4), "the head survives its submitter"
    with pytest.raises(Refused) as refused:
        Writing(ledger_chain.ledger()).final(submission(TREE, 2, 5, 4))
    assert refused.value.reason == "not_submitter"
    Writing(ledger_chain.ledger(by=stranger())).final(submission(TREE, 2, 5, 4))
    order = RegistryRoot(log_id=other_log, root=b"r" * 32)
    with pytest.raises(Refused) as foreign:
        Writing(ledger_chain.ledger(by=stranger())).final(order)
    assert foreign.value.reason == "not_submitter"


def test_a_log_that_was_never_opened_takes_nothing(ledger_chain: LedgerChain) -> None:
    ledger_chain.deployed(b"o" * 32)
    with pytest.raises(Refused) as refused:
        Writing(ledger_chain.ledger()).final(submission(TREE, 1, 1))
    assert refused.value.reason == "not_submitter"


def test_inclusion_in_the_head_is_told(ledger_chain: LedgerChain) -> None:
    ledger_chain.deployed()
    Writing(ledger_chain.ledger()).final(submission(TREE, 1, 37))
    function = "verifyInclusion(bytes32,bytes32,uint256,bytes32[])"
    for index in (0, 1, 17, 31, 32, 35, 36):
        leaf, proof = merkle.leaf_hash(bytes([index])), TREE.inclusion(index, 37)
        assert view(ledger_chain, function, "bool", LOG, leaf, index, proof)
        for wrong in (
            (leaf, index + 1, proof),
            (bytes(32), index, proof),
            (leaf, index, [*proof, bytes(32)]),
            (leaf, index, proof[:-1]),
            (leaf, index, [bytes(32), *proof[1:]]),
            (leaf, 37, proof),
            (leaf, 2**256 - 1, []),
        ):
            assert not view(ledger_chain, function, "bool", LOG, *wrong)
    assert not view(ledger_chain, function, "bool", b"x" * 32, bytes(32), 0, [])


@dataclass(frozen=True)
class Evidence:
    """One record of one node among five, with all that leads to the head on the chain."""

    leaf: bytes
    in_segment: tuple[int, int, list[bytes]]
    header: bytes
    signature: bytes
    window_leaf: bytes
    position: int
    in_window: tuple[int, int, list[bytes]]
    entry: bytes
    in_log: tuple[int, int, list[bytes]]
    registration: bytes
    in_registry: tuple[int, int, list[bytes]]
    key_offset: int
    key: bytes

    def calldata(self) -> bytes:
        values = (
            self.in_segment, self.header, self.signature[:32], self.signature[32:],
            self.window_leaf, self.position, self.in_window, self.entry, self.in_log,
            self.registration, self.in_registry, self.key_offset, self.key[:32], self.key[32:],
        )  # fmt: skip
        selector = keccak256(f"verifyRecord(bytes32,bytes32,{_EVIDENCE})".encode())[:4]
        types = ["bytes32", "bytes32", _EVIDENCE]
        return selector + abi.encode(types, [log_id(ORIGIN), self.leaf, values])


@dataclass
class World:
    """Five nodes and six windows; node 3 sends two segments in the last one."""

    nodes: list[TestNode] = field(default_factory=lambda: [TestNode(n) for n in range(5)])

    def __post_init__(self) -> None:
        self.log = TestLog(self.nodes)
        for _ in range(5):
            self.log.close([node.segment() for node in self.nodes])
        bodies = [node.segment() for node in self.nodes]
        late = self.nodes[3].segment()
        self.entry, members = codec.decode(self.log.close([*bodies, late]))
        self.members = dict(members)
        self.body = codec.decode_segment(late)

    def evidence(self, index: int = 7) -> Evidence:
        leaves = [
            merkle.leaf_hash(salt + record)
            for salt, record in zip(self.body.salts, self.body.records, strict=True)
        ]
        header = payload_of(self.body.signed_header)[1]
        window = [
            codec.encode_window_leaf(5, node, self.members.get(node, [])) for node in range(5)
        ]
        registry = self.log.registry()
        key = self.nodes[3].key.public.encode()
        return Evidence(
            leaf=leaves[index],
            in_segment=(index, len(leaves), merkle.inclusion_proof(leaves, index)),
            header=header,
            signature=self.body.signed_header[-64:],
            window_leaf=window[3],
            position=1,
            in_window=path([*map(merkle.leaf_hash, window)], 3),
            entry=self.entry,
            in_log=(5, 6, self.log.tree.inclusion(5, 6)),
            registration=registry[3],
            in_registry=path([*map(merkle.leaf_hash, registry)], 3),
            key_offset=registry[3].index(key) - 2,
            key=uncompressed(key),
        )


def path(leaves: list[bytes], index: int) -> tuple[int, int, list[bytes]]:
    return index, len(leaves), merkle.inclusion_proof(leaves, index)


def uncompressed(key: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 -- here only

    numbers = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key).public_numbers()
    return numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_a_record_is_followed_to_the_head(embedded_chain: LedgerChain, world: World) -> None:
    anchor_world(embedded_chain, world)
    for index in (0, 7, 14):
        assert verdict(embedded_chain, world.evidence(index)) == VALID


def test_every_broken_link_is_seen(embedded_chain: LedgerChain, world: World) -> None:
    anchor_world(embedded_chain, world)
    true = world.evidence()
    other = world.nodes[2]
    for name, wrong in {
        "leaf": replace(true, leaf=bytes(32)),
        "index": replace(true, in_segment=(6, *true.in_segment[1:])),
        "segment of another size": replace(true, in_segment=(7, 16, true.in_segment[2])),
        "position": replace(true, position=0),
        "signature": replace(true, signature=bytes(63) + b"\x01"),
        "swapped signature": replace(true, signature=true.signature[32:] + true.signature[:32]),
        "other key": replace(true, key=uncompressed(other.key.public.encode())),
        "other y": replace(true, key=true.key[:32] + bytes(31) + bytes([true.key[63]])),
        "window": replace(true, in_window=(2, *true.in_window[1:])),
        "log index": replace(true, in_log=(4, 6, world.log.tree.inclusion(4, 6))),
        "registration": replace(true, registration=world.nodes[3].registration(valid_to_ms=1)),
        "registry": replace(true, in_registry=(3, 5, [bytes(32)] * 3)),
        "header": replace(true, header=flipped(true.header, true.header.index(b"\x58\x20") + 5)),
        "entry": replace(true, entry=flipped(true.entry, len(true.entry) - 1)),
        "window leaf": replace(true, window_leaf=flipped(true.window_leaf, 20)),
    }.items():
        assert verdict(embedded_chain, wrong) == INVALID, name
    for name, malformed in {
        "key offset": replace(true, key_offset=true.key_offset + 1),
        "key offset far off": replace(true, key_offset=10**6),
        "header of another kind": replace(true, header=b"\x8e" + true.header[1:]),
        "cut header": replace(true, header=true.header[:40]),
        "empty": replace(true, window_leaf=b""),
        "no such position": replace(true, position=2),
    }.items():
        assert verdict(embedded_chain, malformed) is None, name


def test_another_head_is_no_verdict(embedded_chain: LedgerChain, world: World) -> None:
    embedded_chain.deployed(log_id(ORIGIN))
    assert verdict(embedded_chain, world.evidence()) == INDETERMINATE
    anchor_world(embedded_chain, world)
    older = replace(world.evidence(), in_log=(5, 7, world.log.tree.inclusion(5, 6)))
    assert verdict(embedded_chain, older) == INDETERMINATE


@pytest.fixture(params=["prague", "osaka"])
def chain_of_fork(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LedgerChain]:
    with Anvil(tmp_path / "anvil", options=["--hardfork", request.param]) as server:
        yield from closed_after(LedgerChain(server))


def test_without_p256_on_the_chain_nothing_is_called_valid(
    request: pytest.FixtureRequest, chain_of_fork: LedgerChain, world: World
) -> None:
    has_p256 = "osaka" in request.node.name
    anchor_world(chain_of_fork, world)
    true = world.evidence()
    assert verdict(chain_of_fork, true) == (VALID if has_p256 else INDETERMINATE)
    wrong = replace(true, signature=bytes(63) + b"\x01")
    assert verdict(chain_of_fork, wrong) == (INVALID if has_p256 else INDETERMINATE)
    assert verdict(chain_of_fork, replace(true, leaf=bytes(32))) == INVALID


def flipped(encoded: bytes, index: int) -> bytes:
    return encoded[:index] + bytes([encoded[index] ^ 1]) + encoded[index + 1 :]


def anchor_world(chain: LedgerChain, world: World) -> None:
    chain.deployed(log_id(ORIGIN))
    order = replace(submission(world.log.tree, 1, 6), log_id=log_id(ORIGIN))
    Writing(chain.ledger()).final(order)


def verdict(chain: LedgerChain, evidence: Evidence) -> int | None:
    """Return what the contract says; None if it takes the bytes for malformed."""
    import httpx  # noqa: PLC0415 -- a reverted call is an error of JSON-RPC, and expected here

    message = {"to": chain.contract, "data": told(evidence.calldata())}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [message, "latest"]}
    answer = httpx.post(chain.url, json=asked, timeout=20.0).json()
    if "error" in answer:
        assert "revert" in answer["error"]["message"]
        return None
    return int(answer["result"], 16)


def view(chain: LedgerChain, function: str, returns: str, *values: object) -> Any:  # noqa: ANN401
    message = {"to": chain.contract, "data": told(calldata(function, *values))}
    answer = octets(chain.rpc("eth_call", message, "latest"))
    types = returns.strip("()").split(",")
    found = abi.decode(types, answer)
    return found if len(types) > 1 else found[0]
