"""Settings: defaults, faults told together, keys and addresses refused early."""

from pathlib import Path

import pytest

from central.config import CentralConfig
from ledger.configuration import Misconfigured, load
from ledger.errors import Rejected
from ledger.signing import SigningKey

KEY = SigningKey.generate("EdDSA").public.encode().hex()


def loaded(tmp_path: Path, text: str) -> CentralConfig:
    path = tmp_path / "central.toml"
    path.write_text(text)
    return load(CentralConfig, path, program="central", environ={}).value


def test_two_lines_are_enough(tmp_path: Path) -> None:
    config = loaded(tmp_path, f'origin = "certiflex.example/rome"\nlog_key = "{KEY}"')
    assert (config.api.host, config.api.port) == ("127.0.0.1", 8080)
    assert config.verifying_key().encode().hex() == KEY
    assert config.quarters.tolerance.absolute_wh == 5.0


def test_paths_count_from_the_file(tmp_path: Path) -> None:
    config = loaded(tmp_path, f'origin = "o"\nlog_key = "{KEY}"\n[store]\nevidence = "x/e.db"')
    assert config.store.evidence == tmp_path / "x" / "e.db"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[api]\nport = 70000", "port must be"),
        ("[api]\nmax_body_mib = 0", "max_body_mib"),
        ("[series]\nseal_every_s = 0", "seal_every_s"),
        ("[series]\ngrace_s = -1", "grace_s"),
        ("[quarters]\ntolerance_wh = -1.0", "tolerance_wh"),
        ("[quarters]\ntolerance_pct = -1.0", "tolerance_pct"),
        ("[clock]\nrate = 0.0", "rate"),
        ("[store]\ncheck_up_to_mib = -1", "check_up_to_mib"),
        ("[api]\nhots = 1", "did you mean host"),
        ('[alerts]\nwebhook_url = "http://a/"', "needs a secret_file"),
        ('[alerts]\nwebhook_url = "ftp://a/"\nsecret_file = "s"', "must be http"),
        ("[alerts]\ntimeout_s = 0.0", "timeout_s"),
        ('[market]\npricing = "as_we_like"', "pricing must be one of"),
        ('[market]\nreserve = "all"', "reserve must be one of"),
        ("[market]\nmost_rounds = 0", "most_rounds"),
        ("[market]\nprice_cap_eur_per_mwh = 0.0", "price_cap_eur_per_mwh"),
        ("[market]\nfeed_in_eur_per_mwh = 900.0", "feed_in_eur_per_mwh"),
        ("[market]\nfee_eur_per_mwh = -1.0", "fee_eur_per_mwh"),
        ('[[parties]]\nid = "a"\nkey = "00"', "key must be a public key"),
        (f'[[parties]]\nid = "a"\nkey = "{KEY}"\n' * 2, "names one twice"),
        ('[market_log]\norigin = "o"\nkey_file = "k"', "must differ from origin"),
        ('[market_log]\norigin = "a b"\nkey_file = "k"', "a name without spaces"),
        ('[market_log]\norigin = "a"', "key_file: is missing"),
        ("[chain]\nurls = []", "names no node"),
        ('[chain]\nurls = ["http://a"]', "chain.contract is missing"),
        ('[chain]\nurls = ["http://a"]\ncontract = "0x"', "account_file is missing"),
        ('[chain]\nurls = ["http://a"]\ncontract = "0x"\naccount_file = "k"', "nothing to anchor"),
    ],
)
def test_each_fault_is_named(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(Misconfigured, match=told):
        loaded(tmp_path, f'origin = "o"\nlog_key = "{KEY}"\n{text}')


@pytest.mark.parametrize("key", ["", "zz", "00", KEY[:-2]])
def test_a_log_key_must_be_one(tmp_path: Path, key: str) -> None:
    with pytest.raises(Misconfigured, match="log_key must be a public key"):
        loaded(tmp_path, f'origin = "o"\nlog_key = "{key}"')


def test_faults_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as caught:
        loaded(tmp_path, 'orign = "o"\n[api]\nport = "x"')
    assert len(caught.value.faults) >= 3


def test_parties_are_known_by_their_keys(tmp_path: Path) -> None:
    parties = f'[[parties]]\nid = "dso"\nkey = "{KEY}"\n[alerts]\nwebhook_url = ""'
    config = loaded(tmp_path, f'origin = "o"\nlog_key = "{KEY}"\n{parties}')
    assert {name: key.encode().hex() for name, key in config.party_keys().items()} == {"dso": KEY}


def test_a_party_is_played_where_its_key_is(tmp_path: Path) -> None:
    key = SigningKey.generate()
    key.save(tmp_path / "market.key")
    public = key.public.encode().hex()
    config = loaded(
        tmp_path,
        f'origin = "o"\nlog_key = "{KEY}"\n'
        f'[[parties]]\nid = "market"\nkey = "{public}"\nkey_file = "market.key"\n'
        f'[[parties]]\nid = "aggregator"\nkey = "{KEY}"\n',
    )
    assert list(config.played_keys()) == ["market"]
    assert set(config.party_keys()) == {"market", "aggregator"}


def test_a_key_of_somebody_else_is_refused(tmp_path: Path) -> None:
    SigningKey.generate().save(tmp_path / "market.key")
    config = loaded(
        tmp_path,
        f'origin = "o"\nlog_key = "{KEY}"\n'
        f'[[parties]]\nid = "market"\nkey = "{KEY}"\nkey_file = "market.key"\n',
    )
    with pytest.raises(Rejected, match="another key than that of market") as caught:
        config.played_keys()
    assert caught.value.reason == "other_key"
