"""What a declaration may say, and what is refused before anything runs."""

from typing import Any

import pytest

from lake.errors import UsageError
from transforms.table import by_key, history, rebuild, source, table, tables


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
