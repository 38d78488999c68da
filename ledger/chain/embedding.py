"""The embedded chain as a node inside this process: requests in, answers out, no server."""

from pathlib import Path

from ledger.chain.evm import FUNDED_WEI, EmbeddedChain
from ledger.chain.jsonrpc import JsonRpc
from ledger.chain.store import FILE_NAME
from ledger.facts.clock import SystemClock


class EmbeddedNode:
    """The chain of one directory; a new one begins with `founder` funded."""

    def __init__(self, directory: Path, *, chain_id: int, founder: str | None) -> None:
        clock = SystemClock()
        # What a known chain began with is its own affair.
        is_new = not (directory / FILE_NAME).exists()
        self._chain = EmbeddedChain.open(
            directory,
            chain_id=chain_id,
            funded_wei={bytes.fromhex(founder[2:]): FUNDED_WEI} if founder and is_new else {},
            now_s=lambda: clock.now_ms() // 1000,
        )
        self._rpc = JsonRpc(self._chain)

    def answered(self, request: bytes) -> bytes:
        """Return the answer to a JSON-RPC request."""
        return self._rpc.answered(request)

    def close(self) -> None:
        """Let go of the directory."""
        self._chain.close()
