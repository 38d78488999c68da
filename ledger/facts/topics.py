"""The MQTT topics between light nodes and gateway."""

_ROOT = "certiflex/v1"
_LEVELS = 4

SEGMENT_FILTER = f"{_ROOT}/+/segment"
BACKFILL_FILTER = f"{_ROOT}/+/backfill"
LIVE_FILTER = f"{_ROOT}/+/live"


def segment_topic(node_index: int) -> str:
    """Return where a node sends its newest segment."""
    return f"{_ROOT}/{node_index}/segment"


def backfill_topic(node_index: int) -> str:
    """Return where a node sends segments that waited."""
    return f"{_ROOT}/{node_index}/backfill"


def live_topic(node_index: int) -> str:
    """Return where a node shows each record at once, unsigned, for operators' screens."""
    return f"{_ROOT}/{node_index}/live"


def receipt_topic(node_index: int) -> str:
    """Return where the gateway sends a node its receipts."""
    return f"{_ROOT}/{node_index}/receipt"


def node_of(topic: str) -> int:
    """Return the node index that a topic names.

    Raises:
        ValueError: the topic is none of ours.
    """
    levels = topic.split("/")
    index = levels[2] if len(levels) == _LEVELS else ""
    if not (topic.startswith(f"{_ROOT}/") and index.isascii() and index.isdigit()):
        msg = f"not a node's topic: {topic!r}"
        raise ValueError(msg)
    return int(index)
