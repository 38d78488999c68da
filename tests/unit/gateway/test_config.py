"""Settings: every wrong one is told, with the file and the line."""

from pathlib import Path

import pytest

from gateway.config import GatewayConfig
from ledger.configuration import Misconfigured, load


def loaded(tmp_path: Path, text: str) -> GatewayConfig:
    file = tmp_path / "gateway.toml"
    file.write_text(text)
    return load(GatewayConfig, file, program="gateway", environ={}).value


def test_little_is_needed(tmp_path: Path) -> None:
    config = loaded(tmp_path, 'origin = "log"\nstate_dir = "state"\n')
    assert config.gateway_key_file == tmp_path / "state/gateway.key"
    assert config.chain_account_file == tmp_path / "state/account.key"
    assert config.journal_file == tmp_path / "state/journal.sqlite"
    assert config.log_dir == tmp_path / "state/log"
    assert config.contract_file == tmp_path / "state/contract"
    assert config.broker.host == config.health.host == "127.0.0.1"


def test_files_may_lie_elsewhere(tmp_path: Path) -> None:
    text = 'origin = "log"\nstate_dir = "s"\nkey_file = "k"\n[chain]\naccount_file = "/a"\n'
    config = loaded(tmp_path, text)
    assert config.gateway_key_file == tmp_path / "k"
    assert config.chain_account_file == Path("/a")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("window_s = 61", "not 4 s"),
        ("window_s = 1000", "not 4 s"),
        ("close_delay_s = 60", "close_delay_s"),
        ("rotation_overlap_s = -1", "rotation_overlap_s"),
        ("verify_threads = 0", "verify_threads"),
        ("batch = 0", "batch"),
        ("[clock]\nrate = 0", "rate"),
        ("[broker]\nport = 0", "port"),
        ("[broker]\nport = 65536", "port"),
        ("[broker]\ninflight = 0", "inflight"),
        ("[broker]\nheld_messages = 0", "held_messages"),
        ("[broker]\nkeepalive_s = 0", "keepalive_s"),
        ("[broker]\nsession_expiry_s = -1", "session_expiry_s"),
        ('[broker.tls]\nca_file = "a"\ncertificate_file = "c"', "go together"),
        ('[broker.tls]\ncertificate_file = "c"\nkey_file = "k"', "ca_file: is missing"),
        ('[broker]\nprotocol = "4"', "protocol"),
        ('[central]\nurl = "ftp://x"', "http"),
        ("[central]\nbatch = 0", "batch"),
        ("[central]\ntimeout_s = 0", "timeout_s"),
        ("[chain]\nchain_id = 0", "chain_id"),
        ("[chain]\nconfirmations = 0", "confirmations"),
        ("[chain]\ntimeout_s = 0", "timeout_s"),
        ("[journal]\nbacklog_mib = 0", "backlog_mib"),
        ("[journal]\nkeep_links_h = 0", "keep_links_h"),
        ("[journal]\nquarantine_mib = 0", "quarantine_mib"),
        ("[journal]\nreserve_mib = -1", "reserve_mib"),
        ("[health]\nport = 70000", "port"),
        ("[helth]\nport = 1", "did you mean health"),
    ],
)
def test_what_cannot_be_is_told(tmp_path: Path, wrong: str, told: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        loaded(tmp_path, f'origin = "log"\nstate_dir = "state"\n{wrong}\n')
    assert told in str(refused.value)
    assert "gateway.toml" in str(refused.value)


@pytest.mark.parametrize("origin", ["", "two words", "a+b"])
def test_an_origin_must_fit_a_checkpoint(tmp_path: Path, origin: str) -> None:
    with pytest.raises(Misconfigured, match="origin"):
        loaded(tmp_path, f'origin = "{origin}"\nstate_dir = "state"\n')
