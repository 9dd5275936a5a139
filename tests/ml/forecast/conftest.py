"""Panels of made-up sales, by way of rows as gold.feature_sales_daily has them."""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from ml.forecast import history
from ml.forecast.panel import Panel

FIRST = date(2024, 1, 1)
Rows = Callable[..., pl.DataFrame]


def feature_rows(
    net: np.ndarray, starts: tuple[int, ...] = (), off: np.ndarray | float = 0.1, price: np.ndarray | float = 10.0
) -> pl.DataFrame:
    """A row per category (c0, c1 …) and day from its start; money in cents. Rolling columns are made day by day, the slow way."""
    gross = net / (1 - np.broadcast_to(off, net.shape))
    units = gross / np.broadcast_to(price, net.shape)
    rows = []
    for i in range(len(net)):
        start = starts[i] if starts else 0
        for day in range(start, net.shape[1]):

            def span(of: np.ndarray, count: int, ago: int = 0, i: int = i, day: int = day, start: int = start) -> np.ndarray:
                return of[i, max(start, day - ago - count + 1) : max(start, day - ago + 1)]

            row: dict[str, object] = {"date": FIRST + timedelta(days=day), "category": f"c{i}"}
            row |= {"net_amount": net[i, day], "amount": gross[i, day], "discount": gross[i, day] - net[i, day]}
            row |= {"mean_7": span(net, 7).mean(), "level_28": span(net, 28).mean(), "mean_91": span(net, 91).mean()}
            for name, ago in (("year_ago_level", 364), ("two_years_ago_level", 728)):
                past = span(net, 28, ago)
                row[name] = past.mean() if len(past) else None
            for count in (7, 28, 91):
                sold, of = span(gross, count).sum(), span(units, count).sum()
                row[f"price_{count}"] = sold / of if of else None
                row[f"discount_share_{count}"] = 1 - span(net, count).sum() / sold if sold else 0.0
            rows.append(row)
    return pl.DataFrame(rows, infer_schema_length=None)


@pytest.fixture(scope="session", name="feature_rows")
def _feature_rows() -> Rows:
    return feature_rows


@pytest.fixture(scope="session")
def panel_of() -> Callable[..., Panel]:
    """Makes a panel of net sales, shape (categories, days)."""

    def make(net: np.ndarray, *more: object, **options: object) -> Panel:
        return history.build(feature_rows(net, *more, **options), FIRST + timedelta(days=net.shape[1]), 1)

    return make


@pytest.fixture(scope="session")
def sales() -> Callable[..., np.ndarray]:
    """Makes net sales with a week, a year, growth and noise, shape (categories, days)."""

    def make(days: int, levels: tuple[float, ...] = (900.0, 4000.0), noise: float = 0.15, seed: int = 5) -> np.ndarray:
        random, index = np.random.default_rng(seed), np.arange(days)
        weekly = np.array([0.8, 0.85, 0.9, 1.0, 1.15, 1.35, 0.95])[(FIRST.weekday() + index) % 7]
        season = weekly * (1 + 0.3 * np.sin(2 * np.pi * index / 365.25)) * np.exp(0.2 * index / 365)
        return np.array([np.round(level * season * random.lognormal(0, noise, days), 2) for level in levels])

    return make
