"""What every store keeps, as tests: test_lance.py and test_postgres.py run them on theirs.

class TestContract(Contract):
    @pytest.fixture
    def make(self, …):
        return lambda schema, facts={}: TheStore.create(where, schema, facts)
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resight.errors import DataError, RunError
from resight.gallery.filters import And, Between, Equals, Filter, In, Not, Or, matches
from resight.gallery.store import PROBABILITIES, VECTOR, Column, Schema, Store
from resight.retrieval import AttributeWeighted, distances

__all__ = ["COLUMNS", "WIDTH", "Contract", "brute", "hard_rows", "made_rows", "same", "schema_of", "vectors_of"]

WIDTH = 12
COLUMNS = (
    Column("path", "text"),
    Column("camera", "int"),
    Column("time", "time"),
    Column("select", "text"),
    Column('odd" %s name', "text"),
    Column("quality", "float"),
    Column("helmet", "bool"),
)
Make = Callable[..., Store]


def schema_of(metric: str = "cosine", attributes: int = 0, width: int = WIDTH) -> Schema:
    return Schema(width, metric, COLUMNS, attributes)


def made_rows(count: int, seed: int = 0, *, attributes: int = 0, ids: np.ndarray | None = None) -> pa.Table:
    """Rows with nulls here and there; every fifth vector is one of its neighbours', so that distances tie."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(count, WIDTH)).astype(np.float32)
    vectors[4::5] = vectors[3::5][: len(vectors[4::5])]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = random.integers(2**63, size=count) if ids is None else ids
    cells = {
        "id": pa.array(np.asarray(ids, np.int64)),
        "path": pa.array([f"/crops/{each}.jpg" for each in ids]),
        "camera": some(random, [1, 2, 3, None], count, pa.int64()),
        "time": some(random, [0, 5, 2**40, None], count, pa.int64()),
        "select": some(random, ["red", "a'b", 'c"d\\', "🙂", None], count, pa.string()),
        'odd" %s name': some(random, ["%s", "x"], count, pa.string()),
        "quality": some(random, [-0.0, 0.0, 0.25, 1e300, None], count, pa.float64()),
        "helmet": some(random, [True, False, None], count, pa.bool_()),
        VECTOR: as_lists(vectors),
    }
    if attributes:
        cells[PROBABILITIES] = as_lists(random.random((count, attributes)).astype(np.float32))
    return pa.table(cells)


def hard_rows(count: int, width: int, seed: int = 3) -> pa.Table:
    """Individuals in clusters with cameras' offsets, as embeddings lie: harder for an index than noise."""
    random = np.random.default_rng(seed)
    people = random.normal(size=(count // 10 + 1, width))
    cameras = random.integers(8, size=count)
    offsets = random.normal(size=(8, width)) * 0.7
    vectors = (
        people[random.integers(len(people), size=count)] + offsets[cameras] + random.normal(size=(count, width)) * 0.8
    )
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    ids = random.choice(2**50, count, replace=False)
    paths = pa.array([f"/crops/{each}.jpg" for each in ids])
    return pa.table(
        {
            "id": ids,
            "path": paths,
            "camera": cameras,
            "time": random.integers(1000, size=count),
            VECTOR: as_lists(vectors),
        }
    )


def some(random: np.random.Generator, values: list, count: int, kind: pa.DataType) -> pa.Array:
    return pa.array([values[place] for place in random.integers(len(values), size=count)], kind)


def as_lists(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def vectors_of(rows: pa.Table, name: str = VECTOR) -> np.ndarray:
    return rows[name].combine_chunks().flatten().to_numpy().reshape(len(rows), rows[name].type.list_size).copy()


def brute(rows: pa.Table, query: np.ndarray, k: int, where: Filter | None = None, metric: str = "cosine"):
    """Ids and scores of the `k` nearest, in float64, equal ones by id."""
    kept = rows if where is None else rows.filter(matches(where, rows))
    left, right, ids = query.astype(np.float64), vectors_of(kept).astype(np.float64), kept["id"].to_numpy()
    scores = (right * left).sum(axis=1) if metric == "cosine" else -np.sqrt(np.square(right - left).sum(axis=1))
    order = np.lexsort((ids, -scores.round(12)))[:k]
    return ids[order], scores[order]


def same(store: Store, rows: pa.Table) -> None:
    """The store holds exactly these rows."""
    names = rows.column_names
    batches = list(store.scan(names))
    there = pa.Table.from_batches(batches).sort_by("id").to_pylist() if batches else []
    assert there == rows.sort_by("id").to_pylist()
    assert store.count() == len(rows)


FILTERS = (
    None,
    Equals("camera", 1),
    In("select", ("red", "a'b", 'c"d\\')),
    Not(Equals("helmet", True)),
    And((Between("time", 1, None), Or((Equals("quality", 0.0), Equals('odd" %s name', "%s"))))),
    Equals("camera", 99),
)


class Contract:
    """Run by a subclass, which has a fixture `make` and a fixture `again` that opens a store anew."""

    @pytest.mark.parametrize("metric", ["cosine", "euclidean"])
    def test_exact_is_brute_force(self, make: Make, metric: str) -> None:
        rows = made_rows(300)
        store = make(schema_of(metric))
        store.upsert(rows)
        queries = np.concatenate([vectors_of(rows)[[0, 3]], vectors_of(made_rows(2, seed=9))])
        for where in FILTERS:
            found = store.search(queries, 20, where, "exact")
            assert found.how == "exact"
            for query, ids, scores in zip(queries, found.ids, found.scores, strict=True):
                expected, theirs = brute(rows, query, 20, where, metric)
                assert ids.tolist() == expected.tolist()
                np.testing.assert_allclose(scores, theirs, atol=1e-7)
            matching = len(rows) if where is None else matches(where, rows).to_pylist().count(True)
            assert found.matching == matching == store.count(where)
            assert {len(ids) for ids in found.ids} == {min(20, matching)}

    def test_more_than_there_are(self, make: Make) -> None:
        store = make(schema_of())
        query = np.ones((1, WIDTH), np.float32)
        empty = store.search(query, 5)
        assert (len(empty.ids[0]), empty.matching, store.count()) == (0, 0, 0)
        store.upsert(made_rows(3))
        assert len(store.search(query, 5).ids[0]) == 3

    def test_weighted_attributes_are_brute_force(self, make: Make) -> None:
        rows = made_rows(150, attributes=4)
        store = make(schema_of(AttributeWeighted.name, 4))
        store.upsert(rows)
        queries, attributes = vectors_of(rows)[:3], vectors_of(rows, PROBABILITIES)[:3]
        where = Between("camera", 1, 2)
        kept = rows.filter(matches(where, rows))
        metric = AttributeWeighted(attributes, vectors_of(kept, PROBABILITIES))
        expected = distances(queries, vectors_of(kept), metric)
        found = store.search(queries, 10, where, attributes=attributes)
        assert found.how == "exact"
        for row, ids, scores in zip(expected, found.ids, found.scores, strict=True):
            np.testing.assert_allclose(scores, -np.sort(row)[:10], atol=1e-5)
            np.testing.assert_allclose(-row[[kept["id"].to_pylist().index(each) for each in ids]], scores, atol=1e-5)
        with pytest.raises(DataError, match="attributes are missing"):
            store.search(queries, 10)

    def test_rows_come_back_as_they_were(self, make: Make, again: Callable[[Store], Store]) -> None:
        rows = made_rows(50)
        store = make(schema_of(), {"model": "runs/street", "numbers": [1.5, None]})
        assert store.upsert(rows)[:2] == (50, 0)
        same(store, rows)
        reopened = again(store)
        assert reopened.schema == schema_of()
        assert reopened.facts == {"model": "runs/street", "numbers": [1.5, None]}
        same(reopened, rows)

    def test_the_same_batch_twice_is_there_once(self, make: Make) -> None:
        rows = made_rows(50)
        store = make(schema_of())
        store.upsert(rows)
        version = store.version
        assert store.upsert(rows)[:2] == (0, 50)
        assert store.version > version
        same(store, rows)

    def test_upsert_replaces(self, make: Make) -> None:
        rows, others = made_rows(50), made_rows(50, seed=1)
        store = make(schema_of())
        store.upsert(rows)
        mixed = pa.concat_tables(
            [rows.slice(0, 10).set_column(8, VECTOR, others.slice(0, 10)[VECTOR]), others.slice(10, 5)]
        )
        assert store.upsert(mixed)[:2] == (5, 10)
        same(store, pa.concat_tables([rows.slice(10), mixed]))

    def test_missing_columns_are_null_and_nan_is_null(self, make: Make) -> None:
        store = make(schema_of())
        rows = (
            made_rows(5).select(["id", "path", VECTOR]).append_column("quality", pa.array([np.nan, 1.0, 2.0, 3.0, 4.0]))
        )
        store.upsert(rows)
        assert store.count(Between("quality", 0.0, None)) == 4
        assert store.count(Not(Between("quality", 0.0, None))) == 0
        assert store.count(Equals("camera", 1)) == 0

    def test_what_does_not_fit_is_refused_and_nothing_is_written(self, make: Make) -> None:
        rows = made_rows(5)
        store = make(schema_of())
        store.upsert(rows)
        broken = vectors_of(rows)
        broken[1, 1] = np.nan
        for wrong in (
            rows.append_column("colour", rows["select"]),
            pa.concat_tables([rows, rows]),
            rows.set_column(8, VECTOR, as_lists(np.ones((5, WIDTH + 1), np.float32))),
            rows.set_column(8, VECTOR, as_lists(broken)),
            rows.drop_columns([VECTOR]),
            rows.set_column(2, "camera", pa.array(["one"] * 5)),
        ):
            with pytest.raises(DataError):
                store.upsert(wrong)
        same(store, rows)

    def test_two_paths_of_one_id_are_refused(self, make: Make) -> None:
        rows = made_rows(5)
        store = make(schema_of())
        store.upsert(rows)
        other = rows.slice(2, 1).set_column(1, "path", pa.array(["/crops/other.jpg"]))
        with pytest.raises(DataError, match="/crops/other.jpg"):
            store.upsert(pa.concat_tables([made_rows(1, seed=4), other]))
        same(store, rows)

    def test_update(self, make: Make) -> None:
        rows = made_rows(20)
        store = make(schema_of())
        store.upsert(rows)
        ids = rows["id"].to_pylist()[:3]
        assert store.update([*ids, 1], pa.table({"camera": [7, None, 7, 7], 'odd" %s name': ["a", "b", "c", "d"]})) == 3
        assert store.fetch(ids, ["camera", 'odd" %s name']).to_pylist() == [
            {"camera": camera, 'odd" %s name': name} for camera, name in zip((7, None, 7), "abc", strict=True)
        ]
        assert store.count(Equals("camera", 7)) == 2
        unchanged = [name for name in rows.column_names if name not in ("camera", 'odd" %s name')]
        assert store.fetch(ids, unchanged).to_pylist() == rows.slice(0, 3).select(unchanged).to_pylist()
        with pytest.raises(DataError, match="colour"):
            store.update(ids[:1], pa.table({"colour": ["red"]}))

    def test_delete(self, make: Make, again: Callable[[Store], Store]) -> None:
        rows = made_rows(60)
        store = make(schema_of())
        store.upsert(rows)
        ids = rows["id"].to_pylist()
        assert store.delete([*ids[:3], 1]) == 3
        where = Equals("camera", 2)
        left = rows.slice(3)
        gone = matches(where, left)
        assert store.delete(where) == gone.to_pylist().count(True) > 0
        left = left.filter(pa.compute.invert(gone))
        same(store, left)
        store.compact()
        same(again(store), left)
        found = store.search(vectors_of(rows)[:1], 60, how="exact")
        assert set(found.ids[0]) == set(left["id"].to_pylist())

    def test_fetch_keeps_the_order_asked(self, make: Make) -> None:
        rows = made_rows(9)
        store = make(schema_of())
        store.upsert(rows)
        ids = rows["id"].to_pylist()
        asked = [ids[5], 1, ids[2], ids[7]]
        assert store.fetch(asked, ["id"])["id"].to_pylist() == [ids[5], ids[2], ids[7]]
        assert store.fetch(asked).to_pylist() == rows.drop_columns([VECTOR]).take([5, 2, 7]).to_pylist()
        assert len(store.fetch([1])) == len(store.fetch([])) == 0

    def test_new_columns(self, make: Make, again: Callable[[Store], Store]) -> None:
        rows = made_rows(5)
        store = make(schema_of())
        store.upsert(rows)
        store.add_columns([Column("name", "text"), Column("camera", "int")])
        assert store.count(Equals("name", "Ada")) == 0
        ids = rows["id"].to_pylist()
        store.update(ids[:1], pa.table({"name": ["Ada"]}))
        reopened = again(store)
        assert reopened.schema.columns == (*COLUMNS, Column("name", "text"))
        assert reopened.fetch(ids[:2], ["name"])["name"].to_pylist() == ["Ada", None]
        with pytest.raises(DataError, match="camera"):
            store.add_columns([Column("camera", "text")])

    def test_facts(self, make: Make, again: Callable[[Store], Store]) -> None:
        store = make(schema_of(), {"a": 1})
        store.describe({"b": "é"})
        assert store.facts == again(store).facts == {"b": "é"}

    def test_another_handle_reads_whole_batches(self, make: Make, again: Callable[[Store], Store]) -> None:
        store = make(schema_of())
        reader, seen, failed = again(store), [], []

        def read() -> None:
            try:
                while not seen or seen[-1] < 100:
                    reader.refresh()
                    seen.append(reader.count())
                    assert len(reader.search(np.ones((1, WIDTH), np.float32), 200).ids[0]) >= seen[-1]
            except Exception as error:
                failed.append(error)
                raise

        reading = Thread(target=read)
        reading.start()
        for seed in range(10):
            store.upsert(made_rows(10, seed))
        reading.join(60)
        assert not failed
        assert all(count % 10 == 0 for count in seen)
        assert seen == sorted(seen)

    def test_several_threads_search_one_store(self, make: Make) -> None:
        rows = made_rows(200)
        store = make(schema_of())
        store.upsert(rows)
        queries = vectors_of(rows)
        answers: dict[int, list[int]] = {}

        def ask(place: int) -> None:
            answers[place] = store.search(queries[[place]], 5, Equals("camera", 1 + place % 3)).ids[0].tolist()

        threads = [Thread(target=ask, args=(place,)) for place in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        for place in range(12):
            assert answers[place] == brute(rows, queries[place], 5, Equals("camera", 1 + place % 3))[0].tolist()

    def test_there_already_and_not_there(self, make: Make) -> None:
        store = make(schema_of())
        with pytest.raises(RunError, match="already"):
            type(store).create(self.place_of(store), schema_of(), {})
        with pytest.raises(RunError, match="no gallery"):
            type(store).open(self.elsewhere(store))

    def test_no_index_no_ann(self, make: Make) -> None:
        store = make(schema_of())
        store.upsert(made_rows(3))
        assert store.index is None
        with pytest.raises(RunError, match="no index"):
            store.search(np.ones((1, WIDTH), np.float32), 1, how="ann")

    def test_the_index_keeps_its_promise_also_filtered(self, make: Make, again: Callable[[Store], Store]) -> None:
        """Recall at 10 of what a user gets, measured here, not by the store."""
        rows = hard_rows(3000, 32)
        store = make(Schema(32, "cosine", (Column("path", "text"), Column("camera", "int"), Column("time", "time"))))
        store.upsert(rows)
        facts = store.build_index(0.95, 50)
        assert (facts.promised, facts.rows, facts.sample) == (0.95, 3000, 50)
        assert min(facts.recall.values()) >= 0.95
        self.require_recall(store, rows)
        half = rows["id"].to_pylist()[::10]
        store.delete(half)
        rows = rows.filter(pa.compute.invert(pa.compute.is_in(rows["id"], pa.array(half))))
        self.require_recall(store, rows)
        store.compact()
        assert store.index is not None
        assert store.index.rows == len(rows)
        self.require_recall(again(store), rows)

    def require_recall(self, store: Store, rows: pa.Table) -> None:
        queries = (
            vectors_of(rows)[7::80][:30] + np.random.default_rng(1).normal(size=(30, 32)).astype(np.float32) * 0.05
        )
        for where in (
            None,
            Between("time", 0, 499),
            Between("time", 0, 99),
            Between("time", 0, 9),
            Equals("camera", 3),
        ):
            found = store.search(queries, 10, where, "ann")
            assert found.how == "ann"
            assert {len(ids) for ids in found.ids} == {min(10, found.matching)}
            hits = 0
            for query, ids, scores in zip(queries, found.ids, found.scores, strict=True):
                expected, theirs = brute(rows, query, 10, where)
                hits += len(set(expected) & set(ids))
                np.testing.assert_allclose(scores[:1], theirs[:1], atol=0.2)
                assert (np.diff(scores) <= 0).all()
            assert hits >= 0.93 * sum(map(len, found.ids)), (where, hits)

    # Each engine runs it by a class of its own.
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(data=st.data())
    def test_any_condition_is_brute_force(self, filled: Store, data: st.DataObject) -> None:
        rows = made_rows(120, seed=2)
        where = data.draw(conditions())
        kept = rows.filter(matches(where, rows))
        assert filled.count(where) == len(kept)
        found = pa.Table.from_batches(filled.scan(["id"], where), pa.schema([pa.field("id", pa.int64(), False)]))
        assert sorted(found["id"].to_pylist()) == sorted(kept["id"].to_pylist())

    @pytest.fixture
    def filled(self, make: Make) -> Store:
        store = make(schema_of())
        store.upsert(made_rows(120, seed=2))
        return store

    def place_of(self, store: Store) -> str:
        """What opens this store again."""
        raise NotImplementedError

    def elsewhere(self, store: Store) -> str:
        """Where there is none."""
        raise NotImplementedError


def conditions() -> st.SearchStrategy:
    values = {
        "camera": st.integers(-1, 4) | st.just(2**63 - 1),
        "time": st.sampled_from([-1, 0, 5, 2**40]),
        "select": st.sampled_from(["red", "a'b", 'c"d\\', "🙂", "", "' OR 1=1 --", "%s"]),
        'odd" %s name': st.sampled_from(["%s", "x", "%"]),
        "quality": st.sampled_from([-0.0, 0.0, 0.25, 1e300]),
        "helmet": st.booleans(),
    }

    def leaf(name: str) -> st.SearchStrategy:
        value = values[name]
        among = st.lists(value, max_size=3).map(tuple)
        ways = st.builds(Equals, st.just(name), value) | st.builds(In, st.just(name), among)
        if name == "helmet":
            return ways
        return ways | st.builds(Between, st.just(name), value, st.none() | value)

    leaves = st.sampled_from(list(values)).flatmap(leaf)
    parts = st.recursive(
        leaves,
        lambda part: (
            st.builds(And, st.lists(part, max_size=3).map(tuple))
            | st.builds(Or, st.lists(part, max_size=3).map(tuple))
            | st.builds(Not, part)
        ),
        max_leaves=4,
    )
    return parts
