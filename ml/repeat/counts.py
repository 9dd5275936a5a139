"""How many purchases each customer will make: the BG/NBD model, corrected by what it does not see.

BG/NBD (Fader, Hardie and Lee, "Counting Your Customers" the Easy Way, Marketing Science 24(2), 2005) knows a customer by the
number of repeat purchases x, the time of the last one t_x and the time observed T, in weeks. A Poisson regression on top of it,
learned at past days whose future is known by now, sees what else there is: purchases of the last weeks, and money. The answer is
the mean of both.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Floats = NDArray[np.float64]
ORIGINS = 5  # past days that the correction learns from
_RECENT = (6, 13, 20)  # weeks
# Strength of the prior that the correction is none, in customers. Of 2400, 240 and 24 the last did best on the newest past day of
# CDNOW's 23,570 customers, learned from the older ones; a prior does not grow with the log.
_PRIOR = 24.0


@dataclass(frozen=True)
class Histories:
    """Customers at a day, in order of number: repeat purchases, weeks to the last one, weeks observed, and more to correct by."""

    customers: NDArray[np.int64]
    x: Floats
    last: Floats
    observed: Floats
    recent: Floats  # shape (customers, len(_RECENT)): purchases of the last weeks, the first one included
    value: Floats  # mean money of a purchase


def histories(purchases: "pl.DataFrame", end: date) -> Histories:
    """What is known at the end of a day. `purchases` has customer_id, date and value: one row per customer and day."""
    import polars as pl

    known = purchases.filter(pl.col("date") <= end)
    weeks = [(pl.col("date") > end - timedelta(weeks=n)).sum().alias(f"recent_{n}") for n in _RECENT]
    first, last = pl.col("date").min(), pl.col("date").max()
    made = known.group_by("customer_id").agg(
        (pl.len() - 1).cast(pl.Float64).alias("x"),
        ((last - first).dt.total_days() / 7).alias("last"),
        ((pl.lit(end) - first).dt.total_days() / 7).alias("observed"),
        pl.col("value").mean().alias("value"),
        *weeks,
    )
    made = made.sort("customer_id")
    recent = made.select(f"recent_{n}" for n in _RECENT).to_numpy().astype(float)
    x, since, observed, value = (made[name].to_numpy() for name in ("x", "last", "observed", "value"))
    return Histories(made["customer_id"].to_numpy(), x, since, observed, recent, value)


def bought(purchases: "pl.DataFrame", after: date, upto: date, customers: NDArray[np.int64]) -> Floats:
    """Purchases of each customer after one day and up to another."""
    import polars as pl

    inside = purchases.filter((pl.col("date") > after) & (pl.col("date") <= upto)).group_by("customer_id").len()
    counts = dict(inside.iter_rows())
    return np.array([float(counts.get(int(customer), 0)) for customer in customers])


def expected(purchases: "pl.DataFrame", end: date, weeks: float) -> tuple[Histories, Floats]:
    """Expected purchases of each customer in the weeks after `end`, from nothing later than `end`."""
    known = histories(purchases, end)
    plain = bg_nbd(fit_bg_nbd(known), known, weeks)
    origins = _origins(purchases, end)
    if len(origins) < 2:
        return known, plain
    taught = [_taught(purchases, origin, end) for origin in origins]
    model = _fit_poisson(taught, _PRIOR / len(known.customers))
    return known, (plain + _rate(model, _features(known, plain / weeks)) * weeks) / 2


def fit_bg_nbd(known: Histories) -> Floats:
    """r, alpha, a, b by maximum likelihood (equation 6 of the paper)."""
    from scipy.optimize import minimize
    from scipy.special import gammaln

    x, last, observed = known.x, known.last, known.observed
    repeated = x > 0

    def loss(logs: Floats) -> float:
        r, alpha, a, b = np.exp(logs)
        rate = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        alive = gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        still = -(r + x) * np.log(alpha + observed)
        gone = np.where(repeated, np.log(a) - np.log(b + np.maximum(x, 1) - 1) - (r + x) * np.log(alpha + last), -np.inf)
        return -float(np.mean(rate + alive + np.logaddexp(still, gone)))

    options = {"maxiter": 4000, "xatol": 1e-6, "fatol": 1e-10}
    return np.asarray(np.exp(minimize(loss, np.log([0.3, 5.0, 0.8, 2.0]), method="Nelder-Mead", options=options).x))


def bg_nbd(parameters: Floats, known: Histories, weeks: float) -> Floats:
    """Expected purchases in the weeks to come (equation 10 of the paper)."""
    from scipy.special import hyp2f1

    r, alpha, a, b = parameters
    x, last, observed = known.x, known.last, known.observed
    whole = alpha + observed + weeks
    series = hyp2f1(r + x, b + x, a + b + x - 1, weeks / whole)
    coming = (a + b + x - 1) / (a - 1) * (1 - ((alpha + observed) / whole) ** (r + x) * series)
    died = (x > 0) * a / (b + np.maximum(x, 1) - 1) * ((alpha + observed) / (alpha + last)) ** (r + x)
    return np.asarray(coming / (1 + died))


def _origins(purchases: "pl.DataFrame", end: date) -> list[date]:
    """Past days with as much as possible behind them and at least seven weeks of future, oldest first, three weeks apart."""
    first: date = purchases["date"].min()  # type: ignore[assignment]
    found = [end - timedelta(weeks=7 + 3 * number) for number in range(ORIGINS)]
    return [origin for origin in reversed(found) if (origin - first).days >= 7 * 20 - 1]


def _taught(purchases: "pl.DataFrame", origin: date, end: date) -> tuple[Floats, Floats, float]:
    known, weeks = histories(purchases, origin), (end - origin).days / 7
    plain = bg_nbd(fit_bg_nbd(known), known, weeks)
    return _features(known, plain / weeks), bought(purchases, origin, end, known.customers), weeks


def _features(known: Histories, rate: Floats) -> Floats:
    silence = np.log1p(known.observed - known.last)
    return np.column_stack(
        [np.log(np.maximum(rate, 1e-6)), np.log1p(known.recent), np.log1p(known.value), np.log1p(known.x), silence]
    )


def _fit_poisson(taught: list[tuple[Floats, Floats, float]], penalty: float) -> object:
    from sklearn.linear_model import PoissonRegressor

    rows = np.vstack([features for features, _, _ in taught])
    rates = np.concatenate([counts / weeks for _, counts, weeks in taught])
    weight = np.concatenate([np.full(len(counts), weeks) for _, counts, weeks in taught])
    return PoissonRegressor(alpha=penalty, max_iter=2000).fit(rows, rates, sample_weight=weight)


def _rate(model: object, rows: Floats) -> Floats:
    return np.asarray(model.predict(rows))  # type: ignore[attr-defined]
