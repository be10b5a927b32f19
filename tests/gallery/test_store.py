"""What the engines share: columns, the schema, and an index's facts. The engines themselves keep tests/support/store_contract.py."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from resight.errors import DataError
from resight.gallery.store import PROBABILITIES, VECTOR, Column, IndexFacts, Schema


@pytest.mark.parametrize("name", ["", "a.b", "a`b", "_rowid", "id", "vector", "x" * 64])
def test_a_column_that_no_engine_can_hold_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="can have no column"):
        Column(name, "text")


def test_a_schema_says_what_rows_are() -> None:
    schema = Schema(3, "attribute-weighted", (Column("path", "text"), Column("time", "time")), attributes=2)
    assert schema.kinds == {"id": "int", "path": "text", "time": "time"}
    assert schema.arrow.field("time").type == pa.int64()
    assert schema.arrow.field(VECTOR).type == pa.list_(pa.float32(), 3)
    assert schema.arrow.field(PROBABILITIES).type.list_size == 2
    assert PROBABILITIES not in Schema(3, "cosine").arrow.names


def test_an_indexs_facts_survive_json_and_say_what_a_search_needs() -> None:
    facts = IndexFacts("IVF_SQ", 0.99, {1.0: 20, 0.1: 80}, {1.0: 0.995, 0.1: 0.99}, 200, 1000, 7, 32)
    assert IndexFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts
    assert [facts.effort_for(share) for share in (1.0, 0.5, 0.1, 0.01)] == [20, 80, 80, 80]
