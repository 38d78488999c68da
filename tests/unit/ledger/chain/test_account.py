"""The account's key file: only its owner's, never overwritten, never half right."""

from pathlib import Path

import pytest
from eth_account import Account as Reference

from ledger.chain.account import Account
from ledger.errors import Rejected

KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def test_a_key_names_its_address() -> None:
    assert Account.from_hex(KEY).address == ADDRESS


def test_a_saved_account_is_loaded_again(tmp_path: Path) -> None:
    account, path = Account.generate(), tmp_path / "keys/account.key"
    account.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert Account.load(path).address == account.address
    with pytest.raises(Rejected, match="already"):
        account.save(path)


def test_new_accounts_differ() -> None:
    assert Account.generate().address != Account.generate().address


@pytest.mark.parametrize(
    "key", ["", "zz", KEY[:-2], KEY + "00", "0x" + "00" * 32, "0x" + "ff" * 32]
)
def test_what_is_no_key_is_told(key: str, tmp_path: Path) -> None:
    path = tmp_path / "account.key"
    path.write_text(key)
    path.chmod(0o600)
    with pytest.raises(Rejected) as rejected:
        Account.load(path)
    assert rejected.value.reason == "bad_key"
    assert str(path) in str(rejected.value)
    assert key not in rejected.value.what or not key


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "account.key"
    Account.generate().save(path)
    path.chmod(0o640)
    with pytest.raises(Rejected) as rejected:
        Account.load(path)
    assert rejected.value.reason == "exposed_key"


def test_a_signature_names_its_signer() -> None:
    raw, tx_hash = Account.from_hex(KEY).sign(
        {
            "type": 2, "chainId": 1, "nonce": 0, "to": ADDRESS, "value": 0, "data": b"",
            "gas": 21_000, "maxFeePerGas": 2, "maxPriorityFeePerGas": 1,
        }
    )  # fmt: skip
    assert Reference.recover_transaction(raw) == ADDRESS
    assert len(tx_hash) == 32
