"""Topics name their node, and nothing else is a topic of ours."""

import pytest

from ledger.facts.topics import (
    BACKFILL_FILTER,
    LIVE_FILTER,
    SEGMENT_FILTER,
    backfill_topic,
    live_topic,
    node_of,
    receipt_topic,
    segment_topic,
)


@pytest.mark.parametrize("topic", [segment_topic, backfill_topic, live_topic, receipt_topic])
def test_a_topic_names_its_node(topic: object) -> None:
    assert callable(topic)
    assert node_of(topic(17)) == 17


@pytest.mark.parametrize(
    ("topic", "pattern"),
    [
        (segment_topic(1), SEGMENT_FILTER),
        (backfill_topic(1), BACKFILL_FILTER),
        (live_topic(1), LIVE_FILTER),
    ],
)
def test_the_filters_take_every_node(topic: str, pattern: str) -> None:
    assert topic.replace("/1/", "/+/") == pattern


@pytest.mark.parametrize(
    "topic",
    ["", "certiflex/v1/x/segment", "certiflex/v1//segment", "certiflex/v2/1/segment",
     "certiflex/v1/1/2/segment", "certiflex/v1/-1/segment", "certiflex/v1/²/segment"],
)  # fmt: skip
def test_anything_else_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="not a node's topic"):
        node_of(topic)
