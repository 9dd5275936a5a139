"""The first capture of one table, measured: rows per CPU-second, wall time and peak memory, at a number of rows.

    python tests/bench/snapshot.py 5000000 [50000000 …]

The table is the peers' `sales_data`, made by a private MariaDB in a scratch folder (or lies there already: `--folder`). What is
measured is a whole process that imports, captures and ends, and the server apart from it.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from measure import measure

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lake.sandbox import mariadb  # noqa: E402

_PASSWORDS = {"root": "bench", "cartlake": "bench", "shop": "bench"}
_CREATE = (
    "CREATE TABLE sales_data (rowid BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, product_id INT NOT NULL,"
    " customer_id INT NOT NULL, price DECIMAL(10,2) NOT NULL, quantity INT NOT NULL, timestamp DATETIME NOT NULL)"
)
_FILL = (
    "INSERT INTO sales_data SELECT seq, 1 + CRC32(seq * 7 + 1) % 50000, 1 + CRC32(seq * 7 + 2) % 100000,"
    " (1 + CRC32(seq * 7 + 3) % 99900) / 100, 1 + CRC32(seq * 7 + 4) % 10,"
    " '2023-01-01' + INTERVAL (seq * 86400000 DIV {rows} + CRC32(seq * 7 + 5) % 86400) SECOND FROM seq_{low}_to_{high}"
)
_STEP = 1_000_000
_CONFIG = '[sources.shop]\nkind = "mysql"\nurl = "${MYSQL_URL}"\n'
_CHILD = (
    "from lake.capture import capture; from lake.config import load; import sys; report = capture(load()); "
    "print(report.total); sys.exit(bool(report.errors))"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=int, nargs="*", default=[5_000_000])
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keep the server's data here, and use it again")
    parser.add_argument("--chunk", type=int, help="rows of a chunk, instead of the default")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="cartlake-snapshot-"))
    folder.mkdir(parents=True, exist_ok=True)
    server = mariadb.start(folder, _PASSWORDS)
    good = True
    try:
        for rows in options.rows:
            database = _fill(server, rows)
            for _ in range(options.repeat):
                good &= _capture(server, folder, database, rows, options.chunk)
    finally:
        mariadb.stop(folder)
        if not options.folder:
            shutil.rmtree(folder)
    return 0 if good else 1


def _fill(server: mariadb.MariaDb, rows: int) -> str:
    """A database with one table of so many rows, made unless it is there."""
    database = f"sales_{rows}"
    with mariadb.connect(server.url("root", ""), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_log_bin = 0")
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {database}")
        cursor.execute(f"GRANT SELECT ON {database}.* TO cartlake@'127.0.0.1'")
        cursor.execute(f"USE {database}")
        if not cursor.execute("SHOW TABLES LIKE 'sales_data'") or not cursor.execute(
            f"SELECT 1 FROM sales_data WHERE rowid = {rows}"
        ):
            cursor.execute("DROP TABLE IF EXISTS sales_data")
            cursor.execute(_CREATE)
            for low in range(1, rows + 1, _STEP):
                cursor.execute(_FILL.format(rows=rows, low=low, high=min(low + _STEP - 1, rows)))
        cursor.execute("ANALYZE TABLE sales_data")
        cursor.execute("SELECT COUNT(*) FROM sales_data")  # warm: what is measured is our reading, not the server's disk
    return database


def _capture(server: mariadb.MariaDb, folder: Path, database: str, rows: int, chunk: int | None) -> bool:
    home = folder / "lake"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    (home / "cartlake.toml").write_text(_CONFIG)
    env = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPATH": str(ROOT),
        "CARTLAKE_CONFIG": str(home / "cartlake.toml"),
        "MYSQL_URL": server.url("cartlake", database),
        **({"CARTLAKE_CAPTURE__CHUNK_ROWS": str(chunk)} if chunk else {}),
    }
    before = _cpu(server.pid)
    run = measure([sys.executable, "-c", _CHILD], env, home)
    found = {
        "rows": rows,
        "wall_s": round(run.wall, 2),
        "cpu_s": round(run.cpu, 2),
        "rows_per_cpu_s": round(rows / run.cpu),
        "peak_mb": round(run.peak / 1e6),
        "server_cpu_s": round(_cpu(server.pid) - before, 2),
        "right": run.status == 0 and run.output.strip().splitlines()[-1:] == [str(rows)],
    }
    print(json.dumps(found), flush=True)
    if not found["right"]:
        print(run.output, file=sys.stderr)
    return bool(found["right"])


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
