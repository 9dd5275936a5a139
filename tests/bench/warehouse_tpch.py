"""Stage `tpch`: TPC-H from a MariaDB through bronze and silver into a release, beside the tables that DuckDB itself makes."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
from paired import Verdict, paired  # type: ignore[import-not-found]
from warehouse_sides import Side, Took, apart, side  # type: ignore[import-not-found]
from warehouse_star import new_home, open_release  # type: ignore[import-not-found]

from lake.config import Settings, load
from lake.sandbox import mariadb
from warehouse import duck
from warehouse.describe import literal

KEYS = {
    "region": "r_regionkey",
    "nation": "n_nationkey",
    "supplier": "s_suppkey",
    "customer": "c_custkey",
    "part": "p_partkey",
    "partsupp": "ps_partkey, ps_suppkey",
    "orders": "o_orderkey",
    "lineitem": "l_orderkey, l_linenumber",
}
_TOML = '[sources.tpch]\nkind = "mysql"\nurl = "${MYSQL_URL}"\n'
_PASSWORDS = {"root": "bench", "cartlake": "bench", "shop": "bench"}


def queries(home: Path, scale: float, rounds: int) -> list[Verdict]:
    """Load once, then the 22 queries on both, which take turns."""
    new_home(home, _TOML)
    file = home / "tpch.duckdb"
    with duckdb.connect(str(file)) as made:
        duck.load_extension(made, "tpch")
        made.execute(f"CALL dbgen(sf = {scale})")
        asked = dict(made.execute("SELECT query_nr, query FROM tpch_queries()").fetchall())
        answers = dict(made.execute("SELECT query_nr, answer FROM tpch_answers() WHERE scale_factor = ?", [scale]).fetchall())
        server = mariadb.start(home, _PASSWORDS)
        try:
            _fill(server, made, home)
            url = server.url("cartlake", "tpch")
            steps = {
                name: apart(step, home, url) for name, step in (("capture", capture), ("build", build), ("publish", publish))
            }
        finally:
            mariadb.stop(home)
    with side(open_mirrors, home, url) as ours, side(open_tables, home, url, file) as theirs:
        verdicts = _compare(ours, theirs, asked, answers, rounds)
    loading = ", ".join(f"{name} {took.wall:.0f} s ({took.peak / 2**30:.2f} GiB)" for name, took in steps.items())
    return [Verdict(f"TPC-H {scale:g}: loading", loading, "", False), *verdicts]


def capture(home: Path, url: str) -> None:
    from lake.capture import capture as capture_all

    report = capture_all(_settings(home, url))
    if report.errors:
        raise RuntimeError(f"capture: {report.errors}")


def build(home: Path, url: str) -> None:
    from transforms.build import build as build_all

    report = build_all(_settings(home, url))
    if report.errors:
        raise RuntimeError(f"build: {report.errors}")


def publish(home: Path, url: str) -> None:
    from warehouse.publish import publish as publish_all

    if publish_all(_settings(home, url)).release is None:
        raise RuntimeError("publish made no release")


def open_mirrors(home: Path, url: str) -> duckdb.DuckDBPyConnection:
    """The mirrors of the release under the names of the benchmark."""
    connection = open_release(_settings(home, url))
    for name in KEYS:
        connection.execute(f"CREATE VIEW memory.main.{name} AS FROM warehouse.silver.tpch__tpch__{name}")
    connection.execute("SET search_path = 'memory.main'")
    return connection  # type: ignore[no-any-return]


def open_tables(home: Path, url: str, file: Path) -> duckdb.DuckDBPyConnection:
    engine = _settings(home, url).engine
    connection = duck.open_database(None, memory=engine.memory, threads=engine.cores)
    connection.execute(f"ATTACH {literal(str(file))} AS theirs (READ_ONLY); USE theirs")
    return connection


def _settings(home: Path, url: str) -> Settings:
    return load(home / "cartlake.toml", {"MYSQL_URL": url})


def _fill(server: mariadb.MariaDb, made: duckdb.DuckDBPyConnection, home: Path) -> None:
    """The same rows and types in MariaDB, with the primary keys of the specification."""
    with (
        mariadb.connect(server.url("root", ""), autocommit=True) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SET SESSION sql_log_bin = 0")
        cursor.execute("CREATE DATABASE tpch CHARACTER SET utf8mb4")
        cursor.execute("GRANT SELECT ON tpch.* TO cartlake@'127.0.0.1'")
        cursor.execute("USE tpch")
        for name, key in KEYS.items():
            columns = made.execute(f"DESCRIBE {name}").fetchall()
            typed = ", ".join(f"{row[0]} {'VARCHAR(200)' if row[1] == 'VARCHAR' else row[1]} NOT NULL" for row in columns)
            cursor.execute(f"CREATE TABLE {name} ({typed}, PRIMARY KEY ({key}))")
            rows = home / f"{name}.tbl"
            made.execute(f"COPY {name} TO {literal(str(rows))} (FORMAT csv, DELIMITER '|', HEADER false, QUOTE '', ESCAPE '')")
            cursor.execute(
                f"LOAD DATA LOCAL INFILE {literal(str(rows))} INTO TABLE {name} FIELDS TERMINATED BY '|' ESCAPED BY ''"
            )
            rows.unlink()


def _compare(ours: Side, theirs: Side, asked: Mapping[int, str], answers: Mapping[int, str], rounds: int) -> list[Verdict]:
    took: dict[int, list[tuple[Took, Took]]] = {number: [] for number in asked}
    differ: set[int] = set()
    for turn in range(rounds + 1):
        for number, sql in asked.items():
            if (turn + number) % 2:
                mine, other = ours.ask(sql), theirs.ask(sql)
            else:
                other, mine = theirs.ask(sql), ours.ask(sql)
            took[number].append((mine, other))
            if not same(mine.value, other.value) or not (turn or as_published(mine.value, answers[number])):
                differ.add(number)
    warm = list(zip(*took.values(), strict=True))[1:]
    verdicts = [
        Verdict("TPC-H: answers", f"other ones: {sorted(differ)}" if differ else "equal", "equal to DuckDB's", bool(differ))
    ]
    for kind in ("wall", "cpu"):
        sums = [[sum(getattr(pair[place], kind) for pair in turn) for turn in warm] for place in (0, 1)]
        ratio = paired(*sums)
        must = "<= 1.05" if kind == "wall" else ""
        verdicts.append(
            Verdict(f"TPC-H: 22 queries, {kind}, x DuckDB's tables", str(ratio), must, bool(must) and ratio.beyond(1.05))
        )
    single = {n: paired([a.wall for a, _ in pairs[1:]], [b.wall for _, b in pairs[1:]]) for n, pairs in took.items()}
    slow = ", ".join(f"Q{number} {ratio}" for number, ratio in single.items() if ratio.beyond(1.05))
    peaks = [max(pair[place].peak for pairs in took.values() for pair in pairs) / 2**30 for place in (0, 1)]
    return [
        *verdicts,
        Verdict("TPC-H: queries that are slower than 1.05 x by themselves", slow or "none", "", False),
        Verdict("TPC-H: peak memory, ours and DuckDB's", f"{peaks[0]:.2f} and {peaks[1]:.2f} GiB", "", False),
    ]


def same(mine: Sequence[tuple[Any, ...]], theirs: Sequence[tuple[Any, ...]]) -> bool:
    """Equal, type by type; doubles as good as equal, which depend on the order in which they were added up."""
    return len(mine) == len(theirs) and all(
        len(one) == len(other) and all(map(_equal, one, other)) for one, other in zip(mine, theirs, strict=True)
    )


def _equal(mine: object, other: object) -> bool:
    if isinstance(mine, float) and isinstance(other, float):
        return math.isclose(mine, other, rel_tol=1e-9)
    return type(mine) is type(other) and mine == other


def as_published(rows: Sequence[tuple[Any, ...]], answer: str) -> bool:
    """Whether rows are the answer that comes with the extension: text, a header and then cells between bars."""
    lines = answer.strip("\n").split("\n")[1:]
    if len(lines) != len(rows):
        return False
    for row, line in zip(rows, lines, strict=True):
        cells = line.split("|")
        if len(cells) != len(row) or not all(map(_as_text, row, cells)):
            return False
    return True


def _as_text(value: object, cell: str) -> bool:
    if isinstance(value, float | Decimal):
        return math.isclose(float(value), float(cell), rel_tol=1e-9)
    return cell in ("", "NULL") if value is None else str(value) == cell
