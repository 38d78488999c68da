"""What is told at once of a market document that arrives: what its session would refuse it for.

```
 session ─► its gates, as it keeps them ─┐
 lists (I-02) of those days ─────────────┼─► central.market.admission.check_arriving
 programmes (I-03) of the POD, the link ─┘
```

The same rules as at the gate, on what is there at that moment. Whoever is refused may send the
document again, unchanged, when what stood against it is mended.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from central.calendar import day_of
from central.documents.baseline import Baseline
from central.documents.customers import CustomerList
from central.documents.encoding import opened
from central.documents.header import Document, Horizon
from central.documents.offer import FlexOffer
from central.documents.request import FlexRequest
from central.dso.grid.model import Grid
from central.market.admission import Arrived, check_arriving
from central.market.gates import Gates, named
from central.market.portfolios import check_list, standing
from central.market.rules import Rules
from central.scd.documents import DocumentQuery, StoredDocument
from central.scd.ports import DocumentStore, SessionStore
from central.sessions import day_ahead, real_time
from central.sessions.admitting import market_day, taken_ms
from central.sessions.desk import Parties
from central.sessions.shelf import LATEST_MS
from ledger.errors import Rejected
from ledger.facts.interval import QUARTER_MS, Interval

_PAGE = 1_000
_DAY = timedelta(days=1)


@dataclass
class _Shelf:
    """Lists, and which programmes there are of each POD, that speak of what is not over yet.

    Read on from where it was read to; safe for several threads at once.
    """

    documents: DocumentStore
    _lists: list[CustomerList] = field(default_factory=list)
    _programmes: dict[str, list[StoredDocument]] = field(default_factory=dict)
    _arrivals: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def lists(self, span: Interval, now_ms: int) -> list[CustomerList]:
        """Return the lists that touch an interval, every revision, in order of arrival."""
        with self._lock:
            for stored in self._more(CustomerList.ii, now_ms, bodies=True):
                document, _ = opened(stored.signed)
                assert isinstance(document, CustomerList)  # noqa: S101 -- asked for by its kind
                self._lists.append(document)
            self._lists = [each for each in self._lists if each.validity.end_ms > now_ms]
            return [each for each in self._lists if each.validity.overlaps(span)]

    def programmes(self, pod: str, span: Interval, now_ms: int) -> list[Arrived]:
        """Return the programmes of a POD that touch an interval."""
        with self._lock:
            for stored in self._more(Baseline.ii, now_ms, bodies=False):
                for code in stored.pods:
                    known = self._programmes.get(code, [])
                    kept = [each for each in known if each.validity.end_ms > now_ms]
                    self._programmes[code] = [*kept, stored]
            there = self._programmes.get(pod, [])
        hashes = tuple(each.document_hash for each in there if each.validity.overlaps(span))
        if not hashes:
            return []
        return [
            Arrived(opened(each.signed)[0], each.arrived_ms)
            for each in self.documents.documents(DocumentQuery(hashes=hashes, limit=len(hashes)))
        ]

    def named(self, mrid: str) -> list[Arrived]:
        """Return a document by its name, in any of its revisions."""
        found = self.documents.documents(DocumentQuery(mrid=mrid, limit=1))
        return [Arrived(opened(each.signed)[0], each.arrived_ms) for each in found]

    def _more(self, ii: str, now_ms: int, *, bodies: bool) -> Iterator[StoredDocument]:
        span = Interval(min(now_ms, LATEST_MS - 1), LATEST_MS)
        while True:
            query = DocumentQuery(
                ii=(ii,), span=span, since=self._arrivals.get(ii, 0), limit=_PAGE, bodies=bodies
            )
            page = self.documents.documents(query)
            for stored in page:
                yield stored
                self._arrivals[ii] = stored.arrival
            if len(page) < _PAGE:
                return


@dataclass(frozen=True)
class Arrivals:
    """Checks what arrives; see `central.scd.ports.Doorkeeper`.

    Args:
        grid: the operator's registry.
        rules: of the market.
        parties: who may ask.
        documents: what is there.
        sessions: where each keeps its gate, and how far it is.
    """

    grid: Grid
    rules: Rules
    parties: Parties
    documents: DocumentStore
    sessions: SessionStore
    _shelf: _Shelf = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an empty shelf."""
        object.__setattr__(self, "_shelf", _Shelf(self.documents))

    def check(self, document: Document, at_ms: int) -> None:
        """Check a document that arrives.

        Raises:
            Rejected: its session would refuse it, for the reason told.
            StoreAway: what is there cannot be read.
        """
        match document:
            case FlexOffer():
                gates = self._gates(document.session)
                before = self._shelf.programmes(document.pod.code, gates.interval, at_ms)
                if document.linked_to is not None:
                    before += self._shelf.named(document.linked_to)
                self._check(gates, document, at_ms, before)
            case FlexRequest():
                self._check(self._gates(document.session), document, at_ms, [])
            case Baseline():
                self._check_programme(document, at_ms)
            case CustomerList():
                there = self._shelf.lists(document.validity, at_ms)
                check_list(standing(there).portfolios, document)
            case _:
                pass

    def _check(self, gates: Gates, document: Document, at_ms: int, before: list[Arrived]) -> None:
        lists = self._shelf.lists(gates.interval, at_ms)
        day = market_day(self.grid, gates, self.rules, lists, self.parties)
        # A session that has taken its book takes nothing more: its gate has closed.
        is_taken = taken_ms(self.sessions.rows(gates.session)) is not None
        check_arriving(day, document, max(at_ms, gates.closes_ms) if is_taken else at_ms, before)

    def _check_programme(self, programme: Baseline, at_ms: int) -> None:
        """Refuse a programme that none of the days that it touches would take."""
        refused: Rejected | None = None
        day, last = (day_of(programme.validity.start_ms), day_of(programme.validity.end_ms - 1))
        while day <= last:
            try:
                self._check(self._gates(f"day-ahead {day.isoformat()}"), programme, at_ms, [])
            except Rejected as error:
                refused = refused or error
            else:
                return
            day += _DAY
        if refused is not None:
            raise refused

    def _gates(self, session: str) -> Gates:
        """Return the gates of a session as it keeps them, or will.

        Raises:
            Rejected: `unknown_session`.
        """
        usual = named(session)
        if usual.horizon is Horizon.REAL_TIME:
            return real_time.gates_of(usual.own.start_ms - QUARTER_MS)
        return day_ahead.kept_gates(usual, self.sessions.rows(session))
