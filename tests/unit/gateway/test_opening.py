"""What a configuration names is opened, or told in one line."""

import logging
from pathlib import Path

import pytest

from gateway.config import CentralConfig, GatewayConfig
from gateway.opening import (
    connect_ledger,
    contract_of,
    gateway_key,
    open_journal,
    token_of,
)
from ledger.chain.account import Account
from ledger.chain.settings import ChainConfig
from ledger.errors import Rejected
from ledger.signing import SigningKey

CHAIN = ChainConfig(urls=("http://127.0.0.1:1",))


def config(folder: Path, **more: object) -> GatewayConfig:
    return GatewayConfig(origin="log", state_dir=folder, **more)  # type: ignore[arg-type]


def test_the_gateway_signs_with_ed25519_only(tmp_path: Path) -> None:
    made = config(tmp_path)
    with pytest.raises(Rejected, match=r"gateway\.key"):
        gateway_key(made)
    key = SigningKey.generate("EdDSA")
    key.save(made.gateway_key_file)
    assert gateway_key(made).public == key.public
    SigningKey.generate("ES256").save(tmp_path / "other.key")
    with pytest.raises(Rejected, match="another kind"):
        gateway_key(config(tmp_path, key_file=tmp_path / "other.key"))


def test_a_token_is_one_line_in_a_file_of_its_own(tmp_path: Path) -> None:
    assert token_of(config(tmp_path)) is None
    file = tmp_path / "token"
    named = config(tmp_path, central=CentralConfig(token_file=file))
    file.write_text("abc\n")
    file.chmod(0o600)
    assert token_of(named) == "abc"
    for wrong in ("", "two\nlines", "sé"):
        file.write_text(wrong)
        with pytest.raises(Rejected):
            token_of(named)
    file.chmod(0o640)
    with pytest.raises(Rejected, match="chmod 600"):
        token_of(named)


def test_the_contract_is_named_or_kept(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="chain deploy"):
        contract_of(config(tmp_path))
    (tmp_path / "contract").write_text("0xabc\n")
    assert contract_of(config(tmp_path)) == "0xabc"
    assert contract_of(config(tmp_path, chain=ChainConfig(contract="0xdef"))) == "0xdef"


def test_a_ledger_needs_an_address_and_need_not_be_up(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"chain\.urls"):
        connect_ledger(config(tmp_path))
    named = config(tmp_path, chain=CHAIN)
    (tmp_path / "contract").write_text("0x" + "ab" * 20)
    with pytest.raises(Rejected):
        connect_ledger(named)
    Account.generate().save(named.chain_account_file)
    connect_ledger(named).close()


def test_the_journal_is_made_with_its_reserve(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    open_journal(config(tmp_path / "state")).close()
    assert (tmp_path / "state/journal.sqlite").exists()
    assert (tmp_path / "state/journal.reserve").stat().st_size == 8 << 20
    assert not caplog.records
