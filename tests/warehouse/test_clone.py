"""A clone is the release until it is written to; what is written stays in it, and outlives the release's turn to go."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lake.delta import Lake
from lake.errors import PermanentFailure, TransientFailure, UsageError
from warehouse.clones import make, session, shelf
from warehouse.clones.written import written
from warehouse.files import Shelf
from warehouse.query import run_sql
from warehouse.release import releases

FACT = "gold.fact_sales"


@pytest.fixture
def gold(make_gold: Callable[..., Any]) -> Any:
    """A release of a fact and a dimension, and a newer one with other sales."""
    gold = make_gold()
    gold.add_sales(40)
    gold.add("gold.dim_country", pa.table({"country": ["France", "Japan"]}), ["country"], doc="Where.")
    gold.publish()
    gold.lake.merge(FACT, gold.sales(gold.sale(1, "500.00"), gold.sale(100)), ["sale_id"])
    gold.publish()
    return gold


def ask(gold: Any, name: str, sql: str) -> list[tuple[Any, ...]]:
    with session.connect(gold.settings, name) as connection:
        return run_sql(connection, sql)[1]


def checksums(gold: Any) -> dict[str, str]:
    """Of everything that is not a clone's."""
    found = {}
    for folder in (gold.settings.lake_root, gold.settings.data / "releases", gold.settings.warehouse.path):
        files = [Path(folder)] if Path(folder).is_file() else [file for file in Path(folder).rglob("*") if file.is_file()]
        found |= {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}
    return found


def test_it_reads_as_its_release(gold: Any) -> None:
    made = make.clone(gold.settings, "old", number=1)
    assert (made.tables, made.copied, made.clone.release) == (2, 0, 1)
    make.clone(gold.settings, "new")
    for name, rows, amount in (("old", 40, "1.00"), ("new", 41, "500.00")):
        for table in (FACT, "fact_sales", "Gold.Fact_Sales"):
            assert ask(gold, name, f"select count(*) from {table}") == [(rows,)]
        assert str(ask(gold, name, "select amount from fact_sales where sale_id = 1")[0][0]) == amount
    assert ask(gold, "new", "select max(release) from meta.releases") == [(2,)]


@pytest.mark.parametrize(
    ("statement", "then"),
    [
        ("insert into gold.fact_sales select * replace (999 as sale_id) from gold.fact_sales limit 1", 42),
        ("insert into fact_sales by name select 999 as sale_id", 42),
        ("with one as (select 999 as sale_id) insert into gold.fact_sales by name select * from one", 42),
        ("delete from gold.fact_sales where sale_id < 10", 31),
        ('DELETE FROM "gold"."fact_sales" -- all of it', 0),
        ("truncate gold.fact_sales", 0),
        ("update gold.fact_sales set amount = 0", 41),
        ("alter table gold.fact_sales add column note text", 41),
        ("merge into gold.fact_sales t using (select 1 as sale_id) s on t.sale_id = s.sale_id when matched then delete", 40),
        ("create or replace table gold.fact_sales as from gold.fact_sales limit 3", 3),
        ("begin; delete from gold.fact_sales; rollback", 41),
        ("begin; delete from gold.fact_sales where sale_id = 1; commit", 40),
        ("create table notes as select 1 as a; insert into notes values (2)", 41),
    ],
)
def test_what_is_written_stays_in_the_clone(gold: Any, statement: str, then: int) -> None:
    before = checksums(gold)
    make.clone(gold.settings, "try")
    ask(gold, "try", statement)
    assert ask(gold, "try", "select count(*) from gold.fact_sales") == [(then,)]
    assert checksums(gold) == before
    assert gold.ask("select count(*) from gold.fact_sales") == [(41,)]


def test_a_table_of_its_own_has_the_release_s_comments(gold: Any) -> None:
    make.clone(gold.settings, "try")
    ask(gold, "try", "update gold.fact_sales set amount = 0")
    of = "select comment from duckdb_{}() where table_name = 'fact_sales' and database_name = 'warehouse' and comment is not null"
    assert "Each sale's own amount." in ask(gold, "try", of.format("tables"))[0][0]
    assert ask(gold, "try", of.format("columns")) == [("price * quantity",)]
    assert session.listed(shelf.choose(gold.settings, "try"))["own_tables"] == FACT


def test_a_dropped_table_is_gone_until_it_is_brought_back(gold: Any) -> None:
    make.clone(gold.settings, "try")
    ask(gold, "try", "drop table gold.fact_sales")
    for sql in ("from gold.fact_sales", "delete from gold.fact_sales"):
        with pytest.raises(UsageError, match="was dropped in this clone"):
            ask(gold, "try", sql)
    assert session.restore(gold.settings, "try", "fact_sales") == FACT
    assert ask(gold, "try", "select count(*) from gold.fact_sales") == [(41,)]
    ask(gold, "try", "delete from gold.fact_sales; drop table gold.fact_sales; create table gold.fact_sales as select 7 as a")
    assert ask(gold, "try", "from gold.fact_sales") == [(7,)]
    session.restore(gold.settings, "try", FACT)
    assert ask(gold, "try", "select count(*) from gold.fact_sales") == [(41,)]
    ask(gold, "try", "drop table gold.fact_sales")
    with pytest.raises(UsageError, match="no_such_table"):
        ask(gold, "try", "create table gold.fact_sales as from no_such_table")
    with pytest.raises(UsageError, match="was dropped in this clone"):
        ask(gold, "try", "from gold.fact_sales")
    session.restore(gold.settings, "try", FACT)
    with pytest.raises(UsageError, match="nothing to bring back"):
        session.restore(gold.settings, "try", FACT)
    with pytest.raises(UsageError, match=r"no table gold.fact_sale; did you mean gold.fact_sales"):
        session.restore(gold.settings, "try", "gold.fact_sale")


def test_the_course_s_views_read_the_clone_s_tables(gold: Any) -> None:
    gold.add("gold.mqt_total_sales_per_country", pa.table({"country": ["France"], "total_sales": [7]}), ["country"])
    gold.publish()
    make.clone(gold.settings, "try")
    ask(gold, "try", "update gold.mqt_total_sales_per_country set total_sales = 8")
    assert ask(gold, "try", "select total_sales from total_sales_per_country") == [(8,)]
    assert gold.ask("select total_sales from total_sales_per_country") == [(7,)]


def test_its_delta_tables_are_its_own(gold: Any) -> None:
    made = make.clone(gold.settings, "try", number=1).clone
    own = Lake(str(made.lake_root))
    version = dict(gold.ask(f"select release, delta_version from meta.release_tables where \"table\" = '{FACT}'"))[1]
    assert own.version(FACT) == version
    assert own.read(FACT).sort_by("sale_id") == gold.lake.read(FACT, version).sort_by("sale_id")
    before = checksums(gold)
    own.append(FACT, gold.sales(gold.sale(777)))
    own.merge(FACT, gold.sales(gold.sale(2, "9.00")), ["sale_id"])
    assert own.read(FACT).num_rows == 41
    assert checksums(gold) == before


def test_a_log_that_begins_at_a_checkpoint_and_files_below_odd_partitions(make_gold: Callable[..., Any]) -> None:
    gold = make_gold()
    gold.add("gold.odd", pa.table({"k": [1, 2, 3], "part": ["a b", "50%", "é/ü"]}), ["k"], ["part"])
    for number in range(4, 8):
        gold.lake.append("gold.odd", pa.table({"k": [number], "part": ["a b"]}))
    gold.lake.open("gold.odd").create_checkpoint()
    gold.lake.append("gold.odd", pa.table({"k": [8], "part": ["c=d"]}))
    gold.publish()
    made = make.clone(gold.settings, "try").clone
    own = Lake(str(made.lake_root))
    assert own.read("gold.odd").sort_by("k") == gold.lake.read("gold.odd").sort_by("k")
    assert len(list((made.lake_root / "gold" / "odd" / "_delta_log").iterdir())) == 3


def test_where_no_links_can_be_made_files_are_copied(gold: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refuse)
    made = make.clone(gold.settings, "try")
    assert (made.linked, made.copied > 0) == (0, True)
    assert Lake(str(made.clone.lake_root)).read(FACT).num_rows == 41


def test_its_release_stays_as_long_as_it_stands_on_it(gold: Any) -> None:
    warehouse = gold.settings.warehouse.model_copy(update={"keep": 1})
    gold.settings = gold.settings.model_copy(update={"warehouse": warehouse})
    make.clone(gold.settings, "try", number=1)
    for number in range(200, 203):
        gold.lake.append(FACT, gold.sales(gold.sale(number)))
        gold.publish()
    assert [release.number for release in releases(gold.settings)] == [1, 5]
    assert ask(gold, "try", "select count(*) from gold.fact_sales") == [(40,)]
    shelf.drop(gold.settings, "try")
    gold.lake.append(FACT, gold.sales(gold.sale(300)))
    gold.publish()
    shelf.undrop(gold.settings, "try")
    assert ask(gold, "try", "select count(*) from gold.fact_sales") == [(40,)]


def test_a_clone_that_comes_and_goes_is_never_overlooked(gold: Any) -> None:
    make.clone(gold.settings, "try", number=1)
    seen, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.append(shelf.releases_in_use(gold.settings))

    watcher = threading.Thread(target=look)
    watcher.start()
    for _ in range(20):
        shelf.drop(gold.settings, "try")
        shelf.undrop(gold.settings, "try")
    done.set()
    watcher.join()
    assert seen
    assert all(found == {1} for found in seen)


def test_a_clone_that_does_not_say_its_release_keeps_them_all(gold: Any) -> None:
    made = make.clone(gold.settings, "try", number=1).clone
    (made.folder / "clone.json").write_text("")
    gold.settings = gold.settings.model_copy(update={"warehouse": gold.settings.warehouse.model_copy(update={"keep": 1})})
    gold.lake.append(FACT, gold.sales(gold.sale(300)))
    gold.publish()
    assert Shelf.of(gold.settings).numbers() == [1, 2, 3]
    with pytest.raises(PermanentFailure, match=r"clone\.json is not as it was written"):
        shelf.clones(gold.settings)


def test_a_statement_that_fails_leaves_no_copy_and_a_table_that_is_renamed_no_ghost(gold: Any) -> None:
    clone = make.clone(gold.settings, "try").clone
    with pytest.raises(UsageError):
        ask(gold, "try", "insert into gold.fact_sales (no_such_column) values (1)")
    assert session.listed(clone)["own_tables"] == ""
    ask(gold, "try", "alter table gold.fact_sales rename to sold; drop schema silver cascade")
    assert ask(gold, "try", "select count(*) from gold.sold") == [(41,)]
    with pytest.raises(UsageError, match="was dropped in this clone"):
        ask(gold, "try", "from gold.fact_sales")


@pytest.mark.parametrize("point", ["clone.begun", "clone.linked", "clone.whole", "clone.made"])
def test_a_kill_leaves_no_clone_or_the_whole_one(gold: Any, point: str) -> None:
    before = checksums(gold)
    command = [str(Path(sys.executable).with_name("cartlake")), "--config", str(gold.settings.home / "cartlake.toml")]
    killed = subprocess.run([*command, "clone", "try"], env={**os.environ, "CARTLAKE_CRASH": point}, check=False)
    assert killed.returncode == -signal.SIGKILL
    if point == "clone.made":
        assert ask(gold, "try", "select count(*) from gold.fact_sales") == [(41,)]
    else:
        assert shelf.clones(gold.settings) == []
        assert shelf.releases_in_use(gold.settings) == (set() if point == "clone.begun" else {2})
        make.clone(gold.settings, "try")
    assert [path.name for path in (gold.settings.data / "clones").iterdir()] == ["try"]
    assert checksums(gold) == before


def test_one_process_at_a_time_writes_it(gold: Any) -> None:
    made = make.clone(gold.settings, "try").clone
    held = f"import duckdb, sys; c = duckdb.connect({str(made.database)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", held], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(TransientFailure, match=f"clone try is open in process {other.pid}"):
            ask(gold, "try", "select 1")
        assert session.listed(made)["own_tables"] == "(in use)"
        other.kill()


def test_a_table_that_the_lake_no_longer_has_is_named(gold: Any) -> None:
    for file in (Path(gold.lake.path(FACT)) / "_delta_log").glob("*.json"):
        file.unlink()
    with pytest.raises(PermanentFailure, match="fact_sales"):
        make.clone(gold.settings, "try", number=1)
    assert shelf.clones(gold.settings) == []
    assert shelf.releases_in_use(gold.settings) == set()


def test_names_that_cannot_be(gold: Any) -> None:
    make.clone(gold.settings, "mine")
    with pytest.raises(UsageError, match="there is a clone mine already"):
        make.clone(gold.settings, "mine")
    for name in ("../x", "a b", "", "-x", "x" * 64):
        with pytest.raises(UsageError, match="is no name for a clone"):
            make.clone(gold.settings, name)
    with pytest.raises(UsageError, match="there is no clone mime; did you mean mine"):
        ask(gold, "mime", "select 1")
    with pytest.raises(UsageError, match="release 9 is not kept"):
        make.clone(gold.settings, "other", number=9)
    assert [clone.name for clone in shelf.clones(gold.settings)] == ["mine"]
    assert Shelf.of(gold.settings).numbers() == [1, 2]


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("insert or replace into a.b values ('update c')", ("insert", "a.b")),
        ("with q as (select comment, 'delete from z' from p) insert into t from q", ("insert", "t")),
        ('drop table if exists "my ""x".y', ("drop", '"my ""x".y')),
        ("alter table if exists t rename to u", ("alter", "t")),
        ("create table if not exists t (a int)", ("create", "t")),
        ("create or replace table t as select 1", ("replace", "t")),
        ("comment on table t is 'x'", ("comment", "t")),
        ("comment on column g.t.c is 'x'", ("comment", "g.t")),
        ("create unique index i on g.t (a)", ("create", "g.t")),
        ("copy t from 'f.csv'", ("copy", "t")),
        ("copy t to 'f.csv'", None),
        ("create temp table t as select 1", None),
        ("create view v as select 1", None),
        ("select 'é' as update from t -- delete from u", None),
        ("with é as (select 1) update grün set a = 'ü'", ("update", "grün")),
        ("", None),
    ],
)
def test_which_table_a_statement_writes(statement: str, found: tuple[str, str] | None) -> None:
    assert written(statement) == found


def test_the_bare_duckdb_opens_it(gold: Any) -> None:
    made = make.clone(gold.settings, "try").clone
    ask(gold, "try", "delete from gold.fact_sales where sale_id > 2")
    with duckdb.connect(str(made.database)) as connection:
        assert connection.execute("select count(*) from gold.fact_sales").fetchall() == [(3,)]
