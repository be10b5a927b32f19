from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resight.data.attributes import MARKET_SCHEMA
from resight.data.formats.manifest import read_manifest, write_manifest
from resight.data.formats.market1501 import read_market1501
from resight.errors import DataError
from resight.records import DISTRACTOR, JUNK, NO_CAMERA, UNLABELLED, AttributeSchema, Record, ReidDataset
from tests.support.layouts import TARGETS, Pictures, write_market_mat


def manifest(folder: Path, text: str, name: str = "m.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.fixture
def folder(tmp_path: Path, pictures: Pictures) -> Path:
    pictures(tmp_path / "images", ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    return tmp_path


def test_reads_identities_cameras_and_attributes(folder: Path) -> None:
    path = manifest(
        folder,
        "split,path,identity,camera,shirt,hat\n"
        "train,images/a.jpg,12,1,red,yes\n"
        "train,images/b.jpg,12,2,red,\n"
        "gallery,images/c.jpg,-1,,,\n"
        "gallery,images/d.jpg,0,2,,\n"
        f"query,{folder}/images/a.jpg,,1,,no\n",
    )
    dataset = read_manifest(path)
    assert dataset.train[0] == Record(str(folder / "images/a.jpg"), 12, 1, attributes={"shirt": "red", "hat": "yes"})
    assert dataset.train[1].attributes == {"shirt": "red"}
    assert [(r.identity, r.camera) for r in dataset.gallery] == [(JUNK, NO_CAMERA), (DISTRACTOR, 2)]
    assert dataset.query[0].identity == UNLABELLED
    assert dataset.query[0].path == str(folder / "images/a.jpg")
    assert dataset.schema.classes == {"shirt": ("red",), "hat": ("no", "yes")}


def test_names_are_numbered_from_one_in_order(folder: Path) -> None:
    text = (
        "path,identity,split,camera\na.jpg,zoe,train,south\nb.jpg,adam,train,north\n"
        "images/c.jpg,-1,gallery,\nimages/d.jpg,adam,query,south\n"
    )
    dataset = read_manifest(manifest(folder, text))
    assert [(r.identity, r.camera) for r in dataset] == [(2, 2), (1, 1), (1, 2), (JUNK, NO_CAMERA)]


def test_windows_and_pandas_habits(folder: Path) -> None:
    rows = [
        ",path,identity,split,camera",
        '0,"images/a.jpg",2.0,train,',
        "1, images/b.jpg ,3.0,train,4.0",
        "",
        "",
    ]
    text = "\ufeff" + "\r\n".join(rows)
    dataset = read_manifest(manifest(folder, text))
    assert [(Path(r.path).name, r.identity, r.camera) for r in dataset.train] == [
        ("a.jpg", 2, -1),
        ("b.jpg", 3, 4),
    ]


def test_parquet_of_typed_columns(folder: Path) -> None:
    table = pa.table(
        {
            "path": ["images/a.jpg", "images/b.jpg"],
            "identity": pa.array([3.0, None], pa.float64()),
            "camera": pa.array([1, 2], pa.int16()),
            "split": pa.array(["query", "gallery"]).dictionary_encode(),
            "hat": pa.array([True, None]),
            "__index_level_0__": [0, 1],
        }
    )
    pq.write_table(table, folder / "m.parquet")
    dataset = read_manifest(folder / "m.parquet")
    assert (dataset.query[0].identity, dataset.query[0].camera) == (3, 1)
    assert dataset.query[0].attributes == {"hat": "true"}
    assert (dataset.gallery[0].identity, dataset.gallery[0].attributes) == (UNLABELLED, {})


@pytest.mark.parametrize("name", ["split.csv", "split.parquet", "elsewhere/split.csv"])
def test_round_trip(market: Path, name: str) -> None:
    write_market_mat(market / "market_attribute.mat", {2: TARGETS, 7: TARGETS}, {1: TARGETS, 3: TARGETS})
    dataset = read_market1501(market)
    path = market / name
    write_manifest(path, dataset)
    again = read_manifest(path)
    assert again.splits == {split: list(records) for split, records in dataset.splits.items()}
    assert again.schema == MARKET_SCHEMA
    assert [child.name for child in path.parent.glob(".*")] == []


def test_times_and_tracklets_are_columns_and_times_may_be_dates(folder: Path) -> None:
    image = str(folder / "images" / "a.jpg")
    records = [Record(image, 1, 1, time=1_500, tracklet=0), Record(image, 1, 2)]
    write_manifest(folder / "m.csv", ReidDataset("m", query=records[:1], gallery=records[1:]))
    again = read_manifest(folder / "m.csv")
    assert [*again.query, *again.gallery] == records
    for cell, time in (
        ("1970-01-01T00:00:01.5", 1_500),
        ("1970-01-01 01:00:00+01:00", 0),
        ("1790000000123", 1_790_000_000_123),
        ("", None),
    ):
        (folder / "t.csv").write_text(f"path,identity,split,time\nimages/a.jpg,1,query,{cell}\n")
        assert read_manifest(folder / "t.csv").query[0].time == time
    (folder / "t.csv").write_text("path,identity,split,time\nimages/a.jpg,1,query,noon\n")
    with pytest.raises(DataError, match="row 1: column time: 'noon' is no time; write it as 2026-05-31T08:30:00, or"):
        read_manifest(folder / "t.csv")


def test_manifest_moves_with_its_images(market: Path, tmp_path: Path) -> None:
    write_manifest(market / "split.csv", read_market1501(market))
    moved = tmp_path / "moved"
    market.rename(moved)
    assert all(Path(record.path).is_file() for record in read_manifest(moved / "split.csv"))


def test_odd_values_survive(folder: Path) -> None:
    odd = {"note": 'comma, "quote"\nand line', "farbe": "grün"}
    dataset = ReidDataset("x", train=[Record(str(folder / "images/a.jpg"), 1, 0, attributes=odd)])
    for name in ("m.csv", "m.parquet"):
        write_manifest(folder / name, dataset)
        assert read_manifest(folder / name).train == list(dataset.train)


def test_reserved_attribute_names(folder: Path) -> None:
    for name in ("camera", "split", "frame", ""):
        dataset = ReidDataset("x", train=[Record("a.jpg", 1, attributes={name: "x"})])
        with pytest.raises(DataError, match="rename it"):
            write_manifest(folder / "m.csv", dataset)
    schema = AttributeSchema({"path": ("a",)})
    with pytest.raises(DataError, match="rename it"):
        write_manifest(folder / "m.csv", ReidDataset("x", train=[Record("a.jpg", 1)], schema=schema))


GOOD = "path,identity,camera,split\nimages/a.jpg,1,1,train\nimages/b.jpg,1,2,train\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("split", "part"), "no column split; if part is meant, call it split"),
        (GOOD.replace("split", "x").replace("2,train", "2,Test"), "no column split; if x is meant, call it split"),
        (GOOD.replace("path", "picture"), "no column path.*; if picture is meant, call it path"),
        (
            GOOD.replace("path", "x"),
            r"no column path; .*\(train, query, gallery\).* this one has x, identity, camera, split",
        ),
        (GOOD.replace("path", "file").replace("images/b.jpg", ""), "row 2: no file"),
        (GOOD.replace("split", "set").replace("2,train", "2,Train"), r"row 2: set 'Train' .*did you mean 'train'"),
        (GOOD.replace(",", ";"), "separated by semicolons, not by commas"),
        (GOOD.replace(",", "\t"), "separated by tabs, not by commas"),
        ("", "no column"),
        ("path,identity,split\n", "lists no image"),
        (GOOD.replace("2,train", "2,test"), "row 2: split 'test' is not one of train, query, gallery"),
        (GOOD.replace("images/b", "images/a"), r"row 2: images/a\.jpg is listed twice in train"),
        (GOOD.replace("images/b.jpg", ""), "row 2: no path"),
        (GOOD.replace("b.jpg,1", "b.jpg,-1"), r"identity '-1' \(junk\) in train"),
        (GOOD.replace("b.jpg,1", "b.jpg,0"), r"identity '0' \(a distractor\) in train"),
        (GOOD.replace("b.jpg,1,2,train", "b.jpg,-7,2,gallery"), "identity -7 is impossible"),
        (GOOD.replace(",2,train", ",-3,train"), "camera -3 is impossible"),
        (GOOD + "images/c.jpg,1\n", "line 4 has 2 cells, the header has 4"),
        (GOOD.replace("images/", "pictures/"), "paths in m.csv are relative to its own folder"),
        (GOOD.replace("camera", "split"), "two columns are called split"),
        (GOOD.replace("camera", "frame").replace(",2,train", ",x,train"), "row 2: column frame holds 'x'"),
        (GOOD.replace("camera", "frame").replace(",2,train", ",1.5,train"), "row 2: column frame holds '1.5'"),
        (GOOD.replace("b.jpg,1", "b.jpg, 1"), "column identity: '1' and ' 1' differ by blanks alone"),
        (GOOD.replace("1,train", "zoe,train").replace("2,train", "zoe ,train"), "camera: 'zoe' and 'zoe ' differ"),
        (GOOD.replace("b.jpg,1", "b.jpg,1.0"), "identities '1' and '1.0' are one number"),
    ],
)
def test_bad_manifests(folder: Path, text: str, words: str) -> None:
    path = manifest(folder, text)
    with pytest.raises(DataError, match=words) as error:
        read_manifest(path)
    assert "m.csv" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("latin-1", "not in UTF-8 .*iconv -f latin1"),
        ("utf-16", "not in UTF-8"),
        ("utf-16-le", "not in UTF-8 but perhaps in UTF-16"),
        ("shift-jis", "not in UTF-8"),
    ],
)
def test_a_manifest_in_another_encoding_says_so_in_one_line(folder: Path, encoding: str, words: str) -> None:
    text = GOOD.replace("camera", {"latin-1": "müde", "shift-jis": "服"}.get(encoding, "camera"))
    (folder / "m.csv").write_bytes(text.encode(encoding))
    with pytest.raises(DataError, match=rf"m\.csv: {words}") as error:
        read_manifest(folder / "m.csv")
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_is_no_part_of_a_name(folder: Path) -> None:
    (folder / "m.csv").write_bytes(GOOD.encode("utf-8-sig"))
    assert len(read_manifest(folder / "m.csv").train) == 2


def test_what_is_no_manifest(folder: Path) -> None:
    (folder / "m.parquet").write_text("no parquet")
    (folder / "m.csv").write_bytes(b"path,identity,split\n\xff\xfe,1,train\n")
    for name in ("m.parquet", "m.csv", "absent.csv", "images"):
        with pytest.raises(DataError, match=name) as error:
            read_manifest(folder / name)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("header", "note"),
    [
        ("path,identity,split,camid", "column camid is taken as camera"),
        ("path,identity,split,Camera", "column Camera is taken as camera"),
        ("path,pid,split,camera", "column pid is taken as identity"),
        ("path,person_id,split,camera", "column person_id is taken as identity"),
        ("image_path,identity,split,camera", "column image_path is taken as path"),
        ("filename,identity,split,camera", "column filename is taken as path"),
    ],
)
def test_a_column_that_nearly_has_its_name_is_taken_and_said(folder: Path, header: str, note: str) -> None:
    dataset = read_manifest(manifest(folder, f"{header}\nimages/a.jpg,7,train,3\n"))
    assert dataset.train == [Record(str(folder / "images/a.jpg"), 7, 3)]
    assert dataset.notes == [note]
    assert dataset.schema.classes == {}


def test_near_names_that_could_be_two_things_stay_attributes(folder: Path) -> None:
    dataset = read_manifest(manifest(folder, "path,identity,split,cam,camid\nimages/a.jpg,7,train,3,4\n"))
    assert dataset.train[0] == Record(str(folder / "images/a.jpg"), 7, attributes={"cam": "3", "camid": "4"})
    assert dataset.notes == ["columns cam, camid could each be camera, so none is taken; call the right one camera"]
    dataset = read_manifest(manifest(folder, "path,identity,split,id,camera\nimages/a.jpg,7,train,3,4\n"))
    assert dataset.train[0] == Record(str(folder / "images/a.jpg"), 7, 4, attributes={"id": "3"})
    assert dataset.notes == ["column id is an attribute, as there is a column identity"]


@pytest.mark.parametrize("gap", ["", "nan", "NA", "N/A", "None", "null"])
def test_missing_values_that_are_spelt_out_are_missing(folder: Path, gap: str) -> None:
    text = "path,identity,split,camera,hat\n" + "".join(
        f"images/{name}.jpg,{identity},train,{camera},{hat}\n"
        for name, identity, camera, hat in [("a", 10, 2, "no"), ("b", 2, 10, "yes"), ("c", gap, gap, gap)]
    )
    dataset = read_manifest(manifest(folder, text))
    assert [(r.identity, r.camera) for r in dataset.train] == [(10, 2), (2, 10), (UNLABELLED, NO_CAMERA)]
    assert dataset.train[2].attributes == {}
    assert dataset.schema.classes == {"hat": ("no", "yes")}
    assert dataset.notes == ["1 image without an identity, unlabelled"]


@pytest.mark.parametrize("gap", ["-", "unknown", "Nil", "''", "NONE"])
def test_words_for_nobody_are_counted_gaps_and_classes_of_attributes(folder: Path, gap: str) -> None:
    rows = [("a", 10, 2, "no"), ("b", 2, 10, gap), ("c", gap, gap, gap)]
    lines = [f"images/{name}.jpg,{person},train,{camera},{hat}\n" for name, person, camera, hat in rows]
    dataset = read_manifest(manifest(folder, "path,pid,split,camera,hat\n" + "".join(lines)))
    assert [(r.identity, r.camera) for r in dataset.train] == [(10, 2), (2, 10), (UNLABELLED, NO_CAMERA)]
    assert [r.attributes["hat"] for r in dataset.train] == ["no", gap, gap]
    assert dataset.notes == [
        "column pid is taken as identity",
        f"column pid: {gap!r} of 1 image is taken as not known; a name like this needs another word",
        f"column camera: {gap!r} of 1 image is taken as not known; a name like this needs another word",
        *(
            [f"column hat: {gap!r} of 2 images is taken as a class; leave cells empty that are not known"]
            if gap != "NONE"  # no hat
            else []
        ),
        "1 image without an identity, unlabelled",
    ]


@pytest.mark.parametrize(("one", "other"), [("A1", "a1"), ("\u00e9", "e\u0301")])
def test_names_that_look_alike_are_two_and_said_to_be(folder: Path, one: str, other: str) -> None:
    text = f"path,identity,split\nimages/a.jpg,{one},train\nimages/b.jpg,{other},train\n"
    dataset = read_manifest(manifest(folder, text))
    assert sorted(record.identity for record in dataset.train) == [1, 2]
    assert dataset.notes == [f"column identity: {one!a} and {other!a} are two names; if they are one, write both alike"]


def test_blanks_around_every_name_alike_are_no_second_name(folder: Path) -> None:
    dataset = read_manifest(manifest(folder, "path, identity, split\nimages/a.jpg, 7, train\nimages/b.jpg, 7, train\n"))
    assert [record.identity for record in dataset.train] == [7, 7]


def test_names_with_blanks_around_them_survive(folder: Path) -> None:
    names = [" x.jpg", "y.jpg ", "z.jpg"]
    for name in names:
        (folder / name).touch()
    dataset = ReidDataset("x", train=[Record(str(folder / name), 1) for name in names])
    write_manifest(folder / "m.csv", dataset)
    assert [record.path for record in read_manifest(folder / "m.csv").train] == [str(folder / name) for name in names]


CLASSES = st.one_of(
    st.sampled_from(
        ["None", "nan", "NA", "null", "", " red", "red ", '"', '""', '"red"', '"None"', "a,b", "1\n2", "1\r2", "none"]
    ),
    st.text(st.characters(exclude_categories=["Cs"])),
)
NAMES = st.one_of(
    st.sampled_from(["hat", "frame_id", "sequence_id", "mask_path", "tracklet_id", "pid", "Path", "colour, upper"]),
    st.text(st.characters(categories=["L", "N"]), min_size=1),
).filter(
    lambda name: name not in ("path", "identity", "camera", "split", "frame", "sequence", "mask", "time", "tracklet")
)


@given(
    looks=st.lists(st.dictionaries(NAMES, CLASSES, max_size=4), min_size=1, max_size=4),
    frame=st.none() | st.integers(0, 9),
    ending=st.sampled_from(["csv", "parquet"]),
)
def test_whatever_the_attributes_are_they_are_read_back(
    looks: list[dict[str, str]], frame: int | None, ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("manifest")
    for number in range(len(looks)):
        (folder / f"{number}.jpg").touch()
    records = [
        Record(str(folder / f"{number}.jpg"), number + 1, 1, frame, attributes=given)
        for number, given in enumerate(looks)
    ]
    write_manifest(folder / f"m.{ending}", ReidDataset("m", train=records))
    assert read_manifest(folder / f"m.{ending}").train == records


def test_a_class_called_none_and_a_mask_called_null_are_no_gaps(folder: Path) -> None:
    (folder / "null").touch()
    record = Record(str(folder / "images" / "a.jpg"), 1, 1, attributes={"hat": "None"}, mask=str(folder / "null"))
    write_manifest(folder / "m.csv", ReidDataset("m", train=[record]))
    assert '"""None"""' in (folder / "m.csv").read_text()
    (again,) = read_manifest(folder / "m.csv").train
    assert again.attributes == {"hat": "None"}
    assert Path(again.mask or "").samefile(folder / "null")
    with pytest.raises(DataError, match="attribute ' hat' begins or ends with a blank, which tables lose; rename it"):
        write_manifest(folder / "m.csv", ReidDataset("m", train=[Record("a.jpg", 1, attributes={" hat": "yes"})]))


def test_images_alone_are_one_unlabelled_set(folder: Path) -> None:
    dataset = read_manifest(manifest(folder, "path,camera,time\nimages/a.jpg,3,5\nimages/b.jpg,,\n"))
    assert dataset.train == [
        Record(str(folder / "images/a.jpg"), UNLABELLED, 3, time=5),
        Record(str(folder / "images/b.jpg"), UNLABELLED, NO_CAMERA),
    ]
    assert not dataset.query
    assert not dataset.gallery
    assert dataset.notes == [
        "no column identity, so all images are unlabelled",
        "no column split, so all images are one set",
    ]
    write_manifest(folder / "again.csv", dataset)
    assert read_manifest(folder / "again.csv").train == dataset.train


def test_without_a_split_junk_and_distractors_may_be_there_and_near_names_are_said(folder: Path) -> None:
    dataset = read_manifest(manifest(folder, "path,identity,part\nimages/a.jpg,-1,head\nimages/b.jpg,0,foot\n"))
    assert [(record.identity, record.attributes) for record in dataset.train] == [
        (JUNK, {"part": "head"}),
        (DISTRACTOR, {"part": "foot"}),
    ]
    assert dataset.notes == ["no column split, so all images are one set; if part is meant, call it split"]
    dataset = read_manifest(manifest(folder, "path,label,split\nimages/a.jpg,zoe,train\n"))
    assert dataset.notes == ["no column identity, so all images are unlabelled; if label is meant, call it identity"]
    with pytest.raises(DataError, match="listed twice"):
        read_manifest(manifest(folder, "path\nimages/a.jpg\nimages/a.jpg\n"))
