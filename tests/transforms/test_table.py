"""What a declaration may say, and what is refused before anything runs."""

from typing import Any

import pytest

from lake.errors import UsageError
from transforms.refusals import unknown_column
from transforms.table import by_group, by_key, history, lookup, rebuild, source, table, tables, unique

RAW = source("bronze.a", {"x": "bigint"})
BRONZE: dict[str, Any] = {"reads": (RAW,)}


def one(rows: Any) -> Any:
    """One input."""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"reads": ("silver.a", "silver.b")}, "takes 1 inputs, and reads names 2"),
        ({"update": by_key("silver.b")}, r"by_key\('silver.b'\), which is not in reads"),
        ({"lookups": {"silver.b": "id"}}, "a lookup in silver.b, which is not in reads"),
        ({"key": (), "update": by_key("silver.a")}, "may have no key"),
        ({"reads": ("changes.a",)}, r"only history\(\) reads a change log"),
        ({"update": history(("name",), of="id")}, r"history\(\) reads one change log"),
        ({"reads": ("bronze.shop.db.a",)}, "declare the columns of bronze.shop.db.a"),
        ({"reads": ("slver.a",)}, "reads slver.a, which is none of bronze"),
        ({"update": by_key("silver.a", number="id")}, "by_key maps number, which is no column of the key"),
        ({"update": rebuild(), "strict": True}, "could never be built"),
        ({"dated": "sold_at"}, "dated is for update="),
        ({"rules": ("id > 0", "id > 0")}, "two rules are called 'id > 0'"),
        (
            {"update": by_key("silver.a"), "strict": True, "rules": (unique("id"),)},
            "'id unique' can only be judged with all rows",
        ),
        ({"update": by_key("silver.a"), "dated": ""} | BRONZE, "by_key.*'silver.a'.*not in reads"),
        (
            {"update": by_key(RAW.name, id="number")} | BRONZE,
            "by_key .for id. names number, which bronze.a does not have; it has x",
        ),
        ({"update": by_key(RAW.name, id="x"), "dated": {"sold_at": "at"}} | BRONZE, "dated names at, which bronze.a"),
        ({"update": by_group("day")} | BRONZE, "by_group names day, which bronze.a"),
        ({"lookups": {RAW.name: lookup("x", of="y")}} | BRONZE, "its lookup names y, which bronze.a"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused_with_its_file(wrong: dict[str, Any], message: str) -> None:
    right: dict[str, Any] = {"grain": "one row", "key": "id", "reads": ("silver.a",), "update": rebuild()}
    with pytest.raises(UsageError, match=rf"test_table\.py: .*{message}"):
        table(**{**right, **wrong})(one)


def test_every_table_of_the_shop_is_found_and_described() -> None:
    found = tables()
    assert {"silver.sales", "silver.products", "gold.fact_sales", "gold.dim_customer", "gold.cube_sales"} <= found.keys()
    for declared in found.values():
        assert declared.grain, declared.name
        assert declared.doc, declared.name
        assert declared.file.endswith(f"{declared.name.replace('.', '/')}.py")


def test_the_fingerprint_ignores_comments_and_sees_code(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    from transforms.table import fingerprint

    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "some_table.py"
    file.write_text("X = 1\n")
    module = importlib.import_module("some_table")
    first = fingerprint(module)
    file.write_text("# why\nX  =  1\n")
    assert fingerprint(module) == first
    file.write_text("X = 2\n")
    assert fingerprint(module) != first


def test_an_optional_column_and_its_type() -> None:
    assert source("bronze.a", {"x": "int?"}).columns == {"x": "int?"}


def test_columns_of_an_input_that_is_built_are_known_too() -> None:
    found = tables()["gold.fact_sales"]
    known = {"silver.orders": ["order_id", "channel", "discount"], "silver.sales": ["sale_id", "order_id"]}
    wrong = unknown_column(found, known)
    assert wrong.startswith("transforms/gold/fact_sales.py: ")
    assert "which silver.sales does not have; it has sale_id, order_id" in wrong
    assert unknown_column(found, {}) == ""
