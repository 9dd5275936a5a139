"""The sales forecast as it answers, without Java: from the days that were known at training, or from newer ones."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml.forecast import features, pool, regressors
from ml.forecast.backtest import series, with_total
from ml.forecast.intervals import WIDTHS, Intervals
from ml.forecast.panel import Floats, Panel
from ml.forecast.regressors import Regressor

ANSWERS = ("forecast", "lower", "upper", "lower_95", "upper_95")


@dataclass(frozen=True)
class SalesForecast:
    """A regressor, or a pool's `members`, or both; `said` has the answers as they were known at training.

    `categories` and `numeric` say how the regressor's vectors are made up. `said`: series -> yyyy-mm-dd -> ANSWERS. `monthly` are
    the intervals of months; None while the shop is too young to tell.
    """

    regressor: Regressor | None
    members: tuple[str, ...]
    numeric: tuple[str, ...]
    categories: tuple[str, ...]
    horizon: int
    spread: Intervals
    said: Mapping[str, Mapping[str, list[float]]]
    monthly: Intervals | None = None

    def forecast(self, panel: Panel) -> Floats:
        """Net revenue of the days after the panel's last, shape (categories, horizon)."""
        parts = [] if self.regressor is None else [self._regressed(self.regressor, panel)]
        if self.members:
            parts.append(pool.forecast(panel, self.horizon, self.members))
        return mixed(parts)

    def _regressed(self, regressor: Regressor, panel: Panel) -> Floats:
        rows = features.rows(panel, np.array([panel.days - 1]), self.horizon)
        money = priced(regressor.predict(features.matrix(rows, self.numeric, panel, self.categories)), rows)
        made = np.zeros((len(panel.categories), self.horizon))
        made[rows["series"].astype(np.int64), (rows["day"] - rows["origin"] - 1).astype(np.int64)] = money
        return made

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """ANSWERS for each row's `category` ('All': the whole shop) and `date`, as known at training.

        ValueError that names the column and what it may hold.
        """
        for name in ("category", "date"):
            if name not in model_input.columns:
                raise ValueError(f"column {name!r} is missing")
        rows = [self._one(category, day) for category, day in zip(model_input["category"], model_input["date"], strict=True)]
        return pd.DataFrame(rows, columns=list(ANSWERS), index=model_input.index, dtype=float)

    def _one(self, category: object, day: object) -> list[float]:
        known = self.said.get(category) if isinstance(category, str) else None
        if known is None:
            raise ValueError(f"column 'category': {category!r} is none of {', '.join(self.said)}")
        text = day.isoformat()[:10] if isinstance(day, date) else str(day)
        if text not in known:
            raise ValueError(f"column 'date': {text!r} is none of the days from {min(known)} to {max(known)}")
        return known[text]

    def save(self, folder: Path) -> None:
        """Plain files: served.json, and the regressor's own."""
        if self.regressor is not None:
            self.regressor.save(folder)
        text = {name: getattr(self, name) for name in ("members", "numeric", "categories", "horizon", "said")}
        spreads = {"spread": self.spread.to_json(), "monthly": self.monthly and self.monthly.to_json()}
        (folder / "served.json").write_text(json.dumps(text | spreads))


def _load_pyfunc(path: str) -> SalesForecast:
    folder = Path(path)
    raw = json.loads((folder / "served.json").read_text())
    names: dict[str, Any] = {name: tuple(raw[name]) for name in ("members", "numeric", "categories")}
    spread, monthly = (Intervals.from_json(said) if said else None for said in (raw["spread"], raw.get("monthly")))
    names |= {"horizon": raw["horizon"], "spread": spread, "said": raw["said"], "monthly": monthly}
    return SalesForecast(regressors.load(folder), **names)


def mixed(parts: list[Floats]) -> Floats:
    """Forecasts of several parts as one: their geometric mean, as errors of sales are factors (MASE 0.682 against 0.690).

    Where the first says nothing at all, the others answer: a regressor has no level of a category that sold nothing for 28 days.
    """
    first, *others = parts
    if not others:
        return first
    return np.where(first == 0, mixed(others), np.prod(parts, axis=0) ** (1 / len(parts)))


def priced(logs: Floats, rows: features.Columns) -> Floats:
    """Logs of ratios as money; nothing for a category without sales in the last 28 days."""
    return np.asarray(np.nan_to_num(np.exp(logs) * rows["level"]))


def told(panel: Panel, net: Floats, spread: Intervals) -> dict[str, dict[str, list[float]]]:
    """ANSWERS of each series, the total first, by date: forecasts of the categories in whole cents, so that they add up."""
    cents = np.maximum(net, 0).round(2)
    made: dict[str, dict[str, list[float]]] = {}
    for name, line in zip(series(panel), with_total(cents).round(2), strict=True):
        bounds = [np.round(bound, 2) for width in WIDTHS for bound in spread.around(name, line, width)]
        days = [panel.day(panel.days + ahead).isoformat() for ahead in range(len(line))]
        made[name] = dict(zip(days, np.column_stack([line, *bounds]).tolist(), strict=True))
    return made
