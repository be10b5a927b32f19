"""What a gallery answers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from starlette.testclient import TestClient

from resight.gallery import Gallery

ClientOf = Callable[..., TestClient]


def test_conditions_facets_names_and_the_timeline(client: TestClient, gallery: Gallery) -> None:
    facts = client.post("/api/v1/facets", json={"where": {"camera": 1}}).json()
    assert facts["matching"] == 6
    assert {entry["value"]: entry["count"] for entry in facts["columns"]["upper_color"]} == {
        "red": 2,
        "blue": 2,
        "green": 2,
    }
    about = client.get("/api/v1/gallery").json()
    assert (about["count"], about["calibrated"]) == (12, False)
    assert {"camera", "upper_color", "identity"} <= {column["name"] for column in about["columns"]}
    ids = [str(number) for number in gallery.ids({"identity": 3})]
    assert client.patch("/api/v1/items", json={"ids": ids, "name": "<b>the courier</b>"}).json() == {"updated": 2}
    stays = client.get("/api/v1/timeline", params={"name": "<b>the courier</b>"}).json()
    assert sorted(stay["camera"] for stay in stays) == [1, 2]
    assert sorted(id for stay in stays for id in stay["ids"]) == sorted(ids)
    assert stays[0] in client.get("/api/v1/timeline", params={"identity": 3}).json()
    table = client.post("/api/v1/export", json={"ids": ids}).text
    assert table.splitlines()[0].startswith("id,path,camera,identity")
    assert table.count("the courier") == 2
    columns = {column["name"] for column in about["columns"]} | set(facts["columns"])
    assert "path" not in columns, "it tells where files are"


def test_a_name_is_no_formula_in_a_spreadsheet(client: TestClient, gallery: Gallery) -> None:
    ids = [str(number) for number in gallery.ids({"identity": 3})]
    client.patch("/api/v1/items", json={"ids": ids, "name": "=HYPERLINK(1)"})
    table = client.post("/api/v1/export", json={"ids": ids}).text
    names = [row["name"] for row in csv.DictReader(io.StringIO(table))]
    assert names == ["'=HYPERLINK(1)"] * 2
