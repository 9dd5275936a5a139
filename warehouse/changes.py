"""`meta.changes('gold.fact_sales', since => 41)`: the rows of a table that differ between a kept release and the opened one.

It is a table macro, so it can be filtered, joined, and used in a view. What it stands for is a query that depends on the table's
columns and key, so a function of ours writes it when a statement is bound: `query(text)` runs it. The earlier release is attached
then, hidden from the lists of tables: attaching all that are kept whenever somebody connects would take 6 to 14 ms each.
"""

import weakref

import duckdb

from lake.config import Settings
from lake.errors import CartlakeError, UsageError
from warehouse import compare, release
from warehouse.compare import State, Words
from warehouse.describe import Published, literal
from warehouse.errors import nearest
from warehouse.files import Shelf
from warehouse.load import columns_of

# The words of Delta's change feed.
WORDS = Words("_change", "insert", "delete", "update_preimage", "update_postimage")
_TEXT = "__changes_text"
_FAILED = "!"


def add(
    connection: duckdb.DuckDBPyConnection, settings: Settings, opened: int, *, database: str = "warehouse", into: str = "memory"
) -> str:
    """Make the function in schema `meta` of database `into`; returns that schema, for the search path.

    `opened` is the release that is attached as `database`. The connection must stay open as long as the function is used, also
    by others to the same database, and must be allowed to attach a file.
    """
    # The database owns the function: were the connection held here, neither would ever be freed.
    owner = weakref.ref(connection)
    written: dict[tuple[str, int], str] = {}  # DuckDB asks several times for one statement, and releases never change

    def text(table: str | None, since: int | None) -> str:
        try:
            if table is None or since is None:
                raise UsageError("meta.changes needs a table and a release: meta.changes('gold.fact_sales', since => 41)")
            if (own := owner()) is None:
                raise UsageError("meta.changes: the connection that it was made in is closed")
            if (table, since) not in written:
                with own.cursor() as cursor:
                    written[table, since] = _query(cursor, settings, table, since, opened, database)
            return written[table, since]
        except (CartlakeError, duckdb.Error) as error:
            return _FAILED + str(error)

    connection.create_function(_TEXT, text, ["VARCHAR", "BIGINT"], "VARCHAR", null_handling="special")  # type: ignore[arg-type,list-item]
    text_of = f"{_TEXT}(wanted::VARCHAR, since::BIGINT)"
    connection.execute(
        f"CREATE SCHEMA IF NOT EXISTS {into}.meta; CREATE MACRO {into}.meta.changes(wanted := NULL, since := NULL) AS TABLE "
        f"FROM query(CASE WHEN {text_of}[1] = '{_FAILED}' THEN error({text_of}[2:]) ELSE {text_of} END)"
    )
    return f"{into}.meta"


def select(table: str, since: int) -> str:
    """The query for all changes of a table."""
    return f"FROM meta.changes({literal(table)}, since => {since})"


def _query(cursor: duckdb.DuckDBPyConnection, settings: Settings, asked: str, since: int, opened: int, database: str) -> str:
    earlier = database
    if since != opened:
        file = Shelf.of(settings).file(release.choose(settings, since).number)
        if since > opened:
            raise UsageError(f"release {since} is newer than release {opened}, which is open; open that one instead")
        earlier = f"release_{since}"
        cursor.execute(f"ATTACH IF NOT EXISTS {literal(str(file))} AS {earlier} (READ_ONLY, HIDDEN)")
    before, after = _versions(cursor, earlier), _versions(cursor, database)
    there = sorted({*before, *after})
    name = compare.find(asked, there)
    if name is None:
        raise UsageError(f"there is no table {asked}; {nearest(asked, there)}")
    old, new = (_state(cursor, place, name) if name in held else None for place, held in ((earlier, before), (database, after)))
    text = compare.rows(old, new, compare.present(old, new) if old and new else [], WORDS)
    return f"SELECT * FROM ({text}) LIMIT 0" if before.get(name) == after.get(name) else text


def _versions(cursor: duckdb.DuckDBPyConnection, database: str) -> dict[str, tuple[int, str]]:
    """Table -> its Delta version and commit in an attached release."""
    rows = cursor.execute(
        f'SELECT "table", delta_version, delta_commit FROM {database}.meta.release_tables '
        f"WHERE release = (SELECT max(release) FROM {database}.meta.releases)"
    ).fetchall()
    return {row[0]: (row[1], row[2]) for row in rows}


def _state(cursor: duckdb.DuckDBPyConnection, database: str, name: str) -> State:
    source = f"{database}.{Published(name).sql_name}"
    key = cursor.execute(f'SELECT "column" FROM {database}.meta.keys WHERE "table" = ? ORDER BY position', [name]).fetchall()
    return State(source, columns_of(cursor, source), tuple(column for (column,) in key))
