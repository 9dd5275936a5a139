"""A newcomer's own servers, with data that nobody here made: the course's, captured with no configuration but the URLs."""

import csv
import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pymongo
import pytest

from lake.capture import capture
from lake.config import Settings
from lake.sandbox.mariadb import connect
from transforms.build import build
from warehouse import query
from warehouse.publish import publish

CAPSTONE = Path(__file__).parents[2] / "shared" / "data" / "capstone"

pytestmark = pytest.mark.skipif(not CAPSTONE.exists(), reason=f"the course's data is not at {CAPSTONE}")


@pytest.fixture(scope="module")
def settings(servers: Any, make_settings: Callable[..., Settings]) -> Settings:
    """Settings that name two servers and nothing else, loaded with oltpdata.csv (which has no key) and catalog.json."""
    database, documents = servers.new_database("sales"), servers.new_name("catalog")
    columns = "product_id INT, customer_id INT, price INT, quantity INT, `timestamp` DATETIME"
    servers.execute(f"CREATE TABLE sales_data ({columns})", database=database)
    with (CAPSTONE / "oltpdata.csv").open() as file, closing(connect(servers.url_of(database, "root"))) as connection:
        connection.cursor().executemany("INSERT INTO sales_data VALUES (%s, %s, %s, %s, %s)", list(csv.reader(file)))
        connection.commit()
    url = servers.mongo_url_of(documents)
    with pymongo.MongoClient(url, directConnection=True) as client:
        client[documents].electronics.insert_many(
            [json.loads(line) for line in (CAPSTONE / "catalog.json").read_text().splitlines()]
        )
    return make_settings(MYSQL_URL=servers.url_of(database), MONGO_URL=url)


@pytest.fixture(scope="module")
def connection(settings: Settings) -> Any:
    assert not settings.uses_sandbox
    report = capture(settings)
    assert not [table for table in report.tables if table.error]
    build(settings)
    publish(settings)
    with query.connect(settings) as connection:
        yield connection


def mirror(connection: Any, ending: str) -> str:
    rows = connection.execute("select table_name from information_schema.tables where table_schema = 'silver'").fetchall()
    return next(f'silver."{name}"' for (name,) in rows if name.endswith(ending))


def test_every_sale_is_there_duplicates_kept(connection: Any) -> None:
    table = mirror(connection, "sales_data")
    assert connection.execute(f"select count(*), sum(price * quantity) from {table}").fetchone() == (2605, 19_321_151)


def test_every_document_is_there(connection: Any) -> None:
    table = mirror(connection, "electronics")
    laptops = "count(*) filter (document->>'$.type' = 'laptop')"
    assert connection.execute(f"select count(*), {laptops} from {table}").fetchone() == (438, 389)


def test_a_second_run_makes_no_release(settings: Settings, connection: Any) -> None:
    capture(settings)
    build(settings)
    assert publish(settings).release is None
