"""Weather from files and addresses: read as it is, refused by row, told who must act."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from central import weather
from central.dso.forecast.weather import Hole, Weather
from central.weather import WeatherAway, WeatherRefused, load_weather, read_weather
from ledger.errors import Rejected
from ledger.facts.interval import Interval

CSV = """\
issued,start,irradiance_w_m2,temperature_c
2026-06-21T06:00Z,2026-06-21T22:00Z,0,18.5
2026-06-21T06:00Z,2026-06-21T23:00Z,0,17.9
2026-06-21T08:00+02:00,2026-06-22T02:00+02:00,12,17
2026-06-20T06:00Z,2026-06-21T22:15Z,3,20
2026-06-20T06:00Z,2026-06-21T22:00Z,1,21
"""
HOUR_MS = 3_600_000
ISSUED_MS = int(datetime(2026, 6, 21, 6, tzinfo=UTC).timestamp()) * 1000


def as_json(text: str) -> str:
    head, *lines = text.splitlines()
    names = head.split(",")
    return json.dumps({"rows": [dict(zip(names, line.split(","), strict=True)) for line in lines]})


def checked(found: Weather) -> None:
    assert found.columns == ("irradiance_w_m2", "temperature_c")
    older, newer = found.issues
    assert newer.issued_ms == ISSUED_MS
    assert newer.start_ms == ISSUED_MS + 16 * 3_600_000
    assert newer.values[:, 0].tolist() == [0] * 8 + [12] * 4
    assert newer.values[:, 1].tolist() == [18.5] * 4 + [17.9] * 4 + [17] * 4
    assert older.values.tolist() == [[1, 21], [3, 20]]


def test_a_file_may_be_csv_or_json(tmp_path: Path) -> None:
    for text in (CSV, "\ufeff" + CSV, as_json(CSV), json.dumps(json.loads(as_json(CSV))["rows"])):
        path = tmp_path / "weather"
        path.write_text(text)
        checked(load_weather(str(path)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no rows"),
        ("issued,start\n2026-06-21T06:00Z,2026-06-21T22:00Z\n", "the columns are issued, start"),
        ("start,t\n2026-06-21T22:00Z,1\n", "the columns are start, t"),
        (CSV.replace("17.9", "mild"), "row 2: temperature_c 'mild' is no number"),
        (CSV.replace("17.9", "nan"), "row 2: temperature_c 'nan' is no number"),
        (CSV.replace("17.9", ""), "row 2: temperature_c '' is no number"),
        (CSV.replace(",17.9", ""), "row 2: the columns are not those"),
        (CSV.replace("17.9", "17.9,4"), "row 2: the columns are not those"),
        (CSV.replace("21T23:00Z", "21T23:00"), "row 2: start '2026-06-21T23:00' has no offset"),
        (CSV.replace("2026-06-21T23:00Z", "tonight"), "row 2: start 'tonight' is no instant"),
        (CSV.replace("21T23:00Z", "21T22:45Z"), "row 3: start 2026-06-22T00:00Z is 4500 s after"),
        (CSV.replace("21T23:00Z", "21T22:00Z"), "row 2: start 2026-06-21T22:00Z is 0 s after"),
        (CSV.replace("22:15Z", "22:05Z"), "in the issue of 2026-06-20T06:00Z"),
        (
            f"{CSV}2026-06-21T06:00Z,2026-06-22T03:00Z,1,1\n2026-06-21T06:00Z,2026-06-22T06:00Z,1,1\n",
            "row 7: start 2026-06-22T06:00Z is 10800 s after",
        ),
        ('{"rows": 3}', "no list of rows"),
        ("[1, 2]", "no list of rows"),
        ('{"rows": [', "no JSON"),
        ('{"rows": ' + "[" * 100_000, "no JSON .nested deeper than 64"),
    ],
)
def test_what_is_no_weather_is_refused_with_its_row(text: str, told: str) -> None:
    with pytest.raises(Rejected, match=told):
        read_weather(text.encode(), "weather.csv")


def test_rows_that_are_wanting_are_a_hole_of_their_issue() -> None:
    wanting = "2026-06-21T06:00Z,2026-06-21T23:00Z,0,17.9\n"
    more = "2026-06-21T06:00Z,2026-06-22T01:00Z,20,16\n2026-06-21T06:00Z,2026-06-22T02:00Z,30,15\n"
    found = read_weather((CSV.replace(wanting, "") + more).encode(), "weather.csv")
    older, before, after = found.issues
    assert older.values.tolist() == [[1, 21], [3, 20]]
    assert before.issued_ms == after.issued_ms == ISSUED_MS
    assert before.values.tolist() == [[0, 18.5]] * 4
    assert after.start_ms == ISSUED_MS + 18 * HOUR_MS
    assert after.values[:, 0].tolist() == [12] * 4 + [20] * 4 + [30] * 4
    left_out = Interval(ISSUED_MS + 17 * HOUR_MS, ISSUED_MS + 18 * HOUR_MS)
    assert list(found.holes) == [Hole(ISSUED_MS, left_out)]
    assert not list(read_weather(CSV.encode(), "weather.csv").holes)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Rejected, match="not UTF-8"):
        read_weather(b"issued,start,t\n\xff\xfe", "weather.csv")


def test_a_missing_file_is_told_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"none\.csv.*check the path"):
        load_weather(str(tmp_path / "none.csv"))


class _Service(BaseHTTPRequestHandler):
    """Gives the weather, an error, or a redirection, by the path."""

    def do_GET(self) -> None:
        """Answer."""
        status = {"/csv": 200, "/moved": 302, "/gone": 404, "/ill": 503}[self.path]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/csv")
        self.end_headers()
        self.wfile.write(CSV.encode() if status == 200 else b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Service) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_address_is_asked(address: str) -> None:
    checked(load_weather(f"{address}/csv"))
    checked(load_weather(f"{address}/moved"))


def test_who_must_act_is_in_the_error(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeatherRefused, match="404"):
        load_weather(f"{address}/gone")
    with pytest.raises(WeatherAway, match="503"):
        load_weather(f"{address}/ill")
    with pytest.raises(WeatherAway, match="does not answer"):
        load_weather("http://127.0.0.1:1/csv")
    with pytest.raises(WeatherAway, match="does not answer"):
        load_weather("http://[::1")
    monkeypatch.setattr(weather, "LONGEST_BYTES", 100)
    with pytest.raises(Rejected, match="more than 100 bytes"):
        load_weather(f"{address}/csv")
