# pragma version 0.4.3
"""
@title Evidence: a record followed through segment, window and log, and to its node's key
@license Apache-2.0
@dev
    Views only. Containers are deterministic CBOR; the few fields that carry the proof are read
    at their place, never searched for. Malformed bytes revert: nobody can take that for a yes.
"""

struct Path:
    index: uint256
    size: uint256
    proof: DynArray[bytes32, 64]

struct Evidence:
    in_segment: Path  # record leaf hash in the segment
    header: Bytes[512]  # what the node signed; holds the root of the segment
    r: bytes32  # ES256 signature of the header
    s: bytes32
    window_leaf: Bytes[1024]  # holds the hash of the header
    position: uint256  # of that hash among the leaf's hashes
    in_window: Path  # window leaf in the window; its index is the node's
    entry: Bytes[512]  # holds the roots of the window and of the registry
    in_log: Path  # entry in the log, as large as it is anchored
    registration: Bytes[1024]  # holds the node's key
    in_registry: Path
    key_offset: uint256  # where the encoded key begins in the registration
    x: bytes32  # the node's P-256 key
    y: bytes32

INVALID: public(constant(uint256)) = 0
VALID: public(constant(uint256)) = 1
INDETERMINATE: public(constant(uint256)) = 2

LEAF: constant(bytes1) = 0x00
NODE: constant(bytes1) = 0x01
NULL: constant(uint256) = 246
SLOT_MS: constant(uint256) = 4000
P256: constant(address) = 0x0000000000000000000000000000000000000100

# SHA-256 of a known message with a signature of it and its key: shows whether P-256 works here.
PROBE_HASH: constant(bytes32) = 0x0727f640f93cee06411faafa9a855a8c95043aada930f17f04ca77a468c2cd41
PROBE_R: constant(bytes32) = 0x52c062b57ab5671ba9922b08611f08f81ad229e78ae3dab1c6bd8546566417e2
PROBE_S: constant(bytes32) = 0x4103e8cc86091dded6ddcbee513ad2876164e276100e095c15c7b065483ef324
PROBE_X: constant(bytes32) = 0x405cc29122c04f85f64c4cc9c0da7fe01f6baaa35100a12f7cf0bd0322fab683
PROBE_Y: constant(bytes32) = 0x122da994996bb8e84141387d9c21a896b68395661ca3c5e6439c297e13b31a6f


@view
@internal
def _verdict(log_id: bytes32, leaf: bytes32, size: uint256, root: bytes32, given: Evidence) -> uint256:
    if given.in_log.size != size:
        # Nothing anchored yet, or a path to another head than the one that is known here.
        return INDETERMINATE
    if not self._is_anchored(log_id, leaf, root, given):
        return INVALID
    if not self._is_key_of_node(given):
        return INVALID
    return self._signature_verdict(given)


@view
@internal
def _is_anchored(log_id: bytes32, leaf: bytes32, root: bytes32, given: Evidence) -> bool:
    """
    @dev Record in segment, header in window leaf, leaf in window, entry in log; and that all
         of them speak of the same log, window and node.
    """
    header: Bytes[512] = given.header
    window_leaf: Bytes[1024] = given.window_leaf
    entry: Bytes[512] = given.entry
    assert slice(header, 0, 2) == x"8f01" and slice(window_leaf, 0, 2) == x"8401" and slice(entry, 0, 2) == x"8701", "malformed"
    origin: uint256 = self._argument(header, 2)
    assert self._kind(header, 2) == 3 and origin < 256, "malformed"
    node: uint256 = self._argument(header, self._after(header, 2, 1))
    hashes: uint256 = self._after(window_leaf, 2, 2)
    count: uint256 = self._argument(window_leaf, hashes)
    assert self._kind(window_leaf, hashes) == 4 and count <= 32 and given.position < count, "malformed"
    window: uint256 = self._argument(entry, self._after(entry, 2, 1))
    same: bool = (
        sha256(slice(header, self._body(header, 2), origin)) == log_id
        and sha256(slice(entry, self._body(entry, 2), self._argument(entry, 2))) == log_id
        and node == given.in_window.index
        and node == self._argument(window_leaf, self._after(window_leaf, 2, 1))
        and window == self._argument(window_leaf, 2)
        and window == given.in_log.index
        and self._argument(entry, self._after(entry, 2, 3)) == given.in_window.size
        and self._argument(header, self._after(header, 2, 5)) == given.in_segment.size
    )
    return (
        same
        and self._root(leaf, given.in_segment) == self._hash_at(header, self._after(header, 2, 10))
        and sha256(header) == self._hash_at(window_leaf, self._body(window_leaf, hashes) + 34 * given.position)
        and self._root(sha256(concat(LEAF, window_leaf)), given.in_window) == self._hash_at(entry, self._after(entry, 2, 4))
        and self._root(sha256(concat(LEAF, entry)), given.in_log) == root
    )


@view
@internal
def _is_key_of_node(given: Evidence) -> bool:
    """
    @dev The registration is the node's, in the registry of the entry, and its key was valid for
         all slots of the segment.
    """
    registration: Bytes[1024] = given.registration
    header: Bytes[512] = given.header
    assert slice(registration, 0, 2) == x"8501", "malformed"
    keys: uint256 = self._after(registration, 2, 3)
    assert self._kind(registration, keys) == 4 and given.key_offset > keys, "malformed"
    assert slice(registration, given.key_offset - 1, 1) == x"83", "malformed"
    key: Bytes[35] = concat(x"5821", self._compressed(given))
    starts: uint256 = self._after(registration, given.key_offset, 1)
    ends: uint256 = self._after(registration, starts, 1)
    is_valid: bool = (
        self._argument(header, self._after(header, 2, 6)) * SLOT_MS >= self._argument(registration, starts)
    )
    if self._byte(registration, ends) != NULL:
        is_valid = is_valid and (
            self._argument(header, self._after(header, 2, 7)) * SLOT_MS <= self._argument(registration, ends)
        )
    return (
        is_valid
        and slice(registration, given.key_offset, 35) == key
        and self._argument(registration, 2) == given.in_window.index
        and given.in_registry.index == given.in_window.index
        and given.in_registry.size == given.in_window.size
        and self._root(sha256(concat(LEAF, registration)), given.in_registry)
        == self._hash_at(given.entry, self._after(given.entry, 2, 5))
    )


@view
@internal
def _signature_verdict(given: Evidence) -> uint256:
    """
    @dev COSE_Sign1 (RFC 9052 4.4) with ES256 over the header in the context of segments.
    """
    if not self._p256(PROBE_HASH, PROBE_R, PROBE_S, PROBE_X, PROBE_Y):
        return INDETERMINATE
    if self._p256(PROBE_HASH, PROBE_S, PROBE_R, PROBE_X, PROBE_Y):
        return INDETERMINATE
    size: uint256 = len(given.header)
    assert size >= 24, "malformed"
    length: Bytes[3] = concat(x"59", slice(convert(size, bytes32), 30, 2))
    if size < 256:
        length = concat(x"58", slice(convert(size, bytes32), 31, 1))
    key_id: Bytes[8] = slice(sha256(self._compressed(given)), 0, 8)
    signed: bytes32 = sha256(
        concat(
            x"846a", b"Signature1",
            x"4da201260448", key_id,
            x"54", b"certiflex/segment/v1",
            length, given.header,
        )
    )
    if self._p256(signed, given.r, given.s, given.x, given.y):
        return VALID
    return INVALID


@view
@internal
def _p256(digest: bytes32, r: bytes32, s: bytes32, x: bytes32, y: bytes32) -> bool:
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        P256, concat(digest, r, s, x, y), max_outsize=32, is_static_call=True, revert_on_failure=False
    )
    return success and len(answer) == 32 and convert(answer, uint256) == 1


@pure
@internal
def _compressed(given: Evidence) -> Bytes[33]:
    prefix: Bytes[1] = x"02"
    if convert(given.y, uint256) & 1 == 1:
        prefix = x"03"
    return concat(prefix, given.x)


@pure
@internal
def _root(leaf: bytes32, path: Path) -> bytes32:
    """
    @dev RFC 9162 2.1.3.2; zero, which is no hash of anything, when the path does not fit.
    """
    if path.index >= path.size:
        return empty(bytes32)
    fn: uint256 = path.index
    sn: uint256 = path.size - 1
    digest: bytes32 = leaf
    for node: bytes32 in path.proof:
        if sn == 0:
            return empty(bytes32)
        if fn & 1 == 1 or fn == sn:
            digest = sha256(concat(NODE, node, digest))
            if fn & 1 == 0:
                run: uint256 = fn & (~fn + 1)
                fn = unsafe_div(fn, run)
                sn = unsafe_div(sn, run)
        else:
            digest = sha256(concat(NODE, digest, node))
        fn >>= 1
        sn >>= 1
    if sn != 0:
        return empty(bytes32)
    return digest


@pure
@internal
def _byte(data: Bytes[1024], offset: uint256) -> uint256:
    return convert(slice(data, offset, 1), uint256)


@pure
@internal
def _kind(data: Bytes[1024], offset: uint256) -> uint256:
    return self._byte(data, offset) >> 5


@pure
@internal
def _argument(data: Bytes[1024], offset: uint256) -> uint256:
    info: uint256 = self._byte(data, offset) & 31
    if info < 24:
        return info
    if info == 24:
        return self._byte(data, offset + 1)
    if info == 25:
        return convert(slice(data, offset + 1, 2), uint256)
    if info == 26:
        return convert(slice(data, offset + 1, 4), uint256)
    assert info == 27, "malformed"
    return convert(slice(data, offset + 1, 8), uint256)


@pure
@internal
def _body(data: Bytes[1024], offset: uint256) -> uint256:
    """
    @dev Where what follows the head of an item begins.
    """
    info: uint256 = self._byte(data, offset) & 31
    if info < 24:
        return offset + 1
    assert info <= 27, "malformed"
    return offset + 1 + (1 << (info - 24))


@pure
@internal
def _after(data: Bytes[1024], start: uint256, items: uint256) -> uint256:
    """
    @dev Where the item begins that comes `items` integers, texts or byte strings later.
    """
    offset: uint256 = start
    for i: uint256 in range(items, bound=16):
        kind: uint256 = self._kind(data, offset)
        assert kind == 0 or kind == 2 or kind == 3, "malformed"
        body: uint256 = self._body(data, offset)
        if kind != 0:
            body += self._argument(data, offset)
        offset = body
    return offset


@pure
@internal
def _hash_at(data: Bytes[1024], offset: uint256) -> bytes32:
    assert slice(data, offset, 2) == x"5820", "malformed"
    return extract32(data, offset + 2)
