"""What a client of the SQL server may ask, judged without a server."""

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake.errors import UsageError
from warehouse.server.guard import NOTHING, TABLE_FUNCTIONS, readable

PARSER = duckdb.connect()


def judge(text: str) -> str:
    return readable(text, PARSER, {"odd.name"}, {"changes"})


@pytest.mark.parametrize(
    "text",
    [
        "select 1",
        "from gold.fact_sales;",
        "-- a comment\n/* another */ select 1",
        "with a as (select 1) from a",
        "with recursive a(n) as (select 1 union all select n + 1 from a where n < 5) from a",
        "values (1)",
        "table gold.fact_sales",
        "describe gold.fact_sales",
        "summarize gold.fact_sales",
        "show all tables",
        "explain select 1",
        "EXPLAIN ANALYZE select 1",
        "pivot gold.fact_sales on country in ('France') using sum(amount)",
        "select * from range(3), unnest([1])",
        "select table_name from information_schema.tables",
        "select * from duckdb_tables()",
        'from "odd.name"',
        "from meta.changes('gold.fact_sales')",
        "select 'copy x to y; drop table z'",
        "select (select max(x) from (values (1)) t(x)), sum(1) over ()",
    ],
)
def test_what_only_reads_passes(text: str) -> None:
    assert judge(text).endswith(text.removeprefix("-- a comment\n/* another */ "))


@pytest.mark.parametrize(
    "text", ["begin", "BEGIN TRANSACTION", "begin transaction read only;", "commit", "-- x\nROLLBACK;", "abort", "end"]
)
def test_a_transaction_is_answered_without_being_run(text: str) -> None:
    assert judge(text) == NOTHING


REFUSED = {
    "insert into gold.fact_sales select * from gold.fact_sales": "INSERT writes",
    "update gold.fact_sales set amount = 0": "UPDATE writes",
    "delete from gold.fact_sales": "DELETE writes",
    "truncate gold.fact_sales": "TRUNCATE writes",
    "merge into gold.fact_sales using gold.fact_sales b using (sale_id) when matched then delete": "MERGE writes",
    "create table x as select 1": "CREATE writes",
    "create temp table x as select 1": "CREATE writes",
    "create macro x() as 1": "CREATE writes",
    "create secret x (type s3)": "CREATE writes",
    "drop table gold.fact_sales": "DROP writes",
    "alter table gold.fact_sales add column x int": "ALTER writes",
    "comment on table gold.fact_sales is 'x'": "COMMENT writes",
    "copy gold.fact_sales to '/tmp/x.csv'": "COPY reads or writes files",
    "copy gold.fact_sales from '/tmp/x.csv'": "COPY reads or writes files",
    "export database '/tmp/x'": "EXPORT reads or writes files",
    "import database '/tmp/x'": "IMPORT reads or writes files",
    "attach '/tmp/x.duckdb' as x": "ATTACH attaches a database",
    "detach warehouse": "DETACH attaches a database",
    "install spatial": "INSTALL installs or loads",
    "force install spatial": "FORCE changes the server",
    "load '/tmp/x.duckdb_extension'": "LOAD installs or loads",
    "set threads = 64": "SET changes the server",
    "set variable x = 1": "SET changes the server",
    "reset memory_limit": "RESET changes the server",
    "use memory": "USE changes the server",
    "pragma database_list": "PRAGMA changes the server",
    "pragma version": "PRAGMA changes the server",
    "call quack_stop('quack:localhost')": "CALL changes the server",
    "checkpoint": "CHECKPOINT changes the server",
    "vacuum": "VACUUM changes the server",
    "prepare x as select 1": "PREPARE prepares",
    "execute x": "EXECUTE prepares",
    "explain insert into gold.fact_sales values (1)": "INSERT writes",
    "explain analyze copy (select 1) to '/tmp/x.csv'": "COPY reads or writes files",
    "explain (format json) select 1": "syntax error",
    "explain explain select 1": "EXPLAIN is not a plain query",
    "pivot gold.fact_sales on country using sum(amount)": "PIVOT is not a plain query",
    "select 1; select 2": "2 statements",
    "select 1; drop table gold.fact_sales": "refused",
    "": "0 statements",
    "select 1\0; drop table gold.fact_sales": "zero bytes",
    "selec 1": "syntax error",
    "from '/etc/passwd'": "names a file",
    "from 'x.csv'": "names a file",
    "from 's3://x/y.parquet'": "names a file",
    "describe 'x.csv'": "names a file",
    "summarize 'x.parquet'": "names a file",
    "with a as (from 'x.csv') from gold.fact_sales": "names a file",
    "select (select count(*) from 'x.csv')": "names a file",
    "select 1 from gold.fact_sales where amount in (select a from 'x.csv')": "names a file",
    "select 1 limit (select count(*) from read_text('/etc/passwd'))": "read_text()",
    "select * from READ_CSV('/etc/passwd')": "read_csv()",
    "select * from system.main.read_blob('/etc/passwd')": "read_blob()",
    "from (from delta_scan('/tmp'))": "delta_scan()",
    "from glob('/*')": "glob()",
    "from query('from read_text(''/etc/passwd'')')": "query()",
    "from query_table('/etc/passwd.csv')": "query_table()",
    "from histogram('x.csv', 'a')": "histogram()",
    "from sniff_csv('/etc/passwd')": "sniff_csv()",
    "from read_duckdb('/tmp/x.duckdb')": "read_duckdb()",
    "from json_execute_serialized_sql('{}')": "json_execute_serialized_sql()",
    "from duckdb_secrets()": "duckdb_secrets()",
    "from duckdb_settings()": "duckdb_settings()",
    "from quack_active_connections()": "quack_active_connections()",
    "from quack_query('quack:localhost', 'select 1')": "quack_query()",
    "from arrow_scan(1, 2, 3)": "arrow_scan()",
    "from pragma_storage_info('gold.fact_sales')": "pragma_storage_info()",
    "select getenv('HOME')": "getenv()",
    "select write_log('x')": "write_log()",
}


@pytest.mark.parametrize(("text", "told"), REFUSED.items(), ids=list(REFUSED))
def test_all_else_is_refused_and_says_what_it_is(text: str, told: str) -> None:
    with pytest.raises(UsageError) as refused:
        judge(text)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_runs_is_what_was_parsed() -> None:
    """DuckDB's comments nest: a reader who ends this one at the first mark sees a SELECT where DuckDB would run a DROP."""
    text = "/* /* */ select 1 --*/ drop table gold.fact_sales"
    assert duckdb.extract_statements(text)[0].type == duckdb.StatementType.DROP
    assert duckdb.extract_statements(judge(text))[0].type == duckdb.StatementType.SELECT


def test_a_table_function_that_is_not_known_to_be_harmless_is_refused() -> None:
    """Also those that the next DuckDB brings."""
    found = PARSER.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_type IN ('table', 'table_macro') ORDER BY 1"
    ).fetchall()
    assert len(found) > 50
    for (name,) in found:
        if name not in TABLE_FUNCTIONS:
            with pytest.raises(UsageError, match="refused"):
                judge(f'from "{name}"()')


@given(st.text(max_size=60), st.sampled_from(["", "select ", "explain ", "from ", "/* ", "-- "]))
def test_no_text_breaks_the_judge(text: str, begin: str) -> None:
    """It answers or refuses; and what it lets run is one statement that DuckDB holds for reading too."""
    try:
        run = judge(begin + text)
    except UsageError:
        return
    statements = duckdb.extract_statements(run)
    assert len(statements) == 1
    assert statements[0].type in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
