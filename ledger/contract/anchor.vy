# pragma version 0.4.3
# pragma evm-version london
# pragma optimize gas
"""
@title Anchor: heads of append-only logs, each proved to continue the one before it
@license Apache-2.0
@notice
    A log of RFC 9162 (SHA-256) is opened by the admin for one submitter. A submission is taken
    only if its sequence is the next one, the log grew, and a consistency proof (RFC 9162
    2.1.4.2) from the head stored here to the new one holds: a log once anchored can never be
    changed, shortened or forked here, not even by its own submitter or by the admin.
@dev
    Two cold slots: root, and all else packed in one word. There is no proxy, no ether, no call
    to another contract but precompiles.
"""

import evidence

exports: (evidence.VALID, evidence.INVALID, evidence.INDETERMINATE)

struct Log:
    packed: uint256  # sequence << 225 | size << 193 | time of the block [s] << 161 | writer
    root: bytes32

event Anchored:
    log_id: indexed(bytes32)
    sequence: indexed(uint64)
    root: bytes32
    size: uint64
    meta: bytes32

event RegistryRoot:
    log_id: indexed(bytes32)
    root: bytes32

event Submitter:
    log_id: indexed(bytes32)
    submitter: indexed(address)

event Paused:
    log_id: indexed(bytes32)
    paused: bool

event AdminProposed:
    admin: indexed(address)

event AdminChanged:
    admin: indexed(address)

event Guardian:
    guardian: indexed(address)

MAX_PROOF: constant(uint256) = 64
MASK: constant(uint256) = 2**32 - 1  # of a size and of a time
WRITER: constant(uint256) = 2**161 - 1  # paused << 160 | submitter
PAUSED: constant(uint256) = 2**160
NODE: constant(bytes1) = 0x01
EMPTY_ROOT: constant(bytes32) = sha256(b"")

# Count the ones of n, up to 35 bits, without a loop: n * COPIES is n six times, 35 bits apart, of
# which EVERY_SIXTH keeps bit b once, from copy b mod 6. These digits of base 64 add up modulo 63.
COPIES: constant(uint256) = (2**210 - 1) // (2**35 - 1)
EVERY_SIXTH: constant(uint256) = (2**210 - 1) // 63

admin: public(address)
proposedAdmin: public(address)
guardian: public(address)
registryRoot: public(HashMap[bytes32, bytes32])
logs: HashMap[bytes32, Log]


@deploy
def __init__(guardian: address):
    self.admin = msg.sender
    self.guardian = guardian
    log AdminChanged(admin=msg.sender)
    log Guardian(guardian=guardian)


@external
def submit(
    log_id: bytes32,
    sequence: uint64,
    root: bytes32,
    size: uint64,
    meta: bytes32,
    proof: DynArray[bytes32, MAX_PROOF],
):
    """
    @notice Anchor the next head of a log.
    @param sequence One more than the last one; the first is 1.
    @param size Entries of the log, less than 2**32; strictly more than at the last head.
    @param meta Whatever the submitter binds to this head; kept in the event only.
    @param proof Consistency proof from the last head; empty for the first one.
    """
    known: Log = self.logs[log_id]
    self._check_writer(known.packed)
    old_size: uint256 = (known.packed >> 193) & MASK
    new_size: uint256 = convert(size, uint256)
    assert convert(sequence, uint256) == unsafe_add(known.packed >> 225, 1), "sequence"
    assert new_size > old_size, "not grown"
    assert new_size <= MASK, "too large"
    if old_size == 0:
        assert len(proof) == 0, "consistency"
    else:
        # RFC 9162's fn and sn, with sn kept as fn xor sn. First their common run of ones goes.
        run: uint256 = old_size & unsafe_sub(0, old_size)
        fn: uint256 = unsafe_sub(unsafe_div(old_size, run), 1)
        differ: uint256 = unsafe_div(unsafe_sub(new_size, 1), run) ^ fn
        seeded: bool = fn == 0  # a complete old tree is its own first node
        fr: bytes32 = known.root
        sr: bytes32 = known.root
        above: uint256 = len(proof)
        for node: bytes32 in proof:
            if differ != 0:
                above = unsafe_sub(above, 1)
                if not seeded:
                    fr = node
                    sr = node
                    seeded = True
                    continue
                is_right: bool = fn & 1 == 0
                fn >>= 1
                differ >>= 1
                if is_right:
                    sr = sha256(concat(NODE, sr, node))
                    continue
            fr = sha256(concat(NODE, node, fr))
            sr = sha256(concat(NODE, node, sr))
        # Above the point of growth: one left sibling for each remaining one of fn. Nothing is
        # above it as long as differ is not zero, so then this fails.
        ones: uint256 = (unsafe_mul(fn | differ, COPIES) & EVERY_SIXTH) % 63
        assert fr == known.root and sr == root and ones == above, "consistency"
    known.packed = (
        (convert(sequence, uint256) << 225)
        | (new_size << 193)
        | ((block.timestamp & MASK) << 161)
        | convert(msg.sender, uint256)
    )
    known.root = root
    self.logs[log_id] = known
    log Anchored(log_id=log_id, sequence=sequence, root=root, size=size, meta=meta)


@external
def setRegistryRoot(log_id: bytes32, root: bytes32):
    """
    @notice Put the root of the log's registry of nodes where everybody sees it.
    """
    self._check_writer(self.logs[log_id].packed)
    self.registryRoot[log_id] = root
    log RegistryRoot(log_id=log_id, root=root)


@view
@external
def head(log_id: bytes32) -> (uint64, uint64, bytes32, uint64):
    """
    @notice Return sequence, size, root and block time [s] of a log's head; zeros if unknown.
    """
    packed: uint256 = self.logs[log_id].packed
    return (
        convert(packed >> 225, uint64),
        convert((packed >> 193) & MASK, uint64),
        self.logs[log_id].root,
        convert((packed >> 161) & MASK, uint64),
    )


@view
@external
def writer(log_id: bytes32) -> (address, bool):
    """
    @notice Return who may submit to a log, and whether it is paused.
    """
    packed: uint256 = self.logs[log_id].packed
    return (convert(packed & (PAUSED - 1), address), packed & PAUSED != 0)


@view
@external
def verifyInclusion(log_id: bytes32, leaf: bytes32, index: uint256, proof: DynArray[bytes32, MAX_PROOF]) -> bool:
    """
    @notice Tell whether a leaf hash is entry `index` of the log as it stands here.
    """
    size: uint256 = (self.logs[log_id].packed >> 193) & MASK
    return index < size and evidence._root(leaf, evidence.Path(index=index, size=size, proof=proof)) == self.logs[log_id].root


@view
@external
def verifyRecord(log_id: bytes32, leaf: bytes32, given: evidence.Evidence) -> uint256:
    """
    @notice Follow a record's leaf hash through segment, window and log to the head stored here,
            and its segment's P-256 signature to the registry.
    @return VALID, INVALID, or INDETERMINATE where the path leads to another head than the one
            stored here, or where this chain cannot verify P-256. Malformed bytes revert.
    """
    size: uint256 = (self.logs[log_id].packed >> 193) & MASK
    return evidence._verdict(log_id, leaf, size, self.logs[log_id].root, given)


@external
def setSubmitter(log_id: bytes32, submitter: address):
    """
    @notice Name the only account that may submit to a log; opens the log when it is new.
    """
    assert msg.sender == self.admin, "not admin"
    if self.logs[log_id].root == empty(bytes32):
        self.logs[log_id].root = EMPTY_ROOT
        self.logs[log_id].packed |= (block.timestamp & MASK) << 161
    kept: uint256 = self.logs[log_id].packed & ~(PAUSED - 1)
    self.logs[log_id].packed = kept | convert(submitter, uint256)
    log Submitter(log_id=log_id, submitter=submitter)


@external
def pause(log_id: bytes32):
    """
    @notice Stop all writing to a log; the guardian can stop, only the admin can resume.
    """
    assert msg.sender == self.guardian or msg.sender == self.admin, "not guardian"
    self.logs[log_id].packed |= PAUSED
    log Paused(log_id=log_id, paused=True)


@external
def resume(log_id: bytes32):
    """
    @notice Let the submitter write to a log again.
    """
    assert msg.sender == self.admin, "not admin"
    self.logs[log_id].packed &= ~PAUSED
    log Paused(log_id=log_id, paused=False)


@external
def setGuardian(guardian: address):
    """
    @notice Name the account that may pause logs.
    """
    assert msg.sender == self.admin, "not admin"
    self.guardian = guardian
    log Guardian(guardian=guardian)


@external
def proposeAdmin(admin: address):
    """
    @notice Offer the admin's role; nothing changes until it is accepted.
    """
    assert msg.sender == self.admin, "not admin"
    self.proposedAdmin = admin
    log AdminProposed(admin=admin)


@external
def acceptAdmin():
    """
    @notice Take the admin's role that was offered to the caller.
    """
    assert msg.sender == self.proposedAdmin, "not proposed"
    self.admin = msg.sender
    self.proposedAdmin = empty(address)
    log AdminChanged(admin=msg.sender)


@view
@internal
def _check_writer(packed: uint256):
    writer: uint256 = packed & WRITER
    if writer != convert(msg.sender, uint256):
        assert writer < PAUSED, "paused"
        raise "not submitter"
