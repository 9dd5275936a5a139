"""The tables as a graph, as Mermaid text, and drawn."""

from itertools import combinations, pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from transforms import draw
from transforms.declaration import ByKey, History, Lookup, Rebuild, Table
from transforms.graph import Edge, Graph, lineage, mermaid, star
from transforms.rules import references
from transforms.table import tables


def declared(name: str, *reads: str, **more: Any) -> Table:
    plain = {
        "grain": f"one row per <{name}>",
        "key": ("id",),
        "update": Rebuild(),
        "function": lambda: None,
        "file": "",
        "fingerprint": "",
    }
    return Table(name=name, reads=reads, **{**plain, **more})


SHOP = {
    table.name: table
    for table in (
        declared("silver.people", "bronze.db.people", update=ByKey("bronze.db.people", {"id": "id"})),
        declared("silver.sales", "bronze.db.sales", "ref.shop", update=ByKey("bronze.db.sales", {"id": "id"})),
        declared("gold.dim_person", "changes.people", key=("person_key",), update=History(("name",), "id", "at")),
        declared("gold.dim_day", "silver.sales", key=("day",)),
        declared(
            "gold.fact_sales",
            "silver.sales",
            "gold.dim_person",
            key=("sale_id",),
            lookups={"gold.dim_person": Lookup("id", "id")},
            rules=(references("buyer_key", "gold.dim_person"),),
        ),
        declared("gold.agg_day", "gold.fact_sales", key=("day", "city")),
    )
}
COLUMNS = {"gold.fact_sales": {"sale_id": "int64", "buyer_key": "int64", "day": "decimal128(9, 2)"}}


def test_what_reads_what() -> None:
    assert lineage(SHOP).edges == (
        Edge("bronze.db.people", "gold.dim_person", "changes"),
        Edge("bronze.db.people", "silver.people"),
        Edge("bronze.db.sales", "silver.sales"),
        Edge("gold.dim_person", "gold.fact_sales"),
        Edge("gold.fact_sales", "gold.agg_day"),
        Edge("ref.shop", "silver.sales"),
        Edge("silver.sales", "gold.dim_day"),
        Edge("silver.sales", "gold.fact_sales"),
    )


def test_mermaid() -> None:
    text = mermaid(lineage(SHOP)).splitlines()
    assert text[0] == "flowchart LR"
    assert text[text.index("  subgraph silver") :][:4] == [
        "  subgraph silver",
        '    silver_sales["sales"]',
        '    silver_people["people"]',
        "  end",
    ]
    assert "  bronze_db_people -. changes .-> gold_dim_person" in text
    assert "  silver_sales --> gold_fact_sales" in text


def test_two_names_that_differ_in_signs_alone_stay_two() -> None:
    text = mermaid(lineage({name: declared(name, "bronze.x") for name in ("silver.`a.b`", "silver.`a-b`")}))
    boxes = [line.split("[")[0].strip() for line in text.splitlines() if "[" in line]
    assert len(boxes) == len(set(boxes)) == 3


def test_the_star_of_keys_and_references() -> None:
    graph = star(SHOP, COLUMNS)
    assert graph.edges == (
        Edge("gold.dim_day", "gold.agg_day", "day"),
        Edge("gold.dim_day", "gold.fact_sales", "day"),
        Edge("gold.dim_person", "gold.fact_sales", "buyer_key"),
    )
    text = mermaid(graph).splitlines()
    assert text[0] == "erDiagram"
    assert "  gold_dim_person ||--o{ gold_fact_sales : buyer_key" in text
    assert text[text.index("  gold_fact_sales {") :][:5] == [
        "  gold_fact_sales {",
        "    int64 sale_id PK",
        "    int64 buyer_key FK",
        "    decimal128(9_2) day FK",
        "  }",
    ]
    assert "    column day PK, FK" in text


def overlap(one: draw.Box, other: draw.Box) -> bool:
    return (
        one.x < other.right and other.x < one.right and one.y < other.y + other.height and other.y < one.y + one.height
    )  # fmt: skip


@pytest.mark.parametrize(
    "graph",
    [lineage(SHOP), star(SHOP, COLUMNS), lineage(tables()), star(tables(), {}), Graph({}, ())],
    ids=["small", "small star", "the shop", "the shop's star", "nothing"],
)
def test_a_drawing_is_neat(graph: Graph) -> None:
    drawing = draw.layout(graph)
    boxes = drawing.boxes
    assert boxes.keys() == graph.nodes.keys()
    assert not any(overlap(one, other) for one, other in combinations(boxes.values(), 2))
    assert set(drawing.paths) == set(graph.edges)
    for edge, path in drawing.paths.items():
        assert (path[0], path[-1]) == (boxes[edge.start], boxes[edge.end])
        assert all(one.right < other.x for one, other in pairwise(path)), "an edge goes from left to right, between ranks"
        passed = path[1:-1]
        assert not any(box.y <= way.middle <= box.y + box.height and box.x < way.right and way.x < box.right
                       for way in passed for box in boxes.values()), "it goes through no box"  # fmt: skip
    for box in boxes.values():
        assert box.x >= 0
        assert box.right <= drawing.width
        assert box.y >= 0
        assert box.y + box.height <= drawing.height
    starts = [drawing.bands[layer][0] for layer in ("bronze", "silver", "gold") if layer in drawing.bands]
    assert starts == sorted(starts)


def test_the_svg_is_valid_and_names_everything() -> None:
    root = ElementTree.fromstring(draw.svg(lineage(SHOP)))
    space = "{http://www.w3.org/2000/svg}"
    texts = [text.text for text in root.iter(f"{space}text")]
    assert {"bronze", "silver", "gold", "db.people", "ref.shop", "fact_sales"} <= set(texts)
    titles = [title.text for title in root.iter(f"{space}title")]
    assert "gold.agg_day: one row per <gold.agg_day>" in titles
    assert "bronze.db.people → gold.dim_person (changes)" in titles


def test_tables_that_refer_to_each_other_in_a_circle_can_be_drawn() -> None:
    circle = {
        "gold.dim_a": declared("gold.dim_a", key=("a",), rules=(references("b", "gold.dim_b"),)),
        "gold.dim_b": declared("gold.dim_b", key=("b",), rules=(references("a", "gold.dim_a"),)),
    }
    assert len(draw.layout(star(circle, {})).boxes) == 2
