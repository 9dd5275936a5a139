"""What has drifted, of gold.model_monitoring."""

import polars as pl

from warehouse.dashboard.page import Page

TABLE = "gold.model_monitoring"
OK, ALERT = "ok", "alert"
# These metrics are alerts below their threshold, the others beyond it.
_BELOW = ("missing_sales", "category_test", "realised_coverage")


def checks(page: Page) -> pl.DataFrame:
    """Every check of every day, with `check`, its name for people."""
    return page.reader.rows(
        "SELECT date, model, metric, subject, value, threshold, status::VARCHAR AS status, detail, "
        f"model || ': ' || metric || ' of ' || subject AS \"check\" FROM {TABLE} ORDER BY date, model, metric, subject"
    )


def newest(rows: pl.DataFrame) -> pl.DataFrame:
    """The checks of the newest day of each model."""
    return rows.filter(pl.col("date") == pl.col("date").max().over("model"))


def open_alerts(rows: pl.DataFrame) -> pl.DataFrame:
    """What is not as it should be on the newest day of each model, alerts before warnings."""
    return newest(rows).filter(pl.col("status") != OK).sort("status", "check")


def when(rows: pl.DataFrame) -> str:
    """On which side of its threshold a check is an alert."""
    metric = rows["metric"][0]
    return "below" if metric in _BELOW else "above" if rows["threshold"][-1] >= 0 else "below"
