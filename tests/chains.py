"""Chains for the tests: the embedded one in this process, as a server, and a foreign node.

Whoever asks for `ledger_chain` runs once on each; the same must hold everywhere.
"""

import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gateway.ports import Ledger
from ledger.errors import Unavailable
from ledger.merkle import Tree
from tests.servers import Anvil, Server, free_port

if TYPE_CHECKING:
    from ledger.chain.account import Account
    from ledger.chain.client import AnchorLedger
    from ledger.chain.values import Attempt, Final, Order, Submission, Waiting

CHAIN_ID = 2742
_ASKED_AGAIN, _PAUSE_S = 20, 0.05
LOG = bytes(31) + b"\x01"
# The second account of the mnemonic anvil documents; it guards nothing but test ether.
STRANGER_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


class EmbeddedServer(Server):
    """The embedded chain as a process of its own, kept in `directory`."""

    chain_id = CHAIN_ID

    def __init__(self, directory: Path, funded: Sequence[str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        port = free_port()
        command = [sys.executable, "-m", "ledger", "chain", "serve"]
        command += ["--path", str(directory / "chain"), "--port", str(port)]
        command += ["--chain-id", str(CHAIN_ID)]
        command += list(itertools.chain(*(("--fund", address) for address in funded)))
        super().__init__(command, port=port, log=directory / "chain.log")

    @property
    def url(self) -> str:
        """Where JSON-RPC is spoken."""
        return f"http://127.0.0.1:{self.port}"


def account() -> "Account":
    """The account that owns ether on every test chain."""
    from ledger.chain.account import Account  # noqa: PLC0415 -- two seconds, for chain tests only

    return Account.from_hex(Anvil.ACCOUNT_KEY)


def stranger() -> "Account":
    """An account with ether and no role."""
    from ledger.chain.account import Account  # noqa: PLC0415 -- as above

    return Account.from_hex(STRANGER_KEY)


@dataclass
class LedgerChain:
    """A running chain; `server` can be killed and started again."""

    server: EmbeddedServer | Anvil
    contract: str = ""
    ledgers: "list[AnchorLedger]" = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where JSON-RPC is spoken."""
        return self.server.url

    @property
    def chain_id(self) -> int:
        """The chain's id."""
        return self.server.chain_id

    @property
    def is_foreign(self) -> bool:
        """Tell whether the node was not written here."""
        return isinstance(self.server, Anvil)

    def deployed(self, *logs: bytes) -> str:
        """Deploy the contract and return its address."""
        from ledger.chain.client import deploy  # noqa: PLC0415 -- as above

        authorise = list(logs or (LOG,))
        self.contract = deploy(self.url, account(), chain_id=self.chain_id, authorise=authorise)
        return self.contract

    def ledger(
        self,
        *,
        by: "Account | None" = None,
        urls: Sequence[str] = (),
        **settings: Any,  # noqa: ANN401 -- those of connect
    ) -> "AnchorLedger":
        """Connect to the contract; the account that deployed it writes unless told."""
        from ledger.chain.client import AnchorLedger  # noqa: PLC0415 -- as above

        connected = AnchorLedger.connect(
            list(urls) or [self.url],
            contract=self.contract or self.deployed(),
            account=by or account(),
            chain_id=settings.pop("chain_id", self.chain_id),
            **settings,
        )
        self.ledgers.append(connected)
        return connected

    def administer(self, function: str, *values: object, by: "Account | None" = None) -> None:
        """Let the admin, or somebody else, call a function of the contract."""
        from ledger.chain.deployment import Administration  # noqa: PLC0415 -- as above
        from ledger.chain.endpoint import endpoint  # noqa: PLC0415 -- as above
        from ledger.chain.node import Node  # noqa: PLC0415 -- as above

        node = Node(endpoint(self.url, chain_id=self.chain_id, timeout_s=10.0))
        try:
            contract = bytes.fromhex(self.contract[2:])
            someone = Administration(node, by or account(), chain_id=self.chain_id)
            someone.run(contract, function, *values)
        finally:
            node.close()

    def rpc(self, method: str, *params: object) -> Any:  # noqa: ANN401 -- whatever JSON says
        """Ask the node past all our code."""
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.url, json=asked, timeout=20.0).json()
        assert "error" not in answer, answer
        return answer["result"]


@dataclass
class Writing:
    """Plays the gateway: keeps attempts, asks again, and never sends anything itself."""

    ledger: Ledger
    nonce: int | None = None
    now_ms: int = 1_000_000
    attempts: "list[Attempt]" = field(default_factory=list)

    def step(self, order: "Order") -> "Final | Waiting | None":
        """Advance once; None means that an attempt was prepared and kept."""
        from ledger.chain.values import Prepared  # noqa: PLC0415 -- as above

        if self.nonce is None:
            self.nonce = self.ledger.account_nonce()
        step = self.ledger.advance(order, self.attempts, next_nonce=self.nonce, now_ms=self.now_ms)
        if not isinstance(step, Prepared):
            return step
        self.attempts.append(step.attempt)
        self.nonce = max(self.nonce, step.attempt.nonce + 1)
        return None

    def final(self, order: "Order") -> "Final":
        """Carry out a new order.

        A busy node tells of a state before it finds the event that made it: the gateway asks again.
        """
        self.attempts = []
        for _ in range(_ASKED_AGAIN):
            try:
                return self.until_final(order)
            except Unavailable:
                time.sleep(_PAUSE_S)
        return self.until_final(order)

    def until_final(self, order: "Order", *, steps: int = 50) -> "Final":
        """Advance until the order is final."""
        from ledger.chain.values import Final  # noqa: PLC0415 -- as above

        for _ in range(steps):
            if isinstance(step := self.step(order), Final):
                return step
        pytest.fail(f"not final after {steps} steps: {step}")


class Scripted:
    """An endpoint that answers what it is told to; a method it was told nothing of is refused."""

    def __init__(self, **answers: Any) -> None:  # noqa: ANN401 -- whatever JSON says
        self.url = "scripted"
        self.answers = answers
        self.asked: list[tuple[str, list[Any]]] = []

    def request(self, method: str, params: list[Any]) -> Any:  # noqa: ANN401 -- as Endpoint
        self.asked.append((method, params))
        if method not in self.answers:
            from ledger.chain.endpoint import RpcRefusal  # noqa: PLC0415 -- as above

            raise RpcRefusal("the method does not exist", code=-32601, data=b"", where="scripted")
        return self.answers[method]

    def close(self) -> None:
        """Nothing to let go of."""


def submission(tree: Tree, sequence: int, size: int, old_size: int = 0) -> "Submission":
    """Return the submission of the first `size` leaves after a head of `old_size`."""
    from ledger.chain.values import Submission  # noqa: PLC0415 -- as above

    proof = tree.consistency(old_size, size) if old_size else []
    return Submission(
        log_id=LOG,
        sequence=sequence,
        root=tree.root(size),
        size=size,
        meta=bytes(32),
        proof=tuple(proof),
    )


@pytest.fixture(scope="session", params=["embedded", "anvil"])
def chain_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedServer | Anvil]:
    """A running node of each kind, with two funded accounts, for all tests that leave it alone."""
    directory = tmp_path_factory.mktemp("chain")
    server: EmbeddedServer | Anvil
    if request.param == "anvil":
        server = Anvil(directory)
    else:
        server = EmbeddedServer(directory, [account().address, stranger().address])
    with server:
        yield server


@pytest.fixture
def ledger_chain(chain_server: EmbeddedServer | Anvil) -> Iterator[LedgerChain]:
    """A chain of each kind, without a contract yet."""
    yield from closed_after(LedgerChain(chain_server))


@pytest.fixture
def anvil_chain(anvil: Anvil) -> Iterator[LedgerChain]:
    """The foreign node alone: it can reorganise, spike fees and drop transactions."""
    yield from closed_after(LedgerChain(anvil))


@pytest.fixture
def embedded_chain(tmp_path: Path) -> Iterator[LedgerChain]:
    """The embedded chain as a process that may be killed."""
    with EmbeddedServer(tmp_path, [account().address, stranger().address]) as server:
        yield from closed_after(LedgerChain(server))


def closed_after(chain: LedgerChain) -> Iterator[LedgerChain]:
    """Yield a chain, then let go of its ledgers."""
    yield chain
    for ledger in chain.ledgers:
        ledger.close()
