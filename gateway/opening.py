"""What a configuration names, opened: key, token, journal, ledger."""

from gateway.config import GatewayConfig
from gateway.journal import Journal
from gateway.ports import Ledger
from ledger.checkpoint import checkpoint_key
from ledger.errors import Rejected
from ledger.signing import SigningKey, read_secret

_MIB = 1 << 20


def gateway_key(config: GatewayConfig) -> SigningKey:
    """Return the key that signs receipts and checkpoints.

    Raises:
        Rejected: the file is missing, open to others, or holds a key of another kind.
    """
    return checkpoint_key(config.gateway_key_file)


def token_of(config: GatewayConfig) -> str | None:
    """Return the token for the Shared Customer Database, if a file is named.

    Raises:
        Rejected: the file is missing, open to others, or holds no token.
    """
    file = config.central.token_file
    if file is None:
        return None
    token = read_secret(file, what="token").decode(errors="replace").strip()
    if not (token.isascii() and token.isprintable() and token):
        raise Rejected("holds no token in one line", where=str(file), reason="bad_token")
    return token


def open_journal(config: GatewayConfig) -> Journal:
    """Return the journal; a new one is made.

    Raises:
        JournalBlocked: the file cannot be opened or written now.
        JournalDamaged: it is no journal, or not what was written.
    """
    return Journal.open(
        config.journal_file,
        reserve_bytes=config.journal.reserve_mib * _MIB,
        quarantine_bytes=config.journal.quarantine_mib * _MIB,
    )


def connect_ledger(config: GatewayConfig) -> Ledger:
    """Return the ledger; it need not be up.

    Raises:
        Rejected: no address, no contract, or no account is known.
    """
    # Imported here: who only looks at nodes or quarantine needs no chain libraries.
    from ledger.chain.account import Account  # noqa: PLC0415
    from ledger.chain.client import AnchorLedger  # noqa: PLC0415

    need_ledger(config)
    contract = contract_of(config)
    account = Account.load(config.chain_account_file)
    return AnchorLedger.named(config.chain, contract=contract, account=account)


def need_ledger(config: GatewayConfig) -> None:
    """Refuse a configuration that names no ledger."""
    if not config.chain.urls:
        raise Rejected(
            "no ledger is named",
            where="chain.urls",
            remedy='name one, for example urls = ["http://127.0.0.1:8545"]',
            reason="no_ledger",
        )


def contract_of(config: GatewayConfig) -> str:
    """Return the address of the contract, from the configuration or from `chain deploy`.

    Raises:
        Rejected: nobody has deployed one, or said where it is.
    """
    if config.chain.contract:
        return config.chain.contract
    try:
        return config.contract_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Rejected(
            f"no contract is known ({error.strerror})",
            where=str(config.contract_file),
            remedy="name chain.contract, or type: certiflex gateway chain deploy -c FILE",
            reason="no_contract",
        ) from error
