"""`cartlake verify` finds what is planted in silver, and nothing else: against the real servers, and as pure functions."""

import datetime
import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner

import cartlake
from lake.capture import capture
from lake.config import Settings
from lake.delta import Lake
from lake.errors import PermanentFailure, UsageError
from transforms.build import build
from transforms.engine import Engine
from transforms.table import by_key, source, table
from transforms.verify.checksum import COPIES, Difference, Sums, apart, differences, rows_in, together, within
from transforms.verify.report import Report
from transforms.verify.run import verify

# Values that a careless comparison takes for each other.
COLUMNS = {
    "name": "VARCHAR(20)",
    "price": "DECIMAL(12,4)",
    "weight": "DOUBLE",
    "ratio": "FLOAT",
    "made": "DATETIME(6)",
    "day": "DATE",
    "raw": "VARBINARY(20)",
    "many": "BIGINT UNSIGNED",
}
MADE = datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC)


class Bench:
    """One MySQL database with a table of 40 goods, captured and built."""

    def __init__(self, settings: Settings, engine: Engine, execute: Callable[..., Any]) -> None:
        self.settings, self.engine, self.execute = settings, engine, execute
        self.lake = Lake(settings.lake_root)

    def run(self) -> None:
        capture(self.settings, "shop")
        build(self.settings, engine=self.engine)

    def verify(self, name: str = "", **more: Any) -> Report:
        return verify(self.settings, name or self.mirror("goods"), engine=self.engine, **more)

    def mirror(self, table: str) -> str:
        (name,) = [name for name in self.lake.names("silver") if name.endswith(f"__{table}")]
        return name

    def plant(self, table: str, changes: Mapping[str, Any], where: Callable[[dict[str, Any]], bool]) -> None:
        """Change rows of a silver table behind the back of the build."""
        name = self.mirror(table)
        schema = self.lake.schema(name)
        rows = [{**row, **changes} if where(row) else row for row in self.lake.read(name).to_pylist()]
        self.lake.overwrite(name, pa.Table.from_pylist(rows, schema=schema))

    def found(self, name: str = "", **more: Any) -> list[tuple[str, Any, tuple[str, ...]]]:
        return [(one.kind, one.key.get("id"), one.columns) for one in self.verify(name, **more).differences]


def made(servers: Any, make_settings: Callable[..., Settings], sail: Engine) -> Bench:
    database = servers.new_database("verify")

    def execute(*statements: str) -> Any:
        return servers.execute(*statements, database=database)

    columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    execute(
        f"CREATE TABLE goods (id INT PRIMARY KEY, {columns})",
        "INSERT INTO goods SELECT seq, concat('n', seq), seq / 7, seq / 3, seq / 9, '2026-01-02 03:04:05.678901',"
        " '2026-01-02', unhex(lpad(hex(seq), 6, '0')), 18446744073709551615 - seq FROM seq_1_to_40",
        "INSERT INTO goods (id) VALUES (41)",  # all null
        "INSERT INTO goods VALUES (42, '', 0, 0, 0, '1970-01-01', '1970-01-01', '', 0)",
    )
    settings = make_settings(MYSQL_URL=servers.url_of(database), MONGO_URL=servers.mongo_url, CARTLAKE_CAPTURE__CHUNK_ROWS="7")
    bench = Bench(settings, sail, execute)
    bench.run()
    return bench


@pytest.fixture
def bench(servers: Any, make_settings: Callable[..., Settings], sail: Engine) -> Bench:
    return made(servers, make_settings, sail)


@pytest.fixture(scope="module")
def shared(servers: Any, make_settings: Callable[..., Settings], sail: Engine) -> Bench:
    """One for many tests, each of which leaves it as it was."""
    return made(servers, make_settings, sail)


def test_equal_tables_are_equal_under_each_name(shared: Bench) -> None:
    database = shared.mirror("goods").split("__")[1]
    for name in (shared.mirror("goods"), f"bronze.shop.{database}.goods", f"{database}.goods"):
        report = shared.verify(name)
        assert (report.differences, report.rows, report.unlisted, report.equal) == ((), 42, 0, True)
    assert "42 rows in 42 chunks" in report.summary
    assert report.summary.endswith(": equal")


def test_a_changed_a_missing_and_an_extra_row_are_each_found(bench: Bench) -> None:
    name = bench.mirror("goods")
    rows = bench.lake.read(name)
    changed = rows.filter(pa.compute.equal(rows.column("id"), 5)).to_pylist()[0]
    upserts = [{**changed, "name": "other", "price": Decimal("9.0000"), "_delete": False}]
    upserts += [{**changed, "id": 900, "_delete": False}, {**changed, "id": 6, "_delete": True}]
    schema = rows.schema.append(pa.field("_delete", pa.bool_()))
    bench.lake.merge(name, pa.Table.from_pylist(upserts, schema=schema), ["id"], delete="_delete")
    report = bench.verify()
    assert [(one.kind, one.key, one.columns) for one in report.differences] == [
        ("different", {"id": 5}, ("name", "price")),
        ("missing", {"id": 6}, ()),
        ("extra", {"id": 900}, ()),
    ]
    assert "3 rows differ (1 missing here, 1 not in the source, 1 different)" in report.summary
    assert report.listed(1) == [{"row": "different", "key": "id = 5", "columns": "name, price"}]


@pytest.mark.parametrize(
    ("id", "column", "value"),
    [
        (41, "name", ""),
        (41, "price", Decimal(0)),
        (41, "weight", 0.0),
        (41, "made", datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)),
        (41, "raw", b""),
        (41, "many", Decimal(0)),
        (42, "name", None),
        (42, "price", None),
        (42, "weight", None),
        (42, "day", None),
        (42, "raw", None),
        (3, "price", Decimal("0.4287")),  # 3/7 is 0.4286
        (3, "weight", 1.0000000000000002),
        (9, "ratio", 1.0000001),
        (3, "made", MADE + datetime.timedelta(microseconds=1)),
        (3, "day", datetime.date(2026, 1, 3)),
        (3, "raw", b"\x00\x00\x03\x00"),
        (3, "many", Decimal(2**64 - 5)),
        (3, "name", "N3"),
        (3, "name", "n3 "),
    ],
)
def test_values_that_are_easily_taken_for_each_other(shared: Bench, id: int, column: str, value: Any) -> None:
    name = shared.mirror("goods")
    before = shared.lake.read(name)
    shared.plant("goods", {column: value}, lambda row: row["id"] == id)
    assert shared.found() == [("different", id, (column,))]
    shared.lake.overwrite(name, before)


def test_what_silver_has_not_seen_is_no_difference(bench: Bench) -> None:
    bench.execute(
        "UPDATE goods SET name = 'new' WHERE id = 1", "DELETE FROM goods WHERE id = 2", "INSERT INTO goods (id) VALUES (99)"
    )
    bench.plant("goods", {"name": "planted"}, lambda row: row["id"] == 3)
    report = bench.verify()
    assert [one.key["id"] for one in report.differences] == [3]
    assert report.behind == 3
    capture(bench.settings, "shop")  # bronze has seen it now, and silver has not
    assert bench.found() == [("different", 3, ("name",))]
    bench.run()
    assert bench.found() == [("different", 3, ("name",))]
    assert bench.verify().behind == 0


def test_a_table_without_a_key_is_compared_with_its_copies(bench: Bench) -> None:
    bench.execute(
        "CREATE TABLE tallies (a INT, b VARCHAR(5))", "INSERT INTO tallies VALUES (1, 'x'), (1, 'x'), (1, 'x'), (2, NULL)"
    )
    bench.run()
    name = bench.mirror("tallies")
    assert bench.verify(name).equal
    schema = bench.lake.schema(name)
    bench.lake.overwrite(name, pa.Table.from_pylist([{"a": 1, "b": "x"}, {"a": 2, "b": ""}], schema=schema))
    report = bench.verify(name)
    assert sorted((one.kind, one.copies, str(one.key["b"])) for one in report.differences) == [
        ("extra", 1, ""),
        ("missing", 1, "None"),
        ("missing", 2, "x"),
    ]
    bench.execute("INSERT INTO tallies VALUES (7, 'y')")
    with pytest.raises(PermanentFailure, match="changed since silver was built"):
        bench.verify(name)


def test_more_differences_than_are_listed_are_counted_by_their_chunks(bench: Bench) -> None:
    bench.plant("goods", {"name": "same"}, lambda row: row["id"] <= 40)
    report = bench.verify(most=20)
    assert len(report.differences) == 10
    assert report.unlisted == 30
    assert not report.equal


def test_columns_that_only_one_side_has_are_named(bench: Bench) -> None:
    bench.execute("ALTER TABLE goods ADD extra INT DEFAULT 5, DROP COLUMN ratio")
    report = bench.verify()
    assert report.equal
    assert "not captured yet: column extra" in report.summary
    assert "dropped in the source, not compared: column ratio" in report.summary


def test_documents_are_compared_as_their_text(servers: Any, make_settings: Callable[..., Settings], sail: Engine) -> None:
    from pymongo import MongoClient

    database = servers.new_name("verify")
    settings = make_settings(MONGO_URL=servers.mongo_url_of(database), MYSQL_URL=servers.mysql_url)
    with MongoClient(servers.mongo_url) as client:
        client[database]["things"].insert_many([{"_id": 1, "n": 1}, {"_id": "1", "n": 1}, {"_id": 2.5, "n": None}])
        capture(settings, "catalog")
        build(settings, engine=sail)
        name, lake = f"silver.catalog__{database}__things", Lake(settings.lake_root)
        assert verify(settings, name, engine=sail).equal
        rows = [{**row, "document": row["document"].replace("null", "0")} for row in lake.read(name).to_pylist()]
        lake.overwrite(name, pa.Table.from_pylist(rows, schema=lake.schema(name)))
        client[database]["things"].insert_one({"_id": 3})
        report = verify(settings, name, engine=sail)
    assert [(one.kind, one.columns) for one in report.differences] == [("different", ("document",))]
    assert "2.5" in str(report.differences[0].key["_id"])
    assert report.behind == 1


def test_a_declared_table_is_compared_after_its_own_function_and_rules(bench: Bench) -> None:
    database = bench.mirror("goods").split("__")[1]
    bronze = f"bronze.shop.{database}.goods"

    @table(
        grain="one row per good",
        key="good_id",
        reads=(source(bronze, {"id": "bigint", "name": "string", "price": "decimal(14,4)"}),),
        update=by_key(bronze, good_id="id"),
        rules=("price is not null",),
    )
    def goods(rows: Any) -> Any:
        """Goods with loud names."""
        return rows.selectExpr("id as good_id", "upper(name) as name", "price", "_sequence", "_source_ts")

    declared = {"silver.goods": goods.table.__class__(**{**vars(goods.table), "name": "silver.goods"})}  # type: ignore[attr-defined]
    build(bench.settings, engine=bench.engine, declared=declared)
    report = bench.verify("silver.goods", declared=declared)
    assert (report.equal, report.rows, report.quarantined) == (True, 41, 1)
    silver = bench.lake.read("silver.goods")
    rows = [{**row, "name": "n5"} if row["good_id"] == 5 else row for row in silver.to_pylist() if row["good_id"] != 6]
    bench.lake.overwrite("silver.goods", pa.Table.from_pylist(rows, schema=silver.schema))
    bench.execute("DELETE FROM goods WHERE id = 8")
    report = bench.verify("silver.goods", declared=declared)
    assert [(one.kind, one.key, one.columns) for one in report.differences] == [
        ("different", {"good_id": 5}, ("name",)),
        ("missing", {"good_id": 6}, ()),
    ]
    assert report.behind == 1


def test_names_that_mean_nothing_are_refused_with_those_that_do(shared: Bench) -> None:
    with pytest.raises(UsageError, match=r"there are: .*__goods"):
        shared.verify("silver.nothing")


def test_the_command_exits_1_on_differences(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTLAKE_CONFIG", str(bench.settings.home / "cartlake.toml"))
    for name in ("MYSQL_URL", "MONGO_URL"):
        monkeypatch.setenv(name, bench.settings.environment[name])
    result = CliRunner().invoke(cartlake.main, ["verify", bench.mirror("goods")])
    assert (result.exit_code, result.stdout) == (0, ""), result.output
    bench.plant("goods", {"price": None}, lambda row: row["id"] == 4)
    result = CliRunner().invoke(cartlake.main, ["verify", bench.mirror("goods"), "--format", "csv"])
    assert (result.exit_code, result.stdout) == (1, "row,key,columns\ndifferent,id = 4,price\n"), result.output
    assert "1 row differ" in result.stderr


def frames(seed: int) -> tuple[pl.DataFrame, pl.DataFrame, set[tuple[str, int]]]:
    """Two random tables, and what differs between them."""
    rng = random.Random(seed)
    one = {key: rng.choice([None, "", "a", "b"]) for key in range(200)}
    other, planted = dict(one), set()
    for key in rng.sample(range(200), 12):
        kind = rng.choice(["missing", "different"])
        if kind == "missing":
            del other[key]
        else:
            other[key] = next(value for value in ("", None, "a") if value != one[key])
        planted.add((kind, key))
    for key in range(200, 205):
        other[key] = "new"
        planted.add(("extra", key))
    made = [
        pl.DataFrame({"k": list(rows), "v": list(rows.values())}, schema={"k": pl.Int64, "v": pl.String}) for rows in (one, other)
    ]
    return made[0].sample(fraction=1, shuffle=True, seed=seed), made[1], planted


def test_sums_find_the_chunks_whatever_the_order_and_the_parts() -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    one, other, planted = frames(seed)
    sums = Sums(["k"]), Sums(["k"])
    for side, rows in zip(sums, (one, other), strict=True):
        for start in range(0, rows.height, 13 if side is sums[0] else 50):
            side.add(rows[start : start + (13 if side is sums[0] else 50)])
    chunks = apart(*sums)
    assert 0 < len(chunks) <= len(planted)
    rows = [together([rows_in(frame, ["k"], chunks)], ["k"]) for frame in (one, other)]
    assert {(d.kind, d.key["k"]) for d in differences(*rows, ["k"])} == planted
    assert within(chunks, *sums, most=0) == chunks[:1]
    assert apart(sums[0], sums[0]) == []


def test_copies_are_counted_over_parts() -> None:
    rows = pl.DataFrame({"a": [1, 1, None], "b": ["x", "x", None]})
    sums = Sums([])
    sums.add(rows)
    chunks = apart(sums, Sums([]))
    twice = together([rows_in(rows, [], chunks), rows_in(rows, [], chunks)], [])
    assert sorted(twice[COPIES].to_list()) == [2, 4]
    once = together([rows_in(rows, [], chunks)], [])
    assert sorted(differences(twice, once, []), key=str) == [
        Difference("missing", {"a": 1, "b": "x"}, (), 2),
        Difference("missing", {"a": None, "b": None}, (), 1),
    ]
