"""The desk out of a configuration."""

from dataclasses import replace
from pathlib import Path

from central.config import DsoConfig
from central.documents.encoding import sign
from central.dso.grid.demo import demo_grid
from central.dso.grid.file import write_grid
from central.market.delivery import Call
from central.scd.documents import checked
from central.sessions.opening import grid_of, opened_desk, scada_of
from central.sessions.scada_http import HttpScada
from ledger.signing import SigningKey
from tests.documents import DAY, OFFER, ORDER
from tests.grids import feeder
from tests.scd import lived_in


def test_without_a_grid_file_it_is_the_packaged_one(tmp_path: Path) -> None:
    assert grid_of(DsoConfig()).name == demo_grid().name
    write_grid(feeder(6), tmp_path / "own.grid.json")
    assert grid_of(DsoConfig(grid=tmp_path / "own.grid.json")).name == "feeder-6-1"


def test_margins_and_terms_are_the_configurations(tmp_path: Path) -> None:
    with lived_in(tmp_path, node_count=1, minutes=2) as world:
        config = DsoConfig(margin_voltage_pu=0.01, flexible_pct=12.0, imports=tmp_path / "none")
        central = world.central
        made = opened_desk(
            config, central.evidence, world.services.inquiry, central.documents, world.clock
        )
    assert made.margin.voltage_pu == 0.01
    assert made.terms.flexible_pct == 12.0
    assert made.weather is None


def test_a_desk_knows_what_orders_in_the_database_have_called_for(tmp_path: Path) -> None:
    key = SigningKey.generate("EdDSA")
    with lived_in(tmp_path, node_count=1, minutes=2) as world:
        central = world.central
        for at_ms, document in ((1, replace(OFFER, rebound=None)), (2, ORDER)):
            assert central.documents.commit_documents([checked(sign(document, key))[0]], at_ms)
        made = opened_desk(
            DsoConfig(), central.evidence, world.services.inquiry, central.documents, world.clock
        )
        wanted = [
            Call(pod=OFFER.pod.code, start_ms=each.start_ms, up_w=each.power_w)
            for each in ORDER.orders[0].quarters
        ]
        assert made.moves(DAY, 2) == wanted != []
        assert made.moves(DAY, 1) == []


def test_scada_is_there_only_where_it_is_configured() -> None:
    assert scada_of(DsoConfig()) is None
    assert isinstance(scada_of(DsoConfig(scada_url="http://scada.example")), HttpScada)
