"""The client against a real server: typed rows, tables, proofs checked offline, errors told."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from central.client import ScdAway, ScdClient, ScdRefused
from central.scd.roles import EVERY_POD, Grant, Role
from ledger.proving import Status, verify
from tests.scd import World, lived_in

POD = "IT002E00000001"
START = datetime(2026, 6, 21, tzinfo=UTC)
END = START + timedelta(minutes=20)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with lived_in(tmp_path_factory.mktemp("scd"), minutes=20) as made:
        yield made


@pytest.fixture
def scd(lived: World) -> Iterator[ScdClient]:
    with ScdClient(lived.url, lived.token(Role.DSO, Grant(EVERY_POD))) as client:
        yield client


def test_readings_come_typed_page_after_page(
    scd: ScdClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.client._PAGE_ROWS", 70)
    readings = list(scd.readings(POD, START, END))
    assert [reading.sequence for reading in readings] == list(range(300))
    assert readings[0].time == START + timedelta(milliseconds=12)
    assert (readings[0].state, readings[-1].state) == ("anchored", "received")


def test_any_offset_will_do_but_none(scd: ScdClient) -> None:
    rome = timezone(timedelta(hours=2))
    there = list(scd.readings(POD, START.astimezone(rome), END.astimezone(rome)))
    assert there == list(scd.readings(POD, START, END))
    with pytest.raises(ValueError, match="offset"):
        scd.proof(POD, datetime(2026, 6, 21))


def test_a_table_holds_the_same(scd: ScdClient) -> None:
    table = scd.readings_table(POD, START, END)
    assert table.column("power_w").to_pylist() == [
        reading.power_w for reading in scd.readings(POD, START, END)
    ]


def test_pods_quarters_gaps_and_latest(scd: ScdClient) -> None:
    assert [pod.pod for pod in scd.pods()] == [f"IT002E0000000{i}" for i in range(4)]
    first = next(scd.quarters(POD, START, END))
    assert (first.start, first.covered_s, first.register_check) == (START, 900, "agrees")
    assert list(scd.gaps(POD, START, END)) == []
    assert scd.latest(POD).sequence == 299
    assert scd.checkpoint().splitlines()[1] == "15"


def test_a_proof_is_checked_here(lived: World, scd: ScdClient) -> None:
    assert scd.prove(POD, START, lived.trust).status is Status.VALID
    assert scd.prove(POD, END - timedelta(seconds=8), lived.trust).status is Status.INDETERMINATE
    bundle = scd.bundle(POD, START, START + timedelta(minutes=10))
    assert verify(bundle, lived.trust).status is Status.VALID


def test_refusals_carry_the_code(scd: ScdClient) -> None:
    with pytest.raises(ScdRefused) as caught:
        scd.latest("IT002E09999999")
    assert caught.value.reason == "pod-unknown"
    with pytest.raises(ScdRefused) as caught:
        scd.proof(POD, END + timedelta(days=1))
    assert caught.value.reason == "no-record"


def test_a_wrong_token_is_refused(lived: World) -> None:
    with ScdClient(lived.url, "cfx_x_y") as client, pytest.raises(ScdRefused) as caught:
        list(client.pods())
    assert caught.value.reason == "token-unknown"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "not a url", "http://[::bad"])
def test_nobody_there_is_told(url: str) -> None:
    with pytest.raises(ScdAway, match="certiflex central serve"), ScdClient(url, "t") as client:
        client.checkpoint()


def test_a_store_that_is_away_is_told(tmp_path: Path) -> None:
    with lived_in(tmp_path, minutes=1) as made:
        client = ScdClient(made.url, made.token(Role.DSO, Grant(EVERY_POD)))
        for path in made.central.config.store.series.glob("*.parquet"):
            path.unlink()
        with client, pytest.raises(ScdAway, match="503"):
            list(client.readings(POD, START, END))
