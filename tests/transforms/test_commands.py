"""`cartlake build`, `tables`, `graph` and `quarantine` as a user types them, on a small shop."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import cartlake
from lake.quarantine import Line, add_lines


def typed(shop: Any, *arguments: str) -> Result:
    config = str(shop.settings.home / "cartlake.toml")
    return CliRunner().invoke(cartlake.main, ["--config", config, *arguments], env=dict(shop.settings.environment))


def refusal(result: Result) -> str:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    return line


def planned(result: Result) -> dict[str, str]:
    """Table -> reason, of what `--plan` printed."""
    assert result.exit_code == 0, result.output
    lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    return {words[0]: words[2] for words in lines if "." in words[0]}


@pytest.fixture
def built(shop: Any, rows: Any) -> Any:
    """Two orders and two sales, one of which is in quarantine."""
    shop.snapshot("orders", [rows.order(1), rows.order(2, channel="app")])
    shop.snapshot("sales_data", [rows.sale(1), rows.sale(2, quantity=0)])
    shop.build(select=["silver.orders", "silver.sales", "gold.dim_channel"])
    return shop


def test_the_plan_of_a_selection_knows_what_is_left_out(built: Any, rows: Any) -> None:
    built.change("orders", ("c", rows.order(3)))
    everything = planned(typed(built, "build", "--plan", "+dim_channel"))
    assert everything["gold.dim_channel"] == "silver.orders will change"
    assert planned(typed(built, "build", "--plan", "dim_channel")) == {"gold.dim_channel": "nothing new"}
    assert planned(typed(built, "build", "--plan", "--full", "dim_channel")) == {"gold.dim_channel": "asked for"}
    assert set(planned(typed(built, "build", "--plan", "orders+"))) > {"silver.orders", "gold.dim_channel", "gold.fact_sales"}


def test_a_backfill_is_planned_and_done(built: Any) -> None:
    days = ("--from", "2025-01-01", "--to", "2025-01-31")
    reasons = planned(typed(built, "build", "--plan", *days, "silver.sales", "silver.orders"))
    assert reasons["silver.sales"] == "days 2025-01-01 to 2025-01-31"
    assert reasons["silver.orders"] == "its rows have no day (dated): a backfill leaves it"
    done = typed(built, "build", *days, "silver.sales")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[2].split()[:4] == ["silver.sales", "by_key", "1", "0"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--from", "2025-02-30", "--to", "2025-03-01"), "--from 2025-02-30: no day of the calendar"),
        (("--from", "2025-02-01", "--to", "tomorrow"), "--to tomorrow: no day of the calendar"),
        (("--from", "2025-02-02", "--to", "2025-02-01"), "the first must not be after the last"),
        (("--from", "2025-02-01"), "needs its first day and its last"),
        (("--full", "--from", "2025-02-01", "--to", "2025-02-01"), "choose one"),
    ],
)
@pytest.mark.parametrize("plan", [(), ("--plan",)])
def test_wrong_days_are_one_line(shop: Any, options: tuple[str, ...], message: str, plan: tuple[str, ...]) -> None:
    assert message in refusal(typed(shop, "build", *plan, *options))


def test_the_tables(built: Any) -> None:
    found = {row["table"]: row for row in json.loads(typed(built, "tables", "--format", "json").stdout)}
    sales = found["silver.sales"]
    assert (sales["grain"], sales["update"], sales["rows"], sales["file"]) == (
        "one row per sale line",
        "by_key(bronze.shop.softcart.sales_data)",
        1,
        "transforms/silver/sales.py",
    )
    assert sales["built_at"].startswith("20")
    assert (found["gold.fact_sales"]["rows"], found["gold.fact_sales"]["built_at"]) == (None, None)
    listed = list(csv.DictReader(typed(built, "tables", "--format", "csv").stdout.splitlines()))
    assert [row["table"] for row in listed] == list(found)
    assert "gold.dim_customer" in typed(built, "tables").stdout


def test_the_graph_on_stdout_and_in_a_file(built: Any, tmp_path: Path) -> None:
    assert "  silver_sales --> gold_fact_sales" in typed(built, "graph").stdout.splitlines()
    star = typed(built, "graph", "--erd").stdout
    assert star.startswith("erDiagram")
    assert "    int64 channel_key PK" in star, "a table that is built is shown with its columns"
    assert "gold_dim_customer ||--o{ gold_fact_sales : customer_key" in star
    drawn = typed(built, "graph", "--erd", "--svg", str(tmp_path / "star.svg"))
    assert (drawn.exit_code, drawn.stdout) == (0, "")
    assert (tmp_path / "star.svg").read_text().startswith("<svg ")
    assert "cannot write" in refusal(typed(built, "graph", "--svg", str(tmp_path / "no" / "star.svg")))


def test_quarantine_is_counted_and_shown(built: Any) -> None:
    add_lines(built.lake, "silver.weblog__files__a", [Line("a.csv", 7, "fields", "too many", "x,y,z")])
    counted = json.loads(typed(built, "quarantine", "--format", "json").stdout)
    assert counted == [
        {"quarantine": "quarantine.sales", "rule": "quantity > 0", "rows": 1},
        {"quarantine": "quarantine.weblog__files__a", "rule": "fields", "rows": 1},
    ]
    for name in ("sales", "silver.sales", "quarantine.sales"):
        (row,) = json.loads(typed(built, "quarantine", name, "--format", "json").stdout)
        assert (row["key"], row["reason"]) == ('{"sale_id": 2}', "breaks quantity > 0")
        assert json.loads(row["raw"])["quantity"] == 0
    assert "no row of nothing was ever in quarantine" in refusal(typed(built, "quarantine", "nothing"))


def test_replay_from_the_command_line(built: Any) -> None:
    add_lines(built.lake, "silver.weblog__files__a", [Line("a.csv", 7, "fields", "too many", "x,y,z")])
    done = typed(built, "quarantine", "replay")
    assert done.exit_code == 0, done.output
    assert [line.split()[:4] for line in done.stdout.splitlines()[2:3]] == [["silver.sales", "rebuild", "1", "0"]]
    assert len(json.loads(typed(built, "quarantine", "--format", "json").stdout)) == 2


def test_nothing_is_in_quarantine(shop: Any) -> None:
    for words in (("quarantine",), ("quarantine", "replay")):
        result = typed(shop, *words)
        assert (result.exit_code, result.stdout) == (0, "")
        assert "nothing is in quarantine" in result.stderr
