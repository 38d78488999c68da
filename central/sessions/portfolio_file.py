"""An aggregator's own file of customers: where they are, and what devices they have.

```json
{"schema": "certiflex/portfolio/v1", "aggregator": "aggregator-1", "brp": "brp", "customers": [
  {"pod": "IT002E00000001", "contract_w": 6000, "owner": "owner-1", "devices": [
    {"resource": "battery", "power_w": 3000, "capacity_wh": 6000, "charge_wh": 3000}]}]}
```
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from central.aggregator.devices.declared import Battery, Device, Generation, Load, Vehicle
from central.aggregator.portfolio import Customer, Portfolio
from central.documents.encoding import parsed
from central.documents.offer import Rebound
from ledger.errors import Rejected, unreadable
from ledger.facts.interval import Interval
from ledger.facts.pod import Pod

_SCHEMA = "certiflex/portfolio/v1"
_OPTIONAL = {"feed_in_w", "consent_start_ms", "consent_end_ms"}
_KINDS: Mapping[str, type[Any]] = {
    kind.resource.value: kind for kind in (Load, Battery, Vehicle, Generation)
}


@dataclass(frozen=True, slots=True)
class PortfolioFile:
    """What is in the file: the portfolio, and the party that balances it."""

    portfolio: Portfolio
    brp: str


def read_portfolio(file: Path) -> PortfolioFile:
    """Return the portfolio in a file.

    Raises:
        Rejected: it is none, and the place of the first fault is told as a JSON path; or it is
            not there to be read.
        Unavailable: the disk does not give it.
    """
    try:
        given = parsed(file.read_bytes())
    except OSError as error:
        raise unreadable(file, error) from error
    return _Reading(str(file)).portfolio(given)


@dataclass
class _Reading:
    """A file on its way in."""

    file: str

    def portfolio(self, given: object) -> PortfolioFile:
        whole = self._object(given, "$", {"schema", "aggregator", "brp", "customers"})
        if whole["schema"] != _SCHEMA:
            self._fail("$.schema", f"expected {_SCHEMA}, found {whole['schema']!r}", "wrong_schema")
        if not isinstance(whole["customers"], list):
            self._fail("$.customers", "expected a list", "wrong_type")
        customers = [
            self._customer(each, f"$.customers[{place}]")
            for place, each in enumerate(whole["customers"])
        ]
        name = self._text(whole, "aggregator", "$")
        return PortfolioFile(Portfolio.of(name, customers), self._text(whole, "brp", "$"))

    def _customer(self, given: object, path: str) -> Customer:
        needed = {"pod", "contract_w", "owner", "devices"}
        told = self._object(given, path, needed, needed | _OPTIONAL)
        try:
            pod = Pod(self._text(told, "pod", path))
        except ValueError as error:
            self._fail(f"{path}.pod", str(error), "bad_pod")
        if not isinstance(told["devices"], list):
            self._fail(f"{path}.devices", "expected a list", "wrong_type")
        devices = tuple(
            self._device(each, f"{path}.devices[{place}]")
            for place, each in enumerate(told["devices"])
        )
        contract_w = self._whole(told["contract_w"], f"{path}.contract_w")
        owner = self._text(told, "owner", path)
        more = {
            name: self._whole(told[name], f"{path}.{name}") for name in _OPTIONAL if name in told
        }
        return Customer(
            pod=pod, contract_w=contract_w, owner=owner, devices=devices,
            feed_in_w=more.get("feed_in_w"), consent=self._consent(more, path),
        )  # fmt: skip

    def _consent(self, more: Mapping[str, int], path: str) -> Interval | None:
        start_ms, end_ms = (more.get(f"consent_{end}_ms") for end in ("start", "end"))
        if start_ms is None and end_ms is None:
            return None
        if start_ms is None or end_ms is None or start_ms >= end_ms:
            self._fail(f"{path}.consent_start_ms", "expected a start before an end", "bad_consent")
        return Interval(start_ms, end_ms)

    def _device(self, given: object, path: str) -> Device:
        if not isinstance(given, dict) or given.get("resource") not in _KINDS:
            self._fail(path, f"expected a resource of {', '.join(_KINDS)}", "unknown_resource")
        values = dict(given)
        kind = _KINDS[values.pop("resource")]
        if "rebound" in values:
            values["rebound"] = self._made(Rebound, values["rebound"], f"{path}.rebound")
        made: Device = self._made(kind, values, path)
        return made

    def _made(self, kind: type[Any], given: object, path: str) -> Any:  # noqa: ANN401 -- of any kind
        needed = {each.name for each in fields(kind) if each.default is MISSING}
        values = self._object(given, path, needed, {each.name for each in fields(kind)})
        for name, value in values.items():
            if not isinstance(value, bool | int | Rebound) and value is not None:
                self._fail(
                    f"{path}.{name}", f"expected a whole number, found {value!r}", "not_whole"
                )
        try:
            return kind(**values)
        except Rejected as error:
            self._fail(path, error.what, error.reason)

    def _object(
        self,
        given: object,
        path: str,
        needed: set[str],
        known: set[str] | None = None,
    ) -> dict[str, Any]:
        if not isinstance(given, dict):
            self._fail(path, f"expected an object, found {type(given).__name__}", "wrong_type")
        for name in sorted(needed - set(given)):
            self._fail(f"{path}.{name}", "is missing", "missing_field")
        for name in sorted(set(given) - (known or needed)):
            self._fail(f"{path}.{name}", "is not known here", "unknown_field")
        return given

    def _text(self, told: Mapping[str, Any], name: str, path: str) -> str:
        if not isinstance(told[name], str) or not told[name]:
            self._fail(f"{path}.{name}", f"expected a name, found {told[name]!r}", "wrong_type")
        text: str = told[name]
        return text

    def _whole(self, value: object, path: str) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            self._fail(path, f"expected a whole number, found {value!r}", "not_whole")
        return value

    def _fail(self, path: str, what: str, reason: str) -> NoReturn:
        raise Rejected(
            what, where=f"{self.file} {path}", remedy="see docs/aggregator.md", reason=reason
        )
