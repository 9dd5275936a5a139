"""Changes of one table captured from MariaDB's binary log: changes per second end to end (read, decode, commit to bronze).

    python tests/bench/binlog.py [--changes 600000] [--single 100000] [--large 1000000]

The table is the peers' `sales_data`, on a private server in a scratch folder. Three logs are written: transactions of 300 rows,
transactions of one row, and one transaction of a million rows (which is spilled). Beside each, mysql-replication reads the same
log and throws it away. Exits 1 when bronze does not hold every change, or misses the bound of 25,000 changes/s on one core with
300 rows.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from measure import measure

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lake.sandbox import mariadb  # noqa: E402

_PASSWORDS = {"root": "bench", "cartlake": "bench", "shop": "bench"}
_CREATE = (
    "CREATE TABLE sales_data (rowid INT NOT NULL PRIMARY KEY, product_id INT, customer_id INT, price DECIMAL(10,2), quantity INT,"
    " timestamp DATETIME)"
)
_ROWS = "seq, seq % 50000, seq % 100000, (seq % 99900) / 100, 1 + seq % 10, '2023-01-01' + INTERVAL seq SECOND"
_LOOP = "BEGIN NOT ATOMIC DECLARE i INT DEFAULT {first}; WHILE i <= {last} DO {body} SET i = i + 1; END WHILE; END"
_BOUND = 25_000
_CAPTURE = (
    "import json, sys, time; from lake.capture import capture; from lake.config import load; settings = load();"
    " wall, cpu = time.perf_counter(), time.process_time(); report = capture(settings);"
    " print(json.dumps([report.total, time.perf_counter() - wall, time.process_time() - cpu])); sys.exit(bool(report.errors))"
)
_PEER = """
import json, sys, time
from pymysqlreplication import BinLogStreamReader
from pymysqlreplication.row_event import DeleteRowsEvent, UpdateRowsEvent, WriteRowsEvent
where, database, file, pos = json.loads(sys.argv[1])
stream = BinLogStreamReader(connection_settings=where, server_id=4711, resume_stream=True, log_file=file, log_pos=pos,
    only_events=[WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent], only_schemas=[database])
wall, cpu = time.perf_counter(), time.process_time()
print(json.dumps([sum(len(event.rows) for event in stream), time.perf_counter() - wall, time.process_time() - cpu]))
"""


def main() -> int:
    """Write each log, read it both ways, print one table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--changes", type=int, default=600_000, help="in transactions of 300 rows")
    parser.add_argument("--single", type=int, default=100_000, help="in transactions of one row")
    parser.add_argument("--large", type=int, default=1_000_000, help="in one transaction")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cartlake-binlog-"))
    good = True
    print("| | changes | changes/s | per CPU-second | wall s | CPU s | peak memory MB |\n|---|---|---|---|---|---|---|")
    try:
        server = mariadb.start(folder, _PASSWORDS)
        with closing(mariadb.connect(server.url("root", ""), autocommit=True)) as connection:
            writes = {
                "300 rows a transaction": (_many, options.changes // 900 * 900),
                "1 row a transaction": (_single, options.single // 4 * 4),
                "one transaction": (_large, options.large),
            }
            for name, (write, changes) in writes.items():
                if changes:
                    good &= _run(server, connection, folder, name, write, changes)
    finally:
        mariadb.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return int(not good)


def _many(execute: Any, changes: int) -> None:
    # Inserts, updates of price and quantity, and deletes, a third each, 300 rows at a time.
    for first in range(1, changes // 3, 300):
        execute(f"INSERT INTO sales_data SELECT {_ROWS} FROM seq_{first}_to_{first + 299}")
        execute(f"UPDATE sales_data SET price = price + 1, quantity = quantity + 1 WHERE rowid BETWEEN {first} AND {first + 299}")
        execute(f"DELETE FROM sales_data WHERE rowid BETWEEN {first} AND {first + 299}")


def _single(execute: Any, changes: int) -> None:
    values = "i, i % 50000, i % 100000, (i % 99900) / 100, 1 + i % 10, '2023-01-01' + INTERVAL i SECOND"
    body = f"INSERT INTO sales_data VALUES ({values}); UPDATE sales_data SET quantity = 0 WHERE rowid = i;"
    execute(
        _LOOP.format(
            first=1, last=changes // 4, body=body + body.replace(" i,", " -i,").replace("= i;", "= -i;").replace("(i,", "(-i,")
        )
    )


def _large(execute: Any, changes: int) -> None:
    execute(f"INSERT INTO sales_data SELECT {_ROWS} FROM seq_1_to_{changes}")


def _run(server: mariadb.MariaDb, connection: Any, folder: Path, name: str, write: Any, changes: int) -> bool:
    database, home = f"db_{changes}", folder / f"home_{changes}"

    def execute(statement: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    for statement in (
        f"CREATE DATABASE {database}",
        f"GRANT SELECT ON {database}.* TO cartlake@'127.0.0.1'",
        f"USE {database}",
        _CREATE,
    ):
        execute(statement)
    home.mkdir()
    (home / "cartlake.toml").write_text('[sources.shop]\nkind = "mysql"\nurl = "${MYSQL_URL}"\n')
    env = {
        **os.environ,
        "MYSQL_URL": server.url("cartlake", database),
        "PYTHONPATH": str(ROOT),
        "CARTLAKE_CONFIG": str(home / "cartlake.toml"),
    }
    command = [sys.executable, "-c", _CAPTURE]
    first = measure(command, env, home)
    if first.status:
        sys.exit(first.output)
    ((file, pos, *_),) = execute("SHOW MASTER STATUS")
    write(execute, changes)
    where = {"host": "127.0.0.1", "port": server.port, "user": "cartlake", "passwd": _PASSWORDS["cartlake"]}
    peer = [sys.executable, "-c", _PEER, json.dumps([where, database, file, pos])]
    total = 0
    for label, run in (
        (f"Cartlake, {name}", measure(command, env, home)),
        (f"mysql-replication reading alone, {name}", measure(peer, env, home)),
    ):
        if run.status:
            sys.exit(run.output)
        found, wall, cpu = json.loads(run.output.splitlines()[-1])
        total = total or found
        print(
            f"| {label} | {found:,} | {found / wall:,.0f} | {found / cpu:,.0f} | {wall:.2f} | {cpu:.2f} "
            f"| {run.peak / 1e6:,.0f} |",
            flush=True,
        )
        if label.startswith("Cartlake, 300") and found / max(wall, cpu) < _BOUND:
            print(f"MISSED: below {_BOUND:,} changes/s")
            return False
    if total != changes:
        print(f"WRONG: {total:,} of {changes:,} changes are in bronze")
    return bool(total == changes)


if __name__ == "__main__":
    sys.exit(main())
