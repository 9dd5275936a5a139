"""Rolling-origin backtest: the same question asked at several past days, answered with what was known then."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ml.forecast import metrics
from ml.forecast.panel import TOTAL, Floats, Panel
from ml.forecast.pool import RARE

MOST_CUTS = 6
LEAST_TRAINED = 32  # days behind the earliest cut: 14 that an origin needs, and at least two weeks of origins
_WIDE_STEP = 56  # days between cuts when there is history for it: six of them see most of a year
_YEARLY = 392  # days that the yearly features need behind the earliest cut
_BETWEEN = 14  # days between the further origins behind a cut


@dataclass(frozen=True)
class Origins:
    """Last known days (indices) at which the backtest asks, oldest first; after each there is a whole horizon of truth.

    A model is fitted at each of `cuts` and is scored there. It is asked again at the later origins up to the next cut, for more
    errors to make intervals of. `fitted[i]` is the cut of `days[i]`.
    """

    days: tuple[int, ...]
    fitted: tuple[int, ...]

    @property
    def cuts(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.fitted))

    def at_cuts(self, forecast: Floats) -> Floats:
        """Of forecasts at all origins, those at the cuts."""
        return forecast[[place for place, day in enumerate(self.days) if day == self.fitted[place]]]


def cuts(days: int, horizon: int) -> tuple[int, ...]:
    """Last known days (indices) of the backtest, oldest first; after each there is a whole horizon of truth."""
    last = days - 1 - horizon
    room = last - (LEAST_TRAINED - 1)
    if room < 0:
        raise ValueError(f"{days} days hold no cut with {LEAST_TRAINED} days before and {horizon} after it")
    wide = max(_WIDE_STEP, horizon)
    step = wide if room >= (MOST_CUTS - 1) * wide + _YEARLY - LEAST_TRAINED else horizon
    return tuple(last - step * k for k in reversed(range(min(MOST_CUTS, room // step + 1))))


def origins(days: int, horizon: int) -> Origins:
    """The cuts and the origins between them."""
    at = cuts(days, horizon)
    ends = (*at[1:], at[-1] + 1)
    asked = [(day, cut) for cut, end in zip(at, ends, strict=True) for day in range(cut, end, _BETWEEN)]
    return Origins(tuple(day for day, _ in asked), tuple(cut for _, cut in asked))


def series(panel: Panel) -> tuple[str, ...]:
    """Names of what is forecast: the total, then each category."""
    return (TOTAL, *panel.categories)


def steady(panel: Panel) -> tuple[bool, ...]:
    """Whether each series, the total first, sells on most days of the last year: headline figures are about these alone.

    The last week again is a foolish rule for a category that sells on one day in a hundred, and no interval holds just 80 % of
    its days: a mean with it would tell of that category.
    """
    return (True, *((panel.values["net"][:, -364:] > 0).mean(axis=1) >= RARE).tolist())


def with_total(values: Floats) -> Floats:
    """(…, categories, days) -> (…, 1 + categories, days): the total is the sum, so that the forecasts always add up."""
    return np.concatenate([values.sum(axis=-2, keepdims=True), values], axis=-2)


def asked(panel: Panel, days: tuple[int, ...], answer: Callable[[Panel], Floats]) -> Floats:
    """What a rule that needs no fitting answers at each of the days, shape (days, categories, horizon)."""
    return np.stack([answer(panel.upto(day)) for day in days])


def naive(panel: Panel, horizon: int) -> Floats:
    """Seasonal naive forecasts of the categories, shape (categories, horizon)."""
    return metrics.seasonal_naive(panel.values["net"], horizon)


def truth(panel: Panel, days: tuple[int, ...], horizon: int) -> Floats:
    """What came true after each of the days, shape (days, categories, horizon)."""
    return np.stack([panel.values["net"][:, day + 1 : day + 1 + horizon] for day in days])


def score(panel: Panel, at: tuple[int, ...], forecast: Floats) -> dict[str, float]:
    """Errors of forecasts of the categories at the cuts, shape (cuts, categories, horizon).

    Keys: `mase`, `smape` (means over the total and the categories that are steady), `bias`, `rmse` (of the total, `rmse` in
    money), and each per series, the seldom ones too, as `mase/Books`, `mase/All` …
    """
    expected, known = with_total(forecast), with_total(truth(panel, at, forecast.shape[-1]))
    history = with_total(panel.values["net"])
    starts = [0, *panel.starts]
    values: dict[str, float] = {}
    for i, name in enumerate(series(panel)):
        begun = [c for c, cut in enumerate(at) if cut >= starts[i]]
        scales = [metrics.naive_scale(history[i, starts[i] : at[c] + 1]) for c in begun]
        each = {
            "mase": [metrics.mase(known[c, i], expected[c, i], scale) for c, scale in zip(begun, scales, strict=True)],
            "smape": [metrics.smape(known[c, i], expected[c, i]) for c in begun],
            "bias": [metrics.bias(known[begun, i], expected[begun, i])] if begun else [],
            "rmse": [metrics.rmse(known[begun, i], expected[begun, i])] if begun else [],
        }
        values |= {f"{metric}/{name}": mean(of) for metric, of in each.items()}
    told = [name for name, often in zip(series(panel), steady(panel), strict=True) if often]
    for metric in ("mase", "smape"):
        values[metric] = mean([values[f"{metric}/{name}"] for name in told])
    for metric in ("bias", "rmse"):
        values[metric] = values[f"{metric}/{TOTAL}"]
    return dict(sorted(values.items()))


def losses(panel: Panel, at: tuple[int, ...], forecast: Floats) -> Floats:
    """Mean MASE of the steady series at each cut, shape (cuts,): what recipes are compared by."""
    return np.array([score(panel, (cut,), forecast[[c]])["mase"] for c, cut in enumerate(at)])


def mean(values: list[float]) -> float:
    """Mean of the values that can be told; NaN when none can."""
    told = [value for value in values if np.isfinite(value)]
    return float(np.mean(told)) if told else float("nan")
