# pragma version 0.4.3
# pragma evm-version london
# pragma optimize gas
"""
@title Naive: one transaction for each reading, to compare with
@license Apache-2.0
"""

event Reading:
    node: indexed(uint256)
    reading: bytes32

readings: HashMap[uint256, HashMap[uint256, bytes32]]


@external
def tell(node: uint256, reading: bytes32):
    """
    @notice Put the hash of a reading into an event.
    """
    log Reading(node=node, reading=reading)


@external
def keep(node: uint256, slot: uint256, reading: bytes32):
    """
    @notice Put the hash of a reading into storage.
    """
    self.readings[node][slot] = reading
