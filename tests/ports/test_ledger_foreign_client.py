"""web3.py, which is not ours, reads the contract on every chain that we write to."""

from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from ledger.contract import anchor
from ledger.merkle import Tree, leaf_hash
from tests.chains import LOG, LedgerChain, Writing, submission

TREE = Tree([leaf_hash(bytes([n])) for n in range(9)])


@pytest.fixture
def contract(ledger_chain: LedgerChain) -> Any:  # noqa: ANN401 -- web3 makes its classes as it goes
    ledger = ledger_chain.ledger()
    gateway = Writing(ledger)
    gateway.final(submission(TREE, 1, 4))
    gateway.final(submission(TREE, 2, 9, 4))
    web3 = Web3(HTTPProvider(ledger_chain.url, request_kwargs={"timeout": 10}))
    assert web3.is_connected()
    assert web3.eth.chain_id == ledger_chain.chain_id
    return web3.eth.contract(
        address=Web3.to_checksum_address(ledger_chain.contract), abi=anchor().abi
    )


def test_it_reads_the_head(contract: Any) -> None:  # noqa: ANN401 -- as above
    sequence, size, *_ = contract.functions.head(LOG).call()
    assert {sequence, size} == {2, 9}
    assert TREE.root() in contract.functions.head(LOG).call()


def test_it_finds_every_anchor_among_the_events(contract: Any) -> None:  # noqa: ANN401 -- as above
    events = contract.events.Anchored.get_logs(from_block=0, argument_filters={"log_id": LOG})
    assert [(each.args.sequence, each.args.size, each.args.root) for each in events] == [
        (1, 4, TREE.root(4)),
        (2, 9, TREE.root()),
    ]


def test_blocks_and_receipts_are_whole(contract: Any) -> None:  # noqa: ANN401 -- as above
    web3 = contract.w3
    (_, last) = contract.events.Anchored.get_logs(from_block=0)
    receipt = web3.eth.get_transaction_receipt(last.transactionHash)
    block = web3.eth.get_block(receipt.blockHash)
    assert (receipt.status, block.number) == (1, last.blockNumber)
    assert last.transactionHash in block.transactions
    assert web3.eth.get_code(contract.address)
