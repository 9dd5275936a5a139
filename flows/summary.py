"""What `cartlake demo` says at its end: rows, what was put aside and why, seconds, the models, what to try next."""

from collections.abc import Mapping
from typing import Any

from flows.steps import Report
from lake.config import Settings
from lake.delta import Lake
from warehouse.output import render

_LAYERS = ("bronze", "silver", "quarantine", "gold")
_TRY = """\
Try next:
  .venv/bin/cartlake sql "select country, sum(net_amount) revenue from gold.agg_sales_daily group by all order by 2 desc"
  .venv/bin/cartlake shop trade --days 1 && make demo
  .venv/bin/cartlake up"""


def text(settings: Settings, reports: Mapping[str, Report], seconds: Mapping[str, float]) -> str:
    """The whole summary. `seconds`: wall time of each stage."""
    parts = [
        _table("Rows", _rows_per_layer(Lake(settings.lake_root))),
        _table("In quarantine", _quarantined(reports["build"])) or "Nothing is in quarantine.\n",
        _table(
            "Seconds", [{**{stage: round(took, 1) for stage, took in seconds.items()}, "all": round(sum(seconds.values()), 1)}]
        ),
        _table("Models: what each loses in its backtest, and the plain rule beside it", _models(reports["train"])),
        _release(settings, reports["publish"]),
        _TRY,
    ]
    return "\n".join(part for part in parts if part)


def _rows_per_layer(lake: Lake) -> list[dict[str, Any]]:
    names = {layer: lake.names(layer) for layer in _LAYERS}
    return [
        {"layer": layer, "tables": len(found), "rows": sum(map(lake.count, found))} for layer, found in names.items() if found
    ]


def _quarantined(build: Report) -> list[dict[str, Any]]:
    found: Mapping[str, Mapping[str, int]] = getattr(build, "quarantined", {})
    return [{"table": table, "broken rule": rule, "rows": rows} for table, rules in found.items() for rule, rows in rules.items()]


def _models(train: Report) -> list[dict[str, Any]]:
    shown = ("model", "version", "recipe", "metric", "backtest", "plain_rule")
    return [{name: row[name] for name in shown} for row in train.rows() if row["version"]]


def _release(settings: Settings, publish: Report) -> str:
    number = getattr(publish, "release", None)
    where = f"duckdb {settings.warehouse.path}"
    return f"Release {number}: {where}\n" if number else f"No new release, nothing changed: {where}\n"


def _table(title: str, rows: list[dict[str, Any]]) -> str:
    return f"{title}\n{render(list(rows[0]), [tuple(row.values()) for row in rows])}\n" if rows else ""
