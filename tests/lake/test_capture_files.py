"""Files as a source: each content once, whatever it is called and however it grows, and no line lost without a trace."""

import gzip
import itertools
import json
import os
import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lake import bronze
from lake.capture import capture
from lake.config import Settings, load
from lake.delta import Lake
from lake.errors import PermanentFailure
from lake.live import live
from lake.sandbox.mariadb import connect
from transforms.build import build

CAPSTONE = Path(__file__).parents[3] / "shared" / "data" / "capstone"
LONG_AGO = 1_700_000_000
_moments = itertools.count()
needs_course_data = pytest.mark.skipif(not CAPSTONE.exists(), reason=f"the course's data is not at {CAPSTONE}")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of one source of files, `drop`, in a folder of that name; batches of at most four records."""
    return source_of(tmp_path)


def source_of(home: Path, more: str = "", rows: int = 4) -> Settings:
    home.mkdir(exist_ok=True)
    (home / "drop").mkdir(exist_ok=True)
    text = f'[sources.drop]\nkind = "files"\nurl = "drop"\n{more}\n[capture]\nbatch_rows = {rows}\n'
    (home / "cartlake.toml").write_text(text)
    return load(home / "cartlake.toml", {})


def put(settings: Settings, name: str, content: str | bytes, *, fresh: bool = False) -> Path:
    """A file of the source, written long ago unless it is `fresh`."""
    path = settings.home / "drop" / name
    path.parent.mkdir(exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    if not fresh:
        moment = LONG_AGO + next(_moments)
        os.utime(path, (moment, moment))
    return path


def lines_of(settings: Settings, table: str, *columns: str) -> list[tuple[Any, ...]]:
    """(file, line, values of the columns) of each row in bronze, in order; each came once."""
    lake = Lake(settings.lake_root)
    name = f"bronze.drop.files.{table}"
    if not lake.exists(name):
        return []
    rows = lake.read(name).sort_by("_sequence").to_pylist()
    assert len({row["_sequence"] for row in rows}) == len(rows)
    return [(row["_file"], row["_line"], *(row[column] for column in columns)) for row in rows]


def quarantined(settings: Settings, table: str) -> list[tuple[Any, ...]]:
    """(file, line, rule, text) of each line in quarantine."""
    lake = Lake(settings.lake_root)
    name = f"quarantine.drop__files__{table}"
    rows = lake.read(name).to_pylist() if lake.exists(name) else []
    return sorted((*json.loads(row["key"]), row["rule"], row["raw"]) for row in rows)


def total(settings: Settings) -> int:
    report = capture(settings)
    assert report.errors == {}
    return report.total


def test_each_file_once_and_nothing_new_commits_nothing(settings: Settings, commits: Any) -> None:
    put(settings, "goods-1.csv", "id,name\n1,one\n2,two\n")
    put(settings, "goods-2.csv.gz", "id,name,extra\n3,three,x\n")
    put(settings, "orders/a.ndjson", '{"n": 1}\n{"n": 2}\n')
    put(settings, "orders/deep/b.ndjson", '{"n": 3}')
    put(settings, ".hidden.csv", "id\n9\n")
    put(settings, "goods-3.csv.part", "id,name\n9,nine\n")
    assert total(settings) == 6
    assert lines_of(settings, "goods", "id", "name", "extra") == [
        ("goods-1.csv", 2, "1", "one", None),
        ("goods-1.csv", 3, "2", "two", None),
        ("goods-2.csv.gz", 2, "3", "three", "x"),
    ]
    files = [("orders/a.ndjson", 1), ("orders/a.ndjson", 2), ("orders/deep/b.ndjson", 1)]
    assert lines_of(settings, "orders", "document") == [(*at, f'{{"n": {n}}}') for n, at in enumerate(files, 1)]
    before = commits(settings)
    assert total(settings) == 0
    assert commits(settings) == before
    tables = {table.name: table for table in bronze.captured(Lake(settings.lake_root))}
    assert tables["bronze.drop.files.goods"].mode == "files"


def test_a_copy_a_move_and_a_touch_bring_nothing(settings: Settings, commits: Any) -> None:
    first = put(settings, "goods.csv", "id\n1\n2\n")
    put(settings, "goods-2.csv.gz", "id\n1\n2\n")
    assert total(settings) == 2, "two files with one content, one of them packed"
    shutil.copy(first, first.with_name("copy of goods.csv"))
    put(settings, "done/goods.csv", "id\n1\n2\n")
    os.utime(first)
    assert total(settings) == 0
    first.unlink()
    before = commits(settings)
    assert total(settings) == 0
    assert commits(settings) == before
    assert len(lines_of(settings, "goods", "id")) == 2, "a file that is gone takes nothing with it"


def test_a_file_that_grew_is_read_on_and_one_that_was_replaced_is_new(settings: Settings) -> None:
    put(settings, "goods.csv", "id,name\n1,one\n")
    total(settings)
    put(settings, "goods.csv", 'id,name\n1,one\n2,"t\nwo"\n3,three\n')
    assert total(settings) == 2
    put(settings, "goods.csv", "name,id\nuno,1\n")
    assert total(settings) == 1
    found = [(line, id, name) for _, line, id, name in lines_of(settings, "goods", "id", "name")]
    assert found == [(2, "1", "one"), (3, "2", "t\nwo"), (5, "3", "three"), (2, "1", "uno")]


def test_a_log_that_is_rotated_is_read_on_under_its_new_name(settings: Settings) -> None:
    line = '1.1.1.1 - - [17/May/2015:10:05:03 +0000] "GET /{} HTTP/1.1" 200 1 "-" "-"\n'
    put(settings, "access.log", line.format(1))
    total(settings)
    put(settings, "access.log.1", line.format(1) + line.format(2))
    put(settings, "access.log", line.format(3))
    assert total(settings) == 2
    put(settings, "access.log.2.gz", line.format(1) + line.format(2))
    put(settings, "access.log.1", line.format(3))
    put(settings, "access.log", line.format(4))
    assert total(settings) == 1
    assert [path for _, _, path in lines_of(settings, "access", "path")] == ["/1", "/3", "/2", "/4"]


def test_a_longer_file_beside_a_shorter_one_is_no_rename(settings: Settings) -> None:
    put(settings, "export-monday.csv", "id\n1\n")
    total(settings)
    put(settings, "export-tuesday.csv", "id\n1\n2\n")
    assert total(settings) == 2


def test_an_unfinished_last_line_waits(settings: Settings) -> None:
    put(settings, "goods.csv", "id,name\n1,one\n2,tw", fresh=True)
    put(settings, "orders.ndjson", '{"n": 1}', fresh=True)
    assert total(settings) == 2, "JSON says itself where it ends"
    put(settings, "goods.csv", "id,name\n1,one\n2,two\n", fresh=True)
    put(settings, "orders.ndjson", '{"n": 1}\n{"n": 2}\n', fresh=True)
    assert total(settings) == 2
    assert lines_of(settings, "goods", "name") == [("goods.csv", 2, "one"), ("goods.csv", 3, "two")]
    assert [line for _, line in lines_of(settings, "orders")] == [1, 2]
    path = put(settings, "goods.csv", "id,name\n1,one\n2,two\n3,three", fresh=True)
    assert total(settings) == 0
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert total(settings) == 1, "nobody has written to it for a while"


def test_a_packed_file_whose_end_is_missing_goes_on_when_it_is_there(tmp_path: Path) -> None:
    settings = source_of(tmp_path, rows=1000)
    text = "id,name\n" + "".join(f"{n},{n * 7919 % 1000}\n" for n in range(5000))
    whole = gzip.compress(text.encode(), mtime=0)
    path = put(settings, "goods.csv.gz", text)
    path.write_bytes(whole[: len(whole) // 2])
    report = capture(settings)
    assert "the end of the gzip file is missing" in report.errors["bronze.drop.files.goods"]
    assert 0 < report.total < 5000
    path.write_bytes(whole)
    total(settings)
    assert [int(id) for _, _, id in lines_of(settings, "goods", "id")] == list(range(5000))


def test_what_is_no_record_is_in_quarantine_and_stays_there(settings: Settings) -> None:
    put(settings, "goods.csv", b'id,name\n1,one\nid,name\n2\n\xff,3\n"4,four\n5,five\n')
    put(settings, "orders.ndjson", '{"n": 1}\n{"n":\n')
    assert total(settings) == 3
    expected = [
        ("goods.csv", 3, "header", "id,name"),
        ("goods.csv", 4, "fields", "2"),
        ("goods.csv", 5, "encoding", "\\xff,3"),
        ("goods.csv", 6, "quotes", '"4,four'),
    ]
    assert quarantined(settings, "goods") == expected
    assert build(settings).errors == {}
    put(settings, "goods-2.csv", "id,name\n6,six\n7\n")
    total(settings)
    report = build(settings)
    assert quarantined(settings, "goods") == [("goods-2.csv", 3, "fields", "7"), *expected], "a build lets none of them out"
    assert report.quarantined["quarantine.drop__files__goods"] == {"header": 1, "fields": 2, "encoding": 1, "quotes": 1}
    rows = Lake(settings.lake_root).read("silver.drop__files__goods").to_pylist()
    assert sorted((row["_file"], row["_line"], row["id"]) for row in rows) == [
        ("goods-2.csv", 2, "6"),
        ("goods.csv", 2, "1"),
        ("goods.csv", 7, "5"),
    ]


def test_columns_that_differ_only_in_case_are_one(settings: Settings) -> None:
    put(settings, "goods-1.csv", "Id,Price\n1,2\n")
    total(settings)
    put(settings, "goods-2.csv", "ID,price,Colour\n3,4,red\n")
    total(settings)
    assert [row[2:] for row in lines_of(settings, "goods", "Id", "Price", "Colour")] == [("1", "2", None), ("3", "4", "red")]


def test_a_file_that_cannot_be_read_stops_no_other(settings: Settings) -> None:
    put(settings, "goods.csv", "id\n1\n".encode("utf-16"))
    put(settings, "notes.txt", "hello\n")
    put(settings, "packed.csv.gz", "id\n1\n").write_bytes(b"no gzip")
    put(settings, "good.csv", "id\n1\n")
    report = capture(settings)
    assert report.total == 1
    errors = {name.rpartition(".")[2]: error for name, error in report.errors.items()}
    assert {name: re.sub(r"/\S*/", "", error) for name, error in errors.items()}.keys() == {"goods", "notes", "packed"}
    assert "UTF-16" in errors["goods"]
    assert "set `format`" in errors["notes"]
    assert "not a whole gzip file" in errors["packed"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = source_of(tmp_path)
    (tmp_path / "drop").rmdir()
    with pytest.raises(PermanentFailure, match=f"there is no folder {tmp_path / 'drop'}"):
        capture(settings)
    inside = load(tmp_path / "cartlake.toml", {"CARTLAKE_SOURCES__DROP__URL": "data/sandbox/weblog"})
    assert capture(inside).tables == ()


def test_patterns_choose_and_a_pause_holds(tmp_path: Path) -> None:
    from lake.capture import pause, resume

    settings = source_of(tmp_path, 'tables = ["*.goods"]\nheader = "no"')
    put(settings, "goods.csv", "a,b\n")
    put(settings, "other.csv", "a,b\n")
    assert total(settings) == 1
    pause(settings, ["files.goods"])
    put(settings, "goods.csv", "a,b\nc,d\n")
    assert total(settings) == 0
    resume(settings, ["files.goods"])
    assert total(settings) == 1
    assert [row[2:] for row in lines_of(settings, "goods", "c1", "c2")] == [("a", "b"), ("c", "d")]


def test_live_follows_a_folder(settings: Settings) -> None:
    put(settings, "goods.csv", "id,name\n1,one\n")
    stop, rounds = threading.Event(), list[int]()

    def on_round(_source: str, tables: Any) -> None:
        rounds.append(sum(table.rows.total() for table in tables))
        if len(rounds) == 1:
            put(settings, "goods.csv", "id,name\n1,one\n2,two\n3,three\n")
        else:
            stop.set()

    live(settings, stop=stop, on_round=on_round)
    assert rounds == [1, 2]


BEFORE = {
    "goods-1.csv": "id,name\n1,a\n2,b\nbad\n3,c\n4,d\n5\n",
    "goods-2.csv.gz": "id,name\n7,g\nbad too\n",
}
AFTER = {
    "goods-1.csv": BEFORE["goods-1.csv"] + "8,h\n9\n",
    "goods-2.csv.gz": "name,id\nnew,11\n",
    "goods-3.csv": BEFORE["goods-1.csv"],
    "orders.ndjson": '{"n": 1}\n',
}
IDS = [["1", "2", "3", "4", "7"], ["8", "11"]]
BAD = [[("goods-1.csv", 4), ("goods-1.csv", 7), ("goods-2.csv.gz", 3)], [("goods-1.csv", 9)]]


def test_a_kill_at_every_point_neither_loses_nor_doubles_a_line(
    tmp_path_factory: pytest.TempPathFactory, killed: Any, tmp_path: Path
) -> None:
    def step(settings: Settings, number: int) -> None:
        for name, content in (BEFORE, AFTER)[number].items():
            put(settings, name, content)

    def check(settings: Settings, upto: int) -> None:
        expected = Counter(id for ids in IDS[: upto + 1] for id in ids)
        assert Counter(id for *_, id in lines_of(settings, "goods", "id")) == expected
        assert sorted(row[:2] for row in quarantined(settings, "goods")) == sorted(at for bad in BAD[: upto + 1] for at in bad)
        assert len(lines_of(settings, "orders")) == upto

    for number in (0, 1):
        made = source_of(tmp_path_factory.mktemp("made"), rows=3)
        if number:
            step(made, 0)
            capture(made)
        step(made, number)
        ledger = tmp_path / f"ledger-{number}"
        undisturbed = copied(made, tmp_path_factory)
        assert killed(undisturbed, "", str(ledger)) == 0
        check(undisturbed, number)
        points = [json.loads(line)["point"] for line in ledger.read_text().splitlines()]
        assert {"files.quarantined", "files.recorded", "bronze.commit.before", "bronze.commit.after"} <= set(points)
        for visit in range(1, len(points) + 1):
            settings = copied(made, tmp_path_factory)
            assert killed(settings, f"*:{visit}") == -9
            killed(settings, f"*:{1 + visit % 3}")  # and once more while it goes on
            assert capture(settings).errors == {}
            check(settings, number)


def copied(made: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings, folder and lake as they are, in another place; the files keep their times."""
    home = tmp_path_factory.mktemp("copied")
    shutil.copytree(made.home, home, dirs_exist_ok=True)
    return load(home / "cartlake.toml", {})


@needs_course_data
def test_the_course_new_sales_are_found_by_their_number(
    servers: Any, make_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """The shop's MySQL against the warehouse's file: 1,650 sales are new, 12 lines of the file are literal INSERT text."""
    database = servers.new_database("sales")
    text = (CAPSTONE / "sales.sql").read_text().replace("utf8mb4_0900_ai_ci", "utf8mb4_general_ci")
    with closing(connect(servers.url_of(database, "root"), autocommit=True)) as connection, connection.cursor() as cursor:
        for statement in re.sub(r"^--.*$|/\*!.*?\*/;", "", text, flags=re.MULTILINE).split(";\n"):
            if statement.strip():
                cursor.execute(statement)
    source_of(tmp_path, f'[sources.shop]\nkind = "mysql"\nurl = "{servers.url_of(database)}"\n', rows=50_000)
    settings = load(tmp_path / "cartlake.toml", {})
    for name in ("sales.csv", "searchterms.csv", "accesslog.txt"):
        os.utime(shutil.copy(CAPSTONE / name, tmp_path / "drop"), (LONG_AGO, LONG_AGO))
    report = capture(settings)
    assert report.errors == {}
    assert {table.table: table.rows.total() for table in report.tables} == {
        "files.accesslog": 9_999,
        "files.sales": 12_186,
        "files.searchterms": 10_000,
        f"{database}.sales_data": 13_836,
    }
    assert [rule for *_, rule, _ in quarantined(settings, "sales")] == ["header"] * 12
    assert all(text.startswith("INSERT INTO sales_data") for *_, text in quarantined(settings, "sales"))
    assert [row[:3] for row in quarantined(settings, "accesslog")] == [("accesslog.txt", 8899, "format")]
    ((_, line, day),) = lines_of(settings, "searchterms", "day")[:1]
    assert (line, day) == (2, "12"), "the mark at the file's beginning is no part of the first column's name"
    known = max(int(rowid) for *_, rowid in lines_of(settings, "sales", "rowid"))
    shop = Lake(settings.lake_root).read(f"bronze.shop.{database}.sales_data", columns=["rowid"])["rowid"].to_pylist()
    assert sum(rowid > known for rowid in shop) == 1_650
    assert build(settings).quarantined["quarantine.drop__files__sales"] == {"header": 12}
