"""The JSON documents of the API, as OpenAPI describes them; rows are the same in every format."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from central.api import problems, rendering

Instant = str
State = Literal["live", "received", "anchored"]


class Row(BaseModel):
    """A row of an answer; nothing else than these columns is in it."""

    model_config = ConfigDict(extra="forbid")


class PodRow(Row):
    """A point of delivery with the node that measures it."""

    pod: str
    node_index: int
    meter: str


class ReadingRow(Row):
    """A reading (I-04); load convention: positive power is taken from the grid."""

    time: Instant
    node_index: int
    sequence: int
    power_w: int
    reactive_power_var: int
    voltage_l1_mv: int
    voltage_l2_mv: int | None
    voltage_l3_mv: int | None
    current_l1_ma: int
    current_l2_ma: int | None
    current_l3_ma: int | None
    frequency_mhz: int
    import_wh: int
    export_wh: int
    quality: int = Field(description="1 clock not synchronised, 2 substituted, 4 out of range")
    clock_error_ms: int | None
    latency_ms: int
    state: State


class QuarterRow(Row):
    """A quarter-hour's energy (I-01), summed over `covered_s`, and the registers beside it."""

    start: Instant
    end: Instant
    node_index: int
    import_wh: float
    export_wh: float
    covered_s: int
    flagged_s: int
    register_check: Literal["agrees", "disagrees", "not_comparable"]
    register_import_wh: int | None
    register_export_wh: int | None
    compared_import_wh: float | None
    compared_export_wh: float | None
    gaps: str = Field(description="seconds without a reading by cause: METER_TIMEOUT=8 …")
    state: State


class GapRow(Row):
    """Slots without a reading, and what the registers counted over the whole outage."""

    start: Instant
    end: Instant
    node_index: int
    cause: str
    outage_start: Instant
    outage_end: Instant
    outage_import_wh: int | None
    outage_export_wh: int | None
    state: State | None


class SegmentRow(Row):
    """A stored segment by its hash, without what it says."""

    node_index: int
    first_sequence: int
    record_count: int
    start: Instant
    end: Instant
    header_hash: str
    previous_hash: str
    window: int | None
    disputed: bool
    state: State


class NodeRow(Row):
    """A light node: how far its evidence reaches."""

    node_index: int
    pod: str
    meter: str
    next_sequence: int
    end_sequence: int
    covered_until: Instant | None
    arrived: Instant | None
    conflict_count: int


class WindowRow(Row):
    """A window of the log."""

    window: int
    closed: Instant
    node_count: int
    root: str
    registry_root: str
    entry: str
    state: State


class ChangeRow(Row):
    """One arrival; who has read up to it has seen everything before it."""

    arrival: int
    kind: Literal["segment", "conflict", "registration", "window", "anchor"]
    node_index: int | None
    reference: int
    arrived: Instant
    header_hash: str | None
    start: Instant | None
    end: Instant | None


class SumRow(Row):
    """A quarter-hour's energy summed over PODs (I-01)."""

    start: Instant
    end: Instant
    pod_count: int
    import_wh: float
    export_wh: float
    covered_s: int


class DisclosureRow(Row):
    """Somebody read a 4-second profile."""

    read: Instant
    role: str
    token_id: str
    what: str
    start: Instant
    end: Instant


class DocumentRow(Row):
    """A market document: its header, its hash, and on demand its signed bytes in Base64."""

    arrival: int
    mrid: str
    revision: int
    ii: str
    kind: str
    sender: str
    receiver: str
    start: Instant
    end: Instant
    created: Instant
    arrived: Instant
    conflict: bool = Field(description="a second content for a revision: evidence only")
    hash: str
    signed: str | None


class AlertRow(Row):
    """A limit that is forecast not to be kept (I-10); milli is mV for voltages, mA for currents."""

    start: Instant
    end: Instant
    primary_substation: str
    element: str
    bound: Literal["undervoltage", "overvoltage", "line", "transformer"]
    side: Literal["from", "to"] | None
    phase: Literal["a", "b", "c"] | None
    rated_milli: int
    limit_milli: int
    margin_milli: int
    excess_milli: int
    cause: str
    scenario: str
    confidence_permille: int
    horizon: Literal["day_ahead", "real_time"]
    mrid: str
    revision: int
    created: Instant


class Document(BaseModel):
    """What stands around the rows; `next` is the cursor of the next page, null on the last."""

    model_config = ConfigDict(extra="forbid")

    schema_: str = Field(alias="schema")
    next: str | None


class PodDocument(Document):
    """Rows about one POD in a half-open interval."""

    ii: str | None
    pod: str
    from_: Instant = Field(alias="from")
    to: Instant


class Pods(Document):
    """PODs."""

    rows: list[PodRow]


class Readings(PodDocument):
    """Readings."""

    rows: list[ReadingRow]


class Quarters(PodDocument):
    """Quarter-hours."""

    rows: list[QuarterRow]


class Gaps(PodDocument):
    """Gaps."""

    rows: list[GapRow]


class Segments(PodDocument):
    """Segments."""

    rows: list[SegmentRow]


class Disclosures(PodDocument):
    """Disclosures."""

    rows: list[DisclosureRow]


class Nodes(Document):
    """Nodes."""

    rows: list[NodeRow]


class Windows(Document):
    """Windows."""

    rows: list[WindowRow]


class Changes(Document):
    """Changes."""

    rows: list[ChangeRow]


class QuarterSums(Document):
    """Quarter-hours summed over the PODs of the token."""

    ii: str
    rows: list[SumRow]


class Documents(Document):
    """Market documents."""

    rows: list[DocumentRow]


class Alerts(Document):
    """Congestion alerts."""

    ii: str
    rows: list[AlertRow]


class FiledDocument(BaseModel):
    """A market document that is durable."""

    model_config = ConfigDict(extra="forbid")

    schema_: str = Field(alias="schema")
    ii: str
    mrid: str
    revision: int
    hash: str
    outcome: Literal["stored", "duplicate"]


Digest = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class MarketLogProof(BaseModel):
    """The way from a market document's entry to a checkpoint; all in hexadecimal but the note."""

    model_config = ConfigDict(extra="forbid")

    schema_: str = Field(alias="schema")
    hash: Digest
    index: int
    entry: str = Field(description="the entry's bytes; its leaf hash is where the path begins")
    path: list[Digest] = Field(description="lowest sibling first")
    size: int
    checkpoint: str
    anchored: bool = Field(description="whether the checkpoint is final on the ledger")


class MarketLogConsistency(BaseModel):
    """That the log of `to` entries continues the log of `from`."""

    model_config = ConfigDict(extra="forbid")

    schema_: str = Field(alias="schema")
    from_: int = Field(alias="from")
    to: int
    from_root: Digest
    to_root: Digest
    path: list[Digest]


class Latest(ReadingRow):
    """The newest reading of a POD."""

    schema_: str = Field(alias="schema")
    ii: str
    pod: str


class ProblemDocument(BaseModel):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str


Responses = dict[int | str, dict[str, Any]]


def refusals(*statuses: int) -> Responses:
    """Return the OpenAPI entries of refusals, and of 503, which is always possible."""
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {
        status: {"description": _DESCRIPTIONS[status], "content": content}
        for status in (*statuses, 503)
    }


def table_of(document: type[BaseModel], *statuses: int) -> Responses:
    """Return the OpenAPI entries of a table in its four formats, and of its refusals."""
    content: dict[str, Any] = {
        media_type: {"schema": {"type": "string", "format": "binary"}}
        for media_type in rendering.MEDIA_TYPES.values()
        if media_type != "application/json"
    }
    ok = {"model": document, "description": "The rows.", "content": content}
    return {200: ok, **refusals(400, 401, 403, 406, *statuses)}


_DESCRIPTIONS = {
    400: "A parameter is wrong.",
    401: "No valid token.",
    403: "The role may not read this.",
    404: "Nothing of this name that the token may see.",
    406: "No format that the client accepts.",
    409: "Not the next window, `expected` says which is; or a revision with another content.",
    413: "More than is taken at once.",
    415: "Not a media type that is taken here.",
    422: "Evidence contradicts it, or it is not what it should be.",
    503: "The store is away for now.",
}
