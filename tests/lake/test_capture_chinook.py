"""A shop that nobody here made, captured with no configuration but the URL."""

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from lake import bronze
from lake.capture import capture
from lake.config import Settings
from lake.delta import Lake

DUMP = Path(__file__).parents[3] / "shared" / "data" / "chinook" / "Chinook_MySql.sql"

pytestmark = pytest.mark.skipif(not DUMP.exists(), reason=f"the Chinook dump is not at {DUMP}")


def test_chinook_arrives_whole(servers: Any, make_settings: Callable[..., Settings], fold: Any) -> None:
    database = servers.new_database("chinook")
    statements = [
        part.strip() for part in re.sub(r"/\*.*?\*/", "", DUMP.read_text(encoding="utf-8-sig"), flags=re.S).split(";\n")
    ]
    ours = [one for one in statements if one and not re.match(r"(DROP|CREATE) DATABASE|USE ", one)]
    servers.execute("SET NAMES utf8mb4", *ours, database=database)
    settings = make_settings(MYSQL_URL=servers.url_of(database))
    report = capture(settings, "shop")
    assert not report.errors
    assert len(report.tables) == 11
    assert report.total == 15_607
    for table in bronze.captured(Lake(settings.lake_root)):
        columns = [name for (name, *_) in servers.execute(f"SHOW COLUMNS FROM `{table.table}`", database=database)]
        source = servers.execute(f"SELECT * FROM `{table.table}`", database=database)
        expected = {tuple(plain(value) for value in row) for row in source}
        assert {tuple(plain(row[column]) for column in columns) for row in fold(settings, f".{table.table}")} == expected


def plain(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value
