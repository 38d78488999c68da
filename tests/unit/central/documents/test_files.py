"""Documents out of JSON files: one, a list, or the place of the fault."""

import json
from pathlib import Path

import pytest

from central.documents.encoding import to_json
from central.documents.files import many, one
from central.documents.header import Document
from central.documents.offer import FlexOffer
from ledger.errors import Rejected
from tests.documents import OFFER, REQUEST


def written(folder: Path, value: object) -> Path:
    file = folder / "documents.json"
    file.write_text(json.dumps(value))
    return file


def test_one_or_a_list_is_read(tmp_path: Path) -> None:
    assert one(written(tmp_path, to_json(OFFER)), FlexOffer) == OFFER
    listed = written(tmp_path, [to_json(OFFER), to_json(REQUEST)])
    assert many(listed, Document) == [OFFER, REQUEST]


def test_another_kind_and_another_number_are_told(tmp_path: Path) -> None:
    listed = written(tmp_path, [to_json(OFFER), to_json(REQUEST)])
    with pytest.raises(Rejected, match="document 2 is I-06, expected I-05"):
        many(listed, FlexOffer)
    with pytest.raises(Rejected, match="holds 2 documents, expected one I-05"):
        one(written(tmp_path, [to_json(OFFER)] * 2), FlexOffer)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match=r"nothing\.json: cannot be read \(No such file") as told:
        many(tmp_path / "nothing.json", FlexOffer)
    assert told.value.reason == "unreadable_file"
    file = written(tmp_path, [to_json(OFFER), {"ii": "I-99"}])
    with pytest.raises(Rejected, match=r"documents\.json, document 2, \$\.schema: expected the"):
        many(file, FlexOffer)
    file.write_text("[")
    with pytest.raises(Rejected, match=r"documents\.json, \$: no JSON"):
        many(file, FlexOffer)
