"""What the gateway has counted since it started, for status, metrics and the eye."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Counts since the start of the process; tasks add, health reads."""

    messages: int = 0
    segments_admitted: int = 0
    records_admitted: int = 0
    readings_admitted: int = 0
    duplicates: int = 0
    contradictions: int = 0
    split_views: int = 0
    let_go: int = 0
    segments_stored: int = 0
    receipts: int = 0
    live_records: int = 0
    refused: Counter[str] = field(default_factory=Counter)
