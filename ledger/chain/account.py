"""The gateway's Ethereum account: a secp256k1 key in a file that only its owner can read."""

import secrets
from pathlib import Path
from typing import Any, Self

from eth_account import Account as _Account
from eth_account.signers.local import LocalAccount

from ledger.errors import Rejected
from ledger.signing import read_secret, write_secret

_KEY_BYTES = 32


class Account:
    """An account that can sign transactions."""

    def __init__(self, signer: LocalAccount) -> None:
        self._signer = signer

    @property
    def address(self) -> str:
        """Return the checksummed address in hexadecimal."""
        return str(self._signer.address)

    @classmethod
    def generate(cls) -> Self:
        """Return an account with a new key from the operating system's randomness."""
        return cls(_Account.from_key(secrets.token_bytes(_KEY_BYTES)))

    @classmethod
    def from_hex(cls, key: str, *, where: str = "") -> Self:
        """Return the account of a private key in hexadecimal.

        Raises:
            Rejected: `bad_key`.
        """
        try:
            encoded = bytes.fromhex(key.strip().removeprefix("0x"))
            if len(encoded) == _KEY_BYTES:
                return cls(_Account.from_key(encoded))
        except ValueError:
            pass
        raise Rejected(
            "holds no private key of 32 bytes in hexadecimal",
            where=where,
            remedy="type: certiflex ledger chain account new FILE",
            reason="bad_key",
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return the account whose private key a file holds.

        Raises:
            Rejected: the file is missing, unreadable, open to others, or holds no such key.
        """
        secret = read_secret(path, what="account key")
        return cls.from_hex(secret.decode("ascii", errors="replace"), where=str(path))

    def save(self, path: Path) -> None:
        """Write the private key to a new file that only its owner can read (0600).

        Raises:
            Rejected: there is a file already, or it cannot be written.
        """
        key = bytes(self._signer.key).hex()
        write_secret(path, f"{key}\n".encode(), what="account key")

    def sign(self, transaction: dict[str, Any]) -> tuple[bytes, bytes]:
        """Return the raw signed transaction and its hash."""
        signed = self._signer.sign_transaction(transaction)
        return bytes(signed.raw_transaction), bytes(signed.hash)
